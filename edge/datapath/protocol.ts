/**
 * What the main isolate and a datapath worker say to each other.
 *
 * A worker that blocks in `poll` runs no event loop: whoever posts a {@linkcode ToWorker} adds 1 to the worker's
 * eventfd, and the worker, woken, yields to its event loop until it has had as many messages as the eventfd counted.
 * The other way, a posted message needs nothing.
 *
 * Both ways are bounded. Main holds at most `toWorkerBytes` of frames or control messages that the worker has not
 * taken. The worker holds at most `lane.credits` batches a lane that main has not handled, and one more in the making.
 *
 * @module
 */

import type { FrameType } from "../../core/pseudowire.ts";
import type {
  CounterSlice,
  CounterTable,
  ForwarderEvent,
  ForwarderIx,
  ForwarderKind,
  InsideSpec,
  PortIx,
  PortLimit,
  PppoeSpec,
  SessionSpec,
  SocketIx,
  SocketKind,
  Translation,
  TunnelIx,
  TunnelSpec,
} from "../../wasm/mod.ts";
import type {
  DatapathError,
  DatapathMemory,
  DeviceSpec,
  SessionChange,
  SessionStatistics,
} from "./datapath.ts";
import type { GroupingLimit } from "./grouping.ts";
import type { PathErrors } from "./path_errors.ts";
import type { Batch } from "./records.ts";

/** Bytes of records that may be on their way to the worker, of frames and of control messages each. */
export const toWorkerBytes = 2 << 20;

/** The worker's lanes to main: each has its own credits, so that frames cannot hold up control messages. */
export const lanes = {
  control: { credits: 8, batchBytes: 512 << 10 },
  frames: { credits: 8, batchBytes: 256 << 10 },
} as const;
/** A lane's name. */
export type Lane = keyof typeof lanes;

/** Slots of a table that one request looks at: well below a millisecond of the worker's time. */
export const sliceSlots = 4096;

/** How big a worker's tables and queues are; what is absent has the WASM module's default. */
export interface DatapathLimits {
  readonly maxSessions?: number;
  /** Frames that one session may hold until their turn. */
  readonly reorderFrames?: number;
  /** Bytes that all sessions together may hold until their turn. */
  readonly reorderBytes?: number;
  /** Bytes of frames and control messages that may wait for TypeScript. */
  readonly puntBytes?: number;
}

/** The first message to a worker. Main owns the descriptors, and closes them once the worker has ended. */
export interface Start {
  readonly epoll: number;
  readonly wake: number;
  /** Eventfds: the worker answers each signal of the one by the other, as long as its loop goes round. */
  readonly ping: number;
  readonly pong: number;
  /** Has input whenever the network changed; -1: nobody tells. */
  readonly network: number;
  readonly limits: DatapathLimits;
}

