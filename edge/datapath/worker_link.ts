/** The main isolate's end of a datapath worker: requests and replies, records with their bounds, and the worker's end. @module */

import { setImmediate } from "node:timers";
import { openEpoll } from "../io/epoll.ts";
import { openEventfd, signalEventfd, takeEventfd } from "../io/eventfd.ts";
import { hollow, type Libc } from "../io/libc.ts";
import { openNetworkWatch } from "../io/network_watch.ts";
import { DatapathError } from "./datapath.ts";
import {
  type CommandName,
  type CommandTable,
  type DatapathLimits,
  type FromWorker,
  type Item,
  type Lane,
  lanes,
  type Reply,
  type Request,
  type Start,
  toWorkerBytes,
} from "./protocol.ts";
import type { PathErrors } from "./path_errors.ts";
import { type Batch, createPacker, type Packer } from "./records.ts";
import type { PortIx, SocketIx } from "../../wasm/mod.ts";

/** What the worker tells by itself. */
export interface WorkerEvents {
  /** A batch came; it is acknowledged when this returns. */
  batch(lane: Lane, batch: Batch): void;
  gone(port: PortIx): void;
  down(port: PortIx): void;
  socketFailed(socket: SocketIx, errno: number): void;
  pathErrors(errors: readonly PathErrors[]): void;
  networkChanged(): void;
  /** The worker ended without being told to. All requests have been rejected. */
  failed(error: Error, byItself: boolean): void;
  /** The worker gives no sign of life any more, or does again. */
  responsive(yes: boolean): void;
}

/** A running worker. */
export interface WorkerLink {
  /** Asks for a command to be carried out. @throws {DatapathError} */
  request<Name extends CommandName>(
    name: Name,
    args: CommandTable[Name][0],
  ): Promise<CommandTable[Name][1]>;
  /** Sends records of `bytes` in all, which `pack` puts in. False, and `pack` not called, where the queue is full. */
  send(lane: Lane, bytes: number, pack: (packer: Packer) => void): boolean;
  /** Whether the worker's loop goes round, as far as is known. */
  readonly responsive: boolean;
  /** Ends the worker, if it still runs. @returns whether it has ended by itself: else it may still use descriptors */
  stop(): Promise<boolean>;
}

/** How long things may take, in milliseconds; tests are less patient. */
export interface WorkerTiming {
  /** How often the worker is asked for a sign of life; 3000 unless told. */
  readonly heartbeatMs?: number;
  /** How long it may take to end by itself; 2000 unless told. */
  readonly stopGraceMs?: number;
}

