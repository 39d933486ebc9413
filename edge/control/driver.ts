/**
 * Runs an LCCE: its one timer, its datagrams and its outputs. What one turn of the event loop does is bounded in time;
 * the rest waits for the next turn, so that HTTP stays live under load.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { LcceEvent } from "../../core/events.ts";
import type { Lcce } from "../../core/lcce.ts";
import { Schedule } from "../../core/schedule.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { ControlDatagram, Datapath, SocketId } from "../datapath/datapath.ts";
import type { Logger } from "../log.ts";

/** How long a turn may work, in milliseconds, and after how many steps it looks at the clock. */
const TURN_MS = 4;
const STEPS_PER_LOOK = 16;
/** Datagrams that may wait for their turn; peers send again what is dropped beyond. */
const INBOX_LIMIT = 8192;

/** Something with a time of its own besides the LCCE's. */
export interface Due {
  /** Runs at or after the time scheduled. */
  due(now: number): void;
}

export interface DriverOptions {
  readonly lcce: Lcce;
  readonly datapath: Pick<Datapath, "onControl" | "sendControl">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called for each event, in order; may act on the LCCE. */
  onEvent(event: LcceEvent, now: number): void;
}

/** A running LCCE. Disposal stops it where it stands; nothing is sent any more. */
export interface Driver extends Disposable {
  readonly now: () => number;
  /** Acts on the LCCE; what comes of it is sent in this turn. @throws what `work` throws */
  act<T>(work: (lcce: Lcce, now: number) => T): T;
  /** Runs a job in its turn, after what waits already. */
  defer(job: (lcce: Lcce, now: number) => void): void;
  /** Has `item` run at `at`, in monotonic milliseconds, or earlier if an earlier call said so. */
  schedule(item: Due, at: number): void;
  /** Datagrams dropped because too many waited. */
  readonly overload: number;
}

/** Takes over an LCCE and the datapath's control messages. */
export function startDriver({ clock, datapath, lcce, log, onEvent }: DriverOptions): Driver {
  const inbox = makeQueue<ControlDatagram>();
  const jobs = makeQueue<(lcce: Lcce, now: number) => void>();
  const dues = new Schedule<Due>();
  let outbox: ControlDatagram[] = [];
  let overload = 0;
  let stopped = false;
  let inTurn = false;
  let turnComing = false;
  let timer: Disposable | undefined;
  let timerAt = Infinity;

  /** Runs `work`; a defect in one step is told and ends nothing else. */
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      const text = error instanceof Error ? error.stack ?? error.message : String(error);
      log.error("the control plane failed in a step", { error: text });
    }
  };

  /** One step of what there is to do; false: nothing. Outputs come first: later steps build on what they tell. */
  const step = (now: number): boolean => {
    const output = lcce.poll();
    if (output?.type === "event") {
      guarded(() => onEvent(output.event, now));
      return true;
    }
    if (output) {
      const { local, mark, remote, socket } = output.path;
      outbox.push({ socket: socket as SocketId, remote, local, mark, data: output.data });
      return true;
    }
    // Timers, datagrams and jobs take turns, so that none keeps the others waiting.
    const late = (lcce.deadline() ?? Infinity) <= now;
    if (late) guarded(() => lcce.timeout(now, 1));
    const due = dues.take(now);
    if (due) guarded(() => due.due(now));
    const datagram = inbox.take();
    if (datagram) {
      const { data, local, mark = 0, remote, socket } = datagram;
      const encap = remote.port === 0 ? "ip" : "udp";
      const path = { encap, remote, local, mark, socket } as const;
      guarded(() => lcce.receive(data, path, now, inbox.length > 0));
    }
    const job = datagram ? undefined : jobs.take();
    if (job) guarded(() => job(lcce, now));
    return late || due !== undefined || datagram !== undefined || job !== undefined;
  };

  const turn = () => {
    turnComing = false;
    if (stopped) return;
    inTurn = true;
    const now = clock.now();
    let more = true;
    for (let steps = 1; more && !stopped; steps++) {
      more = step(now);
      if (steps % STEPS_PER_LOOK === 0 && clock.now() - now >= TURN_MS) break;
    }
    inTurn = false;
    if (stopped) return;
    flush();
    if (more) soon();
    else arm();
  };

  /** Sends after the events: the sessions that they told of are on their way into the datapath by now. */
  const flush = () => {
    if (outbox.length === 0) return;
    const batch = outbox;
    outbox = [];
    try {
      datapath.sendControl(batch);
    } catch {
      // One that cannot be sent (its interface is gone) must not hold up the others.
      for (const datagram of batch) {
        try {
          datapath.sendControl([datagram]);
        } catch (error) {
          const fields = { remote: datagram.remote.address, error: String(error) };
          log.debug("cannot send a control message", fields);
        }
      }
    }
  };

  const soon = () => {
    if (turnComing || inTurn || stopped) return;
    turnComing = true;
    setImmediate(turn);
  };

  /** One timer for all; it may fire early, when what it was for was done before. */
  const arm = () => {
    const at = Math.min(lcce.deadline() ?? Infinity, dues.next() ?? Infinity);
    if (at >= timerAt || at === Infinity) return;
    timer?.[Symbol.dispose]();
    timerAt = at;
    timer = clock.timer(at, () => {
      timerAt = Infinity;
      timer = undefined;
      turn();
    });
  };

  datapath.onControl = (batch) => {
    for (const datagram of batch) {
      if (inbox.length >= INBOX_LIMIT) overload++;
      else inbox.put({ ...datagram, data: datagram.data.slice() });
    }
    if (!turnComing) turn();
  };

  return {
    now: clock.now,
    act(work) {
      try {
        return work(lcce, clock.now());
      } finally {
        soon();
      }
    },
    defer(job) {
      jobs.put(job);
      soon();
    },
    schedule(item, at) {
      dues.set(item, at);
      if (!inTurn) arm();
    },
    get overload() {
      return overload;
    },
    [Symbol.dispose]() {
      stopped = true;
      timer?.[Symbol.dispose]();
      datapath.onControl = undefined;
    },
  };
}

interface Queue<T> {
  readonly length: number;
  put(item: T): void;
  take(): T | undefined;
}

/** First in, first out, at constant cost. */
function makeQueue<T>(): Queue<T> {
  let items: T[] = [];
  let head = 0;
  return {
    get length() {
      return items.length - head;
    },
    put: (item) => void items.push(item),
    take() {
      if (head === items.length) {
        if (head > 0) items = [];
        head = 0;
        return undefined;
      }
      return items[head++];
    },
  };
}
