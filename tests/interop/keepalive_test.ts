/**
 * Keepalives of static sessions towards the kernel: an address at its end of the pseudowire is all that they need. Where
 * that end goes, the TAP's carrier falls, and routes over it with it; where it is back, so is the carrier.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { addKernelEnds, removeKernelEnd } from "./support/kernel.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { until } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, ping } from "./support/traffic.ts";
import { decode } from "./support/tshark.ts";

interface Kept extends Pseudowire {
  readonly title: string;
  /** What else the kernel's end is given. */
  readonly there6?: string;
  readonly vlan4?: string;
  /** What its probes are, to tshark. */
  readonly filter: string;
}

const often = "interval: 0.2, lost: 3, restore: 2";
const udp4 = { address: wire.here.ip4, port: 1701 };
const plain = { encap: "udp", here: udp4, l2spec: "default", seq: false } as const;
const cookies = { cookie: "0011aabb", peerCookie: "8899aabb" };

const all: readonly Kept[] = [
  {
    ...{ ...plain, ...cookies, index: 1, title: "ARP alone" },
    there: { address: wire.guest.ip4, port: 1801 },
    keepalive: `{ target: 10.100.1.2, ${often} }`,
    filter: "arp.src.proto_ipv4 == 0.0.0.0",
  },
  {
    ...{ ...plain, ...cookies, index: 2, title: "ICMP, over IP 115 with sequence numbers" },
    ...{ encap: "ip", seq: true, here: { address: wire.here.ip6, port: 0 } },
    there: { address: wire.guest.ip6, port: 0 },
    keepalive: `{ target: 10.100.2.2, source: 10.100.2.9, ${often} }`,
    filter: "icmp.type == 8 && ip.src == 10.100.2.9",
  },
  {
    ...{ ...plain, index: 3, title: "ICMPv6", cookie: "", peerCookie: "" },
    there: { address: wire.guest.ip4, port: 1803 },
    there6: "fd64:3::2",
    keepalive: `{ target: "fd64:3::2", ${often} }`,
    filter: "icmpv6.type == 128",
  },
  {
    ...{ ...plain, ...cookies, index: 4, title: "ICMP in a VLAN", l2spec: "none" },
    there: { address: wire.guest.ip4, port: 1804 },
    vlan4: "10.101.4.2",
    keepalive: `{ target: 10.101.4.2, source: 10.101.4.9, vlan: 7, ${often} }`,
    filter: "vlan.id == 7 && icmp.type == 8",
  },
];

const listeners = `{ udp: "${wire.here.ip4}:1701" }, { ip: "${wire.here.ip6}" }`;

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const kept = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "tcpdump", "ethtool", "tshark"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    await lab.here("ethtool", "-K", lab.tap, "tx", "off", "gso", "off");
    const appliance = stack.use(
      await startAppliance(lab, (socket) => config(all, listeners, socket)),
    );
    return { lab, appliance };
  },
);

/** Makes the kernel's end of a pseudowire, with the addresses that are probed. */
async function addEnd(lab: Lab, one: Kept): Promise<void> {
  const { device } = derived(one);
  await addKernelEnds(lab, [one]);
  if (one.there6) await lab.guest(`ip addr add ${one.there6}/64 dev ${device} nodad`);
  if (one.vlan4) {
    await lab.guest(
      `ip link add link ${device} name vlan${one.index} type vlan id 7 &&
       ip addr add ${one.vlan4}/24 dev vlan${one.index} && ip link set vlan${one.index} up`,
    );
  }
}

/** The TAP as the kernel here has it. */
async function link(lab: Lab, one: Kept): Promise<{ operstate: string; flags: string[] }> {
  const [found] = JSON.parse(await lab.here("ip", "-j", "link", "show", derived(one).tap));
  return found;
}

const hasCarrier = async (lab: Lab, one: Kept) => (await link(lab, one)).flags.includes("LOWER_UP");

interface View {
  readonly status: string;
  readonly reason?: string;
  readonly "created-at": string;
  readonly "keepalive-state": {
    readonly state: string;
    readonly mac: string;
    readonly stray: number;
    readonly malformed: number;
    readonly answered: number;
  };
}

const view = async (appliance: Appliance, one: Kept) =>
  await appliance.session(derived(one).tunnel) as unknown as View;

kept.test("before anybody has answered, sessions are down, and their TAPs without carrier", async ({ appliance, lab }) => {
  for (const one of all) {
    assert.equal(await hasCarrier(lab, one), false, one.title);
    const { reason, status } = await view(appliance, one);
    assert.equal(status, "down");
    assert.match(reason!, /^keepalive: (waiting for|no answer from) [0-9a-f.:]+/);
  }
});

