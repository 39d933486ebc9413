import assert from "node:assert/strict";
import fc from "fast-check";
import { COOKIE_KEY, isCookie, makeCookie } from "./cookie.ts";
import { BROADCAST, Code, emitFrame, EtherType, parseFrame, vlanKey } from "./frame.ts";
import { MAX_SESSIONS, SessionIds } from "./ids.ts";
import { AskingRates, SessionCounts } from "./limits.ts";
import { isMacPrefix, mayCome, offerDelay } from "./offers.ts";
import { isServed, offered } from "./services.ts";
import { emitTags, parseTags, type Tags } from "./tags.ts";

const host = [0x02, 0, 0, 0, 0, 7];
const ac = [0x02, 0, 0, 0, 0, 1];
const text = (octets: Uint8Array | undefined) => octets && new TextDecoder().decode(octets);
const bytes = (text: string) => new TextEncoder().encode(text);

/** RFC 2516 Appendix B, with Ethernet's padding behind it. */
const padi = Uint8Array.from([
  ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...host],
  ...[0x88, 0x63, 0x11, 0x09, 0x00, 0x00, 0x00, 0x04],
  ...[0x01, 0x01, 0x00, 0x00],
]);
const pado = Uint8Array.from([
  ...host,
  ...ac,
  ...[0x88, 0x63, 0x11, 0x07, 0x00, 0x00, 0x00, 0x20],
  ...[0x01, 0x01, 0x00, 0x00, 0x01, 0x02, 0x00, 0x18],
  ...[0x47, 0x6f, 0x20, 0x52, 0x65, 0x64, 0x42, 0x61, 0x63, 0x6b, 0x20, 0x2d],
  ...[0x20, 0x65, 0x73, 0x68, 0x73, 0x68, 0x65, 0x73, 0x68, 0x6f, 0x6f, 0x74],
]);

function parsed(octets: Uint8Array) {
  const frame = parseFrame(octets);
  assert.ok(typeof frame === "object", String(frame));
  return frame;
}

Deno.test("the examples of RFC 2516 are read, and written octet for octet", () => {
  const asked = parsed(Uint8Array.of(...padi, ...new Uint8Array(36)));
  assert.deepEqual(
    [asked.code, asked.sessionId, asked.etherType, [...asked.source], asked.vlans],
    [Code.Padi, 0, EtherType.Discovery, host, []],
  );
  assert.deepEqual(asked.destination, BROADCAST);
  assert.deepEqual(parseTags(asked.payload), { serviceNames: [new Uint8Array()] });
  const answer = parsed(pado);
  const tags = parseTags(answer.payload)!;
  assert.deepEqual(tags.acNames?.map(text), ["Go RedBack - eshshesh" + "oot"]);
  const payload = emitTags({ serviceNames: [new Uint8Array()], acNames: tags.acNames! });
  assert.deepEqual(emitFrame({ ...answer, payload }), pado);
});

Deno.test("frames with tags: which VLANs, and what is none", () => {
  const tagged = (...tags: number[]) =>
    parseFrame(Uint8Array.of(...padi.subarray(0, 12), ...tags, ...padi.subarray(12)));
  const vlans = (...tags: number[]) => {
    const frame = tagged(...tags);
    return typeof frame === "string" ? frame : vlanKey(frame.vlans);
  };
  assert.equal(vlans(), "-");
  assert.equal(vlans(0x81, 0, 0x60, 7), "8100:7");
  assert.equal(vlans(0x88, 0xa8, 0, 100, 0x81, 0, 0xe0, 100), "88a8:100.8100:100");
  assert.equal(vlans(0x91, 0, 0x0f, 0xfe, 0x81, 0, 0, 7), "9100:4094.8100:7");
  assert.equal(vlans(0x81, 0, 0xe0, 0), "-");
  assert.equal(vlans(0x81, 0, 0, 0, 0x81, 0, 0, 7), "8100:7");
  assert.equal(vlans(...[0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3]), "tags");
  const both = [{ tpid: 0x88a8 as const, vid: 100 }, { vid: 7 }];
  const frame = emitFrame({ ...parsed(padi), vlans: both });
  assert.deepEqual([...frame.subarray(12, 22)], [0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x88, 0x63]);
});

Deno.test("what is no frame of PPPoE is told why", () => {
  const changed = (at: number, octet: number) => {
    const copy = padi.slice();
    copy[at] = octet;
    return parseFrame(copy);
  };
  assert.equal(changed(12, 0x08), "ether-type");
  assert.equal(changed(14, 0x12), "version");
  assert.equal(changed(14, 0x21), "version");
  assert.equal(changed(19, 5), "length");
  assert.equal(changed(18, 0xff), "length");
  assert.equal(changed(6, 0x03), "source");
  assert.equal(
    parseFrame(Uint8Array.of(...BROADCAST, ...new Uint8Array(6), ...padi.subarray(12))),
    "source",
  );
  for (let length = 0; length < padi.length - 4; length++) {
    assert.ok(
      ["short", "length"].includes(parseFrame(padi.subarray(0, length)) as string),
      `${length}`,
    );
  }
  assert.equal(parseFrame(Uint8Array.of(...padi.subarray(0, 12), 0x81, 0, 0)), "short");
});

