/**
 * Pools of addresses and prefixes: by name, chained, and sticky: a user gets what it had last, as long as nobody else
 * needs it.
 *
 * @module
 */

import {
  formatAddress,
  formatNetwork,
  type Network,
  parseAddress,
  parseNetwork,
} from "./addresses.ts";

/** What a pool is made of. */
export interface PoolOptions {
  /** Networks (`10.0.0.0/16`) and ranges (`10.1.0.10-10.1.0.99`). */
  readonly ranges: readonly string[];
  /** What one gets: the length of a prefix, 32 or 128 for a single address. */
  readonly length: number;
  /** The pool that is tried where this one is empty. */
  readonly then?: string;
}

/** Something from a pool. */
export interface Lease {
  /** The pool that it is from. */
  readonly pool: string;
  /** `10.0.0.7`, `2001:db8:1::/56`. */
  readonly text: string;
}

/** One pool's figures. */
export interface PoolFigures {
  readonly name: string;
  readonly size: number;
  readonly used: number;
}

/** As many as one pool may give away. */
const MAX_SIZE = 1 << 24;

/** Reads a range; a text says what is wrong with it. */
export function parseRange(text: string, length: number): { base: bigint; count: number } | string {
  const [first = "", last] = text.split("-").map((part) => part.trim());
  const network = last === undefined ? parseNetwork(first) : undefined;
  if (last === undefined && !network) return `${text} is neither a network nor a range`;
  const span = network ? spanOf(network) : spanBetween(first, last!);
  if (!span) return `${text} is not a range of addresses of one family`;
  const { bits, from, to } = span;
  if (length > bits) return `${text} has no prefixes of length ${length}`;
  const step = 1n << BigInt(bits - length);
  if (from % step !== 0n) return `${text} does not begin at a prefix of length ${length}`;
  const count = (to - from + 1n) / step;
  if (count < 1n) return `${text} has no room for a prefix of length ${length}`;
  if (count > BigInt(MAX_SIZE)) return `${text} has more than ${MAX_SIZE} of length ${length}`;
  return { base: from, count: Number(count) };
}

/** The networks that a range is made of: `10.0.0.0/16` itself, of `10.1.0.10-10.1.0.13` two. */
export function networksOfRange(text: string): string[] {
  const [first = "", last] = text.split("-").map((part) => part.trim());
  if (last === undefined) return parseNetwork(first) ? [first] : [];
  const span = spanBetween(first, last);
  if (!span) return [];
  const networks: string[] = [];
  for (let from = span.from; from <= span.to;) {
    // The largest that begins here and does not go beyond.
    let own = 0n;
    while (own < span.bits && from % (2n << own) === 0n && from + (2n << own) - 1n <= span.to) {
      own++;
    }
    networks.push(formatNetwork({ bits: span.bits, base: from, length: span.bits - Number(own) }));
    from += 1n << own;
  }
  return networks;
}

/** What users had last, by pools and user. */
export interface LastLeases {
  get(key: string): string | undefined;
  set(key: string, text: string): void;
}

