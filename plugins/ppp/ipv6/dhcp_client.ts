/**
 * A DHCPv6 client that asks for one delegated prefix, and for name servers (RFC 8415 §18.2). No clock and no I/O: instants
 * in milliseconds are handed in.
 *
 * @module
 */

import { concat, equalBytes } from "../../../core/wire/bytes.ts";
import {
  type DhcpMessage,
  type DhcpOption,
  emitIa,
  type Ia,
  type IaItem,
  iasOf,
  MessageType,
  OptionCode,
  optionOf,
  parseAddresses,
  Status,
} from "./dhcpv6.ts";
import { numberOf, u16 } from "../link/wire.ts";
import { parseNames } from "./names.ts";

/** First and longest pause between repetitions, in milliseconds, and how often (§7.6); 0: without end. */
const timing: Readonly<Record<number, readonly [first: number, longest: number, times: number]>> = {
  [MessageType.Solicit]: [1000, 3_600_000, 0],
  [MessageType.Request]: [1000, 30_000, 10],
  [MessageType.Renew]: [10_000, 600_000, 0],
  [MessageType.Rebind]: [10_000, 600_000, 0],
  [MessageType.InformationRequest]: [1000, 3_600_000, 0],
};
/** An infinite lifetime (§7.7). */
const FOR_EVER = 0xffff_ffff;
/** What is asked for without a hint is of the server's choice. */
const IAID = 1;

/** Who is told. */
export interface DhcpClientSink {
  send(message: DhcpMessage): void;
  /** A prefix came or went, or name servers did. */
  changed(): void;
}

type Doing = "nothing" | "asking" | "bound" | "renewing" | "rebinding" | "informing";

