/** What becomes of calls: their sessions, events, log lines. Which are accepted is in `requested_calls.ts`. @module */

import type { CallRole } from "../../core/call.ts";
import { CdnResult } from "../../core/errors.ts";
import type { CallHandle, Cause, LcceEvent } from "../../core/events.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { Attachment } from "../../plugins/plugin.ts";
import type { CallFacts } from "../circuits/circuits.ts";
import type { ControlContext, ManagedCall, ManagedConnection } from "./context.ts";
import { endOf } from "./call_ends.ts";
import { endingOf } from "./events.ts";
import { failedWith, isFailure } from "./failures.ts";
import { makeRequestedCalls } from "./requested_calls.ts";

type CallEvent = Exclude<LcceEvent, { type: "connection-state" | "refused" }>;
type Of<Type extends CallEvent["type"]> = Extract<CallEvent, { type: Type }>;

export function makeCallHandler(
  context: ControlContext,
  lcce: Lcce,
): (event: CallEvent, now: number) => void {
  const handler = new CallHandler(context, lcce);
  return (event, now) => handler.handle(event, now);
}

class CallHandler {
  readonly #context: ControlContext;
  readonly #lcce: Lcce;
  readonly #requested: ReturnType<typeof makeRequestedCalls>;

  constructor(context: ControlContext, lcce: Lcce) {
    this.#context = context;
    this.#lcce = lcce;
    this.#requested = makeRequestedCalls(
      context,
      lcce,
      (link, cause, session, why) => this.#noteEnd(link, cause, session, { why }),
    );
  }

  handle(event: CallEvent, now: number): void {
    const { links, state } = this.#context;
    switch (event.type) {
      case "call-requested":
        return this.#requested(event, now);
      case "call-state":
        return this.#changed(event, now);
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
  }

  #changed(event: Of<"call-state">, now: number): void {
    const { bus, dialer, links, log, state } = this.#context;
    const { call: handle, cause } = event;
    const link = state.links.get(handle.connection);
    const call = link?.calls.get(handle.localSessionId);
    const wasUp = call?.upSince !== undefined;
    if (link && cause && isFailure(cause, wasUp)) {
      this.#noteEnd(link, cause, call?.name, { wasUp });
    }
    if (!link || !call) return;
    const ending = cause && endingOf(cause);
    const asking = event.state === "wait-reply" && this.#lcce.call(handle)?.role;
    if (asking === "outgoing-caller") links.expectCall(link, call);
    if (event.state === "established") this.#established(link, call, event, now);
    else if (event.session) this.#agreed(link, call, event);
    if (event.state === "closed") {
      links.closeCall(link, call, cause && endOf(cause), cause?.by === "connection");
      if (call.placed) dialer.ended(call.placed, call, cause);
    }
    bus.publish({
      type: "call-state",
      tunnel: link.name,
      peer: link.peer,
      tunnelId: this.#lcce.connection(link.handle)?.localId ?? 0,
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
  }

  /** It is agreed on what frames will be like: the peer is told to go on once they can be carried. */
  #agreed(link: ManagedConnection, call: ManagedCall, event: Of<"call-state">): void {
    const { driver, links } = this.#context;
    const of = this.#lcce.call(event.call);
    if (!of || !event.session) return;
    const connection = this.#lcce.connection(link.handle);
    const facts: CallFacts = {
      request: of.role.startsWith("incoming") ? "ICRQ" : "OCRQ",
      hostName: connection?.peer?.hostName ?? "",
      localHostName: connection?.settings.hostName ?? "",
      peerName: link.peer,
      said: of.said,
      serial: of.said.callSerialNumber ?? of.serial,
      tunnelGone: link.gone.promise,
      tell: (message, said) =>
        void driver.act((lcce, now) => lcce.tell(event.call, message, said, now)),
      carrier: (up) => driver.act((lcce, now) => lcce.setCircuitStatus(event.call, up, now)),
    };
    links.openCall(link, call, event.session, facts, (attachment) => {
      if (event.state !== "wait-proceed") return;
      driver.act((_, now) => this.#proceed(event.call, of.role, attachment, now));
    });
  }

  #proceed(handle: CallHandle, role: CallRole, { answered, say }: Attachment, now: number): void {
    const { driver } = this.#context;
    // It may have ended in a way that was not told yet.
    if (this.#lcce.call(handle)?.state !== "wait-proceed") return;
    if (role === "outgoing-answerer" && !answered) return this.#placesNone(handle, now);
    this.#lcce.proceed(handle, now, say);
    if (!answered || role !== "outgoing-answerer") return;
    answered.then((said) => {
      driver.act((lcce, now) => lcce.callConnected(handle, now, said));
    }).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      const result = { result: CdnResult.NoCarrier, message };
      driver.act((lcce, now) => lcce.closeCall(handle, result, now));
    });
  }

  /** The peer wants a call to be placed for it, and the circuit has nobody to call. */
  #placesNone(handle: CallHandle, now: number): void {
    const link = this.#context.state.links.get(handle.connection);
    const result = { result: CdnResult.NoFacilitiesNow, message: "the circuit places no calls" };
    const session = link?.calls.get(handle.localSessionId)?.name;
    if (link) this.#noteEnd(link, { by: "local", result }, session, { why: "places-no-calls" });
    this.#lcce.closeCall(handle, result, now);
  }

  #established(
    link: ManagedConnection,
    call: ManagedCall,
    event: Of<"call-state">,
    now: number,
  ): void {
    const { links, log } = this.#context;
    const of = this.#lcce.call(event.call);
    if (!of || !event.session) return;
    call.upSince = now;
    call.onSettled?.();
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
  }

  /** A call that was refused, or ended as none should. */
  #noteEnd(
    link: ManagedConnection,
    cause: Cause,
    session: string | undefined,
    { why, wasUp = false }: { readonly why?: string; readonly wasUp?: boolean },
  ): void {
    const connection = this.#lcce.connection(link.handle);
    if (!connection) return;
    const { path, peer } = connection;
    const other = { path, peer: link.peer, ...(peer && { hostName: peer.hostName }) };
    const failed = failedWith("call", cause, other, link.name, session);
    const { failures } = this.#context;
    failures.note(why ? { ...failed, reason: why } : failed, path.remote.address, { wasUp });
  }
}
