/** What main sends to the worker, on arrival. @module */

/// <reference lib="deno.worker" />

import { type WasmDatapath, WasmError } from "../../wasm/mod.ts";
import { type Commands, reply, transferOf } from "./commands.ts";
import type { LaneSender } from "./lanes.ts";
import {
  type FromWorker,
  type Item,
  type Lane,
  type Reply,
  type ToWorker,
  toWorkerBytes,
} from "./protocol.ts";
import { type Batch, readControl, readFrames } from "./records.ts";

declare const self: DedicatedWorkerGlobalScope;

/** Bytes of main's frames and control messages between two flushes: less than the datapath's queues for them hold. */
const sendRunBytes = 256 << 10;
/** Bytes taken that main is told of without a reply to tell it with: far less than may be on their way. */
const takenBytes = toWorkerBytes / 8;
/** What a queue counts for a record beyond its data, at most. */
const recordCost = 256;

/** Messages of main, which arrive only while this isolate yields to its event loop. */
export interface Inbox {
  /** Waits until so many messages more than until now have been taken. Rejects with what taking one threw. */
  expect(messages: number): Promise<void>;
}

/** Receives main's messages; `take` deals with each as it arrives. */
export function openInbox(take: (message: ToWorker) => void): Inbox {
  let missing = 0;
  let failure: unknown;
  let arrived: (() => void) | undefined;
  self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    missing--;
    if (failure !== undefined) return;
    try {
      take(data);
    } catch (error) {
      failure = error;
    }
    if (missing <= 0 || failure !== undefined) arrived?.();
  };
  return {
    async expect(messages) {
      missing += messages;
      if (missing > 0 && failure === undefined) {
        await new Promise<void>((resolve) => arrived = resolve);
      }
      if (failure !== undefined) throw failure;
    },
  };
}

/** What messages of main act on. */
export interface Target {
  readonly datapath: WasmDatapath;
  readonly commands: Commands;
  readonly lanes: Readonly<Record<Lane, LaneSender>>;
  /** Counts a drop. */
  drop(reason: string): void;
  /** Sends what the datapath has ready. */
  output(): void;
  post(message: FromWorker, transfer: ArrayBuffer[]): void;
  /** Main wants the worker to end. */
  stop(): void;
}

/** Carries out one message after the other, each item in its turn. */
export function createTaker(target: Target): (items: ToWorker) => void {
  const { datapath, commands, lanes, drop, output, post, stop } = target;
  let queued = 0;
  const flush = () => {
    queued = 0;
    output();
  };
  /** Queues one record. What it names may be gone by now: that is a drop. */
  const queue = (data: Uint8Array, send: () => void) => {
    try {
      send();
    } catch (error) {
      if (!(error instanceof WasmError)) throw error;
      drop(error.code);
    }
    queued += data.length + recordCost;
    if (queued >= sendRunBytes) flush();
  };
  const inject = (batch: Batch, now: number) =>
    readFrames(batch, (port, frame) => queue(frame, () => datapath.inject(port, frame, now)));
  const sendControl = (batch: Batch) =>
    readControl(
      batch,
      ({ socket, remote, local, mark, data }) =>
        queue(data, () => datapath.sendControl(socket, remote, local, data, mark)),
    );

  /** What main does not know yet to be taken; it learns of little with the next reply. */
  let taken: Record<Lane, number> = { control: 0, frames: 0 };

  return (items) => {
    const now = performance.now();
    const replies: Reply[] = [];
    const transfer: ArrayBuffer[] = [];
    const take = (item: Item) => {
      switch (item.kind) {
        case "request": {
          // What was sent before a removal leaves before it.
          if (queued > 0) flush();
          const done = reply(commands, item);
          transfer.push(...transferOf(item, done));
          return replies.push(done);
        }
        case "frames":
          taken.frames += item.batch.length;
          return inject(item.batch, now);
        case "control":
          taken.control += item.batch.length;
          return sendControl(item.batch);
        case "handled":
          return lanes[item.lane].handled(item.batches);
        case "stop":
          return stop();
      }
    };
    for (const item of items) take(item);
    flush();
    if (replies.length === 0 && taken.control + taken.frames < takenBytes) return;
    post({ kind: "done", replies, taken }, transfer);
    taken = { control: 0, frames: 0 };
  };
}
