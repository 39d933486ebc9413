/** What the appliance calls things by, and what the worker does: ids and indices, texts and octets of addresses. @module */

import { isLinkLocal, isWildcard, parseIp } from "../../core/endpoint.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { PortIx, SockAddr, SocketIx, TunnelIx, TunnelSpec } from "../../wasm/mod.ts";
import { errnoName } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";
import { fromSockAddr, toSockAddr } from "../io/sockaddr.ts";
import {
  type ControlDatagram,
  DatapathError,
  type DatapathTunnel,
  type GroupingState,
  type PathError,
  type SocketId,
  type TunnelHandle,
} from "./datapath.ts";
import type { GroupingLimit } from "./grouping.ts";
import type { PathErrors } from "./path_errors.ts";
import type { ControlRecord } from "./records.ts";

/** The id of a port. With one worker its indices serve as ids. */
export function toId(port: PortIx): PortId {
  return port as number as PortId;
}

/** The worker's index of a port. */
export function toIx(port: PortId): PortIx {
  return port as number as PortIx;
}

/** The worker's index of a tunnel. */
export function toTunnelIx(tunnel: TunnelHandle): TunnelIx {
  return tunnel as number as TunnelIx;
}

/** A tunnel as the worker takes it. @throws {DatapathError} `invalid` where an address cannot be read */
export function toSpec(libc: Libc, tunnel: DatapathTunnel): TunnelSpec {
  const { local, remote, socket, ...same } = tunnel;
  const source = local === undefined || isWildcard(local) ? undefined : parseIp(local);
  return {
    ...same,
    socket: socket as number as SocketIx,
    remote: readable(() => toSockAddr(libc, remote)),
    ...(source && { local: source }),
  };
}

/** A control message that arrived; `bound` is its socket's own address. */
export function toDatagram(
  libc: Libc,
  { socket, remote, local, mark, data }: ControlRecord,
  bound: string | undefined,
): ControlDatagram {
  return {
    socket: socket as number as SocketId,
    remote: fromSockAddr(libc, remote),
    // Sockets with an address of their own do not tell it. A link-local one is in the zone of its peer.
    local: local
      ? fromSockAddr(libc, { ...scopeFor(local, remote), address: local, port: 0 }).address
      : bound ?? "0.0.0.0",
    ...(mark !== 0 && { mark }),
    data,
  };
}

/** The scope of an address of ours that a peer talked to: only link-local ones have any (RFC 4007 §4). */
function scopeFor(local: Uint8Array, { scopeId }: SockAddr): { scopeId?: number } {
  return isLinkLocal(local) && scopeId ? { scopeId } : {};
}

/** A control message to be sent. @throws {DatapathError} `invalid` where an address cannot be read */
export function toRecord(
  libc: Libc,
  { socket, remote, local, mark = 0, data }: ControlDatagram,
): ControlRecord {
  return {
    socket: socket as number as SocketIx,
    remote: readable(() => toSockAddr(libc, remote)),
    local: isWildcard(local) ? undefined : parseIp(local),
    mark,
    data,
  };
}

/** What ICMP said of a peer. */
export function toPathError(
  libc: Libc,
  { socket, peer, reporter, ...same }: PathErrors,
): PathError {
  return {
    ...same,
    socket: socket as number as SocketId,
    remote: fromSockAddr(libc, peer),
    ...(reporter && { reporter: fromSockAddr(libc, { address: reporter, port: 0 }).address }),
  };
}

/** What the kernel does not group, by the tunnels' handles. */
export function groupingStates(
  limits: ReadonlyMap<TunnelIx, GroupingLimit>,
): ReadonlyMap<TunnelHandle, GroupingState> {
  return new Map([...limits].map(([tunnel, { errno, ...same }]) => [
    tunnel as number as TunnelHandle,
    { ...same, error: errnoName(errno) },
  ]));
}

/** Reads an address; that it cannot be read is the datapath's `invalid`. */
export function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new DatapathError("invalid", error instanceof Error ? error.message : String(error));
  }
}
