/** Every id there is, at full length: too long for each run of the tests. */

import assert from "node:assert/strict";
import { dialects, messageOf } from "../../core/dialect.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { emitBody, parseBody } from "../../core/wire/message.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import { Netsim, testCall, testSettings } from "../../core/testing.ts";
import { A, acceptEverything, B, callsUp, drops, pair, up, versions } from "../netsim/support.ts";

Deno.test("60,000 calls of one tunnel come up, and after they ended all at once they come up again", () => {
  for (const version of versions) {
    const settings = testSettings({ version, callLimit: 65_535, receiveWindow: 128 });
    const { net, a, b } = pair(settings);
    const pseudowireType = version === 2 ? PseudowireType.Ppp : PseudowireType.Ethernet;
    let connection = a.lcce.dial(settings, net.path(A, B), net.now);
    for (let flap = 0; flap < 2; flap++) {
      for (let i = 0; i < 60_000; i++) {
        const call = testCall({ name: `c${i}`, pseudowireType });
        a.lcce.placeCall(connection, "incoming-caller", call, net.now);
      }
      net.run(net.now + 300_000);
      assert.equal(callsUp(a).length, 60_000, `v${version}, flap ${flap}`);
      assert.equal(callsUp(b).length, 60_000);
      for (const node of [a, b]) node.events.length = 0;
      if (flap > 0) break;
      for (const { localId } of [...up(a)[0]!.calls.values()]) {
        a.lcce.closeCall({ connection, localSessionId: localId }, { result: 3 }, net.now);
      }
      net.run(net.now + 60_000);
      assert.equal(callsUp(b).length, 0);
    }
    a.lcce.closeConnection(connection, { result: 1 }, net.now);
    net.run(net.now + 5_000);
    connection = a.lcce.dial(settings, net.path(A, B), net.now);
    net.run(net.now + 1_000);
    assert.equal(up(b).length, 1);
  }
});

Deno.test("65,535 control connections of version 2 are begun; the next is told that none is free, until one is", () => {
  const settings = testSettings({ version: 2 });
  const net = new Netsim(1);
  const limits = { halfOpen: 70_000, halfOpenPerAddress: 70_000, requestsPerSecond: 1e9 };
  const b = net.add(B, { policy: () => ({ kind: "accept", settings }), limits });
  acceptEverything(b);
  let last: Uint8Array | undefined;
  net.tap = (_from, _to, data) => (last = data, false);
  const say = (type: "SCCRQ" | "StopCCN", id: number, address: string) => {
    const avps = type === "SCCRQ"
      ? dialects[2].introduce({ settings, localId: id })
      : dialects[2].stop(id, { result: 1 });
    const header = {
      version: 2,
      connectionId: 0,
      sessionId: 0,
      ns: Number(type !== "SCCRQ"),
      nr: 0,
    } as const;
    net.inject(b, emitMessage(header, emitBody(messageOf(2, type, avps))), { address, port: 1701 });
    b.events.length = 0;
  };
  for (let id = 1; id <= 0xffff; id++) say("SCCRQ", id, "10.6.6.6");
  assert.equal(
    [...b.lcce.connections()].length,
    0xffff,
    "each id is given out before there is none",
  );
  say("SCCRQ", 1, "10.6.6.7");
  const refusal = parseBody(parseHeader(last!).body, { version: 2 });
  assert.ok(refusal.kind === "message" && refusal.message.type === "StopCCN");
  const { error, result } = refusal.message.avps.resultCode!;
  assert.deepEqual([result, error, drops(b)["no-free-id"]], [2, 4, 1]);
  say("StopCCN", 500, "10.6.6.6");
  say("SCCRQ", 1, "10.6.6.7");
  assert.equal([...b.lcce.connections()].length, 0xffff);
});
