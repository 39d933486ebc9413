/**
 * Accounting (RFC 2866): what began, goes on and ended, told so that nothing is lost. A record is in the ledger before
 * anyone is told of it, and leaves it when a server has acknowledged it.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import {
  type Account,
  type Subscriber,
  TERMINATE_CAUSES,
  type TerminateCause,
  type TunnelAccount,
  type TunnelRecordKind,
  type Usage,
} from "../authenticator.ts";
import { sealRequest } from "./authenticity.ts";
import type { Client } from "./client.ts";
import type { Io } from "./exchange.ts";
import { DUE, type Entry, Ledger } from "./ledger.ts";
import type { RadiusMeters } from "./meters.ts";
import { type Attribute, CODE, emitPacket, HEADER, type VendorFormats } from "./packet.ts";
import { framedAttributes, number, octets, text } from "./requests.ts";
import { Teller } from "./teller.ts";

/** How accounts are kept. */
export interface AccountingSetting {
  readonly interimS: number;
  readonly leastInterimS: number;
  readonly jitterPercent: number;
  readonly inFlight: number;
  readonly keepDays: number;
  /** Tell servers that we begin and end. */
  readonly on: boolean;
  /** Who we are, for Accounting-On and -Off. */
  readonly nas: readonly Attribute[];
  readonly formats: VendorFormats;
}

/** An account whose records echo classes that a server may change. */
export interface RadiusAccount extends Account {
  /** Class attributes of the records from now on. */
  classify(classes: readonly Uint8Array[]): void;
}

/** What accounting is driven by. */
export type AccountingIo = Io & { date(): number };

const DAY_MS = 86_400_000;
/** How often accounts that are too old are looked for. */
const EXPIRY_MS = 3_600_000;
/** How long records wait for servers to have heard that we begin, in milliseconds. */
const ON_MS = 5000;
/** How long the end waits for the last records to be acknowledged: the host gives 2 s. */
const FAREWELL_MS = 1500;
/** Acct-Status-Type. */
const ON = 7;
const OFF = 8;
const NOTHING: Usage = { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 };

/** See the module. */
export class Accounting {
  #setting: AccountingSetting;
  readonly #io: AccountingIo;
  #client: Client;
  readonly #meters: RadiusMeters;
  readonly #ledger: Ledger;
  readonly #live = new Map<string, Entry>();
  readonly #tellers = new Map<string, Teller>();
  /** Servers that acknowledged a record of this run: they need not hear that we begin. */
  readonly #told = new Set<string>();
  #going = false;
  #closed = false;
  readonly #timers = new Set<{ cancel(): void }>();

  constructor(
    setting: AccountingSetting,
    io: AccountingIo,
    client: Client,
    meters: RadiusMeters,
    db: DatabaseSync,
  ) {
    this.#setting = setting;
    this.#io = io;
    this.#client = client;
    this.#meters = meters;
    this.#ledger = new Ledger(db, io, meters.dropped);
    this.#followClient();
  }

