import assert from "node:assert/strict";
import {
  authenticatorResponse,
  challengeHash,
  emitResponse,
  ntPasswordHash,
  ntResponse,
  parseResponse,
} from "./mschapv2.ts";

const octets = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));
const name = new TextEncoder().encode("User");
const challenge = octets("5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28");
const peerChallenge = octets("21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E");
const response = octets(
  "82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF",
);

Deno.test("RFC 2759 §9.2: the hash example", () => {
  const hash = ntPasswordHash("clientPass");
  assert.deepEqual(hash, octets("44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE"));
  assert.deepEqual(
    challengeHash(peerChallenge, challenge, name),
    octets("D0 2E 43 86 BC E9 12 26"),
  );
  assert.deepEqual(ntResponse(challenge, peerChallenge, name, hash), response);
  assert.equal(
    authenticatorResponse(challenge, { peerChallenge, ntResponse: response }, name, hash),
    "S=407A5589115FD0D6209F510FE9C04566932CDA56",
  );
});

Deno.test("a domain before the name is of no meaning to the challenge's hash", () => {
  assert.deepEqual(
    challengeHash(peerChallenge, challenge, new TextEncoder().encode("BIGCO\\User")),
    octets("D0 2E 43 86 BC E9 12 26"),
  );
});

Deno.test("a Response's Value has 49 octets: challenge, 8 zeros, response, flags", () => {
  const value = emitResponse({ peerChallenge, ntResponse: response });
  assert.equal(value.toHex(), `${peerChallenge.toHex()}${"00".repeat(8)}${response.toHex()}00`);
  assert.deepEqual(parseResponse(value), { peerChallenge, ntResponse: response });
  assert.equal(parseResponse(value.subarray(1)), undefined);
});
