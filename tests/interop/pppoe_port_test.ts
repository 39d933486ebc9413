/**
 * PPPoE sessions of a packet port, joined to PPP pseudowires: raw frames with tags of every TPID go in at one wire and come
 * out at another behind L2TPv2, without TypeScript; what is no session's comes to TypeScript with its tags; and the filter
 * in the kernel keeps out what was not asked for.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { crosses } from "./support/crossing.ts";
import { makePair, type Pair, type Place } from "./support/place.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";

const plugin = new URL("../plugins/line.ts", import.meta.url).pathname;
const client = "020000000007";
const macOf = { near: "020000000100", far: "020000000200" } as const;

/** The tags of each session at both wires, and its PPPoE id there. */
const lines = [
  { near: "", far: "88a80064810000c8" },
  { near: "810000c7", far: "" },
  { near: "88a80064810000c8", far: "9100006581000065" },
  { near: "910000c0", far: "81000066" },
  // The service's VLAN and the customer's may have one id.
  { near: "88a800658100" + "0065", far: "810000c7" },
] as const;
const idOf = (at: number) => at + 0x1230;

const vlansOf = (tags: string) =>
  JSON.stringify([...tags.matchAll(/(.{4})(.{4})/g)].map(([, tpid, vid]) => ({
    tpid: parseInt(tpid!, 16),
    vid: parseInt(vid!, 16),
  })));

const text = (mine: 1 | 2) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
plugins: [${JSON.stringify(plugin)}]
circuits: { access: { line: { interface: line } } }
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    proto-version: 2
    local: 10.77.0.${mine}:1701
    remote: 10.77.0.${3 - mine}:1701
    sessions:
${
  lines.map(({ near, far }, at) => `
      s${at}:
        session-id: ${at + 1}
        peer-session-id: ${at + 1}
        circuit:
          access:
            mac: "02:00:00:00:00:07"
            session-id: ${idOf(at)}
            vlans: ${vlansOf(mine === 1 ? near : far)}`).join("")
}
`;

interface Context {
  readonly pair: Pair;
  readonly near: Appliance;
  readonly far: Appliance;
}

const { test } = suite<Context>(import.meta.url, ["root", "ip", "ss"], async (stack) => {
  const pair = stack.use(await makePair());
  for (const [{ here }, mac] of [[pair.here, macOf.near], [pair.there, macOf.far]] as const) {
    await here("ip", "link", "add", "line", "type", "veth", "peer", "name", "host");
    await here("ip", "link", "set", "line", "address", mac.match(/../g)!.join(":"));
    for (const end of ["line", "host"]) await here("ip", "link", "set", end, "up");
  }
  return {
    pair,
    near: stack.use(await startAppliance(pair.here, text(1))),
    far: stack.use(await startAppliance(pair.there, text(2))),
  };
});

/** Sends frames by the host's end of a wire, and gives what comes out at another, tags and all. */
function between(from: Place, to: Place, frames: readonly string[], expected = frames.length) {
  const device = "host";
  return crosses({ at: from, device }, { at: to, device }, frames, expected);
}

/** Addresses, then tags, then PPPoE's data (RFC 2516 §6), padded to what Ethernet asks for. */
function data(to: string, from: string, tags: string, id: number, ppp: string): string {
  const digits = (number: number) => number.toString(16).padStart(4, "0");
  return `${to}${from}${tags}88641100${digits(id)}${digits(ppp.length / 2)}${ppp}`;
}

const padded = (frame: string) => frame.padEnd(120, "0");
/** LCP's Configure-Request with a magic number of its own (RFC 1661 §6.4). */
const lcp = (number: number) =>
  `c021010100${"0a"}0506deadbe${number.toString(16).padStart(2, "0")}`;

test("PPP frames of many lines cross a tunnel and come out at theirs, without their padding", async ({ pair }) => {
  const inward = lines.map(({ near }, at) =>
    padded(data(macOf.near, client, near, idOf(at), lcp(at)))
  );
  const outward = lines.map(({ far }, at) => data(client, macOf.far, far, idOf(at), lcp(at)));
  assert.deepEqual((await between(pair.here, pair.there, inward)).sort(), [...outward].sort());
  const back = lines.map(({ far }, at) => data(macOf.far, client, far, idOf(at), lcp(0x80 + at)));
  const home = lines.map(({ near }, at) =>
    data(client, macOf.near, near, idOf(at), lcp(0x80 + at))
  );
  assert.deepEqual((await between(pair.there, pair.here, back)).sort(), [...home].sort());
});

test("an address and a control field of the other side's do not get into PPPoE", async ({ pair }) => {
  // What a client sends in spite of RFC 2516 crosses as it is; what leaves by PPPoE is without.
  const sent = data(macOf.near, client, "", idOf(0), "ff03" + lcp(1));
  const expected = data(client, macOf.far, lines[0].far, idOf(0), lcp(1));
  assert.deepEqual(await between(pair.here, pair.there, [sent]), [expected]);
});

test("discovery and foreign data come to TypeScript with their tags, other VLANs and kinds not at all", async ({ pair, near }) => {
  const padi = (tags: string, to: string = macOf.near) =>
    `${to}${client}${tags}886311090000000401010000`;
  const stranger = "020000000009";
  const punted = [
    ...["", "81000064", "88a8006481000fa0", "910000c7", "81000000"].map((tags) => padi(tags)),
    // No session's: of another station, VLAN or id.
    data(macOf.near, stranger, "", idOf(0), lcp(1)),
    data(macOf.near, client, "810000c6", idOf(1), lcp(1)),
    data(macOf.near, client, "", idOf(0) + 100, lcp(1)),
  ];
  const kept = [
    padi("810000c8"), // VLAN 200
    padi("8100000a"),
    padi("88a800c88100000a"),
    padi("", stranger), // another station's
    `${macOf.near}${client}0800${"45".padEnd(80, "0")}`,
  ];
  const swapped = (frame: string) => frame.slice(12, 24) + frame.slice(0, 12) + frame.slice(24);
  const frames = [...punted, ...kept].map(padded);
  const before = Number((await near.session("t", "s0"))["circuit-state"]?.punted);
  const got = await between(pair.here, pair.here, frames, punted.length);
  const own = got.filter((frame) => !frames.includes(frame));
  assert.deepEqual(own.sort(), punted.map(padded).map(swapped).sort());
  assert.equal(
    Number((await near.session("t", "s0"))["circuit-state"]?.punted) - before,
    punted.length,
  );
});

test("a session of an interface that vanishes is down, and comes back with it", async ({ pair, near }) => {
  const status = async () => (await near.session("t", "s0")).status;
  const { here } = pair.here;
  assert.equal(await status(), "up");
  await here("ip", "link", "del", "line");
  await until("the session is down", async () => await status() === "down");
  await here("ip", "link", "add", "line", "type", "veth", "peer", "name", "host");
  await here("ip", "link", "set", "line", "address", macOf.near.match(/../g)!.join(":"));
  for (const end of ["line", "host"]) await here("ip", "link", "set", end, "up");
  await until("the session is up again", async () => await status() === "up", 40_000);
  const sent = data(macOf.near, client, "", idOf(0), lcp(1));
  const expected = data(client, macOf.far, lines[0].far, idOf(0), lcp(1));
  assert.deepEqual(await between(pair.here, pair.there, [sent]), [expected]);
});
