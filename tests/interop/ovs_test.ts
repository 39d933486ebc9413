/**
 * Pseudowires as ports of a real Open vSwitch: its VLANs, its restarts under traffic, a database that comes back empty, an
 * appliance that is killed, and what is left behind.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { type OpenVSwitch, startOvs } from "./support/ovs.ts";
import { makePair, type Pair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, ping, reaches } from "./support/traffic.ts";

const tunnel = (mine: 1 | 2, sessions: string) => `
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    local: 10.77.0.${mine}:1701
    remote: 10.77.0.${3 - mine}:1701
    sessions:
${sessions}`;

const near = (socket: string) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
open-vswitch: { socket: "${socket}" }
circuits:
  br0: { ovs: { bridge: br0, tag: 10 } }
${
  tunnel(
    1,
    `      one: { session-id: 1, peer-session-id: 1, circuit: br0 }
      two: { session-id: 2, peer-session-id: 2, circuit: { br0: { tag: 20 } } }
      three: { session-id: 3, peer-session-id: 3, circuit: { ovs: { bridge: br9 } } }`,
  )
}
`;

const far = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
${
  tunnel(
    2,
    [1, 2, 3].map((id) =>
      `      s${id}: { session-id: ${id}, peer-session-id: ${id}, circuit: { tap: { name: far${id}, addresses: [10.6.${id}.2/24] } } }`
    ).join("\n"),
  )
}
`;

interface Context {
  readonly pair: Pair;
  readonly ovs: OpenVSwitch;
  near: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ping", "ovs-vsctl", "ovs-vswitchd"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const ovs = stack.use(await startOvs(pair.here));
    await addBridge(pair, ovs);
    stack.use(await startAppliance(pair.there, far));
    const first = stack.use(await startAppliance(pair.here, near(ovs.socket)));
    const context: Context = { pair, ovs, near: first };
    stack.defer(async () => {
      if (context.near !== first) await context.near[Symbol.asyncDispose]();
    });
    return context;
  },
);

/** A bridge with hosts at the other ends of wires, in VLANs 10 and 20. */
async function addBridge({ here: place }: Pair, { vsctl }: OpenVSwitch): Promise<void> {
  await vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
  for (const [id, tag] of [[1, 10], [2, 20]]) {
    const name = `host${id}`;
    const wire = ["link", "add", name, "type", "veth", "peer", "name", `${name}-port`];
    await place.tryHere(["ip", ...wire]);
    await place.here("ip", "addr", "replace", `10.6.${id}.1/24`, "dev", name);
    for (const end of [name, `${name}-port`]) await place.here("ip", "link", "set", end, "up");
    await vsctl("add-port", "br0", `${name}-port`, `tag=${tag}`);
  }
}

/** Our ports, as Open vSwitch lists them. */
const ourPorts = async ({ vsctl }: OpenVSwitch): Promise<string[]> => {
  const listed = await vsctl(
    ...["--bare", "--columns=name", "find", "Port", "external_ids:isthmus=isthmus"],
  );
  return listed.split("\n").filter((line) => line !== "").sort();
};

const carries = ({ here }: Pair) => reaches(here, "10.6.1.2");

test("a pseudowire is a port of a bridge, in its VLAN", async ({ near, ovs, pair }) => {
  await until("two ports are there", async () => (await ourPorts(ovs)).length === 2);
  const { ifname = "", "circuit-state": state } = await near.session("t", "one");
  assert.equal((await ovs.vsctl("get", "Port", ifname, "tag")).trim(), "10");
  assert.equal(
    Number(await ovs.vsctl("get", "Interface", ifname, "ofport")),
    state?.["ofport"],
  );
  for (const id of [1, 2]) assertNoLoss(await ping(pair.here, `10.6.${id}.2`), `VLAN of ${id}`);
});

test("a bridge that is not there is said to be missing, and waited for", async ({ near, ovs }) => {
  const status = async () => (await near.session("t", "three")).status;
  assert.equal(await status(), "down");
  await until("the reason is told", async () => {
    const { down } = await near.get<{ down: { reason: string }[] }>("/v1/down");
    return down.some(({ reason }) => reason.includes("no bridge br9"));
  });
  await ovs.vsctl("add-br", "br9", "--", "set", "bridge", "br9", "datapath_type=netdev");
  await until("it is up", async () => await status() === "up", 40_000);
  await ovs.vsctl("del-br", "br9");
});

test("Open vSwitch restarts under traffic, again and again, and its ports carry on", async ({ ovs, pair }) => {
  const gaps: number[] = [];
  for (let round = 0; round < 20; round++) {
    const answers = pair.here.background(
      "ping",
      "ping",
      "-n",
      "-D",
      "-O",
      "-i",
      "0.02",
      "10.6.1.2",
    );
    await using _ = answers;
    /** When each answer came. */
    const heard = async () =>
      [...(await answers.log()).matchAll(/^\[(\d+\.\d+)\] 64 bytes/gm)]
        .map(([, time]) => Number(time) * 1000);
    await until("it answers", async () => (await heard()).length > 5);
    const began = Date.now();
    await ovs.restart();
    const over = Date.now();
    await until("it answers again", async () => (await heard()).some((time) => time > over));
    const [times, took] = [await heard(), over - began];
    const longest = Math.max(...times.slice(1).map((time, at) => time - times[at]!));
    gaps.push(longest - took);
  }
  gaps.sort((a, b) => a - b);
  say(`  beyond the restart itself: ${gaps.map((gap) => Math.round(gap)).join(" ")} ms`);
  assert.ok(gaps.at(-1)! < 10_000, `${gaps.at(-1)} ms`);
  await until("both ports are there", async () => (await ourPorts(ovs)).length === 2);
});

test("a database that comes back empty gets its ports again, and one that was taken out too", async ({ ovs, pair }) => {
  await ovs.startAnew();
  await addBridge(pair, ovs);
  await until("the ports are there again", async () => (await ourPorts(ovs)).length === 2, 40_000);
  await until("it carries", () => carries(pair));
  const [name] = await ourPorts(ovs);
  await ovs.vsctl("del-port", "br0", name!);
  await until("it is added again", async () => (await ourPorts(ovs)).length === 2);
});

test(
  "an appliance that is killed has its ports again, and nothing else is left",
  async (context) => {
    const { ovs, pair } = context;
    const before = await ourPorts(ovs);
    context.near.process.kill("SIGKILL");
    await context.near.process.ended;
    context.near = await startAppliance(
      pair.here,
      (admin) => near(ovs.socket)(admin).replace(/ {6}two: .*\n/, ""),
    );
    await until("only what is wanted is there", async () => (await ourPorts(ovs)).length === 1);
    assert.ok(before.includes((await ourPorts(ovs))[0]!));
    await until("it carries", () => carries(pair));
    await context.near.process[Symbol.asyncDispose]();
    assert.deepEqual(await ourPorts(ovs), []);
  },
  false,
);
