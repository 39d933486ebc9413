import assert from "node:assert/strict";
import fc from "fast-check";
import { emitChapValue, md5Response, parseChapValue } from "./chap.ts";
import { emitPapRequest, parsePapRequest } from "./pap.ts";
import {
  emitFrame,
  emitOptions,
  emitPacket,
  parseFrame,
  parseOptions,
  parsePacket,
  Protocol,
} from "./wire.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const octets = fc.uint8Array({ maxLength: 300 });

Deno.test("what is written down is read again", () => {
  fc.assert(fc.property(fc.nat(0x7f), fc.nat(0x7f), octets, (high, low, payload) => {
    const protocol = high * 2 << 8 | low * 2 + 1;
    assert.deepEqual(parseFrame(emitFrame(protocol, payload)), { protocol, payload });
  }));
  fc.assert(fc.property(fc.nat(255), fc.nat(255), octets, (code, id, data) => {
    assert.deepEqual(parsePacket(emitPacket({ code, id, data })), { code, id, data });
  }));
  const option = fc.record({ type: fc.nat(255), value: fc.uint8Array({ maxLength: 253 }) }, {
    noNullPrototype: true,
  });
  fc.assert(fc.property(fc.array(option), (options) => {
    assert.deepEqual(parseOptions(emitOptions(options)), options);
  }));
  const short = fc.uint8Array({ maxLength: 255 });
  fc.assert(fc.property(short, short, (name, password) => {
    assert.deepEqual(parsePapRequest(emitPapRequest({ name, password })), { name, password });
  }));
  const value = fc.uint8Array({ minLength: 1, maxLength: 255 });
  fc.assert(fc.property(value, octets, (value, name) => {
    assert.deepEqual(parseChapValue(emitChapValue({ value, name })), { value, name });
  }));
});

Deno.test("no octets make a parser throw", () => {
  fc.assert(fc.property(octets, (bytes) => {
    for (const parse of [parseFrame, parsePacket, parseOptions, parsePapRequest, parseChapValue]) {
      parse(bytes);
    }
  }));
});

Deno.test("RFC 1661 §2, §6.5, §6.6: fields may be left out", () => {
  const payload = hex("0102");
  const lcp = { protocol: Protocol.Lcp, payload };
  assert.deepEqual(parseFrame(hex("ff03c0210102")), lcp);
  assert.deepEqual(parseFrame(hex("c0210102")), lcp);
  assert.deepEqual(parseFrame(hex("ff03210102")), { protocol: Protocol.Ip, payload });
  assert.deepEqual(parseFrame(hex("210102")), { protocol: Protocol.Ip, payload });
  assert.deepEqual(parseFrame(hex("570102")), { protocol: Protocol.Ipv6, payload });
  for (const none of ["", "ff03", "ff03c0", "c020", "00"]) {
    assert.equal(parseFrame(hex(none)), undefined);
  }
});

Deno.test("RFC 1661 §5: what follows a packet's length is padding; a length that is wrong is none", () => {
  assert.deepEqual(parsePacket(hex("090100080000000099")), {
    code: 9,
    id: 1,
    data: hex("00000000"),
  });
  for (const none of ["090100", "09010003", "0901000500".slice(0, 8)]) {
    assert.equal(parsePacket(hex(none)), undefined);
  }
});

Deno.test("options: half of one, or one without a length of its own, spoils them all", () => {
  assert.deepEqual(parseOptions(hex("010405b60702")), [{ type: 1, value: hex("05b6") }, {
    type: 7,
    value: new Uint8Array(),
  }]);
  for (const none of ["01", "0100", "0101", "010405", "010405b607"]) {
    assert.equal(parseOptions(hex(none)), undefined);
  }
});

Deno.test("CHAP: MD5 over identifier, secret and challenge", () => {
  // printf '\x01pass\x11\x22\x33\x44' | md5sum
  const response = md5Response(1, new TextEncoder().encode("pass"), hex("11223344"));
  assert.equal(response.toHex(), "de77cc9d17996a7ecc7beef73fd38f35");
});
