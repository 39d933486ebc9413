import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAvps } from "./avp.ts";
import { type AvpName, catalogue } from "./catalogue.ts";
import {
  challengeResponse,
  deriveDigestKey,
  deriveHidingKey,
  sign,
  verify,
} from "./authentication.ts";
import { PeerError } from "../errors.ts";
import { type ControlHeader, emitMessage, parseHeader } from "./header.ts";
import { hide, unhide } from "./hiding.ts";
import { type AnyMessage, emitBody, type MessageType, messageTypes, parseBody } from "./message.ts";
import type { ProtoVersion } from "../pseudowire.ts";
import type { RawAvp } from "./raw_avp.ts";

const bytes = (minLength: number, maxLength = 40) => fc.uint8Array({ minLength, maxLength });
/** fc.record with plain objects, as the parsers make. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const asciiText = (minLength: number) => fc.string({ minLength, maxLength: 60, unit: "grapheme" });
const counters = (...names: string[]) =>
  record(Object.fromEntries(names.map((name) => [name, u32])));

/** A generator of values for each AVP, by its codec. */
function valueOf(name: AvpName): fc.Arbitrary<unknown> {
  switch (name) {
    case "resultCode":
      return fc.oneof(
        record({ result: u16 }),
        record({ result: u16, error: u16 }),
        record({ result: u16, error: u16, message: asciiText(1) }),
      );
    case "q931Cause":
      return record({
        code: u16,
        message: fc.integer({ min: 0, max: 255 }),
        advisory: asciiText(0),
      });
    case "messageDigest":
      return fc.oneof(
        record({ type: fc.constant(0), digest: bytes(16, 16) }),
        record({ type: fc.constant(1), digest: bytes(20, 20) }),
      );
    case "assignedCookie":
      return fc.oneof(bytes(4, 4), bytes(8, 8));
    case "pseudowireCapabilities":
      return fc.array(u16, { minLength: 1, maxLength: 8 });
    case "sequencingRequired":
      return fc.constant(true);
    case "circuitStatus":
      return record({ active: fc.boolean(), new: fc.boolean() });
    case "callErrors":
      return counters(
        "crcErrors",
        "framingErrors",
        "hardwareOverruns",
        "bufferOverruns",
        "timeoutErrors",
        "alignmentErrors",
      );
    case "accm":
      return counters("send", "receive");
    case "pppDisconnectCause":
      return record({ code: u16, protocol: u16, direction: fc.integer({ min: 0, max: 255 }) });
    case "tieBreaker":
      return bytes(8, 8);
    case "challengeResponse":
      return bytes(16, 16);
    case "txConnectSpeedBps":
    case "rxConnectSpeedBps":
      return fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
  }
  const { parse } = catalogue[name].codec;
  if (parse(new Uint8Array(4).fill(1)) === 0x0101_0101) return u32.map((value) => value || 1);
  if (parse(Uint8Array.of(1, 1)) === 0x0101) return u16.map((value) => value || 1);
  return typeof parse(new Uint8Array(4).fill(65)) === "string" ? asciiText(1) : bytes(1);
}

const versions: ProtoVersion[] = [2, 3];
const names = Object.keys(catalogue) as AvpName[];
const types = Object.keys(messageTypes) as MessageType[];

/** Any message: all AVPs of its version that it must have, and any others. */
const anyMessage: fc.Arbitrary<AnyMessage> = fc.constantFrom(...versions).chain((version) => {
  const usable = names.filter((name) =>
    catalogue[name].versions.includes(version) && name !== "messageType" && name !== "randomVector"
  );
  const raw = (vendorId: fc.Arbitrary<number>, type: fc.Arbitrary<number>) =>
    record({ vendorId, type, mandatory: fc.constant(false), value: bytes(0) });
  const other: fc.Arbitrary<RawAvp> = fc.oneof(
    raw(fc.integer({ min: 1, max: 0xffff }), u16),
    raw(fc.integer({ min: 0x1_0000, max: 0xffff_ffff }), u16),
    raw(fc.constant(0), fc.integer({ min: 200, max: 0xffff })),
  );
  return record({
    version: fc.constant(version),
    type: fc.constantFrom(...types.filter((type) => version === 3 || type !== "ACK")),
    avps: record(Object.fromEntries(usable.map((name) => [name, valueOf(name)]))),
    others: fc.array(other, { maxLength: 3 }),
  }) as fc.Arbitrary<AnyMessage>;
});

