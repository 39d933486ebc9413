/**
 * The control plane of the appliance: an LCCE, whom it talks to, and what becomes of its connections and calls. The
 * protocol is `core/`'s; the sockets, tunnels, sessions and circuits are those of static tunnels.
 *
 * @module
 */

import type { Row } from "../../plugins/plugin.ts";
import { CdnResult, type Result, StopResult } from "../../core/errors.ts";
import type { ConnectionState, LcceEvent } from "../../core/events.ts";
import { type ConnectionRequest, Lcce, type Verdict } from "../../core/lcce.ts";
import type { PathError } from "../datapath/datapath.ts";
import { forEach } from "../appliance/transaction.ts";
import { lookUp } from "../io/lookup.ts";
import { makeCallHandler } from "./calls.ts";
import { makeConnectionHandler } from "./connections.ts";
import { makeDialer } from "./dialer.ts";
import { type Driver, startDriver } from "./driver.ts";
import { makeEventBus, type SessionEvent, type Subscription } from "./events.ts";
import { failedOf, type FailureReport, makeFailures } from "./failures.ts";
import {
  makeManagedCall,
  makeManagedConnection,
  makeManagedConnections,
} from "./managed_connection.ts";
import { ManagedTunnels } from "./managed_tunnels.ts";
import { indexPeers } from "./peer_index.ts";
import { TUNNEL_LIMIT } from "./places.ts";
import { type Hearing, makeHearing } from "./hearing.ts";
import { bufferedRandom } from "./random.ts";
import { PluginCalls } from "./plugin_calls.ts";
import { makeReconciler, type Reconciler } from "./reconcile.ts";
import type { TunnelEntry } from "../sessions/table.ts";
import { byText, merged, NamedInOrder } from "../sorted.ts";
import { type ManagedState, stateOfOne, statesOf } from "./status.ts";
import { makeTakeover } from "./takeover.ts";
import { type Trace, Tracer } from "./trace.ts";
import type {
  CallTemplate,
  ControlContext,
  ControlDependencies,
  ControlState,
  Dialer,
  ManagedCall,
  ManagedConnection,
  ManagedConnections,
} from "./context.ts";
import { each, filtered, inSlices, type Slices } from "../slices.ts";

/** The control plane. Disposal ends every connection with a StopCCN and waits a second at most for the peers. */
export interface ControlPlane extends Pick<Reconciler, "part">, AsyncDisposable {
  /** Whether the tunnel of that name has a control connection, or is to have one. */
  owns(tunnel: string): boolean;
  /** All managed tunnels: those that are up, dialed or waiting. */
  states(): ReadonlyMap<string, ManagedState>;
  /** One of them; `entry` is its part in the datapath, while there is one. */
  stateOf(name: string, entry?: TunnelEntry): ManagedState | undefined;
  /** Those that are there whether they are up or not: their names after `name`, in order. */
  wanted(after: string): Iterable<string>;
  /** Ends a tunnel with a StopCCN; resolves once it has left the datapath. One that we dial stays down until a reload. */
  closeTunnel(tunnel: string, result: Result): Promise<void>;
  /** Ends a call with a CDN, by the session's name or id; false: there is none. */
  closeSession(tunnel: string, session: string, result: Result): Promise<boolean>;
  /** ICMP says that peers cannot be reached: they are asked whether they are there. */
  unreachable(errors: readonly PathError[]): void;
  /** Places a call for a plugin. */
  readonly place: PluginCalls["place"];
  subscribe(after?: number): Subscription;
  /** Messages and events from now on: of a tunnel, a peer or an address, or of all. */
  trace(of: string | undefined, packets?: Parameters<Tracer["watch"]>[1]): Trace;
  /** Tells those who listen what a plugin tells. */
  publish(name: string, fields: Row): void;
  /** Tells them that a session went down or up. */
  publishSession(event: Omit<SessionEvent, "id" | "time" | "type">): void;
  connections(): Slices<Readonly<Record<ConnectionState, number>>>;
  /** How often control connections entered each state since the start: `wait-ctl-reply` for each time that we dialed. */
  entered(): Readonly<Partial<Record<ConnectionState, number>>>;
  /** Control messages that came to nothing, by reason. */
  drops(): Readonly<Record<string, number>>;
  /** What was refused or failed: the latest, and how often for each reason. */
  failures(): FailureReport;
}

