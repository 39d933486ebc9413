import assert from "node:assert/strict";
import { glance, offeredVersion } from "./glance.ts";

const body = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

Deno.test("glance() sees names and ids, the first of each, and none of a vendor's", () => {
  const seen = glance(body(
    "8008 0000 0000 0001" + // Message Type: SCCRQ
      "0008 0009 0007 7878" + // a vendor's 7
      "8009 0000 0007 6c6163" + // Host Name: lac
      "8008 0000 0007 7878" + // again
      "0008 0000 0008 6973" + // Vendor Name: is
      "8008 0000 0009 1234" + // Assigned Tunnel ID
      "800a 0000 003c 0a000001" + // Router ID
      "800a 0000 003d 00010002", // Assigned Control Connection ID
  ))!;
  assert.deepEqual([text(seen.hostName), text(seen.vendorName)], ["lac", "is"]);
  assert.deepEqual(seen.assignedId, { 2: 0x1234, 3: 0x10002 });
  assert.equal(seen.routerId, 0x0a000001);
  const header = { version: 2, connectionId: 0, sessionId: 0, ns: 0, nr: 0 } as const;
  assert.equal(offeredVersion(header, seen), 3);
  assert.equal(offeredVersion(header, { ...seen, routerId: undefined }), 2);
});

Deno.test("glance() says of ids that they are hidden, and takes no hidden name, no id 0 and no empty name", () => {
  const hidden = glance(body("c009 0000 0007 6c6163 c008 0000 0009 1234 c00a 0000 003d 00010002"))!;
  assert.deepEqual(hidden.hostName, undefined);
  assert.deepEqual(hidden.assignedId, { 2: "hidden", 3: "hidden" });
  const empty = glance(body("8006 0000 0007 8008 0000 0009 0000 800a 0000 003d 00000000"))!;
  assert.deepEqual([empty.hostName, empty.assignedId[2], empty.assignedId[3]], [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("glance() is nothing where a length does not fit", () => {
  for (const hex of ["8005 0000 0007", "8009 0000 0007 6c61", "80", "8006 0000 0000 80"]) {
    assert.equal(glance(body(hex)), undefined, hex);
  }
  assert.notEqual(glance(body("")), undefined);
});
