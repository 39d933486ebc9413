import { concat } from "../../../../core/wire/bytes.ts";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  doubtOfRequest,
  doubtOfResponse,
  isSigned,
  makeSecret,
  sealAccessRequest,
  sealRequest,
  sealResponse,
} from "./authenticity.ts";
import { builtInDictionary } from "./builtin.ts";
import { hidePassword, hideSalted, revealPassword, revealSalted } from "./hiding.ts";
import { type Attribute, CODE, emitPacket, joined, LONGEST, parsePacket } from "./packet.ts";

const { formats } = builtInDictionary();
const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const text = (value: string) => new TextEncoder().encode(value);
const secret = makeSecret(text("xyzzy5461"));

function parsed(octets: Uint8Array) {
  const packet = parsePacket(octets, formats);
  assert.ok(typeof packet === "object", String(packet));
  return packet;
}

// RFC 2865 §7.1 to §7.3.
const nemo = hex(
  `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
  93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03`,
);
const nemoAccept = hex(
  `02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00
  0e 06 c0 a8 01 03`,
);
const flopsy = hex(
  `01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9
  75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00 02 07 06 00 00 00 01`,
);
const flopsyAccept = hex(
  `02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02 07 06 00 00 00 01
  08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc`,
);
const mopsy = hex(
  `01 02 00 39 f3 a4 7a 1f 6a 6d 76 71 0b 94 7a b9 30 41 a0 39 01 07 6d 6f 70 73 79 02 12 33 65 75
  73 77 82 89 b5 70 88 5e 15 08 48 25 c5 04 06 c0 a8 01 10 05 06 00 00 00 07`,
);
const mopsyChallenge = hex(
  `0b 02 00 4e 36 f3 c8 76 4a e8 c7 11 57 40 3c 0c 71 ff 9c 45 12 30 43 68 61 6c 6c 65 6e 67 65 20
  33 32 37 36 39 34 33 30 2e 20 20 45 6e 74 65 72 20 72 65 73 70 6f 6e 73 65 20 61 74 20 70 72 6f 6d 70 74 2e 18 0a 33 32
  37 36 39 34 33 30`,
);

Deno.test("packets of RFC 2865 §7 are read, and written with the same octets", () => {
  for (const octets of [nemo, nemoAccept, flopsy, mopsy, mopsyChallenge]) {
    const packet = parsed(octets);
    assert.deepEqual(emitPacket(packet, formats), octets);
  }
  assert.deepEqual(
    parsed(nemo).attributes.map(({ vendor, type, value }) => [vendor, type, value.length]),
    [[0, 1, 4], [0, 2, 16], [0, 4, 4], [0, 5, 4]],
  );
});

Deno.test("answers of RFC 2865 §7 are believed, and no other octet in them is", () => {
  const exchanges = [[nemo, nemoAccept], [flopsy, flopsyAccept], [mopsy, mopsyChallenge]] as const;
  for (const [request, response] of exchanges) {
    const { authenticator } = parsed(request);
    assert.equal(doubtOfResponse(parsed(response), authenticator, secret), undefined);
    for (let i = 0; i < response.length; i++) {
      const other = response.slice();
      other[i]! ^= 1;
      const packet = parsePacket(other, formats);
      if (typeof packet === "string") continue;
      assert.notEqual(doubtOfResponse(packet, authenticator, secret), undefined, `octet ${i}`);
    }
    assert.equal(
      doubtOfResponse(parsed(response), authenticator, makeSecret(text("other"))),
      "authenticator",
    );
    assert.deepEqual(
      sealResponse(
        response[0]!,
        parsed(request),
        parsed(response).attributes,
        secret,
        formats,
        false,
      ),
      response,
    );
  }
});

Deno.test("passwords of RFC 2865 §7.1 and §7.3 are hidden and revealed", () => {
  for (const [octets, password] of [[nemo, "arctangent"], [mopsy, "challenge"]] as const) {
    const { attributes, authenticator } = parsed(octets);
    const hidden = attributes.find(({ type }) => type === 2)!.value;
    assert.deepEqual(hidePassword(text(password), authenticator, secret), hidden);
    assert.deepEqual(revealPassword(hidden, authenticator, secret), text(password));
  }
  assert.equal(revealPassword(new Uint8Array(17), new Uint8Array(16), secret), undefined);
});

