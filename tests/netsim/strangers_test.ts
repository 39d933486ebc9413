/** What somebody may do who has proved nothing: cost little, be told little, and change nothing. */

import assert from "node:assert/strict";
import { parseAvps } from "../../core/wire/avp.ts";
import type { AvpValues } from "../../core/wire/catalogue.ts";
import { dialects, messageOf } from "../../core/dialect.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { emitBody, type MessageType, parseBody } from "../../core/wire/message.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { PeerSettings } from "../../core/settings.ts";
import { Netsim, type Node, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  B,
  callsUp,
  connected,
  connectionCauses,
  connectionStates,
  drops,
  generous,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

const stranger = { address: "10.6.6.6", port: 1701 };
const secret = secretOf("s");

/** A control message from nobody in particular. */
function message(
  version: ProtoVersion,
  type: MessageType,
  avps: AvpValues,
  { connectionId = 0, ns = 0, nr = 0 } = {},
): Uint8Array {
  const body = emitBody(messageOf(version, type, avps));
  return emitMessage({ version, connectionId, sessionId: 0, ns, nr }, body);
}

function request(settings: PeerSettings, localId: number, more: AvpValues = {}): Uint8Array {
  const { version } = settings;
  return message(version, "SCCRQ", {
    ...dialects[version].introduce({ settings, localId }),
    ...more,
  });
}

function stop(version: ProtoVersion, localId: number, connectionId = 0): Uint8Array {
  return message(version, "StopCCN", dialects[version].stop(localId, { result: 1 }), {
    connectionId,
    ns: 1,
  });
}

/** An LCCE alone, and all that it sends. */
function alone(settings: PeerSettings, limits = generous) {
  const net = new Netsim(1);
  const b = net.add(B, { policy: () => ({ kind: "accept", settings }), limits });
  const sent: Uint8Array[] = [];
  net.tap = (_from, _to, data) => (sent.push(data.slice()), true);
  return { net, b, sent };
}

function connectionsOf(node: Node) {
  return [...node.lcce.connections()];
}

Deno.test("Lcce keeps no connection of an SCCRQ that is taken back by StopCCN, and acknowledges it", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, b, sent } = alone(settings);
    for (let id = 1; id <= 2_000; id++) {
      net.inject(b, request(settings, id % 1000 + 1), stranger);
      net.inject(b, stop(version, id % 1000 + 1), stranger);
      if (id % 100 === 0) {
        assert.equal(connectionsOf(b).length, 0);
        assert.equal(b.lcce.deadline(), undefined, "nothing holds on to it");
        sent.length = 0;
        b.events.length = 0;
        net.run(net.now + 50);
      }
    }
    // The acknowledgement was lost: it is said again for the asking, as long as that is remembered.
    net.inject(b, request(settings, 77), stranger);
    const { localId } = connectionsOf(b)[0]!;
    for (let i = 0; i < 3; i++) {
      sent.length = 0;
      net.inject(b, stop(version, 77, localId), stranger);
      assert.equal(sent.length, 1, `time ${i}`);
      const { header } = parseHeader(sent[0]!);
      assert.deepEqual([header.connectionId, header.nr], [77, 2]);
    }
    sent.length = 0;
    net.inject(b, stop(version, 77, localId), { ...stranger, port: 1702 });
    assert.deepEqual(sent, [], "to nobody else");
    net.run(net.now + 40_000);
    net.inject(b, stop(version, 77, localId), stranger);
    assert.deepEqual(sent, [], "nor for ever");
  }
});

