import assert from "node:assert/strict";
import type { SessionParameters } from "../../core/settings.ts";
import type { CallConfig } from "../config/model.ts";
import { callParameters, refusalOf, sessionConfig } from "./parameters.ts";

const call: CallConfig = {
  name: "office",
  remoteEndId: "desk",
  pseudowireType: 5,
  l2spec: "default",
  cookieSize: 8,
  sendSeq: false,
  recvSeq: true,
  reorderTimeoutMs: 50,
  restartAfterMs: 1000,
  restartRun: 32,
};
const random = (length: number) => new Uint8Array(length).fill(7);
const agreed: SessionParameters = {
  version: 3,
  localSessionId: 11,
  remoteSessionId: 12,
  pseudowireType: 5,
  receiveL2spec: "default",
  sendL2spec: "default",
  receiveCookie: Uint8Array.of(1, 2, 3, 4),
  sendCookie: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd),
  receiveSequence: true,
  sendSequence: false,
  lns: true,
};

Deno.test("callParameters() asks for a cookie and for numbers in what we receive", () => {
  const parameters = callParameters(call, 3, random);
  assert.deepEqual(
    [parameters.name, parameters.cookie.length, parameters.sequencing, parameters.l2spec],
    ["desk", 8, true, "default"],
  );
  const v2 = callParameters({ ...call, recvSeq: false, sendSeq: true }, 2, random);
  assert.deepEqual([v2.cookie.length, v2.sequencing, v2.l2spec], [0, true, "none"]);
});

Deno.test("sessionConfig() sends the peer's cookie and expects ours", () => {
  const session = sessionConfig("office", call, agreed);
  assert.deepEqual(
    [session.cookie, session.peerCookie, session.sendSeq, session.recvSeq, session.lnsMode],
    ["aabbccdd", "01020304", false, true, false],
  );
  assert.equal(session.reorderTimeoutMs, 50);
  assert.ok(sessionConfig("office", { ...call, sendSeq: true }, agreed).sendSeq);
});

Deno.test("sessionConfig() decides on numbers as v2 LNS only", () => {
  const v2: SessionParameters = {
    ...agreed,
    version: 2,
    sendL2spec: "none",
    receiveCookie: random(0),
    sendCookie: random(0),
  };
  const ppp: CallConfig = { ...call, pseudowireType: 7, sendSeq: true };
  assert.ok(sessionConfig("a", ppp, v2).lnsMode);
  assert.ok(!sessionConfig("a", ppp, { ...v2, lns: false }).lnsMode);
  assert.ok(!sessionConfig("a", ppp, v2).sendSeq, "not unless it was agreed on");
});

Deno.test("refusalOf() refuses what is of another type, and all but PPP in v2", () => {
  assert.equal(refusalOf(call, 3, { pseudowireType: 5 }), undefined);
  assert.equal(refusalOf(call, 3, { pseudowireType: 7 })?.result, 14);
  assert.equal(refusalOf(call, 2, { pseudowireType: 7 })?.result, 5);
  const ppp = { ...call, pseudowireType: 7 } as const;
  assert.equal(refusalOf(ppp, 2, { pseudowireType: 7 }), undefined);
});
