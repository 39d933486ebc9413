/**
 * A datapath worker: owns a WASM datapath, blocks until a socket, a device or the eventfd that main wakes it
 * by is ready, and moves frames between system calls and WASM in batches. It uses no CPU while there is nothing to do.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { type Punt, type TunnelIx, WasmDatapath } from "../../wasm/mod.ts";
import { createErrorQueues, type ErrorQueues } from "../io/error_queue.ts";
import { signalEventfd, takeEventfd } from "../io/eventfd.ts";
import { type Libc, openLibc } from "../io/libc.ts";
import { takeNetworkChanges } from "../io/network_watch.ts";
import { createCommands } from "./commands.ts";
import { createGrouping, type Grouping } from "./grouping.ts";
import { createTaker, type Inbox, openInbox } from "./inbox.ts";
import { openLane } from "./lanes.ts";
import { createLook } from "./look.ts";
import { createPathErrorSink, type PathErrorSink } from "./path_errors.ts";
import type { FromWorker, Start } from "./protocol.ts";
import { createSources, type Sources } from "./sources.ts";
import { createTransmitter, type Transmitter } from "./transmit.ts";
import { createWaiter, type Waiter } from "./waiter.ts";

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
    await new DatapathWorker(libc, data).run();
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

/** All of a worker, and the loop that it goes round. */
class DatapathWorker {
  readonly #libc: Libc;
  readonly #start: Start;
  readonly #datapath: WasmDatapath;
  readonly #drops: Record<string, number> = {};
  readonly #wakeUps = { "wake-ups": 0, "path-errors-uncounted": 0 };
  readonly #grouping: Grouping<TunnelIx>;
  readonly #errorQueues: ErrorQueues;
  readonly #pathErrors: PathErrorSink;
  readonly #transmitter: Transmitter;
  readonly #toMain = { control: openLane("control", post), frames: openLane("frames", post) };
  readonly #waiter: Waiter;
  readonly #sources: Sources;
  readonly #inbox: Inbox;
  readonly #wakeCount = new BigUint64Array(1);
  readonly #networkRoom = new Uint8Array(1 << 16);
  /** When main may be told again that the network changed, and whether it is to be. */
  #networkNext = -Infinity;
  #networkChanged = false;
  #stopping = false;

