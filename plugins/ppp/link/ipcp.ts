/** IPCP's options (RFC 1332, RFC 1877), of the end that gives addresses and of the end that gets one. @module */

import { equalBytes } from "../../../core/wire/bytes.ts";
import type { OptionPolicy, Verdict } from "./negotiation.ts";
import type { Option } from "./wire.ts";

/** Option types. */
const Type = { Address: 3, Dns1: 129, Nbns1: 130, Dns2: 131, Nbns2: 132 } as const;
const NOTHING = new Uint8Array(4);

/** An IPv4 address: 4 octets. */
export type Octets4 = Uint8Array;

/** What the end that gives addresses gives. */
export interface IpcpGrant {
  /** Our own address. */
  readonly own: Octets4;
  /** The client's; undefined: it chooses. */
  readonly client: Octets4 | undefined;
  /** Name servers, up to two. */
  readonly dns: readonly Octets4[];
  /** NetBIOS name servers, up to two. */
  readonly nbns: readonly Octets4[];
}

/** The end that gives addresses. */
export class IpcpServer implements OptionPolicy {
  #grant: IpcpGrant;
  /** Whether the client rejects that we have an address. */
  #refused = false;
  #client: Octets4 | undefined;
  #naked = false;

  constructor(grant: IpcpGrant) {
    this.#grant = grant;
  }

  /** What the client has agreed to; undefined before that. */
  get client(): Octets4 | undefined {
    return this.#client;
  }

  reset(): void {
    this.#refused = false;
    this.#client = undefined;
    this.#naked = false;
  }

  request(): Option[] {
    return this.#refused ? [] : [{ type: Type.Address, value: this.#grant.own }];
  }

  judge(options: readonly Option[], insist: boolean): Verdict {
    const rejects = options.filter((option) => this.#isRejected(option));
    // Reject before Nak (RFC 1661 §5.4).
    if (rejects.length > 0) return { kind: "reject", options: rejects };
    const naks = options.flatMap((option) => this.#better(option) ?? []);
    const address = options.find(({ type }) => type === Type.Address);
    if (!address) {
      // Who does not ask for an address has none: it is told which one, and if it will not hear that, there is no link.
      if (this.#naked || !this.#grant.client) {
        return { kind: "fail", reason: "the client wants no address" };
      }
      naks.push({ type: Type.Address, value: this.#grant.client });
    }
    if (naks.length > 0) {
      this.#naked = true;
      if (insist) return { kind: "nak", options: naks };
      if (naks.some(({ type }) => type === Type.Address)) {
        return { kind: "fail", reason: "the client does not take the address that it is given" };
      }
      return {
        kind: "reject",
        options: options.filter(({ type }) => naks.some((nak) => nak.type === type)),
      };
    }
    // Where there is one that it is given, it is that one now.
    this.#client = this.#grant.client ?? address!.value.slice();
    return { kind: "ack" };
  }

  acknowledged(): void {}

  naked(): undefined {
    // The client would have us elsewhere; where we are is not for it to say. We ask again, and not without end.
  }

  rejected(): undefined {
    this.#refused = true;
  }

  #isRejected({ type, value }: Option): boolean {
    if (value.length !== 4) return true;
    return type !== Type.Address && this.#server(type) === undefined;
  }

  #better({ type, value }: Option): Option | undefined {
    if (type !== Type.Address) {
      const server = this.#server(type)!;
      return equalBytes(value, server) ? undefined : { type, value: server };
    }
    const { client, own } = this.#grant;
    if (client) return equalBytes(value, client) ? undefined : { type, value: client };
    return isHost(value) && !equalBytes(value, own) ? undefined : { type, value: NOTHING };
  }

  /** The server that an option is for. A second one is there for who asks, where there is only one. */
  #server(type: number): Octets4 | undefined {
    const { dns, nbns } = this.#grant;
    switch (type) {
      case Type.Dns1:
        return dns[0];
      case Type.Dns2:
        return dns[1] ?? dns[0];
      case Type.Nbns1:
        return nbns[0];
      case Type.Nbns2:
        return nbns[1] ?? nbns[0];
      default:
        return undefined;
    }
  }
}

/** What the end that gets an address asks for. */
export interface IpcpWish {
  /** The address that it would like; undefined: any. */
  readonly address?: Octets4;
  /** Whether it asks for name servers. */
  readonly dns: boolean;
}

/** What it got. */
export interface IpcpGot {
  readonly address: Octets4;
  /** The other end's; undefined: it did not say. */
  readonly peer: Octets4 | undefined;
  readonly dns: readonly Octets4[];
}

/** The end that gets an address. */
export class IpcpClient implements OptionPolicy {
  readonly #wish: IpcpWish;
  readonly #values = new Map<number, Octets4>();
  #got: IpcpGot = { address: NOTHING, peer: undefined, dns: [] };
  #peer: Octets4 | undefined;

  constructor(wish: IpcpWish) {
    this.#wish = wish;
    this.reset();
  }

  /** What was agreed on; true once the layer is up. */
  get got(): IpcpGot {
    return { ...this.#got, peer: this.#peer };
  }

  reset(): void {
    const { address = NOTHING, dns } = this.#wish;
    this.#values.clear();
    this.#values.set(Type.Address, address);
    if (dns) { for (const type of [Type.Dns1, Type.Dns2]) this.#values.set(type, NOTHING); }
    this.#peer = undefined;
  }

  request(): Option[] {
    return [...this.#values].map(([type, value]) => ({ type, value }));
  }

  judge(options: readonly Option[]): Verdict {
    const rejects = options.filter(({ type, value }) =>
      type !== Type.Address || value.length !== 4
    );
    if (rejects.length > 0) return { kind: "reject", options: rejects };
    const [address] = options;
    // The other end of the line needs no address for us to send to it: none is as good as an invalid one.
    if (address && !isHost(address.value)) return { kind: "reject", options };
    this.#peer = address?.value.slice();
    return { kind: "ack" };
  }

  acknowledged(options: readonly Option[]): void {
    const value = (type: number) => options.find((option) => option.type === type)?.value;
    const servers = [Type.Dns1, Type.Dns2].map(value).filter((server) => server && isHost(server));
    this.#got = {
      address: (value(Type.Address) ?? NOTHING).slice(),
      peer: this.#peer,
      dns: (servers as Octets4[]).map((server) => server.slice())
        .filter((server, i, all) => i === 0 || !equalBytes(server, all[0]!)),
    };
  }

  naked(options: readonly Option[]): string | undefined {
    for (const { type, value } of options) {
      if (!this.#values.has(type) || value.length !== 4) continue;
      if (type === Type.Address && !isHost(value)) return "the peer gives no address";
      this.#values.set(type, value.slice());
    }
    return undefined;
  }

  rejected(options: readonly Option[]): string | undefined {
    for (const { type } of options) {
      if (type === Type.Address) return "the peer gives no address";
      this.#values.delete(type);
    }
    return undefined;
  }
}

/** Whether an address can be a host's: not of 0/8 or 127/8, and no multicast. */
export function isHost(address: Octets4): boolean {
  const first = address[0];
  return address.length === 4 && first !== undefined && first > 0 && first !== 127 && first < 224;
}
