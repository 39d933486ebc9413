/**
 * Frames and control messages packed many to a buffer, so that one transfer carries a batch between the isolates.
 *
 * ```text
 * frame    handle 8 | length 4 | frame, padded to 4
 * control  handle 8 | length 4 | port 2 | remote's length 1 | local's length 1 | scope 4 | remote 16 | local 16
 *          | mark 4
 *          | message, padded to 4
 * ```
 *
 * Numbers are little-endian, handles (of a port, a socket) are doubles; they never leave the process.
 *
 * @module
 */

import type { PortIx, SockAddr, SocketIx } from "../../wasm/mod.ts";

/** A buffer of records, ready to be transferred. */
export interface Batch {
  readonly buffer: ArrayBuffer;
  /** How much of the buffer holds records. */
  readonly length: number;
}

/** A control message with its addresses as bytes. */
export interface ControlRecord {
  readonly socket: SocketIx;
  readonly remote: SockAddr;
  /** Absent: the kernel chooses, or did not tell. */
  readonly local: Uint8Array | undefined;
  /** The kernel's mark; 0: none. */
  readonly mark: number;
  readonly data: Uint8Array;
}

/** Collects records up to a limit. */
export interface Packer {
  /** Copies a frame in; false where it does not fit any more. */
  frame(port: PortIx, frame: Uint8Array): boolean;
  /** Copies a control message in; false where it does not fit any more. */
  control(record: ControlRecord): boolean;
  /** Bytes collected. */
  readonly length: number;
  /** Hands over what was collected, and begins anew. */
  take(): Batch;
}

const frameHeader = 12;
const controlHeader = 56;
const firstCapacity = 4096;

/** Bytes that a frame takes in a batch. */
export function frameRecordSize(frameLength: number): number {
  return frameHeader + align(frameLength);
}

/** Bytes that a control message takes in a batch. */
export function controlRecordSize(messageLength: number): number {
  return controlHeader + align(messageLength);
}

/** A packer of at most `limit` bytes; its memory grows with what is put in. */
export function createPacker(limit: number): Packer {
  let bytes = new Uint8Array(0);
  let view = new DataView(bytes.buffer);
  let length = 0;

  /** The offset of a new record, or -1. */
  const reserve = (size: number): number => {
    const end = length + size;
    if (end > limit) return -1;
    if (end > bytes.length) {
      const grown = new Uint8Array(Math.min(limit, Math.max(end, 2 * bytes.length, firstCapacity)));
      grown.set(bytes.subarray(0, length));
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    const at = length;
    length = end;
    return at;
  };

  return {
    frame(port, frame) {
      const at = reserve(frameRecordSize(frame.length));
      if (at < 0) return false;
      view.setFloat64(at, port, true);
      view.setUint32(at + 8, frame.length, true);
      bytes.set(frame, at + frameHeader);
      return true;
    },
    control({ socket, remote, local, mark, data }) {
      const at = reserve(controlRecordSize(data.length));
      if (at < 0) return false;
      view.setFloat64(at, socket, true);
      view.setUint32(at + 8, data.length, true);
      view.setUint16(at + 12, remote.port, true);
      view.setUint8(at + 14, remote.address.length);
      view.setUint8(at + 15, local?.length ?? 0);
      view.setUint32(at + 16, remote.scopeId ?? 0, true);
      bytes.set(remote.address, at + 20);
      if (local) bytes.set(local, at + 36);
      view.setUint32(at + 52, mark, true);
      bytes.set(data, at + controlHeader);
      return true;
    },
    get length() {
      return length;
    },
    take() {
      const batch = { buffer: bytes.buffer, length };
      bytes = new Uint8Array(0);
      view = new DataView(bytes.buffer);
      length = 0;
      return batch;
    },
  };
}

/** Visits a batch of frames; the views are of the batch's buffer. */
export function readFrames(
  batch: Batch,
  visit: (port: PortIx, frame: Uint8Array<ArrayBuffer>) => void,
): void {
  const view = new DataView(batch.buffer);
  for (let at = 0; at < batch.length;) {
    const length = view.getUint32(at + 8, true);
    visit(
      view.getFloat64(at, true) as PortIx,
      new Uint8Array(batch.buffer, at + frameHeader, length),
    );
    at += frameRecordSize(length);
  }
}

/** Visits a batch of control messages; the views are of the batch's buffer. */
export function readControl(batch: Batch, visit: (record: ControlRecord) => void): void {
  const view = new DataView(batch.buffer);
  const bytes = new Uint8Array(batch.buffer);
  for (let at = 0; at < batch.length;) {
    const length = view.getUint32(at + 8, true);
    const localLength = view.getUint8(at + 15);
    const scopeId = view.getUint32(at + 16, true);
    visit({
      socket: view.getFloat64(at, true) as SocketIx,
      remote: {
        address: bytes.subarray(at + 20, at + 20 + view.getUint8(at + 14)),
        port: view.getUint16(at + 12, true),
        ...(scopeId === 0 ? {} : { scopeId }),
      },
      local: localLength === 0 ? undefined : bytes.subarray(at + 36, at + 36 + localLength),
      mark: view.getUint32(at + 52, true),
      data: bytes.subarray(at + controlHeader, at + controlHeader + length),
    });
    at += controlRecordSize(length);
  }
}

function align(length: number): number {
  return (length + 3) & ~3;
}