Deno.test("Lcce keeps no connection of who could not prove itself, and says so again where that was lost (v2)", () => {
  const settings = testSettings({ version: 2, secret });
  const { net, b, sent } = alone(settings, { ...generous, halfOpenPerAddress: 10 });
  for (let id = 1; id <= 500; id++) {
    sent.length = 0;
    net.inject(b, request(settings, id), stranger);
    const { localId } = connectionsOf(b)[0]!;
    const wrong = message(2, "SCCCN", { challengeResponse: new Uint8Array(16) }, {
      connectionId: localId,
      ns: 1,
      nr: 1,
    });
    for (let i = 0; i < 2; i++) {
      net.inject(b, wrong, stranger);
      const parsed = parseBody(parseHeader(sent.at(-1)!).body, { version: 2 });
      assert.ok(parsed.kind === "message" && parsed.message.type === "StopCCN");
      assert.equal(parsed.message.avps.resultCode?.result, 4);
    }
    assert.equal(sent.length, 3);
    assert.equal(connectionsOf(b).length, 0);
    b.events.length = 0;
  }
  net.run(net.now + 300_000);
  assert.equal(b.lcce.deadline(), undefined, "no timer is left");
});

Deno.test("Lcce looks at no SCCRQ that is longer than any that is meant", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, b, sent } = alone(settings);
    const body = parseHeader(request(settings, 5)).body;
    const avp = Uint8Array.of(4, 0, 0x12, 0x34, 0, 1, ...new Uint8Array(1018));
    const long = new Uint8Array(body.length + 60 * avp.length);
    long.set(body);
    for (let i = 0; i < 60; i++) long.set(avp, body.length + i * avp.length);
    const header = { version, connectionId: 0, sessionId: 0, ns: 0, nr: 0 };
    net.inject(b, emitMessage(header, long), stranger);
    assert.deepEqual([connectionsOf(b).length, sent.length], [0, 0]);
    assert.deepEqual(drops(b), { "too-long": 1 });
  }
});

Deno.test("Lcce keeps little of what a peer that proved nothing sends before its turn", () => {
  const settings = testSettings({ version: 2, receiveWindow: 128 });
  const { net, b } = alone(settings);
  net.inject(b, request(settings, 5), stranger);
  const { localId: connectionId, counters } = connectionsOf(b)[0]!;
  const calledNumber = "x".repeat(1000);
  for (let ns = 2; ns < 128; ns++) {
    const avps = { assignedSessionId: ns, callSerialNumber: ns, calledNumber };
    net.inject(b, message(2, "ICRQ", avps, { connectionId, ns, nr: 1 }), stranger);
  }
  assert.ok(counters.outOfOrder * 1000 <= 4096, `${counters.outOfOrder} were kept`);
  assert.equal(counters.outsideWindow, 126 - counters.outOfOrder);
  // And where it proves itself, what was not kept is sent again, and nothing is lost.
  net.inject(b, message(2, "SCCCN", {}, { connectionId, ns: 1, nr: 1 }), stranger);
  assert.equal(up(b).length, 1);
});

Deno.test("Lcce sends no more than three times what came from somebody who proved nothing, whatever its settings", () => {
  for (const version of versions) {
    for (const attempts of [3, 30]) {
      const settings = testSettings({
        version,
        retransmitMs: 100,
        retransmitCapMs: 8_000,
        attempts,
        establishMs: 300_000,
        ...(version === 2 && { secret }),
      });
      const { net, b, sent } = alone(settings);
      const data = request(settings, 5);
      const octets = () => sent.reduce((sum, { length }) => sum + length, 0);
      for (let times = 1; times <= 4; times++) {
        net.inject(b, data, stranger);
        assert.equal(parseHeader(sent.at(-1)!).header.nr, 1, "it is answered at once each time");
        net.run(net.now + 20_000);
        assert.ok(octets() <= 3 * times * data.length, `${octets()} for ${times} × ${data.length}`);
        assert.ok(sent.length <= 3 * times, `${sent.length} datagrams`);
      }
      net.run(net.now + 600_000);
      assert.ok(octets() <= 12 * data.length);
      assert.equal(connectionsOf(b).length, 0);
    }
  }
});

