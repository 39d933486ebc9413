/** Which of the calls that peers ask for are accepted, and whose circuits they may take over. @module */

import type { PeerCall } from "../../core/call.ts";
import { CdnResult, type Result } from "../../core/errors.ts";
import type { CallHandle, Cause, LcceEvent } from "../../core/events.ts";
import type { Lcce } from "../../core/lcce.ts";
import { reasonOf } from "../../core/refusals.ts";
import { nameSchema } from "../config/attributes.ts";
import { isBroken, provision } from "./call_template.ts";
import type { CallTemplate, ControlContext, ManagedConnection, PlacedCall } from "./context.ts";
import { endingOf } from "./events.ts";
import { makeManagedCall } from "./managed_connection.ts";
import { callParameters, refusalOf } from "./parameters.ts";
import { matchCall } from "./peers.ts";
import { isProvenSame, SAME_SILENCE_MS } from "./takeover.ts";

type RequestEvent = Extract<LcceEvent, { type: "call-requested" }>;

/** Notes a call that was refused, under the word `why`. */
type NoteEnd = (
  link: ManagedConnection,
  cause: Cause,
  session: string | undefined,
  why: string,
) => void;

/** What is said in a call whose circuit its peer has for a newer one. */
const TAKEN_OVER: Result = {
  result: CdnResult.Administrative,
  message: "its circuit was taken over by a newer call of the same peer",
};

export function makeRequestedCalls(
  context: ControlContext,
  lcce: Lcce,
  noteEnd: NoteEnd,
): (event: RequestEvent, now: number) => void {
  const requests = new RequestedCalls(context, lcce, noteEnd);
  return (event, now) => requests.decide(event, now);
}

class RequestedCalls {
  readonly #context: ControlContext;
  readonly #lcce: Lcce;
  readonly #noteEnd: NoteEnd;

  constructor(context: ControlContext, lcce: Lcce, noteEnd: NoteEnd) {
    this.#context = context;
    this.#lcce = lcce;
    this.#noteEnd = noteEnd;
  }

