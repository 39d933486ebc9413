import assert from "node:assert/strict";
import type { ProxyAuth } from "../../session.ts";
import { askedOf, proxyAuthOf, ProxyAuthType } from "./proxy.ts";
import { seededOctets } from "./testing.ts";

const random = seededOctets(1);
const name = new TextEncoder().encode("bob");
const pap: ProxyAuth = { type: ProxyAuthType.Pap, name, id: 7, response: random(4) };
const chap: ProxyAuth = {
  type: ProxyAuthType.Chap,
  name,
  id: 7,
  challenge: random(16),
  response: random(16),
};
/** RFC 2759 §4: a challenge of 16 octets, a response of 49. */
const mschap: ProxyAuth = { ...chap, response: random(49) };

Deno.test("what a client said to the LAC is what it would have said to us", () => {
  assert.deepEqual(askedOf(pap, "pap"), { kind: "pap", name, password: pap.response });
  const said = { name, id: 7, challenge: chap.challenge };
  assert.deepEqual(askedOf(chap, "chap-md5"), {
    kind: "chap-md5",
    ...said,
    response: chap.response,
  });
  assert.deepEqual(askedOf(mschap, "mschapv2"), {
    kind: "mschapv2",
    ...said,
    response: mschap.response,
  });
});

Deno.test("what a LAC does not tell whole, or tells of another protocol, is asked anew", () => {
  const { name: _name, ...nameless } = pap;
  const { response: _response, ...unanswered } = chap;
  const { challenge: _challenge, ...unasked } = chap;
  assert.equal(askedOf(nameless, "pap"), undefined);
  assert.equal(askedOf(pap, "chap-md5"), undefined);
  assert.equal(askedOf(chap, "pap"), undefined);
  assert.equal(askedOf(unanswered, "chap-md5"), undefined);
  assert.equal(askedOf(unasked, "chap-md5"), undefined);
  assert.equal(askedOf({ ...chap, challenge: new Uint8Array(0) }, "chap-md5"), undefined);
  assert.equal(askedOf(chap, undefined), undefined);
  // Either of the two of another length: it is not MS-CHAPv2.
  assert.equal(askedOf(chap, "mschapv2"), undefined);
  assert.equal(askedOf({ ...mschap, challenge: random(8) }, "mschapv2"), undefined);
  assert.equal(askedOf({ ...mschap, type: ProxyAuthType.MsChap }, "mschapv2"), undefined);
});

Deno.test("an LNS is told what the client said, in the AVPs' words", () => {
  for (const [auth, method] of [[pap, "pap"], [chap, "chap-md5"], [mschap, "mschapv2"]] as const) {
    assert.deepEqual(proxyAuthOf(askedOf(auth, method)!, 7), auth);
  }
  assert.deepEqual(proxyAuthOf({ kind: "none", name }, 7), { type: ProxyAuthType.None, name });
});
