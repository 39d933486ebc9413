/**
 * Accounting (RFC 2866): what began, goes on and ended, told so that nothing is lost. A record is in the ledger before
 * anyone is told of it, and leaves it when a server has acknowledged it.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import {
  type Account,
  type Framed,
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
import { type Attribute, AttributeWriter, CODE, type VendorFormats } from "./packet.ts";
import { framedAttributes, number, text } from "./requests.ts";
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
  #writer: AttributeWriter;
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
    this.#writer = new AttributeWriter(setting.formats);
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
    this.#writer = new AttributeWriter(setting.formats);
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

  /** Opens an account and tells the Start. @param fixed attributes of all of its records, as packets have them */
  open(
    subscriber: Subscriber,
    fixed: Uint8Array,
    servers: readonly string[] | undefined,
  ): RadiusAccount {
    const account = new OpenAccount(this, subscriber, fixed, servers);
    this.#open(account.entry);
    account.next();
    return account;
  }

  // ── What open accounts ask ──

  get io(): AccountingIo {
    return this.#io;
  }

  get setting(): AccountingSetting {
    return this.#setting;
  }

  /** What changes of an account: classes and addresses, as packets have them. */
  changing(classes: readonly Uint8Array[], framed: Framed): Uint8Array {
    const writer = this.#writer.begin();
    for (const value of classes) writer.octets(25, value);
    for (const attribute of framedAttributes(framed)) writer.add(attribute);
    return writer.end();
  }

  /** Something is due of an account. */
  due(entry: Entry, what: number): void {
    if (this.#closed) return;
    entry.due |= what;
    this.#tell(entry);
  }

  /** An account is over: once this resolves the ledger has it, and servers are told. */
  async over(entry: Entry, cause: TerminateCause): Promise<void> {
    entry.cause = TERMINATE_CAUSES[cause];
    entry.due = (entry.due & DUE.start) | DUE.stop;
    this.#live.delete(entry.id);
    const kept = this.#ledger.keep(entry);
    // There may be no other turn.
    if (this.#closed) this.#ledger.flush();
    await kept;
    this.#teller(entry.servers).add(entry.id);
  }

  #open(entry: Entry): void {
    this.#live.set(entry.id, entry);
    this.#tell(entry);
  }

  #tell(entry: Entry): void {
    this.#ledger.put(entry);
    this.#teller(entry.servers).add(entry.id);
  }

  /** Opens an account of a tunnel or link (RFC 2867), or of a rejection, which its `stop` tells. */
  openTunnel(
    kind: TunnelRecordKind,
    id: string,
    fixed: Uint8Array,
    servers: readonly string[] | undefined,
  ): TunnelAccount {
    const began = this.#io.now();
    const isReject = kind === "tunnel-reject" || kind === "link-reject";
    const entry: Entry = {
      id: `${kind}:${id}`,
      ...(servers && { servers }),
      fixed,
      changing: new Uint8Array(),
      began: this.#io.date(),
      at: this.#io.date(),
      seconds: 0,
      usage: NOTHING,
      due: isReject ? 0 : DUE.start,
    };
    if (!isReject) this.#open(entry);
    return {
      stop: async (cause, usage, lost) => {
        if (entry.cause !== undefined) return;
        entry.usage = usage;
        entry.at = this.#io.date();
        entry.seconds = Math.max(0, Math.round((this.#io.now() - began) / 1000));
        // Acct-Tunnel-Packets-Lost (RFC 2867 §4.2).
        if (kind === "link") {
          const writer = this.#writer.begin();
          writer.number(86, lost % 0x1_0000_0000);
          entry.changing = writer.end();
        }
        await this.over(entry, cause);
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

  #teller(servers: readonly string[] | undefined): Teller {
    const key = servers ? JSON.stringify(servers) : "";
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
}

/** The account of a session that lives. */
class OpenAccount implements RadiusAccount {
  readonly entry: Entry;
  readonly #accounting: Accounting;
  readonly #subscriber: Subscriber;
  #classes: readonly Uint8Array[];
  /** When it began, and when its last Interim was to be, in the clock's time. */
  readonly #began: number;
  #interim: number;
  #timer: { cancel(): void } | undefined;

  constructor(
    accounting: Accounting,
    subscriber: Subscriber,
    fixed: Uint8Array,
    servers: readonly string[] | undefined,
  ) {
    this.#accounting = accounting;
    this.#subscriber = subscriber;
    this.#classes = subscriber.grant.class ?? NO_CLASSES;
    this.#began = this.#interim = accounting.io.now();
    const date = accounting.io.date();
    this.entry = {
      id: subscriber.call.id,
      ...(servers && { servers }),
      fixed,
      changing: this.#changing(),
      began: date,
      at: date,
      seconds: 0,
      usage: NOTHING,
      due: DUE.start,
    };
  }

  changed(): void {
    this.entry.changing = this.#changing();
    void this.#tellInterim();
  }

  classify(classes: readonly Uint8Array[]): void {
    this.#classes = classes;
    this.entry.changing = this.#changing();
  }

  async stop(cause: TerminateCause, usage: Usage): Promise<void> {
    if (this.entry.cause !== undefined) return;
    this.#timer?.cancel();
    this.#read(usage);
    await this.#accounting.over(this.entry, cause);
  }

  /** Waits for the next Interim; a part of the time by chance, so that sessions that began together do not stay so. */
  next(): void {
    const { io, setting: { interimS, jitterPercent, leastInterimS } } = this.#accounting;
    const asked = this.#subscriber.grant.interimIntervalS;
    const seconds = asked === undefined ? interimS : Math.max(asked, leastInterimS);
    if (seconds === 0 || !Number.isFinite(seconds)) return;
    const chance = io.random(1)[0]! / 255 * 2 - 1;
    const wait = seconds * 1000 * (1 + chance * jitterPercent / 100);
    this.#timer = io.timer(this.#interim + wait, () => {
      this.#interim += seconds * 1000;
      void this.#tellInterim();
      this.next();
    });
  }

  async #tellInterim(): Promise<void> {
    const usage = await this.#subscriber.read();
    if (this.entry.cause !== undefined) return;
    this.#read(usage);
    this.#accounting.due(this.entry, DUE.interim);
  }

  #read(usage: Usage): void {
    const { io } = this.#accounting;
    this.entry.usage = usage;
    this.entry.at = io.date();
    this.entry.seconds = Math.max(0, Math.round((io.now() - this.#began) / 1000));
  }

  #changing(): Uint8Array {
    return this.#accounting.changing(this.#classes, this.#subscriber.framed());
  }
}

const NO_CLASSES: readonly never[] = [];