  /** Accepts a call, or refuses it. @param claimed its circuit was claimed, and who has it is there, or has left */
  decide(event: RequestEvent, now: number, claimed?: "held" | "left"): void {
    const { random, state } = this.#context;
    const { call: handle, request } = event;
    const link = state.links.get(handle.connection);
    const peer = link && state.peers.get(link.peer);
    if (!link || this.#lcce.call(handle)?.state !== "deciding") return;
    if (!peer) {
      // A server that is called, and of whom no file says what it may call.
      const message = "no such call";
      const result = { result: CdnResult.InvalidDestination, message };
      return this.#refuse(event, link, result, "no-such-call", now);
    }
    if (link.waiting) {
      return void link.waiting.push((_lcce, now) => this.decide(event, now));
    }
    const refuse = (result: Result, why: string) => this.#refuse(event, link, result, why, now);
    const placed = configured(link, request);
    const accepted = matchCall(peer.config.accept, request);
    const template = placed?.template ?? (accepted && peer.templates.get(accepted));
    if (!template) {
      const message = "no such call";
      return refuse({ result: CdnResult.InvalidDestination, message }, "no-such-call");
    }
    const refusal = refusalOf(template.call, link.version, request);
    if (refusal) return refuse(refusal, reasonOf(refusal));
    if (isBroken(template)) {
      this.#repair(template);
      const message = "the circuit is not there";
      return refuse({ result: CdnResult.NoFacilitiesNow, message }, "circuit-down");
    }
    const name = placed ? template.call.name : nameFor(link, handle, request);
    const full = template.circuit?.refusal();
    if (full) {
      if (claimed === "held") return refuse(heldBy(full), "circuit-held");
      if (claimed || !this.#claim(event, link, template, now)) refuse(full, "circuit");
      return;
    }

    const call = makeManagedCall(link, handle.localSessionId, name, template, placed);
    if (placed) placed.call = call;
    this.#lcce.acceptCall(handle, callParameters(template.call, link.version, random), now);
  }

  #refuse(
    { call: handle, request }: RequestEvent,
    link: ManagedConnection,
    result: Result,
    why: string,
    now: number,
  ): void {
    this.#noteEnd(link, { by: "local", result }, request.name, why);
    const ending = endingOf({ by: "local", result });
    this.#context.bus.publish({
      type: "call-state",
      tunnel: link.name,
      peer: link.peer,
      tunnelId: this.#lcce.connection(link.handle)?.localId ?? 0,
      session: request.name,
      sessionId: handle.localSessionId,
      state: "closed",
      ending,
    });
    this.#lcce.closeCall(handle, result, now);
  }

  /**
   * A circuit takes no more sessions: calls of other connections that have it may be of a peer that crashed and is back
   * (see `takeover.ts`). They are asked, for two tunnels of one peer that both live would take it from each other for
   * ever. False: there is none.
   */
  #claim(
    event: RequestEvent,
    link: ManagedConnection,
    template: CallTemplate,
    now: number,
  ): boolean {
    const { driver, state, takeover } = this.#context;
    const newer = this.#lcce.connection(link.handle);
    const holders = [...new Set(template.calls.values())]
      .filter((other) => other !== link && other.established);
    if (!newer) return false;
    if (holders.length === 0) {
      const leaving = [...state.links.values()].filter(({ leaving }) => leaving.size > 0);
      if (leaving.length === 0) return false;
      this.#decideAfter(leaving, event);
      return true;
    }
    // One that is back has a connection that is younger than what it left behind.
    const heldSince = (holder: ManagedConnection) =>
      Math.min(
        ...[...template.calls].map(([call, of]) => of === holder ? call.upSince ?? now : now),
      );
    const silent = new Set(holders.filter((holder) => {
      const older = this.#lcce.connection(holder.handle);
      return older && isProvenSame(newer, older) && heldSince(holder) <= (link.upSince ?? now);
    }));
    for (const own of silent) takeover.ask([own], () => silent.delete(own));
    takeover.ask(holders, (ended) => {
      if (ended) this.#decideAfter([ended], event);
      else driver.defer((_lcce, now) => this.decide(event, now, "held"));
    });
    if (silent.size > 0) {
      // A job, so that what it ends is told of before the next one.
      const take = (_lcce: Lcce, now: number) =>
        this.#takeFrom([...silent][0], template, event, now);
      driver.schedule({ due: () => driver.defer(take) }, now + SAME_SILENCE_MS);
    }
    return true;
  }

  /** The peer's own former connection has been silent: its call gives way, and it is asked on. */
  #takeFrom(
    former: ManagedConnection | undefined,
    { calls }: CallTemplate,
    event: RequestEvent,
    now: number,
  ): void {
    if (!former || this.#lcce.call(event.call)?.state !== "deciding") return;
    for (const [{ handle }, holder] of [...calls]) {
      if (holder === former) this.#lcce.closeCall(handle, TAKEN_OVER, now);
    }
    this.#decideAfter([former], event);
  }

  /** Decides again once what leaves these connections has left. */
  #decideAfter(left: readonly ManagedConnection[], event: RequestEvent): void {
    const { driver } = this.#context;
    driver.defer(() =>
      void Promise.all(left.flatMap(({ closing, leaving }) => [closing, ...leaving])).then(() =>
        driver.defer((_lcce, now) => this.decide(event, now, "left"))
      )
    );
  }

  #repair(template: CallTemplate): void {
    const { circuits, endCalls, log } = this.#context;
    const broken = ({ message }: Error) =>
      endCalls(template, { result: CdnResult.LossOfCarrier, message });
    provision(template, circuits, broken).catch((error: unknown) =>
      log.warn("cannot make a circuit", {
        path: template.path,
        reason: error instanceof Error ? error.message : String(error),
      })
    );
  }
}

/** What a call is told whose circuit others have, who are there. */
function heldBy(full: Result): Result {
  return { ...full, message: `${full.message ?? "the circuit is full"}: who has it is there` };
}

/** A call of the peer that we would have placed ourselves. */
function configured(
  { managed }: ManagedConnection,
  { name }: PeerCall,
): PlacedCall | undefined {
  for (const placed of managed && name !== "" ? managed.placedCalls.values() : []) {
    if (placed.template.call.remoteEndId !== name) continue;
    if (!placed.call && !placed.gone) return placed;
  }
}

/** What the peer calls it, where that can be a name and is none yet in this tunnel; else by its id. */
function nameFor(
  { names }: ManagedConnection,
  { localSessionId }: CallHandle,
  { name }: PeerCall,
): string {
  const taken = (candidate: string) =>
    !nameSchema.safeParse(candidate).success || names.has(candidate);
  if (!taken(name)) return name;
  const numbered = `${name}-${localSessionId}`;
  return taken(numbered) ? `session-${localSessionId}` : numbered;
}
