import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { isRefusal } from "../session.ts";
import { makeHost } from "../host/host.ts";
import { WHY } from "../testing/bench.ts";
import { testPlugin } from "../testing/contract.ts";
import { makeSession, type TestSession } from "../testing/session.ts";
import { makeWorld } from "../testing/world.ts";
import { ppp } from "./mod.ts";
import { parseAdvertisement } from "./ipv6/advertisement.ts";
import { ALL_ROUTERS, emitPacket6, Next, parsePacket6 } from "./ipv6/packet.ts";
import { linkLocal } from "./link/ipv6cp.ts";
import { makeSubscriber, papProxy } from "./testing.ts";

const users =
  "bob: { password: pass }\nalice: { password: secret }\ncarol: { password: pass, profile: gold }\n" +
  "dave: { password: pass, address: 172.16.0.9, routes: [192.168.9.0/24], filters: [inet filter walled] }\n" +
  "erin: { password: pass, address: client }\n" +
  "frank: { password: pass, port-limit: 1 }\n" +
  "grace: { password: pass, quota-down: 1000000 }\n";
const section = parse({
  aaa: { authenticate: ["local"], users: "users" },
  pools: {
    main: { ranges: ["10.64.0.0/24"] },
    tiny: { ranges: ["10.65.0.9-10.65.0.9"], then: "spill" },
    spill: { ranges: ["10.66.0.0/30"] },
    six: { ranges: ["2001:db8:1000::/40"], length: 64 },
  },
  profiles: { gold: { "rate-down": 20_000_000, dns: ["10.64.0.53", "2001:db8::53"] } },
});
const options = {
  terminate: {
    tun: { name: "ppp0" },
    address: "10.64.0.1",
    pools: ["main"],
    "ipv6-pool": "six",
    "realm-profiles": { gold: "gold" },
  },
};

const open = { authenticate: ["none"] };

function parse(value: object) {
  const { data, error } = ppp.section!.schema.safeParse(value);
  assert.ok(data, JSON.stringify(error?.issues));
  return data;
}

function circuitOptions(value: object) {
  const { data, error } = ppp.options!.safeParse(value);
  assert.ok(data, JSON.stringify(error?.issues));
  return data;
}

/** A termination, and sessions at it. */
async function lns(more: object = {}, changed: object = {}) {
  const world = makeWorld();
  world.files.set("users", users);
  const host = makeHost(world.leaves, [ppp]);
  const failures = await host.start(new Map([["ppp", { ...section, ...changed }]]));
  assert.equal(failures.size, 0);
  const terminate = { ...options.terminate, ...more };
  const circuit = host.circuit("ppp", "circuit lns", circuitOptions({ terminate }));
  await circuit.first;
  let count = 0;
  return {
    host,
    world,
    circuit,
    session: () =>
      makeSession(world, host, { name: `lac/${++count}`, pseudowireType: 7, request: "ICRQ" }),
    member: ({ id }: TestSession) =>
      [...world.forwarders.values()][0]!.members.get(id) as Record<string, unknown> | undefined,
  };
}

testPlugin({
  plugin: ppp,
  options: circuitOptions(options),
  changed: circuitOptions({ terminate: { ...options.terminate, "echo-interval": 5 } }),
  restart: circuitOptions({ terminate: { ...options.terminate, tun: { name: "ppp9" } } }),
  section: parse({ aaa: open, pools: section.pools, profiles: section.profiles }),
  changedSection: parse({ aaa: open, pools: section.pools, profiles: { blue: {} } }),
  words: { disconnect: { user: "nobody" }, drain: {}, undrain: {} },
});

testPlugin({
  plugin: ppp,
  options: circuitOptions({
    client: { tun: { name: "ppp1" }, user: "bob", secret: "very secret" },
  }),
  changed: circuitOptions({
    client: { tun: { name: "ppp1" }, user: "alice", secret: "very secret" },
  }),
  section: parse({}),
  words: { disconnect: { user: "nobody" }, drain: {}, undrain: {} },
  secrets: ["very secret"],
});