Deno.test("Lcce's first SCCRP always goes, and a refusal is no longer than three times the SCCRQ", () => {
  const settings = testSettings({ hostName: "h".repeat(900), vendorName: "v".repeat(900) });
  const { net, b, sent } = alone(settings);
  net.inject(b, request(testSettings({ hostName: "a", vendorName: "" }), 5), stranger);
  net.run(net.now + 100_000);
  const parsed = sent.map((data) => parseBody(parseHeader(data).body, { version: 2 }));
  const types = parsed.map((one) => one.kind === "message" ? one.message.type : one.kind);
  assert.deepEqual(types, ["SCCRP"]);

  const refusing = new Netsim(1);
  const result = { result: 2, error: 4, message: "no ".repeat(150) };
  const c = refusing.add(B, { policy: () => ({ kind: "refuse", result }), limits: generous });
  const said: Uint8Array[] = [];
  refusing.tap = (_from, _to, data) => (said.push(data), true);
  const small = request(testSettings({ hostName: "a", vendorName: "" }), 5);
  refusing.inject(c, small, stranger);
  assert.equal(said.length, 1);
  assert.ok(said[0]!.length <= 3 * small.length);
});

Deno.test("Lcce dials on in v3 whatever somebody says in v2 who does not know the secret, and takes an answer in v3", () => {
  const settings = testSettings({ version: 3, fallback: true, secret });
  const v2 = testSettings({ version: 2 });
  const { net, a, b } = pair(settings);
  net.conditions = { loss: 0, duplication: 0, delayMs: [500, 500] };
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(10);
  const { ids } = a.lcce.connection(connection)!;
  const header = { version: 2, connectionId: ids[2]!, sessionId: 0, ns: 0, nr: 1 } as const;
  const peer = { address: B, port: 1701 };
  const introduction = dialects[2].introduce({ settings: v2, localId: 9 });
  const replies = [introduction, { ...introduction, challengeResponse: new Uint8Array(16) }];
  for (const avps of replies) {
    net.inject(a, emitMessage(header, emitBody(messageOf(2, "SCCRP", avps))), peer);
  }
  // 20 octets: a header and a Message Type.
  const bare = Uint8Array.of(0x80, 8, 0, 0, 0, 0, 0, 2);
  net.inject(a, emitMessage(header, bare), peer);
  assert.equal(drops(a)["unproven-fallback"], 3);
  net.inject(a, stop(2, 9), peer);
  assert.equal(drops(a)["unproven-stop"], 1);
  assert.deepEqual(connectionStates(a), ["wait-ctl-reply"]);
  net.run(5_000);
  assert.equal(up(a)[0]?.settings.version, 3);
  assert.equal(callsUp(b).length, 1);
});

Deno.test("Lcce's dial ends by a StopCCN that names our id, and the next one asks for v3 again", () => {
  const settings = testSettings({ version: 3, fallback: true, secret });
  const { net, a, b } = pair(settings);
  b.unreachable = true;
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  net.run(10);
  const { ids } = a.lcce.connection(connection)!;
  net.inject(a, stop(2, 9, ids[2]!), { address: B, port: 1701 });
  // Its Ns is 1: it waits for its turn; the one with 0 comes.
  net.inject(
    a,
    message(2, "StopCCN", dialects[2].stop(9, { result: 4 }), { connectionId: ids[2]!, nr: 1 }),
    { address: B, port: 1701 },
  );
  assert.equal(connectionCauses(a)[0]?.by, "peer");
  b.unreachable = false;
  a.lcce.dial(settings, net.path(A, B), net.now);
  net.run(net.now + 5_000);
  assert.equal(up(a)[0]?.settings.version, 3);
});

Deno.test("Lcce with a secret dials on, whoever says StopCCN to tunnel id 0", () => {
  for (const version of versions) {
    const settings = testSettings({ version, secret });
    const { net, a, b } = pair(settings);
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(5);
    net.inject(a, stop(version, 9), { address: B, port: 1701 });
    assert.deepEqual(connectionCauses(a), []);
    net.run(5_000);
    assert.equal(up(b).length, 1);
  }
});