Deno.test("tags come in any order, with others among them, of no length, twice, and end before the end", () => {
  const payload = Uint8Array.from([
    ...[0x7f, 0x77, 0, 3, 1, 2, 3], // nobody's
    ...[0x01, 0x03, 0, 2, 0xde, 0xad],
    ...[0x01, 0x20, 0, 2, 0x05, 0xdc],
    ...[0x01, 0x03, 0, 1, 0xff], // a second Host-Uniq
    ...[0x01, 0x05, 0, 6, 0, 0, 0x0d, 0xe9, 7, 8],
    ...[0x01, 0x05, 0, 3, 0, 0, 1], // too short for a vendor's number
    ...[0x01, 0x10, 0, 0],
    ...[0x01, 0x01, 0, 1, 0x61],
    ...[0x01, 0x01, 0, 1, 0x62],
    ...[0x00, 0x00, 0, 0],
    ...[0x01, 0x02, 0, 1, 0x63, 0xff], // behind the end of the list
  ]);
  assert.deepEqual(parseTags(payload), {
    hostUniq: Uint8Array.of(0xde, 0xad),
    maxPayload: 1500,
    vendors: [{ vendorId: 3561, data: Uint8Array.of(7, 8) }],
    relaySessionId: new Uint8Array(),
    serviceNames: [bytes("a"), bytes("b")],
  });
  assert.deepEqual(parseTags(new Uint8Array()), {});
  assert.deepEqual(
    parseTags(Uint8Array.of(1, 0x20, 0, 3, 1, 2, 3)),
    {},
    "a number of three octets",
  );
  for (const wrong of [[1], [1, 1, 0], [1, 1, 0, 1], [1, 3, 0xff, 0xff, 0], [1, 1, 0, 0, 7]]) {
    assert.equal(parseTags(Uint8Array.from(wrong)), undefined, `${wrong}`);
  }
});

const octets = fc.uint8Array({ maxLength: 40 });
const anyTags: fc.Arbitrary<Tags> = fc.record({
  serviceNames: fc.array(octets, { minLength: 1, maxLength: 3 }),
  acNames: fc.array(octets, { minLength: 1, maxLength: 2 }),
  hostUniq: octets,
  acCookie: octets,
  vendors: fc.array(
    fc.record({ vendorId: fc.nat(2 ** 31), data: octets }, { noNullPrototype: true }),
    { minLength: 1 },
  ),
  relaySessionId: octets,
  maxPayload: fc.nat(65_535),
  genericError: octets,
}, { requiredKeys: [], noNullPrototype: true });

