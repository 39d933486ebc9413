/**
 * A probe inside an Ethernet pseudowire: a host of its own that finds its target by ARP or Neighbor Discovery, pings it
 * once an interval, answers who asks for it, and says when the path is lost and when it is back. Sans-I/O: frames and
 * time go in, frames come out.
 *
 * An IPv4 target without a `source` is probed by ARP alone: the request has no sender's address (RFC 5227 §1.1), so that
 * no address of the target's network is taken for it.
 *
 * @module
 */

import { equalBytes } from "../../core/wire/bytes.ts";
import { isUnicast, type Mac } from "../../plugins/mac.ts";
import {
  type Arp,
  BROADCAST,
  type Echo,
  emitArp,
  emitEcho,
  parseFrame,
} from "../../plugins/probe/wire.ts";
import {
  type Echo6,
  emitAdvertisement,
  emitEcho6,
  emitSolicitation,
  type Ip6,
  parseFrame6,
} from "../../plugins/probe/wire6.ts";
import { insertTag, untagged } from "./tags.ts";

/** Whom to probe, as whom, and what is made of the answers. Addresses as bytes, 4 or 16 both. */
export interface ProbeSettings {
  readonly mac: Mac;
  readonly target: Uint8Array;
  /** Absent: ARP alone; an IPv6 target always has one. */
  readonly source?: Uint8Array;
  /** The VLAN tag of its frames; absent: none. */
  readonly vlan?: number;
  /** Frames of any VLAN are taken: the pseudowire is of one, which its ends may number differently (RFC 4719). */
  readonly anyVlan: boolean;
  /** So many probes in a row without an answer: the path is lost. */
  readonly lost: number;
  /** So many answers in a row: it is back. */
  readonly restore: number;
}

/** `waiting`: for the first answer of all. */
export type ProbeState = "waiting" | "up" | "lost";

/** What a probe has seen and done. */
export interface ProbeFigures {
  readonly state: ProbeState;
  /** Probes in a row that were not answered. */
  readonly missed: number;
  readonly counts: Readonly<ProbeCounts>;
  /** Milliseconds; absent before the first answer. */
  readonly lastRttMs?: number;
}

/** Counts of one probe, or of all. */
export interface ProbeCounts {
  /** Probes: rounds, however many frames each took. */
  sent: number;
  answered: number;
  lost: number;
  /** Answers to a probe that was given up. */
  late: number;
  /** Answers that nobody asked for: of another station, with another identifier or content. */
  stray: number;
  malformed: number;
  /** Frames of another station with our address. */
  conflicts: number;
}

export function noCounts(): ProbeCounts {
  return { sent: 0, answered: 0, lost: 0, late: 0, stray: 0, malformed: 0, conflicts: 0 };
}

/** A keepalive as operators see it. */
export interface KeepaliveView extends ProbeCounts {
  readonly state: ProbeState;
  readonly target: string;
  /** Absent: ARP alone. */
  readonly source?: string;
  readonly mac: string;
  /** Probes in a row that were not answered. */
  readonly missed: number;
  /** Milliseconds; absent before the first answer. */
  readonly lastRttMs?: number;
  /** Since when the state is this one; Unix milliseconds. */
  readonly since: number;
}

/** What came of a frame or of time that passed. Frames are new arrays. */
export interface Outcome {
  readonly send: readonly Uint8Array[];
  /** The state is another now. */
  readonly edge?: ProbeState;
}

const NOTHING: Outcome = { send: [] };
const NO_MAC: Mac = new Uint8Array(6);
/** Bytes of random content by which an answer is known, beside identifier and sequence number. */
const TOKEN = 8;
/** What a probe carries, in bytes: the token, and so much that the frame is not padded. */
const PAYLOAD = 32;

/** A probe that has sent nothing yet. */
export class Prober {
  readonly #random: (length: number) => Uint8Array;
  readonly #totals: ProbeCounts;
  readonly #counts = noCounts();
  #settings: ProbeSettings;
  #state: ProbeState;
  #identifier = 0;
  #data: Uint8Array = new Uint8Array(PAYLOAD);
  /** Where the target is. */
  #neighbor: Mac | undefined;
  #sequence = 0;
  /** When this round's probe left; absent: it is answered, or there was none. */
  #sentAt: number | undefined;
  /** The round's echo request has left, too: it may have had to wait for ARP. */
  #pinged = false;
  #missed = 0;
  #run = 0;
  #lastRttMs: number | undefined;

