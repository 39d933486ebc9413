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
import { lookUp } from "../io/lookup.ts";
import { makeCallHandler } from "./calls.ts";
import { makeConnectionHandler } from "./connections.ts";
import { makeDialer } from "./dialer.ts";
import { startDriver } from "./driver.ts";
import { makeEventBus, type Subscription } from "./events.ts";
import { failedOf, type FailureReport, makeFailures } from "./failures.ts";
import { makeManagedConnection, makeManagedConnections } from "./managed_connection.ts";
import { indexPeers } from "./peer_index.ts";
import { TUNNEL_LIMIT } from "./places.ts";
import { makeHearing } from "./hearing.ts";
import { bufferedRandom } from "./random.ts";
import { makeReconciler, type Reconciler } from "./reconcile.ts";
import type { CallTemplate } from "./call_template.ts";
import { type ManagedState, statesOf } from "./status.ts";
import { makeTakeover } from "./takeover.ts";
import type {
  ControlContext,
  ControlDependencies,
  ControlState,
  ManagedCall,
  ManagedConnection,
} from "./context.ts";

/** The control plane. Disposal ends every connection with a StopCCN and waits a second at most for the peers. */
export interface ControlPlane extends Pick<Reconciler, "part">, AsyncDisposable {
  /** Whether the tunnel of that name has a control connection, or is to have one. */
  owns(tunnel: string): boolean;
  /** All managed tunnels: those that are up, dialed or waiting. */
  states(): ReadonlyMap<string, ManagedState>;
  /** Ends a tunnel with a StopCCN; resolves once it has left the datapath. One that we dial stays down until a reload. */
  closeTunnel(tunnel: string, result: Result): Promise<void>;
  /** Ends a call with a CDN, by the session's name or id; false: there is none. */
  closeSession(tunnel: string, session: string, result: Result): Promise<boolean>;
  /** ICMP says that peers cannot be reached: they are asked whether they are there. */
  unreachable(errors: readonly PathError[]): void;
  subscribe(): Subscription;
  /** Tells those who listen what a plugin tells. */
  publish(name: string, fields: Row): void;
  connections(): Readonly<Record<ConnectionState, number>>;
  /** Control messages that came to nothing, by reason. */
  drops(): Readonly<Record<string, number>>;
  /** What was refused or failed: the latest, and how often for each reason. */
  failures(): FailureReport;
}

/** Half-open connections in all and of one address, and SCCRQs looked at each second. */
const LIMITS = { halfOpen: 2048, halfOpenPerAddress: 1024, requestsPerSecond: 2000 };

/** How long peers have to acknowledge that we stop, in milliseconds. */
const FAREWELL_MS = 1000;

