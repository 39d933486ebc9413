/**
 * A host's side of discovery (RFC 2516 §5): PADI until somebody offers what is wanted, PADR until there is a session, PADT
 * at its end. Frames and instants come in, frames go out; whoever drives it calls {@linkcode Dialer.timeout} at its
 * {@linkcode Dialer.deadline}.
 *
 * @module
 */

import { equalBytes } from "../../../core/wire/bytes.ts";
import type { VlanTag } from "../../ports.ts";
import { formatMac, type Mac, parseMac } from "../../mac.ts";
import { DEFAULT_MAX_PAYLOAD } from "./concentrator.ts";
import {
  BROADCAST,
  Code,
  emitFrame,
  EtherType,
  parseFrame,
  type PppoeFrame,
  vlanKey,
} from "./frame.ts";
import { emitTags, parseTags, type Tags } from "./tags.ts";

/** What a host asks for. */
export interface DialerRules {
  readonly vlans: readonly VlanTag[];
  /** Empty: any. */
  readonly serviceName: string;
  /** The concentrator must call itself so; absent: any. */
  readonly acName?: string;
  /** The concentrator's MAC; absent: any. */
  readonly acMac?: string;
  /** PPP-Max-Payload to ask for, beyond 1492 (RFC 4638); absent: none. */
  readonly maxPayload?: number;
  /** The first pause between repetitions, in milliseconds; doubled each time. */
  readonly retryMs: number;
  /** How often PADI and PADR are sent, each, before the attempt has failed. */
  readonly attempts: number;
}

/** A session. */
export interface DialedSession {
  readonly mac: string;
  readonly sessionId: number;
  readonly acName: string;
  readonly serviceName: Uint8Array;
  /** The largest PPP payload both ways. */
  readonly maxPayload: number;
}

/** Who is told. */
export interface DialerSink {
  /** Sends an Ethernet frame. */
  send(frame: Uint8Array): void;
  up(session: DialedSession): void;
  /** The concentrator ended the session (PADT). */
  ended(): void;
  /** Nobody answered, or not with a session. */
  failed(reason: string): void;
}

type State = "idle" | "offers" | "session" | "up";

/** One attempt after the other. */
export class Dialer {
  readonly #rules: DialerRules;
  readonly #own: Mac;
  readonly #random: (length: number) => Uint8Array;
  readonly #sink: DialerSink;
  #state: State = "idle";
  #hostUniq = new Uint8Array();
  /** What is repeated. */
  #last: { readonly to: Uint8Array; readonly code: number; readonly tags: Tags } | undefined;
  #sent = 0;
  #deadline: number | undefined;
  #concentrator: { readonly mac: Mac; readonly name: string } | undefined;
  #session: DialedSession | undefined;

  constructor(
    mac: string,
    rules: DialerRules,
    random: (length: number) => Uint8Array,
    sink: DialerSink,
  ) {
    this.#own = parseMac(mac);
    this.#rules = rules;
    this.#random = random;
    this.#sink = sink;
  }

  /** When {@linkcode timeout} is to be called; undefined: never. */
  get deadline(): number | undefined {
    return this.#deadline;
  }