/** All pools of a configuration. */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  /** What users had last. */
  readonly #remembered: LastLeases;
  /** Addresses that are nobody's to have. */
  readonly #reserved = new Set<string>();
  /** Somebody's that are of no pool. */
  readonly #others = new Set<string>();

  constructor(remembered: LastLeases) {
    this.#remembered = remembered;
  }

  /** Takes a configuration; what is in use stays so, also where its pool is gone. */
  configure(pools: Readonly<Record<string, PoolOptions>>): void {
    for (const name of this.#pools.keys()) if (!(name in pools)) this.#pools.delete(name);
    for (const [name, options] of Object.entries(pools)) {
      const before = this.#pools.get(name);
      this.#pools.set(name, new Pool(name, options, before));
    }
    for (const text of this.#reserved) this.#withhold(text);
  }

  /** Nobody gets this address: it is ours. */
  reserve(text: string): () => void {
    this.#reserved.add(text);
    this.#withhold(text);
    return () => {
      this.#reserved.delete(text);
      for (const pool of this.#pools.values()) pool.give(text);
    };
  }

  /**
   * Takes from the first of the named pools that has something, and what is chained to it.
   *
   * @param user who is to get the same again next time; undefined: nobody
   */
  take(names: readonly string[], user?: string): Lease | undefined {
    const wish = user === undefined ? undefined : this.#remembered.get(key(names, user));
    const chain = this.#chain(names);
    for (const pool of wish === undefined ? [] : chain) {
      if (pool.claim(wish!)) {
        this.remember(names, user!, wish!);
        return { pool: pool.name, text: wish! };
      }
    }
    for (const pool of chain) {
      const text = pool.take();
      if (text === undefined) continue;
      if (user !== undefined) this.remember(names, user, text);
      return { pool: pool.name, text };
    }
    return undefined;
  }

  /** Takes this very one, in whatever pool it is or in none; false: it is somebody's. */
  claim(text: string): boolean {
    if (this.#others.has(text)) return false;
    for (const pool of this.#pools.values()) {
      const claimed = pool.claim(text);
      if (claimed !== undefined) return claimed;
    }
    this.#others.add(text);
    return true;
  }

  /** Takes this very one out of the named pools and what is chained to them; false: they have it not, or it is somebody's. */
  claimFrom(names: readonly string[], text: string, user?: string): boolean {
    const taken = this.#chain(names).some((pool) => pool.claim(text) === true);
    if (taken && user !== undefined) this.remember(names, user, text);
    return taken;
  }

  /** Gives back. */
  give(text: string): void {
    if (this.#reserved.has(text)) return;
    this.#others.delete(text);
    for (const pool of this.#pools.values()) pool.give(text);
  }

  /** What a user had last. */
  remember(names: readonly string[], user: string, text: string): void {
    this.#remembered.set(key(names, user), text);
  }

  figures(): PoolFigures[] {
    return [...this.#pools.values()].map(({ name, size, used }) => ({ name, size, used }));
  }

  #withhold(text: string): void {
    for (const pool of this.#pools.values()) pool.claim(text);
  }

  /** The pools in the order of their trial, each once. */
  #chain(names: readonly string[]): Pool[] {
    const chain = new Set<Pool>();
    for (const name of names) {
      for (let pool = this.#pools.get(name); pool && !chain.has(pool);) {
        chain.add(pool);
        pool = pool.then === undefined ? undefined : this.#pools.get(pool.then);
      }
    }
    return [...chain];
  }
}

/** One pool. What was never used goes first, then what has been free for longest. */
class Pool {
  readonly name: string;
  readonly size: number;
  readonly then: string | undefined;
  readonly #bits: number;
  readonly #length: number;
  readonly #parts: readonly {
    readonly base: bigint;
    readonly count: number;
    readonly first: number;
  }[];
  readonly #used = new Set<number>();
  /** Given back, the longest ago first. */
  readonly #free = new Set<number>();
  #fresh = 0;

  constructor(name: string, { length, ranges, then }: PoolOptions, before?: Pool) {
    this.name = name;
    this.then = then;
    this.#length = length;
    this.#bits = ranges.some((range) => range.includes(":")) ? 128 : 32;
    let first = 0;
    this.#parts = ranges.map((range) => {
      const parsed = parseRange(range, length);
      if (typeof parsed === "string") throw new RangeError(parsed);
      const part = { ...parsed, first };
      first += parsed.count;
      return part;
    });
    this.size = first;
    if (before) { for (const index of before.#used) this.claim(before.#text(index)); }
  }

  get used(): number {
    return this.#used.size;
  }

  take(): string | undefined {
    while (this.#fresh < this.size) {
      const index = this.#fresh++;
      if (!this.#used.has(index) && !this.#free.has(index)) return this.#use(index);
    }
    const [oldest] = this.#free;
    return oldest === undefined ? undefined : this.#use(oldest);
  }

  /** Takes this one; false: it is taken; undefined: it is none of this pool. */
  claim(text: string): boolean | undefined {
    const index = this.#index(text);
    if (index === undefined) return undefined;
    if (this.#used.has(index)) return false;
    this.#use(index);
    return true;
  }

  give(text: string): void {
    const index = this.#index(text);
    if (index === undefined || !this.#used.delete(index)) return;
    this.#free.add(index);
  }

  #use(index: number): string {
    this.#free.delete(index);
    this.#used.add(index);
    return this.#text(index);
  }

  #index(text: string): number | undefined {
    const [address = "", length] = text.split("/");
    if (Number(length ?? this.#bits) !== this.#length) return undefined;
    const parsed = parseAddress(address);
    if (parsed?.bits !== this.#bits) return undefined;
    const shift = BigInt(this.#bits - this.#length);
    for (const { base, count, first } of this.#parts) {
      const offset = (parsed.value >> shift) - (base >> shift);
      if (offset >= 0n && offset < count) return first + Number(offset);
    }
    return undefined;
  }

  #text(index: number): string {
    const part = this.#parts.findLast(({ first }) => first <= index)!;
    const step = BigInt(this.#bits - this.#length);
    const address = formatAddress(this.#bits, part.base + (BigInt(index - part.first) << step));
    return this.#length === this.#bits ? address : `${address}/${this.#length}`;
  }
}

/** Names of pools have neither commas nor blanks. */
const key = (names: readonly string[], user: string) => `${names.join(",")} ${user}`;

/** Of a network of IPv4 addresses, the first and the last are not given away: some clients do not believe them. */
function spanOf({ base, bits, length }: Network): { bits: number; from: bigint; to: bigint } {
  const to = base + (1n << BigInt(bits - length)) - 1n;
  return bits === 32 && length < 31
    ? { bits, from: base + 1n, to: to - 1n }
    : { bits, from: base, to };
}

function spanBetween(first: string, last: string) {
  const [from, to] = [parseAddress(first), parseAddress(last)];
  if (!from || !to || from.bits !== to.bits || from.value > to.value) return undefined;
  return { bits: from.bits, from: from.value, to: to.value };
}
