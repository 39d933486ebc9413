/** Carries out what the WASM datapath has laid out: `sendmmsg` for sockets, `writev` for devices. @module */

import type { WasmDatapath } from "../../wasm/mod.ts";
import { Errno } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";

/** Figures of the transmit path, for `io` in the statistics. */
export interface TransmitFigures {
  "tx-calls": number;
  /** How often a full socket or device was waited for. */
  "tx-waits": number;
  "device-writes": number;
}

/** Sends and writes everything that is ready. */
export interface Transmitter {
  /** Pumps the datapath until it has no more output. */
  flush(): void;
  /** Begins a round of the worker: how long full sockets may hold it up is bounded per round. */
  beginRound(): void;
  readonly figures: TransmitFigures;
}

/** `struct mmsghdr` (msghdr 56 | length 4 | padding 4) and `struct iovec` (base 8 | length 8). */
const mmsghdrSize = 64n;
const iovecSize = 16n;
const MSG_DONTWAIT = 0x40;
const POLLOUT = 0x004;
/** An op of pump(): kind, descriptor, first, count. */
const opWords = 4;
const opSend = 0;
/** A full socket drains within a millisecond or so; one that does not (a stopped queue) must not stop all others. */
const waitMs = 1;
const waitsPerRound = 4;

/** `base` is the address of the memory's first byte. */
export function createTransmitter(libc: Libc, datapath: WasmDatapath, base: bigint): Transmitter {
  const { layout, memory } = datapath;
  const { sendmmsgAt, writeAt, writevAt, pollAt } = libc.call;
  const messages = addresses(base, layout.txMessages, mmsghdrSize, layout.txMessageCount);
  const iovecs = addresses(base, layout.txIovecs, iovecSize, layout.txIovecCount);
  const figures: TransmitFigures = { "tx-calls": 0, "tx-waits": 0, "device-writes": 0 };
  /** `struct pollfd`: descriptor 4 | events 2 | returned events 2. */
  const pollfd = new DataView(new ArrayBuffer(8));
  const pollfdAddress = libc.address(pollfd.buffer);
  let ops = new Int32Array(0);
  /** Address and length of each iovec. */
  let iovec = new BigUint64Array(0);
  let waitsLeft = waitsPerRound;

  /** Whether `fd` takes more; false where it does not within its time, or the round has waited enough. */
  const waitFor = (fd: number): boolean => {
    if (waitsLeft === 0) return false;
    waitsLeft--;
    figures["tx-waits"]++;
    pollfd.setInt32(0, fd, true);
    pollfd.setInt16(4, POLLOUT, true);
    return pollAt(pollfdAddress, 1n, waitMs) > 0;
  };

  const send = (fd: number, first: number, count: number): void => {
    const end = first + count;
    /** Whether this message has had another's error: a connected socket gives an ICMP error to the next send. */
    let excused = false;
    while (first < end) {
      figures["tx-calls"]++;
      const sent = sendmmsgAt(fd, messages[first]!, end - first, MSG_DONTWAIT);
      if (sent > 0) {
        first += sent;
        excused = false;
        continue;
      }
      const errno = libc.errno();
      if (errno === Errno.EINTR) continue;
      if (errno === Errno.EAGAIN) {
        if (waitFor(fd)) continue;
        while (first < end) datapath.messageFailed(first++, errno);
        return;
      }
      if (errno === Errno.ECONNREFUSED && !excused) {
        excused = true;
        continue;
      }
      datapath.messageFailed(first++, errno);
      excused = false;
    }
  };

  const write = (op: number, fd: number, first: number, count: number): void => {
    for (;;) {
      figures["device-writes"]++;
      // A frame in one piece, as most are, spares the kernel an iovec to copy in: 5 % of the write.
      const written = count === 1
        ? writeAt(fd, iovec[2 * first]!, iovec[2 * first + 1]!)
        : writevAt(fd, iovecs[first]!, count);
      if (written >= 0) return;
      const errno = libc.errno();
      if (errno === Errno.EINTR) continue;
      if (errno === Errno.EAGAIN && waitFor(fd)) continue;
      return datapath.writeFailed(op, errno);
    }
  };

  return {
    figures,
    beginRound() {
      waitsLeft = waitsPerRound;
    },
    flush() {
      for (let count = datapath.pump(); count > 0; count = datapath.pump()) {
        for (let op = 0; op < count; op++) {
          // Growing, which a failure noted below may cause, detaches views of the memory.
          if (ops.length === 0) {
            ops = new Int32Array(memory.buffer as ArrayBuffer, layout.txOps);
            iovec = new BigUint64Array(memory.buffer as ArrayBuffer, layout.txIovecs);
          }
          const at = op * opWords;
          const fd = ops[at + 1]!;
          if (ops[at] === opSend) send(fd, ops[at + 2]!, ops[at + 3]!);
          else write(op, fd, ops[at + 2]!, ops[at + 3]!);
        }
      }
    },
  };
}

function addresses(base: bigint, offset: number, stride: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => base + BigInt(offset) + BigInt(i) * stride);
}
