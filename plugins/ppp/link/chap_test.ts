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
  one.accept("in", 0);
  one.input({ code: 2, id, data });
  assert.equal(asked.length, 1);
  assert.deepEqual(sent[1], sent[2]);
});

Deno.test("CHAP: who was let in is challenged again, with the next identifier and another challenge (RFC 1994 §2, §4.1)", () => {
  const sent: Uint8Array[] = [];
  const asked: Asked[] = [];
  const silent: string[] = [];
  // Identifier 0xff, a challenge of 0x11, then by chance the longest interval, then challenges of 0x22, 0x33 …
  const octets = [0xff, 0x11, 0xff, 0x22, 0x00, 0x33];
  const one = new ChapChecker(
    "chap-md5",
    "lns",
    (length) => new Uint8Array(length).fill(octets.shift()!),
    {
      send: (_protocol, packet) => void sent.push(packet),
      asked: (what) => void asked.push(what),
      silent: (_protocol, why) => void silent.push(why),
      ignored() {},
    },
    60_000,
  );
  const respond = (id: number) =>
    one.input({
      code: 2,
      id,
      data: emitChapValue({ value: new Uint8Array(16), name: Uint8Array.of(98) }),
    });
  one.start(0);
  assert.equal(sent[0]!.toHex(), `01ff0018` + "10" + "11".repeat(16) + "6c6e73");
  respond(0xff);
  one.accept("in", 1000);
  assert.equal(sent[1]!.toHex(), "03ff0006" + "696e", "Success");
  const due = one.deadline!;
  assert.ok(due > 1000 + 60_000 && due <= 1000 + 75_000, `${due}`);
  one.timeout(due - 1);
  assert.equal(sent.length, 2);
  one.timeout(due);
  assert.equal(sent[2]!.toHex(), "01000018" + "10" + "22".repeat(16) + "6c6e73");
  respond(0xff);
  assert.equal(asked.length, 1, "what answered the former challenge is no answer");
  one.accept("in", due);
  assert.equal(sent.length, 3, "nor is one that nobody gave");
  respond(0);
  assert.equal(asked.length, 2);
  one.postpone(due);
  assert.equal(sent.length, 3, "nobody knows: nothing is said");
  assert.equal(one.deadline, due + 45_000, "the shortest interval");
  one.timeout(one.deadline!);
  assert.equal(sent[3]!.toHex().slice(0, 4), "0101");
  // Whoever does not answer is given up, as at first.
  for (let n = 0; n < 20 && one.deadline !== undefined; n++) one.timeout(one.deadline);
  assert.equal(silent.length, 1);
  assert.equal(sent.filter((packet) => packet[0] === 1).length, 2 + 10);
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
