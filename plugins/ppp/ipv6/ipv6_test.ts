import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp } from "../../../core/endpoint.ts";
import { emitAdvertisement, parseAdvertisement } from "./advertisement.ts";
import {
  emitAddresses,
  emitIa,
  emitMessage,
  type Ia,
  iasOf,
  parseAddresses,
  parseMessage,
} from "./dhcpv6.ts";
import { emitNames, parseNames } from "./names.ts";
import {
  ALL_DHCP,
  ALL_NODES,
  checksum6,
  emitDatagram,
  emitPacket6,
  Next,
  parseDatagram,
  parsePacket6,
} from "./packet.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const octets = fc.uint8Array({ maxLength: 200 });
const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
const u32 = fc.nat(0xffff_ffff);

Deno.test("RFC 4861 §4.2, §4.6, RFC 8106 §5: an advertisement, octet by octet", () => {
  const said = {
    lifetime: 1800,
    managed: false,
    other: true,
    prefixes: [{ prefix: "2001:db8:1:2::/64", valid: 7200, preferred: 3600, autonomous: true }],
    mtu: 1492,
    dns: ["2001:db8::53"],
    search: ["example.com"],
    dnsLifetime: 1800,
  };
  const message = emitAdvertisement(said);
  assert.deepEqual(
    message,
    hex(`86 00 0000 40 40 0708 00000000 00000000
      03 04 40 c0 00001c20 00000e10 00000000 20010db8000100020000000000000000
      05 01 0000 000005d4
      19 03 0000 00000708 20010db8000000000000000000000053
      1f 03 0000 00000708 07 6578616d706c65 03 636f6d 00 000000`),
  );
  assert.deepEqual(parseAdvertisement(message), said);
  assert.equal(parseAdvertisement(message.subarray(0, 15)), undefined);
  assert.equal(parseAdvertisement(message.subarray(0, message.length - 1)), undefined);
  assert.equal(parseAdvertisement(hex("86000000404007080000000000000000 0300")), undefined);
});

Deno.test("RFC 8415 §21: a Reply with IA_NA and IA_PD, octet by octet", () => {
  const ias: Ia[] = [
    {
      kind: "na",
      iaid: 1,
      t1: 1800,
      t2: 2880,
      items: [{ text: "2001:db8::7", preferred: 3600, valid: 7200 }],
    },
    {
      kind: "pd",
      iaid: 0x10,
      t1: 1800,
      t2: 2880,
      items: [{ text: "2001:db8:100::/56", preferred: 3600, valid: 7200 }],
    },
    { kind: "pd", iaid: 2, t1: 0, t2: 0, items: [], status: 6 },
  ];
  const message = { type: 7, transaction: 0xabcdef, options: ias.map(emitIa) };
  const bytes = emitMessage(message);
  assert.deepEqual(
    bytes,
    hex(`07 abcdef
      0003 0028 00000001 00000708 00000b40  0005 0018 20010db8000000000000000000000007 00000e10 00001c20
      0019 0029 00000010 00000708 00000b40  001a 0019 00000e10 00001c20 38 20010db8010000000000000000000000
      0019 0012 00000002 00000000 00000000  000d 0002 0006`),
  );
  assert.deepEqual(iasOf(parseMessage(bytes)!), ias);
});

Deno.test("RFC 4443 §2.3: the checksum of an echo request, added up by hand", () => {
  const source = hex("fe80000000000000000000000000 0001");
  const destination = hex("fe80000000000000000000000000 0002");
  const message = hex("8000 0000 0001 0001");
  const sum = checksum6(source, destination, Next.Icmp, message);
  // 2 × fe80 + 1 + 2 + 3a + 8 + 8000 + 1 + 1 = 27d47, folded 7d49, inverted 82b6.
  assert.equal(sum.toString(16), "82b6");
});

Deno.test("what is written down is read again", () => {
  const next = fc.constantFrom(Next.Udp, Next.Icmp);
  fc.assert(
    fc.property(
      address,
      address,
      fc.nat(255),
      next,
      fc.uint8Array({ minLength: 8, maxLength: 99 }),
      (source, destination, hopLimit, next, payload) => {
        const packet = parsePacket6(emitPacket6({ source, destination, hopLimit, next, payload }));
        const at = next === Next.Udp ? 6 : 2;
        const right = payload.slice();
        right.set(packet!.payload.subarray(at, at + 2), at);
        assert.deepEqual({ ...packet }, { source, destination, hopLimit, next, payload: right });
      },
    ),
  );
  const port = fc.nat(65535);
  fc.assert(fc.property(port, port, octets, (sourcePort, destinationPort, data) => {
    const datagram = { sourcePort, destinationPort, data };
    assert.deepEqual(parseDatagram(emitDatagram(datagram)), datagram);
  }));
  const option = fc.record({ code: fc.nat(65535), value: octets }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.nat(255), fc.nat(0xff_ffff), fc.array(option), (type, transaction, options) => {
      const message = { type, transaction, options };
      assert.deepEqual(parseMessage(emitMessage(message)), message);
    }),
  );
  fc.assert(
    fc.property(
      fc.nat(0xffff_ffff),
      u32,
      u32,
      address,
      u32,
      u32,
      fc.option(fc.nat(9)),
      (iaid, t1, t2, octets, preferred, valid, status) => {
        const ia: Ia = {
          kind: "na",
          iaid,
          t1,
          t2,
          items: [{ text: formatIp(octets), preferred, valid }],
          ...(status !== null && { status }),
        };
        const options = [emitIa(ia)];
        assert.deepEqual(iasOf({ options }), [ia]);
      },
    ),
  );
  fc.assert(fc.property(fc.array(address), (all) => {
    const texts = all.map(formatIp);
    assert.deepEqual(parseAddresses(emitAddresses(texts)), texts);
  }));
  fc.assert(fc.property(fc.array(fc.domain()), (names) => {
    assert.deepEqual(parseNames(emitNames(names)), names);
  }));
});

Deno.test("no octets make a parser throw, and a packet with a wrong checksum is none", () => {
  fc.assert(fc.property(octets, (bytes) => {
    parsePacket6(bytes);
    parseDatagram(bytes);
    parseNames(bytes);
    parseAdvertisement(bytes);
    parseAdvertisement(Uint8Array.of(134, 0, ...new Uint8Array(14), ...bytes));
    const message = parseMessage(bytes);
    if (message) iasOf(message);
    iasOf({ options: [{ code: 3, value: bytes }, { code: 25, value: bytes }] });
  }));
  const packet = emitPacket6({
    source: ALL_NODES,
    destination: ALL_DHCP,
    hopLimit: 1,
    next: Next.Icmp,
    payload: hex("80000000 00010001"),
  });
  for (let at = 0; at < packet.length; at++) {
    // Version and traffic class, flow label and hop limit are not summed.
    if ((at > 0 && at < 4) || at === 7) continue;
    const broken = packet.slice();
    broken[at]! ^= 0x40;
    assert.equal(parsePacket6(broken), undefined, `octet ${at}`);
  }
});