/** Half-open connections in all and of one address, and SCCRQs looked at each second. */
const LIMITS = { halfOpen: 2048, halfOpenPerAddress: 1024, requestsPerSecond: 2000 };

/** How many calls and connections are closed at a time in the end. */
const CLOSING = 128;

/** How long peers have to acknowledge that we stop, in milliseconds. */
const FAREWELL_MS = 1000;

export function startControl(dependencies: ControlDependencies): ControlPlane {
  return new LcceControl(dependencies);
}

class LcceControl implements ControlPlane {
  readonly part: Reconciler["part"];
  readonly unreachable: (errors: readonly PathError[]) => void;
  readonly place: PluginCalls["place"];
  readonly #state: ControlState = {
    peers: new Map(),
    managedTunnels: new ManagedTunnels(),
    servers: new NamedInOrder(),
    links: new Map(),
    linkOf: new WeakMap(),
    established: new Map(),
    asking: new Set(),
    config: { peers: [], managed: [], hostName: "", routerId: 0 },
    index: indexPeers([]),
    stopping: false,
  };
  readonly #lcce: Lcce;
  readonly #context: ControlContext;
  readonly #hearing: Hearing;
  readonly #tracer: Tracer;
  readonly #reconciler: Reconciler;
  readonly #onConnection: ReturnType<typeof makeConnectionHandler>;
  readonly #onCall: ReturnType<typeof makeCallHandler>;
  #disposed: Promise<void> | undefined;

  constructor(dependencies: ControlDependencies) {
    const { clock, datapath, log, sockets, wallClock } = dependencies;
    const random = bufferedRandom(dependencies.random);
    const state = this.#state;
    const lcce = makeLcce({ ...dependencies, random }, state);
    this.#tracer = new Tracer({
      whose: (data, path, direction) => lcce.whose(data, path, direction),
      tunnelOf: ({ handle }) => state.links.get(handle)?.name,
      drops: () => lcce.drops(),
      wallClock,
      clock,
      log,
    });
    const bus = makeEventBus(wallClock, this.#tracer);
    const driver = startDriver({
      lcce,
      datapath,
      clock,
      log,
      encapOf: (socket) => sockets.encapOf(socket),
      onEvent: (event, now) => this.#take(event, now),
      tracer: this.#tracer,
    });
    const context: ControlContext = {
      ...dependencies,
      random,
      bus,
      driver,
      state,
      failures: makeFailures({ bus, log, now: clock.now, wallClock }),
      links: this.#makeLinks(dependencies, driver),
      dialer: this.#makeDialer({ ...dependencies, random }, driver),
      takeover: makeTakeover(driver),
      endCalls: (template, result) => this.#endCalls(template, result),
    };
    this.#lcce = lcce;
    this.#context = context;
    this.#hearing = makeHearing({ clock, datapath, driver, state });
    this.#onConnection = makeConnectionHandler(context, lcce);
    this.#onCall = makeCallHandler(context, lcce);
    const pluginCalls = new PluginCalls(context);
    this.place = (...args) => pluginCalls.place(...args);
    this.#reconciler = makeReconciler(context);
    this.part = this.#reconciler.part;
    this.unreachable = this.#hearing.unreachable;
  }

  owns(tunnel: string): boolean {
    return this.#state.managedTunnels.has(tunnel) || this.#linkOf(tunnel) !== undefined;
  }

  states(): ReadonlyMap<string, ManagedState> {
    const { clock, wallClock } = this.#context;
    return statesOf(this.#state, this.#lcce, clock.now(), wallClock());
  }

  stateOf(name: string, entry?: TunnelEntry): ManagedState | undefined {
    const { clock, wallClock } = this.#context;
    return stateOfOne(this.#state, this.#lcce, { name, entry }, clock.now(), wallClock());
  }

  wanted(after: string): Iterable<string> {
    const { managedTunnels, servers } = this.#state;
    return merged(managedTunnels.namesAfter(after), servers.namesAfter(after), byText);
  }

  async closeTunnel(tunnel: string, result: Result): Promise<void> {
    const managed = this.#state.managedTunnels.get(tunnel);
    const link = this.#linkOf(tunnel);
    if (managed) {
      managed.held = true;
      managed.redialAt = undefined;
      managed.reason = "ended by an operator";
    }
    if (!link) return;
    this.#context.driver.act((lcce, now) => lcce.closeConnection(link.handle, result, now));
    await link.gone.promise;
  }

  async closeSession(tunnel: string, session: string, result: Result): Promise<boolean> {
    const link = this.#linkOf(tunnel);
    const call = [...link?.calls.values() ?? []].find(({ handle, name }) =>
      name === session || String(handle.localSessionId) === session
    );
    if (!call) return false;
    if (call.placed) call.placed.held = true;
    const gone = new Promise<void>((resolve) => call.onGone = resolve);
    this.#context.driver.act((lcce, now) => lcce.closeCall(call.handle, result, now));
    await gone;
    return true;
  }

  subscribe(after?: number): Subscription {
    return this.#context.bus.subscribe(after);
  }

  trace(of: string | undefined, packets?: Parameters<Tracer["watch"]>[1]): Trace {
    return this.#tracer.watch(of, packets);
  }

  publish(name: string, fields: Row): void {
    this.#context.bus.publish({ type: "plugin", name, fields });
  }

  publishSession(event: Parameters<ControlPlane["publishSession"]>[0]): void {
    this.#context.bus.publish({ type: "session-state", ...event });
  }

  *connections(): Slices<Readonly<Record<ConnectionState, number>>> {
    const counts = {
      "wait-ctl-reply": 0,
      "wait-ctl-conn": 0,
      established: 0,
      stopping: 0,
      closed: 0,
    };
    yield* each(this.#lcce.connections(), ({ state }) => void counts[state]++);
    return counts;
  }

  entered(): Readonly<Partial<Record<ConnectionState, number>>> {
    return this.#context.bus.entered;
  }

  drops(): Readonly<Record<string, number>> {
    const drops = [...this.#lcce.drops()].map(([name, count]) => [`control-${name}`, count]);
    return { ...Object.fromEntries(drops), "control-overload": this.#context.driver.overload };
  }

  failures(): FailureReport {
    const { failures } = this.#context;
    const counts: Record<string, number> = {};
    for (const [reason, count] of [...this.#lcce.refusals(), ...failures.counts()]) {
      counts[reason] = (counts[reason] ?? 0) + count;
    }
    return { latest: failures.list(), counts };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  #makeLinks(dependencies: ControlDependencies, driver: Driver): ManagedConnections {
    return makeManagedConnections({
      ...dependencies,
      driver,
      linkOf: this.#state.linkOf,
      outerOf: (peer) => {
        const { dscp, ttl } = this.#state.peers.get(peer)?.config ?? {};
        return { ...(dscp !== undefined && { dscp }), ...(ttl !== undefined && { ttl }) };
      },
    });
  }

  #makeDialer(dependencies: ControlDependencies, driver: Driver): Dialer {
    const { links, peers } = this.#state;
    return makeDialer({
      ...dependencies,
      driver,
      lookUp,
      addressesOf: (peer) => peers.get(peer)?.config.addresses ?? [],
      dialed: (managed, handle, lease) => {
        const connection = this.#lcce.connection(handle)!;
        const link = makeManagedConnection(connection, managed.config.name, managed, lease);
        links.set(handle, link);
        return link;
      },
      placed: (placed, link, localSessionId) => {
        const { template } = placed;
        return makeManagedCall(link, localSessionId, template.call.name, template, placed);
      },
      broken: (template, message) =>
        this.#endCalls(template, { result: CdnResult.LossOfCarrier, message }),
    });
  }

  /** What the LCCE tells goes to whose it is. */
  #take(event: LcceEvent, now: number): void {
    const { failures, takeover } = this.#context;
    if (event.type === "refused") {
      const { connection, path } = event.refusal;
      const tunnel = connection === undefined ? undefined : this.#state.links.get(connection)?.name;
      failures.note(failedOf(event.refusal, tunnel), path.remote.address, { counted: true });
    } else if (event.type === "connection-state") this.#onConnection(event, now);
    else if (event.type === "connection-answered") takeover.answered(event.connection);
    else if (event.type === "connection-silent") this.#hearing.silent(event.connection);
    else this.#onCall(event, now);
  }

  #endCalls(template: CallTemplate, result: Result): void {
    // There may be very many: the driver does as much in a turn as is good for others.
    for (const { handle } of template.calls.keys()) {
      this.#context.driver.defer((lcce, now) => lcce.closeCall(handle, result, now));
    }
  }

  /** The connection of a tunnel, by the tunnel's name or id. */
  #linkOf(tunnel: string): ManagedConnection | undefined {
    const { links, managedTunnels } = this.#state;
    const managed = managedTunnels.get(tunnel);
    if (managed) return managed.link;
    for (const link of links.values()) {
      if (link.established && (link.name === tunnel || this.#idOf(link) === tunnel)) return link;
    }
  }

  #idOf({ handle }: ManagedConnection): string {
    return String(this.#lcce.connection(handle)?.localId);
  }

  async #dispose(): Promise<void> {
    const { bus, driver, links, state } = this.#context;
    await this.#farewell();
    driver[Symbol.dispose]();
    bus[Symbol.dispose]();
    this.#tracer[Symbol.dispose]();
    // A few at a time: each has its accounts to close, and the datapath answers all of them.
    await forEach(
      callsOf(state.links.values()),
      CLOSING,
      ([link, call]) => links.closeCall(link, call),
    );
    await forEach(state.links.values(), CLOSING, async (link) => {
      links.close(link);
      await link.closing;
    });
    await this.#reconciler.releaseAll();
    await forEach(state.links.values(), CLOSING, async ({ lease }) => {
      await lease?.[Symbol.asyncDispose]();
    });
  }

  /** Waits until every peer acknowledged our farewell, or for as long as is decent. */
  async #farewell(): Promise<void> {
    const { clock, driver, state } = this.#context;
    state.stopping = true;
    // What ends now is not dialed again.
    for (const managed of state.managedTunnels.values()) managed.held = true;
    for (const { managed } of state.servers.values()) managed.held = true;
    const result = { result: StopResult.ShuttingDown };
    for (const handle of state.links.keys()) {
      driver.defer((lcce, now) => lcce.closeConnection(handle, result, now));
    }
    await new Promise<void>((resolve) => driver.defer(() => resolve()));
    const deadline = clock.now() + FAREWELL_MS;
    let waiting = [...state.links.values()].filter(({ upSince }) => upSince !== undefined);
    const isPending = ({ handle }: ManagedConnection) =>
      (this.#lcce.connection(handle)?.state ?? "closed") !== "closed";
    while (clock.now() < deadline) {
      waiting = await inSlices(filtered(waiting, isPending));
      if (waiting.length === 0) return;
      await new Promise<void>((resolve) => clock.timer(clock.now() + 5, resolve));
    }
  }
}

/** All calls of connections; what closes meanwhile is left out. */
function* callsOf(
  links: Iterable<ManagedConnection>,
): Iterable<readonly [ManagedConnection, ManagedCall]> {
  for (const link of links) for (const call of link.calls.values()) yield [link, call];
}

function makeLcce(
  { knowsVendor, random }: Pick<ControlDependencies, "knowsVendor" | "random">,
  state: ControlState,
): Lcce {
  return new Lcce({
    expects: ({ remote }) => state.index.expects(remote.address),
    policy: (request) => judge(state, request),
    knowsVendor,
    hearsSessions: true,
    random,
    limits: LIMITS,
  });
}

/** Whether to talk to somebody. A stranger is met with silence. */
function judge(
  { asking, established, index, peers, stopping }: ControlState,
  request: ConnectionRequest,
): Verdict {
  const { hostName, path, version } = request;
  if (stopping) return { kind: "ignore" };
  const caller = { address: path.remote.address, hostName, version };
  const peer = peers.get(index.match(caller)?.name ?? "");
  if (!peer) return { kind: "ignore" };
  // One more may prove itself: then those who are there are asked whether they are.
  const { name, tunnelLimit } = peer.config;
  if ((established.get(name) ?? 0) < tunnelLimit || !asking.has(name)) {
    return { kind: "accept", settings: peer.settings };
  }
  return { kind: "refuse", result: TUNNEL_LIMIT };
}