  /** @param totals counts what all probes together do */
  constructor(
    settings: ProbeSettings,
    state: "waiting" | "up",
    random: (length: number) => Uint8Array,
    totals: ProbeCounts,
  ) {
    this.#settings = settings;
    this.#state = state;
    this.#random = random;
    this.#totals = totals;
    this.#renew();
  }

  get state(): ProbeState {
    return this.#state;
  }

  figures(): ProbeFigures {
    return {
      state: this.#state,
      missed: this.#missed,
      counts: { ...this.#counts },
      ...(this.#lastRttMs !== undefined && { lastRttMs: this.#lastRttMs }),
    };
  }

  /** Takes other settings; what is known of the path stays until another target or source says otherwise. */
  change(settings: ProbeSettings): void {
    this.#settings = settings;
    this.#neighbor = undefined;
    this.#sentAt = undefined;
    this.#renew();
  }

  /** What was on its way is of no account: nobody listened for a while. */
  forgive(): void {
    this.#sentAt = undefined;
  }

  /** The next interval: judges the last probe, and sends the next one. */
  tick(now: number): Outcome {
    const edge = this.#sentAt === undefined ? undefined : this.#miss();
    this.#count("sent");
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#sentAt = now;
    this.#pinged = false;
    return { send: [this.#probe()], ...(edge && { edge }) };
  }

  /** A frame came for us. Never throws. */
  receive(tagged: Uint8Array, now: number): Outcome {
    const { anyVlan, vlan } = this.#settings;
    const { frame, vid } = untagged(tagged);
    if (!anyVlan && vid !== (vlan ?? 0)) return this.#stray();
    const ethertype = frame.length < 14 ? 0 : frame[12]! << 8 | frame[13]!;
    return ethertype === 0x86dd ? this.#receive6(frame, now) : this.#receive4(frame, now);
  }

  #receive4(frame: Uint8Array, now: number): Outcome {
    const { mac, source, target } = this.#settings;
    const parsed = parseFrame(frame, mac);
    if (parsed.kind === "malformed") return this.#malformed();
    if (target.length !== 4) return this.#stray();
    if (parsed.kind === "arp") return this.#receiveArp(parsed, now);
    if (parsed.kind !== "echo" || !source || parsed.destination !== number(source)) {
      return this.#stray();
    }
    if (parsed.operation === "request") return this.#echo(parsed, emitEcho);
    return this.#answer({ ...parsed, source: bytes4(parsed.source) }, now);
  }

  #receiveArp({ operation, senderIp, senderMac, targetIp }: Arp, now: number): Outcome {
    const { mac, source, target } = this.#settings;
    if (!isUnicast(senderMac) || equalBytes(senderMac, mac)) return this.#stray();
    if (source && senderIp === number(source)) this.#count("conflicts");
    if (operation === "request") {
      if (!source || targetIp !== number(source)) return this.#stray();
      return this.#send(emitArp(senderMac, mac, {
        operation: "reply",
        senderMac: mac,
        senderIp: targetIp,
        targetMac: senderMac,
        targetIp: senderIp,
      }));
    }
    return senderIp === number(target) ? this.#found(senderMac, now) : this.#stray();
  }

  #receive6(frame: Uint8Array, now: number): Outcome {
    const { mac, source, target } = this.#settings;
    const parsed = parseFrame6(frame);
    if (parsed.kind === "malformed") return this.#malformed();
    if (parsed.kind === "other" || !source || source.length !== 16) return this.#stray();
    if (parsed.kind === "advertisement") {
      const ours = equalBytes(parsed.target, target) && isUnicast(parsed.mac);
      if (equalBytes(parsed.target, source)) this.#count("conflicts");
      return ours ? this.#found(parsed.mac, now) : this.#stray();
    }
    if (!isUnicast(parsed.sourceMac)) return this.#stray();
    if (parsed.kind === "solicitation") {
      if (!equalBytes(parsed.target, source)) return this.#stray();
      // Somebody wants the very address for himself (RFC 4862 §5.4.3).
      if (parsed.source.every((byte) => byte === 0)) this.#count("conflicts");
      return this.#send(emitAdvertisement(mac, parsed));
    }
    if (!equalBytes(parsed.destination, source)) return this.#stray();
    return parsed.operation === "request"
      ? this.#echo(parsed, emitEcho6)
      : this.#answer(parsed, now);
  }

  /** Somebody pings us: the same comes back, from us (RFC 792, RFC 4443 §4.2). */
  #echo<Asked extends Omit<Echo, "kind"> | Omit<Echo6, "kind">>(
    asked: Asked,
    emit: (to: Mac, echo: Asked) => Uint8Array,
  ): Outcome {
    const { destination: source, source: destination, sourceMac } = asked;
    if (!isUnicast(sourceMac)) return this.#stray();
    const { mac } = this.#settings;
    const reply = { ...asked, operation: "reply", sourceMac: mac, source, destination };
    return this.#send(emit(sourceMac, reply));
  }

  /** The target's MAC address came. Where ARP is all, that is the answer; else the ping that waited for it leaves. */
  #found(mac: Mac, now: number): Outcome {
    const waits = this.#sentAt !== undefined;
    if (!this.#settings.source) {
      if (!waits) return this.#late();
      this.#neighbor = mac.slice();
      return this.#alive(now);
    }
    const pings = waits && !this.#pinged;
    if (!pings) return NOTHING;
    this.#neighbor = mac.slice();
    return { send: [this.#probe()] };
  }

  /** An echo reply came. */
  #answer(
    reply: { readonly source: Uint8Array; identifier: number; sequence: number; data: Uint8Array },
    now: number,
  ): Outcome {
    const ours = reply.identifier === this.#identifier &&
      equalBytes(reply.source, this.#settings.target) && equalBytes(reply.data, this.#data);
    if (!ours) return this.#stray();
    const current = reply.sequence === this.#sequence && this.#sentAt !== undefined && this.#pinged;
    return current ? this.#alive(now) : this.#late();
  }

  #alive(now: number): Outcome {
    this.#lastRttMs = now - this.#sentAt!;
    this.#sentAt = undefined;
    this.#count("answered");
    this.#missed = 0;
    this.#run++;
    const back = this.#state === "waiting" ||
      (this.#state === "lost" && this.#run >= this.#settings.restore);
    return back ? { send: [], edge: this.#state = "up" } : NOTHING;
  }

  /** The last probe was not answered: its neighbor may be another by now. */
  #miss(): ProbeState | undefined {
    this.#count("lost");
    this.#neighbor = undefined;
    this.#run = 0;
    this.#missed++;
    if (this.#state === "lost" || this.#missed < this.#settings.lost) return undefined;
    return this.#state = "lost";
  }

  /** The next frame towards the target: a question where it is, or the ping. */
  #probe(): Uint8Array {
    const { mac, source, target } = this.#settings;
    const neighbor = this.#neighbor;
    if (!source || (!neighbor && target.length === 4)) {
      // RFC 1122 §2.3.2.1: who is known to be there is asked alone.
      return this.#tagged(emitArp(neighbor ?? BROADCAST, mac, {
        operation: "request",
        senderMac: mac,
        senderIp: source ? number(source) : 0,
        targetMac: NO_MAC,
        targetIp: number(target),
      }));
    }
    if (!neighbor) return this.#tagged(emitSolicitation(mac, source, target));
    this.#pinged = true;
    const echo = {
      operation: "request",
      sourceMac: mac,
      identifier: this.#identifier,
      sequence: this.#sequence,
      data: this.#data,
    } as const;
    return this.#tagged(
      target.length === 4
        ? emitEcho(neighbor, { ...echo, source: number(source), destination: number(target) })
        : emitEcho6(neighbor, { ...echo, source, destination: target as Ip6 }),
    );
  }

  #send(frame: Uint8Array): Outcome {
    return { send: [this.#tagged(frame)] };
  }

  #tagged(frame: Uint8Array): Uint8Array {
    const { vlan } = this.#settings;
    return vlan === undefined ? frame : insertTag(frame, vlan);
  }

  #stray(): Outcome {
    this.#count("stray");
    return NOTHING;
  }

  #late(): Outcome {
    this.#count("late");
    return NOTHING;
  }

  #malformed(): Outcome {
    this.#count("malformed");
    return NOTHING;
  }

  #count(what: keyof ProbeCounts): void {
    this.#counts[what]++;
    this.#totals[what]++;
  }

  /** Another identifier and content: answers to what was asked before are nobody's. */
  #renew(): void {
    const random = this.#random(2 + TOKEN);
    this.#identifier = random[0]! << 8 | random[1]!;
    this.#data.set(random.subarray(2));
  }
}

function number(address: Uint8Array): number {
  return (address[0]! << 24 | address[1]! << 16 | address[2]! << 8 | address[3]!) >>> 0;
}

function bytes4(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}
