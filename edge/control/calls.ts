/** What becomes of calls: which are accepted, their sessions, events, log lines. @module */

import type { CallRole, PeerCall } from "../../core/call.ts";
import { CdnResult, type Result } from "../../core/errors.ts";
import type { CallHandle, Cause, LcceEvent } from "../../core/events.ts";
import type { Lcce } from "../../core/lcce.ts";
import { reasonOf } from "../../core/refusals.ts";
import type { Attachment } from "../../plugins/plugin.ts";
import type { CallFacts } from "../circuits/circuits.ts";
import { nameSchema } from "../config/attributes.ts";
import type { ControlContext, ManagedCall, ManagedConnection, PlacedCall } from "./context.ts";
import { endingOf } from "./events.ts";
import { failedWith, isFailure } from "./failures.ts";
import { callParameters, refusalOf } from "./parameters.ts";
import { matchCall } from "./peers.ts";
import { type CallTemplate, isBroken, provision } from "./call_template.ts";
import { isProvenSame, SILENCE_MS } from "./takeover.ts";

type CallEvent = Exclude<LcceEvent, { type: "connection-state" | "refused" }>;
type Of<Type extends CallEvent["type"]> = Extract<CallEvent, { type: Type }>;

/** What is said in a call whose circuit its peer has for a newer one. */
const TAKEN_OVER: Result = {
  result: CdnResult.Administrative,
  message: "its circuit was taken over by a newer call of the same peer",
};

