/**
 * One control connection's authentication: v2's challenge and response, which prove both sides once (RFC 2661 §5.1.1);
 * v3's Message Digests, which prove every message (RFC 3931 §4.3); and the key that hides AVPs.
 *
 * @module
 */

import {
  challengeResponse,
  deriveDigestKey,
  deriveHidingKey,
  sign,
  verify,
} from "./wire/authentication.ts";
import { equalConstantTime } from "./wire/bytes.ts";
import { type AvpName, type AvpValues, catalogue } from "./wire/catalogue.ts";
import type { MessageDigest } from "./wire/codec.ts";
import { dialects } from "./dialect.ts";
import {
  type AnyMessage,
  type Hiding,
  type MessageType,
  messageTypes,
  parseBody,
} from "./wire/message.ts";
import type { EncapType } from "./pseudowire.ts";
import type { PeerSettings } from "./settings.ts";
import type { AuthenticationSnapshot } from "./snapshot.ts";

/** The keys that one secret gives. */
interface Keys {
  readonly digest: Uint8Array;
  readonly hiding: Uint8Array;
}

/** A secret's keys are derived once, not for each SCCRQ of a flood. */
const derived = new WeakMap<Uint8Array, Keys>();

const NOTHING = new Uint8Array(0);
/** Of the empty secret: an integrity check without authentication (RFC 3931 §4.3). */
const integrityKeys = [deriveDigestKey(NOTHING)];

export class Authenticator {
  #settings: PeerSettings;
  readonly #random: (length: number) => Uint8Array;
  /** The keys of the secret and, while secrets change, of the other one. */
  #keys: readonly Keys[] = [];
  #signing: readonly Uint8Array[] = [];
  readonly #nonce: Uint8Array;
  #peerNonce: Uint8Array = NOTHING;
  /** Which of the secrets the peer put first, once it has signed something. */
  #agreed: number | undefined;

  constructor(
    settings: PeerSettings,
    encap: EncapType,
    random: (length: number) => Uint8Array,
    nonce: Uint8Array = random(16),
  ) {
    this.#settings = settings;
    this.#random = random;
    this.#nonce = nonce;
    this.#takeSecrets(settings, encap);
  }

