/** Sessions for tests of plugins: what their peers do, the test does. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import { frameTypeOf, type PseudowireType } from "../../core/pseudowire.ts";
import type { Attached, SessionFacts } from "../host/attachment.ts";
import type { HostedCircuit } from "../host/circuit.ts";
import type { PluginHost } from "../host/host.ts";
import type { PortId } from "../host/leaves.ts";
import { isRefusal, type Refusal } from "../session.ts";
import { settle, type World } from "./world.ts";

/** The largest frame that crosses the path of a {@linkcode TestSession}, unless it is changed. */
export const TEST_FRAME_MTU = 1460;

/** A session of a call, in a test's hands. */
export interface TestSession {
  readonly facts: SessionFacts;
  readonly id: PortId;
  /** What the circuit answered, once it did. */
  answer: Attached | Refusal | undefined;
  /** Why the host ended it. */
  ended: CallEnd | undefined;
  /** What the peer was told in SLI and WEN. */
  readonly told: { readonly message: CallMessage; readonly said: CallAvps }[];
  /** What the circuit said of its carrier, each time. */
  readonly carriers: boolean[];
  /** Asks a circuit. */
  attach(circuit: HostedCircuit, options?: object): Promise<Attached>;
  /** Frames that were sent to the peer. */
  readonly sent: Uint8Array[];
  /** Frames of the peer, to whoever takes them. */
  receive(...frames: Uint8Array[]): void;
  /** The peer says more. */
  hear(message: CallMessage, said: CallAvps): void;
  /** ICCN or OCCN comes. */
  connect(said?: CallAvps): Promise<void>;
  set(state: { up?: boolean; frameMtu?: number }): Promise<void>;
  /** The session ends (a CDN of the peer), and all is undone. */
  end(why?: CallEnd): Promise<void>;
}

/** What a session is, where a test cares. */
export interface TestSessionOptions {
  readonly name?: string;
  readonly pseudowireType: number;
  readonly request?: "ICRQ" | "OCRQ";
  readonly said?: CallAvps;
  readonly up?: boolean;
}

/** A session that asked for nothing yet. */
export function makeSession(
  world: World,
  host: PluginHost,
  { name = "branch/office", pseudowireType, request, said: first = {}, up: upFirst = true }:
    TestSessionOptions,
): TestSession {
  const frames = frameTypeOf(pseudowireType as PseudowireType);
  const id = world.sessionPort(frames);
  const state = { up: upFirst, frameMtu: TEST_FRAME_MTU };
  let said = first;
  const connected = Promise.withResolvers<CallAvps>();
  connected.promise.catch(() => {});
  if (request === undefined) connected.resolve(said);
  const owned = host.port(`session ${name}`, id, frames, () => state.frameMtu);
  const facts: SessionFacts = {
    id: `test-${id}`,
    name,
    pseudowireType,
    ...(request && { request }),
    tunnel: {
      name: name.split("/")[0]!,
      version: 3,
      peer: "10.77.0.2",
      local: "10.77.0.1",
      hostName: "peer",
      localHostName: "us",
      peerName: "branch",
    },
    get said() {
      return said;
    },
    port: owned.port,
    get up() {
      return state.up;
    },
    connected: () => connected.promise,
    tell: (message, said) => void session.told.push({ message, said }),
    carrier: (up) => void session.carriers.push(up),
  };
  const attached = () => session.answer && !isRefusal(session.answer) ? session.answer : undefined;
  const session: TestSession = {
    facts,
    id,
    answer: undefined,
    ended: undefined,
    told: [],
    carriers: [],
    async attach(circuit, options = {}) {
      session.answer = await circuit.attach(facts, options, (why) => session.ended = why);
      if (isRefusal(session.answer)) throw new Error(session.answer.refuse.message ?? "refused");
      await settle();
      return session.answer;
    },
    get sent() {
      return world.ports.get(id)?.sent ?? [];
    },
    receive(...frames) {
      world.deliver(id, ...frames);
    },
    hear(message, more) {
      said = { ...said, ...more };
      attached()?.heard(message, more);
    },
    async connect(more = {}) {
      said = { ...said, ...more };
      connected.resolve(said);
      attached()?.heard(request === "OCRQ" ? "OCCN" : "ICCN", more);
      await settle();
    },
    async set(next) {
      Object.assign(state, next);
      const one = attached();
      one?.changed().catch((error) => one.fail(error));
      await settle();
    },
    async end(why = { result: 3, message: "the test ends it" }) {
      connected.reject(new Error("the session ended"));
      await attached()?.end(why);
      owned.end();
      world.removeSessionPort(id);
    },
  };
  return session;
}
