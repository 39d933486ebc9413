/** The datapath as the main isolate has it: {@linkcode Datapath} by way of one worker. @module */

import type { FrameType } from "../../core/pseudowire.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type {
  CounterSlice,
  InsideSpec,
  PortIx,
  PortLimit,
  PppoeSpec,
  SessionChange,
  SessionSpec,
  SocketIx,
  SocketKind,
  Translation,
} from "../../wasm/mod.ts";
import { errnoName } from "../io/errno.ts";
import { hollow, type Libc, openLibc } from "../io/libc.ts";
import { boundAddress, receiveMarks, socketDrops } from "../io/sockets.ts";
import { concatenated, countersByHandle, joined } from "./counters.ts";
import {
  type ControlDatagram,
  type Datapath,
  type DatapathCounters,
  DatapathError,
  type DatapathStats,
  type DatapathTotals,
  type DatapathTunnel,
  type DeviceSpec,
  type SessionStatistics,
  type SocketId,
  type StatsOf,
  type TunnelHandle,
} from "./datapath.ts";
import {
  addCounts,
  type DatapathLimits,
  type TunnelTable,
  type WorkerCounters,
} from "./protocol.ts";
import {
  type Batch,
  controlRecordSize,
  frameRecordSize,
  readControl,
  readFrames,
} from "./records.ts";
import {
  groupingStates,
  readable,
  toDatagram,
  toId,
  toIx,
  toPathError,
  toRecord,
  toSpec,
  toTunnelIx,
} from "./translate.ts";
import { type WorkerForwarders, workerForwarders } from "./forwarders.ts";
import { each, inSlices } from "../slices.ts";
import { startWorker, type WorkerLink, type WorkerTiming } from "./worker_link.ts";

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

/** What main keeps of a socket. */
interface OpenSocket {
  readonly fd: number;
  readonly address: string;
  /** What the kernel had dropped at it when it was last asked. */
  drops: number;
}

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
  const datapath = new OneWorkerDatapath(libc);
  await datapath.start(limits, timing);
  return datapath;
}

