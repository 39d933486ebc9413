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
import type { ForwarderEvent, PortIx, SocketIx } from "../../wasm/mod.ts";

/** What the worker tells by itself. */
export interface WorkerEvents {
  /** A batch came; it is acknowledged when this returns. */
  batch(lane: Lane, batch: Batch): void;
  gone(port: PortIx): void;
  down(port: PortIx): void;
  socketFailed(socket: SocketIx, errno: number): void;
  pathErrors(errors: readonly PathErrors[]): void;
  networkChanged(): void;
  forwarderEvents(events: readonly ForwarderEvent[]): void;
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
  timing: WorkerTiming,
  events: WorkerEvents,
): Promise<WorkerLink> {
  const worker = new OwnWorker(libc, timing, events);
  await worker.start(limits);
  return worker;
}

class OwnWorker implements WorkerLink {
  readonly #libc: Libc;
  readonly #events: WorkerEvents;
  readonly #heartbeatMs: number;
  readonly #stopGraceMs: number;
  readonly #own: OwnDescriptors;
  readonly #worker: Worker;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<boolean>();
  #state: "starting" | "running" | "stopping" | "ended" = "starting";
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #outstanding: Record<Lane, number> = { control: 0, frames: 0 };
  readonly #handled: Record<Lane, number> = { control: 0, frames: 0 };
  /** What the next message will hold. The last item may still be collecting records. */
  #items: Item[] = [];
  #packing: { lane: Lane; packer: Packer } | undefined;
  #flushing = false;
  #heartbeat: ReturnType<typeof setInterval> | undefined = undefined;
  #missed = 0;
  readonly #pongCount = new BigUint64Array(1);

