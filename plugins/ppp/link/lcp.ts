/**
 * LCP's options (RFC 1661 §6): what we ask for, and what we think of what the peer asks for.
 *
 * @module
 */

import type { OptionPolicy, Verdict } from "./negotiation.ts";
import { DEFAULT_MRU, numberOf, type Option, Protocol, u16, u32 } from "./wire.ts";

/** Option types. */
const Type = { Mru: 1, Accm: 2, Auth: 3, Magic: 5, Pfc: 7, Acfc: 8 } as const;

/** How a peer can prove who it is, as the authenticator calls it. */
export type AuthMethod = "pap" | "chap-md5" | "mschapv2";

/** CHAP's algorithms (RFC 1994 §3, RFC 2759 §3). */
const MD5 = 5;
const MS_CHAP_V2 = 0x81;

/** The smallest MRU that is taken from a peer; below it IPv4 itself is in doubt. */
const MIN_MRU = 128;
/** So often may both ends have chosen the same number; more often than that it is we who talk to ourselves. */
const MAX_COLLISIONS = 5;

/** Nothing: one list for all links. */
const NONE: readonly never[] = [];

/** What LCP shall ask for and allow. */
export interface LcpSettings {
  /** The largest information field that we take. */
  readonly mru: number;
  /** The largest that a LAC may have agreed on for us; {@linkcode LcpSettings.mru} where absent. */
  readonly largestMru?: number;
  /** How the peer shall prove who it is, the best first; empty: it need not. */
  readonly authenticate: readonly AuthMethod[];
  /** How we are ready to prove who we are, the best first; empty: we are not. */
  readonly answer: readonly AuthMethod[];
}

/** What was agreed on. */
export interface LcpAgreed {
  /** The largest information field that we may send. */
  readonly peerMru: number;
  /** How the peer proves who it is. */
  readonly authenticate: AuthMethod | undefined;
  /** How we prove who we are. */
  readonly answer: AuthMethod | undefined;
  readonly magic: number;
  readonly peerMagic: number;
  /** Whether the peer takes protocol numbers of one octet. */
  readonly pfc: boolean;
  /** Whether the peer takes frames without address and control field. */
  readonly acfc: boolean;
}

