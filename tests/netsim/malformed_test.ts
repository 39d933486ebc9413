/** Datagrams that nobody would send on purpose, in the middle of a tunnel that is up. */

import assert from "node:assert/strict";
import type { Avp } from "../../core/wire/avp.ts";
import { AVP_HEADER, emitAvp, parseAvps } from "../../core/wire/avp.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { emitBody, type MessageType, messageTypes } from "../../core/wire/message.ts";
import { dialects, messageOf } from "../../core/dialect.ts";
import { type Node, seeded, testCall, testSettings } from "../../core/testing.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import {
  A,
  assertIdle,
  B,
  callCauses,
  callsUp,
  connected,
  connectionCauses,
  drops,
  eventsOf,
  forge,
  generous,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

/** All that A sent to B while a tunnel and a call came up and went down again. */
function recorded(version: ProtoVersion, secret?: Uint8Array): Uint8Array[] {
  const settings = testSettings({ version, ...(secret && { secret }) });
  const { net, a, b } = pair(settings);
  const seen: Uint8Array[] = [];
  net.tap = (_from, _to, data) => (seen.push(data.slice()), true);
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(1000);
  a.lcce.setCircuitStatus(call, false, net.now);
  a.lcce.placeCall(connection, "outgoing-caller", testCall({ name: "out" }), net.now);
  net.run(2000);
  a.lcce.closeCall(call, { result: 3 }, net.now);
  a.lcce.closeConnection(connection, { result: 1 }, net.now);
  net.run(3000);
  void b;
  return seen;
}

/** A datagram with octets changed, cut off or added, and perhaps aimed at a connection. */
function mutated(data: Uint8Array, target: number, random: ReturnType<typeof seeded>): Uint8Array {
  const pick = (n: number) => Math.floor(random.fraction() * n);
  let copy = data.slice();
  if (pick(3) > 0) {
    const view = new DataView(copy.buffer);
    if ((copy[1]! & 15) === 2) view.setUint16(4, target);
    else view.setUint32(4, target);
  }
  for (let i = pick(4); i > 0; i--) copy[pick(copy.length)] = pick(256);
  if (pick(4) === 0) copy = copy.slice(0, pick(copy.length + 1));
  if (pick(8) === 0) copy = new Uint8Array([...copy, ...random.bytes(pick(40))]);
  return copy;
}

Deno.test("Lcce throws nothing whatever comes, and leaves nothing behind (40,000 mutated messages)", () => {
  for (const version of versions) {
    const messages = recorded(version);
    for (let seed = 0; seed < 40; seed++) {
      const random = seeded(seed);
      const settings = testSettings({ version, helloMs: 20_000 });
      const { net, a, b } = connected(settings, { seed });
      for (let i = 0; i < 500; i++) {
        const node = random.fraction() < 0.5 ? a : b;
        const from = node === a ? B : A;
        const target = [...node.lcce.connections()][0]?.localId ?? 1;
        const message = messages[Math.floor(random.fraction() * messages.length)]!;
        const port = random.fraction() < 0.9 ? 1701 : 9;
        net.inject(node, mutated(message, target, random), { address: from, port });
        if (i % 50 === 0) net.run(net.now + 2_000);
      }
      // Without a secret such messages may end the tunnel: then both sides know, and a new one comes up.
      net.run(net.now + 400_000);
      assert.equal(up(a).length > 0, up(b).length > 0, `seed ${seed}`);
      const connection = a.lcce.dial({ ...settings, tieBreaker: false }, net.path(A, B), net.now);
      net.run(net.now + 5_000);
      assert.equal(a.lcce.connection(connection)?.state, "established", `seed ${seed}`);
      for (const node of [a, b]) {
        for (const { handle } of [...node.lcce.connections()]) {
          node.lcce.closeConnection(handle, { result: 1 }, net.now);
        }
      }
      assertIdle({ net, a, b }, `seed ${seed}`);
    }
  }
});