export function startControl(dependencies: ControlDependencies): ControlPlane {
  const { clock, datapath, log, wallClock } = dependencies;
  const random = bufferedRandom(dependencies.random);
  const state: ControlState = {
    peers: new Map(),
    managedTunnels: new Map(),
    links: new Map(),
    established: new Map(),
    asking: new Set(),
    config: { peers: [], managed: [], hostName: "", routerId: 0 },
    index: indexPeers([]),
    stopping: false,
  };
  const lcce = new Lcce({
    expects: ({ remote }) => state.index.expects(remote.address),
    policy: (request) => judge(state, request),
    knowsVendor: dependencies.knowsVendor,
    hearsSessions: true,
    random,
    limits: LIMITS,
  });
  const bus = makeEventBus(wallClock);
  const driver = startDriver({
    lcce,
    datapath,
    clock,
    log,
    encapOf: (socket) => dependencies.sockets.encapOf(socket),
    onEvent: (event, now) => onEvent(event, now),
  });
  const failures = makeFailures({ bus, log, now: clock.now, wallClock });
  const links = makeManagedConnections({
    ...dependencies,
    driver,
    outerOf(peer) {
      const { dscp, ttl } = state.peers.get(peer)?.config ?? {};
      return { ...(dscp !== undefined && { dscp }), ...(ttl !== undefined && { ttl }) };
    },
  });
  const endCalls = (template: CallTemplate, result: Result) => {
    for (const link of state.links.values()) {
      for (const call of link.calls.values()) {
        if (call.template !== template) continue;
        driver.act((lcce, now) => lcce.closeCall(call.handle, result, now));
      }
    }
  };
  const dialer = makeDialer({
    ...dependencies,
    random,
    driver,
    lookUp,
    addressesOf: (peer) => state.peers.get(peer)?.config.addresses ?? [],
    dialed(managed, handle, lease) {
      const link = makeManagedConnection(
        lcce.connection(handle)!,
        managed.config.name,
        managed,
        lease,
      );
      state.links.set(handle, link);
      return link;
    },
    placed(placed, link, localSessionId) {
      const call: ManagedCall = {
        handle: { connection: link.handle, localSessionId },
        name: placed.template.call.name,
        template: placed.template,
        placed,
        circuit: undefined,
        work: undefined,
        closed: false,
        upSince: undefined,
        onGone: undefined,
      };
      link.calls.set(localSessionId, call);
      link.names.add(call.name);
      return call;
    },
    broken: (template, message) => endCalls(template, { result: CdnResult.LossOfCarrier, message }),
  });
  const takeover = makeTakeover(driver);
  const hearing = makeHearing({ clock, datapath, driver, state });
  const context: ControlContext = {
    ...dependencies,
    failures,
    random,
    bus,
    dialer,
    driver,
    links,
    state,
    takeover,
    endCalls,
  };
  const onConnection = makeConnectionHandler(context, lcce);
  const onCall = makeCallHandler(context, lcce);
  const reconciler = makeReconciler(context);

  const onEvent = (event: LcceEvent, now: number) => {
    if (event.type === "refused") {
      const { connection, path } = event.refusal;
      const tunnel = connection === undefined ? undefined : state.links.get(connection)?.name;
      failures.note(failedOf(event.refusal, tunnel), path.remote.address, true);
    } else if (event.type === "connection-state") onConnection(event, now);
    else if (event.type === "connection-answered") takeover.answered(event.connection);
    else if (event.type === "connection-silent") hearing.silent(event.connection);
    else onCall(event, now);
  };

  const linkOf = (tunnel: string) => {
    const managed = state.managedTunnels.get(tunnel);
    if (managed) return managed.link;
    for (const link of state.links.values()) {
      if (link.established && (link.name === tunnel || idOf(link) === tunnel)) return link;
    }
  };
  const idOf = ({ handle }: ManagedConnection) => String(lcce.connection(handle)?.localId);

  /** Waits until every peer acknowledged our farewell, or for as long as is decent. */
  const farewell = async () => {
    state.stopping = true;
    const result = { result: StopResult.ShuttingDown };
    driver.act((lcce, now) => {
      for (const handle of state.links.keys()) lcce.closeConnection(handle, result, now);
    });
    const deadline = clock.now() + FAREWELL_MS;
    const pending = () =>
      [...state.links.values()].some(({ handle, upSince }) =>
        upSince !== undefined && (lcce.connection(handle)?.state ?? "closed") !== "closed"
      );
    while (pending() && clock.now() < deadline) {
      await new Promise<void>((resolve) => clock.timer(clock.now() + 5, resolve));
    }
  };

  let disposed: Promise<void> | undefined;
  return {
    part: reconciler.part,
    owns: (tunnel) => state.managedTunnels.has(tunnel) || linkOf(tunnel) !== undefined,
    states: () => statesOf(state, lcce, clock.now(), wallClock()),
    async closeTunnel(tunnel, result) {
      const managed = state.managedTunnels.get(tunnel);
      const link = linkOf(tunnel);
      if (managed) {
        managed.held = true;
        managed.redialAt = undefined;
        managed.reason = "ended by an operator";
      }
      if (!link) return;
      driver.act((lcce, now) => lcce.closeConnection(link.handle, result, now));
      await link.gone.promise;
    },
    async closeSession(tunnel, session, result) {
      const link = linkOf(tunnel);
      const call = [...link?.calls.values() ?? []].find(({ handle, name }) =>
        name === session || String(handle.localSessionId) === session
      );
      if (!call) return false;
      if (call.placed) call.placed.held = true;
      const gone = new Promise<void>((resolve) => call.onGone = resolve);
      driver.act((lcce, now) => lcce.closeCall(call.handle, result, now));
      await gone;
      return true;
    },
    unreachable: hearing.unreachable,
    subscribe: () => bus.subscribe(),
    publish: (name, fields) => bus.publish({ type: "plugin", name, fields }),
    connections() {
      const counts = {
        "wait-ctl-reply": 0,
        "wait-ctl-conn": 0,
        established: 0,
        stopping: 0,
        closed: 0,
      };
      for (const { state } of lcce.connections()) counts[state]++;
      return counts;
    },
    failures() {
      const counts: Record<string, number> = {};
      for (const [reason, count] of [...lcce.refusals(), ...failures.counts()]) {
        counts[reason] = (counts[reason] ?? 0) + count;
      }
      return { latest: failures.list(), counts };
    },
    drops: () => ({
      ...Object.fromEntries([...lcce.drops()].map(([name, count]) => [`control-${name}`, count])),
      "control-overload": driver.overload,
    }),
    [Symbol.asyncDispose]: () =>
      disposed ??= (async () => {
        await farewell();
        driver[Symbol.dispose]();
        bus[Symbol.dispose]();
        for (const link of state.links.values()) {
          for (const call of link.calls.values()) links.closeCall(link, call);
          links.close(link);
        }
        await Promise.all([...state.links.values()].map((link) => link.closing));
        await reconciler.releaseAll();
        for (const link of state.links.values()) await link.lease?.[Symbol.asyncDispose]();
      })(),
  };
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
