/**
 * A plugin by its path: a crowd of PPPoE subscribers on one interface, each in VLANs of its own. They dial at a rate, prove
 * who they are, and take an address; the view `crowd` says how far they are.
 *
 * @module
 */

import { z } from "zod";
import type { Endable, PacketPort, Plugin, Row, Scope } from "../../../plugins/plugin.ts";
import { type DialedSession, Dialer } from "../../../plugins/pppoe/discovery/dialer.ts";
import { EtherType, parseFrame, vlanKey } from "../../../plugins/pppoe/discovery/frame.ts";
import { IpcpClient } from "../../../plugins/ppp/link/ipcp.ts";
import { driveLink, type DrivenLink } from "../../../plugins/ppp/drive.ts";
import { Protocol } from "../../../plugins/ppp/link/wire.ts";

const section = z.strictObject({
  interface: z.string().default("eth0"),
  /** S-VLANs from 100 on, and C-VLANs from 1 on in each. */
  outer: z.int().default(1),
  inner: z.int().default(1),
  /** New ones a second. */
  rate: z.int().default(500),
});
type Section = z.infer<typeof section>;

/** How often the clock of all is looked at, in milliseconds. */
const TICK_MS = 50;

/** The plugin. */
export const crowd: Plugin<object, Section> = {
  name: "crowd",
  summary: "a crowd of PPPoE subscribers",
  pseudowireTypes: [],
  section: { key: "crowd", schema: section },
  views: [{
    name: "crowd",
    help: "how far all are",
    columns: [
      { name: "dialed", help: "began" },
      { name: "sessions", help: "have a PPPoE session" },
      { name: "up", help: "have an address" },
      { name: "addresses", help: "different addresses" },
      { name: "failed", help: "attempts that failed" },
      { name: "ended", help: "sessions that the other side ended" },
      { name: "ms", help: "from the first PADI to the last address" },
    ],
  }],
  async start(scope, options) {
    const wire = await scope.open("packet", {
      name: options.interface,
      promiscuous: false,
      protocols: [EtherType.Discovery, EtherType.Session],
      offload: { vnet: false },
    });
    const all = new Crowd(scope, wire, options);
    return {
      async *show(): AsyncIterable<Row> {
        yield all.row();
      },
    };
  },
};

export default crowd;

/** All of them. */
class Crowd {
  readonly #scope: Scope;
  readonly #wire: PacketPort;
  readonly #options: Section;
  readonly #members = new Map<string, Member>();
  readonly #waiting: Member[] = [];
  readonly counts = { dialed: 0, sessions: 0, failed: 0, ended: 0 };
  readonly #up = new Map<Member, string>();
  #began = 0;
  #lastUp = 0;
  #out: Uint8Array[] = [];

  constructor(scope: Scope, wire: PacketPort, options: Section) {
    this.#scope = scope;
    this.#wire = wire;
    this.#options = options;
    for (let inner = 1; inner <= options.inner; inner++) {
      for (let outer = 0; outer < options.outer; outer++) {
        const member = new Member(this, scope, wire, 100 + outer, inner);
        this.#members.set(member.key, member);
        this.#waiting.push(member);
      }
    }
    scope.receive(wire, (batch) => {
      for (const { bytes } of batch) {
        const frame = parseFrame(bytes);
        if (typeof frame === "string") continue;
        this.#members.get(vlanKey(frame.vlans))?.input(bytes, scope.now());
      }
      this.#flush();
    });
    this.#began = scope.now();
    this.#tick();
  }

  row(): Row {
    return {
      ...this.counts,
      up: this.#up.size,
      addresses: new Set(this.#up.values()).size,
      ms: Math.round(this.#lastUp - this.#began),
    };
  }

  send(frame: Uint8Array): void {
    this.#out.push(frame);
  }

  up(member: Member, address: string | undefined): void {
    if (address === undefined) return void this.#up.delete(member);
    this.#up.set(member, address);
    this.#lastUp = this.#scope.now();
  }

  #tick(): void {
    const now = this.#scope.now();
    const due = Math.ceil((now - this.#began) * this.#options.rate / 1000) + 1;
    while (this.counts.dialed < due && this.#waiting.length > 0) {
      this.#waiting.shift()!.dial(now);
      this.counts.dialed++;
    }
    for (const member of this.#members.values()) member.timeout(now);
    this.#flush();
    this.#scope.timer(now + TICK_MS, () => this.#tick());
  }

  #flush(): void {
    const out = this.#out;
    this.#out = [];
    for (let at = 0; at < out.length; at += 64) this.#wire.send(out.slice(at, at + 64));
  }
}

/** One of them. */
class Member {
  readonly key: string;
  readonly #crowd: Crowd;
  readonly #scope: Scope;
  readonly #wire: PacketPort;
  readonly #vlans: readonly [{ tpid: 0x88a8; vid: number }, { tpid: 0x8100; vid: number }];
  readonly #dialer: Dialer;
  #life: (Scope & Endable) | undefined;

  constructor(crowd: Crowd, scope: Scope, wire: PacketPort, outer: number, inner: number) {
    this.#crowd = crowd;
    this.#scope = scope;
    this.#wire = wire;
    this.#vlans = [{ tpid: 0x88a8, vid: outer }, { tpid: 0x8100, vid: inner }];
    this.key = vlanKey(this.#vlans);
    const rules = { vlans: this.#vlans, serviceName: "", retryMs: 1000, attempts: 5 };
    this.#dialer = new Dialer(wire.mac, rules, scope.random, {
      send: (frame) => crowd.send(frame),
      up: (session) => void this.#begin(session).catch(scope.fail),
      ended: () => void this.#ended(),
      failed: () => {
        crowd.counts.failed++;
        this.#dialer.start(scope.now());
      },
    });
  }

  dial(now: number): void {
    this.#dialer.start(now);
  }

  timeout(now: number): void {
    this.#dialer.timeout(now);
  }

  input(bytes: Uint8Array, now: number): void {
    this.#dialer.input(bytes, now);
  }

  async #begin({ mac, sessionId }: DialedSession): Promise<void> {
    this.#crowd.counts.sessions++;
    const life = this.#life = this.#scope.child(this.key);
    const port = await life.open("pppoe", { on: this.#wire, vlans: this.#vlans, mac, sessionId });
    const ipcp = new IpcpClient({ dns: false });
    const driven: DrivenLink = driveLink(life, port, {
      lcp: { mru: 1492, authenticate: [], answer: ["chap-md5", "pap"] },
      name: "crowd",
      credentials: { name: "crowd", secret: "pass" },
      echo: { intervalMs: 0, failures: 3 },
    }, {
      asked() {},
      authenticated: () => driven.run((link, now) => link.network(now)),
      restarted() {},
      unanswered() {},
      data() {},
      ended() {},
      ignored() {},
    });
    driven.link.addNetwork(Protocol.Ipcp, ipcp, {
      up: () => this.#crowd.up(this, ipcp.got.address.join(".")),
      down: () => this.#crowd.up(this, undefined),
      finished() {},
    });
    driven.begin((link, now) => link.open(now));
  }

  async #ended(): Promise<void> {
    this.#crowd.counts.ended++;
    this.#crowd.counts.sessions--;
    this.#crowd.up(this, undefined);
    await this.#life?.end({ result: 1, message: "PADT" });
    this.#dialer.start(this.#scope.now());
  }
}