  constructor(
    libc: Libc,
    { heartbeatMs = 3000, stopGraceMs = 2000 }: WorkerTiming,
    events: WorkerEvents,
  ) {
    this.#libc = libc;
    this.#events = events;
    this.#heartbeatMs = heartbeatMs;
    this.#stopGraceMs = stopGraceMs;
    this.#own = openOwn(libc);
    try {
      this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    } catch (error) {
      for (const fd of Object.values(this.#own)) if (fd >= 0) libc.call.close(fd);
      throw error;
    }
  }

  async start(limits: DatapathLimits): Promise<void> {
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(event.message), false);
    };
    this.#worker.postMessage({ ...this.#own, limits } satisfies Start);
    await this.#ready.promise;
    signalEventfd(this.#libc, this.#own.ping);
    this.#heartbeat = setInterval(() => this.#beat(), this.#heartbeatMs);
  }

  request<Name extends CommandName>(
    name: Name,
    args: CommandTable[Name][0],
  ): Promise<CommandTable[Name][1]> {
    if (this.#state !== "running") {
      return Promise.reject(new DatapathError("stopped", "the datapath has stopped"));
    }
    this.#closePacking();
    const id = this.#nextId++;
    this.#items.push({ kind: "request", id, name, args } as Request);
    this.#flushSoon();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    return promise as Promise<CommandTable[Name][1]>;
  }

  send(lane: Lane, bytes: number, pack: (packer: Packer) => void): boolean {
    if (this.#state !== "running" || this.#outstanding[lane] + bytes > toWorkerBytes) return false;
    if (this.#packing?.lane !== lane) {
      this.#closePacking();
      this.#packing = { lane, packer: createPacker(toWorkerBytes) };
    }
    pack(this.#packing.packer);
    this.#outstanding[lane] += bytes;
    this.#flushSoon();
    return true;
  }

  async stop(): Promise<boolean> {
    if (this.#state === "running") {
      this.#state = "stopping";
      this.#closePacking();
      this.#items.push({ kind: "stop" });
      this.#flushSoon();
      const grace = setTimeout(() => this.#end(undefined, false), this.#stopGraceMs);
      await this.#ended.promise;
      clearTimeout(grace);
    }
    return await this.#ended.promise;
  }

  get responsive(): boolean {
    return this.#missed < missingSigns;
  }

  /** Asks for a sign of life, and looks for the one before. Costs both sides some microseconds. */
  #beat(): void {
    const before = this.#missed;
    const heard = takeEventfd(this.#libc, this.#own.pong, this.#pongCount) > 0;
    this.#missed = heard ? 0 : before + 1;
    if (before < missingSigns && this.#missed >= missingSigns) this.#events.responsive(false);
    if (before >= missingSigns && this.#missed === 0) this.#events.responsive(true);
    signalEventfd(this.#libc, this.#own.ping);
  }

  /**
   * The worker has ended by itself, or is ended here: then its thread may be in the middle of a call, whose descriptors
   * must not become something else meanwhile.
   */
  #end(error: Error | undefined, byItself: boolean): void {
    if (this.#state === "ended") return;
    const before = this.#state;
    this.#state = "ended";
    clearInterval(this.#heartbeat);
    this.#worker.terminate();
    for (const fd of Object.values(this.#own)) {
      if (fd >= 0) byItself ? this.#libc.call.close(fd) : hollow(this.#libc, fd);
    }
    const stopped = new DatapathError(
      "stopped",
      error ? `the datapath worker failed: ${error.message}` : "the datapath has stopped",
    );
    for (const { reject } of this.#waiting.values()) reject(stopped);
    this.#waiting.clear();
    this.#ready.reject(error ?? stopped);
    this.#ended.resolve(byItself);
    if (error && before !== "starting") this.#events.failed(error, byItself);
  }

  #take(message: FromWorker): void {
    if (this.#state === "ended") return;
    switch (message.kind) {
      case "ready":
        this.#state = "running";
        return this.#ready.resolve();
      case "done":
        this.#outstanding.control -= message.taken.control;
        this.#outstanding.frames -= message.taken.frames;
        return message.replies.forEach((reply) => this.#settle(reply));
      case "control":
      case "frames":
        return this.#onBatch(message.kind, message.batch);
      case "gone":
        return this.#events.gone(message.port);
      case "down":
        return this.#events.down(message.port);
      case "socket-failed":
        return this.#events.socketFailed(message.socket, message.errno);
      case "path-errors":
        return this.#events.pathErrors(message.errors);
      case "forwarder-events":
        return this.#events.forwarderEvents(message.events);
      case "network-changed":
        return this.#events.networkChanged();
      case "stopped": {
        const { error } = message;
        return this.#end(error === undefined ? undefined : new Error(error), true);
      }
    }
  }

  #settle(reply: Reply): void {
    const request = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) request?.resolve(reply.result);
    else request?.reject(new DatapathError(reply.code, reply.message));
  }

  #onBatch(lane: Lane, batch: Batch): void {
    try {
      this.#events.batch(lane, batch);
    } finally {
      this.#handled[lane]++;
      // The worker can go on with the rest of its credits: spare it a wake-up for each.
      if (2 * this.#handled[lane] >= lanes[lane].credits) this.#flushSoon();
    }
  }

  #closePacking(): void {
    if (this.#packing) {
      this.#items.push({ kind: this.#packing.lane, batch: this.#packing.packer.take() });
    }
    this.#packing = undefined;
  }

  /** Everything that is asked for in one turn goes in one message, also what follows on the replies of that turn. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(this.#flush);
  }

  readonly #flush = () => {
    this.#flushing = false;
    if (this.#state === "ended") return;
    this.#closePacking();
    for (const lane of ["control", "frames"] as const) {
      const batches = this.#handled[lane];
      if (batches > 0) this.#items.push({ kind: "handled", lane, batches });
      this.#handled[lane] = 0;
    }
    const transfer = this.#items.flatMap((item) => "batch" in item ? [item.batch.buffer] : []);
    this.#worker.postMessage(this.#items, transfer);
    this.#items = [];
    signalEventfd(this.#libc, this.#own.wake);
  };
}

/** The descriptors that a worker waits by; -1 where the network cannot be watched: what changed is found out by trying then. */
type OwnDescriptors = Record<"epoll" | "network" | "ping" | "pong" | "wake", number>;

function openOwn(libc: Libc): OwnDescriptors {
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