  #takeSecrets(settings: PeerSettings, encap: EncapType): void {
    const { authentication, secret, otherSecret, version } = settings;
    if (version === 2) {
      this.#keys = secret ? [{ digest: NOTHING, hiding: secret }] : [];
    } else if (secret && authentication === "challenge") {
      this.#keys = [keysOf(secret)];
    } else {
      this.#keys = [secret, otherSecret].filter((one) => one !== undefined).map(keysOf);
      // Straight on IP no checksum covers a control message: RFC 3931 §4.1.1.2 wants a digest even without a secret.
      this.#signing = this.#keys.length > 0
        ? this.#keys.map(({ digest }) => digest)
        : encap === "ip"
        ? integrityKeys
        : [];
    }
  }

  /** Takes the settings of a peer that was configured anew; the next message is signed with its secrets. */
  reconfigure(settings: PeerSettings, encap: EncapType): void {
    const agreed = this.#keys[this.#agreed ?? -1];
    this.#settings = settings;
    this.#takeSecrets(settings, encap);
    const index = agreed ? this.#keys.findIndex((keys) => equalKeys(keys, agreed)) : -1;
    this.#agreed = index < 0 ? undefined : index;
  }

  /** What messages are signed over, as plain data. */
  snapshot(): AuthenticationSnapshot {
    return {
      nonce: this.#nonce,
      peerNonce: this.#peerNonce,
      ...(this.#agreed !== undefined && { agreed: this.#agreed }),
    };
  }

  /** Goes on where {@linkcode snapshot} left off; our nonce is given to the constructor. */
  resume({ peerNonce, agreed }: AuthenticationSnapshot): void {
    this.#peerNonce = peerNonce;
    this.#agreed = agreed !== undefined && agreed < this.#keys.length ? agreed : undefined;
  }

  /** The same for a peer that answered in v2 what was offered in both: v3's nonce was v2's Challenge as well. */
  inV2(settings: PeerSettings): Authenticator {
    return new Authenticator(settings, "udp", this.#random, this.#nonce);
  }

  /** What we drew for the peer to prove itself with, whatever it is called; undefined where no secret is shared. */
  get drawn(): Uint8Array | undefined {
    return this.#keys.length > 0 ? this.#nonce : undefined;
  }

  /** v3's nonce for SCCRQ and SCCRP, where messages are signed with a secret. */
  get nonce(): Uint8Array | undefined {
    return this.#challenges("alone") ? undefined : this.drawn;
  }

  /** The Challenge for SCCRQ and SCCRP: in v2 wherever a secret is shared. */
  get challenge(): Uint8Array | undefined {
    return this.#challenges() ? this.drawn : undefined;
  }

  /** Whether both sides prove themselves by Challenge and Challenge Response; `alone`: and by nothing else. */
  #challenges(how?: "alone"): boolean {
    const { authentication = "digest", version } = this.#settings;
    return version === 2 || authentication === "challenge" ||
      (authentication === "both" && how === undefined);
  }

  /** The key of hidden AVPs; undefined where no secret is shared, or it is not known yet which of two. */
  get hidingKey(): Uint8Array | undefined {
    return this.#keys[this.#agreed ?? (this.#keys.length === 1 ? 0 : -1)]?.hiding;
  }

  /** Takes the peer's nonce from its SCCRQ or SCCRP. */
  meet(avps: AvpValues): void {
    this.#peerNonce = dialects[this.#settings.version].nonce(avps) ?? NOTHING;
  }

  /**
   * v3: whether a datagram's digest is right; of the datagram nothing is used before this but an SCCRP's nonce. In v2,
   * and where no more than a challenge is agreed on, every message is believed until a response proves otherwise.
   */
  check(datagram: Uint8Array, body: Uint8Array): "valid" | "missing" | "wrong" {
    if (this.#settings.version === 2) return "valid";
    if (this.#keys.length > 0 && this.#challenges("alone")) return "valid";
    if (this.#keys.length === 0) {
      const { verdict } = verify(datagram, integrityKeys, [NOTHING, NOTHING]);
      return verdict === "missing" ? "valid" : verdict;
    }
    const type = messageTypeOf(body);
    const nonces = type === messageTypes.SCCRQ
      ? [NOTHING, NOTHING] as const
      : [type === messageTypes.SCCRP ? peekNonce(body) : this.#peerNonce, this.#nonce] as const;
    const { verdict, key } = verify(datagram, this.#keys.map(({ digest }) => digest), nonces);
    if (verdict === "valid") this.#agreed ??= key;
    return verdict;
  }

  /** Digests to be filled in by {@linkcode sign}: one for each secret, so that a peer with either of them is content. */
  blankDigests(): MessageDigest[] {
    const { digest: type } = this.#settings;
    return this.#signing.map(() => ({ type, digest: new Uint8Array(type === 0 ? 16 : 20) }));
  }

  /** Fills in the digests of a message that is ready to go. */
  sign(datagram: Uint8Array, type: MessageType): void {
    if (this.#signing.length === 0) return;
    const bare = type === "SCCRQ" || this.#keys.length === 0;
    sign(datagram, this.#signers(), bare ? [NOTHING, NOTHING] : [this.#nonce, this.#peerNonce]);
  }

  /** Fills in the digests of a refusal by a side that never told its nonce: the peer takes it for empty. */
  signAnonymously(datagram: Uint8Array): void {
    if (this.#signing.length > 0) sign(datagram, this.#signers(), [NOTHING, this.#peerNonce]);
  }

  /** The keys to sign with, that of the agreed secret first: it is the one that hides AVPs too. */
  #signers(): readonly Uint8Array[] {
    return this.#agreed === 1 ? this.#signing.toReversed() : this.#signing;
  }

  /** The response that SCCRP or SCCCN must carry to the peer's challenge. */
  respond(type: "SCCRP" | "SCCCN", challenge: Uint8Array | undefined): Uint8Array | undefined {
    const { secret } = this.#settings;
    if (!this.#challenges() || !secret || !challenge) return undefined;
    return challengeResponse(messageTypes[type], secret, challenge);
  }

  /** Whether the peer's SCCRP or SCCCN carries the right response to our challenge, where one is wanted beside v3's digest. */
  proves(type: "SCCRP" | "SCCCN", response: Uint8Array | undefined): boolean {
    const { secret } = this.#settings;
    if (!this.#challenges() || !secret) return true;
    const expected = challengeResponse(messageTypes[type], secret, this.#nonce);
    return response !== undefined && equalConstantTime(response, expected);
  }

  /** Whether the peer asks to be authenticated, and we share no secret with it. */
  cannotProve(avps: AvpValues): boolean {
    return this.#keys.length === 0 &&
      dialects[this.#settings.version].nonce(avps) !== undefined;
  }

  /** How to hide what may be hidden of a message; undefined where nothing is. */
  hiding({ avps, type }: AnyMessage): Hiding | undefined {
    const key = this.hidingKey;
    const { hideAvps } = this.#settings;
    if (!hideAvps || !key || (type === "SCCRQ" && hideAvps !== "all")) return undefined;
    const names = (Object.keys(avps) as AvpName[]).filter((name) =>
      catalogue[name].hidable && (hideAvps === "all" || !assignedIds.has(name))
    );
    if (names.length === 0) return undefined;
    const padding = new Map(
      names.map((name) => [name, this.#random(this.#random(1)[0]! & 15)]),
    );
    return { key, randomVector: this.#random(16), padding };
  }
}

/** Ids that a side gives out: what a message is for is known by them. */
const assignedIds: ReadonlySet<AvpName> = new Set([
  "assignedTunnelId",
  "assignedConnectionId",
  "assignedSessionId",
  "localSessionId",
  "remoteSessionId",
]);

/** The number of a body's Message Type, by its fixed place; undefined where there is none. */
export function messageTypeOf(body: Uint8Array): number | undefined {
  return body.length >= 8 ? body[6]! << 8 | body[7]! : undefined;
}

function keysOf(secret: Uint8Array): Keys {
  let keys = derived.get(secret);
  if (!keys) {
    keys = { digest: deriveDigestKey(secret), hiding: deriveHidingKey(secret) };
    derived.set(secret, keys);
  }
  return keys;
}

function equalKeys(a: Keys, b: Keys): boolean {
  return equalConstantTime(a.hiding, b.hiding) && equalConstantTime(a.digest, b.digest);
}

/** The nonce of an SCCRP that is not yet believed. */
function peekNonce(body: Uint8Array): Uint8Array {
  const parsed = parseBody(body, { version: 3 });
  if (parsed.kind === "message") return parsed.message.avps.nonce ?? NOTHING;
  return parsed.kind === "refused" ? parsed.avps.nonce ?? NOTHING : NOTHING;
}
