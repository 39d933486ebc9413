/** RFC 2661's Challenge and Challenge Response in L2TPv3, alone and beside digests: no RFC has it, some routers do. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseAvps } from "../../core/wire/avp.ts";
import { messageTypeOf } from "../../core/authenticator.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { messageTypes } from "../../core/wire/message.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import { A, B, callsUp, connectionCauses, drops, pair, secretOf, up } from "./support.ts";

const secret = secretOf("hush");
const v3 = (authentication: "digest" | "challenge" | "both", more = {}) =>
  testSettings({ version: 3, secret, authentication, ...more });

Deno.test("the AVPs are those of the chosen authentication, and responses MD5 over type, secret and challenge", () => {
  const expected = {
    digest: { SCCRQ: [59, 73], SCCRP: [59, 73], SCCCN: [59] },
    challenge: { SCCRQ: [11], SCCRP: [11, 13], SCCCN: [13] },
    both: { SCCRQ: [11, 59, 73], SCCRP: [11, 13, 59, 73], SCCCN: [13, 59] },
  } as const;
  for (const way of ["digest", "challenge", "both"] as const) {
    const { net, a, b } = pair(v3(way));
    const seen: Record<string, ReturnType<typeof parseAvps>> = {};
    net.tap = (_from, _to, data) => {
      const { body } = parseHeader(data);
      const name = (["SCCRQ", "SCCRP", "SCCCN"] as const).find((type) =>
        messageTypes[type] === messageTypeOf(body)
      );
      if (name) seen[name] = parseAvps(body);
      return true;
    };
    const connection = a.lcce.dial(v3(way), net.path(A, B), 0);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
    net.run(2_000);
    assert.deepEqual([up(a).length, callsUp(b).length], [1, 1], way);
    for (const [name, types] of Object.entries(expected[way])) {
      const found = seen[name]!.map(({ type }) => type).filter((type) =>
        [11, 13, 59, 73].includes(type)
      );
      assert.deepEqual(found.sort((one, other) => one - other), types, `${way} ${name}`);
    }
    if (way === "digest") continue;
    const value = (name: string, type: number) => seen[name]!.find((avp) => avp.type === type)!;
    assert.equal(value("SCCRQ", 11).mandatory, false, "no RFC of v3 knows it");
    for (const [asks, answers] of [["SCCRQ", "SCCRP"], ["SCCRP", "SCCCN"]] as const) {
      const hash = createHash("md5").update(Uint8Array.of(messageTypes[answers])).update(secret)
        .update(value(asks, 11).value).digest("hex");
      assert.equal(value(answers, 13).value.toHex(), hash, `${way} ${answers}`);
    }
  }
});

Deno.test("who does not know the secret, or proves it otherwise, does not come up", () => {
  const other = { secret: secretOf("another") };
  const cases = [
    [v3("challenge"), v3("challenge", other)],
    [v3("both"), v3("both", other)],
    [v3("challenge"), testSettings({ version: 3 })],
    [testSettings({ version: 3 }), v3("challenge")],
    [v3("digest"), v3("challenge")],
    [v3("challenge"), v3("digest")],
    [v3("digest"), v3("both")],
  ] as const;
  for (const [i, [ours, theirs]] of cases.entries()) {
    const { net, a, b } = pair(ours, { theirs });
    a.lcce.dial(ours, net.path(A, B), 0);
    net.run(10_000);
    assert.deepEqual([up(a), up(b)], [[], []], `case ${i}`);
  }
  // A wrong response is told as in v2.
  const { net, a, b } = pair(v3("challenge"));
  net.tap = (from, _to, data) => {
    const { header, body } = parseHeader(data);
    if (from !== A || messageTypeOf(body) !== messageTypes.SCCCN || body.at(-1) === 0) return true;
    const changed = body.slice();
    changed[changed.length - 1] = 0;
    net.inject(b, emitMessage(header, changed), { address: A, port: 1701 });
    return false;
  };
  a.lcce.dial(v3("challenge"), net.path(A, B), 0);
  net.run(1_000);
  assert.deepEqual(connectionCauses(b)[0]?.result.result, 4);
  assert.match(connectionCauses(b)[0]!.result.message!, /Challenge Response/);
});

Deno.test("a challenge of ours that comes back is not answered, nor is a StopCCN to id 0 believed (v3)", () => {
  const { net, a, b } = pair(v3("challenge", { tieBreaker: false }));
  // B dials A; A sends B's own SCCRQ back as its own.
  b.lcce.dial(v3("challenge", { tieBreaker: false }), net.path(B, A), 0);
  net.tap = (from, _to, data) => {
    if (from === B) net.inject(b, data, { address: A, port: 1701 });
    return false;
  };
  net.run(500);
  assert.deepEqual(up(b), []);
  assert.equal(drops(b)["refused-request"], 1);
  assert.deepEqual(up(a), []);
});
