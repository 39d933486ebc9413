import assert from "node:assert/strict";
import { atOnce } from "../slices.ts";
import { decodeUtf8, NotUtf8 } from "./utf8.ts";

Deno.test("decodeUtf8() reads text of one to four bytes a character", () => {
  const text = "a: ä € 😀\n";
  assert.equal(atOnce(decodeUtf8(new TextEncoder().encode(text))), text);
  assert.equal(atOnce(decodeUtf8(new Uint8Array())), "");
});

Deno.test("decodeUtf8() says by offset, line and column where a text is none", () => {
  const cases: [number[], number, number, number, string][] = [
    [[0x61, 0xff], 1, 1, 2, "ff"],
    [[0x61, 0x0a, 0xe4, 0x62], 2, 2, 1, "e4"], // Latin-1's ä
    [[0xc3, 0xa4, 0x0a, 0x61, 0x80], 4, 2, 2, "80"],
    [[0x61, 0xc3], 1, 1, 2, "c3"], // cut off
    [[0xe2, 0x82], 0, 1, 1, "e2"],
    [[0xed, 0xa0, 0x80], 0, 1, 1, "ed"], // a surrogate
    [[0x61, 0xf0, 0x9f, 0x98, 0x61], 1, 1, 2, "f0"],
  ];
  for (const [bytes, offset, line, column, hex] of cases) {
    try {
      atOnce(decodeUtf8(Uint8Array.from(bytes)));
      assert.fail(`${bytes} was read`);
    } catch (error) {
      assert.ok(error instanceof NotUtf8, String(error));
      assert.deepEqual(error.problem, {
        line,
        column,
        message:
          `the byte 0x${hex} at offset ${offset} is not UTF-8; expected a text file in UTF-8`,
      });
    }
  }
});

Deno.test("a long text is read in slices, whatever stands where one ends; what is wrong in it is found", () => {
  // Characters of three bytes: of any two neighbouring slices, one begins in the middle of one.
  const line = `${"€".repeat(1000)}\n`;
  const text = line.repeat(400);
  const bytes = new TextEncoder().encode(text);
  const read = decodeUtf8(bytes);
  let slices = 0;
  let step = read.next();
  for (; !step.done; step = read.next()) slices++;
  assert.ok(slices >= 4, `${slices} slices`);
  assert.equal(step.value, text);
  const slice = 1 << 18;
  for (const at of [slice - 2, slice - 1, slice, slice + 1, bytes.length - 2]) {
    const wrong = bytes.slice();
    wrong[at] = 0xff;
    // The character that is broken there is wrong from its first byte on.
    const begins = new TextDecoder("utf-8", { ignoreBOM: true });
    const before = begins.decode(bytes.subarray(0, at), { stream: true });
    const offset = new TextEncoder().encode(before).length;
    try {
      atOnce(decodeUtf8(wrong));
      assert.fail(`${at} was read`);
    } catch (error) {
      assert.ok(error instanceof NotUtf8, String(error));
      const found = Number(/at offset (\d+)/.exec(error.problem.message)![1]);
      assert.equal(found, offset, `${at}`);
      assert.equal(error.problem.line, 1 + before.split("\n").length - 1);
      assert.equal(error.problem.column, before.split("\n").at(-1)!.length + 1);
    }
  }
});
