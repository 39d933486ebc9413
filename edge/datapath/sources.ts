/** What the worker waits for: sockets and devices, and how input is taken from each. @module */

import { type PortIx, RX_BATCH, type SocketIx, type WasmDatapath } from "../../wasm/mod.ts";
import { Errno } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";
import type { Waiter } from "./waiter.ts";

/** A socket or device that is watched. */
export type Source =
  | { readonly kind: "socket"; readonly fd: number; readonly socket: SocketIx }
  | { readonly kind: "device"; readonly fd: number; readonly port: PortIx };

/** Figures of the receive path, for `io` in the statistics. */
export interface ReceiveFigures {
  "rx-calls": number;
  "device-reads": number;
  /** Sockets that are watched no more, as they are none (a defect of whoever handed them over). */
  "socket-failures": number;
}

/** The sources of a worker. */
export interface Sources {
  /** Watches a socket. @throws {IoError} */
  addSocket(fd: number, socket: SocketIx): void;
  /** Watches a device. @throws {IoError} */
  addDevice(fd: number, port: PortIx): void;
  removeSocket(socket: SocketIx): void;
  /** No matter whether the port is a device. */
  removeDevice(port: PortIx): void;
  /** Takes what has come in at the source of an epoll token, in bounded rounds: epoll tells of the rest again. */
  receive(token: number, now: number): void;
  readonly figures: ReceiveFigures;
}

/** What the worker does with input. */
export interface SourceEvents {
  /** A batch was handed to the datapath: send what it gave. */
  received(): void;
  /** A device vanished; it is watched no more. */
  gone(port: PortIx): void;
}

const MSG_DONTWAIT = 0x40;
/** Batches from one source before the others have their turn. */
const roundsPerTurn = 4;
/** Errors that stay: all others (an ICMP error of an earlier send) are over once they were told. */
const lasting: ReadonlySet<number> = new Set([
  Errno.EBADF,
  Errno.EFAULT,
  Errno.EINVAL,
  Errno.ENOTSOCK,
]);

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

  const receiveDatagrams = (token: number, source: Source & { kind: "socket" }, now: number) => {
    for (let round = 0; round < roundsPerTurn; round++) {
      figures["rx-calls"]++;
      const count = recvmmsgAt(source.fd, rxMessages, RX_BATCH, MSG_DONTWAIT, 0n);
      if (count <= 0) {
        if (lasting.has(libc.errno())) {
          figures["socket-failures"]++;
          remove(token, source);
        }
        return;
      }
      datapath.receiveDatagrams(source.socket, count, now);
      events.received();
      if (count < RX_BATCH) return;
    }
  };

  const receiveFrames = (token: number, source: Source & { kind: "device" }, now: number) => {
    for (let round = 0; round < roundsPerTurn; round++) {
      if (rxLengths.length === 0) {
        rxLengths = new Int32Array(memory.buffer as ArrayBuffer, layout.rxLengths, RX_BATCH);
      }
      let count = 0;
      let errno = 0;
      while (count < RX_BATCH) {
        const length = readAt(source.fd, rxSlots[count]!, rxSlotSize);
        if (length > 0) {
          rxLengths[count++] = length;
        } else {
          errno = length === 0 ? Errno.EBADFD : libc.errno();
          if (errno !== Errno.EINTR) break;
        }
      }
      figures["device-reads"] += count;
      if (count > 0) {
        datapath.receiveFrames(source.port, count, now);
        events.received();
      }
      if (count === RX_BATCH) continue;
      if (errno !== Errno.EAGAIN) {
        remove(token, source);
        events.gone(source.port);
      }
      return;
    }
  };

  return {
    figures,
    addSocket: (fd, socket) => add({ kind: "socket", fd, socket }),
    addDevice: (fd, port) => add({ kind: "device", fd, port }),
    removeSocket: (socket) => removeWhere((s) => s.kind === "socket" && s.socket === socket),
    removeDevice: (port) => removeWhere((s) => s.kind === "device" && s.port === port),
    receive(token, now) {
      const source = sources.get(token);
      if (source?.kind === "socket") receiveDatagrams(token, source, now);
      else if (source) receiveFrames(token, source, now);
    },
  };
}
