/** Carries out what the WASM datapath has laid out: `sendmmsg` for sockets, `writev` for devices. @module */

import type { TunnelIx, WasmDatapath } from "../../wasm/mod.ts";
import type { Libc } from "../io/libc.ts";
import { Errno } from "../io/errno.ts";
import type { Grouping } from "./grouping.ts";
import type { Look } from "./look.ts";
import { longestGrouped, mayBeAsynchronous, onSend, onWrite, type SendDrop } from "./outcome.ts";

/** Figures of the transmit path, for `io` in the statistics. */
export interface TransmitFigures {
  "tx-calls": number;
  /** How often a full socket or device was waited for. */
  "tx-waits": number;
  "device-writes": number;
  /** How often a call got an error that was not its own, and was made again. */
  "tx-excused": number;
}

/** Sends and writes everything that is ready. */
export interface Transmitter {
  /** Pumps the datapath until it has no more output. */
  flush(): void;
  /** Begins a round of the worker: how long full sockets may hold it up is bounded per round. */
  beginRound(now: number): void;
  readonly figures: TransmitFigures;
}

/** What the transmitter asks of others. */
export interface TransmitEvents extends Look {
  /** Takes the errors that the kernel keeps for a socket; gives how many came from the network. */
  kept(fd: number): number;
}

/** `struct mmsghdr` (msghdr 56 | length 4 | padding 4) and `struct iovec` (base 8 | length 8). */
const mmsghdrSize = 64n;
const iovecSize = 16n;
const MSG_DONTWAIT = 0x40;
const POLLOUT = 0x004;
/** An op of pump(): kind, descriptor, first, count. */
const opWords = 4;
const opSend = 0;
/** Datagrams in a group, at most. */
const maxSplit = 64;
/** A full socket drains within a millisecond or so; one that does not (a stopped queue) must not stop all others. */
const waitMs = 1;
const waitsPerRound = 4;
/** How often a message is sent again after ICMP errors of others: whoever forges them in a flood meets it once in a while. */
const excuses = 8;

/** `base` is the address of the memory's first byte. */
export function createTransmitter(
  libc: Libc,
  datapath: WasmDatapath,
  base: bigint,
  grouping: Grouping<TunnelIx>,
  events: TransmitEvents,
): Transmitter {
  return new DatapathTransmitter(libc, datapath, base, grouping, events);
}

class DatapathTransmitter implements Transmitter {
  readonly figures: TransmitFigures = {
    "tx-calls": 0,
    "tx-waits": 0,
    "device-writes": 0,
    "tx-excused": 0,
  };
  readonly #libc: Libc;
  readonly #datapath: WasmDatapath;
  readonly #grouping: Grouping<TunnelIx>;
  readonly #events: TransmitEvents;
  readonly #messages: readonly bigint[];
  readonly #iovecs: readonly bigint[];
  /** `struct pollfd`: descriptor 4 | events 2 | returned events 2. */
  readonly #pollfd = new DataView(new ArrayBuffer(8));
  readonly #pollfdAddress: bigint;
  #ops = new Int32Array(0);
  /** Address and length of each iovec. */
  #iovec = new BigUint64Array(0);
  #waitsLeft = waitsPerRound;
  #now = 0;

  constructor(
    libc: Libc,
    datapath: WasmDatapath,
    base: bigint,
    grouping: Grouping<TunnelIx>,
    events: TransmitEvents,
  ) {
    const { layout } = datapath;
    this.#libc = libc;
    this.#datapath = datapath;
    this.#grouping = grouping;
    this.#events = events;
    const messages = layout.txSplit + maxSplit;
    this.#messages = addresses(base, layout.txMessages, mmsghdrSize, messages);
    this.#iovecs = addresses(base, layout.txIovecs, iovecSize, layout.txIovecCount);
    this.#pollfdAddress = libc.address(this.#pollfd.buffer);
  }

  beginRound(now: number): void {
    this.#now = now;
    this.#waitsLeft = waitsPerRound;
  }

