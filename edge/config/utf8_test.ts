import assert from "node:assert/strict";
import { decodeUtf8, NotUtf8 } from "./utf8.ts";

Deno.test("decodeUtf8() reads text of one to four bytes a character", () => {
  const text = "a: ä € 😀\n";
  assert.equal(decodeUtf8(new TextEncoder().encode(text)), text);
  assert.equal(decodeUtf8(new Uint8Array()), "");
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
      decodeUtf8(Uint8Array.from(bytes));
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
