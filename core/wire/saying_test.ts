import assert from "node:assert/strict";
import type { CallAvps } from "./call_avps.ts";
import type { AvpValues } from "./catalogue.ts";
import { messageOf } from "../dialect.ts";
import { UnsendableAvp } from "../errors.ts";
import { emitBody, parseBody } from "./message.ts";
import type { ProtoVersion } from "../pseudowire.ts";
import { assertSendable, endSaidBy, endToSay, othersToSay, saidBy, toSay } from "./saying.ts";

const octets = (text: string) => new TextEncoder().encode(text);
const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));

/** What a message's body says, Message Type and ids of the session included. */
function read(version: ProtoVersion, body: Uint8Array): CallAvps {
  const parsed = parseBody(body, { version });
  assert.equal(parsed.kind, "message", parsed.kind === "refused" ? parsed.error.message : "");
  if (parsed.kind !== "message") throw new Error("unreachable");
  return saidBy(parsed.message.avps, parsed.message.others);
}

Deno.test("saidBy() reads every AVP of an ICCN's octets, as RFC 2661 §4.4.4 and §4.4.5 lay them out", () => {
  const body = hex(`
    8008 0000 0000 000c
    800a 0000 0018 000f4240
    800a 0000 0013 00000003
    000a 0000 0026 0007a120
    0009 0000 0025 677270
    000a 0000 001a 01040578
    000a 0000 001b 03040305
    000a 0000 001c 0104057c
    0008 0000 001d 0002
    000b 0000 001e 616c696365
    000a 0000 001f deadbeef
    0008 0000 0020 002a
    0016 0000 0021 00112233445566778899aabbccddeeff
    000c 0de9 0001 706f72742031
    0008 0000 0061 1f40
  `);
  assert.deepEqual(read(2, body), {
    framingType: 3,
    privateGroupId: octets("grp"),
    txConnectSpeed: 1_000_000n,
    rxConnectSpeed: 500_000n,
    proxyLcp: {
      initialReceived: hex("01040578"),
      lastSent: hex("03040305"),
      lastReceived: hex("0104057c"),
    },
    proxyAuth: {
      type: 2,
      name: octets("alice"),
      challenge: hex("deadbeef"),
      id: 0x2a,
      response: hex("00112233445566778899aabbccddeeff"),
    },
    others: [
      { vendorId: 3561, type: 1, mandatory: false, value: octets("port 1") },
      { vendorId: 0, type: 97, mandatory: false, value: hex("1f40") },
    ],
  });
});

Deno.test("saidBy() takes RFC 2661's speeds in v3 too, and RFC 3931's before them", () => {
  const head = "8008 0000 0000 000c  800a 0000 003f 0000004d  800a 0000 0040 00000001";
  const old = read(3, hex(`${head} 800a 0000 0018 0000fa00 000a 0000 0026 0000fa01`));
  assert.deepEqual(old, { txConnectSpeed: 64_000n, rxConnectSpeed: 64_001n });
  const both = read(3, hex(`${head} 800a 0000 0018 0000fa00 000e 0000 004a 0000000254 0be400`));
  assert.deepEqual(both, { txConnectSpeed: 10_000_000_000n });
});

Deno.test("endSaidBy() reads a CDN's causes: Q.931's, and PPP's as RFC 3145 §2 lays it out", () => {
  const body = hex(`
    8008 0000 0000 000e
    800e 0000 0001 0003 0000 64 6f 6e 65
    8008 0000 000e 0001
    800c 0000 000c 0010 00 627965
    000e 0000 002e 0007 c223 01 6e6f21
  `);
  const parsed = parseBody(body, { version: 2 });
  assert.ok(parsed.kind === "message");
  const end = endSaidBy(parsed.message.avps, parsed.message.others, { result: 2 });
  assert.deepEqual(end, {
    result: 3,
    error: 0,
    message: "done",
    q931: { code: 16, message: 0, advisory: "bye" },
    ppp: { code: 7, protocol: 0xc223, direction: 1, message: "no!" },
  });
  const again = emitBody(messageOf(2, "CDN", { ...endToSay(end), assignedSessionId: 1 }));
  for (const avp of ["800c0000000c001000627965", "000e0000002e0007c223016e6f21"]) {
    assert.ok(again.toHex().includes(avp), avp);
  }
});