for (const one of all) {
  const { device, here4, tap, there4, tunnel } = derived(one);

  kept.test(`${one.title}: the kernel's end comes, and the carrier with it`, async ({ appliance, lab }) => {
    await addEnd(lab, one);
    await until("there is a carrier", () => hasCarrier(lab, one));
    assert.equal((await link(lab, one)).operstate, "UP");
    assert.equal((await view(appliance, one)).status, "up");
    assertNoLoss(await ping(lab, there4), "the circuit's own stations");
    const { malformed, state, stray } = (await view(appliance, one))["keepalive-state"];
    assert.deepEqual([state, malformed, stray], ["up", 0, 0]);
  });

  kept.test(`${one.title}: the kernel's end goes, and the carrier and the routes with it; it comes back`, async ({ appliance, lab }) => {
    await removeKernelEnd(lab, one);
    await until("the carrier is gone", async () => !await hasCarrier(lab, one));
    assert.equal((await link(lab, one)).operstate, "DOWN");
    const routes = JSON.parse(await lab.here("ip", "-j", "route", "show", "dev", tap));
    assert(routes.length > 0);
    for (const { flags } of routes) assert.deepEqual(flags, ["linkdown"]);
    const { down } = await appliance.get<{ down: { path: string; reason: string }[] }>("/v1/down");
    const listed = down.find(({ path }) => path === `tunnels/${tunnel}/sessions/s`);
    assert.match(listed!.reason, /^keepalive: no answer from /);
    await addEnd(lab, one);
    await until("the carrier is back", () => hasCarrier(lab, one));
    assertNoLoss(await ping(lab, there4), "after it came back");
    assert.equal(
      await lab.here("ip", "-j", "route", "show", "dev", tap).then((text) =>
        text.includes("linkdown")
      ),
      false,
    );
    void [device, here4];
  });
}

kept.test("the probe is a station that answers: ARP, ping, Neighbor Discovery; the kernel learns its MAC", async ({ appliance, lab }) => {
  const [, icmp, icmp6] = all as [Kept, Kept, Kept, Kept];
  const { mac } = (await view(appliance, icmp))["keepalive-state"];
  assert.match(await lab.guest("ping -c 2 -i 0.2 10.100.2.9"), /2 received/);
  const neighbors = await lab.guest("ip neigh show 10.100.2.9");
  assert(neighbors.includes(mac), neighbors);
  const six = (await view(appliance, icmp6))["keepalive-state"] as unknown as { source: string };
  const { device } = derived(icmp6);
  assert.match(await lab.guest(`ping -6 -c 2 -i 0.2 ${six.source}%${device}`), /2 received/);
});

kept.test("tshark has nothing to say of the probes", async ({ lab }) => {
  const capture = await captureHere(lab, lab.tap);
  for (const one of all) {
    const of = `l2tp.sid == ${derived(one).peerSessionId}`;
    await until(`three of ${one.title} were captured`, async () => {
      return (await decode(capture.file, one, `${of} && ${one.filter}`)).length >= 3;
    });
  }
  await capture.stop();
  for (const one of all) {
    const packets = await decode(
      capture.file,
      one,
      `l2tp.sid == ${derived(one).peerSessionId}`,
    );
    for (const packet of packets) assert.equal(packet.expert, "", packet.protocols);
  }
});

kept.test("a reload that changes a keepalive restarts nothing", async ({ appliance, lab }) => {
  const [one] = all as [Kept];
  const before = await view(appliance, one);
  const text = await Deno.readTextFile(appliance.file);
  const capture = await captureHere(lab, lab.tap);
  await Deno.writeTextFile(
    appliance.file,
    text.replace(
      "target: 10.100.1.2,",
      'target: 10.100.1.2, source: 10.100.1.9, mac: "02:00:00:00:00:09",',
    ),
  );
  const { code, stdout, stderr } = await appliance.cli("reload");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /changed +tunnels\/t1\/sessions\/s +keepalive/);
  assert.doesNotMatch(stdout, /restarted/);
  await until("it pings with its new address", async () => {
    const { answered, mac } = (await view(appliance, one))["keepalive-state"];
    return mac === "02:00:00:00:00:09" && answered > before["keepalive-state"].answered + 3;
  });
  assert.equal((await view(appliance, one))["created-at"], before["created-at"]);
  assert.equal(await hasCarrier(lab, one), true);
  await capture.stop();
  await Deno.writeTextFile(
    appliance.file,
    text.replace(/ +keepalive: \{ target: 10\.100\.1\.2.*\n/, ""),
  );
  assert.equal((await appliance.cli("reload")).code, 0);
  const after = await view(appliance, one);
  assert.deepEqual([after.status, after["keepalive-state"]], ["up", undefined]);
  assert.equal(after["created-at"], before["created-at"]);
});