Deno.test("parseBody(emitBody(x)) is x for every message", () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      const parsed = parseBody(emitBody(message), { version: message.version });
      assert.equal(parsed.kind, "message", parsed.kind === "refused" ? parsed.error.message : "");
      if (parsed.kind !== "message") return;
      const { messageType, ...avps } = parsed.message.avps;
      assert.equal(messageType, messageTypes[message.type]);
      assert.deepEqual({ ...parsed.message, avps }, message);
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseBody(emitBody(x)) is x when every AVP that may be hidden is", () => {
  const key = new TextEncoder().encode("secret");
  fc.assert(
    fc.property(anyMessage, bytes(16), bytes(0, 30), (message, randomVector, pad) => {
      const padding = new Map(
        names.filter((name) => catalogue[name].hidable).map((name) => [name, pad]),
      );
      const body = emitBody(message, { key, randomVector, padding });
      const hidden = parseAvps(body).filter((avp) => avp.hidden).length;
      assert.equal(
        hidden,
        Object.keys(message.avps).filter((name) => padding.has(name as AvpName)).length,
      );
      const parsed = parseBody(body, { version: message.version, hidingKey: key });
      assert.equal(parsed.kind, "message", parsed.kind === "refused" ? parsed.error.message : "");
      if (parsed.kind !== "message") return;
      const { messageType: _type, randomVector: _vector, ...avps } = parsed.message.avps;
      assert.deepEqual({ ...parsed.message, avps }, message);
    }),
    { numRuns: 200 },
  );
});

