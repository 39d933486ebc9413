import assert from "node:assert/strict";
import {
  authenticatorResponse,
  emitMsChapResponse,
  ntPasswordHash,
  ntResponse,
  parseMsChapResponse,
  withoutDomain,
} from "./mschapv2.ts";

const hex = (text: string) => Uint8Array.from(text.split(" "), (octet) => parseInt(octet, 16));
const text = (value: string) => new TextEncoder().encode(value);

// RFC 2759 §9.2.
const challenge = hex("5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28");
const peer = hex("21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E");
const response = hex(
  "82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF",
);
const passwordHash = hex("44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE");

Deno.test("MS-CHAPv2 gives the octets of RFC 2759 §9.2", () => {
  assert.deepEqual(ntPasswordHash("clientPass"), passwordHash);
  assert.deepEqual(ntResponse(challenge, peer, text("User"), passwordHash), response);
  assert.equal(
    authenticatorResponse(
      challenge,
      { peerChallenge: peer, ntResponse: response },
      text("User"),
      passwordHash,
    ),
    "S=407A5589115FD0D6209F510FE9C04566932CDA56",
  );
});

Deno.test("the hash of RFC 2759 §9.3 is that of MyPw", () => {
  const right = hex("FC 15 6A F7 ED CD 6C 0E DD E3 33 7D 42 7F 4E AC");
  assert.deepEqual(ntPasswordHash("MyPw"), right);
});

Deno.test("a domain is no part of what is hashed", () => {
  assert.deepEqual(ntResponse(challenge, peer, text("DOM\\User"), passwordHash), response);
  assert.deepEqual(withoutDomain(text("User")), text("User"));
});

Deno.test("a Response's Value is read as it was written", () => {
  const value = emitMsChapResponse(peer, response);
  assert.equal(value.length, 49);
  const read = parseMsChapResponse(value);
  assert.deepEqual(read, { peerChallenge: peer, ntResponse: response, flags: 0 });
  assert.equal(parseMsChapResponse(value.subarray(1)), undefined);
});
