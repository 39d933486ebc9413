/** Frames and control messages on their way from the worker to main, within the credits that main gives. @module */

import type { FromWorker, Lane } from "./protocol.ts";
import { lanes } from "./protocol.ts";
import { createPacker, type Packer } from "./records.ts";

/** One lane, from the worker's side. */
export interface LaneSender {
  /** Puts one record in the batch in the making; false where it and all batches on their way are full. */
  put(pack: (packer: Packer) => boolean): boolean;
  /** Sends the batch in the making, if there is something in it and main can take it. */
  flush(): void;
  /** Main has handled batches. */
  handled(batches: number): void;
}

/** Opens a lane; `post` hands a message to main. */
export function openLane(
  lane: Lane,
  post: (message: FromWorker, transfer: ArrayBuffer[]) => void,
): LaneSender {
  const packer = createPacker(lanes[lane].batchBytes);
  let credits: number = lanes[lane].credits;

  const flush = () => {
    if (packer.length === 0 || credits === 0) return;
    credits--;
    const batch = packer.take();
    post({ kind: lane, batch }, [batch.buffer]);
  };
  return {
    put(pack) {
      if (pack(packer)) return true;
      flush();
      return pack(packer);
    },
    flush,
    handled(batches) {
      credits += batches;
    },
  };
}
