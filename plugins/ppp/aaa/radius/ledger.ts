/**
 * Accounts, kept in a table until a server has acknowledged their last record: across restarts and crashes. One row a
 * session says what is still to be told of it; a newer Interim takes the place of an older one, for its counters are sums.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Scope } from "../../../scope.ts";
import type { Usage } from "../authenticator.ts";

/** What is to be told of an account; bits. */
export const DUE = { start: 1, interim: 2, stop: 4 } as const;

/** An account. */
export interface Entry {
  /** Unique: Acct-Session-Id; of tunnels and links (RFC 2867) what it is before it, and a colon: `link:…`. */
  readonly id: string;
  /** The servers that are told; absent: all. */
  readonly servers?: readonly string[];
  /** Attributes that do not change, as a packet has them. */
  readonly fixed: Uint8Array;
  /** Attributes that may change: its addresses and classes. */
  changing: Uint8Array;
  /** Unix milliseconds. */
  readonly began: number;
  /** When it was read last: Unix milliseconds, and seconds since it began. */
  at: number;
  seconds: number;
  usage: Usage;
  /** Acct-Terminate-Cause; undefined: it is open. */
  cause?: number;
  due: number;
}

/**
 * How long what need not be kept at once may wait for company, in milliseconds: a server that answers within this has a
 * Start written down once, as told. Should we crash in between, Accounting-On closes what the server knows of it.
 */
const GATHER_MS = 100;
/**
 * The same of what somebody waits for: as much as ends together is written down together. A transaction for each would
 * take longer than a service manager waits for the end of us, where all of very many sessions end.
 */
const GATHER_STOPS_MS = 5;
/** So many are written down at once: some milliseconds' work. */
const MOST_AT_ONCE = 256;
/** How long until the next attempt where the database cannot be written to. */
const RETRY_MS = 2000;
/** Changes that may wait where it cannot. */
const MOST_CHANGES = 100_000;

const TABLE = `
CREATE TABLE IF NOT EXISTS radius_account (
  id TEXT PRIMARY KEY,
  servers TEXT,
  fixed BLOB NOT NULL,
  changing BLOB NOT NULL,
  began INTEGER NOT NULL,
  at INTEGER NOT NULL,
  seconds INTEGER NOT NULL,
  up_octets INTEGER NOT NULL,
  down_octets INTEGER NOT NULL,
  up_packets INTEGER NOT NULL,
  down_packets INTEGER NOT NULL,
  cause INTEGER,
  due INTEGER NOT NULL
) WITHOUT ROWID;
`;

/** See the module. */
export class Ledger {
  readonly #db: DatabaseSync;
  readonly #dropped: { add(by?: number): void };
  readonly #io: Pick<Scope, "now" | "timer" | "log">;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #get: StatementSync;
  readonly #dueOf: StatementSync;
  /** What changed since it was last written down; null: it is to be forgotten. */
  readonly #changes = new Map<string, Entry | null>();
  /** Whom to tell once all changes so far are written down. */
  readonly #waiting: (() => void)[] = [];
  #timer: { readonly at: number; cancel(): void } | undefined;
  #complained = false;

