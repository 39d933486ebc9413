/** The datapath as the main isolate has it: {@linkcode Datapath} by way of one worker. @module */

import { isWildcard, parseIp } from "../../core/endpoint.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type {
  CounterSlice,
  PortIx,
  SockAddr,
  SocketIx,
  TunnelIx,
  TunnelSpec,
} from "../../wasm/mod.ts";
import { errnoName } from "../io/errno.ts";
import { hollow, type Libc, openLibc } from "../io/libc.ts";
import { fromSockAddr, toSockAddr } from "../io/sockaddr.ts";
import { boundAddress, receiveMarks, socketDrops } from "../io/sockets.ts";
import { concatenated, countersByHandle, joined } from "./counters.ts";
import {
  type ControlDatagram,
  type Datapath,
  DatapathError,
  type DatapathTunnel,
  type GroupingState,
  type PathError,
  type SocketId,
  type StatsOf,
  type TunnelHandle,
} from "./datapath.ts";
import type { GroupingLimit } from "./grouping.ts";
import type { PathErrors } from "./path_errors.ts";
import {
  addCounts,
  type DatapathLimits,
  type TunnelTable,
  type WorkerCounters,
} from "./protocol.ts";
import {
  type Batch,
  type ControlRecord,
  controlRecordSize,
  frameRecordSize,
  readControl,
  readFrames,
} from "./records.ts";
import { startWorker, type WorkerTiming } from "./worker_link.ts";

/** What main keeps of a port: a device's descriptor and whom to tell that it is gone, or a host port's receiver. */
type Port =
  | { readonly kind: "session" }
  | {
    readonly kind: "device";
    readonly fd: number;
    readonly down: (() => void) | undefined;
    gone: (() => void) | undefined;
  }
  | { readonly kind: "host"; readonly receive: (frames: readonly Uint8Array[]) => void };

/** The WASM module's memory ends there. */
const maxLimit = 0x7fff_ffff;

/** Why records were dropped before they reached the worker. */
type ClientDrop = "control-queue-full" | "inject-queue-full" | "no-such-port";

/**
 * Starts the datapath.
 * @throws {DatapathError} `invalid` where a limit is no count
 * @throws {Error} where the C library may not be opened or the worker cannot start; nothing is left behind then
 */
export async function startDatapath(
  limits: DatapathLimits = {},
  timing: WorkerTiming = {},
): Promise<Datapath> {
  for (const [name, limit] of Object.entries(limits)) {
    if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
      throw new DatapathError(
        "invalid",
        `${name} must be a count from 1 to ${maxLimit}, not ${limit}`,
      );
    }
  }
  const libc = openLibc();
  try {
    return await start(libc, limits, timing);
  } catch (error) {
    libc[Symbol.dispose]();
    throw error;
  }
}

