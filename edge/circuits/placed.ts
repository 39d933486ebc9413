/** A call that a plugin placed: the session of it, in the plugin's own hands instead of a circuit's. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import { Failure } from "../../plugins/failure.ts";
import type { SessionFacts } from "../../plugins/host/attachment.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import type { PlaceEvents } from "../../plugins/host/leaves.ts";
import type { Attachment } from "../../plugins/plugin.ts";
import { type CircuitSession, LET_GO, type RunningCircuit } from "./attachable.ts";
import { type LiveSession, liveSession } from "./live_session.ts";

/** The session of a placed call, for the control plane. */
export interface PlacedSession extends RunningCircuit {
  /** Resolves when the peer agreed to it; rejects never: {@linkcode PlacedSession.closed} is called instead. */
  readonly agreed: Promise<SessionFacts>;
  /** Its owner lets the peer go on, with this. */
  proceed(say: CallAvps): void;
  /** The call has ended, or with its tunnel is `lost`: its owner is told, unless that asked for it. Comes before the session leaves the datapath. */
  closed(why: CallEnd, lost?: boolean): void;
  /** Its owner ends it: it is told nothing more. */
  abandon(): void;
}

/** @param waits whether the peer is told to go on by {@linkcode PlacedSession.proceed} only */
export function placedSession(
  host: PluginHost,
  id: string,
  waits: boolean,
  events: PlaceEvents,
): PlacedSession {
  return new OwnPlacedSession(host, id, waits, events);
}

class OwnPlacedSession implements PlacedSession {
  readonly plugin = "call";
  readonly agreed: Promise<SessionFacts>;
  readonly #host: PluginHost;
  readonly #id: string;
  readonly #waits: boolean;
  readonly #agreed = Promise.withResolvers<SessionFacts>();
  readonly #go = Promise.withResolvers<void>();
  #events: PlaceEvents | undefined;
  #attachment: Attachment | undefined;
  #session: LiveSession | undefined;

  constructor(host: PluginHost, id: string, waits: boolean, events: PlaceEvents) {
    this.#host = host;
    this.#id = id;
    this.#waits = waits;
    this.#events = events;
    this.agreed = this.#agreed.promise;
    this.#go.promise.catch(() => {});
  }

  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  async attach(given: CircuitSession): Promise<void> {
    this.#session = liveSession(this.#host, given, this.#id);
    this.#agreed.resolve(this.#session.facts);
    if (this.#waits) await this.#go.promise;
    else this.#attachment = {};
  }

  proceed(say: CallAvps): void {
    this.#attachment = { say };
    this.#go.resolve();
  }

  closed(why: CallEnd, lost = false): void {
    const events = this.#events;
    this.#events = undefined;
    events?.ended(why, lost);
  }

  abandon(): void {
    this.#events = undefined;
  }

  // deno-lint-ignore require-await
  async detach(why: CallEnd = LET_GO): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#attachment = undefined;
    this.closed(why);
    const gone = new Failure("unavailable", why.message ?? "the call has ended");
    this.#go.reject(gone);
    session?.ended.reject(gone);
    session?.port.end();
  }

  // deno-lint-ignore require-await
  async setFrameMtu(bytes: number): Promise<void> {
    const state = this.#session?.state;
    if (!state || state.frameMtu === bytes) return;
    state.frameMtu = bytes;
    this.#events?.changed();
  }

  setUp(up: boolean): void {
    const state = this.#session?.state;
    if (!state || state.up === up) return;
    state.up = up;
    this.#events?.changed();
  }

  hear(message: CallMessage, said: CallAvps): void {
    const session = this.#session;
    if (!session) return;
    session.state.said = { ...session.state.said, ...said };
    if (message === "ICCN" || message === "OCCN") session.ended.resolve(session.state.said);
    // The ICCN of a call that we placed is our own.
    if (message !== "ICCN") this.#events?.heard(message, said);
  }

  reconfigure(): Promise<boolean> {
    return Promise.resolve(false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.detach();
  }
}
