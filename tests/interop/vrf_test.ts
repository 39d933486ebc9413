/**
 * Tunnels bound to a VRF, at our own end: the appliance runs in a guest of the lab, whose wire is in a VRF. A static tunnel
 * to a kernel, and one that is dialed, to an appliance outside; beside them what is not bound goes nowhere.
 */

import assert from "node:assert/strict";
import { startAppliance } from "./support/appliance.ts";
import { type GuestAppliance, guestMemory, startInGuest } from "./support/guest.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { quickTimers } from "./support/managed.ts";
import { placeIn } from "./support/place.ts";
import { output, until } from "./support/process.ts";
import type { Pseudowire } from "./support/pseudowire.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, pingFromGuest } from "./support/traffic.ts";

/** As the kernel is told of it. */
const pseudowire: Pseudowire = {
  index: 1,
  encap: "udp",
  here: { address: "10.77.0.3", port: 1801 },
  there: { address: "10.77.0.2", port: 1801 },
  l2spec: "default",
  cookie: "",
  peerCookie: "",
  seq: false,
};

const inside = `
peers:
  hq: { ${quickTimers} }
ppp: { aaa: { authenticate: [none] }, pools: { all: { ranges: [10.64.0.0/24] } } }
circuits:
  lns: { ppp: { terminate: { tun: { name: lns0, vrf: blue }, address: 10.64.0.1, pools: [all], authenticate: [] } } }
tunnels:
  fixed:
    static: { tunnel-id: 1001, peer-tunnel-id: 2001 }
    local: "10.77.0.3:1801"
    remote: "10.77.0.2:1801"
    device: blue
    sessions:
      s:
        session-id: 0x10001
        peer-session-id: 0x20001
        circuit: { tap: { name: fixed0, vrf: blue, addresses: [10.100.1.1/24] } }
  dialed:
    peer: hq
    local: "10.77.0.3:1702"
    remote: "10.77.0.1"
    device: blue
    sessions:
      s: { circuit: { tap: { name: dialed0, addresses: [192.168.7.1/24] } } }
  unbound:
    peer: hq
    local: "0.0.0.0:1703"
    remote: "10.77.0.1"
`.replace("0x10001", `${0x10001}`).replace("0x20001", `${0x20001}`);

const outside = (socket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${socket}" }
peers:
  office:
    address: 10.77.0.3
    accept: [{ name: s, circuit: { tap: { name: office0, addresses: [192.168.7.2/24] } } }]
`;

const { test } = suite<{ readonly near: Lab; readonly appliance: GuestAppliance }>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "curl", "ping"],
  async (stack) => {
    const namespace = `isthmus-${Deno.pid}-vrf`;
    await output(["ip", "netns", "add", namespace]);
    stack.defer(async () => void await output(["ip", "netns", "del", namespace]));
    const far = stack.use(await bootLab({ namespace }));
    const near = stack.use(await bootLab({ namespace, host: 3, memory: guestMemory }));
    await addKernelEnds(far, [pseudowire]);
    await near.guest(`set -e
      ip link add blue type vrf table 77
      ip link set blue up
      ip link set eth0 master blue`);
    stack.use(await startAppliance(placeIn(namespace, far.folder), outside));
    return { near, appliance: await startInGuest(near, inside) };
  },
);

interface TunnelView {
  readonly "path-mtu"?: number;
  readonly device?: string;
  readonly control?: { readonly state: string };
}

test("a static tunnel in a VRF carries frames to a kernel", async ({ near, appliance }) => {
  const { device, "path-mtu": mtu } = await appliance.get<TunnelView>("/v1/tunnels/fixed");
  assert.deepEqual([device, mtu], ["blue", 1500]);
  // The TAP is a member of the VRF as well: what is not has no way to it.
  const [result] = await pingFromGuest(near, ["10.100.1.2"], "-I", "blue");
  assertNoLoss(result!, "to the kernel");
  assert.match(await near.guest("ip route show table 77"), /^10\.100\.1\.0\/24 dev fixed0/m);
  assert.doesNotMatch(await near.guest("ip route show table main"), /fixed0/);
});

test("a termination's TUN is in a VRF, and what is routed to it stands in the VRF's table", async ({ near }) => {
  assert.match(await near.guest("ip -br link show vrf blue"), /^lns0 /m);
  const [blue, main] = [await near.guest("ip route show table 77"), await near.guest("ip route")];
  assert.match(blue, /^10\.64\.0\.0\/24 dev lns0/m);
  assert.doesNotMatch(main, /lns0/);
});

test("a tunnel that is dialed in a VRF comes up and carries frames; one that is not bound does not", async ({ near, appliance }) => {
  const state = async (name: string) =>
    (await appliance.get<TunnelView>(`/v1/tunnels/${name}`)).control?.state;
  await until("it is up", async () => await state("dialed") === "established")
    .catch(async (error) => assert.fail(`${error}\n${await appliance.log()}`));
  await until("frames pass", async () => {
    const [result] = await pingFromGuest(near, ["192.168.7.2"]);
    return result!.received === 5;
  });
  assert.match(await near.guest("ss -Huan sport = :1702"), /%blue/);
  assert.equal((await appliance.get<TunnelView>("/v1/tunnels/dialed")).device, "blue");
  assert.notEqual(await state("unbound"), "established");
});
