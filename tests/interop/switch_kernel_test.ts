/**
 * Three sites on one switch: two Linux kernels with Ethernet pseudowires (`ip l2tp`), and a site behind an appliance of its
 * own. All reach all, stations age and move, VLANs of the kernels' own devices are kept apart, and a flood of MAC addresses
 * costs known stations nothing.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { sendFrames } from "./support/frames.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { type Place, placeIn } from "./support/place.ts";
import { output, sleep, until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { ping, pingFromGuest } from "./support/traffic.ts";

const switched = (namespace: string) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
switches:
  lan:
    mac-aging-time: 4
    mac-table-size: 3000
    ports:
      hub: { tap: { name: hub, netns: ${namespace}-hub, addresses: [10.7.0.1/24] }, trunks: [0, 10] }
      noisy: { tap: { name: noisy }, mac-table-size: 1000 }
tunnels:
${
  [2, 3, 4].map((host) => `
  site${host}:
    static: { tunnel-id: ${host}, peer-tunnel-id: ${host} }
    local: 10.77.0.1:1701
    remote: 10.77.0.${host}:1701
    sessions:
      s:
        session-id: ${host}
        peer-session-id: ${host}
        circuit: { switch: { switch: lan, trunks: ${host === 3 ? "[0, 20]" : "[0, 10, 20]"} } }`)
    .join("")
}
`;

const behind = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
tunnels:
  hub:
    static: { tunnel-id: 4, peer-tunnel-id: 4 }
    local: 10.77.0.4:1701
    remote: 10.77.0.1:1701
    sessions:
      s: { session-id: 4, peer-session-id: 4, circuit: { tap: { name: site4, addresses: [10.7.0.4/24] } } }
`;

interface Context {
  readonly hub: Place;
  readonly site: Place;
  readonly guests: readonly [Lab, Lab];
  readonly near: Appliance;
  readonly namespace: string;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "lab", "ping", "python3"],
  async (stack) => {
    const namespace = `isthmus-${Deno.pid}-sw`;
    for (const name of [namespace, `${namespace}-hub`, `${namespace}-site`]) {
      await output(["ip", "netns", "add", name]);
      stack.defer(async () => void await output(["ip", "netns", "del", name]));
    }
    const guests = [
      stack.use(await bootLab({ namespace })),
      stack.use(await bootLab({ namespace, host: 3 })),
    ] as const;
    const [first] = guests;
    const site = placeIn(`${namespace}-site`, first.folder);
    const hub = placeIn(`${namespace}-hub`, first.folder);
    // The third site is on the guests' bridge, too.
    await first.here(
      ...["ip", "link", "add", "site", "master", "lan", "type", "veth", "peer", "name", "wire"],
      ...["netns", site.namespace],
    );
    await first.here("ip", "link", "set", "site", "up");
    await site.here("ip", "addr", "add", "10.77.0.4/24", "dev", "wire");
    await site.here("ip", "link", "set", "wire", "up");
    for (const [at, guest] of guests.entries()) {
      const host = at + 2;
      await guest.guest(`
        ip l2tp add tunnel tunnel_id ${host} peer_tunnel_id ${host} encap udp \\
          local 10.77.0.${host} remote 10.77.0.1 udp_sport 1701 udp_dport 1701
        ip l2tp add session name lan tunnel_id ${host} session_id ${host} peer_session_id ${host}
        ip link set lan mtu 1400 up
        ip addr add 10.7.0.${host}/24 dev lan
        for id in 10 20; do
          ip link add link lan name lan$id type vlan id $id
          ip link set lan$id up
          ip addr add 10.8.$id.${host}/24 dev lan$id
        done`);
    }
    const near = stack.use(await startAppliance(first, switched(namespace)));
    stack.use(await startAppliance(site, behind));
    return { hub, site, guests, near, namespace };
  },
);

interface Fdb {
  readonly rows: readonly { readonly port: string; readonly vlan: number; readonly mac: string }[];
}

const fdb = async (near: Appliance) => (await near.get<Fdb>("/v1/views/fdb?name=lan")).rows;

test("all sites reach all, and the table says where each is", async ({ guests, hub, near, site }) => {
  const all = [1, 2, 3, 4].map((host) => `10.7.0.${host}`);
  for (const [at, guest] of guests.entries()) {
    const others = all.filter((_, host) => host !== at + 1);
    for (const [to, { received, sent }] of (await pingFromGuest(guest, others)).entries()) {
      assert.ok(received === sent, `site ${at + 2} to ${others[to]}: ${received} of ${sent}`);
    }
  }
  for (const place of [hub, site]) {
    assert.equal((await ping(place, "10.7.0.2")).received, 5);
    assert.equal((await ping(place, "10.7.0.3")).received, 5);
  }
  const mac = async (read: Promise<string>) => (await read).trim();
  const where = new Map(
    (await fdb(near)).filter(({ vlan }) => vlan === 0)
      .map(({ mac, port }) => [mac, port]),
  );
  const address = "cat /sys/class/net/lan/address";
  assert.equal(where.get(await mac(guests[0].guest(address))), "site2/s");
  assert.equal(where.get(await mac(guests[1].guest(address))), "site3/s");
  assert.equal(where.get(await mac(site.here("cat", "/sys/class/net/site4/address"))), "site4/s");
});

test("VLANs of the kernels' own devices are kept apart", async ({ guests: [first, second] }) => {
  const to = async (guest: Lab, host: number, vlan: number, ...options: string[]) =>
    (await pingFromGuest(guest, [`10.8.${vlan}.${host}`], ...options))[0]!.received;
  assert.equal(await to(first, 3, 20), 5);
  assert.equal(await to(second, 2, 20), 5);
  // The second site's port has no VLAN 10: neither asks nor is answered.
  assert.equal(await to(first, 3, 10, "-W", "1"), 0);
  assert.equal(await to(second, 2, 10, "-W", "1"), 0);
});

test("stations that are not heard are forgotten", async ({ near, hub }) => {
  await ping(hub, "10.7.0.2");
  assert.ok((await fdb(near)).length > 0);
  await until("nobody is known", async () => (await fdb(near)).length === 0);
  assert.equal((await ping(hub, "10.7.0.2")).received, 5);
});

test("a flood of MAC addresses from one port fills its share, and known stations lose nothing", async ({ guests: [guest], hub, near }) => {
  const flood = guest.here(
    "python3",
    "-c",
    `
import os, socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("noisy", 0))
end = time.time() + 5
while time.time() < end:
    for _ in range(50): s.send(b"\\xff" * 6 + b"\\x02" + os.urandom(5) + b"\\x88\\xb5" + bytes(46))
    time.sleep(0.01)
`,
  );
  await sleep(300);
  const { stdout } = await hub.tryHere(
    ["ping", "-q", "-n", "-c", "300", "-i", "0.01", "-W", "2", "10.7.0.2"],
  );
  await flood;
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout)!;
  assert.ok(Number(received) >= Number(sent) * 0.99, `${received} of ${sent}`);
  const { rows } = await near.get<{ rows: Record<string, unknown>[] }>("/v1/views/port?name=lan");
  const { counters, macs } = rows.find(({ port }) => port === "noisy") as {
    counters: Record<string, number>;
    macs: number;
  };
  assert.ok(macs <= 1000 && counters["not-learnt"]! > 0, `${macs}`);
});

test("a station that moves from one site to another is followed", async ({ hub, namespace, near, site }) => {
  const where = {
    hub: [`${namespace}-hub`, "hub"],
    site: [site.namespace, "site4"],
  } as const;
  const mover = "020000000777";
  const hello = "ff".repeat(6) + mover + "88b5" + "07".repeat(46);
  await sendFrames(where, [["hub", hello, ["site"]]], 0.1);
  const of = async () =>
    (await fdb(near)).find(({ mac }) => mac.replaceAll(":", "") === mover)?.port;
  assert.equal(await of(), "hub");
  await sendFrames(where, [["site", hello, ["hub"]]], 0.1);
  assert.equal(await of(), "site4/s");
  assert.equal((await ping(hub, "10.7.0.4")).received, 5);
});