Deno.test("Lcce stays up whatever comes, where messages are signed (20,000 mutated messages)", () => {
  const secret = secretOf("secret");
  const messages = recorded(3, secret);
  for (let seed = 0; seed < 20; seed++) {
    const random = seeded(seed);
    const { net, a, b } = connected(testSettings({ version: 3, secret }), { seed: seed + 100 });
    for (let i = 0; i < 1000; i++) {
      const node = i % 2 === 0 ? a : b;
      const target = up(node)[0]!.localId;
      const message = messages[Math.floor(random.fraction() * messages.length)]!;
      const from = { address: node === a ? B : A, port: 1701 };
      net.inject(node, mutated(message, target, random), from);
    }
    net.run(net.now + 200_000);
    assert.equal(callsUp(a).length, 1);
    assert.equal(callsUp(b).length, 1);
  }
});

/** A body with one more AVP. */
function withAvp(body: Uint8Array, avp: Partial<Avp> & { type: number }): Uint8Array {
  const whole = { vendorId: 0, mandatory: true, hidden: false, value: Uint8Array.of(1), ...avp };
  const longer = new Uint8Array(body.length + AVP_HEADER + whole.value.length);
  longer.set(body);
  emitAvp(whole, longer, body.length);
  return longer;
}

Deno.test("Lcce clears the connection for an unknown mandatory AVP in its messages, with StopCCN 2/8 that names it", () => {
  for (const version of versions) {
    const joint = connected(testSettings({ version }));
    forge(joint, withAvp(emitBody(messageOf(version, "HELLO", {})), { type: 777 }));
    const [cause] = connectionCauses(joint.b);
    assert.equal(cause?.by, "protocol");
    assert.deepEqual([cause.result.result, cause.result.error], [2, 8]);
    assert.match(cause.result.message!, /777/);
    joint.net.run(joint.net.now + 1000);
    assert.equal(connectionCauses(joint.a)[0]?.result.error, 8, "and the peer is told");
  }
});

Deno.test("Lcce clears the call alone for an unknown mandatory AVP in a call's message, with CDN 2/8", () => {
  for (const version of versions) {
    const joint = connected(testSettings({ version }));
    const { a, b, net } = joint;
    const { localSessionId, remoteSessionId } = sessions(a)[0]!;
    const naming = version === 3 ? { localSessionId, remoteSessionId } : {};
    const errors = {
      crcErrors: 0,
      framingErrors: 0,
      hardwareOverruns: 0,
      bufferOverruns: 0,
      timeoutErrors: 0,
      alignmentErrors: 0,
    };
    const wen = emitBody(messageOf(version, "WEN", { ...naming, callErrors: errors }));
    forge(joint, withAvp(wen, { type: 778 }), version === 2 ? remoteSessionId : 0);
    assert.deepEqual(
      callCauses(b).map(({ by, result }) => [by, result.result, result.error]),
      [["protocol", 2, 8]],
    );
    assert.deepEqual(connectionCauses(b), []);
    net.run(net.now + 1000);
    assert.deepEqual(callCauses(a).map(({ by, result }) => [by, result.error]), [["peer", 8]]);
    assert.equal(up(b).length, 1);
  }
});

Deno.test("Lcce refuses an ICRQ with an unknown mandatory AVP by a CDN, and is none the worse", () => {
  for (const version of versions) {
    const joint = connected(testSettings({ version }));
    const { a, b, net } = joint;
    const request = version === 2 ? { assignedSessionId: 4711, callSerialNumber: 1 } : {
      localSessionId: 4711,
      remoteSessionId: 0,
      callSerialNumber: 1,
      pseudowireType: 5,
      remoteEndId: secretOf("x"),
      circuitStatus: { active: true, new: true },
    };
    const told: number[] = [];
    net.tap = (from, _to, data) => {
      const { body } = parseHeader(data);
      if (from === B && body[7] === messageTypes.CDN) told.push(body.length);
      return true;
    };
    forge(joint, withAvp(emitBody(messageOf(version, "ICRQ", request)), { type: 779 }));
    assert.equal(told.length, 1);
    assert.equal(eventsOf(b, "call-requested").length, 1, "its owner never hears of it");
    assert.equal(up(b).length, 1);
    void a;
  }
});

