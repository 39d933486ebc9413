import assert from "node:assert/strict";
import fc from "fast-check";
import { parseIp } from "../../core/endpoint.ts";
import { parseMac } from "../mac.ts";
import {
  type Echo6,
  emitAdvertisement,
  emitEcho6,
  emitSolicitation,
  linkLocalOf,
  parseFrame6,
  type Solicitation,
} from "./wire6.ts";

const me = parseMac("02:00:00:00:00:09");
const peer = parseMac("02:00:00:00:00:02");
const ip = (text: string) => parseIp(text)!;
const hex = (text: string) => Uint8Array.fromHex(text.replace(/\s/g, ""));

/*
 * Octets by hand: RFC 8200 §3 and §8.1 for header and checksum, RFC 4861 §4.3, §4.4 and §4.6.1, RFC 4443 §4, RFC 2464
 * §7 for the group's MAC address.
 */
const solicitation = hex(`3333ff000002 020000000009 86dd
  60000000 0020 3a ff fe800000000000000000 00fffe000009 ff0200000000000000000001ff000002
  87 00 7b87 00000000 fe800000000000000000000000000002 0101 020000000009`);
const advertisement = hex(`020000000009 020000000002 86dd
  60000000 0020 3a ff fe800000000000000000000000000002 fe800000000000000000 00fffe000009
  88 00 1912 60000000 fe800000000000000000000000000002 0201 020000000002`);
const echo = hex(`020000000002 020000000009 86dd
  60000000 000c 3a 40 fe800000000000000000 00fffe000009 fe800000000000000000000000000002
  80 00 d3d3 1234 0007 deadbeef`);

const source = ip("fe80::ff:fe00:9");
const target = ip("fe80::2");

Deno.test("linkLocalOf() makes the address of RFC 4291's appendix A", () => {
  assert.deepEqual(linkLocalOf(parseMac("34:56:78:9a:bc:de")), ip("fe80::3656:78ff:fe9a:bcde"));
  assert.deepEqual(linkLocalOf(me), source);
});

Deno.test("a solicitation has the octets that the RFCs ask for, and is read again", () => {
  assert.equal(emitSolicitation(me, source, target).toHex(), solicitation.toHex());
  const read = { kind: "solicitation", sourceMac: me, source, target };
  assert.deepEqual(parseFrame6(solicitation), read);
});

Deno.test("an advertisement answers who asked, with the octets that the RFCs ask for", () => {
  const asked: Solicitation = { kind: "solicitation", sourceMac: me, source, target };
  assert.equal(emitAdvertisement(peer, asked).toHex(), advertisement.toHex());
  assert.deepEqual(parseFrame6(advertisement), { kind: "advertisement", target, mac: peer });
});

Deno.test("who has no address yet is told with all nodes, and not as one who asked (RFC 4861 §7.2.4)", () => {
  const asked: Solicitation = { kind: "solicitation", sourceMac: peer, source: ip("::"), target };
  const frame = emitAdvertisement(me, asked);
  assert.equal(frame.subarray(0, 6).toHex(), "333300000001");
  assert.equal(frame.subarray(38, 54).toHex(), "ff020000000000000000000000000001");
  assert.equal(frame[58], 0x20);
});

Deno.test("an echo request has the octets that the RFCs ask for, and is read again", () => {
  const given: Omit<Echo6, "kind"> = {
    operation: "request",
    sourceMac: me,
    source,
    destination: target,
    identifier: 0x1234,
    sequence: 7,
    data: hex("deadbeef"),
  };
  assert.equal(emitEcho6(peer, given).toHex(), echo.toHex());
  assert.deepEqual(parseFrame6(echo), { kind: "echo6", ...given });
  const reply = emitEcho6(peer, { ...given, operation: "reply" });
  assert.equal(reply[54], 129);
  assert.deepEqual(parseFrame6(reply), { kind: "echo6", ...given, operation: "reply" });
});

Deno.test("what cannot be from the link, is cut or has a wrong sum is malformed", () => {
  const changes: readonly [Uint8Array, number, number][] = [
    [solicitation, 21, 64], // hop limit: somebody passed it on (RFC 4861 §7.1.1)
    [advertisement, 21, 254],
    [solicitation, 55, 1], // code
    [echo, 55, 1],
    [echo, 56, 0], // checksum
    [solicitation, 79, 0], // an option without length
    [solicitation, 79, 2], // an option that ends behind the packet
    [solicitation, 62, 0xff], // a group as target
    [echo, 14, 0x40], // version
    [echo, 19, 13], // longer than the frame
  ];
  for (const [good, at, to] of changes) {
    const frame = good.slice();
    frame[at] = to;
    // A field that is covered by the checksum is wrong for its own sake only with a right sum.
    assert.deepEqual(parseFrame6(at > 54 && at !== 56 ? summed(frame) : frame), {
      kind: "malformed",
    }, `${at}`);
  }
  assert.deepEqual(parseFrame6(echo.subarray(0, 53)), { kind: "malformed" });
  const anonymous = summed(withSource(solicitation, ip("::")));
  assert.deepEqual(parseFrame6(anonymous), { kind: "malformed" }, "RFC 4861 §7.1.1");
});

Deno.test("other protocols and messages are left alone", () => {
  const udp = echo.slice();
  udp[20] = 17;
  assert.deepEqual(parseFrame6(udp), { kind: "other" });
  const unreachable = echo.slice();
  unreachable[54] = 1;
  assert.deepEqual(parseFrame6(summed(unreachable)), { kind: "other" });
});

Deno.test("an advertisement without an option is of who sent it", () => {
  const bare = summed(hex(advertisement.toHex().slice(0, -16)).with(19, 24));
  assert.deepEqual(parseFrame6(bare), { kind: "advertisement", target, mac: peer });
});

Deno.test("parseFrame6() throws for no byte string", () => {
  const bytes = fc.uint8Array({ maxLength: 120 });
  fc.assert(fc.property(bytes, (frame) => void parseFrame6(frame)));
  const mutation = fc.tuple(fc.nat(90), fc.nat(255), fc.nat(90));
  const good = fc.constantFrom(solicitation, advertisement, echo);
  fc.assert(fc.property(good, mutation, (good, [at, to, cut]) => {
    const frame = good.slice();
    frame[at] = to;
    parseFrame6(summed(frame.subarray(0, Math.max(58, cut)).slice()));
  }));
});

/** The same frame with a right ICMPv6 checksum, worked out here once more. */
function summed(frame: Uint8Array): Uint8Array {
  frame[56] = frame[57] = 0;
  const length = (frame[18]! << 8 | frame[19]!) || 0;
  const covered = [...frame.subarray(22, 54), 0, 0, length >> 8, length & 0xff, 0, 0, 0, 58];
  covered.push(...frame.subarray(54, 54 + length));
  if (covered.length % 2 === 1) covered.push(0);
  let sum = 0;
  for (let at = 0; at < covered.length; at += 2) sum += covered[at]! * 256 + covered[at + 1]!;
  while (sum > 0xffff) sum = sum % 0x10000 + Math.floor(sum / 0x10000);
  frame[56] = ~sum >> 8;
  frame[57] = ~sum;
  return frame;
}

function withSource(frame: Uint8Array, source: Uint8Array): Uint8Array {
  const changed = frame.slice();
  changed.set(source, 22);
  return changed;
}
