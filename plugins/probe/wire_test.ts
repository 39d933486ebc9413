import { internetChecksum } from "../../core/wire/bytes.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseMac } from "../mac.ts";
import { type Arp, BROADCAST, type Echo, emitArp, emitEcho, parseFrame } from "./wire.ts";

const me = parseMac("02:00:00:00:00:01");
const peer = parseMac("02:00:00:00:00:02");
const hex = (text: string) =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g)!, (b) => parseInt(b, 16));

/** "Who has 10.0.0.1? Tell 10.0.0.2", by hand from RFC 826. */
const arpRequest = hex(`ffffffffffff 020000000002 0806
  0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000001 ${"00".repeat(18)}`);

/** An echo request with two bytes of data, checksums worked out by hand (RFC 1071). */
const echoRequest = hex(`020000000001 020000000002 0800
  45 00 001e 0000 4000 40 01 26dd 0a000002 0a000001
  08 00 6ab4 1234 0001 7b16 ${"00".repeat(16)}`);

Deno.test("parseFrame() reads an ARP request", () => {
  assert.deepEqual(parseFrame(arpRequest, me), {
    kind: "arp",
    operation: "request",
    senderMac: peer,
    senderIp: 0x0a000002,
    targetMac: new Uint8Array(6),
    targetIp: 0x0a000001,
  });
});

Deno.test("emitArp() writes what parseFrame() reads, padded to 60 bytes", () => {
  const { kind: _, ...arp } = parseFrame(arpRequest, me) as Arp;
  assert.deepEqual(emitArp(BROADCAST, peer, arp), arpRequest);
});

Deno.test("parseFrame() reads an echo request", () => {
  assert.deepEqual(parseFrame(echoRequest, me), {
    kind: "echo",
    operation: "request",
    sourceMac: peer,
    source: 0x0a000002,
    destination: 0x0a000001,
    identifier: 0x1234,
    sequence: 1,
    data: hex("7b16"),
  });
});

Deno.test("emitEcho() writes what parseFrame() reads", () => {
  const { kind: _, ...echo } = parseFrame(echoRequest, me) as Echo;
  assert.deepEqual(emitEcho(me, echo), echoRequest);
});

Deno.test("parseFrame() calls a wrong checksum, length or version malformed", () => {
  const changes: [offset: number, value: number][] = [
    [24, 0xff], // IPv4 header checksum
    [36, 0xff], // ICMP checksum
    [14, 0x65], // version 6
    [14, 0x44], // header of 16 bytes
    [17, 0xff], // longer than the frame
    [17, 0x13], // shorter than the header
  ];
  for (const [offset, value] of changes) {
    const frame = echoRequest.slice();
    frame[offset] = value;
    assert.deepEqual(parseFrame(frame, me), { kind: "malformed" }, `byte ${offset}`);
  }
  assert.deepEqual(parseFrame(arpRequest.subarray(0, 40), me), { kind: "malformed" });
  assert.deepEqual(parseFrame(new Uint8Array(13), me), { kind: "malformed" });
});

Deno.test("parseFrame() leaves frames for others, other protocols and fragments alone", () => {
  assert.deepEqual(parseFrame(echoRequest, peer), { kind: "other" });
  const vlan = arpRequest.slice();
  vlan.set([0x81, 0x00], 12);
  assert.deepEqual(parseFrame(vlan, me), { kind: "other" });
  const fragment = echoRequest.slice();
  fragment.set([0x20, 0x00], 20); // more fragments
  fragment.set([0x46, 0xdd], 24);
  assert.deepEqual(parseFrame(fragment, me), { kind: "other" });
});

Deno.test("internetChecksum() is RFC 1071's example", () => {
  assert.equal(internetChecksum([hex("0001 f203 f4f5 f6f7")]), ~0xddf2 & 0xffff);
});

Deno.test("parseFrame() throws for no byte string", () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(fc.property(bytes, (frame) => void parseFrame(frame, me)));
  const mutation = fc.tuple(fc.nat(59), fc.nat(255), fc.nat(60));
  fc.assert(
    fc.property(fc.constantFrom(arpRequest, echoRequest), mutation, (good, [at, to, cut]) => {
      const frame = good.slice();
      frame[at] = to;
      parseFrame(frame.subarray(0, cut), me);
    }),
  );
});

Deno.test("parseFrame() reads back any echo that emitEcho() writes", () => {
  const ip = fc.nat(0xffff_ffff);
  const u16 = fc.nat(0xffff);
  const data = fc.uint8Array({ maxLength: 1400 });
  fc.assert(
    fc.property(ip, ip, u16, u16, data, (source, destination, identifier, sequence, data) => {
      const echo = {
        operation: "reply",
        sourceMac: peer,
        source,
        destination,
        identifier,
        sequence,
        data,
      } as const;
      assert.deepEqual(parseFrame(emitEcho(me, echo), me), { kind: "echo", ...echo });
    }),
  );
});