Deno.test("parseHeader() and parseBody() throw nothing but PeerError, whatever the octets", () => {
  const good = anyMessage.map((message) => {
    const header = { version: message.version, connectionId: 7, sessionId: 0, ns: 1, nr: 2 };
    return emitMessage(header, emitBody(message));
  });
  const damaged = fc.tuple(
    good,
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
    fc.nat(),
  )
    .map(([datagram, changes, cut]) => {
      const copy = datagram.slice(0, cut % 4 === 0 ? cut % (datagram.length + 1) : datagram.length);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(bytes(0, 200), damaged), (datagram) => {
      try {
        const { header, body } = parseHeader(datagram);
        parseBody(body, { version: header.version, hidingKey: Uint8Array.of(1) });
        verify(datagram, [Uint8Array.of(1)], [Uint8Array.of(), Uint8Array.of()]);
      } catch (error) {
        assert.ok(error instanceof PeerError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("parseHeader(emitMessage(x)) is x, and padding behind the length is left out", () => {
  const header = fc.constantFrom(...versions).chain((version) =>
    record({
      version: fc.constant(version),
      connectionId: version === 2 ? u16 : u32,
      sessionId: version === 2 ? u16 : fc.constant(0),
      ns: u16,
      nr: u16,
    })
  ) as fc.Arbitrary<ControlHeader>;
  fc.assert(fc.property(header, bytes(0), bytes(0, 4), (header, body, tail) => {
    const datagram = emitMessage(header, body);
    const padded = new Uint8Array([...datagram, ...tail]);
    assert.deepEqual(parseHeader(padded), { header, body });
  }));
});

Deno.test("parseBody() refuses an unknown mandatory AVP and skips one that is not", () => {
  const hello = emitBody({ version: 2, type: "HELLO", avps: {}, others: [] });
  const unknown = (flags: number) => new Uint8Array([...hello, flags, 8, 0, 0, 0x7f, 1, 0, 0]);
  assert.equal(parseBody(unknown(0), { version: 2 }).kind, "message");
  const refused = parseBody(unknown(0x80), { version: 2 });
  assert.equal(refused.kind, "refused");
  if (refused.kind !== "refused") return;
  assert.equal(refused.error.error, 8);
  assert.match(refused.error.message, /32513/);
});

Deno.test("parseBody() takes an AVP with a reserved bit for unknown in v2 and ignores the bit in v3", () => {
  const hello = (version: ProtoVersion) =>
    emitBody({ version, type: "HELLO", avps: {}, others: [] });
  const reserved = (version: ProtoVersion) =>
    new Uint8Array([...hello(version), 0x84, 10, 0, 0, 0, 15, 0, 0, 0, 7]);
  assert.equal(parseBody(reserved(2), { version: 2 }).kind, "refused");
  const parsed = parseBody(reserved(3), { version: 3 });
  assert.equal(parsed.kind === "message" && parsed.message.avps.callSerialNumber, 7);
});

Deno.test("parseBody() refuses an unknown message type by its M bit", () => {
  const body = (flags: number) => Uint8Array.of(flags, 8, 0, 0, 0, 0, 0, 99);
  assert.deepEqual(parseBody(body(0), { version: 2 }), { kind: "ignored", messageType: 99 });
  assert.equal(parseBody(body(0x80), { version: 2 }).kind, "refused");
  const vendor = (flags: number) => Uint8Array.of(flags, 8, 0, 9, 0, 0, 0, 1);
  assert.deepEqual(parseBody(vendor(0), { version: 3 }), { kind: "ignored", messageType: 1 });
  assert.equal(parseBody(vendor(0x80), { version: 3 }).kind, "refused");
  const ack = Uint8Array.of(0x80, 8, 0, 0, 0, 0, 0, messageTypes.ACK);
  assert.equal(parseBody(ack, { version: 3 }).kind, "message");
  assert.equal(parseBody(ack, { version: 2 }).kind, "refused", "v2 has no ACK");
});

Deno.test("parseBody() names the AVP that a message lacks", () => {
  const body = emitBody({ version: 3, type: "HELLO", avps: {}, others: [] });
  body[7] = messageTypes.StopCCN;
  const parsed = parseBody(body, { version: 3 });
  assert.equal(parsed.kind, "refused");
  if (parsed.kind === "refused") {
    assert.match(parsed.error.message, /StopCCN lacks AVP 1 \(resultCode/);
  }
});

Deno.test("unhide() is the inverse of hide(), and refuses another key", () => {
  const vector = fc.uint8Array({ minLength: 1, maxLength: 32 });
  fc.assert(fc.property(bytes(0, 100), vector, bytes(0, 40), (value, randomVector, padding) => {
    const key = Uint8Array.of(1, 2, 3);
    assert.deepEqual(
      unhide(11, hide(11, value, key, randomVector, padding), key, randomVector),
      value,
    );
  }));
  const hidden = hide(
    11,
    bytesOf("challenge"),
    bytesOf("right"),
    bytesOf("vector"),
    new Uint8Array(0),
  );
  assert.throws(() => unhide(11, hidden, bytesOf("wrong"), bytesOf("vector")), PeerError);
});

Deno.test("challengeResponse() is what xl2tpd and l2tpns agreed on", () => {
  const challenge = Uint8Array.from(
    "c49317e9415235f5c701bfcf7cfc7603".match(/../g)!,
    (hex) => parseInt(hex, 16),
  );
  const response = challengeResponse(2, bytesOf("secret"), challenge);
  assert.equal(
    response.reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), ""),
    "d3fbc18eda86aa202b70a56e16623566",
  );
});

Deno.test("verify() accepts what sign() made and refuses any changed octet, another secret and no digest", () => {
  const key = deriveDigestKey(bytesOf("secret"));
  const nonces = [bytesOf("one nonce"), bytesOf("another")] as const;
  for (const type of [0, 1] as const) {
    const body = emitBody({
      version: 3,
      type: "HELLO",
      avps: { messageDigest: { type, digest: new Uint8Array(type === 0 ? 16 : 20) } },
      others: [],
    });
    const datagram = emitMessage({ version: 3, connectionId: 9, sessionId: 0, ns: 3, nr: 4 }, body);
    sign(datagram, [key], nonces);
    assert.equal(verify(datagram, [key], nonces).verdict, "valid");
    assert.equal(verify(datagram, [deriveDigestKey(bytesOf("old")), key], nonces).verdict, "valid");
    assert.equal(verify(datagram, [deriveHidingKey(bytesOf("secret"))], nonces).verdict, "wrong");
    assert.equal(verify(datagram, [key], [nonces[1], nonces[0]]).verdict, "wrong");
    for (let at = 0; at < datagram.length; at++) {
      const changed = datagram.slice();
      changed[at]! ^= 0x10;
      assert.notEqual(verify(changed, [key], nonces).verdict, "valid", `octet ${at}`);
    }
  }
  const bare = emitMessage(
    { version: 3, connectionId: 9, sessionId: 0, ns: 3, nr: 4 },
    new Uint8Array(0),
  );
  assert.equal(verify(bare, [key], nonces).verdict, "missing");
});

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

Deno.test("parseBody() unhides each AVP with the Random Vector that stands before it (RFC 2661 §4.3)", () => {
  const key = bytesOf("secret");
  const avp = (type: number, value: Uint8Array, flags = 0x80) =>
    Uint8Array.of(flags, 6 + value.length, 0, 0, 0, type, ...value);
  const [first, second] = [bytesOf("the first vector"), bytesOf("the other vector")];
  const hidden = (type: number, vector: Uint8Array) =>
    avp(type, hide(type, bytesOf(`number ${type}`), key, vector, new Uint8Array(3)), 0xc0);
  const body = new Uint8Array([
    ...avp(0, Uint8Array.of(0, messageTypes.ICRQ)),
    ...avp(36, first),
    ...hidden(21, first),
    ...avp(36, second),
    ...hidden(22, second),
    ...avp(14, Uint8Array.of(0, 1)),
    ...avp(15, Uint8Array.of(0, 0, 0, 1)),
  ]);
  const parsed = parseBody(body, { version: 2, hidingKey: key });
  assert.equal(parsed.kind, "message");
  if (parsed.kind !== "message") return;
  const { calledNumber, callingNumber } = parsed.message.avps;
  assert.deepStrictEqual([calledNumber, callingNumber], ["number 21", "number 22"]);
});
