/**
 * Interfaces that are there as attachment circuits, whole and by VLAN: frames of raw sockets with tags of every TPID cross a
 * pseudowire and come out as they went in, the host's own traffic with offloads on arrives whole, and an interface that
 * vanishes comes back.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { crosses } from "./support/crossing.ts";
import { makePair, type Pair, type Place } from "./support/place.ts";
import { output, sleep, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { iperfBetween, ping } from "./support/traffic.ts";

const circuits = [
  { id: 1, name: "whole" },
  { id: 2, name: "one", vlan: 10, tpid: "8100" },
  { id: 3, name: "two", vlan: 20, tpid: "88a8" },
  { id: 4, name: "three", vlan: 30, tpid: "9100" },
];

/** Each circuit's interface is a veth of the appliance's namespace, whose other end is called `…-host`. */
const text = (mine: 1 | 2) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    local: 10.77.0.${mine}:1701
    remote: 10.77.0.${3 - mine}:1701
    sessions:
${
  circuits.map(({ id, name, vlan, tpid }) => `
      ${name}:
        session-id: ${id}
        peer-session-id: ${id}
        circuit: { interface: { name: ${name}${vlan ? `, vlan: ${vlan}, tpid: "${tpid}"` : ""} } }`)
    .join("")
}
`;

interface Context {
  readonly pair: Pair;
  readonly near: Appliance;
  readonly far: Appliance;
}

async function addWire({ here }: Place, name: string) {
  await here("ip", "link", "add", name, "type", "veth", "peer", "name", `${name}-host`);
  for (const end of [name, `${name}-host`]) await here("ip", "link", "set", end, "up");
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "ip", "ss", "ethtool", "ping", "iperf3", "scapy"],
  async (stack) => {
    const pair = stack.use(await makePair());
    for (const place of [pair.here, pair.there]) {
      for (const { name } of circuits) await addWire(place, name);
    }
    for (const [place, mine] of [[pair.here, 1], [pair.there, 2]] as const) {
      // A namespace of its own, or the kernel would answer for both ends.
      const inside = `${place.namespace}-h`;
      await output(["ip", "netns", "add", inside]);
      stack.defer(async () => void await output(["ip", "netns", "del", inside]));
      await place.here("ip", "link", "set", "whole-host", "netns", inside);
      await output([
        "ip",
        "-n",
        inside,
        "addr",
        "add",
        `192.168.1.${mine}/24`,
        "dev",
        "whole-host",
      ]);
      await output(["ip", "-n", inside, "link", "set", "whole-host", "up"]);
    }
    return {
      pair,
      near: stack.use(await startAppliance(pair.here, text(1))),
      far: stack.use(await startAppliance(pair.there, text(2))),
    };
  },
);

/** Sends frames by one host's end of a wire, and gives what comes out at the other's. */
function between(
  { here, there }: Pick<Pair, "here" | "there">,
  name: string,
  frames: readonly string[],
  expected = frames.length,
) {
  const device = `${name}-host`;
  return crosses({ at: here, device }, { at: there, device }, frames, expected);
}

const macs = "020000000001" + "020000000002";
const frame = (tags: string, number: number) =>
  macs + tags + "88b5" + number.toString(16).padStart(4, "0") + "ab".repeat(60);

test("a whole interface carries frames with their tags", async ({ pair }) => {
  const tags = ["", "8100200a", "88a80fff", "9100000a", "88a800648100000a", "81000000"];
  const frames = tags.map(frame);
  // The wire is between the hosts' namespaces: send and sniff there.
  const at = (place: Place): Place => ({
    ...place,
    here: (...argv) => output(["ip", "netns", "exec", `${place.namespace}-h`, ...argv]),
    background: (name, ...argv) =>
      place.background(name, "nsenter", `--net=/run/netns/${place.namespace}-h`, ...argv),
  });
  const inside = { ...pair, here: at(pair.here), there: at(pair.there) };
  assert.deepEqual((await between(inside, "whole", frames)).sort(), [...frames].sort());
});

for (const { name, vlan, tpid } of circuits.slice(1)) {
  test(`VLAN ${vlan} by ${tpid} carries its frames alone, and puts its tag on`, async ({ pair }) => {
    const tag = (by: string, vid: number) => by + vid.toString(16).padStart(4, "0");
    const taken = ["8100", "88a8", "9100"].map((by) => tag(by, vlan!));
    const others = ["", tag(tpid!, vlan! + 1), tag("8100", 1), tag(tpid!, 1) + tag("8100", vlan!)];
    const sent = [...others, ...taken, tag(tpid!, vlan!) + tag("8100", 7)].map(frame);
    const wanted = [...taken.map(() => ""), tag("8100", 7)].map((inner, at) =>
      frame(tag(tpid!, vlan!) + inner, others.length + at)
    );
    const came = await between(pair, name, sent, wanted.length);
    assert.deepEqual(came.sort(), wanted.sort());
  });
}

test("hosts with all their offloads on reach each other, with checksums that are right", async ({ pair }) => {
  const hosts = [pair.here, pair.there].map((place): Place => ({
    ...place,
    here: (...argv) => output(["ip", "netns", "exec", `${place.namespace}-h`, ...argv]),
    tryHere: (argv, options) =>
      place.tryHere(["nsenter", `--net=/run/netns/${place.namespace}-h`, ...argv], options),
  }));
  assert.equal((await ping(hosts[0]!, "192.168.1.2")).received, 5);
  const before = await checksumErrors(hosts[1]!);
  const { bitsPerSecond } = await iperfBetween(
    hosts[0]!,
    hosts[1]!,
    "-c",
    "192.168.1.2",
    "-t",
    "2",
  );
  const back = await iperfBetween(hosts[0]!, hosts[1]!, ..."-c 192.168.1.2 -t 2 -R".split(" "));
  say(`  ${Math.round(bitsPerSecond / 1e6)} and ${Math.round(back.bitsPerSecond / 1e6)} Mbit/s`);
  assert(bitsPerSecond > 20e6 && back.bitsPerSecond > 20e6);
  assert.equal(await checksumErrors(hosts[1]!), before);
});

async function checksumErrors(host: Place): Promise<number> {
  const snmp = await host.here("cat", "/proc/net/snmp");
  const [names, values] = [...snmp.matchAll(/^Tcp: (.*)$/gm)].map(([, line]) => line!.split(" "));
  return Number(values![names!.indexOf("InCsumErrors")]);
}

test("an interface that is down waits, one that vanishes is missed and comes back", async ({ pair, near }) => {
  const status = async () => (await near.session("t", "one")).status;
  await pair.here.here("ip", "link", "set", "one", "down");
  await sleep(300);
  await pair.here.here("ip", "link", "set", "one", "up");
  await until("the session is up", async () => await status() === "up");
  const one = [frame("8100000a", 1)];
  assert.deepEqual(await between(pair, "one", one), one);
  await pair.here.here("ip", "link", "del", "one");
  await until("the session is down", async () => await status() === "down");
  await addWire(pair.here, "one");
  await until("the session is up again", async () => await status() === "up", 40_000);
  assert.deepEqual(await between(pair, "one", one), one);
});
