/** Tunnels and sessions as attributes: from the appliance's model to what operators read. Pure. @module */

import { ipVersion } from "../../core/endpoint.ts";
import {
  pseudowireTypeNames,
  sessionOptions,
  type TunnelAttributes,
  tunnelOptions,
} from "../config/attributes.ts";
import { type Shown, showOptions } from "../config/option.ts";
import { describeCircuit } from "../config/circuit.ts";
import type { ApplianceEvent, Ending, Failure } from "../control/mod.ts";
import type {
  ControlState,
  Grouping,
  SessionConfig,
  SessionState,
  TunnelConfig,
  TunnelSummary,
} from "../config/model.ts";
import type { Down } from "../appliance/down.ts";
import { viewKeepalive } from "./keepalive.ts";
import type {
  ControlView,
  DownView,
  EventView,
  FailureView,
  SessionView,
  TunnelView,
} from "./schemas.ts";

/** What a tunnel could be made from again: `buildTunnel` gives the same configuration back. */
export function tunnelAttributes(config: TunnelConfig) {
  const { local, remote, checksum } = config;
  const udp = config.encap === "udp";
  const v6 = ipVersion(remote.address) === 6;
  return {
    ...showOptions(tunnelOptions, config),
    ...(v6
      ? { "ip6-saddr": local.address, "ip6-daddr": remote.address }
      : { "ip-saddr": local.address, "ip-daddr": remote.address }),
    ...(udp && { "udp-sport": local.port, "udp-dport": remote.port }),
    ...(udp && !v6 && { "udp-csum": checksum.udp }),
    ...(udp && v6 && {
      "udp-zero-csum6-tx": checksum.zero6Tx,
      "udp-zero-csum6-rx": checksum.zero6Rx,
    }),
  } satisfies TunnelAttributes;
}

/** What a session could be made from again, apart from its circuit. */
export function sessionAttributes(config: SessionConfig): Shown<typeof sessionOptions> {
  return showOptions(sessionOptions, config);
}

/** What stands in the model for what nobody knows yet. */
const placeholders = {
  "tunnel-id": 0,
  "peer-tunnel-id": 0,
  "session-id": 0,
  "peer-session-id": 0,
  "udp-sport": 0,
  "udp-dport": 0,
  "ip-daddr": "0.0.0.0",
  "ip6-daddr": "::",
} as const;
type Unsure = keyof typeof placeholders;
type Known<T> = Omit<T, Unsure> & Partial<Pick<T, Unsure & keyof T>>;

/** Attributes without those that are not known. */
function known<T extends object>(attributes: T): Known<T> {
  const shown = Object.entries(attributes).filter(([name, value]) =>
    value !== placeholders[name as Unsure]
  );
  return Object.fromEntries(shown) as Known<T>;
}

/** A control connection as operators see it. */
function viewControl(control: ControlState, now: number): ControlView {
  const { establishedAt, hostName, messages, redialAt, vendorName, window } = control;
  return {
    peer: control.peer,
    mode: control.mode,
    state: control.state,
    ...(hostName !== undefined && { "host-name": hostName }),
    ...(vendorName !== undefined && { "vendor-name": vendorName }),
    ...(establishedAt !== undefined && {
      "established-at": new Date(establishedAt).toISOString(),
      uptime: Math.max(0, Math.floor((now - establishedAt) / 1000)),
    }),
    ...(redialAt !== undefined && { "redial-at": new Date(redialAt).toISOString() }),
    ...(control.reason !== undefined && { reason: control.reason }),
    ...(window && { window: window.size, outstanding: window.outstanding }),
    ...(messages && {
      messages: {
        sent: messages.sent,
        retransmitted: messages.retransmitted,
        acknowledgements: messages.acknowledgements,
        received: messages.received,
        duplicates: messages.duplicates,
        "out-of-order": messages.outOfOrder,
        "outside-window": messages.outsideWindow,
      },
    }),
  };
}

function viewGrouping(grouping: Grouping): NonNullable<TunnelView["grouping"]> {
  if (!("longest" in grouping)) return { state: grouping.state };
  const { state, longest, error, retryInMs } = grouping;
  return { state, longest, error, "retry-in": Math.ceil(retryInMs / 1000) };
}

