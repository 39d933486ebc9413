/**
 * Subscribers whose PPPoE sessions end here: pppd over a real kernel's PPPoE in a guest of the lab, on the plain wire, in a
 * VLAN and in two, by PAP and CHAP, twenty at once; IPv4 and IPv6, PADT of either side; and with an MTU of 1500.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { guestMemory, startInGuest } from "./support/guest.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { until } from "./support/process.ts";
import { startSubscriber } from "./support/subscriber.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperf, ping, pingFromGuest } from "./support/traffic.ts";

const configuration = (users: string, device: string, vlans: string) => `
ppp:
  aaa: { users: "${users}" }
  pools: { homes: { ranges: [10.64.0.0/24] }, six: { ranges: ["2001:db8:1000::/40"], length: 64 } }
circuits:
  home:
    ppp:
      terminate: { tun: { name: subs0 }, address: 10.64.0.1, pools: [homes], ipv6-pool: six }
pppoe:
  access:
    street:
      interface: ${device}
      ac-name: isthmus-ac
      vlans: ${vlans}
      service-names: [internet]
      sessions-per-mac: 40
      asks-per-mac: 200
      terminate: home
`;

const users = "bob: { password: pass }\n" +
  Array.from({ length: 20 }, (_, i) => `user${i}: { password: pass }\n`).join("");

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "pppd"],
  async (stack) => {
    const lab = stack.use(await bootLab({ memory: 512 }));
    await Deno.writeTextFile(`${lab.folder}/users.yaml`, users, { mode: 0o600 });
    await lab.guest(`set -e
      ip link add link eth0 name eth0.7 type vlan id 7
      ip link add link eth0 name s100 type vlan proto 802.1ad id 100
      ip link add link s100 name s100.100 type vlan id 100
      for d in eth0.7 s100 s100.100; do ip link set $d up; done`);
    const vlans = '[untagged, "7", "100.1-4094"]';
    const appliance = stack.use(
      await startAppliance(lab, (socket) =>
        `admin: { listen: "unix:${socket}" }\n` +
        configuration(`${lab.folder}/users.yaml`, lab.tap, vlans)),
    );
    return { lab, appliance };
  },
);

interface Row {
  readonly vlans: string;
  readonly mac: string;
  readonly id: number;
}

const sessionsOf = async (appliance: Appliance) =>
  (await appliance.get<{ rows: readonly Row[] }>("/v1/views/pppoe")).rows;

const ways = [
  ["the plain wire, by CHAP", "eth0", "-", "refuse-pap"],
  ["a VLAN, by PAP", "eth0.7", "8100:7", "refuse-chap\nrefuse-mschap\nrefuse-mschap-v2"],
  ["two VLANs of one id, by MS-CHAPv2", "s100.100", "88a8:100.8100:100", "refuse-pap\nrefuse-chap"],
] as const;

for (const [title, device, vlans, more] of ways) {
  test(`a subscriber on ${title}: IPv4, IPv6, iperf3, and its PADT`, async ({ lab, appliance }) => {
    const subscriber = await startSubscriber(lab, {
      device,
      mru: device === "s100.100" ? 1484 : 1492,
      more: `${more}\n+ipv6\nrp_pppoe_service internet`,
    });
    const address = await subscriber.up().catch(async (error) => {
      throw new Error(`${error}\n${await appliance.process.log()}`);
    });
    assert.match(address, /^10\.64\.0\./);
    const [row] = await sessionsOf(appliance);
    assert.equal(row!.vlans, vlans);
    assertNoLoss((await pingFromGuest(lab, ["10.64.0.1"]))[0]!, "to us");
    assertNoLoss(await ping(lab, address, "-s", "1400"), "to the subscriber");
    let six: string | undefined;
    await until("it has an IPv6 address", async () => {
      const { stdout } = await lab.tryGuest(
        `ip -6 -o addr show dev ${subscriber.device} scope global`,
      );
      six = /inet6 (2001:db8:10[0-9a-f:]+)\/64/.exec(stdout)?.[1];
      return six !== undefined;
    });
    assertNoLoss(await ping(lab, six!, "-6"), "by IPv6");
    const to = await iperf({ guest: lab.guest, tryHere: lab.tryHere }, "-c", address, "-n", "8M");
    const from = await iperf(
      { guest: lab.guest, tryHere: lab.tryHere },
      "-c",
      address,
      "-n",
      "8M",
      "-R",
    );
    say(`  ${[to, from].map((r) => Math.round(r.bitsPerSecond / 1e6)).join(" and ")} Mbit/s`);
    await subscriber.hangUp();
    await until(
      "its session is gone",
      async () => (await sessionsOf(appliance)).length === 0,
    );
  });
}

test("the operator drops a subscriber, who is told by PADT", async ({ lab, appliance }) => {
  const subscriber = await startSubscriber(lab);
  await subscriber.up();
  const [{ mac }] = await sessionsOf(appliance) as [Row];
  const { code, stdout, stderr } = await appliance.cli("do", "drop-pppoe", "mac", mac);
  assert.equal(code, 0, stdout + stderr);
  await until("it has ended", async () => !await subscriber.runs());
  assert.match(await subscriber.log(), /LCP terminated by peer|Modem hangup/);
  assert.equal((await sessionsOf(appliance)).length, 0);
});

test("twenty subscribers at once, all of one MAC address", async ({ lab, appliance }) => {
  const dialing = Array.from(
    { length: 20 },
    (_, i) =>
      startSubscriber(lab, {
        unit: i,
        user: `user${i}`,
      }),
  );
  const subscribers = await Promise.all(dialing);
  const started = performance.now();
  const addresses = await Promise.all(subscribers.map((subscriber) => subscriber.up()));
  say(`  all up after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  assert.equal(new Set(addresses).size, 20);
  assert.equal(new Set((await sessionsOf(appliance)).map(({ id }) => id)).size, 20);
  // All of them have one peer: the guest would answer by whichever device its route names.
  for (const { device } of subscribers.slice(0, 5)) {
    assertNoLoss((await pingFromGuest(lab, ["10.64.0.1"], "-I", device))[0]!, device);
  }
  await lab.guest("kill $(pidof pppd)");
  await until("all are gone", async () => (await sessionsOf(appliance)).length === 0);
});

const large = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "pppd", "curl"],
  async (stack) => {
    const lab = stack.use(await bootLab({ memory: guestMemory }));
    await Deno.writeTextFile(`${lab.shared}/users.yaml`, users, { mode: 0o600 });
    await lab.guest(`set -e
      ip netns add c; ip -n c link set lo up
      ip link add v0 mtu 1508 type veth peer name v1 mtu 1508 netns c
      ip link set v0 up; ip -n c link set v1 up`);
    await startInGuest(lab, configuration("/lab/users.yaml", "v0", "[untagged]"));
    return lab;
  },
);

large.test("an MTU of 1500, where the interface carries 1508 (RFC 4638)", async (lab) => {
  const subscriber = await startSubscriber(lab, { device: "v1", netns: "c", mru: 1500 });
  await subscriber.up();
  const log = await subscriber.log();
  assert.doesNotMatch(log, /ConfNak.*mru/, log);
  assert.match(await lab.guest("ip -n c link show ppp0"), /mtu 1500/);
  const whole = "ping -q -n -M do -s 1472 -c 5 -i 0.2 -W 1 10.64.0.1";
  assert.match(await lab.guest(`ip netns exec c ${whole}`), / 5 received/);
});
