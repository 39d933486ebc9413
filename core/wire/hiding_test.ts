import assert from "node:assert/strict";
import { PeerError } from "../errors.ts";
import { hide, md5, unhide } from "./hiding.ts";

const key = new TextEncoder().encode("secret");
const vector = Uint8Array.from({ length: 16 }, (_, i) => i);

/** A hidden AVP whose length inside is `length`, whatever its value's is. */
function claiming(length: number, value: Uint8Array): Uint8Array {
  const hidden = hide(7, value, key, vector, new Uint8Array(0));
  const block = md5([Uint8Array.of(0, 7), key, vector]);
  hidden[0] = block[0]! ^ length >> 8;
  hidden[1] = block[1]! ^ length & 0xff;
  return hidden;
}

Deno.test("unhide() takes a length up to all that is there, and refuses any longer one", () => {
  const value = Uint8Array.of(1, 2, 3, 4);
  for (let length = 0; length <= 4; length++) {
    assert.deepStrictEqual(
      unhide(7, claiming(length, value), key, vector),
      value.slice(0, length),
    );
  }
  for (const length of [5, 6, 7, 0xffff]) {
    assert.throws(() => unhide(7, claiming(length, value), key, vector), PeerError, `${length}`);
  }
});