  /** Begins to look for a concentrator, unless there is a session. */
  start(now: number): void {
    if (this.#state !== "idle") return;
    this.#state = "offers";
    this.#hostUniq = this.#random(8).slice();
    this.#ask(BROADCAST, Code.Padi, {}, now);
  }

  /** Ends the session, or the attempt: PADT leaves where there is one. */
  end(): void {
    const session = this.#session;
    this.#reset();
    if (session) {
      this.#send(parseMac(session.mac), Code.Padt, session.sessionId, {});
    }
  }

  /** An Ethernet frame came that is none of the session's. */
  input(bytes: Uint8Array, now: number): void {
    const frame = parseFrame(bytes);
    if (typeof frame === "string" || frame.etherType !== EtherType.Discovery) return;
    if (vlanKey(frame.vlans) !== vlanKey(this.#rules.vlans)) return;
    if (!equalBytes(frame.destination, this.#own)) return;
    if (frame.code === Code.Padt) return this.#padt(frame);
    const tags = parseTags(frame.payload);
    // Another's answer, or one to a former question.
    if (!tags?.hostUniq || !equalBytes(tags.hostUniq, this.#hostUniq)) return;
    if (frame.code === Code.Pado && this.#state === "offers") this.#pado(frame, tags, now);
    if (frame.code === Code.Pads && this.#state === "session") this.#pads(frame, tags);
  }

  /** Time has passed. */
  timeout(now: number): void {
    if (this.#deadline === undefined || now < this.#deadline) return;
    if (this.#sent < this.#rules.attempts) return this.#repeat(now);
    const what = this.#state === "offers"
      ? "no access concentrator offers what is asked for"
      : `${this.#concentrator?.name ?? "the concentrator"} answers no PADR`;
    this.#fail(what);
  }

  #pado(frame: PppoeFrame, tags: Tags, now: number): void {
    const { acMac, acName, serviceName } = this.#rules;
    const name = textOf(tags.acNames?.[0]);
    if (acName !== undefined && name !== acName) return;
    if (acMac !== undefined && formatMac(frame.source) !== acMac.toLowerCase()) return;
    const names = tags.serviceNames?.map(textOf) ?? [];
    if (serviceName !== "" && !names.includes(serviceName)) return;
    if (tags.serviceNameError || tags.acSystemError || tags.genericError) return;
    this.#concentrator = { mac: frame.source.slice(), name };
    this.#state = "session";
    const again: Tags = {
      ...(tags.acCookie && { acCookie: tags.acCookie.slice() }),
      ...(tags.relaySessionId && { relaySessionId: tags.relaySessionId.slice() }),
    };
    this.#ask(this.#concentrator.mac, Code.Padr, again, now);
  }

  #pads(frame: PppoeFrame, tags: Tags): void {
    const { mac, name } = this.#concentrator!;
    if (!equalBytes(frame.source, mac)) return;
    const error = tags.serviceNameError ?? tags.acSystemError ?? tags.genericError;
    if (error || frame.sessionId === 0 || frame.sessionId === 0xffff) {
      return this.#fail(`${name} refuses: ${textOf(error) || "it gives no session"}`);
    }
    const { maxPayload } = this.#rules;
    this.#state = "up";
    this.#deadline = undefined;
    this.#session = {
      mac: formatMac(mac),
      sessionId: frame.sessionId,
      acName: name,
      serviceName: (tags.serviceNames?.[0] ?? new Uint8Array()).slice(),
      // Larger only where both have said so (RFC 4638 §5.1).
      maxPayload: maxPayload !== undefined && tags.maxPayload !== undefined
        ? Math.max(Math.min(maxPayload, tags.maxPayload), DEFAULT_MAX_PAYLOAD)
        : DEFAULT_MAX_PAYLOAD,
    };
    this.#sink.up(this.#session);
  }

  #padt(frame: PppoeFrame): void {
    const session = this.#session;
    if (frame.sessionId !== session?.sessionId) return;
    if (formatMac(frame.source) !== session.mac) return;
    this.#reset();
    this.#sink.ended();
  }

  #ask(to: Uint8Array, code: number, tags: Tags, now: number): void {
    const { maxPayload, serviceName } = this.#rules;
    this.#last = {
      to,
      code,
      tags: {
        serviceNames: [new TextEncoder().encode(serviceName)],
        hostUniq: this.#hostUniq,
        ...(maxPayload !== undefined && { maxPayload }),
        ...tags,
      },
    };
    this.#sent = 0;
    this.#repeat(now);
  }

  #repeat(now: number): void {
    const { code, tags, to } = this.#last!;
    this.#deadline = now + this.#rules.retryMs * 2 ** this.#sent++;
    this.#send(to, code, 0, tags);
  }

  #fail(reason: string): void {
    this.#reset();
    this.#sink.failed(reason);
  }

  #reset(): void {
    this.#state = "idle";
    this.#deadline =
      this.#last =
      this.#concentrator =
      this.#session =
        undefined;
  }

  #send(destination: Uint8Array, code: number, sessionId: number, tags: Tags): void {
    this.#sink.send(emitFrame({
      destination,
      source: this.#own,
      vlans: this.#rules.vlans,
      etherType: EtherType.Discovery,
      code,
      sessionId,
      payload: emitTags(tags),
    }));
  }
}

function textOf(octets: Uint8Array | undefined): string {
  return octets ? new TextDecoder().decode(octets) : "";
}
