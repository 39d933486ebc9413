/**
 * `isthmus trace`: a tunnel and a call with hidden AVPs are set up, and what it prints can be read; what it writes is a
 * capture file that tshark has nothing to say against.
 */

import { checkedFetch } from "../../edge/admin/promised.ts";
import assert from "node:assert/strict";
import { type Appliance, root, startAppliance } from "./support/appliance.ts";
import { isthmus, quickTimers, untilDown, untilUp } from "./support/managed.ts";
import { makePair, type Pair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { tshark } from "./support/tshark.ts";

const secret = "a-long-interop-secret";
const policy = `${quickTimers}, secret: ${secret}, hide-avps: true`;

const answering = (adminSocket: string) => `
listen: [{ udp: "10.77.0.2:1701" }]
admin: { listen: "unix:${adminSocket}" }
host-name: hq.example
peers:
  old: { host-name: branch.v2, proto-version: 2, ${policy}, accept: [{ circuit: { sink: {} } }] }
  new: { host-name: branch.v3, proto-version: 3, ${policy}, accept: [{ circuit: { sink: {} } }] }
  pinged: { host-name: branch.pings, ${policy}, accept: [{ circuit: { probe: { address: 192.168.7.2/24 } } }] }
`;

const dialing = (version: 2 | 3) => (adminSocket: string) => `
listen: []
admin: { listen: "unix:${adminSocket}" }
host-name: branch.v${version}
peers:
  hq: { proto-version: ${version}, ${policy} }
tunnels:
  hq:
    peer: hq
    local: "10.77.0.1:0"
    remote: 10.77.0.2
    sessions:
      office: { circuit: { sink: {} } }
`;

/** Pings through the pseudowire, ten times a second. */
const pinging = (adminSocket: string) =>
  dialing(3)(adminSocket).replace("branch.v3", "branch.pings").replace(
    "circuit: { sink: {} }",
    "circuit: { probe: { address: 192.168.7.1/24, ping: 192.168.7.2, interval-ms: 100 } }",
  );

const { test } = suite<{ readonly pair: Pair; readonly hq: Appliance }>(
  import.meta.url,
  ["root", "ip", "ss", "ethtool", "tshark"],
  async (stack) => {
    const pair = stack.use(await makePair());
    return { pair, hq: stack.use(await startAppliance(pair.there, answering)) };
  },
);

/** Starts `isthmus trace` at the answering side, and waits until it looks. */
async function tracing({ pair, hq }: { pair: Pair; hq: Appliance }, ...words: string[]) {
  const before = await followers(hq);
  const trace = pair.there.background(
    "trace",
    ...[Deno.execPath(), "run", "-q", "-A", `${root}edge/main.ts`, "--url"],
    ...[`unix:${hq.adminSocket}`, "trace", ...words],
  );
  await until("the trace has begun", async () => await followers(hq) > before);
  return trace;
}

/** Requests of `/v1/trace` so far. */
async function followers({ adminSocket }: Appliance): Promise<number> {
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: adminSocket } });
  const text = await (await checkedFetch("http://localhost/metrics", { client })).text();
  client.close();
  const lines = text.split("\n").filter((line) => line.includes("/v1/trace"));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

