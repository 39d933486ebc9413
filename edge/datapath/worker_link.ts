/** The main isolate's end of a datapath worker: requests and replies, records with their bounds, and the worker's end. @module */

import { setImmediate } from "node:timers";
import { openEpoll } from "../io/epoll.ts";
import { openEventfd, signalEventfd } from "../io/eventfd.ts";
import type { Libc } from "../io/libc.ts";
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
  socketFailed(socket: SocketIx, errno: number): void;
  pathErrors(errors: readonly PathErrors[]): void;
  networkChanged(): void;
  /** The worker ended without being told to. All requests have been rejected. */
  failed(error: Error): void;
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
  /** Ends the worker, if it still runs. */
  stop(): Promise<void>;
}

/** How long a worker may take to end by itself. */
const stopGraceMs = 2000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Starts a worker. @throws {Error} where it cannot be started; nothing is left behind then. */
export async function startWorker(
  libc: Libc,
  limits: DatapathLimits,
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
  const ended = Promise.withResolvers<void>();
  const wake = openEventfd(libc);
  const epoll = openEpollOrClose(libc, wake);
  const network = openNetworkWatchOrNot(libc);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });

  /** The worker has ended, or is ended here; its descriptors are nobody's any more. */
  const end = (error: Error | undefined) => {
    if (state === "ended") return;
    const before = state;
    state = "ended";
    worker.terminate();
    libc.call.close(epoll);
    libc.call.close(wake);
    if (network >= 0) libc.call.close(network);
    const stopped = new DatapathError(
      "stopped",
      error ? `the datapath worker failed: ${error.message}` : "the datapath has stopped",
    );
    for (const { reject } of waiting.values()) reject(stopped);
    waiting.clear();
    ready.reject(error ?? stopped);
    ended.resolve();
    if (error && before !== "starting") events.failed(error);
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
      case "socket-failed":
        return events.socketFailed(data.socket, data.errno);
      case "path-errors":
        return events.pathErrors(data.errors);
      case "network-changed":
        return events.networkChanged();
      case "stopped":
        return end(data.error === undefined ? undefined : new Error(data.error));
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(new Error(event.message));
  };
  worker.postMessage({ epoll, wake, network, limits } satisfies Start);
  await ready.promise;

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
        const grace = setTimeout(() => end(undefined), stopGraceMs);
        await ended.promise;
        clearTimeout(grace);
      }
      await ended.promise;
    },
  };
}

/** Without it, what changed is found out by trying. */
function openNetworkWatchOrNot(libc: Libc): number {
  try {
    return openNetworkWatch(libc);
  } catch {
    return -1;
  }
}

function openEpollOrClose(libc: Libc, wake: number): number {
  try {
    return openEpoll(libc);
  } catch (error) {
    libc.call.close(wake);
    throw error;
  }
}
