/**
 * Runs an LCCE: its one timer, its datagrams and its outputs. What one turn of the event loop does is bounded in time;
 * the rest waits for the next turn, so that HTTP stays live under load.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import type { LcceEvent } from "../../core/events.ts";
import type { Lcce, Sender } from "../../core/lcce.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import { Ring } from "../../core/queues.ts";
import { Schedule } from "../../core/schedule.ts";
import type { Path } from "../../core/settings.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { ControlDatagram, Datapath, SocketId } from "../datapath/datapath.ts";
import type { Logger } from "../log/log.ts";
import type { Tracer } from "./trace.ts";

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
  /** Is shown every message that comes and goes while it is watched. */
  readonly tracer: Pick<
    Tracer,
    "dropped" | "drops" | "received" | "sent" | "strangersWatched" | "watched"
  >;
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
export function startDriver(options: DriverOptions): Driver {
  return new LcceDriver(options);
}

class LcceDriver implements Driver {
  readonly now: () => number;
  overload = 0;
  readonly #options: DriverOptions;
  readonly #inboxes: Readonly<Record<Sender, Ring<Received>>> = {
    proven: new Ring(),
    expected: new Ring(),
    stranger: new Ring(),
  };
  readonly #jobs = new Ring<(lcce: Lcce, now: number) => void>();
  readonly #dues = new Schedule<Due>();
  #outbox: ControlDatagram[] = [];
  #turns = 0;
  /** Milliseconds that strangers may still take, as of when, and how many datagrams were taken in this turn. */
  #credit = TURN_MS;
  #creditedAt: number;
  #served = { known: 0, strangers: 0 };
  #stopped = false;
  #inTurn = false;
  /** The turn that is coming. */
  #coming: ReturnType<typeof setImmediate> | undefined;
  #timer: Disposable | undefined;
  #timerAt = Infinity;

  constructor(options: DriverOptions) {
    const { clock, datapath } = options;
    this.#options = options;
    this.now = clock.now;
    this.#creditedAt = clock.now();
    datapath.onControl = (batch) => {
      const now = clock.now();
      for (const datagram of batch) this.#put(datagram, now);
      if (!this.#coming) this.#turn();
    };
  }

  act<T>(work: (lcce: Lcce, now: number) => T): T {
    try {
      return work(this.#options.lcce, this.now());
    } finally {
      this.#soon();
    }
  }

  defer(job: (lcce: Lcce, now: number) => void): void {
    this.#jobs.push(job);
    this.#soon();
  }

  schedule(item: Due, at: number): void {
    this.#dues.set(item, at);
    if (!this.#inTurn) this.#arm();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    clearImmediate(this.#coming);
    this.#timer?.[Symbol.dispose]();
    this.#options.datapath.onControl = undefined;
  }

  /** Puts a datagram where it belongs, if somebody wants it; only then it is copied. */
  #put({ data, local, mark = 0, remote, socket }: ControlDatagram, now: number): void {
    const { encapOf, lcce, tracer } = this.#options;
    const encap = encapOf(socket);
    if (!encap) return;
    const path: Path = { encap, remote, local, mark, socket };
    const drops = tracer.strangersWatched ? tracer.drops() : undefined;
    const sender = lcce.sort(data, path, now);
    if (!sender) {
      if (drops) tracer.dropped(data.slice(), path, drops);
      return;
    }
    const inbox = this.#inboxes[sender];
    if (inbox.length >= INBOX_LIMITS[sender]) this.overload++;
    else inbox.push({ data: data.slice(), path });
  }

  /** How many datagrams may be taken now. */
  #waiting(): number {
    const { expected, proven, stranger } = this.#inboxes;
    return proven.length + expected.length + (this.#credit > 0 ? stranger.length : 0);
  }

  #nextDatagram(): Received | undefined {
    const { expected, proven, stranger } = this.#inboxes;
    const strangersMay = this.#credit > 0 && stranger.length > 0;
    const othersFirst = ++this.#turns % OTHERS_TURN === 0;
    const known = othersFirst
      ? expected.shift() ?? (strangersMay ? undefined : proven.shift())
      : proven.shift() ?? expected.shift();
    if (known) this.#served.known++;
    else if (strangersMay) this.#served.strangers++;
    return known ?? (strangersMay ? stranger.shift() : undefined);
  }

  /** Strangers pay for their part of a turn. */
  #charge(began: number, ended: number): void {
    this.#credit = Math.min(TURN_MS, this.#credit + STRANGERS_TIME * (ended - this.#creditedAt));
    this.#creditedAt = ended;
    const all = this.#served.known + this.#served.strangers;
    if (all > 0) this.#credit -= (ended - began) * this.#served.strangers / all;
    this.#served = { known: 0, strangers: 0 };
  }

  #turn(): void {
    this.#coming = undefined;
    if (this.#stopped) return;
    this.#inTurn = true;
    const now = this.now();
    this.#charge(now, now);
    let more = true;
    for (let steps = 1; more && !this.#stopped; steps++) {
      more = this.#step(now);
      if (steps % STEPS_PER_LOOK === 0 && this.now() - now >= TURN_MS) break;
    }
    this.#inTurn = false;
    if (this.#stopped) return;
    this.#flush();
    this.#charge(now, this.now());
    if (more) this.#soon();
    else this.#arm();
  }

  /** One step of what there is to do; false: nothing. Outputs come first: later steps build on what they tell. */
  #step(now: number): boolean {
    const { lcce, onEvent } = this.#options;
    const output = lcce.poll();
    if (output?.type === "event") {
      this.#guarded(() => onEvent(output.event, now));
      return true;
    }
    if (output) {
      const { local, mark, remote, socket } = output.path;
      this.#outbox.push({ socket: socket as SocketId, remote, local, mark, data: output.data });
      const { tracer } = this.#options;
      if (tracer.watched) tracer.sent(output.data, output.path);
      return true;
    }
    // Timers, datagrams and jobs take turns, so that none keeps the others waiting.
    const late = (lcce.deadline() ?? Infinity) <= now;
    if (late) this.#guarded(() => lcce.timeout(now, 1));
    const due = this.#dues.take(now);
    if (due) this.#guarded(() => due.due(now));
    const datagram = this.#nextDatagram();
    if (datagram) {
      const { tracer } = this.#options;
      const { data, path } = datagram;
      const more = this.#waiting() > 0;
      const take = () => lcce.receive(data, path, now, more);
      this.#guarded(() => tracer.watched ? tracer.received(data, path, take) : take());
    }
    const job = datagram ? undefined : this.#jobs.shift();
    if (job) this.#guarded(() => job(lcce, now));
    return late || due !== undefined || datagram !== undefined || job !== undefined;
  }

  /** Runs `work`; a defect in one step is told and ends nothing else. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      const text = error instanceof Error ? error.stack ?? error.message : String(error);
      this.#options.log.error("the control plane failed in a step", { error: text });
    }
  }

  /** Sends after the events: the sessions that they told of are on their way into the datapath by now. */
  #flush(): void {
    if (this.#outbox.length === 0) return;
    const { datapath, log } = this.#options;
    const batch = this.#outbox;
    this.#outbox = [];
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
  }

  #soon(): void {
    if (this.#coming || this.#inTurn || this.#stopped) return;
    this.#coming = setImmediate(() => this.#turn());
  }

  /** One timer for all; it may fire early, when what it was for was done before. */
  #arm(): void {
    if (this.#stopped) return;
    const { clock, lcce } = this.#options;
    // Who has used up the time of strangers waits for half a turn's worth of it.
    const patient = this.#inboxes.stranger.length === 0
      ? Infinity
      : this.#creditedAt + (TURN_MS / 2 - this.#credit) / STRANGERS_TIME;
    const at = Math.min(lcce.deadline() ?? Infinity, this.#dues.next() ?? Infinity, patient);
    if (at >= this.#timerAt || at === Infinity) return;
    this.#timer?.[Symbol.dispose]();
    this.#timerAt = at;
    this.#timer = clock.timer(at, () => {
      this.#timerAt = Infinity;
      this.#timer = undefined;
      this.#turn();
    });
  }
}