class OneWorkerDatapath implements Datapath {
  onControl: Datapath["onControl"] = undefined;
  onPathErrors: Datapath["onPathErrors"] = undefined;
  onNetworkChange: Datapath["onNetworkChange"] = undefined;
  onSocketFailure: Datapath["onSocketFailure"] = undefined;
  onResponsive: Datapath["onResponsive"] = undefined;
  onFailure: Datapath["onFailure"] = undefined;
  readonly #libc: Libc;
  #worker!: WorkerLink;
  readonly #sockets = new Map<SocketId, OpenSocket>();
  readonly #ports = new Map<PortId, Port>();
  readonly #drops: Record<ClientDrop, number> = {
    "control-queue-full": 0,
    "inject-queue-full": 0,
    "no-such-port": 0,
  };
  readonly forwarders: WorkerForwarders = workerForwarders(() => this.#worker);
  #open = true;
  /** Datagrams that the kernel dropped at all sockets that there ever were, as far as it was asked. */
  #lost = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  async start(limits: DatapathLimits, timing: WorkerTiming): Promise<void> {
    this.#worker = await startWorker(this.#libc, limits, timing, {
      batch: (lane, batch) => {
        if (lane === "control") this.#receiveControl(batch);
        else this.#receiveFrames(batch);
      },
      gone: (port) => {
        const device = this.#ports.get(toId(port));
        if (device?.kind !== "device") return;
        const gone = device.gone;
        device.gone = undefined;
        gone?.();
      },
      down: (port) => {
        const device = this.#ports.get(toId(port));
        if (device?.kind === "device") device.down?.();
      },
      socketFailed: (socket, errno) =>
        this.onSocketFailure?.(socket as number as SocketId, errnoName(errno)),
      pathErrors: (errors) =>
        this.onPathErrors?.(errors.map((error) => toPathError(this.#libc, error))),
      forwarderEvents: (events) => this.forwarders.tell(events),
      networkChanged: () => this.onNetworkChange?.(),
      responsive: (yes) => this.onResponsive?.(yes),
      failed: (error, byItself) => {
        this.#close(byItself);
        this.onFailure?.(error);
      },
    });
  }

  get responsive(): boolean {
    return this.#worker.responsive;
  }

  async addSocket(fd: number, kind: SocketKind): Promise<SocketId> {
    const address = readable(() => boundAddress(this.#libc, fd));
    const socket = await this.#worker.request("addSocket", { fd, kind }) as number as SocketId;
    this.#sockets.set(socket, { fd, address, drops: 0 });
    return socket;
  }

  async removeSocket(socket: SocketId): Promise<void> {
    await this.#worker.request("removeSocket", { socket: socket as number as SocketIx });
    const removed = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    if (!removed) return;
    this.#lookAt(removed);
    this.#libc.call.close(removed.fd);
  }

  async tellMarks(socket: SocketId): Promise<void> {
    receiveMarks(this.#libc, this.#fdOf(socket));
    await this.#worker.request("tellMarks", { socket: socket as number as SocketIx });
  }

  async rewatchSocket(socket: SocketId): Promise<void> {
    const fd = this.#fdOf(socket);
    await this.#worker.request("rewatchSocket", { fd, socket: socket as number as SocketIx });
  }

  async addTunnel(tunnel: DatapathTunnel): Promise<TunnelHandle> {
    const spec = toSpec(this.#libc, tunnel);
    return await this.#worker.request("addTunnel", { spec }) as number as TunnelHandle;
  }

  async changeTunnel(tunnel: TunnelHandle, change: DatapathTunnel): Promise<void> {
    const spec = toSpec(this.#libc, change);
    await this.#worker.request("changeTunnel", { tunnel: toTunnelIx(tunnel), spec });
  }

  async removeTunnel(tunnel: TunnelHandle): Promise<void> {
    await this.#worker.request("removeTunnel", { tunnel: toTunnelIx(tunnel) });
  }

  addSession(tunnel: TunnelHandle, spec: SessionSpec): Promise<PortId> {
    const ix = this.#worker.request("addSession", { tunnel: toTunnelIx(tunnel), spec });
    return this.#addPort(ix, { kind: "session" });
  }

  async expectSession(tunnel: TunnelHandle, sessionId: number, on: boolean): Promise<void> {
    await this.#worker.request("expectSession", { tunnel: toTunnelIx(tunnel), sessionId, on });
  }

  async changeSession(session: PortId, change: SessionChange): Promise<void> {
    await this.#worker.request("changeSession", { session: toIx(session), change });
  }

  addDevice(
    fd: number,
    device: DeviceSpec,
    gone: () => void,
    down?: () => void,
  ): Promise<PortId> {
    const ix = this.#worker.request("addDevice", { fd, device });
    return this.#addPort(ix, { kind: "device", fd, gone, down });
  }

  addPppoe(device: PortId, spec: PppoeSpec): Promise<PortId> {
    const ix = this.#worker.request("addPppoe", { device: toIx(device), spec });
    return this.#addPort(ix, { kind: "session" });
  }

  addHostPort(
    frameType: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId> {
    const ix = this.#worker.request("addHostPort", { frameType });
    return this.#addPort(ix, { kind: "host", receive });
  }

  /** A field, as it is handed on without its object. */
  readonly inject = (port: PortId, frames: readonly Uint8Array[]): boolean => {
    if (this.#ports.get(port)?.kind !== "host") return this.#drop("no-such-port", frames.length);
    const bytes = frames.reduce((sum, frame) => sum + frameRecordSize(frame.length), 0);
    return this.#worker.send("frames", bytes, (packer) => {
      for (const frame of frames) packer.frame(toIx(port), frame);
    }) || this.#drop("inject-queue-full", frames.length);
  };

  async removePort(id: PortId): Promise<void> {
    await this.#worker.request("removePort", { port: toIx(id) });
    const port = this.#ports.get(id);
    this.#ports.delete(id);
    if (port?.kind === "device") await this.#libc.call.closeBeside(port.fd);
  }

  async crossConnect(a: PortId, b: PortId): Promise<void> {
    await this.#worker.request("crossConnect", { a: toIx(a), b: toIx(b) });
  }

  async disconnect(a: PortId): Promise<void> {
    await this.#worker.request("disconnect", { port: toIx(a) });
  }

  addReceiver(
    port: PortId,
    frameType: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId> {
    const ix = this.#worker.request("addReceiver", { port: toIx(port), frameType });
    return this.#addPort(ix, { kind: "host", receive });
  }

  addInside(
    session: PortId,
    host: InsideSpec,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId> {
    const ix = this.#worker.request("addInside", { session: toIx(session), host });
    return this.#addPort(ix, { kind: "host", receive });
  }

  async hold(port: PortId, frames: number): Promise<void> {
    await this.#worker.request("hold", { port: toIx(port), frames });
  }

  async holdFirst(port: PortId, frames: readonly Uint8Array[]): Promise<void> {
    // They may be views of a bigger buffer, all of which would cross.
    const copies = frames.map((frame) => frame.slice());
    await this.#worker.request("holdFirst", { port: toIx(port), frames: copies });
  }

  async release(port: PortId): Promise<void> {
    await this.#worker.request("release", { port: toIx(port) });
  }

  async sessionStatistics(session: PortId): Promise<SessionStatistics | undefined> {
    const asked = { session: toIx(session) };
    return await this.#worker.request("sessionStatistics", asked) as SessionStatistics | undefined;
  }

  async limit(port: PortId, limit: PortLimit): Promise<void> {
    await this.#worker.request("limit", { port: toIx(port), limit });
  }

  async translate(port: PortId, translation: Translation): Promise<void> {
    await this.#worker.request("translate", { port: toIx(port), translation });
  }

  async addPatch(): Promise<readonly [PortId, PortId]> {
    const [a, b] = await this.#worker.request("addPatch", {});
    return [toId(a), toId(b)];
  }

  sendControl(batch: readonly ControlDatagram[]): boolean {
    const records = batch.map((datagram) => toRecord(this.#libc, datagram));
    const bytes = records.reduce((sum, { data }) => sum + controlRecordSize(data.length), 0);
    return this.#worker.send("control", bytes, (packer) => records.forEach(packer.control)) ||
      this.#drop("control-queue-full", batch.length);
  }

  async counters({ sessions, sockets = [], tunnels }: StatsOf): Promise<DatapathCounters> {
    const counted = this.#worker.request("counters", {
      sessions: Array.from(sessions, toIx),
      tunnels: Array.from(tunnels, toTunnelIx),
    });
    return this.#countersIn(await counted, sockets);
  }

  async totals(): Promise<DatapathTotals> {
    const { drops, io, memory } = await this.#worker.request("totals", {});
    // A system call for each, of which there may be very many.
    await inSlices(each(this.#sockets.values(), (socket) => void this.#lookAt(socket)));
    return {
      drops: { ...addCounts(drops, this.#drops), "receive-buffer-full": this.#lost },
      io,
      memory,
    };
  }

  async stats(): Promise<DatapathStats> {
    const [totals, all] = await Promise.all([this.totals(), this.#everything()]);
    return { ...totals, ...this.#countersIn(all, this.#sockets.keys()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(await this.#worker.stop());
  }

  #receiveControl(batch: Batch): void {
    if (!this.onControl) return;
    const messages: ControlDatagram[] = [];
    readControl(batch, (record) => {
      const bound = this.#sockets.get(record.socket as number as SocketId)?.address;
      messages.push(toDatagram(this.#libc, record, bound));
    });
    this.onControl(messages);
  }

  /** Hands each run of frames of one port to its receiver. */
  #receiveFrames(batch: Batch): void {
    let current: PortIx | undefined;
    let frames: Uint8Array[] = [];
    const deliver = () => {
      const port = current === undefined ? undefined : this.#ports.get(toId(current));
      if (port?.kind === "host") port.receive(frames);
      frames = [];
    };
    readFrames(batch, (port, frame) => {
      if (port !== current) deliver();
      current = port;
      frames.push(frame);
    });
    deliver();
  }

  #fdOf(socket: SocketId): number {
    const { fd } = this.#sockets.get(socket) ?? {};
    if (fd === undefined) throw new DatapathError("no-such-socket", "no such socket");
    return fd;
  }

  async #addPort(ix: Promise<PortIx>, port: Port): Promise<PortId> {
    const id = toId(await ix);
    this.#ports.set(id, port);
    return id;
  }

  #drop(reason: ClientDrop, frames: number): false {
    this.#drops[reason] += frames;
    return false;
  }

  #countersIn(
    { sessions, tunnels }: WorkerCounters,
    sockets: Iterable<SocketId>,
  ): DatapathCounters {
    const drops = new Map<SocketId, number>();
    for (const socket of new Set(sockets)) {
      const open = this.#sockets.get(socket);
      if (open) drops.set(socket, this.#lookAt(open));
    }
    return {
      grouping: groupingStates(tunnels.grouping),
      socketDrops: drops,
      sessions: countersByHandle<PortId>(sessions),
      tunnels: countersByHandle<TunnelHandle>(tunnels),
      heardAgoMs: new Map(heard(tunnels)),
    };
  }

  /** Asks the kernel what it has dropped at a socket. */
  #lookAt(socket: OpenSocket): number {
    const drops = socketDrops(this.#libc, socket.fd);
    this.#lost += drops - socket.drops;
    return socket.drops = drops;
  }

  async #everything(): Promise<WorkerCounters> {
    const [sessions, tunnels] = await Promise.all([
      slices((from) => this.#worker.request("sessionSlice", { from })),
      slices((from) => this.#worker.request("tunnelSlice", { from })),
    ]);
    const heardAgoMs = concatenated(tunnels.map((slice) => slice.heardAgoMs));
    const grouping = new Map(tunnels.flatMap((slice) => [...slice.grouping]));
    return { sessions: joined(sessions), tunnels: { ...joined(tunnels), heardAgoMs, grouping } };
  }

  /** The worker has ended, one way or the other: if not by itself, its thread may still use numbers of descriptors. */
  #close(byItself: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    const close = (fd: number) => byItself ? this.#libc.call.close(fd) : hollow(this.#libc, fd);
    for (const { fd } of this.#sockets.values()) close(fd);
    for (const port of this.#ports.values()) if (port.kind === "device") close(port.fd);
    this.#sockets.clear();
    this.#ports.clear();
    this.#libc[Symbol.dispose]();
  }
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