for (const method of ["pap", "chap-md5", "mschapv2"] as const) {
  Deno.test(`lns: a subscriber logs in by ${method}, and gets an address and a place in the datapath`, async () => {
    const { circuit, host, member, session, world } = await lns();
    const call = session();
    const { attachment } = await call.attach(circuit);
    const subscriber = makeSubscriber(world, call, { methods: [method] });
    subscriber.open();
    await subscriber.talk();
    assert.deepEqual(subscriber.happened, [], "nothing before the call is connected");
    await call.connect();
    await subscriber.talk(100);
    assert.deepEqual(subscriber.happened.toSorted(), ["authenticated", "ipcp up", "ipv6cp up"]);
    assert.deepEqual(subscriber.ipcp.got, {
      address: Uint8Array.of(10, 64, 0, 2),
      peer: Uint8Array.of(10, 64, 0, 1),
      dns: [],
    });
    const { addresses, mru, prefixes } = member(call)!;
    assert.deepEqual([addresses, prefixes, mru], [["10.64.0.2"], ["2001:db8:1000::/64"], 1456]);
    assert.equal(attachment.show!()["user"], "bob");
    assert.equal(attachment.show!()["address"], "10.64.0.2");
    assert.deepEqual(world.hooks.map(({ event }) => event).toSorted(), ["ip-up", "ipv6-up"]);
    const hook = world.hooks.find(({ event }) => event === "ip-up");
    assert.equal(hook!.environment["PEERNAME"], "bob");
    assert.equal(hook!.environment["IPREMOTE"], "10.64.0.2");
    await call.end();
    assert.deepEqual(
      world.hooks.map(({ event }) => event).filter((event) => event.endsWith("down")).toSorted(),
      ["ip-down", "ipv6-down"],
    );
    await subscriber.talk(1500);
    assert.equal(subscriber.ended()?.by ?? "nobody", "nobody", "the port is gone");
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });
}