Deno.test("toSay() leaves out what a message has no place for, and clamps speeds to v2's 32 bits", () => {
  const said: CallAvps = {
    calledNumber: "5551234",
    privateGroupId: octets("grp"),
    txConnectSpeed: 10_000_000_000n,
    remoteEndId: octets("elsewhere"),
    accm: { send: 1, receive: 2 },
  };
  assert.deepEqual(toSay(2, "ICRQ", said), { calledNumber: "5551234" });
  assert.deepEqual(toSay(2, "ICRP", said), {});
  assert.deepEqual(toSay(2, "ICCN", said), {
    privateGroupId: octets("grp"),
    txConnectSpeed: 0xffff_ffff,
  });
  assert.deepEqual(toSay(3, "ICRQ", said), {
    calledNumber: "5551234",
    txConnectSpeedBps: 10_000_000_000n,
  });
  assert.deepEqual(toSay(3, "ICRP", said), { txConnectSpeedBps: 10_000_000_000n });
  assert.deepEqual(toSay(2, "SLI", said), { accm: { send: 1, receive: 2 } });
});

Deno.test("a v3 message has the AVPs of RFC 2661 without their M bit, a v2 message those of RFC 3931", () => {
  const v3 = emitBody(messageOf(3, "ICRQ", { calledNumber: "1" })).toHex();
  assert.ok(v3.endsWith("00070000001531"), v3);
  const v2 = emitBody(messageOf(2, "SCCRQ", { routerId: 1 })).toHex();
  assert.ok(v2.endsWith("000a0000003c00000001"), v2);
  assert.ok(
    emitBody(messageOf(2, "ICRQ", { calledNumber: "1" })).toHex().endsWith("80070000001531"),
  );
});

Deno.test("an AVP of a vendor with a 32-bit ID is read and written as RFC 3931 §5.1 has it", () => {
  const avp = { vendorId: 0x1_0000, type: 7, mandatory: false, value: octets("x") };
  const written = emitBody(messageOf(3, "HELLO", {}, [avp]));
  assert.equal(written.toHex(), "80080000000000060" + "00d0000003a" + "00010000" + "0007" + "78");
  assert.deepEqual(read(3, written).others, [avp]);
  // Too short to hold one: passed on as it is.
  const short = read(3, hex("8008 0000 0000 0006 000a 0000 003a 00010000"));
  assert.deepEqual(short.others, [
    { vendorId: 0, type: 58, mandatory: false, value: hex("00010000") },
  ]);
});

Deno.test("othersToSay() lets nobody say by a raw AVP what the LCCE itself says", () => {
  const raw = (vendorId: number, type: number) => ({
    vendorId,
    type,
    mandatory: false,
    value: octets("?"),
  });
  const others = [raw(0, 14), raw(0, 61), raw(0, 97), raw(3561, 14)];
  const kept = (version: ProtoVersion) =>
    othersToSay(version, { others }).map(({ vendorId, type }) => [vendorId, type]);
  assert.deepEqual(kept(2), [[0, 61], [0, 97], [3561, 14]], "61 is a stranger to v2");
  assert.deepEqual(kept(3), [[0, 97], [3561, 14]]);
});

Deno.test("assertSendable() names what does not fit, hidden or not", () => {
  const sized = (length: number): AvpValues => ({ privateGroupId: new Uint8Array(length) });
  assertSendable(sized(1017), [], false);
  assertSendable(sized(1015), [], true);
  const tooLong = (avps: AvpValues, hides: boolean, message: RegExp) =>
    assert.throws(() => assertSendable(avps, [], hides), (error) => {
      assert.ok(error instanceof UnsendableAvp);
      assert.match(error.message, message);
      return true;
    });
  tooLong(sized(1018), false, /AVP 37 \(privateGroupId\): 1018 octets, and 1017 are the most/);
  tooLong(sized(1016), true, /1016 octets, and 1015 are the most/);
  tooLong({ proxyAuthenChallenge: new Uint8Array(0) }, false, /AVP 31 .* cannot be 0 octets/);
  const raw = { vendorId: 9, type: 1, mandatory: false, value: new Uint8Array(1017) };
  assertSendable({}, [raw], true);
  assert.throws(() => assertSendable({}, [{ ...raw, vendorId: 70_000 }], true), /1023 octets/);
  const many = Array.from({ length: 60 }, () => raw);
  assert.throws(() => assertSendable({}, many, false), /does not fit into its message/);
});
