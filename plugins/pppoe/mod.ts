/**
 * PPPoE (RFC 2516): an access concentrator whose sessions are terminated here or carried to an LNS, and a host that dials.
 * The plugin `pppoe`.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import { isUnicastMac } from "../mac.ts";
import type { Endable, Json, Plugin, Row, Scope, Service } from "../plugin.ts";
import type { Authenticator } from "../ppp/aaa/authenticator.ts";
import type { Access, Carry } from "./access.ts";
import { keepDialed, makeCircuit } from "./client.ts";
import { makeCounters } from "./counters.ts";
import type { DialedSession } from "./discovery/dialer.ts";
import { SessionCounts } from "./discovery/limits.ts";
import type { Lac } from "./lac.ts";
import {
  type AccessOptions,
  type PppoeOptions,
  pppoeOptions,
  type PppoeSection,
  pppoeSection,
} from "./options.ts";

const dropped = z.strictObject({
  mac: z.string().toLowerCase().refine(isUnicastMac, "must be a unicast MAC address")
    .describe("whose sessions"),
});

/** The plugin. */
export const pppoe: Plugin<PppoeOptions, PppoeSection> = {
  name: "pppoe",
  summary: "PPPoE: subscribers behind an interface, and a session that is dialed",
  pseudowireTypes: [PseudowireType.Ppp],
  options: pppoeOptions,
  section: { key: "pppoe", schema: pppoeSection },
  uses: ["ppp"],
  columns: [
    { name: "ac", help: "what the access concentrator calls itself" },
    { name: "ac-mac", help: "its MAC address" },
    { name: "session-id", help: "the PPPoE session's id" },
  ],
  views: [
    {
      name: "pppoe",
      help: "PPPoE sessions of subscribers",
      columns: [
        { name: "access", help: "the entry of the configuration" },
        { name: "interface", help: "the interface" },
        { name: "mac", help: "the client's MAC address" },
        { name: "vlans", help: "the VLANs of its frames, outer first" },
        { name: "id", help: "the session's id" },
        { name: "service", help: "the service that was asked for" },
        { name: "user", help: "who it says to be, where it is carried" },
        { name: "to", help: "the LNS, or the circuit that it ends in" },
      ],
    },
    {
      name: "pppoe-client",
      help: "PPPoE sessions that are dialed",
      columns: [
        { name: "client", help: "the entry of the configuration" },
        { name: "ac", help: "what the access concentrator calls itself" },
        { name: "mac", help: "its MAC address" },
        { name: "id", help: "the session's id" },
      ],
    },
  ],
  words: [{ word: "drop-pppoe", help: "ends all PPPoE sessions of a MAC address", given: dropped }],
  check: ({ access, clients }, _own, { circuits, peers }) => [
    ...Object.entries(access).flatMap(([name, { lac, terminate }]) => [
      ...(terminate === undefined || circuits.includes(terminate)
        ? []
        : [`access ${name}: no circuit ${terminate}`]),
      ...peersOf(lac).filter((peer) => !peers.includes(peer))
        .map((peer) => `access ${name}: no peer ${peer}`),
    ]),
    ...Object.entries(clients).filter(([, { circuit }]) => !circuits.includes(circuit))
      .map(([name, { circuit }]) => `client ${name}: no circuit ${circuit}`),
  ],
  start: (scope, section) => new PppoeService(scope, section),
};

/** All peers that a LAC's lists name. */
function peersOf(lac: AccessOptions["lac"]): string[] {
  if (!lac) return [];
  const lists = [lac.servers ?? [], ...Object.values(lac.realms), ...Object.values(lac.services)];
  return [...new Set(lists.flat().map(({ peer }) => peer))];
}

interface Running {
  readonly options: AccessOptions;
  readonly life: Endable;
  /** While the interface is there. */
  access?: Access | undefined;
}

