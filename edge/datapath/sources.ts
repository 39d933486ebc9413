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
  const { layout, memory } = datapath;
  const { recvmmsgAt, readAt } = libc.call;
  const rxMessages = base + BigInt(layout.rxMessages);
  const rxSlots = layout.rxSlots.map((offset) => base + BigInt(offset));
  const rxSlotSize = BigInt(layout.rxSlotSize);
  const figures: ReceiveFigures = { "rx-calls": 0, "device-reads": 0, "socket-failures": 0 };
  const sources = new Map<number, Source>();
  let nextToken = firstToken;
  let rxLengths = new Int32Array(0);

  const add = (source: Source) => {
    if (source.kind === "socket") waiter.addSocket(source.fd, nextToken);
    else waiter.add(source.fd, nextToken);
    sources.set(nextToken++, source);
  };
  const remove = (token: number, source: Source) => {
    waiter.remove(source.fd);
    sources.delete(token);
  };
  const removeWhere = (matches: (source: Source) => boolean) => {
    for (const [token, source] of sources) if (matches(source)) remove(token, source);
  };

  const receiveDatagrams = (
    token: number,
    source: Source & { kind: "socket" },
    now: number,
    error: boolean,
  ) => {
    if (error) events.kept(source.fd);
    for (let round = 0; round < roundsPerTurn; round++) {
      figures["rx-calls"]++;
      const count = recvmmsgAt(source.fd, rxMessages, RX_BATCH, MSG_DONTWAIT, 0n);
      if (count > 0) {
        datapath.receiveDatagrams(source.socket, count, now);
        events.received();
        if (count < RX_BATCH) return;
        continue;
      }
      const errno = libc.errno();
      const outcome = count === 0 ? "empty" : onReceive(errno);
      if (outcome === "empty") return;
      if (outcome === "told") events.kept(source.fd);
      if (outcome === "gone") {
        figures["socket-failures"]++;
        remove(token, source);
        return events.failed(source.socket, errno);
      }
    }
  };

  const receiveFrames = (
    token: number,
    source: Exclude<Source, { kind: "socket" }>,
    now: number,
  ) => {
    for (let round = 0; round < roundsPerTurn; round++) {
      if (rxLengths.length === 0) {
        rxLengths = new Int32Array(memory.buffer as ArrayBuffer, layout.rxLengths, RX_BATCH);
      }
      let count = 0;
      let outcome: ReturnType<typeof onRead> = "again";
      while (count < source.batch) {
        const length = readAt(source.fd, rxSlots[count]!, rxSlotSize);
        if (length > 0) {
          rxLengths[count++] = length;
          continue;
        }
        outcome = onRead(length === 0 ? 0 : libc.errno());
        if (outcome !== "again") break;
      }
      figures["device-reads"] += count;
      if (count > 0) {
        datapath.receiveFrames(source.port, count, now);
        events.received();
      }
      if (count === source.batch) continue;
      if (outcome === "gone") {
        remove(token, source);
        events.gone(source.port);
      }
      return;
    }
  };

  const receivePackets = (
    token: number,
    source: Exclude<Source, { kind: "socket" }>,
    now: number,
  ) => {
    for (let round = 0; round < roundsPerTurn; round++) {
      figures["rx-calls"]++;
      const count = recvmmsgAt(source.fd, rxMessages, source.batch, MSG_DONTWAIT, 0n);
      if (count > 0) {
        datapath.receivePackets(source.port, count, now);
        events.received();
        if (count < source.batch) return;
        continue;
      }
      const outcome = count === 0 ? "empty" : onPacket(libc.errno());
      if (outcome === "empty") return;
      if (outcome === "down") return events.down(source.port);
      if (outcome === "gone") {
        remove(token, source);
        return events.gone(source.port);
      }
    }
  };

  return {
    figures,
    addSocket: (fd, socket) => add({ kind: "socket", fd, socket }),
    addDevice: (kind, fd, port, superFrames) =>
      add({ kind, fd, port, batch: superFrames ? superFrameBatch : RX_BATCH }),
    removeSocket: (socket) => removeWhere((s) => s.kind === "socket" && s.socket === socket),
    removeDevice: (port) => removeWhere((s) => s.kind !== "socket" && s.port === port),
    socketOf(fd) {
      for (const source of sources.values()) {
        if (source.kind === "socket" && source.fd === fd) return source.socket;
      }
      return undefined;
    },
    receive(token, now, error) {
      const source = sources.get(token);
      if (source?.kind === "socket") receiveDatagrams(token, source, now, error);
      else if (source?.kind === "packets") receivePackets(token, source, now);
      else if (source) receiveFrames(token, source, now);
    },
  };
}
