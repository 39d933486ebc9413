/** Calls that plugins place: in tunnels that are up, or that are dialed for them and hung up when nobody needs them. @module */

import { formatEndId } from "../../core/wire/end_id.ts";
import type { CallAvps, CallEnd } from "../../core/wire/call_avps.ts";
import { CdnResult, StopResult } from "../../core/errors.ts";
import type { CallHandle } from "../../core/events.ts";
import type { PseudowireType } from "../../core/pseudowire.ts";
import type { PlacedLeaf, PlaceEvents } from "../../plugins/host/leaves.ts";
import { Failure } from "../../plugins/failure.ts";
import type { PlaceOptions, Refusal, ServerTarget, Target } from "../../plugins/plugin.ts";
import type { PlacedSession } from "../circuits/placed.ts";
import { plainCall } from "../config/calls.ts";
import { serverConfig } from "../config/server.ts";
import { endFor } from "./call_ends.ts";
import { makeCallTemplate } from "./call_template.ts";
import type {
  CalledServer,
  ControlContext,
  ManagedCall,
  ManagedConnection,
  ManagedTunnel,
} from "./context.ts";
import { makeManagedCall } from "./managed_connection.ts";
import { callParameters } from "./parameters.ts";
import { settingsFor } from "./peers.ts";

/** How long a tunnel that was dialed for calls stays up without one, in milliseconds. */
const IDLE_MS = 30_000;

/** Servers that the file does not name, at once. */
const MAX_SERVERS = 1024;

const IDLE = { result: StopResult.Clear, message: "no call needs it any more" };
const CALLED_OFF: CallEnd = { result: CdnResult.Administrative, message: "it was called off" };

/** How a call is asked for. */
export type PlaceRequest =
  & PlaceEvents
  & Pick<PlaceOptions, "pseudowireType" | "request" | "sequencing">;

export class PluginCalls {
  readonly #context: ControlContext;
  #lastServer = 0;

  constructor(context: ControlContext) {
    this.#context = context;
  }

  /** Places a call; the answer is that of its peer. @param signal calls it off */
  async place(
    target: Target,
    say: CallAvps,
    request: PlaceRequest,
    signal: AbortSignal,
  ): Promise<PlacedLeaf | Refusal> {
    const { driver, state } = this.#context;
    if (state.stopping) return refuse("we are stopping");
    const found = this.#find(target);
    if ("refuse" in found) return { ...found, noTunnel: true };
    const managed = "link" in found ? found.link.managed : found.managed;
    if (managed) managed.callers++;
    const release = () => {
      if (!managed || --managed.callers > 0) return;
      const item = { due: () => this.#hangUp(managed) };
      driver.schedule(item, driver.now() + IDLE_MS);
    };
    try {
      const link = "link" in found ? found.link : await this.#dialed(found.managed, signal);
      if ("refuse" in link) {
        release();
        return { ...link, noTunnel: true };
      }
      // Who answers may send at once: the datapath has to have the tunnel before.
      const entry = link.entry ?? await link.opening;
      if (!entry || !isUp(link) || signal.aborted) {
        release();
        if (signal.aborted) return { refuse: CALLED_OFF };
        return { ...refuse(`the tunnel ${link.name} ended`), noTunnel: true };
      }
      return await this.#place(link, say, request, signal, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** No call needs the tunnel: it is hung up, unless the file wants it up. */
  #hangUp(managed: ManagedTunnel): void {
    const { dialer, driver, state } = this.#context;
    if (managed.callers > 0) return;
    if (state.servers.delete(managed.config.name)) managed.gone = true;
    if (dialer.isWanted(managed) || !managed.link) return;
    const { handle } = managed.link;
    driver.act((lcce, now) => lcce.closeConnection(handle, IDLE, now));
  }

  /** The server that a target means, made where it is not there. @throws {Failure} where it cannot be */
  #server(target: ServerTarget): CalledServer {
    const { dialer, pseudowires, state } = this.#context;
    const { hostName, peerHostName, secret, server, share, version } = target;
    // Whom it is shared with must have said all the same, the secret too.
    const key = JSON.stringify([server, version, hostName, peerHostName, secret, share]);
    for (const known of state.servers.values()) if (known.key === key) return known;
    if (state.servers.size >= MAX_SERVERS) {
      throw new Failure("limit", `${MAX_SERVERS} servers that the file does not name are called`);
    }
    const name = `server-${++this.#lastServer}`;
    const { peer, tunnel } = serverConfig(target, name);
    const managed = dialer.makeManagedTunnel(tunnel, settingsFor(state.config, peer, pseudowires));
    const called = { key, peer, managed };
    state.servers.set(name, called);
    return called;
  }

  /** The tunnel that a target means: one that is up, or one to be dialed. */
  #find(target: Target): { link: ManagedConnection } | { managed: ManagedTunnel } | Refusal {
    const { links, managedTunnels, peers } = this.#context.state;
    if ("tunnel" in target) {
      const managed = managedTunnels.get(target.tunnel);
      if (managed) return this.#usable(managed);
      for (const link of links.values()) {
        if (link.name === target.tunnel && isUp(link)) return { link };
      }
      return refuse(`there is no tunnel ${target.tunnel}`);
    }
    if ("server" in target) return this.#usable(this.#server(target).managed);
    const { peer } = target;
    if (!peers.has(peer)) return refuse(`there is no peer ${peer}`);
    const usable = Array.from(managedTunnels.ofPeer(peer), (managed) => this.#usable(managed));
    // Of very many tunnels most are others': they are looked through only where none of the file's is up.
    const own = usable.flatMap((found) => "link" in found ? [found.link] : []);
    const all = own.length > 0
      ? own
      : [...links.values()].filter((link) => link.peer === peer && isUp(link));
    const [first, ...others] = all;
    if (first) {
      const link = others.reduce((a, b) => b.calls.size < a.calls.size ? b : a, first);
      return { link };
    }
    return usable.find((found) => !("refuse" in found)) ?? usable.at(-1) ??
      refuse(`no tunnel to ${peer} is up, and none is there to be dialed`);
  }

  #usable(
    managed: ManagedTunnel,
  ): { link: ManagedConnection } | { managed: ManagedTunnel } | Refusal {
    const { config: { mode, name }, held, link } = managed;
    if (link && isUp(link)) return { link };
    if (held) return refuse(`an operator ended the tunnel ${name}`);
    if (mode === "passive" && !link) return refuse(`the peer has not dialed the tunnel ${name}`);
    return { managed };
  }