class PppoeService implements Service<PppoeOptions, PppoeSection> {
  readonly #scope: Scope;
  readonly #counts = new SessionCounts();
  readonly #starting = { count: 0 };
  #lac: Lac | undefined;
  readonly #counters: ReturnType<typeof makeCounters>;
  readonly #running = new Map<string, Running>();
  readonly #clients = new Map<string, { readonly options: object; readonly life: Endable }>();
  readonly #dialed = new Map<string, DialedSession>();
  #section: PppoeSection;

  constructor(scope: Scope, section: PppoeSection) {
    this.#scope = scope;
    this.#section = section;
    this.#counters = makeCounters(scope);
    scope.gauge("starting_sessions", "PPPoE sessions on their way up", () => this.#starting.count);
    scope.gauge("sessions", "PPPoE sessions of subscribers", () => this.#counts.all);
    this.#begin();
  }

  provision(_scope: Scope, options: PppoeOptions) {
    return makeCircuit(options);
  }

  async reconfigure(section: PppoeSection): Promise<boolean> {
    this.#section = section;
    const ends: Promise<void>[] = [];
    for (const [name, running] of this.#running) {
      const next = section.access[name];
      if (next && isDeepStrictEqual(fixed(next), fixed(running.options))) {
        running.access?.change(next);
        this.#running.set(name, { ...running, options: next });
        continue;
      }
      this.#running.delete(name);
      ends.push(running.life.end({ result: 3, message: "the configuration changed" }));
    }
    for (const [name, { life, options }] of this.#clients) {
      if (isDeepStrictEqual(section.clients[name], options)) continue;
      this.#clients.delete(name);
      ends.push(life.end({ result: 3, message: "the configuration changed" }));
    }
    await Promise.all(ends);
    this.#begin();
    return true;
  }

  async *show(view: string, name?: string): AsyncIterable<Row> {
    if (view === "pppoe-client") {
      for (const [client, { acName, mac, sessionId }] of this.#dialed) {
        yield { client, ac: acName, mac, id: sessionId };
      }
      return;
    }
    for (const [key, { access }] of this.#running) {
      if (name === undefined || name === key) yield* access?.rows() ?? [];
    }
  }

  run(_word: string, given: object): Json {
    const { mac } = given as z.infer<typeof dropped>;
    const counts = [...this.#running.values()].map(({ access }) => access?.drop(mac) ?? 0);
    return { dropped: counts.reduce((sum, count) => sum + count, 0) };
  }

  /** Begins what is not there yet. */
  #begin(): void {
    for (const [name, options] of Object.entries(this.#section.access)) {
      if (this.#running.has(name)) continue;
      const life = this.#scope.keep(`access ${name}`, (life) => this.#open(name, life));
      this.#running.set(name, { options, life });
    }
    for (const [name, options] of Object.entries(this.#section.clients)) {
      if (this.#clients.has(name)) continue;
      const life = keepDialed(this.#scope, name, options, this.#dialed);
      this.#clients.set(name, { options, life });
    }
  }

  async #open(name: string, life: Scope): Promise<void> {
    const { options } = this.#running.get(name)!;
    const setting = {
      counts: this.#counts,
      counters: this.#counters,
      section: () => this.#section,
      starting: this.#starting,
    };
    const { lac } = options;
    const carry = lac && await this.#carrier(lac);
    const { Access } = await import("./access.ts");
    const access = new Access(name, options, setting, life, carry);
    const place = (access: Access | undefined) => {
      const running = this.#running.get(name);
      if (running) this.#running.set(name, { ...running, access });
    };
    life.defer(() => place(undefined));
    await access.open();
    place(access);
  }

  /** What carries sessions on to an LNS. Loaded with the first access that does, as access itself is. */
  async #carrier(options: NonNullable<AccessOptions["lac"]>): Promise<Carry> {
    const { Lac } = await import("./lac.ts");
    const lac = this.#lac ??= new Lac(
      this.#scope,
      this.#scope.service("ppp") as Authenticator,
      this.#counters,
    );
    return (session) => lac.carry(session, options);
  }
}

/** What cannot change while sessions live: the interface, and what becomes of them. */
function fixed({ interface: device, lac, netns, terminate, vlans }: AccessOptions) {
  return { device, lac, netns, terminate, vlans };
}