export function makeCallHandler(
  context: ControlContext,
  lcce: Lcce,
): (event: CallEvent, now: number) => void {
  const { bus, circuits, dialer, driver, failures, links, log, random, state, takeover } = context;
  const { endCalls } = context;
  /** A call of the peer that we would have placed ourselves. */
  const configured = (
    { managed }: ManagedConnection,
    { name }: PeerCall,
  ): PlacedCall | undefined => {
    for (const placed of managed && name !== "" ? managed.placedCalls.values() : []) {
      if (placed.template.call.remoteEndId !== name) continue;
      if (!placed.call && !placed.gone) return placed;
    }
  };

  /** A call that was refused, or ended as none should. */
  const noteEnd = (
    link: ManagedConnection,
    cause: Cause,
    session: string | undefined,
    why?: string,
  ) => {
    const connection = lcce.connection(link.handle);
    if (!connection) return;
    const { path, peer } = connection;
    const other = { path, peer: link.peer, ...(peer && { hostName: peer.hostName }) };
    const failed = failedWith("call", cause, other, link.name, session);
    failures.note(why ? { ...failed, reason: why } : failed, path.remote.address);
  };

  const requested = (
    event: Of<"call-requested">,
    now: number,
    again = false,
  ) => {
    const { call: handle, request } = event;
    const link = state.links.get(handle.connection);
    const peer = link && state.peers.get(link.peer);
    if (!link || !peer || lcce.call(handle)?.state !== "deciding") return;
    if (link.waiting) {
      return void link.waiting.push((_lcce, now) => requested(event, now));
    }
    const refuse = (result: Result, why: string) => {
      noteEnd(link, { by: "local", result }, request.name, why);
      const ending = endingOf({ by: "local", result });
      bus.publish({
        type: "call-state",
        tunnel: link.name,
        peer: link.peer,
        tunnelId: lcce.connection(link.handle)?.localId ?? 0,
        session: request.name,
        sessionId: handle.localSessionId,
        state: "closed",
        ending,
      });
      lcce.closeCall(handle, result, now);
    };
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
      repair(template);
      const message = "the circuit is not there";
      return refuse({ result: CdnResult.NoFacilitiesNow, message }, "circuit-down");
    }
    const name = placed ? template.call.name : nameFor(link, handle, request);
    const full = template.circuit?.refusal();
    if (full) {
      if (again || !claim(event, link, template, now)) refuse(full, "circuit");
      return;
    }

    const call = makeCall(link, handle, name, template, placed);
    if (placed) placed.call = call;
    lcce.acceptCall(handle, callParameters(template.call, link.version, random), now);
  };

  /**
   * A circuit takes no more sessions: calls of other connections that have it may be of a peer that crashed and is back
   * (see `takeover.ts`). False: there is none.
   */
  const claim = (
    event: Of<"call-requested">,
    link: ManagedConnection,
    template: CallTemplate,
    now: number,
  ): boolean => {
    const newer = lcce.connection(link.handle);
    const holders = [...state.links.values()].filter((other) =>
      other !== link && other.established && callsOf(other, template).length > 0
    );
    const leaving = [...state.links.values()].filter(({ leaving }) => leaving.size > 0);
    if (!newer || holders.length + leaving.length === 0) return false;
    const retry = (...left: readonly ManagedConnection[]) =>
      driver.defer(() =>
        void Promise.all(left.flatMap(({ closing, leaving }) => [closing, ...leaving])).then(() =>
          driver.defer((_lcce, now) => requested(event, now, true))
        )
      );
    if (holders.length === 0) {
      retry(...leaving);
      return true;
    }
    const own = holders.find(({ handle }) => {
      const older = lcce.connection(handle);
      return older && isProvenSame(newer, older);
    });
    if (own) {
      for (const { handle } of callsOf(own, template)) lcce.closeCall(handle, TAKEN_OVER, now);
      lcce.ask(own.handle, SILENCE_MS, now);
      retry(own);
    } else {
      takeover.ask(holders, (ended) => retry(ended ?? link));
    }
    return true;
  };

  const repair = (template: CallTemplate) => {
    const broken = ({ message }: Error) =>
      endCalls(template, { result: CdnResult.LossOfCarrier, message });
    provision(template, circuits, broken).catch((error: unknown) =>
      log.warn("cannot make a circuit", {
        path: template.path,
        reason: error instanceof Error ? error.message : String(error),
      })
    );
  };

  /** It is agreed on what frames will be like: the peer is told to go on once they can be carried. */
  const agreed = (
    link: ManagedConnection,
    call: ManagedCall,
    event: Of<"call-state">,
  ) => {
    const of = lcce.call(event.call);
    if (!of || !event.session) return;
    const facts: CallFacts = {
      request: of.role.startsWith("incoming") ? "ICRQ" : "OCRQ",
      hostName: lcce.connection(link.handle)?.peer?.hostName ?? "",
      said: of.said,
      tell: (message, said) =>
        void driver.act((lcce, now) => lcce.tell(event.call, message, said, now)),
    };
    links.openCall(link, call, event.session, facts, (attachment) => {
      if (event.state !== "wait-proceed") return;
      driver.act((_, now) => proceed(event.call, of.role, attachment, now));
    });
  };

  /** The peer wants a call to be placed for it, and the circuit has nobody to call. */
  const placesNone = (handle: CallHandle, now: number) => {
    const link = state.links.get(handle.connection);
    const result = { result: CdnResult.NoFacilitiesNow, message: "the circuit places no calls" };
    const session = link?.calls.get(handle.localSessionId)?.name;
    if (link) noteEnd(link, { by: "local", result }, session, "places-no-calls");
    lcce.closeCall(handle, result, now);
  };

  const proceed = (
    handle: CallHandle,
    role: CallRole,
    { answered, say }: Attachment,
    now: number,
  ) => {
    // It may have ended in a way that was not told yet.
    if (lcce.call(handle)?.state !== "wait-proceed") return;
    if (role === "outgoing-answerer" && !answered) return placesNone(handle, now);
    lcce.proceed(handle, now, say);
    if (!answered || role !== "outgoing-answerer") return;
    answered.then((said) => {
      driver.act((lcce, now) => lcce.callConnected(handle, now, said));
    }).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      const result = { result: CdnResult.NoCarrier, message };
      driver.act((lcce, now) => lcce.closeCall(handle, result, now));
    });
  };

  const established = (
    link: ManagedConnection,
    call: ManagedCall,
    event: Of<"call-state">,
    now: number,
  ) => {
    const of = lcce.call(event.call);
    if (!of || !event.session) return;
    call.upSince = now;
    if (call.template.call.recvSeq && !event.session.receiveSequence) {
      log.warn(
        "the peer was asked for sequence numbers and promises none: frames without are taken",
        {
          path: `tunnels/${link.name}/sessions/${call.name}`,
          peer: link.peer,
        },
      );
    }
    links.establishCall(link, call, event.session, of.peer.active);
    const message = of.role.startsWith("incoming") ? "ICCN" : "OCCN";
    links.hear(link, call, message, event.said ?? {});
  };

  const changed = (event: Of<"call-state">, now: number) => {
    const { call: handle, cause } = event;
    const link = state.links.get(handle.connection);
    const call = link?.calls.get(handle.localSessionId);
    if (link && cause && isFailure(cause, call?.upSince !== undefined)) {
      noteEnd(link, cause, call?.name);
    }
    if (!link || !call) return;
    const ending = cause && endingOf(cause);
    if (event.state === "established") established(link, call, event, now);
    else if (event.session) agreed(link, call, event);
    if (event.state === "closed") {
      links.closeCall(link, call);
      if (call.placed) dialer.ended(call.placed, call, cause);
    }
    bus.publish({
      type: "call-state",
      tunnel: link.name,
      peer: link.peer,
      tunnelId: lcce.connection(link.handle)?.localId ?? 0,
      session: call.name,
      sessionId: handle.localSessionId,
      state: event.state,
      ...(ending && { ending }),
    });
    const notable = event.state === "established" || event.state === "closed";
    log[notable ? "info" : "debug"](`call ${event.state}`, {
      path: `tunnels/${link.name}/sessions/${call.name}`,
      peer: link.peer,
      ...(ending && { reason: ending.reason }),
    });
  };

  return (event, now) => {
    switch (event.type) {
      case "call-requested":
        return requested(event, now);
      case "call-state":
        return changed(event, now);
      case "circuit-status": {
        const link = state.links.get(event.call.connection);
        const call = link?.calls.get(event.call.localSessionId);
        if (link && call) links.follow(link, call, event.active);
        return;
      }
      case "call-news": {
        const link = state.links.get(event.call.connection);
        const call = link?.calls.get(event.call.localSessionId);
        if (link && call) links.hear(link, call, event.message, event.said);
        return;
      }
    }
  };
}

function callsOf({ calls }: ManagedConnection, template: CallTemplate): ManagedCall[] {
  return [...calls.values()].filter((call) => call.template === template);
}

function makeCall(
  link: ManagedConnection,
  handle: CallHandle,
  name: string,
  template: CallTemplate,
  placed: PlacedCall | undefined,
): ManagedCall {
  const call: ManagedCall = {
    handle,
    name,
    template,
    placed,
    circuit: undefined,
    work: undefined,
    closed: false,
    upSince: undefined,
    onGone: undefined,
  };
  link.calls.set(handle.localSessionId, call);
  link.names.add(name);
  return call;
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
