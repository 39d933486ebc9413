/**
 * A datapath worker: owns a WASM datapath, blocks until a socket, a device or the eventfd that main wakes it
 * by is ready, and moves frames between system calls and WASM in batches. It uses no CPU while there is nothing to do.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { type Punt, type TunnelIx, WasmDatapath } from "../../wasm/mod.ts";
import { createErrorQueues } from "../io/error_queue.ts";
import { signalEventfd, takeEventfd } from "../io/eventfd.ts";
import { type Libc, openLibc } from "../io/libc.ts";
import { takeNetworkChanges } from "../io/network_watch.ts";
import { createCommands } from "./commands.ts";
import { createGrouping } from "./grouping.ts";
import { createTaker, openInbox } from "./inbox.ts";
import { openLane } from "./lanes.ts";
import { createLook } from "./look.ts";
import { createPathErrorSink } from "./path_errors.ts";
import type { FromWorker, Start } from "./protocol.ts";
import { createSources } from "./sources.ts";
import { createTransmitter } from "./transmit.ts";
import { createWaiter } from "./waiter.ts";

declare const self: DedicatedWorkerGlobalScope;

const wakeToken = 0;
const networkToken = 1;
const pingToken = 2;
const firstSourceToken = 3;
/** Between two reports of a network that changes all the time. */
const networkIntervalMs = 200;
/** The longest datagram that UDP_SEGMENT cuts. */
const anyLength = 0xffff;

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

async function run(libc: Libc, { epoll, wake, ping, pong, network, limits }: Start): Promise<void> {
  const datapath = new WasmDatapath(limits);
  const base = libc.address(datapath.memory.buffer as ArrayBuffer);
  datapath.setBase(base);
  const drops: Record<string, number> = {};
  const drop = (reason: string) => drops[reason] = (drops[reason] ?? 0) + 1;
  const wakeUps = { "wake-ups": 0, "path-errors-uncounted": 0 };

  const grouping = createGrouping<TunnelIx>((tunnel, longest) =>
    datapath.limitGrouping(tunnel, longest ?? anyLength)
  );
  const errorQueues = createErrorQueues(libc);
  const pathErrors = createPathErrorSink(
    (errors) => post({ kind: "path-errors", errors }),
    (count) => wakeUps["path-errors-uncounted"] += count,
  );
  /** Takes the errors that the kernel keeps for a socket. */
  const takeKept = (fd: number): number => {
    const socket = sources.socketOf(fd);
    return errorQueues.drain(fd, (error) => {
      if (error.trouble === "too-big") grouping.forgetAll();
      if (socket !== undefined) pathErrors.note(socket, error);
    });
  };
  const transmitter = createTransmitter(libc, datapath, base, grouping, {
    kept: takeKept,
    ...createLook(libc, datapath, base),
  });
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
    kept: takeKept,
    gone: (port) => post({ kind: "gone", port }),
    down: (port) => post({ kind: "down", port }),
    failed: (socket, errno) => post({ kind: "socket-failed", socket, errno }),
  });
  const commands = createCommands(datapath, sources, grouping, () => ({
    drops,
    io: {
      ...wakeUps,
      ...sources.figures,
      ...transmitter.figures,
      "tx-grouping-limited": grouping.refusals,
    },
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
  waiter.add(ping, pingToken);
  if (network >= 0) waiter.add(network, networkToken);
  const networkRoom = new Uint8Array(1 << 16);
  /** When main may be told again that the network changed, and whether it is to be. */
  let networkNext = -Infinity;
  let networkChanged = false;
  const tellNetwork = (now: number) => {
    if (!networkChanged || now < networkNext) return;
    networkChanged = false;
    networkNext = now + networkIntervalMs;
    post({ kind: "network-changed" });
  };
  post({ kind: "ready" });

  while (!stopping) {
    const deadline = datapath.nextDeadline();
    const next = Math.min(
      deadline ?? Infinity,
      pathErrors.deadline() ?? Infinity,
      networkChanged ? networkNext : Infinity,
    );
    const timeout = next === Infinity ? -1 : Math.max(0, Math.ceil(next - performance.now()));
    const ready = waiter.wait(timeout);
    const now = performance.now();
    wakeUps["wake-ups"]++;
    transmitter.beginRound(now);
    grouping.expire(now);
    if (deadline !== undefined && deadline <= now) {
      datapath.age(now);
      output();
    }
    let messages = 0;
    for (const token of ready) {
      if (token === wakeToken) messages = takeEventfd(libc, wake, wakeCount);
      else if (token === pingToken) {
        takeEventfd(libc, ping, wakeCount);
        signalEventfd(libc, pong);
      } else if (token === networkToken) {
        if (!takeNetworkChanges(libc, network, networkRoom)) continue;
        networkChanged = true;
        grouping.forgetAll();
      } else sources.receive(token, now, waiter.hasError(token));
    }
    pathErrors.flush(now);
    tellNetwork(now);
    // After all events: a command may remove their sources.
    if (messages > 0) await inbox.expect(messages);
    // Credits may have come, too.
    toMain.control.flush();
    toMain.frames.flush();
  }
  datapath.free();
}