Deno.test("any password of up to 128 octets comes out as it went in", () => {
  const octets = fc.uint8Array({ minLength: 0, maxLength: 128 }).filter((a) => a.at(-1) !== 0);
  const block = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(fc.property(octets, block, (password, authenticator) => {
    const hidden = hidePassword(password, authenticator, secret);
    assert.equal(hidden.length % 16, 0);
    assert.deepEqual(revealPassword(hidden, authenticator, secret), password);
  }));
});

Deno.test("Tunnel-Password is hidden under a salt of its own; what makes no sense is nothing", () => {
  const block = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const password = fc.uint8Array({ maxLength: 200 });
  fc.assert(fc.property(password, fc.nat(0xffff), block, (value, salt, authenticator) => {
    const hidden = hideSalted(value, salt, authenticator, secret);
    assert.equal(hidden[0]! & 0x80, 0x80);
    assert.deepEqual(revealSalted(hidden, authenticator, secret), value);
    assert.equal(revealSalted(hidden.subarray(1), authenticator, secret), undefined);
  }));
  // RFC 2868 §3.5, worked out by hand with md5sum: b1 = MD5("s" + sixteen zeros + 8001), and 01 61 00 … XOR b1.
  const s = makeSecret(text("s"));
  const hidden = hideSalted(text("a"), 1, new Uint8Array(16), s);
  assert.equal(hidden.toHex(), "800140f74358394bdc7247183b347eb95976");
});

Deno.test("an Access-Request begins with a Message-Authenticator that covers all of it", () => {
  const octets = sealAccessRequest(
    {
      code: CODE.statusServer,
      id: 218,
      authenticator: hex("8a54f4686fb394c52866e302185d0623"),
      attributes: [],
    },
    makeSecret(text("xyzzy5461")),
    formats,
  );
  // RFC 5997 §6.1.
  assert.equal(
    octets.toHex(),
    "0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3",
  );
  assert.equal(doubtOfRequest(parsed(octets), secret), undefined);
  octets[25]! ^= 1;
  assert.equal(doubtOfRequest(parsed(octets), secret), "message-authenticator");
});

Deno.test("the answers of RFC 5997 §6 are believed", () => {
  const probe = hex("8a54f4686fb394c52866e302185d0623");
  const accept = hex("02da0014ef0d552a4bf2d693ec2b6fe8b5411d66");
  assert.equal(doubtOfResponse(parsed(accept), probe, secret), undefined);
});

Deno.test("requests with a digest, signed or not, are believed only whole", () => {
  const attributes: Attribute[] = [{ vendor: 0, type: 44, value: text("1") }];
  for (const code of [CODE.accountingRequest, CODE.coaRequest, CODE.disconnectRequest]) {
    for (const signed of [false, true]) {
      const octets = sealRequest({ code, id: 7, attributes }, secret, formats, signed);
      assert.equal(isSigned(parsed(octets)), signed);
      assert.equal(doubtOfRequest(parsed(octets), secret), undefined);
      for (let i = 4; i < octets.length; i++) {
        const other = octets.slice();
        other[i]! ^= 0x40;
        const packet = parsePacket(other, formats);
        if (typeof packet !== "string") assert.notEqual(doubtOfRequest(packet, secret), undefined);
      }
    }
  }
});

Deno.test("a Message-Authenticator of a wrong length, or a second one, is no proof", () => {
  const value = new Uint8Array(15);
  const answer = (attributes: Attribute[]) =>
    parsed(sealResponse(2, parsed(nemo), attributes, secret, formats, false));
  const { authenticator } = parsed(nemo);
  const short = answer([{ vendor: 0, type: 80, value }]);
  assert.equal(doubtOfResponse(short, authenticator, secret), "message-authenticator");
  const signed = sealResponse(
    2,
    parsed(nemo),
    [{ vendor: 0, type: 80, value: new Uint8Array(16) }],
    secret,
    formats,
    true,
  );
  assert.equal(doubtOfResponse(parsed(signed), authenticator, secret), "message-authenticator");
  const octets = sealResponse(2, parsed(nemo), [], secret, formats, true);
  for (const right of [octets, Buffer.from(octets)]) {
    assert.equal(doubtOfResponse(parsed(right), authenticator, secret), undefined);
  }
});