  constructor(
    db: DatabaseSync,
    io: Pick<Scope, "now" | "timer" | "log">,
    dropped: { add(by?: number): void },
  ) {
    this.#db = db;
    this.#dropped = dropped;
    this.#io = io;
    db.exec(TABLE);
    this.#put = db.prepare(`
      INSERT INTO radius_account VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET changing = excluded.changing, at = excluded.at, seconds = excluded.seconds,
        up_octets = excluded.up_octets, down_octets = excluded.down_octets, up_packets = excluded.up_packets,
        down_packets = excluded.down_packets, cause = excluded.cause, due = excluded.due`);
    this.#remove = db.prepare("DELETE FROM radius_account WHERE id = ?");
    this.#get = db.prepare("SELECT * FROM radius_account WHERE id = ?");
    this.#dueOf = db.prepare(
      "SELECT id FROM radius_account WHERE servers IS ? AND due <> 0 ORDER BY at LIMIT ?",
    );
  }

  /** Writes an account down, soon. */
  put(entry: Entry): void {
    this.#change(entry.id, entry);
  }

  /** The same; resolves once it is written down, or that has failed. */
  keep(entry: Entry): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#change(entry.id, entry, GATHER_STOPS_MS);
    return promise;
  }

  /** Forgets an account, soon. */
  remove(id: string): void {
    this.#change(id, null);
  }

  /** Writes down all that is to be. */
  flush(): void {
    while (this.#write());
  }

  /** An account by its id. */
  get(id: string): Entry | undefined {
    const changed = this.#changes.get(id);
    if (changed !== undefined) return changed ?? undefined;
    const row = this.#get.get(id);
    return row && entryOf(row);
  }

  /** Ids of accounts of which something is to be told to these servers, the oldest first. */
  due(servers: readonly string[] | undefined, most: number): string[] {
    this.flush();
    return this.#dueOf.all(serversText(servers), most).map(({ id }) => String(id));
  }

  /** The groups of servers to which something is to be told. */
  groups(): (readonly string[] | undefined)[] {
    const rows = this.#db.prepare("SELECT DISTINCT servers FROM radius_account WHERE due <> 0")
      .all();
    return rows.map(({ servers }) => serversOf(servers));
  }

  /**
   * Closes accounts that are open though their sessions are not: whoever had them ended without a word. What was read of
   * them last is their sum. Returns how many.
   */
  closeOpen(cause: number): number {
    this.flush();
    const statement = this.#db.prepare(
      `UPDATE radius_account SET cause = ?, due = (due & ${DUE.start}) | ${DUE.stop} WHERE cause IS NULL`,
    );
    return Number(statement.run(cause).changes);
  }

  /** Forgets ended accounts that were last read before `at`; returns how many. */
  expire(at: number): number {
    this.flush();
    const statement = this.#db.prepare(
      "DELETE FROM radius_account WHERE cause IS NOT NULL AND at < ?",
    );
    return Number(statement.run(at).changes);
  }

  /** How many accounts there are of which something is to be told. */
  count(): number {
    const row = this.#db.prepare("SELECT count(*) AS n FROM radius_account WHERE due <> 0").get();
    return Number(row?.["n"] ?? 0);
  }

  #change(id: string, entry: Entry | null, gatherMs = GATHER_MS): void {
    if (this.#changes.size >= MOST_CHANGES && !this.#changes.has(id)) {
      this.#dropped.add();
      return this.#tell();
    }
    this.#changes.set(id, entry);
    // Nobody waits for what cannot be kept now: that was told.
    if (this.#complained) return this.#tell();
    if (this.#changes.size >= MOST_AT_ONCE) this.#write();
    else this.#writeAt(this.#io.now() + gatherMs);
  }

  /** Writes some of it down. True: there is more. */
  #write(): boolean {
    this.#timer?.cancel();
    this.#timer = undefined;
    const some: string[] = [];
    try {
      if (this.#changes.size > 0) this.#db.exec("BEGIN");
      for (const [id, entry] of this.#changes) {
        if (some.length === MOST_AT_ONCE) break;
        if (entry) this.#put.run(...columns(entry));
        else this.#remove.run(id);
        some.push(id);
      }
      if (some.length > 0) this.#db.exec("COMMIT");
      for (const id of some) this.#changes.delete(id);
      this.#complained = false;
    } catch (error) {
      this.#rollBack();
      if (!this.#complained) {
        this.#io.log("error", "cannot keep accounts: they are lost if we end now", {
          error: String(error),
        });
      }
      this.#complained = true;
      this.#writeAt(this.#io.now() + RETRY_MS);
      this.#tell();
      return false;
    }
    const more = this.#changes.size > 0;
    if (more) this.#writeAt(this.#io.now());
    else this.#tell();
    return more;
  }

  #tell(): void {
    for (const written of this.#waiting.splice(0)) written();
  }

  #writeAt(at: number): void {
    if (this.#timer && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const timer = this.#io.timer(at, () => void this.#write());
    this.#timer = { at, cancel: () => timer.cancel() };
  }

  #rollBack(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // There was none to roll back.
    }
  }
}

function columns(entry: Entry): (string | number | bigint | Uint8Array | null)[] {
  const { usage } = entry;
  return [
    entry.id,
    serversText(entry.servers),
    entry.fixed,
    entry.changing,
    Math.round(entry.began),
    Math.round(entry.at),
    entry.seconds,
    BigInt(Math.round(usage.upOctets)),
    BigInt(Math.round(usage.downOctets)),
    BigInt(Math.round(usage.upPackets)),
    BigInt(Math.round(usage.downPackets)),
    entry.cause ?? null,
    entry.due,
  ];
}

function entryOf(row: Record<string, unknown>): Entry {
  const cause = row["cause"];
  const servers = serversOf(row["servers"]);
  return {
    id: String(row["id"]),
    ...(servers && { servers }),
    fixed: row["fixed"] as Uint8Array,
    changing: row["changing"] as Uint8Array,
    began: Number(row["began"]),
    at: Number(row["at"]),
    seconds: Number(row["seconds"]),
    usage: {
      upOctets: Number(row["up_octets"]),
      downOctets: Number(row["down_octets"]),
      upPackets: Number(row["up_packets"]),
      downPackets: Number(row["down_packets"]),
    },
    ...(cause !== null && { cause: Number(cause) }),
    due: Number(row["due"]),
  };
}

function serversText(servers: readonly string[] | undefined): string | null {
  return servers ? JSON.stringify(servers) : null;
}

function serversOf(text: unknown): readonly string[] | undefined {
  return typeof text === "string" ? JSON.parse(text) : undefined;
}
