import assert from "node:assert/strict";
import { builtInDictionary } from "./builtin.ts";
import { DictionaryError } from "./dictionary.ts";
import { AttributeWriter, emitPacket, parsePacket } from "./packet.ts";
import { isProvable, proof, Requests, type RequestSetting, usageAttributes } from "./requests.ts";
import { SECRET } from "./testing.ts";

const setting: RequestSetting = {
  nasIdentifier: "nas",
  callingStationId: "{calling-number}",
  calledStationId: "{called-number}",
  nasPortId: "{name}",
  map: [{ attribute: "4711:1", send: "{mac}", in: ["access"] }],
};
const bytes = (text: string) => new TextEncoder().encode(text);
const dictionary = builtInDictionary();
const requests = new Requests(setting, dictionary);
/** What a request of a call says. */
function sent(purpose: "access" | "accounting") {
  const written = purpose === "access"
    ? requests.access(call, bytes("bob"))
    : requests.accounting(call, bytes("bob"));
  const header = { code: 4, id: 1, authenticator: new Uint8Array(16), attributes: [] };
  const octets = emitPacket({ ...header, written: [written] }, dictionary.formats);
  const packet = parsePacket(octets, dictionary.formats);
  assert.ok(typeof packet !== "string");
  return packet.attributes;
}
const line = [1, 129, 130, 131, 142, 144].map((type) => ({ type, value: Uint8Array.of(type) }));
const call = { id: "1", name: "lac/1", portType: 5, mac: "02:00:00:00:00:07", line };

Deno.test("an Access-Request has of the line what RFC 4679 allows, accounting has all of it", () => {
  const types = (purpose: "access" | "accounting") =>
    sent(purpose).filter(({ vendor }) => vendor === 3561)
      .map(({ type }) => type);
  assert.deepEqual(types("access"), [1, 129, 130, 144]);
  assert.deepEqual(types("accounting"), [1, 129, 130, 131, 142, 144]);
});

Deno.test("the map sends what it says, where it says", () => {
  const own = (purpose: "access" | "accounting") =>
    sent(purpose).filter(({ vendor }) => vendor === 4711)
      .map(({ value }) => new TextDecoder().decode(value));
  assert.deepEqual(own("access"), ["02:00:00:00:00:07"]);
  assert.deepEqual(own("accounting"), []);
  const wrong = { ...setting, map: [{ attribute: "No-Such", send: "x", in: ["access" as const] }] };
  assert.throws(() => new Requests(wrong, builtInDictionary()), DictionaryError);
});

Deno.test("MS-CHAPv2 goes as RFC 2548 §2.3.2 lays it out", () => {
  const response = Uint8Array.from({ length: 49 }, (_, i) => i);
  const challenge = new Uint8Array(16).fill(9);
  const asked = { kind: "mschapv2", name: bytes("bob"), id: 7, challenge, response } as const;
  const [first, second] = proof(asked, new Uint8Array(16), SECRET);
  assert.deepEqual([first!.vendor, first!.type, first!.value], [311, 11, challenge]);
  assert.deepEqual([second!.vendor, second!.type, second!.value.length], [311, 25, 50]);
  assert.deepEqual([...second!.value.subarray(0, 4)], [7, 48, 0, 1]);
  assert.equal(isProvable({ ...asked, response: response.subarray(1) }), false);
});

Deno.test("counters of 64 bits are in two attributes each", () => {
  const usage = {
    upOctets: 5 * 2 ** 32 + 6,
    downOctets: 7,
    upPackets: 8,
    downPackets: 2 ** 32 + 9,
  };
  const all = usageAttributes(usage, 60).map(({ type, value }) => [type, value.toHex()]);
  assert.deepEqual(all, [
    [46, "0000003c"],
    [42, "00000006"],
    [52, "00000005"],
    [43, "00000007"],
    [53, "00000000"],
    [47, "00000008"],
    [48, "00000009"],
  ]);
});

Deno.test("long texts and those of other alphabets are written as octets, of as many attributes as it takes", () => {
  const writer = new AttributeWriter(dictionary.formats);
  writer.text(18, "grün");
  writer.number(27, 0x1020304);
  assert.equal(writer.end().toHex(), "12076772c3bc6e" + "1b0601020304");
  writer.begin().text(18, "x".repeat(300));
  const long = writer.end();
  assert.deepEqual([long.length, long[1], long[256]], [304, 255, 49]);
  assert.throws(() => {
    for (let i = 0; i < 50; i++) writer.text(18, "x".repeat(200));
  }, RangeError);
  assert.equal(writer.begin().end().length, 0, "what was too much is forgotten");
});
