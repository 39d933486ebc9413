/**
 * LCCEs in virtual time, joined by a network that loses, delays, duplicates and reorders, all from one seed. For our
 * own tests and those of plugin authors.
 *
 * @module
 */

import type { Endpoint } from "./endpoint.ts";
import type { LcceEvent } from "./events.ts";
import { Lcce, type LcceOptions } from "./lcce.ts";
import { PseudowireType } from "./pseudowire.ts";
import type { CallParameters, Path, PeerSettings } from "./settings.ts";

/** What the network does to each datagram. */
export interface Conditions {
  /** Probability that a datagram is lost, 0 to 1. */
  readonly loss: number;
  /** Probability that a datagram comes twice, 0 to 1. */
  readonly duplication: number;
  /** Milliseconds, each datagram's drawn between the two: different delays reorder. */
  readonly delayMs: readonly [number, number];
  /** Bursts of loss: the probability that one begins with a datagram, and that it ends with one. Absent: none. */
  readonly bursts?: { readonly begin: number; readonly end: number };
  /** Probability that a bit of a datagram is flipped, and no checksum below notices, 0 to 1. Absent: 0. */
  readonly corruption?: number;
}

/**
 * Steps of one run, datagrams and timers, at most: an end that answers itself, or a timer that is always due, is a fault
 * and not a test that hangs.
 */
const STEP_LIMIT = 5_000_000;

/** A network that does nothing to datagrams but take 10 ms. */
export const perfect: Conditions = { loss: 0, duplication: 0, delayMs: [10, 10] };

/** One LCCE on the network, and all that it said. */
export interface Node {
  /** Its IP address. */
  readonly address: string;
  /** The UDP port that it sends from. A node alone at its address hears on every port. */
  port: number;
  /** The LCCE itself. */
  readonly lcce: Lcce;
  /** The mark of what comes from it: it tells nodes apart that share an address and a port. */
  mark: number;
  /** All events so far, the oldest first. */
  readonly events: LcceEvent[];
  /** Called for each event as it comes; may act on the LCCE. */
  onEvent: ((event: LcceEvent, now: number) => void) | undefined;
  /** Cut off: nothing comes or goes. */
  unreachable: boolean;
}

interface Flight {
  readonly at: number;
  readonly order: number;
  readonly to: Endpoint;
  /** The way that it was sent by. */
  readonly mark: number;
  readonly path: Path;
  readonly data: Uint8Array;
}

/** Repeatable pseudo-random numbers (splitmix32). */
export function seeded(seed: number): { fraction(): number; bytes(length: number): Uint8Array } {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ state >>> 16, 0x21f0_aaad);
    mixed = Math.imul(mixed ^ mixed >>> 15, 0x735a_2d97);
    return (mixed ^ mixed >>> 15) >>> 0;
  };
  return {
    fraction: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, next),
  };
}

/** A network in virtual time. */
export class Netsim {
  /** Virtual time, in milliseconds. */
  now = 0;
  /** May be changed at any time. */
  conditions: Conditions;
  /** Sees each datagram as it is sent; false: lose it. */
  tap: ((from: string, to: string, data: Uint8Array) => boolean) | undefined;
  readonly #random: ReturnType<typeof seeded>;
  readonly #nodes: Node[] = [];
  /** The first of them have arrived already. */
  #flights: Flight[] = [];
  #arrived = 0;
  #order = 0;
  #inBurst = false;

  /** The same seed, the same network. */
  constructor(seed: number, conditions: Conditions = perfect) {
    this.#random = seeded(seed);
    this.conditions = conditions;
  }

