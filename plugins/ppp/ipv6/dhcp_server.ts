/**
 * A DHCPv6 server for the one client of a PPP link (RFC 8415 §18.3). It has no I/O: messages come and go as values, and
 * what may be given is asked of a {@linkcode Supply}.
 *
 * @module
 */

import { equalBytes } from "../../../core/wire/bytes.ts";
import {
  type DhcpMessage,
  type DhcpOption,
  emitAddresses,
  emitIa,
  type Ia,
  type IaItem,
  iasOf,
  MessageType,
  OptionCode,
  optionOf,
  Status,
  statusOption,
} from "./dhcpv6.ts";
import { emitNames } from "./names.ts";

/** What a client may be given. */
export interface Supply {
  /**
   * Gives an address (`na`) or prefix (`pd`) for an IA; the one that is wished for, where that is free.
   *
   * @param only nothing but the wish will do
   */
  take(kind: Ia["kind"], iaid: number, wish: string | undefined, only: boolean): string | undefined;
  /** Takes it back. `declined`: it is in use by somebody else, so nobody is to get it. */
  give(kind: Ia["kind"], text: string, declined: boolean): void;
  /** Addresses and prefixes came or went. */
  changed(): void;
}

/** What else a server says. */
export interface ServerSettings {
  /** Our DUID (§11): the same after a restart. */
  readonly duid: Uint8Array;
  readonly dns: readonly string[];
  readonly search: readonly string[];
  /** Seconds that what is given is valid; it is preferred for half of that. */
  readonly validS: number;
}

/** As many IAs as one link may have. */
const MAX_IAS = 8;

/** The server of one link. */
export class DhcpServer {
  readonly #settings: ServerSettings;
  readonly #supply: Supply;
  /** What is given, by kind, IAID and the client's DUID. */
  readonly #bindings = new Map<
    string,
    { readonly kind: Ia["kind"]; readonly iaid: number; readonly text: string }
  >();

  /** Something was offered that the network does not know of yet. */
  #untold = false;

  constructor(settings: ServerSettings, supply: Supply) {
    this.#settings = settings;
    this.#supply = supply;
  }