async function start(
  libc: Libc,
  limits: DatapathLimits,
  timing: WorkerTiming,
): Promise<Datapath> {
  // With one worker its indices serve as ids.
  const sockets = new Map<SocketId, { readonly fd: number; readonly address: string }>();
  const ports = new Map<PortId, Port>();
  const drops: Record<ClientDrop, number> = {
    "control-queue-full": 0,
    "inject-queue-full": 0,
    "no-such-port": 0,
  };
  let open = true;
  /** Datagrams that the kernel dropped at sockets that are closed. */
  let closedDrops = 0;

  /** The worker has ended, one way or the other: if not by itself, its thread may still use numbers of descriptors. */
  const closeAll = (byItself: boolean) => {
    if (!open) return;
    open = false;
    const close = (fd: number) => byItself ? libc.call.close(fd) : hollow(libc, fd);
    for (const { fd } of sockets.values()) close(fd);
    for (const port of ports.values()) if (port.kind === "device") close(port.fd);
    sockets.clear();
    ports.clear();
    libc[Symbol.dispose]();
  };

  const worker = await startWorker(libc, limits, timing, {
    batch(lane, batch) {
      if (lane === "control") receiveControl(batch);
      else receiveFrames(batch);
    },
    gone(port) {
      const device = ports.get(toId(port));
      if (device?.kind !== "device") return;
      const gone = device.gone;
      device.gone = undefined;
      gone?.();
    },
    down(port) {
      const device = ports.get(toId(port));
      if (device?.kind === "device") device.down?.();
    },
    socketFailed(socket, errno) {
      datapath.onSocketFailure?.(socket as number as SocketId, errnoName(errno));
    },
    pathErrors: (errors) =>
      datapath.onPathErrors?.(errors.map((error) => toPathError(libc, error))),
    networkChanged: () => datapath.onNetworkChange?.(),
    responsive: (yes) => datapath.onResponsive?.(yes),
    failed(error, byItself) {
      closeAll(byItself);
      datapath.onFailure?.(error);
    },
  });

  const toDatagram = ({ socket, remote, local, mark, data }: ControlRecord): ControlDatagram => {
    const id = socket as number as SocketId;
    return {
      socket: id,
      remote: fromSockAddr(libc, remote),
      // Sockets with an address of their own do not tell it. A link-local one is in the zone of its peer.
      local: local
        ? fromSockAddr(libc, { ...scopeFor(local, remote), address: local, port: 0 }).address
        : sockets.get(id)?.address ?? "0.0.0.0",
      ...(mark !== 0 && { mark }),
      data,
    };
  };
  const receiveControl = (batch: Batch) => {
    if (!datapath.onControl) return;
    const messages: ControlDatagram[] = [];
    readControl(batch, (record) => messages.push(toDatagram(record)));
    datapath.onControl(messages);
  };

  /** Hands each run of frames of one port to its receiver. */
  const receiveFrames = (batch: Batch) => {
    let current: PortIx | undefined;
    let frames: Uint8Array[] = [];
    const deliver = () => {
      const port = current === undefined ? undefined : ports.get(toId(current));
      if (port?.kind === "host") port.receive(frames);
      frames = [];
    };
    readFrames(batch, (port, frame) => {
      if (port !== current) deliver();
      current = port;
      frames.push(frame);
    });
    deliver();
  };

  const toSpec = (tunnel: DatapathTunnel): TunnelSpec => {
    const { local, remote, socket, ...same } = tunnel;
    const source = local === undefined || isWildcard(local) ? undefined : parseIp(local);
    return {
      ...same,
      socket: socket as number as SocketIx,
      remote: readable(() => toSockAddr(libc, remote)),
      ...(source && { local: source }),
    };
  };

  const addPort = async (ix: Promise<PortIx>, port: Port): Promise<PortId> => {
    const id = toId(await ix);
    ports.set(id, port);
    return id;
  };

  const askedFor = (of: StatsOf) =>
    worker.request("counters", {
      sessions: Array.from(of.sessions, toIx),
      tunnels: Array.from(of.tunnels, toTunnelIx),
    });

  const everything = async (): Promise<WorkerCounters> => {
    const [sessions, tunnels] = await Promise.all([
      slices((from) => worker.request("sessionSlice", { from })),
      slices((from) => worker.request("tunnelSlice", { from })),
    ]);
    const heardAgoMs = concatenated(tunnels.map((slice) => slice.heardAgoMs));
    return { sessions: joined(sessions), tunnels: { ...joined(tunnels), heardAgoMs } };
  };

  const datapath: Datapath = {
    onControl: undefined,
    onPathErrors: undefined,
    onNetworkChange: undefined,
    onSocketFailure: undefined,
    onResponsive: undefined,
    get responsive() {
      return worker.responsive;
    },
    onFailure: undefined,
    async addSocket(fd, kind) {
      const address = readable(() => boundAddress(libc, fd));
      const socket = await worker.request("addSocket", { fd, kind }) as number as SocketId;
      sockets.set(socket, { fd, address });
      return socket;
    },
    async removeSocket(socket) {
      await worker.request("removeSocket", { socket: socket as number as SocketIx });
      const removed = sockets.get(socket);
      sockets.delete(socket);
      if (!removed) return;
      closedDrops += socketDrops(libc, removed.fd);
      libc.call.close(removed.fd);
    },
    async tellMarks(socket) {
      const { fd } = sockets.get(socket) ?? {};
      if (fd === undefined) throw new DatapathError("no-such-socket", "no such socket");
      receiveMarks(libc, fd);
      await worker.request("tellMarks", { socket: socket as number as SocketIx });
    },
    async rewatchSocket(socket) {
      const { fd } = sockets.get(socket) ?? {};
      if (fd === undefined) throw new DatapathError("no-such-socket", "no such socket");
      await worker.request("rewatchSocket", { fd, socket: socket as number as SocketIx });
    },
    async addTunnel(tunnel) {
      return await worker.request("addTunnel", { spec: toSpec(tunnel) }) as number as TunnelHandle;
    },
    async changeTunnel(tunnel, change) {
      await worker.request("changeTunnel", { tunnel: toTunnelIx(tunnel), spec: toSpec(change) });
    },
    async removeTunnel(tunnel) {
      await worker.request("removeTunnel", { tunnel: toTunnelIx(tunnel) });
    },
    addSession: (tunnel, spec) =>
      addPort(worker.request("addSession", { tunnel: toTunnelIx(tunnel), spec }), {
        kind: "session",
      }),
    async changeSession(session, change) {
      await worker.request("changeSession", { session: toIx(session), change });
    },
    addDevice: (fd, device, gone, down) =>
      addPort(worker.request("addDevice", { fd, device }), { kind: "device", fd, gone, down }),
    addHostPort: (frameType, receive) =>
      addPort(worker.request("addHostPort", { frameType }), { kind: "host", receive }),
    inject(port, frames) {
      if (ports.get(port)?.kind !== "host") return drop("no-such-port", frames.length);
      const bytes = frames.reduce((sum, frame) => sum + frameRecordSize(frame.length), 0);
      return worker.send("frames", bytes, (packer) => {
        for (const frame of frames) packer.frame(toIx(port), frame);
      }) || drop("inject-queue-full", frames.length);
    },
    async removePort(id) {
      await worker.request("removePort", { port: toIx(id) });
      const port = ports.get(id);
      ports.delete(id);
      if (port?.kind === "device") libc.call.close(port.fd);
    },
    async crossConnect(a, b) {
      await worker.request("crossConnect", { a: toIx(a), b: toIx(b) });
    },
    async disconnect(a) {
      await worker.request("disconnect", { port: toIx(a) });
    },
    sendControl(batch) {
      const records = batch.map((datagram) => toRecord(libc, datagram));
      const bytes = records.reduce((sum, { data }) => sum + controlRecordSize(data.length), 0);
      return worker.send("control", bytes, (packer) => records.forEach(packer.control)) ||
        drop("control-queue-full", batch.length);
    },
    async stats(of) {
      const [totals, { sessions, tunnels }] = await Promise.all([
        worker.request("totals", {}),
        of ? askedFor(of) : everything(),
      ]);
      const atSockets = new Map(
        [...sockets].map(([socket, { fd }]) => [socket, socketDrops(libc, fd)]),
      );
      const lost = [...atSockets.values()].reduce((sum, count) => sum + count, closedDrops);
      return {
        grouping: groupingStates(totals.grouping),
        socketDrops: atSockets,
        sessions: countersByHandle<PortId>(sessions),
        tunnels: countersByHandle<TunnelHandle>(tunnels),
        heardAgoMs: new Map(heard(tunnels)),
        drops: { ...addCounts(totals.drops, drops), "receive-buffer-full": lost },
        io: totals.io,
      };
    },
    async [Symbol.asyncDispose]() {
      closeAll(await worker.stop());
    },
  };
  const drop = (reason: ClientDrop, frames: number) => {
    drops[reason] += frames;
    return false;
  };
  return datapath;
}