  /** Takes up what an earlier run left, tells servers that we begin, then all that is due. */
  begin(): void {
    const left = this.#ledger.closeOpen(TERMINATE_CAUSES["nas-reboot"]);
    if (left > 0) {
      this.#io.log(
        "warn",
        "sessions of an earlier run were never closed: their last readings are told",
        {
          sessions: left,
        },
      );
    }
    this.#expire();
    for (const servers of this.#ledger.groups()) this.#teller(servers).lookUp();
    void this.#tellOn().then(() => {
      this.#going = true;
      for (const teller of this.#tellers.values()) teller.go();
    });
  }

  /** Goes on with other settings and servers: what is due is told to these. */
  use(setting: AccountingSetting, client: Client): void {
    this.#setting = setting;
    this.#client = client;
    this.#followClient();
    if (this.#going) { for (const teller of this.#tellers.values()) teller.go(); }
  }

  #followClient(): void {
    this.#client.onAlive(() => {
      if (this.#going) { for (const teller of this.#tellers.values()) teller.go(); }
    });
  }

  /** How many accounts have something to be told. */
  pending(): number {
    return this.#ledger.count();
  }

  /** Opens an account and tells the Start. */
  open(
    subscriber: Subscriber,
    fixed: readonly Attribute[],
    servers: readonly string[] | undefined,
  ): RadiusAccount {
    let classes = subscriber.grant.class ?? [];
    const changing = () =>
      this.#octets([
        ...classes.map((value) => octets(25, value)),
        ...framedAttributes(subscriber.framed()),
      ]);
    const began = this.#io.now();
    const entry: Entry = {
      id: subscriber.call.id,
      ...(servers && { servers }),
      fixed: this.#octets(fixed),
      changing: changing(),
      began: this.#io.date(),
      at: this.#io.date(),
      seconds: 0,
      usage: NOTHING,
      due: DUE.start,
    };
    this.#live.set(entry.id, entry);
    this.#ledger.put(entry);
    const teller = this.#teller(servers);
    teller.add(entry.id);
    const read = (usage: Usage) => {
      entry.usage = usage;
      entry.at = this.#io.date();
      entry.seconds = Math.max(0, Math.round((this.#io.now() - began) / 1000));
    };
    const interim = async () => {
      const usage = await subscriber.read();
      if (entry.cause !== undefined || this.#closed) return;
      read(usage);
      entry.due |= DUE.interim;
      this.#ledger.put(entry);
      teller.add(entry.id);
    };
    const timer = this.#interims(subscriber, interim);
    return {
      changed: () => {
        entry.changing = changing();
        void interim();
      },
      classify(given) {
        classes = given;
        entry.changing = changing();
      },
      stop: (cause, usage) => {
        if (entry.cause !== undefined) return;
        timer.cancel();
        read(usage);
        this.#stop(entry, cause, teller);
      },
    };
  }

  /** Opens an account of a tunnel or link (RFC 2867), or of a rejection, which its `stop` tells. */
  openTunnel(
    kind: TunnelRecordKind,
    id: string,
    fixed: readonly Attribute[],
    servers: readonly string[] | undefined,
  ): TunnelAccount {
    const began = this.#io.now();
    const isReject = kind === "tunnel-reject" || kind === "link-reject";
    const entry: Entry = {
      id: `${kind}:${id}`,
      ...(servers && { servers }),
      fixed: this.#octets(fixed),
      changing: new Uint8Array(),
      began: this.#io.date(),
      at: this.#io.date(),
      seconds: 0,
      usage: NOTHING,
      due: isReject ? 0 : DUE.start,
    };
    const teller = this.#teller(servers);
    if (!isReject) {
      this.#live.set(entry.id, entry);
      this.#ledger.put(entry);
      teller.add(entry.id);
    }
    return {
      stop: (cause, usage, lost) => {
        if (entry.cause !== undefined) return;
        entry.usage = usage;
        entry.at = this.#io.date();
        entry.seconds = Math.max(0, Math.round((this.#io.now() - began) / 1000));
        // Acct-Tunnel-Packets-Lost (RFC 2867 §4.2).
        if (kind === "link") entry.changing = this.#octets([number(86, lost % 0x1_0000_0000)]);
        this.#stop(entry, cause, teller);
      },
    };
  }

  /** Waits a little for the last records, then tells servers that we end; what is left is told by the next run. */
  async end(): Promise<void> {
    this.#ledger.flush();
    const until = this.#io.now() + FAREWELL_MS;
    const all = Promise.all([...this.#tellers.values()].map((teller) => teller.done()));
    const done = await this.#within(until, all);
    // Whoever hears this closes our sessions, also those whose Stops it has not heard yet. Who never heard of us need not.
    const told = this.#servers().filter((name) => this.#told.has(name));
    if (done && this.#setting.on && told.length > 0) {
      await this.#within(until + 300, Promise.all(told.map((name) => this.#say(OFF, name))));
    }
    this.#closed = true;
    for (const teller of this.#tellers.values()) teller.close();
    for (const timer of this.#timers) timer.cancel();
    this.#ledger.flush();
  }

  #stop(entry: Entry, cause: TerminateCause, teller: Teller): void {
    entry.cause = TERMINATE_CAUSES[cause];
    entry.due = (entry.due & DUE.start) | DUE.stop;
    this.#ledger.put(entry);
    // From here on the ledger has it: memory need not.
    this.#ledger.flush();
    this.#live.delete(entry.id);
    teller.add(entry.id);
  }

  /** Calls `interim` again and again; a part of the time by chance, so that sessions that began together do not stay so. */
  #interims(subscriber: Subscriber, interim: () => Promise<void>): { cancel(): void } {
    const { interimS, jitterPercent, leastInterimS } = this.#setting;
    const asked = subscriber.grant.interimIntervalS;
    const seconds = asked === undefined ? interimS : Math.max(asked, leastInterimS);
    if (seconds === 0 || !Number.isFinite(seconds)) return { cancel() {} };
    let timer: { cancel(): void };
    let began = this.#io.now();
    const next = () => {
      const chance = this.#io.random(1)[0]! / 255 * 2 - 1;
      const wait = seconds * 1000 * (1 + chance * jitterPercent / 100);
      timer = this.#io.timer(began + wait, () => {
        began += seconds * 1000;
        if (this.#closed) return;
        void interim();
        next();
      });
    };
    next();
    return { cancel: () => timer.cancel() };
  }

  #teller(servers: readonly string[] | undefined): Teller {
    const key = JSON.stringify(servers ?? null);
    let teller = this.#tellers.get(key);
    if (!teller) {
      teller = new Teller({
        servers,
        client: () => this.#client,
        ledger: this.#ledger,
        io: this.#io,
        meters: this.#meters,
        formats: () => this.#setting.formats,
        inFlight: () => this.#setting.inFlight,
        live: (id) => this.#live.get(id),
        acknowledged: (server) => void this.#told.add(server),
      });
      this.#tellers.set(key, teller);
      if (this.#going) teller.go();
    }
    return teller;
  }

  /** Tells each server that we begin, until it acknowledges that or a later record; resolves when the first round is over. */
  async #tellOn(): Promise<void> {
    if (!this.#setting.on) return;
    const began = this.#io.date();
    const round = (names: readonly string[]): Promise<void> =>
      Promise.all(names.map((name) => this.#say(ON, name, began))).then(() => {
        const left = this.#servers().filter((name) => !this.#told.has(name));
        if (left.length > 0 && !this.#closed) {
          this.#after(10_000, () => void round(left.filter((name) => !this.#told.has(name))));
        }
      });
    await this.#within(this.#io.now() + ON_MS, round(this.#servers()));
  }

  async #say(status: number, server: string, at = this.#io.date()): Promise<void> {
    const { formats, nas } = this.#setting;
    const attributes = [
      number(40, status),
      ...nas,
      // RFC 2866 §5.13 wants one in every record.
      text(44, `nas-${at.toString(36)}`),
      number(55, Math.floor(at / 1000)),
    ];
    const answer = await this.#client.ask("accounting", [server], (secret) => (id) => {
      const delay = Math.max(0, Math.round((this.#io.date() - at) / 1000));
      const all = [...attributes, number(41, delay)];
      return sealRequest({ code: CODE.accountingRequest, id, attributes: all }, secret, formats);
    });
    if (answer) this.#told.add(server);
  }

  #servers(): string[] {
    return this.#client.servers.filter(({ exchanges }) => exchanges.accounting)
      .map(({ setting }) => setting.name);
  }

  #expire(): void {
    const lost = this.#ledger.expire(this.#io.date() - this.#setting.keepDays * DAY_MS);
    this.#meters.dropped.add(lost);
    if (lost > 0) {
      this.#io.log("error", "accounts were given up: no server took them for too long", {
        accounts: lost,
      });
    }
    this.#after(EXPIRY_MS, () => this.#expire());
  }

  #after(ms: number, due: () => void): void {
    const timer = this.#io.timer(this.#io.now() + ms, () => {
      this.#timers.delete(timer);
      if (!this.#closed) due();
    });
    this.#timers.add(timer);
  }

  /** Whether `work` is done by `at`. */
  #within(at: number, work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#io.timer(at, () => resolve(false));
      void work.then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #octets(attributes: readonly Attribute[]): Uint8Array {
    const header = { code: 0, id: 0, authenticator: NO_AUTHENTICATOR };
    return emitPacket({ ...header, attributes }, this.#setting.formats).subarray(HEADER);
  }
}

const NO_AUTHENTICATOR = new Uint8Array(16);

/** Acct-Authentic (RFC 2866 §5.6). */
export function authenticAttribute(authentic: Subscriber["authentic"]): Attribute {
  return number(45, { radius: 1, local: 2, remote: 3 }[authentic]);
}
