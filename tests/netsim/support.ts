/** Pairs of LCCEs on a network in virtual time, and what to read off them. @module */

import assert from "node:assert/strict";
import type { CallHandle, ConnectionState, LcceEvent } from "../../core/events.ts";
import { emitMessage } from "../../core/wire/header.ts";
import type { AdmissionLimits } from "../../core/limits.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { CallParameters, PeerSettings, SessionParameters } from "../../core/settings.ts";
import { type Conditions, Netsim, type Node, perfect, testCall } from "../../core/testing.ts";

export const A = "10.0.0.1";
export const B = "10.0.0.2";
export const versions: readonly ProtoVersion[] = [2, 3];

/** Limits that no test meets by accident. */
export const generous: AdmissionLimits = {
  halfOpen: 1000,
  halfOpenPerAddress: 1000,
  requestsPerSecond: 1e6,
};

export const secretOf = (text: string) => new TextEncoder().encode(text);

export interface Pair {
  readonly net: Netsim;
  readonly a: Node;
  readonly b: Node;
}

export interface PairOptions {
  readonly seed?: number;
  readonly conditions?: Conditions;
  /** How B treats A; like A treats B where absent. */
  readonly theirs?: PeerSettings;
  /** What calls are accepted with. */
  readonly answer?: CallParameters;
  readonly hearsSessions?: boolean;
}

/** Two LCCEs; both accept each other, and every call. */
export function pair(settings: PeerSettings, options: PairOptions = {}): Pair {
  const { seed = 1, conditions = perfect, theirs = settings, answer = testCall() } = options;
  const net = new Netsim(seed, conditions);
  const { hearsSessions = false } = options;
  const common = { limits: generous, hearsSessions };
  const a = net.add(A, { policy: () => ({ kind: "accept", settings }), ...common });
  const b = net.add(B, { policy: () => ({ kind: "accept", settings: theirs }), ...common });
  for (const node of [a, b]) acceptEverything(node, answer);
  return { net, a, b };
}

/** Has a node accept every call, proceed with it, and say of outgoing ones that they were answered. */
export function acceptEverything(node: Node, answer: CallParameters = testCall()): void {
  node.onEvent = (event, now) => {
    if (event.type === "call-requested") node.lcce.acceptCall(event.call, answer, now);
    goOn(node, event, now);
  };
}

/** Has a node proceed with a call that waits for it. */
export function goOn({ lcce }: Node, event: LcceEvent, now: number): void {
  if (event.type !== "call-state" || event.state !== "wait-proceed") return;
  const outgoing = lcce.call(event.call)?.role === "outgoing-answerer";
  if (lcce.call(event.call)) lcce.proceed(event.call, now);
  if (outgoing) lcce.callConnected(event.call, now);
}

/** A pair whose tunnel from A to B is up, with a call of A's. */
export function connected(
  settings: PeerSettings,
  options: PairOptions = {},
): Pair & { readonly connection: number; readonly call: CallHandle } {
  const { net, a, b } = pair(settings, options);
  const connection = a.lcce.dial(settings, net.path(A, B), net.now);
  const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
  net.run(net.now + 5_000);
  assert.equal(sessions(a).length, 1, "the call of A came up");
  assert.equal(sessions(b).length, 1, "the call came up at B");
  return { net, a, b, connection, call };
}

/**
 * Everything that two LCCEs say to each other, every message type among it: up, calls both ways, status, errors,
 * keepalive, down.
 * @param prepare gets the pair before anything is said
 */
export function converse(
  settings: PeerSettings,
  encap: "udp" | "ip",
  prepare: (pair: Pair) => void,
): Pair {
  const { net, a, b } = pair(settings);
  prepare({ net, a, b });
  const path = (from: string, to: string) =>
    encap === "ip" ? net.ipPath(from, to) : net.path(from, to);
  const connection = a.lcce.dial(settings, path(A, B), 0);
  const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(1_000);
  a.lcce.placeCall(connection, "outgoing-caller", testCall({ name: "5551234" }), net.now);
  net.run(2_000);
  assert.equal(sessions(a).length, 2, "both calls came up");
  a.lcce.setCircuitStatus(call, false, net.now);
  const callErrors = {
    crcErrors: 1,
    framingErrors: 2,
    hardwareOverruns: 3,
    bufferOverruns: 4,
    timeoutErrors: 5,
    alignmentErrors: 6,
  };
  a.lcce.tell(call, "WEN", { callErrors }, net.now);
  const theirs = {
    connection: [...b.lcce.connections()][0]!.handle,
    localSessionId: sessions(b)[0]!.localSessionId,
  };
  b.lcce.tell(theirs, "SLI", { accm: { send: 1, receive: 2 } }, net.now);
  net.run(100_000);
  a.lcce.closeCall(call, { result: 2, error: 6, message: "the line is down" }, net.now);
  net.run(101_000);
  b.lcce.closeConnection(theirs.connection, { result: 6, error: 0, message: "bye" }, net.now);
  net.run(102_000);
  return { net, a, b };
}

/** The states that a node's connections went through. */
export function connectionStates(node: Node): ConnectionState[] {
  return node.events.flatMap((event) => event.type === "connection-state" ? [event.state] : []);
}

/** Why a node's connections ended, in order. */
export function connectionCauses(node: Node) {
  return node.events.flatMap((event) =>
    event.type === "connection-state" && event.cause ? [event.cause] : []
  );
}

/** Why a node's calls ended, in order. */
export function callCauses(node: Node) {
  return node.events.flatMap((event) =>
    event.type === "call-state" && event.cause ? [event.cause] : []
  );
}

/** The sessions that came up at a node, in order. */
export function sessions(node: Node): SessionParameters[] {
  return node.events.flatMap((event) =>
    event.type === "call-state" && event.state === "established" ? [event.session!] : []
  );
}

/** The connections of a node that are up now. */
export function up(node: Node) {
  return [...node.lcce.connections()].filter(({ state }) => state === "established");
}

/** A node's calls that are up now. */
export function callsUp(node: Node) {
  return up(node).flatMap(({ calls }) =>
    [...calls.values()].filter(({ state }) => state === "established")
  );
}

/** What a node dropped, by reason. */
export function drops(node: Node): Record<string, number> {
  return Object.fromEntries(node.lcce.drops());
}

/** The events of one type. */
export function eventsOf<T extends LcceEvent["type"]>(node: Node, type: T) {
  return node.events.filter((event): event is LcceEvent & { type: T } => event.type === type);
}

/** Lets everything run out: no connection is left, and no deadline. */
export function assertIdle({ net, a, b }: Pair, what = ""): void {
  net.run(net.now + 400_000);
  for (const node of [a, b]) {
    assert.deepEqual([...node.lcce.connections()], [], what);
    assert.equal(node.lcce.deadline(), undefined, `${what}: a timer is left`);
  }
}

/** Octets that make the first draw of four be `id`. */
export function firstIs(id: number): (length: number) => Uint8Array {
  let state = id;
  let first = true;
  return (length) => {
    if (length === 4 && first) {
      first = false;
      return Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id);
    }
    return Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16;
    });
  };
}

/** Sends a message from A to B as A's next one, in A's name: A itself will not know. */
export function forge(
  { net, a, b }: Pair,
  body: Uint8Array,
  sessionId = 0,
): void {
  const { version } = up(b)[0]!.settings;
  const counters = up(a)[0]!.counters;
  const nr = counters.received;
  const header = { version, connectionId: up(b)[0]!.localId, sessionId, ns: counters.sent, nr };
  net.inject(b, emitMessage(header, body), { address: A, port: 1701 });
}