Deno.test("tags that were written are read again; no octets are too wild to be read", () => {
  fc.assert(fc.property(anyTags, (tags) => {
    assert.deepEqual(parseTags(emitTags(tags)), tags);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (wild) => {
    parseTags(wild);
    const frame = parseFrame(Uint8Array.of(...padi.subarray(0, 12), ...wild));
    if (typeof frame === "object") assert.ok(frame.payload.length <= wild.length);
  }));
});

Deno.test("a cookie is good for its client, in its VLANs, at its interface, for a minute or two", () => {
  const key = new Uint8Array(COOKIE_KEY).fill(7);
  const holder = { interface: "eth1", vlans: "8100:7", mac: Uint8Array.from(host) };
  const cookie = makeCookie(key, holder, 59_000);
  assert.ok(isCookie(key, holder, cookie, 59_000));
  assert.ok(isCookie(key, holder, cookie, 119_999));
  assert.ok(!isCookie(key, holder, cookie, 120_000));
  for (
    const other of [
      { ...holder, interface: "eth2" },
      { ...holder, vlans: "-" },
      { ...holder, mac: Uint8Array.from(ac) },
    ]
  ) assert.ok(!isCookie(key, other, cookie, 59_000));
  assert.ok(!isCookie(new Uint8Array(COOKIE_KEY), holder, cookie, 59_000));
  for (let at = 0; at < cookie.length; at++) {
    const forged = cookie.slice();
    forged[at]! ^= 1;
    assert.ok(!isCookie(key, holder, forged, 59_000));
  }
  for (const length of [0, 1, 16, 18]) {
    assert.ok(!isCookie(key, holder, new Uint8Array(length), 59_000));
  }
  // A slot of the same number, four hours later.
  assert.ok(!isCookie(key, holder, cookie, 59_000 + 256 * 60_000));
});

Deno.test("services: what is asked for comes first, and what is unknown is not served", () => {
  const rules = { names: ["internet", "tv"], blank: true, any: false };
  const names = (asked: string, more = {}) =>
    offered({ ...rules, ...more }, bytes(asked))?.map(text);
  assert.deepEqual(names("tv"), ["tv", "internet"]);
  assert.deepEqual(names(""), ["", "internet", "tv"]);
  assert.equal(names("TV"), undefined);
  assert.equal(names("", { blank: false }), undefined);
  assert.deepEqual(names("voice", { any: true }), ["voice", "internet", "tv"]);
  assert.equal(names("", { any: true, blank: false }), undefined);
  assert.ok(!isServed(rules, bytes("internet ")));
});

Deno.test("ids are never 0 or FFFF, each once, and rest", () => {
  let seed = 1;
  const random = (length: number) =>
    Uint8Array.from({ length }, () => (seed = Math.imul(seed, 1_103_515_245) + 12_345) >>> 16);
  const ids = new SessionIds(random, 1000);
  const all = new Set<number>();
  for (let i = 0; i < MAX_SESSIONS; i++) all.add(ids.allocate(0)!);
  assert.equal(all.size, MAX_SESSIONS);
  assert.deepEqual([Math.min(...all), Math.max(...all)], [1, 0xfffe]);
  assert.equal(ids.allocate(0), undefined);
  ids.release(5, 100);
  ids.release(6, 200);
  assert.equal(ids.allocate(1099), undefined);
  assert.equal(ids.allocate(1100), 5);
  assert.equal(ids.allocate(1199), undefined);
  assert.equal(ids.allocate(1200), 6);
});

Deno.test("sessions are counted by MAC, VLAN, interface and in all, and forgotten with the last", () => {
  const counts = new SessionCounts();
  const owner = (mac: string, vlans: string, name = "eth1") => ({ interface: name, vlans, mac });
  const limits = { mac: 1, vlan: 2, interface: 3, all: 4 };
  const add = (...args: Parameters<typeof owner>) => {
    const reached = counts.reached(owner(...args), limits);
    if (!reached) counts.count(owner(...args), 1);
    return reached;
  };
  assert.equal(add("a", "1"), undefined);
  assert.equal(add("a", "1"), "mac");
  assert.equal(add("b", "1"), undefined);
  assert.equal(add("c", "1"), "vlan");
  assert.equal(add("a", "2"), undefined);
  assert.equal(add("d", "3"), "interface");
  assert.equal(add("a", "1", "eth2"), undefined);
  assert.equal(add("b", "2", "eth2"), "all");
  counts.count(owner("a", "1"), -1);
  assert.equal(add("c", "1"), undefined);
  assert.deepEqual([counts.all, counts.of("eth1"), counts.of("eth2")], [4, 3, 1]);
});

Deno.test("who asks too often in a second is not heard; others are", () => {
  const rates = new AskingRates(2, 5, 12_345);
  const mac = (n: number) => Uint8Array.of(2, 0, 0, 0, 0, n);
  const heard = (n: number, now: number, vid = 1) => rates.allows(mac(n), [{ vid }], now);
  assert.deepEqual([heard(1, 0), heard(1, 1), heard(1, 2)], [true, true, false]);
  assert.deepEqual([heard(2, 3), heard(3, 4), heard(4, 5), heard(5, 6)], [true, true, true, false]);
  assert.ok(heard(1, 1000));
  assert.ok(heard(1, 1000) && heard(1, 1000, 2), "another VLAN's is another client");
  assert.ok(!heard(1, 1000));
});

Deno.test("offers wait by the number of sessions, and MACs are let in by the lists", () => {
  const steps = [{ sessions: 200, delayMs: -1 }, { sessions: 0, delayMs: 10 }, {
    sessions: 100,
    delayMs: 500,
  }];
  assert.deepEqual([0, 99, 100, 199, 200].map((count) => offerDelay(steps, count)), [
    10,
    10,
    500,
    500,
    undefined,
  ]);
  assert.equal(offerDelay([], 1000), 0);
  const mac = "02:00:5e:00:00:07";
  const may = (allow: string[], deny: string[]) => mayCome({ allow, deny }, mac);
  assert.ok(may([], []));
  assert.ok(may(["02:00:5E"], []));
  assert.ok(!may(["02:00:5f"], []));
  assert.ok(!may(["02:00:5e"], ["02:00:5e:00:00:07"]));
  assert.ok(!may([], ["02"]));
  assert.ok(may([], ["02:00:5e:00:00:0"]), "no prefix of whole octets");
  assert.deepEqual(
    ["02", "02:00:5e", mac, "2", "02:", "02:00:5e:00:00:07:08", "x2"].map(isMacPrefix),
    [true, true, true, false, false, false, false],
  );
});