for (const version of [2, 3] as const) {
  test(`v${version}: hidden AVPs are read, secrets are not shown, tshark reads the file`, async (context) => {
    const { pair } = context;
    const peer = version === 2 ? "old" : "new";
    const file = `${pair.there.folder}/v${version}.pcapng`;
    await using text = await tracing(context, peer);
    await using capture = await tracing(context, peer, "--pcapng", file);
    await using nobody = await tracing(context, version === 2 ? "new" : "old");
    await isthmus(context.hq, "set", "log", "level", "debug", "of", peer);
    {
      await using branch = await startAppliance(pair.here, dialing(version));
      const before = await untilUp(branch, "hq", 1);
      await isthmus(branch, "del", "tunnel", "hq");
      await untilDown(branch, "hq", before);
    }
    await until("the farewell was seen", async () => /StopCCN/.test(await text.log()));
    const said = await text.log();
    for (const word of ["SCCRQ", "SCCRP", "SCCCN", "ICRQ", "ICRP", "ICCN", "StopCCN"]) {
      assert.match(said, new RegExp(`(<-|->) 10\\.77\\.0\\.1:\\d+ ${word} v${version}`), word);
    }
    assert.match(said, / == established\n/);
    assert.match(said, /vendor-name +isthmus {2}\(hidden, optional\)/);
    const masked = /challenge-response +\(a secret of 16 octets\) {2}\(hidden/;
    if (version === 2) assert.match(said, masked);
    assert.doesNotMatch(said, /hidden with another secret|no secret is known/);
    assert.doesNotMatch(said, new RegExp(secret));
    assert.equal(await nobody.log(), "");
    await isthmus(context.hq, "set", "log", "level", "none", "of", peer);
    const lines = (await context.hq.process.log()).split("\n")
      .filter((line) => line.includes("control message") && line.includes(`peer=${peer}`));
    assert.match(lines[0]!, / debug +control message received .*type=SCCRQ .*hostName=branch/);
    assert(lines.length > 6, lines.join("\n"));

    const checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    const dissect = (...how: string[]) =>
      tshark(file, "-o", `l2tp.shared_secret:${secret}`, ...checks, ...how);
    await until("the file has all that was said", async () => {
      const types = (await dissect("-T", "fields", "-e", "l2tp.avp.message_type")).split("\n");
      return ["1", "2", "3", "10", "11", "12", "4"].every((type) => types.includes(type));
    });
    const dissected = await dissect("-V");
    const wrong = dissected.split("\n").filter((line) => /malformed|expert|incorrect/i.test(line));
    assert.deepEqual(wrong, []);
    assert.match(dissected, /Interface name: (old|new)-\d+/);
    assert.equal(capture.exitCode(), undefined);
  });
}

test("a stranger is seen, with the reason why nobody answers", async (context) => {
  const { pair } = context;
  await using trace = await tracing(context, "--json", "--count", "1");
  await using _branch = await startAppliance(
    pair.here,
    (socket) => dialing(2)(socket).replace("branch.v2", "nobody"),
  );
  await until("it was seen, and the trace ended", () => trace.exitCode() !== undefined);
  const { direction, dropped, event, type } = JSON.parse((await trace.log()).split("\n")[0]!);
  assert.deepEqual(
    { direction, dropped, event, type },
    { direction: "received", dropped: "unknown-peer", event: "message", type: "SCCRQ" },
  );
});

test("data packets are shown where they are asked for, the first octets of each, and in the file", async (context) => {
  const { hq, pair } = context;
  const file = `${pair.there.folder}/data.pcapng`;
  const wrong = await hq.cli("trace", "--data");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /needs a tunnel, a peer or an address/);
  await using trace = await tracing(context, "10.77.0.1", "--data", "96", "--pcapng", file);
  await using lines = await tracing(context, "10.77.0.1", "--data=64");
  await using _branch = await startAppliance(pair.here, pinging);
  await until(
    "pings were seen",
    async () =>
      ((await lines.log()).match(/ data (<-|->) 10\.77\.0\.1 \d+ octets 45[0-9a-f]{126}$/gm) ?? [])
        .length > 6,
  );
  assert.match(await lines.log(), / data -> 10\.77\.0\.1 /);
  assert.doesNotMatch(await lines.log(), / data .* octets .{56}[0-9a-f]{0,16}c803/);
  assert.equal(trace.exitCode(), undefined);
  const fields = ["-T", "fields", "-e", "frame.len", "-e", "frame.cap_len", "-e", "ip.src"];
  let data: string[][] = [];
  await until("the file has pings, both ways", async () => {
    const filter = "!l2tp.avp.message_type && frame.len > 100";
    const seen = await tshark(file, "-Y", filter, ...fields);
    data = seen.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
    return data.length > 3 && new Set(data.map(([, , from]) => from)).size > 1;
  });
  for (const [, kept] of data) assert.equal(kept, "96");
  assert.deepEqual(new Set(data.map(([, , from]) => from)), new Set(["10.77.0.1", "10.77.0.2"]));
});