Deno.test("Lcce answers no challenge that is one of its own: nobody comes up by sending it back", () => {
  for (const version of versions) {
    const settings = testSettings({ version, secret, tieBreaker: false });
    const net = new Netsim(1);
    const b = net.add(B, { policy: () => ({ kind: "accept", settings }), limits: generous });
    const sent: Uint8Array[] = [];
    net.tap = (_from, _to, data) => (sent.push(data.slice()), false);
    // We dial; what we send comes back to us, as if the peer asked for a tunnel of its own.
    b.lcce.dial(settings, net.path(B, A), 0);
    net.run(5);
    net.inject(b, sent[0]!, { address: A, port: 1701 });
    assert.equal(drops(b)["refused-request"], 1);
    assert.equal(connectionsOf(b).length, 1);
    for (const data of sent.slice(1)) {
      const parsed = parseBody(parseHeader(data).body, { version });
      assert.ok(parsed.kind === "message" && parsed.message.type === "StopCCN");
      assert.equal(parsed.message.avps.challengeResponse, undefined);
    }
  }
});

Deno.test("Lcce answers no challenge of its own in an SCCRP either (v2)", () => {
  const settings = testSettings({ version: 2, secret, tieBreaker: false });
  const net = new Netsim(1);
  const b = net.add(B, { policy: () => ({ kind: "accept", settings }), limits: generous });
  const sent: Uint8Array[] = [];
  net.tap = (_from, _to, data) => (sent.push(data.slice()), false);
  const peer = { address: A, port: 1701 };
  // The peer wants a tunnel: we challenge it. We want one as well, and it hands that challenge to us.
  net.inject(b, request(settings, 5), peer);
  const challengeOf = (data: Uint8Array) =>
    parseAvps(parseHeader(data).body).find(({ type }) => type === 11)!.value;
  const ours = challengeOf(sent[0]!);
  const connection = b.lcce.dial(settings, net.path(B, A), 0);
  net.run(5);
  const reply = {
    ...dialects[2].introduce({ settings, localId: 6, nonce: ours }),
    challengeResponse: new Uint8Array(16),
  };
  const connectionId = b.lcce.connection(connection)!.localId;
  sent.length = 0;
  net.inject(b, message(2, "SCCRP", reply, { connectionId, nr: 1 }), peer);
  assert.match(connectionCauses(b)[0]!.result.message!, /one of ours/);
  assert.ok(
    sent.every((data) => parseAvps(parseHeader(data).body).every(({ type }) => type !== 13)),
  );
});

Deno.test("Lcce remembers its challenge only until it was answered", () => {
  for (const version of versions) {
    const settings = testSettings({ version, secret, tieBreaker: false });
    const { net, a } = pair(settings);
    const sent: Uint8Array[] = [];
    net.tap = (from, _to, data) => (from === A && sent.push(data.slice()), true);
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(5_000);
    assert.equal(up(a).length, 1);
    // What A said first comes to A itself: it is old by now, and one more request to answer.
    net.inject(a, sent[0]!, { address: "10.0.0.9", port: 1701 });
    assert.deepEqual(drops(a), {});
    assert.equal(connectionsOf(a).length, 2);
  }
});

Deno.test("Lcce takes no message from UDP port 0, and no v2 straight on IP", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, b, sent } = alone(settings);
    net.inject(b, request(settings, 5), { ...stranger, port: 0 });
    assert.deepEqual(drops(b), { "port-zero": 1 });
    const path = { ...net.ipPath(B, A), local: B };
    b.lcce.receive(request(testSettings({ version: 2 }), 5), path, net.now);
    assert.deepEqual(drops(b), { "port-zero": 1, "v2-over-ip": 1 });
    assert.deepEqual([connectionsOf(b).length, sent.length], [0, 0]);
  }
});

