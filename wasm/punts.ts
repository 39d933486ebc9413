/** Reads what the datapath hands to TypeScript out of its memory. @module */

import type { PortIx, SockAddr, SocketIx } from "./spec.ts";

/**
 * Something handed to TypeScript. Its byte arrays are views of the memory: valid until the visitor returns or calls
 * the datapath.
 */
export type Punt =
  | {
    readonly kind: "control";
    readonly socket: SocketIx;
    readonly remote: SockAddr;
    /** The address that the peer talked to; undefined where the kernel was not asked to tell (IP_PKTINFO). */
    readonly local: Uint8Array | undefined;
    /** The kernel's mark; 0: none, or the socket does not tell (SO_RCVMARK). */
    readonly mark: number;
    /** From the T bit on; over IP without the four zero bytes (RFC 3931 §4.1.1.2). */
    readonly data: Uint8Array;
  }
  | {
    readonly kind: "frame";
    readonly port: PortIx;
    readonly data: Uint8Array;
  };

/** `Record` of `src/punt.rs`: its size and its fields' offsets. */
const record = {
  size: 64,
  handle: 0,
  data: 8,
  length: 12,
  kind: 16,
  port: 18,
  mark: 20,
  scope: 24,
  addressLengths: 28,
  remote: 32,
  local: 48,
} as const;

/** The entry whose record is at `at`; `bytes` is where all entries' data starts. */
export function readPunt(memory: ArrayBufferLike, at: number, bytes: number): Punt {
  const view = new DataView(memory, at, record.size);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const handle = view.getFloat64(record.handle, true);
  const data = new Uint8Array(memory, bytes + u32(record.data), u32(record.length));
  if (view.getUint16(record.kind, true) === 1) {
    return { kind: "frame", port: handle as PortIx, data };
  }
  const lengths = u32(record.addressLengths);
  const address = (offset: number, length: number) => new Uint8Array(memory, at + offset, length);
  return {
    kind: "control",
    socket: handle as SocketIx,
    remote: {
      address: address(record.remote, lengths & 0xffff),
      port: view.getUint16(record.port, true),
      ...(u32(record.scope) === 0 ? {} : { scopeId: u32(record.scope) }),
    },
    mark: u32(record.mark),
    local: lengths >>> 16 === 0 ? undefined : address(record.local, lengths >>> 16),
    data,
  };
}

/** Bytes from one record to the next. */
export const recordSize = record.size;
