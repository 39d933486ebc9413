/**
 * Runs an LCCE: its one timer, its datagrams and its outputs. What one turn of the event loop does is bounded in time;
 * the rest waits for the next turn, so that HTTP stays live under load.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { LcceEvent } from "../../core/events.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import { Ring } from "../../core/queues.ts";
import { Schedule } from "../../core/schedule.ts";
import type { Path } from "../../core/settings.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { ControlDatagram, Datapath, SocketId } from "../datapath/datapath.ts";
import type { Logger } from "../log.ts";

/** How long a turn may work, in milliseconds, and after how many steps it looks at the clock. */
const TURN_MS = 4;
const STEPS_PER_LOOK = 16;
/** Datagrams of proven peers that may wait for their turn; peers send again what is dropped beyond. */
const INBOX_LIMIT = 8192;
/** Datagrams of strangers that may wait, and of all who are not proven: who is on its way up comes before new ones. */
const STRANGERS_LIMIT = 1024;
const UNPROVEN_LIMIT = 2048;
/** In every so many steps a stranger has its turn, however many datagrams of proven peers wait. */
const STRANGERS_SHARE = 16;

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
  /** How datagrams of a socket travel; undefined: it is not open any more. */
  encapOf(socket: SocketId): EncapType | undefined;
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

/** A datagram that waits for its turn. */
interface Received {
  readonly data: Uint8Array;
  readonly path: Path;
}

/** Takes over an LCCE and the datapath's control messages. */
export function startDriver(
  { clock, datapath, encapOf, lcce, log, onEvent }: DriverOptions,
): Driver {
  /** Those of proven peers go first. */
  const inbox = new Ring<Received>();
  const strangers = new Ring<Received>();
  const jobs = new Ring<(lcce: Lcce, now: number) => void>();
  const dues = new Schedule<Due>();
  let outbox: ControlDatagram[] = [];
  let overload = 0;
  let turns = 0;
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
    const first = ++turns % STRANGERS_SHARE === 0 ? strangers : inbox;
    const datagram = first.shift() ?? inbox.shift() ?? strangers.shift();
    if (datagram) {
      const more = inbox.length + strangers.length > 0;
      guarded(() => lcce.receive(datagram.data, datagram.path, now, more));
    }
    const job = datagram ? undefined : jobs.shift();
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

  /** Puts a datagram where it belongs, if somebody wants it; only then it is copied. */
  const put = ({ data, local, mark = 0, remote, socket }: ControlDatagram) => {
    const encap = encapOf(socket);
    if (!encap) return;
    const path: Path = { encap, remote, local, mark, socket };
    const sender = lcce.sort(data, path);
    if (!sender) return;
    const [queue, limit] = sender === "proven"
      ? [inbox, INBOX_LIMIT]
      : [strangers, sender === "unproven" ? UNPROVEN_LIMIT : STRANGERS_LIMIT];
    if (queue.length >= limit) overload++;
    else queue.push({ data: data.slice(), path });
  };

  datapath.onControl = (batch) => {
    batch.forEach(put);
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
      jobs.push(job);
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