Deno.test("Lcce reads nothing from an address that nobody is expected from", () => {
  const settings = testSettings();
  const net = new Netsim(1);
  let judged = 0;
  const b = net.add(B, {
    expects: ({ remote }) => remote.address === A ? "named" : "nobody",
    policy: () => (judged++, { kind: "accept", settings }),
    limits: generous,
  });
  acceptEverything(b);
  const a = net.add(A, { policy: () => ({ kind: "ignore" }), limits: generous });
  acceptEverything(a);
  net.inject(b, request(settings, 5), stranger);
  assert.deepEqual([judged, drops(b)["unknown-peer"]], [0, 1]);
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(1_000);
  assert.equal(sessions(b).length, 1);
  // Whom we dial may be anywhere: nobody else is expected from there.
  const dialed = b.lcce.dial(settings, net.path(B, stranger.address), net.now);
  net.inject(b, message(2, "StopCCN", dialects[2].stop(9, { result: 4 }), { nr: 1 }), stranger);
  assert.equal(b.lcce.connection(dialed)?.state, "closed");
});

Deno.test("Lcce.sort() tells proven peers' datagrams from all others, and drops what nobody wants", () => {
  for (const version of versions) {
    const settings = testSettings({ version, secret });
    const { b, net } = connected(settings);
    const [connectionId, from] = [up(b)[0]!.localId, up(b)[0]!.path];
    const elsewhere = { ...from, remote: stranger };
    const hello = message(version, "HELLO", {}, { connectionId });
    assert.equal(b.lcce.sort(hello, from, net.now), "proven");
    assert.equal(b.lcce.sort(hello, elsewhere, net.now), undefined);
    assert.equal(b.lcce.sort(message(version, "HELLO", {}), from, net.now), undefined);
    const unknown = message(version, "HELLO", {}, { connectionId: connectionId ^ 1 });
    assert.equal(b.lcce.sort(unknown, from, net.now), undefined);
    assert.equal(b.lcce.sort(Uint8Array.of(1, 2, 3), from, net.now), undefined);
    assert.equal(b.lcce.sort(request(settings, 9), elsewhere, net.now), "stranger");
    assert.equal(b.lcce.sort(stop(version, 9), elsewhere, net.now), "stranger");
    assert.deepEqual(drops(b), {
      "wrong-source": 1,
      "not-a-request": 1,
      "unknown-connection": 1,
      malformed: 1,
    });
    const open = testSettings({ version });
    const { net: other, b: half } = alone(open);
    other.inject(half, request(open, 5), stranger);
    const reply = message(version, "SCCCN", {}, { connectionId: connectionsOf(half)[0]!.localId });
    assert.equal(half.lcce.sort(reply, { ...elsewhere, local: B }, other.now), "expected");
  }
});

Deno.test("Lcce tells who was still on its way up, and had to make room, as soon as it answers", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, b, sent } = alone(settings, { ...generous, halfOpenPerAddress: 1 });
    net.inject(b, request(settings, 5), stranger);
    const { localId } = connectionsOf(b)[0]!;
    net.inject(b, request(settings, 6), stranger);
    assert.deepEqual(connectionsOf(b).map(({ peerId }) => peerId), [5], "it has time to answer");
    net.run(net.now + 3_000);
    net.inject(b, request(settings, 6), stranger);
    assert.deepEqual(connectionsOf(b).map(({ peerId }) => peerId), [6]);
    assert.deepEqual(drops(b), { "half-open-limit": 2 });
    sent.length = 0;
    net.inject(b, message(version, "SCCCN", {}, { connectionId: localId, ns: 1, nr: 1 }), stranger);
    const { body, header } = parseHeader(sent[0]!);
    assert.deepEqual([header.connectionId, header.ns], [5, 1]);
    const parsed = parseBody(body, { version });
    assert.ok(parsed.kind === "message" && parsed.message.type === "StopCCN");
    const { error, result } = parsed.message.avps.resultCode!;
    assert.deepEqual([result, error], [2, 4]);
  }
});
