/** Where in the module's memory what lies. @module */

import type { RawLayout } from "./pkg/isthmus_datapath.js";

/** Messages or frames in a batch. */
export const RX_BATCH = 64;

/** Byte offsets into the memory; fixed for the life of the instance. */
export interface Layout {
  /** `mmsghdr[64]`, ready for recvmmsg: name, control buffer and one iovec, which is the slot of the same number. */
  readonly rxMessages: number;
  /** The 64 slots: where a device's frame is read to. */
  readonly rxSlots: readonly number[];
  /** Room of each slot, in bytes. */
  readonly rxSlotSize: number;
  /** `i32[64]`: lengths of the device frames that were read, written by the caller. */
  readonly rxLengths: number;
  /** Room for 256 `struct epoll_event`, for the caller. */
  readonly events: number;
  /** 4096 bytes, 16-aligned, for the caller. */
  readonly scratch: number;
  /** `i32[4][]`: what `pump` laid out. */
  readonly txOps: number;
  /** `mmsghdr[txMessageCount]`. */
  readonly txMessages: number;
  /** `iovec[txIovecCount]`. */
  readonly txIovecs: number;
  /** How many messages one `pump` can lay out. */
  readonly txMessageCount: number;
  /** How many iovecs one `pump` can lay out. */
  readonly txIovecCount: number;
  /** The first message of a refused group that was split. */
  readonly txSplit: number;
}

/** The layout as the module tells it. */
export function readLayout(raw: RawLayout): Layout {
  const { first_slot: first, slot_stride: stride } = raw;
  return {
    rxMessages: raw.rx_messages,
    rxSlots: Array.from({ length: RX_BATCH }, (_, i) => first + i * stride),
    rxSlotSize: raw.slot_size,
    rxLengths: raw.rx_lengths,
    events: raw.events,
    scratch: raw.scratch,
    txOps: raw.tx_ops,
    txMessages: raw.tx_messages,
    txIovecs: raw.tx_iovecs,
    txMessageCount: raw.tx_message_count,
    txIovecCount: raw.tx_iovec_count,
    txSplit: raw.tx_split,
  };
}
