import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { verify } from "./authentication.ts";
import { concat } from "./bytes.ts";

const key = new TextEncoder().encode("a shared key");
const nonces = [new Uint8Array([1, 2]), new Uint8Array([3])] as const;
const hex = (digits: string) => Uint8Array.fromHex(digits.replaceAll(" ", ""));
const zeros = "00".repeat(16);

/** HELLO with these AVPs behind its Message Type (RFC 3931 §3.2.1, §5.4.1). */
function hello(avps: string): Uint8Array {
  const body = `80080000000000 06 ${avps}`.replaceAll(" ", "");
  const length = (12 + body.length / 2).toString(16).padStart(4, "0");
  return hex(`c803 ${length} 00000007 0001 0002 ${body}`);
}

/** Digests of HMAC-MD5 and of HMAC-SHA-1, by what each covers: nonces, and the message with all digests zero. */
const md5 = (of: Uint8Array) => createHmac("md5", key).update(concat([...nonces, of]));
const sha1 = (of: Uint8Array) => createHmac("sha1", key).update(concat([...nonces, of]));
const md5Avp = (digest: string) => `80170000003b 00 ${digest}`;
const sha1Avp = (digest: string) => `801b0000003b 01 ${digest}`;

Deno.test("a message is believed by its digest, of either kind, or of two by either", () => {
  const one = hello(md5Avp(md5(hello(md5Avp(zeros))).digest("hex")));
  assert.deepEqual(verify(one, [key], nonces), { verdict: "valid", key: 0 });
  const sha = hello(sha1Avp(sha1(hello(sha1Avp("00".repeat(20)))).digest("hex")));
  assert.deepEqual(verify(sha, [new Uint8Array(3), key], nonces), { verdict: "valid", key: 1 });
  const both = hello(md5Avp(zeros) + sha1Avp("00".repeat(20)));
  const second = hello(md5Avp(zeros) + sha1Avp(sha1(both).digest("hex")));
  assert.deepEqual(verify(second, [key], nonces), { verdict: "valid", key: 0 });
  assert.deepEqual(verify(both, [key], nonces), { verdict: "wrong" });
});

Deno.test("an AVP that is as long as a digest and begins like one is none", () => {
  // A Random Vector of 17 octets (RFC 3931 §5.4.1), the first of them 0 as the type of HMAC-MD5 is.
  const vector = `801700000024 00 ${"ab".repeat(16)}`;
  const signed = hello(md5Avp(md5(hello(md5Avp(zeros) + vector)).digest("hex")) + vector);
  assert.deepEqual(verify(signed, [key], nonces), { verdict: "valid", key: 0 });
  assert.deepEqual(verify(hello(vector), [key], nonces), { verdict: "missing" });
});