Deno.test("Lcce passes vendors' AVPs on, refuses unknown mandatory ones, and takes those that a plugin knows", () => {
  for (const version of versions) {
    for (const knows of [true, false]) {
      const settings = testSettings({ version });
      const { net, a } = pair(settings);
      const heard = net.add("10.0.0.3", {
        policy: () => ({ kind: "accept", settings }),
        limits: generous,
        ...(knows &&
          { knowsVendor: (vendor: number, type: number) => vendor === 9 && type === 42 }),
      });
      net.tap = (from, _to, data) => {
        const { header, body } = parseHeader(data);
        if (
          from !== A || body[7] !== messageTypes.SCCRQ || parseAvps(body).at(-1)!.vendorId === 9
        ) {
          return true;
        }
        const more = withAvp(withAvp(body, { vendorId: 9, type: 42 }), {
          vendorId: 9,
          type: 43,
          mandatory: false,
          value: Uint8Array.of(4, 5),
        });
        net.inject(heard, emitMessage(header, more), { address: A, port: 1701 });
        return false;
      };
      a.lcce.dial(settings, net.path(A, "10.0.0.3"), 0);
      net.run(2000);
      if (!knows) {
        assert.deepEqual(connectionCauses(a)[0]?.result.error, 8);
        assert.match(connectionCauses(a)[0]!.result.message!, /9\/42/);
        continue;
      }
      assert.deepEqual(up(heard)[0]?.peer?.others, [
        { vendorId: 9, type: 42, mandatory: true, value: Uint8Array.of(1) },
        { vendorId: 9, type: 43, mandatory: false, value: Uint8Array.of(4, 5) },
      ]);
    }
  }
});

Deno.test("Lcce passes the vendors' AVPs of a call's messages on with the state that they lead to", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = pair(settings);
    const vendor = { vendorId: 311, type: 7, mandatory: false, value: Uint8Array.of(7) };
    const marked: readonly MessageType[] = ["ICRQ", "ICRP", "ICCN", "CDN"];
    const numbers = marked.map((type) => messageTypes[type] as number);
    net.tap = (from, _to, data) => {
      const { header, body } = parseHeader(data);
      if (!numbers.includes(body[7]!) || parseAvps(body).at(-1)!.vendorId === 311) return true;
      const message = emitMessage(header, withAvp(body, vendor));
      net.inject(from === A ? b : a, message, { address: from, port: 1701 });
      return false;
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
    net.run(1000);
    a.lcce.closeCall(call, { result: 3 }, net.now);
    net.run(2000);
    const withVendor = (node: Node) =>
      eventsOf(node, "call-state").flatMap(({ state, said, cause }) =>
        said?.others ?? cause?.result.others ? [state] : []
      );
    assert.deepEqual(withVendor(a), ["wait-proceed"], "ICRP");
    assert.deepEqual(withVendor(b), ["deciding", "established", "closed"], "ICRQ, ICCN, CDN");
    assert.deepEqual(eventsOf(b, "call-requested")[0]!.said.others, [vendor]);
  }
});

Deno.test("Lcce ends the connection for a message that its state has no place for", () => {
  for (const version of versions) {
    for (const type of ["SCCCN"] as const) {
      const joint = connected(testSettings({ version }));
      forge(joint, emitBody(messageOf(version, type, {})));
      assert.deepEqual(connectionCauses(joint.b).map(({ result }) => result.result), [7]);
      assert.match(connectionCauses(joint.b)[0]!.result.message!, /SCCCN in state established/);
    }
  }
});

Deno.test("Lcce answers an ICRP for a call that it does not know with a CDN, and passes over other messages for such", () => {
  for (const version of versions) {
    const joint = connected(testSettings({ version }));
    const { net, b } = joint;
    const cdns: Uint8Array[] = [];
    net.tap = (from, _to, data) => {
      const { body } = parseHeader(data);
      if (from === B && body[7] === messageTypes.CDN) cdns.push(data);
      return true;
    };
    const reply = version === 2 ? { assignedSessionId: 99 } : {
      localSessionId: 99,
      remoteSessionId: 98,
      circuitStatus: { active: true, new: true },
    };
    forge(joint, emitBody(messageOf(version, "ICRP", reply)), version === 2 ? 98 : 0);
    assert.equal(cdns.length, 1);
    assert.equal(drops(b)["unknown-call"], 1);
    assert.equal(callsUp(b).length, 1);
  }
});

