/** What the worker waits for: sockets and devices, and how input is taken from each. @module */

import { type PortIx, RX_BATCH, type SocketIx, type WasmDatapath } from "../../wasm/mod.ts";
import type { Libc } from "../io/libc.ts";
import { onPacket, onRead, onReceive } from "./outcome.ts";
import type { Waiter } from "./waiter.ts";

/** A socket or device that is watched. */
export type Source =
  | { readonly kind: "socket"; readonly fd: number; readonly socket: SocketIx }
  | {
    readonly kind: "device" | "packets";
    readonly fd: number;
    readonly port: PortIx;
    /** Frames read at once. */
    readonly batch: number;
  };

/** Figures of the receive path, for `io` in the statistics. */
export interface ReceiveFigures {
  "rx-calls": number;
  "device-reads": number;
  /** Sockets that failed for good and are watched no more. */
  "socket-failures": number;
}

/** The sources of a worker. */
export interface Sources {
  /** Watches a socket. @throws {IoError} */
  addSocket(fd: number, socket: SocketIx): void;
  /** Watches a device, or a packet socket; `superFrames`: what it gives may be up to 64 KiB. @throws {IoError} */
  addDevice(kind: "device" | "packets", fd: number, port: PortIx, superFrames: boolean): void;
  removeSocket(socket: SocketIx): void;
  /** No matter whether the port is a device. */
  removeDevice(port: PortIx): void;
  /**
   * Takes what has come in at the source of an epoll token, in bounded rounds: epoll tells of the rest again. `error`:
   * the kernel keeps errors for it.
   */
  receive(token: number, now: number, error: boolean): void;
  /** The socket of a descriptor. */
  socketOf(fd: number): SocketIx | undefined;
  readonly figures: ReceiveFigures;
}

/** What the worker does with input. */
export interface SourceEvents {
  /** A batch was handed to the datapath: send what it gave. */
  received(): void;
  /** The kernel keeps errors for a socket: take them. */
  kept(fd: number): void;
  /** A device vanished; it is watched no more. */
  gone(port: PortIx): void;
  /** The device of a packet socket is down, or was removed. */
  down(port: PortIx): void;
  /** A socket failed for good; it is watched no more. */
  failed(socket: SocketIx, errno: number): void;
}

const MSG_DONTWAIT = 0x40;
/** Super-frames read at once: 2 MiB of them. Twice as many do not stay in the cache until they are sent. */
const superFrameBatch = 32;
/** Batches from one source before the others have their turn. */
const roundsPerTurn = 4;

/** `base` is the address of the memory's first byte; tokens begin at `firstToken`. */
export function createSources(
  libc: Libc,
  datapath: WasmDatapath,
  base: bigint,
  waiter: Waiter,
  firstToken: number,
  events: SourceEvents,
): Sources {
  return new WorkerSources(libc, datapath, base, waiter, firstToken, events);
}

class WorkerSources implements Sources {
  readonly figures: ReceiveFigures = { "rx-calls": 0, "device-reads": 0, "socket-failures": 0 };
  readonly #libc: Libc;
  readonly #datapath: WasmDatapath;
  readonly #waiter: Waiter;
  readonly #events: SourceEvents;
  readonly #rxMessages: bigint;
  readonly #rxSlots: readonly bigint[];
  readonly #rxSlotSize: bigint;
  readonly #sources = new Map<number, Source>();
  #nextToken: number;
  #rxLengths = new Int32Array(0);

  constructor(
    libc: Libc,
    datapath: WasmDatapath,
    base: bigint,
    waiter: Waiter,
    firstToken: number,
    events: SourceEvents,
  ) {
    const { layout } = datapath;
    this.#libc = libc;
    this.#datapath = datapath;
    this.#waiter = waiter;
    this.#events = events;
    this.#rxMessages = base + BigInt(layout.rxMessages);
    this.#rxSlots = layout.rxSlots.map((offset) => base + BigInt(offset));
    this.#rxSlotSize = BigInt(layout.rxSlotSize);
    this.#nextToken = firstToken;
  }

  addSocket(fd: number, socket: SocketIx): void {
    this.#waiter.addSocket(fd, this.#nextToken);
    this.#sources.set(this.#nextToken++, { kind: "socket", fd, socket });
  }