/** What can be asked of a worker: arguments and result. */
export interface CommandTable {
  addSocket: [{ fd: number; kind: SocketKind }, SocketIx];
  removeSocket: [{ socket: SocketIx }, void];
  tellMarks: [{ socket: SocketIx }, void];
  /** Reads a socket again that had failed: its descriptor stands for another one by now. */
  rewatchSocket: [{ fd: number; socket: SocketIx }, void];
  addTunnel: [{ spec: TunnelSpec }, TunnelIx];
  changeTunnel: [{ tunnel: TunnelIx; spec: TunnelSpec }, void];
  removeTunnel: [{ tunnel: TunnelIx }, void];
  addSession: [{ tunnel: TunnelIx; spec: SessionSpec }, PortIx];
  expectSession: [{ tunnel: TunnelIx; sessionId: number; on: boolean }, void];
  changeSession: [{ session: PortIx; change: SessionChange }, void];
  addDevice: [{ fd: number; device: DeviceSpec }, PortIx];
  addPppoe: [{ device: PortIx; spec: PppoeSpec }, PortIx];
  addHostPort: [{ frameType: FrameType }, PortIx];
  removePort: [{ port: PortIx }, void];
  crossConnect: [{ a: PortIx; b: PortIx }, void];
  disconnect: [{ port: PortIx }, void];
  /** Adds a host port that is the receiver of a port. */
  addReceiver: [{ port: PortIx; frameType: FrameType }, PortIx];
  /** Adds a host port that is inside of a session. */
  addInside: [{ session: PortIx; host: InsideSpec }, PortIx];
  hold: [{ port: PortIx; frames: number }, void];
  /** Puts frames before those that are held, in their order. */
  holdFirst: [{ port: PortIx; frames: readonly Uint8Array[] }, void];
  release: [{ port: PortIx }, void];
  limit: [{ port: PortIx; limit: PortLimit }, void];
  translate: [{ port: PortIx; translation: Translation }, void];
  addPatch: [Record<never, never>, readonly [PortIx, PortIx]];
  addForwarder: [
    { kind: ForwarderKind; ports: readonly PortIx[]; options: object },
    ForwarderIx,
  ];
  changeForwarder: [{ kind: ForwarderKind; forwarder: ForwarderIx; options: object }, void];
  removeForwarder: [{ kind: ForwarderKind; forwarder: ForwarderIx }, void];
  joinForwarder: [
    { kind: ForwarderKind; forwarder: ForwarderIx; port: PortIx; options: object },
    void,
  ];
  changeMember: [
    { kind: ForwarderKind; forwarder: ForwarderIx; port: PortIx; options: object },
    void,
  ];
  /** What of one session is counted, all of one instant; undefined: there is no such session. */
  sessionStatistics: [{ session: PortIx }, SessionStatistics | undefined];
  askForwarder: [
    { kind: ForwarderKind; forwarder: ForwarderIx; question: string; given: object },
    unknown,
  ];
  /** The drops and the work of the whole worker. */
  totals: [Record<never, never>, WorkerTotals];
  /** The counters of what is asked for; what there is not is left out. */
  counters: [{ sessions: readonly PortIx[]; tunnels: readonly TunnelIx[] }, WorkerCounters];
  /** A part of the table of sessions, and where the next one starts. */
  sessionSlice: [{ from: number }, CounterSlice];
  /** A part of the table of tunnels, and where the next one starts. */
  tunnelSlice: [{ from: number }, CounterSlice & TunnelTable];
}
/** A command's name. */
export type CommandName = keyof CommandTable;
/** A command with an id that its reply repeats. */
export type Request = {
  [Name in CommandName]: {
    readonly kind: "request";
    readonly id: number;
    readonly name: Name;
    readonly args: CommandTable[Name][0];
  };
}[CommandName];

/** What a message to the worker holds, in the order in which it is to be done. */
export type Item =
  | Request
  | { readonly kind: "frames"; readonly batch: Batch }
  | { readonly kind: "control"; readonly batch: Batch }
  /** Main has handled so many batches of a lane. */
  | { readonly kind: "handled"; readonly lane: Lane; readonly batches: number }
  | { readonly kind: "stop" };

/** One message to the worker. */
export type ToWorker = readonly Item[];

/** What came of a request. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | {
    readonly id: number;
    readonly ok: false;
    readonly code: DatapathError["code"];
    readonly message: string;
  };

/** One message from the worker. */
export type FromWorker =
  | { readonly kind: "ready" }
  /** Answers to one {@linkcode ToWorker}, and how many bytes of records were taken from it. */
  | {
    readonly kind: "done";
    readonly replies: readonly Reply[];
    readonly taken: Record<Lane, number>;
  }
  | { readonly kind: Lane; readonly batch: Batch }
  /** A device vanished; its port stays until it is removed. */
  | { readonly kind: "gone"; readonly port: PortIx }
  /** The device of a packet socket is down, or was removed; it is read on. */
  | { readonly kind: "down"; readonly port: PortIx }
  /** A socket failed for good and is read no more; it stays until it is removed. */
  | { readonly kind: "socket-failed"; readonly socket: SocketIx; readonly errno: number }
  /** What happened in forwarders, oldest first. */
  | { readonly kind: "forwarder-events"; readonly events: readonly ForwarderEvent[] }
  /** What ICMP says of datagrams of ours. */
  | { readonly kind: "path-errors"; readonly errors: readonly PathErrors[] }
  /** Links, addresses or routes changed. */
  | { readonly kind: "network-changed" }
  /** The last message: the worker ended as it was told to, or because of an error. */
  | { readonly kind: "stopped"; readonly error?: string };

/** Counters of tunnels. */
export interface TunnelTable extends CounterTable {
  /** How many milliseconds ago each last received a valid data message; NaN: it has not. */
  readonly heardAgoMs: Float64Array;
  /** Those whose datagrams are not all grouped. */
  readonly grouping: ReadonlyMap<TunnelIx, GroupingLimit>;
}

/** Counters by handle. */
export interface WorkerCounters {
  readonly sessions: CounterTable;
  readonly tunnels: TunnelTable;
}

/** What a worker counts as a whole. */
export interface WorkerTotals {
  readonly drops: Readonly<Record<string, number>>;
  readonly io: Readonly<Record<string, number>>;
  readonly memory: DatapathMemory;
}

/** Two sets of counts as one: the same name in both is their sum. */
export function addCounts(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