Deno.test("Lcce clears a session that the peer requests anew while it is up", () => {
  for (const version of versions) {
    const joint = connected(testSettings({ version }));
    const { localSessionId } = sessions(joint.a)[0]!;
    const request = version === 2 ? { assignedSessionId: localSessionId, callSerialNumber: 1 } : {
      localSessionId,
      remoteSessionId: 0,
      callSerialNumber: 1,
      pseudowireType: 5,
      remoteEndId: secretOf("again"),
      circuitStatus: { active: true, new: true },
    };
    forge(joint, emitBody(messageOf(version, "ICRQ", request)));
    assert.deepEqual(callsUp(joint.b), []);
    joint.net.run(joint.net.now + 1000);
    assert.deepEqual(callsUp(joint.a), [], "both ends know");
    assert.equal(up(joint.a).length, 1);
  }
});

Deno.test("Lcce clears a call whose reply gives it the session id of another, and that one stays", () => {
  for (const version of versions) {
    const joint = connected(testSettings({ version }));
    const { net, a, b } = joint;
    const taken = sessions(a)[0]!.localSessionId;
    const mine = b.lcce.placeCall(up(b)[0]!.handle, "incoming-caller", testCall({ name: "2" }), 0);
    a.onEvent = undefined;
    net.run(net.now + 1000);
    const reply = version === 2 ? { assignedSessionId: taken } : {
      localSessionId: taken,
      remoteSessionId: mine.localSessionId,
      circuitStatus: { active: true, new: true },
    };
    const to = version === 2 ? mine.localSessionId : 0;
    forge(joint, emitBody(messageOf(version, "ICRP", reply)), to);
    assert.equal(callCauses(b)[0]?.by, "protocol");
    assert.equal(callsUp(b).length, 1);
    net.run(net.now + 1000);
    assert.equal(callsUp(a).length, 1, "nor was it ended at the peer");
  }
});

Deno.test("Lcce refuses another protocol version than 1 in an SCCRQ with StopCCN 5 (v2)", () => {
  const settings = testSettings();
  const { net, a, b } = pair(settings);
  net.tap = (from, _to, data) => {
    const at = data.findIndex((_, i) =>
      data[i + 4] === 0 && data[i + 5] === 2 && data[i + 1] === 8
    );
    if (from === A && parseHeader(data).body[7] === messageTypes.SCCRQ) data[at + 6] = 2;
    return true;
  };
  a.lcce.dial(settings, net.path(A, B), 0);
  net.run(1000);
  assert.deepEqual(connectionCauses(a)[0]?.result, { result: 5, error: 0x0100 });
  assert.equal([...b.lcce.connections()].length, 0);
});

Deno.test("Lcce refuses a version that it does not speak with a peer by StopCCN 5", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const theirs = testSettings({ version: version === 2 ? 3 : 2 });
    const { net, a, b } = pair(settings, { theirs });
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1000);
    assert.deepEqual(connectionCauses(a)[0]?.result, { result: 5, error: theirs.version });
    assert.deepEqual(drops(b), { "wrong-version": 1, "unknown-connection": 1 }, "acknowledged");
  }
});

Deno.test("Lcce answers an SCCRQ that is for both versions in the one that it speaks with the peer (RFC 3931 §4.7.3)", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, b } = pair(settings);
    const both = emitBody(messageOf(2, "SCCRQ", {
      ...dialects[2].introduce({ settings, localId: 77 }),
      routerId: 5,
      assignedConnectionId: 7_777_777,
      pseudowireCapabilities: [5],
    }));
    for (const avp of parseAvps(both)) {
      if (avp.type >= 60) both[avp.value.byteOffset - both.byteOffset - AVP_HEADER]! &= 0x7f;
    }
    const replies: Uint8Array[] = [];
    net.tap = (_from, _to, data) => (replies.push(data), false);
    const header = { version: 2, connectionId: 0, sessionId: 0, ns: 0, nr: 0 } as const;
    for (let i = 0; i < 3; i++) {
      net.inject(b, emitMessage(header, both), { address: A, port: 1701 });
    }
    assert.equal([...b.lcce.connections()].length, 1, "the same request, three times");
    const reply = parseHeader(replies[0]!);
    assert.equal(reply.header.version, version);
    assert.equal(reply.header.connectionId, version === 2 ? 77 : 7_777_777);
    assert.equal(reply.body[7], messageTypes.SCCRP);
  }
});