  /** Waits until a tunnel is up. */
  #dialed(managed: ManagedTunnel, signal: AbortSignal): Promise<ManagedConnection | Refusal> {
    const { dialer, driver } = this.#context;
    const { promise, resolve } = Promise.withResolvers<ManagedConnection | Refusal>();
    const settle = (outcome: ManagedConnection | Refusal) => {
      managed.waiting.delete(waiter);
      signal.removeEventListener("abort", calledOff);
      resolve(outcome);
    };
    const calledOff = () => settle({ refuse: CALLED_OFF });
    const waiter = {
      up: (link: ManagedConnection) => settle(link),
      failed: (reason: string) => settle(refuse(`the tunnel did not come up: ${reason}`)),
    };
    if (signal.aborted) calledOff();
    else {
      signal.addEventListener("abort", calledOff);
      managed.waiting.add(waiter);
      const late = {
        due: () => {
          if (managed.waiting.has(waiter)) waiter.failed("it takes too long");
        },
      };
      // For the call, the time that its tunnel takes counts as well.
      const { callMs, establishMs } = managed.settings;
      driver.schedule(late, driver.now() + Math.min(callMs, establishMs));
      driver.defer(() => dialer.dial(managed));
    }
    return promise;
  }

  /** Places a call in a tunnel that is up. */
  async #place(
    link: ManagedConnection,
    say: CallAvps,
    request: PlaceRequest,
    signal: AbortSignal,
    release: () => void,
  ): Promise<PlacedLeaf | Refusal> {
    const { circuits, driver, random } = this.#context;
    const outgoing = request.request === "OCRQ";
    const called = nameOf(say, link);
    const config = plainCall(called, link.version, request.pseudowireType as PseudowireType, {
      sequencing: request.sequencing === true,
    });
    const answer = Promise.withResolvers<PlacedLeaf | Refusal>();
    const gone = Promise.withResolvers<void>();
    let agreed = false;
    let why: CallEnd | undefined;
    const session = circuits.placed(!outgoing, {
      changed: request.changed,
      heard: request.heard,
      ended(end, lost) {
        why = end;
        if (agreed) request.ended(end, lost);
        else answer.resolve({ refuse: end });
      },
    });
    const parameters = { ...callParameters(config, link.version, random), say };
    const role = outgoing ? "outgoing-caller" : "incoming-caller";
    const handle = driver.act((lcce, now) => lcce.placeCall(link.handle, role, parameters, now));
    const call = this.#manage(link, handle, config, session);
    call.onGone = () => {
      gone.resolve();
      release();
    };
    const end = (end: CallEnd) => {
      if (!call.closed) {
        driver.act((lcce, now) => lcce.closeCall(handle, endFor(link.version, end), now));
      }
      return gone.promise;
    };
    const calledOff = () => void end(CALLED_OFF);
    signal.addEventListener("abort", calledOff);
    if (signal.aborted) calledOff();
    void session.agreed.then((facts) => {
      agreed = true;
      answer.resolve({
        facts,
        proceed: (said) => this.#proceed(call, session, said, () => why),
        end(end_) {
          session.abandon();
          return end(end_);
        },
      });
    });
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener("abort", calledOff);
    }
  }

  #manage(
    link: ManagedConnection,
    { localSessionId }: CallHandle,
    config: ReturnType<typeof plainCall>,
    session: PlacedSession,
  ): ManagedCall {
    const name = `call-${localSessionId}`;
    const template = makeCallTemplate(`tunnels/${link.name}/sessions/${name}`, config);
    const call = makeManagedCall(link, localSessionId, name, template, undefined);
    call.owner = session;
    return call;
  }

  /** Lets the peer go on; resolves when that has left, or the call has ended. */
  async #proceed(
    call: ManagedCall,
    session: PlacedSession,
    said: CallAvps,
    ended: () => CallEnd | undefined,
  ): Promise<Refusal | undefined> {
    session.proceed(said);
    const up = Promise.withResolvers<void>();
    if (call.upSince !== undefined || call.closed || call.template.call.direction === "outgoing") {
      up.resolve();
    } else call.onSettled = up.resolve;
    await up.promise;
    if (!call.closed) return undefined;
    return {
      refuse: ended() ?? { result: CdnResult.LossOfCarrier, message: "the call has ended" },
    };
  }
}

function isUp({ closing, established, managed }: ManagedConnection): boolean {
  return established && !closing && !managed?.gone;
}

function refuse(message: string): Refusal {
  return { refuse: { result: CdnResult.NoFacilitiesNow, message } };
}

/** What the peer shall know the call by: Remote End ID (v3), Called Number (v2). */
function nameOf({ calledNumber, remoteEndId }: CallAvps, { version }: ManagedConnection): string {
  if (version === 2) return calledNumber ?? "";
  return remoteEndId ? formatEndId(remoteEndId) : calledNumber || "call";
}