/** How many signs of life may be missing. */
const missingSigns = 3;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Starts a worker. @throws {Error} where it cannot be started; nothing is left behind then. */
export async function startWorker(
  libc: Libc,
  limits: DatapathLimits,
  { heartbeatMs = 3000, stopGraceMs = 2000 }: WorkerTiming,
  events: WorkerEvents,
): Promise<WorkerLink> {
  let state: "starting" | "running" | "stopping" | "ended" = "starting";
  let nextId = 0;
  const waiting = new Map<number, Waiting>();
  const outstanding: Record<Lane, number> = { control: 0, frames: 0 };
  const handled: Record<Lane, number> = { control: 0, frames: 0 };
  /** What the next message will hold. The last item may still be collecting records. */
  let items: Item[] = [];
  let packing: { lane: Lane; packer: Packer } | undefined;
  let flushing = false;

  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<boolean>();
  const own = openOwn(libc);
  const { epoll, network, ping, pong, wake } = own;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });

  let heartbeat: ReturnType<typeof setInterval> | undefined = undefined;
  let missed = 0;
  /** Asks for a sign of life, and looks for the one before. Costs both sides some microseconds. */
  const beat = () => {
    const before = missed;
    missed = takeEventfd(libc, pong, pongCount) > 0 ? 0 : missed + 1;
    if (before < missingSigns && missed >= missingSigns) events.responsive(false);
    if (before >= missingSigns && missed === 0) events.responsive(true);
    signalEventfd(libc, ping);
  };
  const pongCount = new BigUint64Array(1);

  /**
   * The worker has ended by itself, or is ended here: then its thread may be in the middle of a call, whose descriptors
   * must not become something else meanwhile.
   */
  const end = (error: Error | undefined, byItself: boolean) => {
    if (state === "ended") return;
    const before = state;
    state = "ended";
    clearInterval(heartbeat);
    worker.terminate();
    for (const fd of Object.values(own)) {
      if (fd >= 0) byItself ? libc.call.close(fd) : hollow(libc, fd);
    }
    const stopped = new DatapathError(
      "stopped",
      error ? `the datapath worker failed: ${error.message}` : "the datapath has stopped",
    );
    for (const { reject } of waiting.values()) reject(stopped);
    waiting.clear();
    ready.reject(error ?? stopped);
    ended.resolve(byItself);
    if (error && before !== "starting") events.failed(error, byItself);
  };

  const settle = (reply: Reply) => {
    const request = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.ok) request?.resolve(reply.result);
    else request?.reject(new DatapathError(reply.code, reply.message));
  };

  const closePacking = () => {
    if (packing) items.push({ kind: packing.lane, batch: packing.packer.take() });
    packing = undefined;
  };

  const flush = () => {
    flushing = false;
    if (state === "ended") return;
    closePacking();
    for (const lane of ["control", "frames"] as const) {
      if (handled[lane] > 0) items.push({ kind: "handled", lane, batches: handled[lane] });
      handled[lane] = 0;
    }
    const transfer = items.flatMap((item) => "batch" in item ? [item.batch.buffer] : []);
    worker.postMessage(items, transfer);
    items = [];
    signalEventfd(libc, wake);
  };
  /** Everything that is asked for in one turn goes in one message, also what follows on the replies of that turn. */
  const flushSoon = () => {
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  };

  const onBatch = (lane: Lane, batch: Batch) => {
    try {
      events.batch(lane, batch);
    } finally {
      handled[lane]++;
      // The worker can go on with the rest of its credits: spare it a wake-up for each.
      if (2 * handled[lane] >= lanes[lane].credits) flushSoon();
    }
  };

  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (state === "ended") return;
    switch (data.kind) {
      case "ready":
        state = "running";
        return ready.resolve();
      case "done":
        outstanding.control -= data.taken.control;
        outstanding.frames -= data.taken.frames;
        return data.replies.forEach(settle);
      case "control":
      case "frames":
        return onBatch(data.kind, data.batch);
      case "gone":
        return events.gone(data.port);
      case "down":
        return events.down(data.port);
      case "socket-failed":
        return events.socketFailed(data.socket, data.errno);
      case "path-errors":
        return events.pathErrors(data.errors);
      case "network-changed":
        return events.networkChanged();
      case "stopped":
        return end(data.error === undefined ? undefined : new Error(data.error), true);
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(new Error(event.message), false);
  };
  worker.postMessage({ epoll, wake, ping, pong, network, limits } satisfies Start);
  await ready.promise;
  signalEventfd(libc, ping);
  heartbeat = setInterval(beat, heartbeatMs);

  return {
    request(name, args) {
      if (state !== "running") {
        return Promise.reject(new DatapathError("stopped", "the datapath has stopped"));
      }
      closePacking();
      const id = nextId++;
      items.push({ kind: "request", id, name, args } as Request);
      flushSoon();
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.set(id, { resolve, reject });
      return promise as ReturnType<WorkerLink["request"]>;
    },
    send(lane, bytes, pack) {
      if (state !== "running" || outstanding[lane] + bytes > toWorkerBytes) return false;
      if (packing?.lane !== lane) {
        closePacking();
        packing = { lane, packer: createPacker(toWorkerBytes) };
      }
      pack(packing.packer);
      outstanding[lane] += bytes;
      flushSoon();
      return true;
    },
    async stop() {
      if (state === "running") {
        state = "stopping";
        closePacking();
        items.push({ kind: "stop" });
        flushSoon();
        const grace = setTimeout(() => end(undefined, false), stopGraceMs);
        await ended.promise;
        clearTimeout(grace);
      }
      return await ended.promise;
    },
    get responsive() {
      return missed < missingSigns;
    },
  };
}

/** The descriptors that a worker waits by; -1 where the network cannot be watched: what changed is found out by trying then. */
function openOwn(libc: Libc): Record<"epoll" | "network" | "ping" | "pong" | "wake", number> {
  const open: number[] = [];
  const keep = (fd: number) => {
    open.push(fd);
    return fd;
  };
  try {
    return {
      wake: keep(openEventfd(libc)),
      ping: keep(openEventfd(libc)),
      pong: keep(openEventfd(libc)),
      epoll: keep(openEpoll(libc)),
      network: openNetworkWatchOrNot(libc),
    };
  } catch (error) {
    for (const fd of open) libc.call.close(fd);
    throw error;
  }
}

function openNetworkWatchOrNot(libc: Libc): number {
  try {
    return openNetworkWatch(libc);
  } catch {
    return -1;
  }
}