/** The scope of an address of ours that a peer talked to: only link-local ones have any (RFC 4007 §4). */
function scopeFor(local: Uint8Array, { scopeId }: SockAddr): { scopeId?: number } {
  const isLinkLocal = local.length === 16 && local[0] === 0xfe && (local[1]! & 0xc0) === 0x80;
  return isLinkLocal && scopeId ? { scopeId } : {};
}

function toPathError(
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

function groupingStates(
  limits: ReadonlyMap<TunnelIx, GroupingLimit>,
): ReadonlyMap<TunnelHandle, GroupingState> {
  return new Map([...limits].map(([tunnel, { errno, ...same }]) => [
    tunnel as number as TunnelHandle,
    { ...same, error: errnoName(errno) },
  ]));
}

/** Asks for one slice of a table after the other. */
async function slices<Slice extends CounterSlice>(
  ask: (from: number) => Promise<Slice>,
): Promise<Slice[]> {
  const all: Slice[] = [];
  for (let from: number | undefined = 0; from !== undefined;) {
    const slice: Slice = await ask(from);
    all.push(slice);
    from = slice.next;
  }
  return all;
}

function* heard({ handles, heardAgoMs }: TunnelTable): Generator<[TunnelHandle, number]> {
  for (const [row, handle] of handles.entries()) {
    const ago = heardAgoMs[row]!;
    if (!Number.isNaN(ago)) yield [handle as TunnelHandle, ago];
  }
}

/** @throws {DatapathError} where an address cannot be read */
function toRecord(
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

/** Reads an address; that it cannot be read is the datapath's `invalid`. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new DatapathError("invalid", error instanceof Error ? error.message : String(error));
  }
}

function toId(port: PortIx): PortId {
  return port as number as PortId;
}

function toIx(port: PortId): PortIx {
  return port as number as PortIx;
}

function toTunnelIx(tunnel: TunnelHandle): TunnelIx {
  return tunnel as number as TunnelIx;
}
