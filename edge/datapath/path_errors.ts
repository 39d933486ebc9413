/** ICMP errors on their way from a worker to main: gathered, bounded, and told a few times a second. Pure. @module */

import type { SockAddr, SocketIx } from "../../wasm/mod.ts";
import type { KeptError, PathTrouble } from "../io/error_queue.ts";

/** So many errors of one kind came for what a socket had sent to one peer. */
export interface PathErrors {
  readonly socket: SocketIx;
  readonly peer: SockAddr;
  readonly trouble: PathTrouble;
  readonly count: number;
  /** What the path carries, by the last `too-big`: bytes of IP. */
  readonly mtu?: number;
  /** Who sent the last one: 4 or 16 bytes. */
  readonly reporter?: Uint8Array;
}

/** What a worker gathers. */
export interface PathErrorSink {
  note(socket: SocketIx, error: KeptError): void;
  /** Tells what was gathered, if it is time to. */
  flush(now: number): void;
  /** When {@linkcode PathErrorSink.flush} has something to tell; undefined: nothing was gathered. */
  deadline(): number | undefined;
}

/** Between two reports. */
const intervalMs = 100;
/** Kinds of errors that one report may hold; a flood of forged ones makes no more. */
const maxKinds = 256;

/** Tells `report` of what it gathers; `overflow` counts errors beyond the bound. */
export function createPathErrorSink(
  report: (errors: readonly PathErrors[]) => void,
  overflow: (count: number) => void,
): PathErrorSink {
  let gathered = new Map<string, PathErrors>();
  let next = -Infinity;
  return {
    note(socket, { trouble, peer, mtu, reporter }) {
      if (!peer) return overflow(1);
      const key = `${socket} ${peer.address} ${peer.port} ${trouble}`;
      const known = gathered.get(key);
      if (!known && gathered.size === maxKinds) return overflow(1);
      gathered.set(key, {
        socket,
        peer,
        trouble,
        count: (known?.count ?? 0) + 1,
        ...(mtu !== undefined && { mtu }),
        ...(reporter && { reporter }),
      });
    },
    flush(now) {
      if (gathered.size === 0 || now < next) return;
      next = now + intervalMs;
      report([...gathered.values()]);
      gathered = new Map();
    },
    deadline: () => gathered.size === 0 ? undefined : next,
  };
}
