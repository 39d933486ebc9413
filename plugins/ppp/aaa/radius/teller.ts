/**
 * Tells a group of servers what is due of accounts: so many at once, in the order of their ids' becoming due, one record of
 * an account at a time, and each until it is acknowledged. While no server answers, it tries with one record now and then;
 * what waits is in the ledger, and memory holds no more than a bounded list of ids.
 *
 * @module
 */

import { sealRequest } from "./authenticity.ts";
import type { Client } from "./client.ts";
import type { Io } from "./exchange.ts";
import { DUE, type Entry, type Ledger } from "./ledger.ts";
import type { RadiusMeters } from "./meters.ts";
import { type Attribute, CODE, type VendorFormats } from "./packet.ts";
import { number, usageAttributes } from "./requests.ts";

/** Ids that wait in memory; more are looked up when these are told. */
const MOST_QUEUED = 4096;
/** How long until the next attempt after one that nobody answered; doubled up to the second. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

/** What telling needs. */
export interface TellerSetting {
  readonly servers?: readonly string[] | undefined;
  /** Those that are asked now. */
  client(): Client;
  readonly ledger: Ledger;
  readonly io: Io & { date(): number };
  readonly meters: RadiusMeters;
  formats(): VendorFormats;
  inFlight(): number;
  /** An account that is open, as it is in memory. */
  live(id: string): Entry | undefined;
  /** A server acknowledged a record. */
  acknowledged(server: string): void;
}

/** Acct-Status-Type by what is due of what: of sessions (RFC 2866 §5.1), of tunnels and links (RFC 2867 §3). */
const STATUS: Readonly<Record<string, Readonly<Partial<Record<1 | 2 | 4, number>>>>> = {
  session: { [DUE.start]: 1, [DUE.stop]: 2, [DUE.interim]: 3 },
  tunnel: { [DUE.start]: 9, [DUE.stop]: 10 },
  "tunnel-reject": { [DUE.stop]: 11 },
  link: { [DUE.start]: 12, [DUE.stop]: 13 },
  "link-reject": { [DUE.stop]: 14 },
};

/** See the module. */
export class Teller {
  readonly #setting: TellerSetting;
  readonly #queue = new Set<string>();
  readonly #flying = new Set<string>();
  readonly #idle = new Set<() => void>();
  /** There may be more in the ledger than is queued. */
  #more = false;
  #held = true;
  #closed = false;
  #paused: { cancel(): void } | undefined;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(setting: TellerSetting) {
    this.#setting = setting;
  }

  /** Something is due of an account. */
  add(id: string): void {
    if (this.#queue.size < MOST_QUEUED) this.#queue.add(id);
    else this.#more = true;
    this.#pump();
  }

  /** There is something in the ledger from before. */
  lookUp(): void {
    this.#more = true;
    this.#pump();
  }

  /** Begins, and goes on when a server is back. */
  go(): void {
    this.#held = false;
    this.#paused?.cancel();
    this.#paused = undefined;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#pump();
  }

  /** Resolves when nothing is left to be told. */
  done(): Promise<void> {
    if (this.#isDone()) return Promise.resolve();
    return new Promise((resolve) => void this.#idle.add(resolve));
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
    this.#paused?.cancel();
  }

  #isDone(): boolean {
    return this.#queue.size === 0 && this.#flying.size === 0 && !this.#more;
  }

  #pump(): void {
    const { client, inFlight, servers } = this.#setting;
    if (this.#held || this.#closed || this.#paused) return;
    // Whether one is back is found out by one record.
    const most = () => client().alive("accounting", servers) ? inFlight() : 1;
    while (this.#flying.size < most()) {
      const id = this.#next();
      if (id === undefined) break;
      this.#tell(id);
    }
    if (this.#isDone()) {
      for (const idle of this.#idle) idle();
      this.#idle.clear();
    }
  }

  #next(): string | undefined {
    if (this.#queue.size === 0 && this.#more) {
      const { ledger, servers } = this.#setting;
      const found = ledger.due(servers, MOST_QUEUED + this.#flying.size);
      this.#more = found.length >= MOST_QUEUED;
      for (const id of found) if (!this.#flying.has(id)) this.#queue.add(id);
    }
    for (const id of this.#queue) {
      if (this.#flying.has(id)) continue;
      this.#queue.delete(id);
      return id;
    }
    return undefined;
  }

  #tell(id: string): void {
    const { live, ledger } = this.#setting;
    const entry = live(id) ?? ledger.get(id);
    const bit = entry && [DUE.start, DUE.stop, DUE.interim].find((one) => entry.due & one);
    if (!entry || bit === undefined) return;
    this.#flying.add(id);
    void this.#send(entry, bit).finally(() => {
      this.#flying.delete(id);
      this.#pump();
    });
  }

  async #send(entry: Entry, bit: 1 | 2 | 4): Promise<void> {
    const { client, formats, io, meters, servers } = this.#setting;
    const { at } = entry;
    const { attributes, written } = recordOf(entry, bit);
    const answer = await client().ask("accounting", servers, (secret) => (id) => {
      const delay = Math.max(0, Math.round((io.date() - timeOf(entry, bit)) / 1000));
      const all = [...attributes, number(41, delay)];
      const packet = { code: CODE.accountingRequest, id, attributes: all, written };
      return sealRequest(packet, secret, formats());
    });
    if (!answer) {
      this.#queue.add(entry.id);
      return this.#pause();
    }
    meters.records.add();
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#setting.acknowledged(answer.server);
    this.#settle(entry.id, bit, at);
  }

  /** What was told is due no more; an Interim only if nothing was read since. */
  #settle(id: string, bit: number, at: number): void {
    const { ledger, live } = this.#setting;
    const entry = live(id) ?? ledger.get(id);
    if (!entry) return;
    if (bit === DUE.stop) return ledger.remove(id);
    if (bit !== DUE.interim || entry.at === at) entry.due &= ~bit;
    ledger.put(entry);
    if (entry.due !== 0) this.#queue.add(id);
  }

  #pause(): void {
    if (this.#paused || this.#closed) return;
    const { io } = this.#setting;
    this.#paused = io.timer(io.now() + this.#pauseMs, () => {
      this.#paused = undefined;
      this.#pump();
    });
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** When what a record tells of happened: Unix milliseconds. */
function timeOf(entry: Entry, bit: number): number {
  return bit === DUE.start ? entry.began : entry.at;
}

/** A record, but for Acct-Delay-Time, which is of the moment. */
function recordOf(entry: Entry, bit: 1 | 2 | 4): {
  attributes: Attribute[];
  written: Uint8Array[];
} {
  const colon = entry.id.indexOf(":");
  const kind = colon < 0 ? "session" : entry.id.slice(0, colon);
  const carriedNothing = bit === DUE.start || kind.endsWith("-reject");
  const attributes: Attribute[] = [
    number(55, Math.floor(timeOf(entry, bit) / 1000)),
    ...(carriedNothing ? [] : usageAttributes(entry.usage, entry.seconds)),
    ...(bit === DUE.stop ? [number(49, entry.cause ?? 0)] : []),
  ];
  const status = Uint8Array.of(40, 6, 0, 0, 0, STATUS[kind]?.[bit] ?? 0);
  return { attributes, written: [status, entry.fixed, entry.changing] };
}
