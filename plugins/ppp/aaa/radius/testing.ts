/** A world of RADIUS in memory: time that passes when a test says so, sockets, and servers that do as the test says. @module */

import type { UdpAddress, UdpSocket } from "../../../scope.ts";
import { doubtOfRequest, makeSecret, sealResponse, type Secret } from "./authenticity.ts";
import { builtInDictionary } from "./builtin.ts";
import type { Io } from "./exchange.ts";
import { type Attribute, CODE, type Packet, parsePacket } from "./packet.ts";

const { formats } = builtInDictionary();

/** The secret of all servers. */
export const SECRET: Secret = makeSecret(new TextEncoder().encode("secret"));

/** A datagram that a test's server got. */
export interface Heard {
  readonly packet: Packet;
  readonly datagram: Uint8Array;
  readonly from: UdpAddress;
  readonly to: UdpAddress;
  readonly at: number;
}

/** See the module. */
export class MemoryNetwork implements Io {
  readonly heard: Heard[] = [];
  readonly lines: string[] = [];
  readonly counts = new Map<string, number>();
  /** How many sockets are open. */
  sockets = 0;
  /** Answers what servers hear; where it gives nothing, they are silent. */
  answer: (heard: Heard) => Uint8Array | undefined = () => undefined;
  /** How long a server takes, in milliseconds. */
  delayMs = 0;
  readonly #sockets = new Map<number, (datagram: Uint8Array, from: UdpAddress) => void>();
  readonly #timers = new Map<number, { at: number; due: () => void }>();
  #now = 0;
  #last = 0;
  #seed = 1;

  readonly now = (): number => this.#now;
  readonly date = (): number => 1_700_000_000_000 + this.#now;
  readonly log: Io["log"] = (_level, message) => void this.lines.push(message);
  readonly random = (length: number): Uint8Array =>
    Uint8Array.from({ length }, () => {
      this.#seed = Math.imul(this.#seed, 1103515245) + 12345 | 0;
      return this.#seed >>> 16;
    });
  readonly counter = (name: string): { add(by?: number): void } => ({
    add: (by = 1) => void this.counts.set(name, (this.counts.get(name) ?? 0) + by),
  });

  readonly timer = (at: number, due: () => void): { cancel(): void } => {
    const id = ++this.#last;
    this.#timers.set(id, { at, due });
    return { cancel: () => void this.#timers.delete(id) };
  };

  readonly udp: Io["udp"] = (options, received) => {
    const port = options.port ?? 10_000 + ++this.#last;
    const own: UdpAddress = { address: options.local ?? "10.0.0.99", port };
    this.sockets++;
    this.#sockets.set(port, received);
    const socket: UdpSocket = {
      port,
      send: (datagram, to) => {
        this.#arrive(datagram.slice(), own, to);
        return true;
      },
      drops: () => 0,
    };
    return Promise.resolve(socket);
  };

  /** Hands a datagram to the socket with that port. */
  deliver(port: number, datagram: Uint8Array, from: UdpAddress): void {
    this.#sockets.get(port)?.(datagram, from);
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].filter(([, { at }]) => at <= end)
        .reduce<[number, { at: number; due: () => void }] | undefined>(
          (first, one) => first && first[1].at <= one[1].at ? first : one,
          undefined,
        );
      if (!next) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].due();
    }
    this.#now = end;
  }

  #arrive(datagram: Uint8Array, from: UdpAddress, to: UdpAddress): void {
    const packet = parsePacket(datagram, formats);
    if (typeof packet === "string") throw new Error(`a server got a packet ${packet}`);
    if (doubtOfRequest(packet, SECRET)) throw new Error("a server got a packet with a wrong proof");
    const heard = { packet, datagram, from, to, at: this.#now };
    this.heard.push(heard);
    const answer = this.answer(heard);
    if (!answer) return;
    this.timer(this.#now + this.delayMs, () => this.deliver(from.port, answer, to));
  }
}

/** Lets all go on that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** The usual answer to a request. */
export function accept(
  { packet }: Pick<Heard, "packet">,
  attributes: readonly Attribute[] = [],
  signed = true,
): Uint8Array {
  const code = packet.code === CODE.accountingRequest ? CODE.accountingResponse : CODE.accessAccept;
  return sealResponse(code, packet, attributes, SECRET, formats, signed);
}
