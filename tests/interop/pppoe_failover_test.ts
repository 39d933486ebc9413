/**
 * The LNS of a subscriber who is up dies without a word: the subscriber is on the next LNS, and whoever dials after it is
 * taken there at once. All of them are appliances.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { device, makePair, type Pair, type Place } from "./support/place.ts";
import { output, until } from "./support/process.ts";
import { makeStreet } from "./support/street.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, ping } from "./support/traffic.ts";

/** A subscriber in a VLAN of its own; it dials by itself. */
const subscriberText = (vlan: number) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
circuits:
  line:
    ppp:
      client: { tun: { name: wan${vlan} }, user: bob@isp, secret: pass, ipv6: false }
pppoe:
  clients:
    wan: { interface: eth0, vlan: "${vlan}", circuit: line, retry: 0.2 }
`;

const peer = "proto-version: 2, secret: street, call-timeout: 5";

/** @param timers of the first LNS's tunnel */
const lacText = (timers: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  first: { address: 10.77.0.2, ${peer}, ${timers} }
  next: { address: 10.77.0.3, ${peer} }
tunnels:
  first: { peer: first, mode: on-demand, remote: 10.77.0.2 }
  next: { peer: next, mode: on-demand, remote: 10.77.0.3 }
pppoe:
  access:
    street:
      interface: street
      vlans: ["1-4094"]
      lac: { servers: [{ peer: first, preference: 1 }, { peer: next, preference: 2 }] }
`;

/** The LNS with the address `10.77.0.<host>`, and `10.66.<host>.1` in its tunnels. */
const lnsText = (host: number, users: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.${host}:1701" }]
admin: { listen: "unix:${adminSocket}" }
ppp:
  aaa: { users: "${users}" }
  pools: { homes: { ranges: [10.66.${host}.0/24] } }
circuits:
  homes:
    ppp:
      terminate: { tun: { name: subs${host} }, address: 10.66.${host}.1, pools: [homes], ipv6: false }
peers:
  lac: { address: 10.77.0.1, ${peer}, accept: [{ circuit: homes }] }
`;

interface Context {
  readonly pair: Pair;
  readonly home: Place;
  readonly users: string;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "tcpdump", "tshark"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const home = await makeStreet(stack, pair);
    await pair.there.here("ip", "addr", "add", "10.77.0.3/24", "dev", device);
    const users = `${pair.here.folder}/users.yaml`;
    await Deno.writeTextFile(users, "bob@isp: { password: pass }\n", { mode: 0o600 });
    stack.use(await startAppliance(pair.there, lnsText(3, users)));
    return { pair, home, users };
  },
);

/** Waits until a subscriber has an address of the LNS `10.66.<host>.1`. */
async function untilUp(home: Place, lac: Appliance, vlan: number, host: number): Promise<void> {
  try {
    await until(`wan${vlan} has an address of LNS ${host}`, async () => {
      const argv = ["ip", "-4", "-br", "addr", "show", "dev", `wan${vlan}`];
      return (await home.tryHere(argv)).stdout.includes(`10.66.${host}.`);
    }, 60_000);
  } catch (error) {
    throw new Error(`${error}\n${await lac.process.log()}`);
  }
}

/** The LNS of a subscriber answers it. */
async function assertAnswers(home: Place, vlan: number, host: number) {
  await home.here("ip", "route", "replace", `10.66.${host}.1`, "dev", `wan${vlan}`);
  assertNoLoss(await ping(home, `10.66.${host}.1`), `to LNS ${host}`);
}

/** When each packet of a capture passed that a display filter of tshark takes, in milliseconds. */
async function timesOf(file: string, filter: string): Promise<number[]> {
  return (await fieldsOf(file, filter, "frame.time_epoch")).map((time) => 1000 * Number(time));
}

async function fieldsOf(file: string, filter: string, field: string): Promise<string[]> {
  const argv = ["tshark", "-n", "-r", file, "-Y", filter, "-T", "fields", "-e", field];
  return (await output(argv)).split("\n").filter((line) => line !== "");
}

/** From here on the first LNS's machine sends nothing at all, not even that a port is closed: as after a power cut. */
async function silence({ there }: Pair): Promise<AsyncDisposable> {
  const rule = ["from", "10.77.0.2", "blackhole"];
  await there.here("ip", "rule", "add", ...rule);
  return {
    [Symbol.asyncDispose]: async () => void await there.here("ip", "rule", "del", ...rule),
  };
}

/** The LNS is gone. @returns the instant */
async function kill({ process }: Appliance): Promise<number> {
  process.kill("SIGKILL");
  await process.ended;
  return performance.now();
}

/** A subscriber is on the next LNS, in a time that is said: some seconds, or where the machine is slow ten times as many. */
async function assertMoved(home: Place, lac: Appliance, vlan: number, killed: number) {
  await untilUp(home, lac, vlan, 3);
  const moved = performance.now() - killed;
  say(`  on the next LNS ${(moved / 1000).toFixed(1)} s after the kill`);
  assert(moved < 50_000, `${moved} ms`);
  await assertAnswers(home, vlan, 3);
}

/**
 * Another subscriber dials: its call goes to the next LNS only, as soon as its LCP is done.
 * @param before calls that the dead LNS was asked for before, and may be still
 */
async function assertAtOnce({ home, pair }: Context, lac: Appliance, vlan: number, before: number) {
  const wire = await captureHere(pair.here, device, "udp port 1701");
  const street = await captureHere(pair.here, "street");
  {
    await using _ = await startAppliance(home, subscriberText(vlan));
    await untilUp(home, lac, vlan, 3);
    await assertAnswers(home, vlan, 3);
  }
  await Promise.all([wire, street].map((capture) => capture.stop()));
  const [calls, dead, opened] = [
    await fieldsOf(wire.file, "l2tp.avp.message_type == 10 && ip.dst == 10.77.0.3", "l2tp.Ns"),
    await fieldsOf(wire.file, "l2tp.avp.message_type in {1, 10} && ip.dst == 10.77.0.2", "l2tp.Ns"),
    await timesOf(street.file, `vlan.id == ${vlan} && lcp && ppp.code == 2`),
  ];
  assert.equal(new Set(calls).size, 1, "it is called once");
  assert(new Set(dead).size <= before, "the LNS that is dead is not called");
  const [called] = await timesOf(wire.file, "l2tp.avp.message_type == 10 && ip.dst == 10.77.0.3");
  const done = opened.filter((at) => at < called!);
  assert(done.length >= 2, "both have acknowledged LCP");
  const waited = called! - done.at(-1)!;
  say(`  the next subscriber's ICRQ left ${waited.toFixed(1)} ms after its LCP was done`);
  assert(waited < 2000, `${waited} ms`);
}