  /** A new LCCE at `address`. Several may share an address, as behind a NAT, each with its own port. */
  add(
    address: string,
    options: Omit<LcceOptions, "random"> & Partial<Pick<LcceOptions, "random">>,
    port = 1701,
  ): Node {
    const lcce = new Lcce({ random: (length) => this.#random.bytes(length), ...options });
    const node: Node = {
      address,
      port,
      mark: 0,
      lcce,
      events: [],
      onEvent: undefined,
      unreachable: false,
    };
    this.#nodes.push(node);
    return node;
  }

  /** Takes a node off the network, as if its process had been killed. */
  remove(node: Node): void {
    this.#nodes.splice(this.#nodes.indexOf(node), 1);
  }

  /** The path from one address to another, over UDP. */
  path(from: string, to: string, port = 1701): Path {
    return { encap: "udp", local: from, remote: { address: to, port }, mark: 0, socket: 0 };
  }

  /** The path from one address to another, over IP 115. */
  ipPath(from: string, to: string): Path {
    return { encap: "ip", local: from, remote: { address: to, port: 0 }, mark: 0, socket: 0 };
  }

  /** Hands a node a datagram as if it came from `remote`, at once. */
  inject(node: Node, data: Uint8Array, remote: Endpoint): void {
    const path: Path = { encap: "udp", local: node.address, remote, mark: 0, socket: 0 };
    node.lcce.receive(data, path, this.now);
    this.#drain(node);
  }

  /** Lets time pass until `until`, or until `done` says so. Drains every LCCE first. */
  run(until: number, done: () => boolean = () => false): void {
    for (const node of this.#nodes) this.#drain(node);
    for (let steps = 0; !done(); steps++) {
      if (steps === STEP_LIMIT) throw new Error(`the network never rests: at ${this.now} ms`);
      const next = this.#next();
      if (next === undefined || next > until) {
        this.now = Math.max(this.now, until);
        return;
      }
      this.now = Math.max(this.now, next);
      this.#step();
    }
  }

  /** When something happens next; undefined: never. */
  #next(): number | undefined {
    const times = this.#nodes.map(({ lcce }) => lcce.deadline());
    const next = this.#flights[this.#arrived];
    if (next) times.push(next.at);
    return times.reduce((a, b) => a === undefined || (b !== undefined && b < a) ? b : a, undefined);
  }

  #step(): void {
    for (const node of this.#nodes) {
      if ((node.lcce.deadline() ?? Infinity) <= this.now) {
        node.lcce.timeout(this.now);
        this.#drain(node);
      }
    }
    for (
      let flight = this.#flights[this.#arrived];
      flight && flight.at <= this.now;
      flight = this.#flights[this.#arrived]
    ) {
      this.#land();
      const { to, mark, path, data } = flight;
      const node = this.#at(to, mark);
      if (!node || node.unreachable) continue;
      node.lcce.receive(data, path, this.now);
      this.#drain(node);
    }
  }

  /** The next flight has arrived. */
  #land(): void {
    if (++this.#arrived < 1024 || 2 * this.#arrived < this.#flights.length) return;
    this.#flights = this.#flights.slice(this.#arrived);
    this.#arrived = 0;
  }

  #at({ address, port }: Endpoint, mark: number): Node | undefined {
    const here = this.#nodes.filter((node) => node.address === address);
    const marked = here.filter((node) => node.mark === mark);
    const there = marked.length > 0 ? marked : here;
    return there.length === 1 ? there[0] : there.find((node) => node.port === port);
  }

  #drain(node: Node): void {
    for (let output = node.lcce.poll(); output; output = node.lcce.poll()) {
      if (output.type === "transmit") {
        this.#send(node, output.path, output.data);
      } else {
        node.events.push(output.event);
        node.onEvent?.(output.event, this.now);
      }
    }
  }

  #send(from: Node, { encap, mark, remote }: Path, data: Uint8Array): void {
    if (this.tap && !this.tap(from.address, remote.address, data)) return;
    if (from.unreachable) return;
    const { loss, duplication, delayMs: [least, most], corruption = 0 } = this.conditions;
    const copies = this.#random.fraction() < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#random.fraction() < loss || this.#isInBurst()) continue;
      const at = this.now + least + this.#random.fraction() * (most - least);
      const path: Path = {
        encap,
        local: remote.address,
        remote: { address: from.address, port: encap === "ip" ? 0 : from.port },
        mark: from.mark,
        socket: 0,
      };
      const arrives = corruption > 0 && this.#random.fraction() < corruption
        ? this.#damaged(data)
        : data;
      this.#insert({ at, order: this.#order++, to: remote, mark, path, data: arrives });
    }
  }

  #damaged(data: Uint8Array): Uint8Array {
    const damaged = data.slice();
    const bit = Math.floor(this.#random.fraction() * 8 * data.length);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    return damaged;
  }

  /** Whether a datagram falls into a burst of loss (Gilbert's model). */
  #isInBurst(): boolean {
    const { bursts } = this.conditions;
    if (!bursts) return this.#inBurst = false;
    const turns = this.#random.fraction() < (this.#inBurst ? bursts.end : bursts.begin);
    if (turns) this.#inBurst = !this.#inBurst;
    return this.#inBurst;
  }

  /** Keeps flights in order of arrival, and of sending where that is equal. */
  #insert(flight: Flight): void {
    let low = this.#arrived, high = this.#flights.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#flights[middle]!;
      if (other.at < flight.at || (other.at === flight.at && other.order < flight.order)) {
        low = middle + 1;
      } else high = middle;
    }
    this.#flights.splice(low, 0, flight);
  }
}

/** Settings that suit tests, with changes. */
export function testSettings(changes: Partial<PeerSettings> = {}): PeerSettings {
  return {
    name: "peer",
    version: 2,
    hostName: "test",
    vendorName: "isthmus",
    routerId: 1,
    digest: 0,
    hideAvps: false,
    tieBreaker: true,
    pseudowires: [PseudowireType.Ethernet, PseudowireType.EthernetVlan, PseudowireType.Ppp],
    framing: 3,
    bearer: 0,
    receiveWindow: 16,
    helloMs: 60_000,
    retransmitMs: 1_000,
    retransmitCapMs: 8_000,
    attempts: 10,
    establishMs: 120_000,
    callMs: 120_000,
    callLimit: 65_000,
    ...changes,
  };
}

/** Parameters of a call that suit tests, with changes. */
export function testCall(changes: Partial<CallParameters> = {}): CallParameters {
  return {
    name: "office",
    pseudowireType: PseudowireType.Ethernet,
    l2spec: "default",
    cookie: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    sequencing: true,
    active: true,
    speed: 1_000_000_000,
    ...changes,
  };
}