Deno.test("lns: a wrong password is refused by CHAP and by the CDN's cause, and listed", async () => {
  const { circuit, host, session, world } = await lns();
  const call = session();
  await call.attach(circuit);
  await call.connect();
  const subscriber = makeSubscriber(world, call, { secret: "wrong" });
  subscriber.open();
  await subscriber.talk(2000);
  assert.match(subscriber.ended()!.reason, /refuses our name or secret/);
  assert.deepEqual(call.ended, {
    result: 2,
    error: 6,
    message: "wrong password",
    ppp: { code: 16, protocol: 0xc223, direction: 1 },
  });
  const rows = await Array.fromAsync(host.show("failed-login"));
  assert.deepEqual(rows.map(({ reason, stage, user }) => [user, stage, reason]), [
    ["bob", "authentication", "wrong password"],
  ]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("lns: a login that gets no network says of each what it lacks, in log, event, list and CDN", async () => {
  const noPool = { pools: [] };
  const cases: [object, Parameters<typeof makeSubscriber>[2], string, object][] = [
    // It speaks no IPv6; that is not what it lacks.
    [
      noPool,
      { ipv6: false },
      "no network: IPv4: there is no address for it, neither of its own nor a pool in its profile; " +
      "IPv6: the peer rejects the protocol",
      { code: 20, protocol: 0x8021, direction: 2 },
    ],
    [
      { ipv6: false },
      { ipv4: false },
      "no network: IPv4: the peer rejects the protocol; IPv6: the termination has ipv6: false",
      { code: 18, protocol: 0x8021, direction: 0 },
    ],
    [
      {},
      { ipv4: false, ipv6: false },
      "no network: IPv4: the peer rejects the protocol; IPv6: the peer rejects the protocol",
      { code: 18, protocol: 0x8057, direction: 0 },
    ],
  ];
  for (const [more, who, reason, ppp] of cases) {
    const bench = await lns(more);
    const { call } = await up(bench, who);
    await bench.world.advance(7000);
    const { message, ppp: said } = call.ended!;
    assert.deepEqual([message, said], [reason, ppp]);
    const [row] = await Array.fromAsync(bench.host.show("failed-login"));
    assert.deepEqual([row!["user"], row!["stage"], row!["reason"]], ["bob", "network", reason]);
    const { reason: told } = bench.world.events.find(({ type }) => type === "ppp-failed")!;
    assert.equal(told, reason);
    const line = bench.world.lines.find(({ message }) => message === "a login failed");
    assert.equal(line!.fields["reason"], reason);
    await bench.host.end(WHY);
  }
});

Deno.test("lns: where there is nothing to give, nobody comes in", async () => {
  const bench = await lns({ pools: [], ipv6: false });
  const { call, subscriber } = await up(bench);
  await subscriber.talk(2000);
  assert.match(
    call.ended!.message!,
    /^no network: IPv4: there is no address.*; IPv6: .*ipv6: false$/,
  );
  await bench.host.end(WHY);
});

Deno.test("lns: a subscriber that gives up its last network has not failed to log in", async () => {
  const bench = await lns();
  const { call, subscriber } = await up(bench, { ipv6: false });
  assert.ok(subscriber.happened.includes("ipcp up"));
  subscriber.link.closeNetwork(0x8021, "enough", bench.world.now);
  await subscriber.talk(10_000);
  assert.deepEqual(call.ended!.ppp, { code: 3, protocol: 0, direction: 1 });
  assert.equal(
    call.ended!.message,
    "no network is left: IPv4: the peer terminates it; IPv6: the peer rejects the protocol",
  );
  assert.deepEqual(await Array.fromAsync(bench.host.show("failed-login")), []);
  await bench.host.end(WHY);
});

/** A subscriber that is up. */
async function up(
  bench: Awaited<ReturnType<typeof lns>>,
  who: Parameters<typeof makeSubscriber>[2] = {},
) {
  const call = bench.session();
  await call.attach(bench.circuit);
  await call.connect();
  const subscriber = makeSubscriber(bench.world, call, who);
  subscriber.open();
  await subscriber.talk(100);
  return { call, subscriber };
}

Deno.test("lns: what a LAC negotiated is used, and its client is told at once that it is in", async () => {
  const bench = await lns({ authenticate: ["pap"] });
  const call = bench.session();
  await call.attach(bench.circuit);
  await call.connect(papProxy("bob", "pass"));
  const sent = call.sent.map((frame) => frame.toHex());
  assert.equal(sent[0], "ff03c0230207000500", "an Ack of the client's own request, and no LCP");
  assert.match(sent[1]!, /^ff038021/);
  await bench.host.end(WHY);
});

Deno.test("lns: `check` keeps the LAC's LCP and asks the client itself; `anew` keeps nothing", async () => {
  for (const [policy, first] of [["check", "c223"], ["anew", "c021"]] as const) {
    const bench = await lns({ "proxy-lcp": policy });
    const call = bench.session();
    await call.attach(bench.circuit);
    const { proxyAuth, proxyLcp } = papProxy("bob", "pass");
    const lastSent = Uint8Array.fromHex("0305c223050506aabbccdd");
    await call.connect({ proxyAuth: proxyAuth!, proxyLcp: { ...proxyLcp, lastSent } });
    assert.equal(call.sent[0]!.subarray(2, 4).toHex(), first);
    await bench.host.end(WHY);
  }
});

Deno.test("lns: a LAC's LCP that does not ask for what we ask for is negotiated anew", async () => {
  const bench = await lns({ authenticate: ["mschapv2"] });
  const call = bench.session();
  await call.attach(bench.circuit);
  await call.connect(papProxy("bob", "pass"));
  assert.equal(call.sent[0]!.subarray(2, 5).toHex(), "c02101");
  await bench.host.end(WHY);
});

Deno.test("lns: a wrong password that a LAC collected is refused, too", async () => {
  const bench = await lns({ authenticate: ["pap"] });
  const call = bench.session();
  await call.attach(bench.circuit);
  await call.connect(papProxy("bob", "wrong"));
  assert.match(call.sent[0]!.toHex(), /^ff03c0230307/);
  await bench.world.advance(1500);
  assert.equal(call.ended?.ppp?.code, 16);
  await bench.host.end(WHY);
});

Deno.test("lns: pools are chained, exhaustion has its reason, and addresses come back", async () => {
  const bench = await lns({ pools: ["tiny"], ipv6: false });
  const got = [];
  const calls = [];
  for (let i = 0; i < 3; i++) {
    const { call, subscriber } = await up(bench, { ipv6: false });
    got.push(subscriber.ipcp.got.address.join("."));
    calls.push(call);
  }
  assert.deepEqual(got, ["10.65.0.9", "10.66.0.1", "10.66.0.2"]);
  const { call } = await up(bench, { ipv6: false });
  await bench.world.advance(1500);
  assert.match(call.ended!.message!, /no address is left in pool tiny/);
  await calls[1]!.end();
  assert.deepEqual(
    (await up(bench, { ipv6: false })).subscriber.ipcp.got.address.join("."),
    "10.66.0.1",
  );
  await bench.host.end(WHY);
  assert.deepEqual(bench.world.leftovers(), []);
});

Deno.test("lns: a user that comes again gets the address that it had", async () => {
  const bench = await lns();
  const first = await up(bench, { name: "bob" });
  const other = await up(bench, { name: "alice", secret: "secret" });
  await first.call.end();
  await other.call.end();
  const again = await up(bench, { name: "alice", secret: "secret" });
  assert.equal(again.subscriber.ipcp.got.address.join("."), "10.64.0.3");
  await bench.host.end(WHY);
});

Deno.test("lns: what users had is remembered over a restart", async () => {
  const world = makeWorld();
  const file = await Deno.makeTempFile();
  const leaves = { ...world.leaves, openStore: () => new DatabaseSync(file) };
  world.files.set("users", users);
  const got = [];
  for (const [first, second] of [["alice", "bob"], ["bob", "alice"]] as const) {
    const host = makeHost(leaves, [ppp]);
    await host.start(new Map([["ppp", section]]));
    const circuit = host.circuit("ppp", "circuit lns", circuitOptions(options));
    await circuit.first;
    let count = 0;
    const session = () =>
      makeSession(world, host, { name: `lac/${++count}`, pseudowireType: 7, request: "ICRQ" });
    for (const name of [first, second]) {
      const { subscriber } = await up(
        { host, world, circuit, session, member: () => undefined },
        { name, secret: name === "bob" ? "pass" : "secret" },
      );
      got.push([name, subscriber.ipcp.got.address.at(-1)]);
    }
    await host.end(WHY);
  }
  assert.deepEqual(got, [["alice", 2], ["bob", 3], ["bob", 3], ["alice", 2]]);
  assert.deepEqual(world.lines.filter(({ level }) => level === "warn"), []);
  await Deno.remove(file);
});

Deno.test("lns: a second session of a user is allowed, takes the place of the first, or is refused", async () => {
  for (const policy of ["allow", "replace", "deny"]) {
    const bench = await lns({ "sessions-per-user": policy });
    const first = await up(bench);
    const second = await up(bench);
    await bench.world.advance(2000);
    const isUp = ({ subscriber }: typeof first) => subscriber.happened.includes("ipcp up");
    assert.equal(first.call.ended !== undefined, policy === "replace", policy);
    assert.equal(isUp(second), policy !== "deny", policy);
    if (policy === "replace") {
      assert.deepEqual(second.subscriber.ipcp.got.address, first.subscriber.ipcp.got.address);
    }
    if (policy === "deny") assert.match(second.call.ended!.message!, /here already/);
    await bench.host.end(WHY);
    assert.deepEqual(bench.world.leftovers(), []);
  }
});

Deno.test("lns: limits refuse calls before they begin, and drain takes no new ones", async () => {
  const refusal = async (bench: Awaited<ReturnType<typeof lns>>) => {
    const call = bench.session();
    const answer = await bench.circuit.attach(call.facts, {}, () => {});
    return isRefusal(answer) ? answer.refuse : undefined;
  };
  const few = await lns({ "max-sessions": 1 });
  await up(few);
  assert.equal((await refusal(few))!.result, 4);
  await few.host.end(WHY);

  const starting = await lns({}, { "max-starting": 2 });
  assert.equal(await refusal(starting), undefined);
  assert.equal(await refusal(starting), undefined);
  assert.match((await refusal(starting))!.message!, /authenticate at a time/);
  await starting.host.end(WHY);

  const slow = await lns({ "max-new-per-second": 1 });
  assert.equal(await refusal(slow), undefined);
  assert.match((await refusal(slow))!.message!, /in a second/);
  await slow.world.advance(1000);
  assert.equal(await refusal(slow), undefined);
  await slow.host.end(WHY);

  const drained = await lns();
  const { call } = await up(drained);
  await drained.host.run("drain", {});
  assert.match((await refusal(drained))!.message!, /drain/);
  assert.equal(call.ended, undefined);
  await drained.host.run("undrain", {});
  assert.equal(await refusal(drained), undefined);
  await drained.host.end(WHY);
});

Deno.test("lns: an operator disconnects a user, whose link is told", async () => {
  const bench = await lns();
  const { call } = await up(bench);
  assert.deepEqual(await bench.host.run("disconnect", { user: "nobody" }), { disconnected: [] });
  await bench.world.advance(60_000);
  assert.deepEqual(await Array.fromAsync(bench.host.show("subscriber")), [{
    user: "bob",
    session: "lac/1",
    address: "10.64.0.2",
    seconds: 60,
    "up-octets": 0,
    "down-octets": 0,
  }]);
  await bench.host.run("disconnect", { user: "bob" });
  assert.equal(call.ended!.message, "disconnected by the operator");
  await bench.host.end(WHY);
});

Deno.test("lns: LCP anew on an open link logs in again, and keeps address and place", async () => {
  const bench = await lns();
  const { call, subscriber } = await up(bench);
  const before = bench.member(call);
  const again = makeSubscriber(bench.world, call, { seed: 99 });
  again.open();
  await again.talk(5000);
  assert.ok(again.happened.includes("ipcp up"), again.happened.join());
  assert.deepEqual(again.ipcp.got.address, subscriber.ipcp.got.address);
  assert.equal(bench.member(call), before);
  const other = makeSubscriber(bench.world, call, { name: "alice", secret: "secret", seed: 7 });
  other.open();
  await other.talk(5000);
  assert.match(call.ended!.message!, /another user/);
  await bench.host.end(WHY);
  assert.deepEqual(bench.world.leftovers(), []);
});

Deno.test("lns: a realm chooses a profile: rate and name servers", async () => {
  const bench = await lns({}, { aaa: { authenticate: ["none"], account: [] } });
  const { call, subscriber } = await up(bench, { name: "eve@gold" });
  assert.deepEqual(subscriber.ipcp.got.dns, [Uint8Array.of(10, 64, 0, 53)]);
  assert.equal(bench.world.ports.get(call.id)!.limit!.tx, 20_000);
  await bench.host.end(WHY);
});

Deno.test("lns: an idle, an exhausted and an overlong session end, and say why", async () => {
  for (const what of ["idle", "session"]) {
    const bench = await lns({ "idle-timeout": 60 });
    const { call, subscriber } = await up(bench);
    assert.equal(bench.member(call)!["idleTimeoutMs"], 60_000);
    [...bench.world.forwarders.values()][0]!.happen({
      what: "expired",
      port: call.id,
      detail: { what },
    });
    await subscriber.talk(2000);
    assert.match(call.ended!.message!, /no data|over|quota/);
    assert.equal(subscriber.ended()!.by, "peer");
    await bench.host.end(WHY);
  }
});

Deno.test("lns: a quota of one direction is looked at when it may be reached, and ends the session when it is", async () => {
  const bench = await lns({ ipv6: false });
  const { call, subscriber } = await up(bench, { name: "grace" });
  assert.equal(bench.member(call)!["quotaBytes"], 1_000_000n);
  const reach = async (up: number, down: number) => {
    const counters = { "rx-ipv4-bytes": up, "tx-ipv4-bytes": down };
    Object.assign(bench.world.leaves.datapath, { statistics: () => Promise.resolve(counters) });
    [...bench.world.forwarders.values()][0]!.happen({
      what: "expired",
      port: call.id,
      detail: { what: "quota" },
    });
    await subscriber.talk(2000);
  };
  // All of it was from the subscriber: what may still come to it is what it was.
  await reach(900_000, 100_000);
  assert.equal(call.ended, undefined);
  assert.equal(bench.member(call)!["quotaBytes"], 1_900_000n);
  await reach(900_000, 1_000_000);
  assert.match(call.ended!.message!, /quota is used up/);
  await bench.host.end(WHY);
});

Deno.test("lns: a client without IPv4, or that rejects it, has IPv6 alone; one with neither is sent away", async () => {
  const bench = await lns();
  const six = await up(bench, { ipv4: false });
  await six.subscriber.talk(10_000);
  assert.ok(six.subscriber.happened.includes("ipv6cp up"));
  assert.equal(six.call.ended, undefined);
  const none = await up(bench, { ipv4: false, ipv6: false });
  await none.subscriber.talk(40_000);
  assert.equal(none.call.ended!.ppp!.code, 18);
  await bench.host.end(WHY);
});

Deno.test("lns: a user's own profile counts before all others", async () => {
  const bench = await lns({ profile: "blue" }, {
    profiles: { ...section.profiles, blue: { "rate-down": 1_000_000 } },
  });
  const { call } = await up(bench, { name: "carol" });
  assert.equal(bench.world.ports.get(call.id)!.limit!.tx, 20_000);
  const other = await up(bench, { name: "bob" });
  assert.equal(bench.world.ports.get(other.call.id)!.limit!.tx, 1000);
  await bench.host.end(WHY);
});

Deno.test("lns: who solicits is advertised to, twice a second at most", async () => {
  const bench = await lns({ dns: ["2001:db8::53"] });
  const { subscriber } = await up(bench);
  const source = linkLocal(subscriber.ipv6cp.own);
  const payload = Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0);
  const solicitation = emitPacket6({
    source,
    destination: ALL_ROUTERS,
    hopLimit: 255,
    next: Next.Icmp,
    payload,
  });
  const before = subscriber.packets.length;
  for (let i = 0; i < 50; i++) subscriber.send6(solicitation);
  await subscriber.talk(100);
  assert.ok(subscriber.packets.length - before <= 1);
  await subscriber.talk(1000);
  subscriber.send6(solicitation);
  await subscriber.talk(100);
  const packet = parsePacket6(subscriber.packets.at(-1)!)!;
  assert.equal(packet.hopLimit, 255);
  assert.deepEqual(packet.source, linkLocal(subscriber.ipv6cp.peer!));
  const said = parseAdvertisement(packet.payload)!;
  assert.deepEqual(said.prefixes.map(({ prefix }) => prefix), ["2001:db8:1000::/64"]);
  assert.deepEqual([said.mtu, said.dns, said.managed, said.other], [
    1456,
    ["2001:db8::53"],
    false,
    true,
  ]);
  // From further away than the link it is nobody's.
  await subscriber.talk(1000);
  const count = subscriber.packets.length;
  subscriber.send6(
    emitPacket6({ source, destination: ALL_ROUTERS, hopLimit: 64, next: Next.Icmp, payload }),
  );
  await subscriber.talk(100);
  assert.equal(subscriber.packets.length, count);
  await bench.host.end(WHY);
});

Deno.test("lns: an address of no pool, a route and an address list are the kernel's, as long as the session is", async () => {
  const bench = await lns();
  const { call, subscriber } = await up(bench, { name: "dave" });
  assert.equal(subscriber.ipcp.got.address.join("."), "172.16.0.9");
  const routes = () =>
    bench.world.routes.map(({ device, prefix }) => `${prefix} ${device}`).toSorted();
  assert.deepEqual(routes(), ["172.16.0.9/32 ppp0", "192.168.9.0/24 ppp0"]);
  assert.deepEqual([...bench.world.elements], [{
    set: "inet filter walled",
    address: "172.16.0.9",
  }]);
  const { addresses, prefixes } = bench.member(call)!;
  assert.deepEqual([addresses, prefixes], [["172.16.0.9"], [
    "192.168.9.0/24",
    "2001:db8:1000::/64",
  ]]);
  const second = await up(bench, { name: "dave" });
  await bench.world.advance(1500);
  assert.match(second.call.ended!.message!, /172.16.0.9 is in use|in use|already/);
  await call.end();
  assert.deepEqual(routes(), []);
  assert.deepEqual([...bench.world.elements], []);
  await bench.host.end(WHY);
  assert.deepEqual(bench.world.leftovers(), []);
});

Deno.test("lns: a client that may choose its address gets packets for the one that it chose", async () => {
  const bench = await lns({ ipv6: false });
  const call = bench.session();
  await call.attach(bench.circuit);
  await call.connect();
  const subscriber = makeSubscriber(bench.world, call, { name: "erin", address: [172, 16, 5, 5] });
  subscriber.open();
  await subscriber.talk(100);
  assert.ok(subscriber.happened.includes("ipcp up"), subscriber.happened.join());
  assert.deepEqual(bench.member(call)!["addresses"], ["172.16.5.5"]);
  assert.deepEqual(bench.world.routes.map(({ prefix }) => prefix), ["172.16.5.5/32"]);
  await bench.host.end(WHY);
});

Deno.test("lns: a user has as many sessions as it may have", async () => {
  const bench = await lns();
  await up(bench, { name: "frank" });
  const { call } = await up(bench, { name: "frank" });
  await bench.world.advance(1500);
  assert.match(call.ended!.message!, /as many as it may have/);
  await bench.host.end(WHY);
});

Deno.test("lns: other pools and profiles end no session, and count for the next one", async () => {
  const bench = await lns({ ipv6: false });
  const first = await up(bench);
  const pools = { ...section.pools, second: { ranges: ["10.99.0.0/24"] } };
  assert.equal(await bench.host.reconfigure("ppp", { ...section, pools }).then(() => true), true);
  const next = {
    ...options.terminate,
    ipv6: false,
    pools: ["second"],
    "rate-up": 64_000,
    authenticate: ["pap"],
  };
  assert.equal(await bench.circuit.reconfigure(circuitOptions({ terminate: next })), true);
  assert.equal(first.call.ended, undefined);
  assert.equal(bench.member(first.call)!["addresses"]?.toString(), "10.64.0.2");
  const second = await up(bench, {
    name: "alice",
    secret: "secret",
    methods: ["mschapv2", "pap"],
  });
  assert.equal(second.subscriber.link.agreed.answer, "pap");
  assert.equal(second.subscriber.ipcp.got.address.join("."), "10.99.0.1");
  assert.equal(bench.world.ports.get(second.call.id)!.limit!.rx, 64);
  assert.deepEqual(bench.world.routes.map(({ prefix }) => prefix), ["10.99.0.1/32"]);
  await bench.host.end(WHY);
  assert.deepEqual(bench.world.leftovers(), []);
});
