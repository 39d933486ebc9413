import assert from "node:assert/strict";
import fc from "fast-check";
import { emitNetlink, parseAttributes, parseNetlink, readText, u32 } from "./netlink_message.ts";

const words = fc.uint8Array({ maxLength: 40 });

Deno.test("parseNetlink() and parseAttributes() read what emitNetlink() writes", () => {
  const attributes = fc.uniqueArray(fc.tuple(fc.nat(0x3fff), words), {
    selector: ([type]) => type,
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 16, max: 0xffff }),
      fc.nat(),
      attributes,
      (type, sequence, list) => {
        const body = new Uint8Array(16).fill(7);
        const [message, ...rest] = parseNetlink(emitNetlink(type, 5, sequence, body, list));
        assert.equal(rest.length, 0);
        assert.ok(message?.kind === "data");
        assert.deepEqual([message.type, message.sequence], [type, sequence]);
        assert.deepEqual(message.body.slice(0, 16), body);
        assert.deepEqual([...parseAttributes(message.body, 16)], list);
      },
    ),
  );
});

Deno.test("parseNetlink() gives an error's number and the kernel's words", () => {
  const explained = new TextEncoder().encode("Invalid MTU\0");
  const body = new Uint8Array(4 + 16);
  new DataView(body.buffer).setInt32(0, -22, true);
  const capped = 0x300;
  const [message] = parseNetlink(emitNetlink(2, capped, 3, body, [[1, explained]]));
  assert.deepEqual(message, { kind: "end", sequence: 3, errno: 22, message: "Invalid MTU" });
});

Deno.test("parseNetlink() and parseAttributes() survive any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    for (const message of parseNetlink(bytes)) {
      if (message.kind === "data") parseAttributes(message.body, 0);
    }
  }));
});

Deno.test("readText() stops at the NUL", () => {
  assert.equal(readText(Uint8Array.of(0x6c, 0x6f, 0, 1)), "lo");
  assert.equal(readText(u32(0)), "");
});
