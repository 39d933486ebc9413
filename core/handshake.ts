/**
 * SCCRQ, SCCRP and SCCCN: how two LCCEs introduce themselves, prove who they are, and settle on a version (RFC 2661
 * §5.1, RFC 3931 §3.3.1, §4.7.3). When each message may come is the connection's business.
 *
 * @module
 */

import { messageTypeOf } from "./authenticator.ts";
import { type Dialect, dialects } from "./dialect.ts";
import { ErrorCode, type Result, StopResult } from "./errors.ts";
import type { PeerIdentity } from "./events.ts";
import type { ControlHeader } from "./wire/header.ts";
import { identityOf, impossibleIntroduction } from "./introduction.ts";
import { type AnyMessage, messageTypes, parseBody } from "./wire/message.ts";
import { offerBoth } from "./offer.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { PeerSettings } from "./settings.ts";
import type { Transport } from "./transport.ts";

/** Our id in a version; in both where our SCCRQ is for both and not answered yet. */
export type ConnectionIds = { readonly [Version in ProtoVersion]?: number };

export class Handshake {
  readonly ids: ConnectionIds;
  /** What decides when both sides dial at once. */
  readonly tieBreaker: Uint8Array | undefined;
  /** What the peer said of itself; undefined until it did. */
  peer: PeerIdentity | undefined;
  #settings: PeerSettings;
  readonly #transport: Transport;
  /** The SCCRQ that we answered, as a hash: who makes another with the same is answered as if it were this one. */
  #request: number | undefined;

  constructor(
    transport: Transport,
    { settings, ids }: { readonly settings: PeerSettings; readonly ids: ConnectionIds },
    tieBreaker: Uint8Array | undefined,
  ) {
    this.#transport = transport;
    this.#settings = settings;
    this.ids = ids;
    this.tieBreaker = tieBreaker;
  }

  /** Version 2 from when the peer turned out to speak no other. */
  get settings(): PeerSettings {
    return this.#settings;
  }

  get dialect(): Dialect {
    return dialects[this.#settings.version];
  }

  get localId(): number {
    return this.ids[this.#settings.version]!;
  }

  /** Sends the SCCRQ: for both versions, where we have an id in both. */
  request(): void {
    const { 2: v2, 3: v3 } = this.ids;
    if (v2 === undefined || v3 === undefined) {
      return this.#transport.send("SCCRQ", this.dialect.introduce(this.#introduction()), 0);
    }
    const digests = this.#transport.authenticator.blankDigests();
    this.#transport.offer(offerBoth(this.#introduction(), { 2: v2, 3: v3 }, digests));
  }

  /** Answers an SCCRQ that was let in. */
  answer(header: ControlHeader, message: AnyMessage, body: Uint8Array, now: number): void {
    this.#request = hashOf(body);
    this.#transport.begin(header, body, now);
    this.meet(message);
    const response = this.#transport.authenticator.respond("SCCRP", message.avps.challenge);
    const introduction = { ...this.#introduction(), ...(response && { response }) };
    this.#transport.send("SCCRP", this.dialect.introduce(introduction), 0);
  }

  /** Whether an SCCRQ is, octet by octet, the one that we answered. */
  answered(body: Uint8Array): boolean {
    return this.#request === hashOf(body);
  }

  /** Takes the SCCRP: sends SCCCN, or says why not. */
  takeReply(message: AnyMessage): Result | undefined {
    this.meet(message);
    const { challenge, challengeResponse } = message.avps;
    const { authenticator } = this.#transport;
    const impossible = impossibleIntroduction(message, authenticator, this.#transport.challenges);
    if (impossible) return impossible;
    if (!authenticator.proves("SCCRP", challengeResponse)) return impostor;
    const response = authenticator.respond("SCCCN", challenge);
    this.#transport.send("SCCCN", response ? { challengeResponse: response } : {}, 0);
    return undefined;
  }

  /** Takes the SCCCN, or says why not. */
  takeConnected({ avps }: AnyMessage): Result | undefined {
    const proven = this.#transport.authenticator.proves("SCCCN", avps.challengeResponse);
    return proven ? undefined : impostor;
  }

  /** Takes over what the peer says of itself. */
  meet(message: AnyMessage): void {
    this.peer = identityOf(message, this.#transport.meet(message.avps));
  }

  /**
   * What answers an SCCRQ for both versions is in v2, and so is what follows; where a secret is shared only from somebody
   * who knows it. A StopCCN ends this attempt in any case, and nothing follows. False: it is no answer to go by.
   */
  fallBack(body: Uint8Array): boolean {
    const type = messageTypeOf(body);
    if (this.ids[2] === undefined) return false;
    if (type !== messageTypes.StopCCN && !(type === messageTypes.SCCRP && this.#provesInV2(body))) {
      return false;
    }
    this.#settings = { ...this.#settings, version: 2 };
    this.#transport.fallBack(this.#settings);
    return true;
  }

  /** Whether an SCCRP in v2 has the right response to our SCCRQ, in which v3's nonce is v2's Challenge as well. */
  #provesInV2(body: Uint8Array): boolean {
    const { secret } = this.#settings;
    if (!secret) return true;
    const parsed = parseBody(body, { version: 2, hidingKey: secret });
    if (parsed.kind !== "message") return false;
    const inV2 = this.#transport.authenticator.inV2({ ...this.#settings, version: 2 });
    return inV2.proves("SCCRP", parsed.message.avps.challengeResponse);
  }

  /** Takes the settings of a peer that was configured anew. */
  reconfigure(settings: PeerSettings): void {
    this.#settings = settings;
    this.#transport.reconfigure(settings);
  }

  #introduction() {
    const { challenge, nonce } = this.#transport.authenticator;
    return {
      settings: this.#settings,
      localId: this.localId,
      ...(this.tieBreaker && { tieBreaker: this.tieBreaker }),
      ...(nonce && { nonce }),
      ...(challenge && { challenge }),
    };
  }
}

const impostor: Result = {
  result: StopResult.NotAuthorized,
  error: ErrorCode.None,
  message: "missing or wrong Challenge Response",
};

/** FNV-1a of 32 bits, and the length. */
function hashOf(octets: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (const octet of octets) hash = Math.imul(hash ^ octet, 0x0100_0193);
  return (hash >>> 0) * 0x1_0000 + octets.length;
}
