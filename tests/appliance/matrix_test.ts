import assert from "node:assert/strict";
import { freePort, loopback, startNode, until } from "./support.ts";

/** Every session that a tunnel over UDP can have, each with a probe at either end. */
const cases = ["", "00112233", "0011223344556677"].flatMap((cookie) =>
  ["none", "default"].flatMap((l2spec) =>
    (l2spec === "none" ? ["none"] as const : ["none", "both", "lns"] as const).map((seq) => ({
      cookie,
      l2spec,
      seq,
    }))
  )
);

/** Sequencing at either end; of `lns`, only one end decides, and the other (a LAC) follows what it receives. */
const sequencing = {
  none: ["seq: none", "seq: none"],
  both: ["seq: both", "seq: both"],
  lns: ["seq: send, lns-mode: true", "seq: none"],
} as const;

interface End {
  readonly local: string;
  readonly remote: string;
  readonly me: 1 | 2;
}

function config({ local, remote, me }: End): string {
  const sessions = cases.map(({ cookie, l2spec, seq }, i) => {
    const id = (end: number) => 100 * end + i;
    const [mine, theirs] = me === 1 ? ["cookie", "peer-cookie"] : ["peer-cookie", "cookie"];
    const back = cookie.split("").reverse().join("");
    const cookies = cookie === "" ? "" : `${mine}: "${cookie}", ${theirs}: "${back}",`;
    const ping = me === 1 ? `, ping: 10.0.${i}.2, interval-ms: 20` : "";
    return `      s${i}: { session-id: ${id(me)}, peer-session-id: ${id(3 - me)}, ${cookies}
        l2spec-type: ${l2spec}, ${sequencing[seq][me - 1]},
        circuit: { probe: { address: 10.0.${i}.${me}/24${ping} } } }`;
  });
  return `listen: [{ udp: "${local}" }]
tunnels:
  branch:
    static: { tunnel-id: ${me}, peer-tunnel-id: ${3 - me} }
    local: "${local}"
    remote: "${remote}"
    sessions:
${sessions.join("\n")}
`;
}

for (const version of [4, 6]) {
  Deno.test(`frames cross over UDP and IPv${version} with every cookie, sublayer and sequencing`, async () => {
    const [a, b] = version === 4
      ? [`${loopback(1)}:1701`, `${loopback(2)}:1701`]
      : [`[::1]:${freePort("::1")}`, `[::1]:${freePort("::1")}`];
    await using left = await startNode(config({ local: a, remote: b, me: 1 }));
    await using right = await startNode(config({ local: b, remote: a, me: 2 }));
    const sessions = async () => (await left.appliance.tunnel("branch")).sessions;
    const received = (details: unknown) => (details as { received: number }).received;
    await until(async () =>
      (await sessions()).every(({ circuit }) => received(circuit?.shown) >= 3)
    );
    for (const node of [left, right]) {
      const { sessions, counters } = await node.appliance.tunnel("branch");
      for (const { config, counters } of sessions) {
        const what = `${config.name} ${JSON.stringify(cases[Number(config.name.slice(1))])}`;
        assert.ok(counters["rx-packets"] >= 4 && counters["tx-packets"] >= 4, what);
        assert.equal(counters["rx-errors"] + counters["tx-errors"], 0, what);
      }
      const sum = sessions.reduce((sum, { counters }) => sum + counters["rx-packets"], 0);
      assert.equal(counters["rx-packets"], sum);
    }
  });
}

Deno.test("a wrong cookie passes nothing, and is counted", async () => {
  const [a, b] = [`${loopback(1)}:1701`, `${loopback(2)}:1701`];
  const side = (me: 1 | 2, peerCookie: string) =>
    `tunnels:
  branch:
    static: { tunnel-id: ${me}, peer-tunnel-id: ${3 - me} }
    local: "${me === 1 ? a : b}"
    remote: "${me === 1 ? b : a}"
    sessions:
      s: { session-id: ${me}, peer-session-id: ${
      3 - me
    }, cookie: "00000001", peer-cookie: "${peerCookie}",
           circuit: { probe: { address: 10.0.0.${me}/24, ping: 10.0.0.${
      3 - me
    }, interval-ms: 20 } } }
`;
  await using left = await startNode(side(1, "00000001"));
  await using right = await startNode(side(2, "00000002"));
  const counters = async () => (await right.appliance.tunnel("branch")).sessions[0]!.counters;
  await until(async () => (await counters())["rx-cookie-discards"] >= 3);
  assert.equal((await counters())["rx-packets"], 0);
  assert.ok((await right.appliance.datapath()).drops["cookie-mismatch"]! >= 3);
  await right.appliance.changeSession("branch", "s", { peerCookie: "00000001" });
  await until(async () =>
    (await left.appliance.tunnel("branch")).sessions[0]!.counters["rx-packets"] > 3
  );
});
