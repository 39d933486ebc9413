/** A RADIUS server that does as a test says: how long it takes, and whether it answers at all. @module */

import { type DatagramSocket, openDatagrams } from "../../../edge/io/datagrams.ts";
import { openLibc } from "../../../edge/io/libc.ts";
import { makeSecret, sealResponse } from "../../../plugins/ppp/aaa/radius/authenticity.ts";
import { builtInDictionary } from "../../../plugins/ppp/aaa/radius/builtin.ts";
import {
  type Attribute,
  CODE,
  joined,
  type Packet,
  parsePacket,
  readNumber,
} from "../../../plugins/ppp/aaa/radius/packet.ts";

/** The secret of its clients. */
export const RESPONDER_SECRET = "responder";
const secret = makeSecret(new TextEncoder().encode(RESPONDER_SECRET));
const { formats } = builtInDictionary();

/** An accounting record. */
export interface TakenRecord {
  /** 1 Start, 2 Stop, 3 Interim, 7 On, 8 Off. */
  readonly status: number;
  readonly session: string;
  readonly up: number;
  readonly down: number;
  readonly cause: number | undefined;
}

/** See the module. It listens on one port of loopback for everything. */
export class Responder implements AsyncDisposable {
  /** Milliseconds until it answers. */
  delayMs = 0;
  /** Whether it answers. */
  answers = true;
  /** Requests for authentication that it took. */
  logins = 0;
  /** Records that it acknowledged, in order. */
  readonly records: TakenRecord[] = [];
  /** What an accepted login gets. */
  grant: readonly Attribute[] = [];
  readonly #libc = openLibc();
  readonly #socket: DatagramSocket = openDatagrams(this.#libc).open(
    { local: "127.0.0.1" },
    (datagram, from) => this.#take(datagram, { ...from }),
  );
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  /** Its port. */
  get port(): number {
    return this.#socket.port;
  }

  #take(datagram: Uint8Array, from: { address: string; port: number }): void {
    const packet = parsePacket(datagram, formats);
    if (!this.answers || typeof packet === "string") return;
    const answer = () => this.#answer(packet, from);
    if (this.delayMs === 0) return answer();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      answer();
    }, this.delayMs);
    this.#timers.add(timer);
  }

  #answer(packet: Packet, from: { address: string; port: number }): void {
    const accounting = packet.code === CODE.accountingRequest;
    if (accounting) this.records.push(recordOf(packet));
    else this.logins++;
    const code = accounting ? CODE.accountingResponse : CODE.accessAccept;
    const octets = sealResponse(code, packet, accounting ? [] : this.grant, secret, formats, true);
    this.#socket.send(octets, from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#socket.close();
    this.#libc[Symbol.dispose]();
  }
}

function recordOf({ attributes }: Packet): TakenRecord {
  const number = (type: number) => {
    const value = joined(attributes, 0, type);
    return value && readNumber(value, 0, value.length);
  };
  const wide = (low: number, high: number) => (number(high) ?? 0) * 2 ** 32 + (number(low) ?? 0);
  return {
    status: number(40) ?? 0,
    session: new TextDecoder().decode(joined(attributes, 0, 44)),
    up: wide(42, 52),
    down: wide(43, 53),
    cause: number(49),
  };
}
