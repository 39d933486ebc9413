import assert from "node:assert/strict";
import type { Asked } from "../aaa/authenticator.ts";
import { ChapChecker, emitChapValue } from "./chap.ts";
import { LcpOptions } from "./lcp.ts";
import { seededOctets } from "./testing.ts";
import { parsePacket } from "./wire.ts";

Deno.test("CHAP: a response to another challenge, of the wrong length or none at all is not one", () => {
  const sent: Uint8Array[] = [];
  const asked: Asked[] = [];
  const ignored: string[] = [];
  const one = new ChapChecker("chap-md5", "lns", seededOctets(1), {
    send: (_protocol, packet) => void sent.push(packet),
    asked: (what) => void asked.push(what),
    silent() {},
    ignored: (what) => void ignored.push(what),
  });
  one.start(0);
  const { id } = parsePacket(sent[0]!)!;
  const data = emitChapValue({ value: new Uint8Array(16), name: Uint8Array.of(98) });
  one.input({ code: 2, id: (id + 1) & 0xff, data });
  one.input({ code: 2, id, data: data.subarray(0, 10) });
  one.input({ code: 2, id, data: emitChapValue({ value: new Uint8Array(49), name: data }) });
  one.input({ code: 3, id, data });
  assert.equal(ignored.length, 4);
  assert.deepEqual(asked, []);
  one.input({ code: 2, id, data });
  assert.equal(asked.length, 1);
  // Until there is an answer there is nothing to repeat; then it is the same each time.
  one.input({ code: 2, id, data });
  assert.equal(sent.length, 1);
  one.accept("in");
  one.input({ code: 2, id, data });
  assert.equal(asked.length, 1);
  assert.deepEqual(sent[1], sent[2]);
});

Deno.test("LCP: our own number is naked with another one, and after some such the line is looped", () => {
  const lcp = new LcpOptions({ mru: 1500, authenticate: [], answer: [] }, seededOctets(1));
  for (let i = 0; i < 5; i++) {
    const [own] = lcp.request();
    const verdict = lcp.judge([own!], true);
    assert.equal(verdict.kind, "nak");
    assert.notDeepEqual(verdict.kind === "nak" && verdict.options[0]!.value, own!.value);
  }
  assert.equal(lcp.judge([lcp.request()[0]!], true).kind, "fail");
});

Deno.test("LCP: a peer's method that is not ours is naked with the best of ours; EAP and MS-CHAPv1 are such", () => {
  const lcp = new LcpOptions(
    { mru: 1500, authenticate: [], answer: ["mschapv2", "pap"] },
    seededOctets(1),
  );
  for (const value of ["c227", "c22380", "c22305", "c021", "c0"]) {
    assert.deepEqual(lcp.judge([{ type: 3, value: Uint8Array.fromHex(value) }], true), {
      kind: "nak",
      options: [{ type: 3, value: Uint8Array.fromHex("c22381") }],
    }, value);
  }
  assert.equal(lcp.judge([{ type: 3, value: Uint8Array.fromHex("c023") }], true).kind, "ack");
  assert.equal(lcp.agreed.answer, "pap");
  // Callback, MRRU, endpoint discriminator: not for negotiation, and rejected before anything is naked.
  const foreign = [{ type: 13, value: Uint8Array.of(0) }, {
    type: 17,
    value: Uint8Array.of(6, 0x4e),
  }];
  const both = [...foreign, { type: 3, value: Uint8Array.fromHex("c227") }];
  assert.deepEqual(lcp.judge(both, true), { kind: "reject", options: foreign });
});
