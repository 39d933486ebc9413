/**
 * Runs an LCCE: its one timer, its datagrams and its outputs. What one turn of the event loop does is bounded in time;
 * the rest waits for the next turn, so that HTTP stays live under load.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { LcceEvent } from "../../core/events.ts";
import type { Lcce, Sender } from "../../core/lcce.ts";
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
/**
 * Datagrams that may wait for their turn, by whose they are; peers send again what is dropped beyond. Each kind comes
 * before the next.
 */
const INBOX_LIMITS = { proven: 8192, expected: 8192, stranger: 4096 } as const satisfies Record<
  Sender,
  number
>;
/**
 * The share of this isolate's time that strangers may take, once they took {@linkcode TURN_MS} of it: the event loop has
 * more to do than what they want.
 */
const STRANGERS_TIME = 0.6;
/** Every so many datagrams one of somebody who is not proven has its turn, however many of proven peers wait. */
const OTHERS_TURN = 16;

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
  const inboxes: Readonly<Record<Sender, Ring<Received>>> = {
    proven: new Ring(),
    expected: new Ring(),
    stranger: new Ring(),
  };
  const jobs = new Ring<(lcce: Lcce, now: number) => void>();
  const dues = new Schedule<Due>();
  let outbox: ControlDatagram[] = [];
  let overload = 0;
  let turns = 0;
  /** Milliseconds that strangers may still take, as of when, and how many datagrams were taken in this turn. */
  let credit = TURN_MS;
  let creditedAt = clock.now();
  let served = { known: 0, strangers: 0 };
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

  /** How many datagrams may be taken now. */
  const waiting = () =>
    inboxes.proven.length + inboxes.expected.length + (credit > 0 ? inboxes.stranger.length : 0);

  const nextDatagram = (): Received | undefined => {
    const { expected, proven, stranger } = inboxes;
    const othersFirst = ++turns % OTHERS_TURN === 0;
    const known = othersFirst
      ? expected.shift() ?? (credit > 0 && stranger.length > 0 ? undefined : proven.shift())
      : proven.shift() ?? expected.shift();
    if (known) {
      served.known++;
      return known;
    }
    const other = credit > 0 ? stranger.shift() : undefined;
    if (other) served.strangers++;
    return other;
  };

  /** Strangers pay for their part of a turn. */
  const charge = (began: number, ended: number) => {
    credit = Math.min(TURN_MS, credit + STRANGERS_TIME * (ended - creditedAt));
    creditedAt = ended;
    const all = served.known + served.strangers;
    if (all > 0) credit -= (ended - began) * served.strangers / all;
    served = { known: 0, strangers: 0 };
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
    const datagram = nextDatagram();
    if (datagram) {
      const more = waiting() > 0;
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
    charge(now, now);
    let more = true;
    for (let steps = 1; more && !stopped; steps++) {
      more = step(now);
      if (steps % STEPS_PER_LOOK === 0 && clock.now() - now >= TURN_MS) break;
    }
    inTurn = false;
    if (stopped) return;
    flush();
    charge(now, clock.now());
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
    // Who has used up the time of strangers waits for half a turn's worth of it.
    const patient = inboxes.stranger.length === 0
      ? Infinity
      : creditedAt + (TURN_MS / 2 - credit) / STRANGERS_TIME;
    const at = Math.min(lcce.deadline() ?? Infinity, dues.next() ?? Infinity, patient);
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
  const put = ({ data, local, mark = 0, remote, socket }: ControlDatagram, now: number) => {
    const encap = encapOf(socket);
    if (!encap) return;
    const path: Path = { encap, remote, local, mark, socket };
    const sender = lcce.sort(data, path, now);
    if (!sender) return;
    const inbox = inboxes[sender];
    if (inbox.length >= INBOX_LIMITS[sender]) overload++;
    else inbox.push({ data: data.slice(), path });
  };

  datapath.onControl = (batch) => {
    const now = clock.now();
    for (const datagram of batch) put(datagram, now);
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
