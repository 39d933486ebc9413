/** Two appliances: the one dials PPP, the other terminates it; over L2TPv2, and over L2TPv3 (type 7) by UDP and protocol 115. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { dualStack } from "./support/dual_stack.ts";
import { isthmus, quickTimers } from "./support/managed.ts";
import { makePair, type Pair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping, reaches } from "./support/traffic.ts";

const { test } = suite<Pair>(
  import.meta.url,
  ["root", "tun", "ip", "iperf3"],
  async (stack) => stack.use(await makePair()),
);

interface Way {
  readonly title: string;
  readonly version: 2 | 3;
  readonly listen: (address: string) => string;
  readonly at: (address: string) => string;
  readonly encap?: string;
}

const udp = {
  listen: (address: string) => `udp: "${address}:1701"`,
  at: (address: string) => `${address}:1701`,
};
const ways: readonly Way[] = [
  { title: "L2TPv2", version: 2, ...udp },
  { title: "L2TPv3 over UDP", version: 3, ...udp },
  {
    title: "L2TPv3 over protocol 115",
    version: 3,
    encap: "ip",
    listen: (address) => `ip: "${address}"`,
    at: (address) => address,
  },
];

async function startLns({ there }: Pair, { listen, version }: Way): Promise<Appliance> {
  const users = `${there.folder}/users.yaml`;
  await Deno.writeTextFile(users, "bob: { password: pass }\n", { mode: 0o600 });
  return await startAppliance(there, (socket) => `
host-name: lns
listen: [{ ${listen("10.77.0.2")} }]
admin: { listen: "unix:${socket}" }
${
    dualStack(users, { more: '        dns: ["2001:db8::53"]' })
  }peers: { lac: { proto-version: ${version}, ${quickTimers}, secret: shared, accept: [{ ${
    version === 3 ? "pw-type: ppp, " : ""
  }circuit: lns }] } }
`);
}

function startClient({ here }: Pair, { at, encap, listen, version }: Way): Promise<Appliance> {
  return startAppliance(here, (socket) => `
host-name: lac
listen: [{ ${listen("10.77.0.1")} }]
admin: { listen: "unix:${socket}" }
circuits:
  wan:
    ppp:
      client:
        tun: { name: wan0 }
        user: bob
        secret: pass
        routes: [10.64.0.0/24, "2001:db8:ffff::/48"]
        prefix-delegation: true
peers: { lns: { proto-version: ${version}, ${quickTimers}, secret: shared } }
tunnels:
  t:
    peer: lns
${encap ? `    encap: ${encap}\n` : ""}\
    local: "${at("10.77.0.1")}"
    remote: "${at("10.77.0.2")}"
    sessions: { c: { ${version === 3 ? "pw-type: ppp, " : ""}circuit: wan } }
`);
}

async function untilLinkUp(appliance: Appliance): Promise<Readonly<Record<string, unknown>>> {
  let state: Readonly<Record<string, unknown>> | undefined;
  try {
    await until("the link is up, with both families", async () => {
      state = (await appliance.session("t", "c").catch(() => undefined))?.["circuit-state"];
      return typeof state?.["address"] === "string" &&
        typeof state["delegated-prefix"] === "string" &&
        typeof state["ipv6-prefix"] === "string";
    });
  } catch (error) {
    throw new Error(`${error}: ${JSON.stringify(state)}\n${await appliance.process.log()}`);
  }
  return state!;
}

for (const way of ways) {
  test(`${way.title}: IPv4, IPv6 and TCP go both ways, a prefix is delegated, either end hangs up`, async (pair) => {
    await using lns = await startLns(pair, way);
    await using client = await startClient(pair, way);
    const state = await untilLinkUp(client);
    assert.equal(state["address"], "10.64.0.2");
    assert.match(String(state["delegated-prefix"]), /^2001:db8:8000::\/56$/);
    assertNoLoss(await ping(pair.here, "10.64.0.1"), "client to LNS");
    assertNoLoss(await ping(pair.there, "10.64.0.2"), "LNS to client");
    // The client's own address of the announced prefix, from the LNS's side; and one of the delegated prefix behind it.
    const six = String(state["ipv6-prefix"]).replace("/64", "");
    // The kernel believes in a new carrier, and in addresses on it, within a second.
    await until(`${six} answers`, () => reaches(pair.there, six, "-6"));
    assertNoLoss(await ping(pair.there, six, "-6"), six);
    await pair.here.here("ip", "addr", "add", "2001:db8:8000:1::1/128", "dev", "lo");
    try {
      assertNoLoss(await ping(pair.there, "2001:db8:8000:1::1", "-6"), "behind the client");
    } finally {
      await pair.here.here("ip", "addr", "del", "2001:db8:8000:1::1/128", "dev", "lo");
    }
    for (const reverse of [[], ["-R"]]) {
      const { bitsPerSecond } = await iperfBetween(
        pair.here,
        pair.there,
        "-c",
        "10.64.0.1",
        "-t",
        "1",
        ...reverse,
      );
      assert(bitsPerSecond > 1e6, `${reverse}: ${bitsPerSecond} bit/s`);
    }
    await isthmus(lns, "do", "disconnect", "user", "bob");
    await until(
      "the client knows",
      async () => /call closed.*disconnected by the operator/.test(await client.process.log()),
    );
    await untilLinkUp(client);
    assertNoLoss(await ping(pair.here, "10.64.0.1"), "after it dialed again");
    await isthmus(client, "del", "session", "tunnel", "t", "name", "c");
    await until(
      "the LNS has nobody",
      async () => (await lns.get<{ sessions: unknown[] }>("/v1/sessions")).sessions.length === 0,
    );
    assert.doesNotMatch(await lns.process.log(), /cannot undo/);
  });
}

test("a restart of the LNS: the client dials again, and has the same address and prefix", async (pair) => {
  const way = ways[0]!;
  const first = await startLns(pair, way);
  await using client = await startClient(pair, way);
  let before;
  try {
    before = await untilLinkUp(client);
  } finally {
    await first[Symbol.asyncDispose]();
  }
  await until(
    "the client knows",
    async () =>
      (await client.session("t", "c").catch(() => undefined))?.["circuit-state"] === undefined,
  );
  await using _second = await startLns(pair, way);
  const after = await untilLinkUp(client);
  assert.deepEqual(after, before);
});
