/** What LCCEs put on the wire where both ends of ours would agree on anything. */

import assert from "node:assert/strict";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { type AnyMessage, emitBody, type MessageType, parseBody } from "../../core/wire/message.ts";
import type { PeerSettings } from "../../core/settings.ts";
import { type Node, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  B,
  connectionCauses,
  connectionStates,
  converse,
  generous,
  type Pair,
  pair,
  secretOf,
  sessions,
} from "./support.ts";

interface Sent {
  readonly from: string;
  readonly at: number;
  readonly header: ReturnType<typeof parseHeader>["header"];
  readonly message: AnyMessage;
}

/** Collects the messages that pass from now on. */
function listen({ net }: Pick<Pair, "net">): Sent[] {
  const sent: Sent[] = [];
  net.tap = (from, _, data) => {
    const { header, body } = parseHeader(data);
    const parsed = parseBody(body, { version: header.version });
    if (parsed.kind === "message") {
      sent.push({ from, at: net.now, header, message: parsed.message });
    }
    return true;
  };
  return sent;
}

function conversation(settings: PeerSettings): Sent[] {
  let sent: Sent[] = [];
  converse(settings, "udp", (pair) => void (sent = listen(pair)));
  return sent;
}

const avpsOf = (sent: readonly Sent[], type: MessageType) =>
  sent.filter(({ message }) => message.type === type).map(({ message }) => message.avps);

Deno.test("Lcce asks for numbers in all frames by Data Sequencing Level 2 (RFC 3931 §5.4.4)", () => {
  const sent = conversation(testSettings({ version: 3 }));
  for (const type of ["ICRQ", "ICRP"] as const) {
    for (const avps of avpsOf(sent, type)) assert.equal(avps.dataSequencing, 2, type);
  }
});

Deno.test("Lcce sets Circuit Status's N bit in a call's request and reply only (RFC 3931 §5.4.5)", () => {
  const sent = conversation(testSettings({ version: 3 }));
  for (const type of ["ICRQ", "ICRP", "OCRQ", "OCRP"] as const) {
    for (const avps of avpsOf(sent, type)) assert.equal(avps.circuitStatus?.new, true, type);
  }
  const told = avpsOf(sent, "SLI").flatMap(({ circuitStatus }) => circuitStatus ?? []);
  assert.ok(told.length > 0);
  for (const status of told) assert.equal(status.new, false);
});

Deno.test("Lcce refuses an SCCRQ with Nr right behind its Ns (RFC 2661 §5.8)", () => {
  for (const version of [2, 3] as const) {
    const { net, a, b } = pair(testSettings({ version }));
    const request = emitBody({
      version,
      type: "SCCRQ",
      avps: version === 2
        ? { protocolVersion: 0x100, hostName: "a", framingCapabilities: 3, assignedTunnelId: 7 }
        : { hostName: "a", routerId: 1, assignedConnectionId: 7, pseudowireCapabilities: [5] },
      others: [],
    } as unknown as AnyMessage);
    // A mandatory AVP that nobody knows.
    const body = Uint8Array.of(...request, 0x80, 8, 0, 0, 0x7f, 0xff, 0, 0);
    const sent = listen({ net });
    for (const ns of [0, 9, 0xffff]) {
      const header = { version, connectionId: 0, sessionId: 0, ns, nr: 0 };
      net.inject(b, emitMessage(header, body), { address: a.address, port: 1701 });
      const refusal = sent.pop()!;
      assert.equal(refusal.message.type, "StopCCN");
      assert.deepStrictEqual(
        [refusal.header.connectionId, refusal.header.ns, refusal.header.nr],
        [7, 0, (ns + 1) & 0xffff],
      );
    }
  }
});

Deno.test("Lcce sends no HELLO while another message is unacknowledged", () => {
  for (const version of [2, 3] as const) {
    const settings = testSettings({ version, helloMs: 2_000, attempts: 8 });
    const { net, a, b } = pair(settings);
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1_000);
    const sent = listen({ net });
    b.unreachable = true;
    net.run(16_000);
    b.unreachable = false;
    // The last time it is sent again is at about 17 s; what had waited behind it would follow at once.
    net.run(17_500);
    const numbers = sent.filter(({ from, message }) => from === A && message.type === "HELLO")
      .map(({ header }) => header.ns);
    assert.ok(numbers.length > 2, `sent again ${numbers}`);
    assert.equal(new Set(numbers).size, 1, `HELLOs numbered ${numbers}`);
  }
});

Deno.test("Lcce gives up an SCCRQ's sender that is not heard again after establish-timeout", () => {
  for (const version of [2, 3] as const) {
    const settings = testSettings({ version, establishMs: 5_000, attempts: 20 });
    const { net, a, b } = pair(settings);
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(15);
    assert.deepStrictEqual(connectionStates(b), ["wait-ctl-conn"]);
    a.unreachable = true;
    net.run(4_900);
    assert.deepStrictEqual(connectionCauses(b), []);
    net.run(5_100);
    assert.deepStrictEqual(connectionCauses(b).map(({ by }) => by), ["timeout"]);
  }
});

Deno.test("Lcce takes a StopCCN to id 0 as an answer to its SCCRQ only from where it dialed", () => {
  for (const secret of [undefined, secretOf("secret")]) {
    const settings = testSettings({ ...(secret && { secret }) });
    const { net, a, b } = pair(settings);
    b.unreachable = true;
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(500);
    const body = emitBody({
      version: 2,
      type: "StopCCN",
      avps: { resultCode: { result: 1 }, assignedTunnelId: 9 },
      others: [],
    } as unknown as AnyMessage);
    const header = { version: 2, connectionId: 0, sessionId: 0, ns: 0, nr: 1 } as const;
    net.inject(a, emitMessage(header, body), { address: "10.9.9.9", port: 1701 });
    assert.deepStrictEqual(connectionCauses(a), []);
  }
});

/** Random octets that soon repeat themselves. */
function repeating(): (length: number) => Uint8Array {
  let drawn = 0;
  return (length) => new Uint8Array(length).fill(1 + drawn++ % 3);
}

Deno.test("Lcce gives no two sessions of v3 one id, in whatever tunnel, however the dice fall", () => {
  const settings = testSettings({ version: 3 });
  const { net, b } = pair(settings);
  const policy = () => ({ kind: "accept" as const, settings });
  const a: Node = net.add("10.0.0.3", { policy, random: repeating(), limits: generous });
  acceptEverything(a);
  for (let tunnel = 0; tunnel < 3; tunnel++) {
    const connection = a.lcce.dial(settings, net.path(a.address, b.address), net.now);
    for (let call = 0; call < 4; call++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${call}` }), net.now);
    }
    net.run(net.now + 1_000);
  }
  const ids = sessions(a).map(({ localSessionId }) => localSessionId);
  assert.equal(ids.length, 12);
  assert.equal(new Set(ids).size, 12, `${ids}`);
});