/** LCP's options as {@linkcode Negotiation} asks for them. */
export class LcpOptions implements OptionPolicy {
  readonly #settings: LcpSettings;
  readonly #random: (length: number) => Uint8Array;
  /** Options that the peer rejected, and methods that it will not do: mostly none. */
  #refused: readonly number[] = NONE;
  #unwanted: readonly AuthMethod[] = NONE;
  #magic: number;
  #mru: number;
  #collisions = 0;
  #peer: {
    mru: number;
    magic: number;
    pfc: boolean;
    acfc: boolean;
    answer: AuthMethod | undefined;
  } = nothing();

  constructor(settings: LcpSettings, random: (length: number) => Uint8Array) {
    this.#settings = settings;
    this.#random = random;
    this.#mru = settings.mru;
    this.#magic = this.#newMagic();
  }

  /** Our number; 0: the peer rejects that we have one. */
  get magic(): number {
    return this.#refused.includes(Type.Magic) ? 0 : this.#magic;
  }

  /** What holds now; true once the layer is up. */
  get agreed(): LcpAgreed {
    const { mru, ...peer } = this.#peer;
    return {
      peerMru: mru,
      authenticate: this.#method(),
      answer: peer.answer,
      magic: this.magic,
      peerMagic: peer.magic,
      pfc: peer.pfc,
      acfc: peer.acfc,
    };
  }

  /** The largest information field that the peer takes. */
  get peerMru(): number {
    return this.#peer.mru;
  }

  /** Whether what came back was what we sent, time and again. */
  get isLooped(): boolean {
    return this.#collisions > MAX_COLLISIONS;
  }

  reset(): void {
    this.#refused = this.#unwanted = NONE;
    this.#mru = this.#settings.mru;
    this.#magic = this.#newMagic();
    this.#peer = nothing();
  }

  request(): Option[] {
    const method = this.#method();
    const wanted: Option[] = [
      ...(this.#mru === DEFAULT_MRU ? [] : [{ type: Type.Mru, value: u16(this.#mru) }]),
      ...(method === undefined ? [] : [{ type: Type.Auth, value: emitMethod(method) }]),
      { type: Type.Magic, value: u32(this.#magic) },
    ];
    return wanted.filter(({ type }) => !this.#refused.includes(type));
  }

  judge(options: readonly Option[], insist: boolean): Verdict {
    const peer = nothing();
    const naks: Option[] = [];
    const rejects: Option[] = [];
    for (const option of options) {
      const better = this.#judgeOne(option, peer);
      if (better === "reject") rejects.push(option);
      else if (better) naks.push(better);
    }
    if (this.isLooped) return { kind: "fail", reason: "the line is looped back" };
    // Reject before Nak (§5.4): what is rejected must be gone before values are talked about.
    if (rejects.length > 0) return { kind: "reject", options: rejects };
    if (naks.length > 0) {
      if (insist) return { kind: "nak", options: naks };
      return {
        kind: "reject",
        options: options.filter(({ type }) => naks.some((nak) => nak.type === type)),
      };
    }
    this.#peer = peer;
    return { kind: "ack" };
  }

  acknowledged(): void {
    this.#collisions = 0;
  }

  naked(options: readonly Option[]): string | undefined {
    for (const { type, value } of options) {
      if (type === Type.Magic) {
        // Whose request came back with its own number, is asked to choose another (§6.4).
        this.#collisions++;
        this.#magic = this.#newMagic();
        if (this.isLooped) return "the line is looped back";
      }
      if (type === Type.Mru && value.length === 2) {
        // A hint; what we are sent is up to the peer, and what we can take does not grow by it.
        const mru = numberOf(value);
        if (mru >= MIN_MRU && mru <= this.#settings.mru) this.#mru = mru;
      }
      if (type === Type.Auth) {
        const refusal = this.#otherMethod(value);
        if (refusal) return refusal;
      }
    }
    return undefined;
  }

  rejected(options: readonly Option[]): string | undefined {
    for (const { type } of options) {
      if (type === Type.Auth) return "the peer refuses to authenticate itself";
      this.#refused = [...this.#refused, type];
    }
    return undefined;
  }

  /**
   * Takes what a LAC and its client agreed on (RFC 2661 §4.4.5).
   *
   * @param sent the LAC's request, which the client acknowledged: what would have been ours
   * @param received the client's request, which the LAC acknowledged
   * @returns whether it will do; if not, nothing is changed
   */
  adopt(sent: readonly Option[], received: readonly Option[]): boolean {
    const auth = sent.find(({ type }) => type === Type.Auth);
    const method = auth && parseMethod(auth.value);
    const { authenticate } = this.#settings;
    if (authenticate.length > 0 ? !method || !authenticate.includes(method) : auth) return false;
    const magic = sent.find(({ type }) => type === Type.Magic);
    if (magic && magic.value.length !== 4) return false;
    const mru = sent.find(({ type }) => type === Type.Mru);
    // What the client may send us must be what we can take.
    const { largestMru = this.#settings.mru } = this.#settings;
    if ((mru?.value.length === 2 ? numberOf(mru.value) : DEFAULT_MRU) > largestMru) {
      return false;
    }
    if (this.judge(received, true).kind !== "ack") return false;
    if (magic) this.#magic = numberOf(magic.value);
    else this.#refused = [Type.Magic];
    this.#unwanted = authenticate.filter((other) => other !== method);
    return true;
  }

  /** What is better than this option; nothing, where it will do: then `peer` says so. */
  #judgeOne(
    { type, value }: Option,
    peer: ReturnType<typeof nothing>,
  ): Option | "reject" | undefined {
    switch (type) {
      case Type.Mru:
        if (value.length !== 2 || numberOf(value) < MIN_MRU) {
          return { type, value: u16(DEFAULT_MRU) };
        }
        peer.mru = numberOf(value);
        return undefined;
      case Type.Accm:
        // Of no meaning where frames are not of characters, and of no harm (RFC 1662 §7.1).
        return value.length === 4 ? undefined : "reject";
      case Type.Auth:
        return this.#judgeAuth(value, peer);
      case Type.Magic:
        if (value.length !== 4) return { type, value: u32(this.#newMagic()) };
        peer.magic = numberOf(value);
        if (peer.magic !== 0 && peer.magic !== this.#magic) return undefined;
        if (peer.magic !== 0) this.#collisions++;
        return { type, value: u32(this.#newMagic()) };
      case Type.Pfc:
      case Type.Acfc:
        if (value.length !== 0) return "reject";
        peer[type === Type.Pfc ? "pfc" : "acfc"] = true;
        return undefined;
      default:
        return "reject";
    }
  }

  #judgeAuth(value: Uint8Array, peer: ReturnType<typeof nothing>): Option | "reject" | undefined {
    const { answer } = this.#settings;
    const [best] = answer;
    if (best === undefined) return "reject";
    const method = parseMethod(value);
    if (method === undefined || !answer.includes(method)) {
      return { type: Type.Auth, value: emitMethod(best) };
    }
    peer.answer = method;
    return undefined;
  }

  /** The best method that the peer has not refused yet. */
  #method(): AuthMethod | undefined {
    return this.#settings.authenticate.find((method) => !this.#unwanted.includes(method));
  }

  /** The peer would rather prove itself so. A text: there is nothing left to offer. */
  #otherMethod(value: Uint8Array): string | undefined {
    const now = this.#method();
    if (now === undefined) return undefined;
    const hint = parseMethod(value);
    if (hint === now) return undefined;
    const left = this.#settings.authenticate.filter((method) =>
      method !== now && !this.#unwanted.includes(method)
    );
    if (left.length === 0) return `the peer refuses to authenticate itself by ${now}`;
    this.#unwanted = [...this.#unwanted, now];
    // What it asks for is next, where we have it; the others before it are not what it wants.
    if (hint && left.includes(hint)) {
      this.#unwanted = [...this.#unwanted, ...left.slice(0, left.indexOf(hint))];
    }
    return undefined;
  }

  #newMagic(): number {
    // 0 means that there is none (§6.4).
    return numberOf(this.#random(4)) || 1;
  }
}

function nothing() {
  return {
    mru: DEFAULT_MRU,
    magic: 0,
    pfc: false,
    acfc: false,
    answer: undefined as AuthMethod | undefined,
  };
}

/** The value of an Authentication-Protocol option (RFC 1661 §6.2). */
export function emitMethod(method: AuthMethod): Uint8Array {
  if (method === "pap") return u16(Protocol.Pap);
  return Uint8Array.of(
    Protocol.Chap >> 8,
    Protocol.Chap & 0xff,
    method === "chap-md5" ? MD5 : MS_CHAP_V2,
  );
}

/** Which method the value of an Authentication-Protocol option means; undefined: none of ours. */
export function parseMethod(value: Uint8Array): AuthMethod | undefined {
  if (value.length < 2) return undefined;
  const protocol = numberOf(value.subarray(0, 2));
  if (protocol === Protocol.Pap && value.length === 2) return "pap";
  if (protocol !== Protocol.Chap || value.length !== 3) return undefined;
  return value[2] === MD5 ? "chap-md5" : value[2] === MS_CHAP_V2 ? "mschapv2" : undefined;
}