  addDevice(kind: "device" | "packets", fd: number, port: PortIx, superFrames: boolean): void {
    this.#waiter.add(fd, this.#nextToken);
    const batch = superFrames ? superFrameBatch : RX_BATCH;
    this.#sources.set(this.#nextToken++, { kind, fd, port, batch });
  }

  removeSocket(socket: SocketIx): void {
    this.#removeWhere((source) => source.kind === "socket" && source.socket === socket);
  }

  removeDevice(port: PortIx): void {
    this.#removeWhere((source) => source.kind !== "socket" && source.port === port);
  }

  socketOf(fd: number): SocketIx | undefined {
    for (const source of this.#sources.values()) {
      if (source.kind === "socket" && source.fd === fd) return source.socket;
    }
    return undefined;
  }

  receive(token: number, now: number, error: boolean): void {
    const source = this.#sources.get(token);
    if (source?.kind === "socket") this.#receiveDatagrams(token, source, now, error);
    else if (source?.kind === "packets") this.#receivePackets(token, source, now);
    else if (source) this.#receiveFrames(token, source, now);
  }

  #removeWhere(matches: (source: Source) => boolean): void {
    for (const [token, source] of this.#sources) if (matches(source)) this.#remove(token, source);
  }

  #remove(token: number, source: Source): void {
    this.#waiter.remove(source.fd);
    this.#sources.delete(token);
  }

  #receiveDatagrams(
    token: number,
    source: Source & { kind: "socket" },
    now: number,
    error: boolean,
  ): void {
    const { recvmmsgAt } = this.#libc.call;
    if (error) this.#events.kept(source.fd);
    for (let round = 0; round < roundsPerTurn; round++) {
      this.figures["rx-calls"]++;
      const count = recvmmsgAt(source.fd, this.#rxMessages, RX_BATCH, MSG_DONTWAIT, 0n);
      if (count > 0) {
        this.#datapath.receiveDatagrams(source.socket, count, now);
        this.#events.received();
        if (count < RX_BATCH) return;
        continue;
      }
      const errno = this.#libc.errno();
      const outcome = count === 0 ? "empty" : onReceive(errno);
      if (outcome === "empty") return;
      if (outcome === "told") this.#events.kept(source.fd);
      if (outcome === "gone") {
        this.figures["socket-failures"]++;
        this.#remove(token, source);
        return this.#events.failed(source.socket, errno);
      }
    }
  }

  #receiveFrames(
    token: number,
    source: Exclude<Source, { kind: "socket" }>,
    now: number,
  ): void {
    const { layout, memory } = this.#datapath;
    const { readAt } = this.#libc.call;
    for (let round = 0; round < roundsPerTurn; round++) {
      if (this.#rxLengths.length === 0) {
        this.#rxLengths = new Int32Array(memory.buffer as ArrayBuffer, layout.rxLengths, RX_BATCH);
      }
      let count = 0;
      let outcome: ReturnType<typeof onRead> = "again";
      while (count < source.batch) {
        const length = readAt(source.fd, this.#rxSlots[count]!, this.#rxSlotSize);
        if (length > 0) {
          this.#rxLengths[count++] = length;
          continue;
        }
        outcome = onRead(length === 0 ? 0 : this.#libc.errno());
        if (outcome !== "again") break;
      }
      this.figures["device-reads"] += count;
      if (count > 0) {
        this.#datapath.receiveFrames(source.port, count, now);
        this.#events.received();
      }
      if (count === source.batch) continue;
      if (outcome === "gone") {
        this.#remove(token, source);
        this.#events.gone(source.port);
      }
      return;
    }
  }

  #receivePackets(
    token: number,
    source: Exclude<Source, { kind: "socket" }>,
    now: number,
  ): void {
    const { recvmmsgAt } = this.#libc.call;
    for (let round = 0; round < roundsPerTurn; round++) {
      this.figures["rx-calls"]++;
      const count = recvmmsgAt(source.fd, this.#rxMessages, source.batch, MSG_DONTWAIT, 0n);
      if (count > 0) {
        this.#datapath.receivePackets(source.port, count, now);
        this.#events.received();
        if (count < source.batch) return;
        continue;
      }
      const outcome = count === 0 ? "empty" : onPacket(this.#libc.errno());
      if (outcome === "empty") return;
      if (outcome === "down") return this.#events.down(source.port);
      if (outcome === "gone") {
        this.#remove(token, source);
        return this.#events.gone(source.port);
      }
    }
  }
}
