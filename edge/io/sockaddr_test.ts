import assert from "node:assert/strict";
import fc from "fast-check";
import { openLibc } from "./libc.ts";
import { emitSockaddr, fromSockAddr, parseSockaddr, toSockAddr } from "./sockaddr.ts";

Deno.test("emitSockaddr() lays out sockaddr_in", () => {
  const bytes = emitSockaddr({ address: Uint8Array.of(10, 0, 0, 1), port: 1701 });
  assert.deepEqual([...bytes], [2, 0, 0x06, 0xa5, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("parseSockaddr() reads what emitSockaddr() writes", () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(address, fc.nat(0xffff), fc.integer({ min: 1 }), (address, port, scopeId) => {
      const name = address.length === 4 ? { address, port } : { address, port, scopeId };
      assert.deepEqual(parseSockaddr(emitSockaddr(name)), name);
    }),
  );
});

Deno.test("parseSockaddr() gives undefined for what is cut short or of another family", () => {
  assert.equal(parseSockaddr(Uint8Array.of(2, 0, 1)), undefined);
  assert.equal(parseSockaddr(new Uint8Array(28)), undefined);
  assert.equal(parseSockaddr(Uint8Array.of(10, ...new Array(15).fill(0))), undefined);
});

Deno.test("toSockAddr() finds a zone's device", () => {
  using libc = openLibc();
  assert.equal(toSockAddr(libc, { address: "fe80::1%lo", port: 1 }).scopeId, 1);
  const named = { address: "fe80::1%lo", port: 1 };
  assert.deepEqual(fromSockAddr(libc, toSockAddr(libc, named)), named);
  const numbered = { address: "fe80::1%1", port: 1 };
  assert.deepEqual(fromSockAddr(libc, toSockAddr(libc, numbered)), named, "one spelling");
  const gone = { address: "fe80::1%987654", port: 1 };
  assert.deepEqual(fromSockAddr(libc, toSockAddr(libc, gone)), gone);
  assert.throws(() => toSockAddr(libc, { address: "fe80::1%none", port: 1 }), { code: "ENODEV" });
  assert.throws(() => toSockAddr(libc, { address: "10.0.0.256", port: 1 }), { code: "EINVAL" });
});
