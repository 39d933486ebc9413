/** Two links in virtual time, on a line that loses, doubles and reorders, from one seed. @module */

import type { Asked } from "../aaa/authenticator.ts";
import { authEnd, Cause, Direction, type LinkEnd } from "./end.ts";
import { IpcpClient, IpcpServer } from "./ipcp.ts";
import { Ipv6cpOptions } from "./ipv6cp.ts";
import type { LcpSettings } from "./lcp.ts";
import { type Link, type LinkSettings, makeLink } from "./link.ts";
import { emitFrame, emitPacket, Protocol } from "./wire.ts";

/** Numbers that look random, and are the same each time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Random octets of a seed. */
export function seededOctets(seed: number): (length: number) => Uint8Array {
  const draw = seeded(seed);
  return (length) => Uint8Array.from({ length }, () => Math.floor(draw() * 256));
}

/** What a line does to frames; chances from 0 to 1. */
export interface LineFaults {
  readonly seed: number;
  readonly loss: number;
  readonly double: number;
  /** Milliseconds that a frame is on its way, at most. */
  readonly delayMs: number;
}

/** An end, and what happened there. */
export interface TestEnd {
  readonly link: Link;
  readonly sent: Uint8Array[];
  readonly happened: string[];
  readonly asked: Asked[];
  ended: LinkEnd | undefined;
}

/** Time, and what is due in it. */
export class Line {
  now = 0;
  readonly ends: TestEnd[] = [];
  readonly #faults: LineFaults;
  readonly #draw: () => number;
  #due: { readonly at: number; readonly what: () => void }[] = [];

  constructor(faults: LineFaults = { seed: 1, loss: 0, double: 0, delayMs: 1 }) {
    this.#faults = faults;
    this.#draw = seeded(faults.seed);
  }

  /** Adds an end; what it sends goes to the other one. */
  add(
    settings: LinkSettings,
    answer: (end: TestEnd, asked: Asked) => void = (end) => end.link.accept("", this.now),
  ): TestEnd {
    const index = this.ends.length;
    const happened: string[] = [];
    const end: TestEnd = {
      link: makeLink(settings, {
        random: seededOctets(this.#faults.seed + 77 * (index + 1)),
        send: (frame) => {
          end.sent.push(frame);
          this.#carry(frame, () => this.ends[1 - index]);
        },
      }, {
        asked: (asked) => {
          end.asked.push(asked);
          happened.push(`asked ${asked.kind}`);
          // Later, as whoever has to ask somebody else.
          this.later(5, () => answer(end, asked));
        },
        authenticated: () => {
          happened.push("authenticated");
          this.later(5, () => end.link.network(this.now));
        },
        restarted: () => void happened.push("restarted"),
        unanswered: () => end.link.silent(this.now),
        data: (protocol) => void happened.push(`data ${protocol.toString(16)}`),
        ended: (why) => {
          happened.push("ended");
          end.ended = why;
        },
        ignored: (what) => void happened.push(`ignored ${what}`),
      }),
      sent: [],
      happened,
      asked: [],
      ended: undefined,
    };
    this.ends.push(end);
    return end;
  }

  later(ms: number, what: () => void): void {
    this.#due.push({ at: this.now + ms, what });
  }

  /** Lets time pass. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let turns = 0;; turns++) {
      if (turns > 100_000) throw new Error("this never comes to rest");
      const deadlines = this.ends.flatMap(({ link }) => {
        const at = link.deadline;
        return at === undefined ? [] : [{ at, what: () => link.timeout(this.now) }];
      });
      const next = [...this.#due, ...deadlines].reduce<
        { at: number; what: () => void } | undefined
      >(
        (first, one) => first && first.at <= one.at ? first : one,
        undefined,
      );
      if (!next || next.at > end) break;
      this.#due = this.#due.filter((one) => one !== next);
      this.now = Math.max(this.now, next.at);
      next.what();
    }
    this.now = end;
  }

  #carry(frame: Uint8Array, to: () => TestEnd | undefined): void {
    const { delayMs, double, loss } = this.#faults;
    const copies = (this.#draw() < loss ? 0 : 1) + (this.#draw() < double ? 1 : 0);
    for (let copy = 0; copy < copies; copy++) {
      const wait = delayMs <= 1 ? delayMs : this.#draw() * delayMs;
      this.later(wait, () => to()?.link.input(frame, this.now));
    }
  }
}

const quiet = { intervalMs: 0, failures: 3 };

/** Settings of an end that asks who the other one is. */
export function server(lcp: Partial<LcpSettings> = {}): LinkSettings {
  return {
    lcp: { mru: 1500, authenticate: ["chap-md5"], answer: [], ...lcp },
    name: "lns",
    echo: quiet,
  };
}

/** Settings of an end that says who it is. */
export function client(lcp: Partial<LcpSettings> = {}): LinkSettings {
  return {
    lcp: { mru: 1500, authenticate: [], answer: ["chap-md5", "mschapv2", "pap"], ...lcp },
    name: "",
    credentials: { name: "bob", secret: "pass" },
    echo: quiet,
  };
}

/** Adds IPCP and IPv6CP to both ends; what they agreed on can be read from the result. */
export function addNetworks(lns: TestEnd, peer: TestEnd) {
  const sink = ({ happened }: TestEnd, name: string) => ({
    up: () => void happened.push(`${name} up`),
    down: () => void happened.push(`${name} down`),
    finished: (reason: string) => void happened.push(`${name} finished: ${reason}`),
  });
  const given = new IpcpServer({
    own: Uint8Array.of(10, 0, 0, 1),
    client: Uint8Array.of(10, 0, 0, 2),
    dns: [Uint8Array.of(10, 0, 0, 53)],
    nbns: [],
  });
  const got = new IpcpClient({ dns: true });
  const ids = [new Ipv6cpOptions(seededOctets(5)), new Ipv6cpOptions(seededOctets(6))] as const;
  lns.link.addNetwork(Protocol.Ipcp, given, sink(lns, "ipcp"));
  lns.link.addNetwork(Protocol.Ipv6cp, ids[0], sink(lns, "ipv6cp"));
  peer.link.addNetwork(Protocol.Ipcp, got, sink(peer, "ipcp"));
  peer.link.addNetwork(Protocol.Ipv6cp, ids[1], sink(peer, "ipv6cp"));
  return { given, got, ids };
}

/** The end of a client that may not come in. */
export const refused: LinkEnd = authEnd(
  "no such user",
  Protocol.Chap,
  Cause.AuthFailed,
  Direction.Peer,
);

/** A frame of a packet. */
export function frameOf(protocol: number, code: number, id: number, data: Uint8Array): Uint8Array {
  return emitFrame(protocol, emitPacket({ code, id, data }));
}