  flush(): void {
    const { layout, memory } = this.#datapath;
    for (let count = this.#datapath.pump(); count > 0; count = this.#datapath.pump()) {
      for (let op = 0; op < count; op++) {
        // Growing, which a failure noted below may cause, detaches views of the memory.
        if (this.#ops.length === 0) {
          this.#ops = new Int32Array(memory.buffer as ArrayBuffer, layout.txOps);
          this.#iovec = new BigUint64Array(memory.buffer as ArrayBuffer, layout.txIovecs);
        }
        const at = op * opWords;
        const fd = this.#ops[at + 1]!;
        const [first, size] = [this.#ops[at + 2]!, this.#ops[at + 3]!];
        if (this.#ops[at] === opSend) this.#send(fd, first, size);
        else this.#write(op, fd, first, size);
      }
    }
  }

  /** Whether `fd` takes more; false where it does not within its time, or the round has waited enough. */
  #waitFor(fd: number): boolean {
    if (this.#waitsLeft === 0) return false;
    this.#waitsLeft--;
    this.figures["tx-waits"]++;
    this.#pollfd.setInt32(0, fd, true);
    this.#pollfd.setInt16(4, POLLOUT, true);
    return this.#libc.call.pollAt(this.#pollfdAddress, 1n, waitMs) > 0;
  }

  /** Sends messages in their order; gives how many of them were dropped. */
  #send(fd: number, first: number, count: number): number {
    const { sendmmsgAt } = this.#libc.call;
    const end = first + count;
    let dropped = 0;
    /** How often this message has got an error that may be another's. */
    let excused = 0;
    const drop = (reason: SendDrop) => {
      this.#datapath.messageDropped(first++, reason);
      dropped++;
      excused = 0;
    };
    while (first < end) {
      this.figures["tx-calls"]++;
      const sent = sendmmsgAt(fd, this.#messages[first]!, end - first, MSG_DONTWAIT);
      if (sent > 0) {
        first += sent;
        excused = 0;
        continue;
      }
      const errno = this.#libc.errno();
      if (mayBeAsynchronous(errno) && excused < excuses) {
        // An error that was told is over, even where the kernel had no room to keep more of it.
        const others = this.#events.kept(fd);
        if (others > 0 || excused === 0) {
          excused++;
          this.figures["tx-excused"]++;
          continue;
        }
      }
      const group = this.#datapath.groupedBy(first) > 0;
      const mark = errno === Errno.EPERM ? this.#events.markOf(fd, first) : 0;
      const outcome = onSend(errno, group ? "group" : "datagram", mark);
      switch (outcome) {
        case "again":
          break;
        case "wait":
          if (this.#waitFor(fd)) break;
          while (first < end) drop("socket-full");
          break;
        case "split":
          dropped += this.#sendSingly(fd, first++, errno);
          excused = 0;
          break;
        case "look":
          drop(this.#events.look(fd, first));
          break;
        default:
          drop(outcome);
      }
    }
    return dropped;
  }

  /** Sends what a refused group holds, before anything overtakes it. What leaves singly is not grouped for a while. */
  #sendSingly(fd: number, message: number, errno: number): number {
    const datapath = this.#datapath;
    const tunnel = datapath.tunnelOfMessage(message);
    const size = datapath.groupedBy(message);
    const dropped = this.#send(fd, datapath.layout.txSplit, datapath.splitMessage(message));
    if (dropped === 0 && tunnel !== undefined) {
      this.#grouping.refused(tunnel, longestGrouped(errno, size), errno, this.#now);
    }
    return dropped;
  }

  #write(op: number, fd: number, first: number, count: number): void {
    const { writeAt, writevAt } = this.#libc.call;
    for (;;) {
      this.figures["device-writes"]++;
      // A frame in one piece, as most are, spares the kernel an iovec to copy in: 5 % of the write.
      const written = count === 1
        ? writeAt(fd, this.#iovec[2 * first]!, this.#iovec[2 * first + 1]!)
        : writevAt(fd, this.#iovecs[first]!, count);
      if (written >= 0) return;
      const outcome = onWrite(this.#libc.errno());
      if (outcome === "again") continue;
      if (outcome !== "wait") return this.#datapath.writeDropped(op, outcome);
      if (!this.#waitFor(fd)) return this.#datapath.writeDropped(op, "device-full");
    }
  }
}

function addresses(base: bigint, offset: number, stride: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => base + BigInt(offset) + BigInt(i) * stride);
}