const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  fc.record({
    vendor: fc.constant(0),
    type: fc.integer({ min: 1, max: 255 }).filter((type) => type !== 26),
    value: fc.uint8Array({ maxLength: 253 }),
  }),
  fc.record({
    vendor: fc.constantFrom(9, 311, 14988, 429, 4846, 8164),
    type: fc.integer({ min: 1, max: 255 }),
    value: fc.uint8Array({ maxLength: 200 }),
  }),
);

Deno.test("what is written is read, of every vendor's format", () => {
  const authenticator = new Uint8Array(16).fill(9);
  fc.assert(fc.property(fc.array(attribute, { maxLength: 12 }), (attributes) => {
    const octets = emitPacket({ code: 1, id: 1, authenticator, attributes }, formats);
    const packet = parsed(concat([octets, new Uint8Array(3)]));
    assert.equal(packet.malformed, 0);
    assert.deepEqual(packet.attributes, attributes.map((one) => ({ ...one })));
  }));
});

Deno.test("long values are split, and joined again", () => {
  const value = Uint8Array.from({ length: 1000 }, (_, i) => i);
  const authenticator = new Uint8Array(16);
  for (const [vendor, type] of [[0, 79], [9, 1]] as const) {
    const octets = emitPacket({
      code: 1,
      id: 1,
      authenticator,
      attributes: [{ vendor, type, value }],
    }, formats);
    const { attributes } = parsed(octets);
    assert.equal(attributes.length, vendor === 0 ? 4 : 5);
    assert.deepEqual(joined(attributes, vendor, type), value);
  }
  assert.throws(() => {
    const long = { vendor: 0, type: 79, value: new Uint8Array(LONGEST) };
    emitPacket({ code: 1, id: 1, authenticator, attributes: [long] }, formats);
  }, RangeError);
});

Deno.test("any octets are read or refused, and cost no more than themselves", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
    const packet = parsePacket(octets, formats);
    if (typeof packet === "string") return;
    assert.ok(packet.attributes.length * 2 <= octets.length);
  }));
  const mangled = fc.tuple(fc.nat(nemo.length - 1), fc.nat(255));
  fc.assert(fc.property(fc.array(mangled, { maxLength: 4 }), (changes) => {
    const octets = nemo.slice();
    for (const [at, octet] of changes) octets[at] = octet;
    parsePacket(octets, formats);
  }));
});

Deno.test("a chain of attributes that does not end with the packet leaves nothing", () => {
  const header = (length: number) => concat([Uint8Array.of(2, 0, 0, length), new Uint8Array(16)]);
  for (
    const [octets, reason] of [
      [header(20).subarray(1), "shorter than a header"],
      [header(19), "a length that no packet has"],
      [header(21), "cut off"],
      [concat([header(21), Uint8Array.of(1)]), "an attribute that does not end in the packet"],
      [concat([header(22), Uint8Array.of(1, 1)]), "an attribute that does not end in the packet"],
      [concat([header(22), Uint8Array.of(1, 3)]), "an attribute that does not end in the packet"],
    ] as const
  ) {
    assert.equal(parsePacket(octets, formats), reason);
  }
});

Deno.test("a Vendor-Specific whose inside makes no sense is left out and counted", () => {
  const inside = (value: string) =>
    concat([
      hex(`02 00 00 ${(22 + value.length / 2).toString(16)} ${"00".repeat(16)}`),
      Uint8Array.of(26, 2 + value.length / 2),
      hex(value),
    ]);
  for (
    const value of ["00003a8c", "00003a8c08", "00003a8c0801", "00003a8c0804ff", "00003a8c0803ff08"]
  ) {
    const packet = parsed(inside(value));
    assert.deepEqual([packet.malformed, packet.attributes.length], [1, 0], value);
  }
  const two = parsed(inside("00003a8c0803ff0902"));
  assert.deepEqual([two.malformed, two.attributes.map(({ type }) => type)], [0, [8, 9]]);
});
