/** IPv6CP's option (RFC 5072 §4.1): an interface identifier, which each end has for itself. @module */

import { equalBytes } from "../../../core/wire/bytes.ts";
import type { OptionPolicy, Verdict } from "./negotiation.ts";
import type { Option } from "./wire.ts";

const INTERFACE_ID = 1;
const LENGTH = 8;

/** Interface identifiers of both ends. */
export class Ipv6cpOptions implements OptionPolicy {
  readonly #random: (length: number) => Uint8Array;
  readonly #assigned: Uint8Array | undefined;
  readonly #wanted: Uint8Array | undefined;
  #own: Uint8Array;
  #peer: Uint8Array | undefined;
  #offered: Uint8Array | undefined;
  #refused = false;

  /**
   * @param own the identifier that we ask for; a random one where absent
   * @param assigned the peer's, where it has to be this one
   */
  constructor(random: (length: number) => Uint8Array, own?: Uint8Array, assigned?: Uint8Array) {
    this.#random = random;
    this.#wanted = own;
    this.#assigned = assigned;
    this.#own = own ?? this.#choose();
  }

  /** Our identifier, 8 octets. */
  get own(): Uint8Array {
    return this.#own;
  }

  /** The peer's, 8 octets; undefined: it has none, or none yet. */
  get peer(): Uint8Array | undefined {
    return this.#peer;
  }

  reset(): void {
    this.#peer = undefined;
    this.#offered = undefined;
    this.#refused = false;
    this.#own = this.#wanted ?? this.#own;
  }

  request(): Option[] {
    return this.#refused ? [] : [{ type: INTERFACE_ID, value: this.#own }];
  }

  judge(options: readonly Option[], insist: boolean): Verdict {
    const rejects = options.filter(({ type, value }) =>
      type !== INTERFACE_ID || value.length !== LENGTH
    );
    if (rejects.length > 0) return { kind: "reject", options: rejects };
    const [option] = options;
    const wrong = !option || isZero(option.value) || equalBytes(option.value, this.#own) ||
      (this.#assigned !== undefined && !equalBytes(option.value, this.#assigned));
    if (!wrong) {
      this.#peer = option.value.slice();
      return { kind: "ack" };
    }
    if (!insist) return { kind: "fail", reason: "the peer takes no interface identifier" };
    this.#offered ??= this.#assigned ?? this.#choose();
    return { kind: "nak", options: [{ type: INTERFACE_ID, value: this.#offered }] };
  }

  acknowledged(): void {}

  naked(options: readonly Option[]): undefined {
    const value = options.find(({ type }) => type === INTERFACE_ID)?.value;
    if (value?.length !== LENGTH || isZero(value)) return;
    // Two ends that chose the same are told so by each other; whoever gives identifiers tells us ours.
    if (!this.#peer || !equalBytes(value, this.#peer)) this.#own = value.slice();
  }

  rejected(): undefined {
    this.#refused = true;
  }

  /** An identifier that is not the owner of a universal one (RFC 5072 §4.1: the u bit is 0). */
  #choose(): Uint8Array {
    const id = new Uint8Array(this.#random(LENGTH));
    id[0]! &= 0xfd;
    if (isZero(id)) id[7] = 1;
    return id;
  }
}

/** The link-local address of an interface identifier: 16 octets (RFC 5072 §5). */
export function linkLocal(id: Uint8Array): Uint8Array {
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set(id, 8);
  return address;
}

function isZero(id: Uint8Array): boolean {
  return id.every((octet) => octet === 0);
}