test("an LNS is killed, and its host says so: a living subscriber is on the next one, with call-timeout alone set", async (context) => {
  const { home, pair, users } = context;
  await using first = await startAppliance(pair.there, lnsText(2, users));
  await using lac = await startAppliance(pair.here, lacText("hello: 60"));
  await using _ = await startAppliance(home, subscriberText(7));
  await untilUp(home, lac, 7, 2);
  await assertAnswers(home, 7, 2);
  const wire = await captureHere(pair.here, device, "udp port 1701");
  // What it sends next is answered by ICMP.
  const killed = await kill(first);
  await home.tryHere(["ping", "-c", "1", "-W", "1", "10.66.2.1"]);
  await assertMoved(home, lac, 7, killed);
  await wire.stop();
  const again = await timesOf(wire.file, "l2tp.avp.message_type == 1 && ip.dst == 10.77.0.2");
  assert.deepEqual(again, [], "the LNS that was lost is not dialed for it");
});

test("an LNS is killed unnoticed: who dials then is on the next one after call-timeout, others go there at once", async (context) => {
  const { home, pair, users } = context;
  await using first = await startAppliance(pair.there, lnsText(2, users));
  // What is up with the dead one is not given up before all is seen: its subscriber would call, too.
  await using lac = await startAppliance(pair.here, lacText("hello: 60, attempts: 20"));
  await using _ = await startAppliance(home, subscriberText(7));
  await untilUp(home, lac, 7, 2);
  await assertAnswers(home, 7, 2);
  await using _silence = await silence(pair);
  const killed = await kill(first);
  await using _other = await startAppliance(home, subscriberText(8));
  await assertMoved(home, lac, 8, killed);
  await assertAtOnce(context, lac, 9, 1);
});

test("a living subscriber whose LNS is killed is on the next one in seconds, and others at once", async (context) => {
  const { home, pair, users } = context;
  await using first = await startAppliance(pair.there, lnsText(2, users));
  // The tunnel is given up after 1.4 to 2.4 s, and one to be dialed after 1 s.
  const timers = "hello: 1, retransmit: 0.2, attempts: 3, establish-timeout: 1";
  await using lac = await startAppliance(pair.here, lacText(timers));
  await using _ = await startAppliance(home, subscriberText(7));
  await untilUp(home, lac, 7, 2);
  await assertAnswers(home, 7, 2);
  await using _silence = await silence(pair);
  await assertMoved(home, lac, 7, await kill(first));
  await assertAtOnce(context, lac, 8, 0);
});
