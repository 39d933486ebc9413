import assert from "node:assert/strict";
import {
  emitLine,
  lineAttributes,
  lineAvps,
  lineOfAvps,
  lineSpeeds,
  lineText,
  parseLine,
} from "./line.ts";

const ascii = (text: string) => [...new TextEncoder().encode(text)];
/** As a DSLAM writes it: 3561, circuit id, remote id, rates of 1 and 20 Mbit/s, a delay of 4 ms, encapsulation, IWF. */
const data = Uint8Array.from([
  ...[1, 15, ...ascii("dslam1 eth 1/2:")],
  ...[2, 4, ...ascii("4711")],
  ...[129, 4, 0x00, 0x00, 0x03, 0xe8],
  ...[130, 4, 0x00, 0x00, 0x4e, 0x20],
  ...[133, 4, 0x00, 0x00, 0x07, 0xd0],
  ...[140, 4, 0x00, 0x00, 0x00, 0x04],
  ...[144, 3, 1, 2, 0],
  ...[254, 0],
]);
const line = parseLine([{ vendorId: 9, data: Uint8Array.of(1, 1, 65) }, { vendorId: 3561, data }]);

Deno.test("a line is read from its tag, and written as it was", () => {
  assert.deepEqual(line.map(({ type }) => type), [1, 2, 129, 130, 133, 140, 144, 254]);
  assert.equal(lineText(line, "circuitId"), "dslam1 eth 1/2:");
  assert.equal(lineText(line, "remoteId"), "4711");
  assert.deepEqual(lineSpeeds(line), { up: 1_000_000n, down: 20_000_000n });
  assert.deepEqual(emitLine(line), { vendorId: 3561, data });
  assert.deepEqual(lineSpeeds([]), {});
});

Deno.test("what makes no sense of a line is left out", () => {
  const types = (...octets: number[]) =>
    parseLine([{ vendorId: 3561, data: Uint8Array.from(octets) }]).map(({ type }) => type);
  assert.deepEqual(types(), []);
  assert.deepEqual(types(1), []);
  assert.deepEqual(types(1, 5, 65), [], "longer than the tag");
  assert.deepEqual(types(129, 3, 0, 0, 1, 2, 1, 65), [2], "a rate of three octets");
  assert.deepEqual(types(1, 0, 2, 1, 65), [2], "an empty circuit id");
  assert.deepEqual(types(1, 64, ...new Uint8Array(64).fill(65), 2, 1, 65), [2], "64 octets");
  assert.deepEqual(types(77, 1, 1, 2, 1, 65), [2], "a number that nobody knows");
  assert.deepEqual(types(1, 1, 65, 1, 1, 66), [1], "twice");
  assert.equal(lineText([{ type: 1, value: Uint8Array.of(0xff, 0x41) }], "circuitId"), "0xff41");
});

Deno.test("an LNS is told of it by AVPs (RFC 5515): rates in 64 bits a second, and the way back", () => {
  const avps = lineAvps(line);
  const value = (type: number) => avps.find((avp) => avp.type === type)!.value;
  assert.ok(avps.every(({ vendorId, mandatory }) => vendorId === 3561 && !mandatory));
  assert.deepEqual([...value(129)], [0, 0, 0, 0, 0x00, 0x0f, 0x42, 0x40]);
  assert.deepEqual([...value(130)], [0, 0, 0, 0, 0x01, 0x31, 0x2d, 0x00]);
  assert.deepEqual([...value(140)], [0, 0, 0, 4]);
  assert.deepEqual([...value(144)], [1, 2, 0]);
  assert.deepEqual([...value(254)], [0, 0, 0, 1]);
  assert.deepEqual(lineOfAvps(avps), line);
  assert.deepEqual(
    lineAvps([{ type: 1, value: Uint8Array.of(65) }]),
    [],
    "§5.1: more than one octet",
  );
  // 4,294,967,295 kbit/s does not fit 32 bits of bit/s.
  const fast = lineAvps([{ type: 130, value: new Uint8Array(4).fill(0xff) }]);
  assert.deepEqual([...fast[0]!.value], [0, 0, 0x03, 0xe7, 0xff, 0xff, 0xfc, 0x18]);
  assert.deepEqual(
    lineOfAvps([{ vendorId: 0, type: 1, mandatory: false, value: Uint8Array.of(65, 66) }]),
    [],
  );
  assert.deepEqual(
    lineOfAvps([{ vendorId: 3561, type: 129, mandatory: false, value: new Uint8Array(4) }]),
    [],
  );
});

Deno.test("RADIUS is told rates in bits a second, in 32 bits (RFC 4679 §3.3)", () => {
  const value = (type: number) =>
    lineAttributes(line).find((attribute) => attribute.type === type)!.value;
  assert.deepEqual([...value(129)], [0x00, 0x0f, 0x42, 0x40]);
  assert.deepEqual([...value(140)], [0, 0, 0, 4]);
  assert.deepEqual([...value(254)], []);
  const fast = lineAttributes([{ type: 130, value: new Uint8Array(4).fill(0xff) }]);
  assert.deepEqual([...fast[0]!.value], [0xff, 0xff, 0xff, 0xff]);
});