  constructor(libc: Libc, start: Start) {
    const datapath = new WasmDatapath(start.limits);
    const base = libc.address(datapath.memory.buffer as ArrayBuffer);
    datapath.setBase(base);
    this.#libc = libc;
    this.#start = start;
    this.#datapath = datapath;
    this.#grouping = createGrouping<TunnelIx>((tunnel, longest) =>
      datapath.limitGrouping(tunnel, longest ?? anyLength)
    );
    this.#errorQueues = createErrorQueues(libc);
    this.#pathErrors = createPathErrorSink(
      (errors) => post({ kind: "path-errors", errors }),
      (count) => this.#wakeUps["path-errors-uncounted"] += count,
    );
    this.#transmitter = createTransmitter(libc, datapath, base, this.#grouping, {
      kept: this.#takeKept,
      ...createLook(libc, datapath, base),
    });
    this.#waiter = createWaiter(libc, start.epoll);
    this.#sources = createSources(libc, datapath, base, this.#waiter, firstSourceToken, {
      received: this.#output,
      kept: this.#takeKept,
      gone: (port) => post({ kind: "gone", port }),
      down: (port) => post({ kind: "down", port }),
      failed: (socket, errno) => post({ kind: "socket-failed", socket, errno }),
    });
    this.#inbox = openInbox(createTaker({
      datapath,
      commands: createCommands(datapath, this.#sources, this.#grouping, () => this.#figures()),
      lanes: this.#toMain,
      drop: this.#drop,
      output: this.#output,
      post,
      stop: () => this.#stopping = true,
    }));
  }

  /** Goes round until main wants the worker to end. */
  async run(): Promise<void> {
    const { wake, ping, network } = this.#start;
    this.#waiter.add(wake, wakeToken);
    this.#waiter.add(ping, pingToken);
    if (network >= 0) this.#waiter.add(network, networkToken);
    post({ kind: "ready" });
    while (!this.#stopping) {
      const deadline = this.#datapath.nextDeadline();
      const ready = this.#waiter.wait(this.#timeout(deadline));
      const now = performance.now();
      this.#wakeUps["wake-ups"]++;
      this.#transmitter.beginRound(now);
      this.#grouping.expire(now);
      if (deadline !== undefined && deadline <= now) {
        this.#datapath.age(now);
        this.#output();
      }
      const messages = this.#takeReady(ready, now);
      this.#pathErrors.flush(now);
      this.#tellForwarders();
      this.#tellNetwork(now);
      // After all events: a command may remove their sources.
      if (messages > 0) await this.#inbox.expect(messages);
      // Credits may have come, too.
      this.#toMain.control.flush();
      this.#toMain.frames.flush();
    }
    this.#datapath.free();
  }

  /** How many milliseconds to wait for events, where `deadline` is the datapath's own; -1: without end. */
  #timeout(deadline: number | undefined): number {
    const next = Math.min(
      deadline ?? Infinity,
      this.#pathErrors.deadline() ?? Infinity,
      this.#networkChanged ? this.#networkNext : Infinity,
    );
    return next === Infinity ? -1 : Math.max(0, Math.ceil(next - performance.now()));
  }

  /** Deals with all that is ready but main's messages; gives how many of them have been sent. */
  #takeReady(tokens: readonly number[], now: number): number {
    const { wake, ping, pong, network } = this.#start;
    let messages = 0;
    for (const token of tokens) {
      if (token === wakeToken) messages = takeEventfd(this.#libc, wake, this.#wakeCount);
      else if (token === pingToken) {
        takeEventfd(this.#libc, ping, this.#wakeCount);
        signalEventfd(this.#libc, pong);
      } else if (token === networkToken) {
        if (!takeNetworkChanges(this.#libc, network, this.#networkRoom)) continue;
        this.#networkChanged = true;
        this.#grouping.forgetAll();
      } else this.#sources.receive(token, now, this.#waiter.hasError(token));
    }
    return messages;
  }

  #tellForwarders(): void {
    const events = Object.values(this.#datapath.forwarders).flatMap((door) => door.events());
    if (events.length > 0) post({ kind: "forwarder-events", events });
  }

  #tellNetwork(now: number): void {
    if (!this.#networkChanged || now < this.#networkNext) return;
    this.#networkChanged = false;
    this.#networkNext = now + networkIntervalMs;
    post({ kind: "network-changed" });
  }

  readonly #output = () => {
    this.#transmitter.flush();
    this.#datapath.drainPunts(this.#takePunt);
    // At once, whatever else this round brings: control messages keep their latency while data floods.
    this.#toMain.control.flush();
  };

  readonly #takePunt = (punt: Punt) => {
    const { control, frames } = this.#toMain;
    if (punt.kind === "control") {
      if (!control.put((packer) => packer.control(punt))) this.#drop("punt-queue-full");
    } else if (!frames.put((packer) => packer.frame(punt.port, punt.data))) {
      this.#drop("host-queue-full");
    }
  };

  /** Takes the errors that the kernel keeps for a socket. */
  readonly #takeKept = (fd: number): number => {
    const socket = this.#sources.socketOf(fd);
    return this.#errorQueues.drain(fd, (error) => {
      if (error.trouble === "too-big") this.#grouping.forgetAll();
      if (socket !== undefined) this.#pathErrors.note(socket, error);
    });
  };

  readonly #drop = (reason: string) => {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  };

  #figures() {
    return {
      drops: this.#drops,
      io: {
        ...this.#wakeUps,
        ...this.#sources.figures,
        ...this.#transmitter.figures,
        "tx-grouping-limited": this.#grouping.refusals,
      },
    };
  }
}
