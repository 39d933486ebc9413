/**
 * A datapath worker: owns a WASM datapath, blocks until a socket, a device or the eventfd that main wakes it
 * by is ready, and moves frames between system calls and WASM in batches. It uses no CPU while there is nothing to do.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { type Punt, WasmDatapath } from "../../wasm/mod.ts";
import { takeEventfd } from "../io/eventfd.ts";
import { type Libc, openLibc } from "../io/libc.ts";
import { createCommands } from "./commands.ts";
import { createTaker, openInbox } from "./inbox.ts";
import { openLane } from "./lanes.ts";
import type { FromWorker, Start } from "./protocol.ts";
import { createSources } from "./sources.ts";
import { createTransmitter } from "./transmit.ts";
import { createWaiter } from "./waiter.ts";

declare const self: DedicatedWorkerGlobalScope;

const wakeToken = 0;
const firstSourceToken = 1;

const post = (message: FromWorker, transfer: ArrayBuffer[] = []) =>
  self.postMessage(message, transfer);

self.onmessage = async ({ data }: MessageEvent<Start>) => {
  using libc = openLibc();
  try {
    await run(libc, data);
    post({ kind: "stopped" });
  } catch (error) {
    post({
      kind: "stopped",
      error: error instanceof Error ? error.stack ?? error.message : `${error}`,
    });
  } finally {
    self.close();
  }
};

async function run(libc: Libc, { epoll, wake, limits }: Start): Promise<void> {
  const datapath = new WasmDatapath(limits);
  const base = libc.address(datapath.memory.buffer as ArrayBuffer);
  datapath.setBase(base);
  const drops: Record<string, number> = {};
  const drop = (reason: string) => drops[reason] = (drops[reason] ?? 0) + 1;
  const wakeUps = { "wake-ups": 0 };

  const transmitter = createTransmitter(libc, datapath, base);
  const toMain = { control: openLane("control", post), frames: openLane("frames", post) };
  const takePunt = (punt: Punt) => {
    if (punt.kind === "control") {
      if (!toMain.control.put((packer) => packer.control(punt))) drop("punt-queue-full");
    } else if (!toMain.frames.put((packer) => packer.frame(punt.port, punt.data))) {
      drop("host-queue-full");
    }
  };
  const output = () => {
    transmitter.flush();
    datapath.drainPunts(takePunt);
    // At once, whatever else this round brings: control messages keep their latency while data floods.
    toMain.control.flush();
  };
  const waiter = createWaiter(libc, epoll);
  const sources = createSources(libc, datapath, base, waiter, firstSourceToken, {
    received: output,
    gone: (port) => post({ kind: "gone", port }),
  });
  const commands = createCommands(datapath, sources, () => ({
    drops,
    io: { ...wakeUps, ...sources.figures, ...transmitter.figures },
  }));

  let stopping = false;
  const inbox = openInbox(createTaker({
    datapath,
    commands,
    lanes: toMain,
    drop,
    output,
    post,
    stop: () => stopping = true,
  }));

  const wakeCount = new BigUint64Array(1);
  waiter.add(wake, wakeToken);
  post({ kind: "ready" });

  while (!stopping) {
    const deadline = datapath.nextDeadline();
    const timeout = deadline === undefined
      ? -1
      : Math.max(0, Math.ceil(deadline - performance.now()));
    const ready = waiter.wait(timeout);
    const now = performance.now();
    wakeUps["wake-ups"]++;
    transmitter.beginRound();
    if (deadline !== undefined && deadline <= now) {
      datapath.age(now);
      output();
    }
    let messages = 0;
    for (const token of ready) {
      if (token === wakeToken) messages = takeEventfd(libc, wake, wakeCount);
      else sources.receive(token, now);
    }
    // After all events: a command may remove their sources.
    if (messages > 0) await inbox.expect(messages);
    // Credits may have come, too.
    toMain.control.flush();
    toMain.frames.flush();
  }
  datapath.free();
}