/** A state change as operators see it. */
export function viewEvent(event: ApplianceEvent): EventView {
  if (event.type === "plugin") {
    const { fields, id, name, time, type } = event;
    return { id, time: new Date(time).toISOString(), type, name, fields };
  }
  if (event.type === "failure") {
    const { hostName, time, ...rest } = event;
    return {
      ...rest,
      time: new Date(time).toISOString(),
      ...(hostName !== undefined && { "host-name": hostName }),
    };
  }
  const ending: Partial<Ending> = event.type === "session-state" ? {} : event.ending ?? {};
  const { by, error, message, result } = ending;
  const reason = event.type === "session-state" ? event.reason : ending.reason;
  return {
    id: event.id,
    time: new Date(event.time).toISOString(),
    type: event.type,
    tunnel: event.tunnel,
    ...known({ "tunnel-id": event.tunnelId }),
    ...(event.type !== "session-state" && { peer: event.peer }),
    ...(event.type !== "connection-state" && {
      session: event.session,
      ...known({ "session-id": event.sessionId }),
    }),
    state: event.state,
    ...(by !== undefined && { by }),
    ...(result !== undefined && { result }),
    ...(error !== undefined && { error }),
    ...(message !== undefined && { message }),
    ...(reason !== undefined && { reason }),
  };
}

/** What failed as operators see it. */
export function viewFailure({ firstAt, hostName, lastAt, ...failure }: Failure): FailureView {
  return {
    ...failure,
    ...(hostName !== undefined && { "host-name": hostName }),
    "first-at": new Date(firstAt).toISOString(),
    "last-at": new Date(lastAt).toISOString(),
  };
}

/** A tunnel as operators see it at `now`, in Unix milliseconds. */
export function viewTunnel(state: TunnelSummary, now: number): TunnelView {
  return {
    name: state.config.name,
    ...known(tunnelAttributes(state.config)),
    ...(state.pathMtu !== undefined && { "path-mtu": state.pathMtu }),
    sessions: state.sessionCount,
    status: isUp(state) ? "up" : "down",
    ...(state.reason !== undefined && { reason: state.reason }),
    ...(state.heardAgoMs !== undefined &&
      { "last-heard": new Date(now - state.heardAgoMs).toISOString() }),
    ...(state.grouping && { grouping: viewGrouping(state.grouping) }),
    ...(state.pathErrors && { "path-errors": { ...state.pathErrors } }),
    ...(state.socketDrops !== undefined && { "socket-drops": state.socketDrops }),
    ...(state.control && { control: viewControl(state.control, now) }),
    origin: state.origin,
    "created-at": new Date(state.createdAt).toISOString(),
    statistics: state.counters,
  };
}

function isUp({ control, reason }: TunnelSummary): boolean {
  return control ? control.state === "established" : reason === undefined;
}

/** Something that is down as operators see it. */
export function viewDown({ path, reason, since }: Down): DownView {
  return { path, reason, since: new Date(since).toISOString() };
}

/** A session as operators see it. */
export function viewSession(tunnel: TunnelConfig, state: SessionState): SessionView {
  const { config, circuit } = state;
  const mtu = state.mtu ?? config.mtu;
  return {
    tunnel: tunnel.name,
    ...known({ "tunnel-id": tunnel.tunnelId, "peer-tunnel-id": tunnel.peerTunnelId }),
    name: config.name,
    ...known(sessionAttributes(config)),
    "pw-type": pseudowireTypeNames[config.pseudowireType],
    ...(mtu !== undefined && { mtu }),
    ...(state.ifname !== undefined && { ifname: state.ifname }),
    status: state.status,
    ...(state.reason !== undefined && { reason: state.reason }),
    ...(config.circuit &&
      { circuit: describeCircuit(config.circuit) }),
    ...(circuit?.shown && { "circuit-state": circuit.shown }),
    ...(state.keepalive && { "keepalive-state": viewKeepalive(state.keepalive) }),
    origin: state.origin,
    "created-at": new Date(state.createdAt).toISOString(),
    statistics: state.counters,
  };
}