  /** What is given. */
  get bindings(): readonly { readonly kind: Ia["kind"]; readonly text: string }[] {
    return [...this.#bindings.values()];
  }

  /** Answers a message; undefined: there is nothing to say to it (§16). */
  answer(message: DhcpMessage): DhcpMessage | undefined {
    const client = optionOf(message, OptionCode.ClientId);
    const server = optionOf(message, OptionCode.ServerId);
    if (server && !equalBytes(server, this.#settings.duid)) return undefined;
    if (message.type === MessageType.InformationRequest) {
      return iasOf(message).length > 0
        ? undefined
        : this.#message(MessageType.Reply, message, client, []);
    }
    if (!client) return undefined;
    // Who knows its server names it, who does not must not (§16.2 to §16.9).
    const named = [
      MessageType.Request,
      MessageType.Renew,
      MessageType.Release,
      MessageType.Decline,
    ] as number[];
    if (named.includes(message.type) !== (server !== undefined)) return undefined;
    switch (message.type) {
      case MessageType.Solicit:
        return this.#solicit(message, client);
      case MessageType.Request:
        return this.#reply(message, client, this.#assign(message, client, false));
      case MessageType.Renew:
      case MessageType.Rebind:
        return this.#extend(message, client);
      case MessageType.Confirm:
        return this.#confirm(message, client);
      case MessageType.Release:
      case MessageType.Decline:
        return this.#release(message, client);
      default:
        return undefined;
    }
  }

  #solicit(message: DhcpMessage, client: Uint8Array): DhcpMessage {
    const rapid = optionOf(message, OptionCode.RapidCommit);
    if (rapid) {
      const ias = this.#assign(message, client, false);
      return this.#reply(message, client, [{
        code: OptionCode.RapidCommit,
        value: new Uint8Array(),
      }, ...ias]);
    }
    // What is offered stays with the link: its client is the only one there.
    return this.#message(
      MessageType.Advertise,
      message,
      client,
      this.#assign(message, client, true),
    );
  }

  /** Gives each IA what it may have. */
  #assign(message: DhcpMessage, client: Uint8Array, offer: boolean): DhcpOption[] {
    const before = this.#bindings.size;
    const options = iasOf(message).map((ia) => {
      const text = this.#bind(ia, client, false);
      return text === undefined ? this.#nothing(ia, none(ia)) : this.#something(ia, text);
    });
    if (this.#bindings.size !== before) this.#untold = true;
    if (!offer && this.#untold) {
      this.#untold = false;
      this.#supply.changed();
    }
    return options;
  }

  /** RENEW and REBIND (§18.3.4, §18.3.5). What a server before us gave is given again, where it is free. */
  #extend(message: DhcpMessage, client: Uint8Array): DhcpMessage | undefined {
    const before = this.#bindings.size;
    const options = iasOf(message).map((ia) => {
      const text = this.#bind(ia, client, true);
      if (text === undefined) {
        // It is told to forget what it has, or at a REBIND that it has to ask anew.
        const items = ia.items.map((item) => ({ ...item, preferred: 0, valid: 0 }));
        return items.length > 0
          ? emitIa({ ...ia, t1: 0, t2: 0, items })
          : this.#nothing(ia, Status.NoBinding);
      }
      const gone = ia.items.filter((item) => item.text !== text);
      return this.#something(ia, text, gone.map((item) => ({ ...item, preferred: 0, valid: 0 })));
    });
    if (this.#bindings.size !== before) this.#supply.changed();
    return this.#reply(message, client, options);
  }

  #confirm(message: DhcpMessage, client: Uint8Array): DhcpMessage | undefined {
    const asked = iasOf(message).flatMap(({ items }) => items);
    if (asked.length === 0) return undefined;
    const given = this.bindings.map(({ text }) => text);
    const right = asked.every(({ text }) => given.includes(text));
    const status = right ? Status.Success : Status.NotOnLink;
    return this.#reply(message, client, [statusOption(status, right ? "" : "not of this link")]);
  }

  #release(message: DhcpMessage, client: Uint8Array): DhcpMessage {
    const declined = message.type === MessageType.Decline;
    const unknown = iasOf(message).flatMap((ia) => {
      const key = keyOf(ia, client);
      const bound = this.#bindings.get(key);
      if (!bound) return [this.#nothing(ia, Status.NoBinding)];
      if (ia.items.some(({ text }) => text === bound.text)) {
        this.#bindings.delete(key);
        this.#supply.give(ia.kind, bound.text, declined);
      }
      return [];
    });
    this.#supply.changed();
    return this.#reply(message, client, [statusOption(Status.Success, ""), ...unknown]);
  }

  /** What an IA has, or gets. */
  #bind(ia: Ia, client: Uint8Array, only: boolean): string | undefined {
    const key = keyOf(ia, client);
    const bound = this.#bindings.get(key);
    if (bound) return bound.text;
    if (this.#bindings.size >= MAX_IAS) return undefined;
    const text = this.#supply.take(ia.kind, ia.iaid, ia.items[0]?.text, only);
    if (text !== undefined) this.#bindings.set(key, { kind: ia.kind, iaid: ia.iaid, text });
    return text;
  }

  #something(ia: Ia, text: string, more: readonly IaItem[] = []): DhcpOption {
    const { validS } = this.#settings;
    const preferred = Math.floor(validS / 2);
    return emitIa({
      kind: ia.kind,
      iaid: ia.iaid,
      t1: Math.floor(preferred / 2),
      t2: Math.floor(preferred * 4 / 5),
      items: [{ text, preferred, valid: validS }, ...more],
    });
  }

  #nothing({ iaid, kind }: Ia, status: number): DhcpOption {
    return emitIa({ kind, iaid, t1: 0, t2: 0, items: [], status });
  }

  #reply(message: DhcpMessage, client: Uint8Array, options: readonly DhcpOption[]): DhcpMessage {
    return this.#message(MessageType.Reply, message, client, options);
  }

  #message(
    type: number,
    { transaction }: DhcpMessage,
    client: Uint8Array | undefined,
    options: readonly DhcpOption[],
  ): DhcpMessage {
    const { dns, duid, search } = this.#settings;
    return {
      type,
      transaction,
      options: [
        ...(client ? [{ code: OptionCode.ClientId, value: client.slice() }] : []),
        { code: OptionCode.ServerId, value: duid },
        ...options,
        ...(dns.length > 0 ? [{ code: OptionCode.Dns, value: emitAddresses(dns) }] : []),
        ...(search.length > 0 ? [{ code: OptionCode.Search, value: emitNames(search) }] : []),
      ],
    };
  }
}

function keyOf({ iaid, kind }: Ia, client: Uint8Array): string {
  return `${kind} ${iaid} ${client.toHex()}`;
}

function none({ kind }: Ia): number {
  return kind === "na" ? Status.NoAddress : Status.NoPrefix;
}