/** The client. */
export class DhcpClient {
  readonly #duid: Uint8Array;
  readonly #random: (length: number) => Uint8Array;
  readonly #sink: DhcpClientSink;
  readonly #wantsPrefix: boolean;
  #doing: Doing = "nothing";
  #now = 0;
  #exchange: {
    readonly type: number;
    readonly transaction: number;
    readonly since: number;
    pause: number;
    times: number;
  } | undefined;
  #deadline: number | undefined;
  #server: Uint8Array | undefined;
  #item: IaItem | undefined;
  /** What a server has advertised. */
  #offer: readonly IaItem[] = [];
  /** Instants of T1, T2, and the end of validity. */
  #renewAt = Infinity;
  #rebindAt = Infinity;
  #endsAt = Infinity;
  dns: string[] = [];
  search: string[] = [];

  /** @param wantsPrefix or only name servers */
  constructor(
    duid: Uint8Array,
    wantsPrefix: boolean,
    random: (length: number) => Uint8Array,
    sink: DhcpClientSink,
  ) {
    this.#duid = duid;
    this.#random = random;
    this.#sink = sink;
    this.#wantsPrefix = wantsPrefix;
  }

  /** The delegated prefix. */
  get prefix(): string | undefined {
    return this.#item?.text;
  }

  /** When {@linkcode timeout} is to be called. */
  get deadline(): number | undefined {
    const at = Math.min(this.#deadline ?? Infinity, this.#endsAt, this.#nextChange());
    return at === Infinity ? undefined : at;
  }

  start(now: number): void {
    this.#now = now;
    if (!this.#wantsPrefix) {
      this.#doing = "informing";
      return this.#begin(MessageType.InformationRequest);
    }
    this.#doing = "asking";
    this.#begin(MessageType.Solicit);
  }

  /** Gives the prefix back: said once, for nobody stays to hear the answer. */
  stop(now: number): void {
    this.#now = now;
    if (this.#item && this.#server) {
      this.#exchange = {
        type: MessageType.Release,
        transaction: this.#transaction(),
        since: now,
        pause: 0,
        times: 0,
      };
      this.#send();
    }
    this.#exchange = undefined;
    this.#doing = "nothing";
    this.#forget();
  }

  input(message: DhcpMessage, now: number): void {
    this.#now = now;
    const asked = this.#exchange;
    const client = optionOf(message, OptionCode.ClientId);
    const server = optionOf(message, OptionCode.ServerId);
    if (!asked || !server || message.transaction !== asked.transaction) return;
    if (!client || !equalBytes(client, this.#duid)) return;
    const ia = iasOf(message).find(({ iaid, kind }) => kind === "pd" && iaid === IAID);
    if (message.type === MessageType.Advertise && asked.type === MessageType.Solicit) {
      // The first that has something for us will do: on this link there is but one.
      if (!ia || ia.items.length === 0 || ia.status) return;
      this.#server = server.slice();
      this.#item = undefined;
      this.#offer = ia.items;
      return this.#begin(MessageType.Request);
    }
    if (message.type !== MessageType.Reply) return;
    if (asked.type === MessageType.Solicit && !optionOf(message, OptionCode.RapidCommit)) return;
    this.#learn(message);
    if (asked.type === MessageType.InformationRequest) return this.#done();
    this.#bound(ia, server);
  }

  timeout(now: number): void {
    this.#now = now;
    if (now >= this.#endsAt) {
      this.#forget();
      this.#sink.changed();
      return this.start(now);
    }
    if (this.#doing === "bound" && now >= this.#renewAt) {
      this.#doing = "renewing";
      return this.#begin(MessageType.Renew);
    }
    if (this.#doing === "renewing" && now >= this.#rebindAt) {
      this.#doing = "rebinding";
      return this.#begin(MessageType.Rebind);
    }
    if (this.#deadline !== undefined && now >= this.#deadline) this.#repeat();
  }

  #bound(ia: Ia | undefined, server: Uint8Array): void {
    const item = ia?.items.find(({ valid }) => valid > 0);
    if (!ia || !item) {
      // Nothing, or nothing any more: it begins anew, as if it had never had one; a refusal is asked again in time.
      const lost = this.#item !== undefined;
      const refused = ia?.status === Status.NoPrefix;
      this.#forget();
      if (lost) this.#sink.changed();
      if (!refused || lost) return this.start(this.#now);
      return;
    }
    this.#server = server.slice();
    this.#item = { ...item };
    const at = (seconds: number) => seconds === FOR_EVER ? Infinity : this.#now + seconds * 1000;
    const { preferred, valid } = item;
    this.#renewAt = at(ia.t1 || (preferred === FOR_EVER ? FOR_EVER : Math.floor(preferred / 2)));
    this.#rebindAt = at(
      ia.t2 || (preferred === FOR_EVER ? FOR_EVER : Math.floor(preferred * 4 / 5)),
    );
    this.#endsAt = at(valid);
    this.#doing = "bound";
    this.#done();
  }

  #done(): void {
    this.#exchange = undefined;
    this.#deadline = undefined;
    this.#sink.changed();
  }

  #learn(message: DhcpMessage): void {
    this.dns = parseAddresses(optionOf(message, OptionCode.Dns) ?? new Uint8Array());
    this.search = parseNames(optionOf(message, OptionCode.Search) ?? new Uint8Array()) ?? [];
  }

  #forget(): void {
    this.#item = undefined;
    this.#server = undefined;
    this.#renewAt = this.#rebindAt = this.#endsAt = Infinity;
    if (!this.#exchange) this.#deadline = undefined;
  }

  #begin(type: number): void {
    const [first] = timing[type]!;
    this.#exchange = {
      type,
      transaction: this.#transaction(),
      since: this.#now,
      pause: this.#vary(first),
      times: 1,
    };
    this.#deadline = this.#now + this.#exchange.pause;
    this.#send();
  }

  #repeat(): void {
    const exchange = this.#exchange;
    if (!exchange) return void (this.#deadline = undefined);
    const [, longest, times] = timing[exchange.type]!;
    if (times > 0 && exchange.times >= times) return this.start(this.#now);
    exchange.times++;
    exchange.pause = Math.min(2 * exchange.pause, this.#vary(longest));
    this.#deadline = this.#now + exchange.pause;
    this.#send();
  }

  #send(): void {
    const { since, transaction, type } = this.#exchange!;
    const elapsed = Math.min(0xffff, Math.floor((this.#now - since) / 10));
    const named = type === MessageType.Request || type === MessageType.Renew ||
      type === MessageType.Release;
    const items = type === MessageType.Request ? this.#offer : this.#item ? [this.#item] : [];
    const ia = emitIa({ kind: "pd", iaid: IAID, t1: 0, t2: 0, items });
    const options: DhcpOption[] = [
      { code: OptionCode.ClientId, value: this.#duid },
      ...(named && this.#server ? [{ code: OptionCode.ServerId, value: this.#server }] : []),
      { code: OptionCode.Elapsed, value: u16(elapsed) },
      { code: OptionCode.Requested, value: concat([u16(OptionCode.Dns), u16(OptionCode.Search)]) },
      ...(type === MessageType.Solicit
        ? [{ code: OptionCode.RapidCommit, value: new Uint8Array() }]
        : []),
      ...(type === MessageType.InformationRequest ? [] : [ia]),
    ];
    this.#sink.send({ type, transaction, options });
  }

  #nextChange(): number {
    return this.#doing === "bound"
      ? this.#renewAt
      : this.#doing === "renewing"
      ? this.#rebindAt
      : Infinity;
  }

  /** So that not all say the same at the same time: up to a tenth more or less. */
  #vary(ms: number): number {
    return ms * (0.9 + this.#random(1)[0]! / 1280);
  }

  #transaction(): number {
    return numberOf(this.#random(3));
  }
}
