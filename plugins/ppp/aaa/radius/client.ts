/** RADIUS servers as one: whom a request is sent to, and to whom next. @module */

import { type Build, Exchange, type Io, type Outcome } from "./exchange.ts";
import { sealAccessRequest, type Secret } from "./authenticity.ts";
import type { RadiusMeters } from "./meters.ts";
import { type Attribute, CODE, type Packet, type VendorFormats } from "./packet.ts";

/** What a request is for. */
export type Purpose = "authentication" | "accounting";

/** One server. */
export interface ServerSetting {
  readonly name: string;
  readonly address: string;
  /** Absent: it is not asked for this. */
  readonly ports: Readonly<Partial<Record<Purpose, number>>>;
  readonly secret: Secret;
  readonly local?: string;
  readonly netns?: string;
  /** Its share of the requests. */
  readonly weight: number;
  /** Asked only when no other answers. */
  readonly backup: boolean;
  readonly timeoutMs: number;
  readonly tries: number;
  readonly deadTimeMs: number;
  readonly probeMs?: number;
  readonly signed: "auto" | "yes" | "no";
}

/** An answer, and what is needed to read it. */
export interface Answered {
  readonly packet: Packet;
  /** That of the request: it hides values of the answer. */
  readonly authenticator: Uint8Array;
  readonly secret: Secret;
  /** The server's name. */
  readonly server: string;
}

/** Writes a request down for a server. */
export type BuildFor = (secret: Secret) => Build;

/** A server with its two ports. */
export interface Server {
  readonly setting: ServerSetting;
  readonly exchanges: Readonly<Partial<Record<Purpose, Exchange>>>;
  /** Smooth weighted round robin: what it is owed. */
  owed: number;
}

const ANSWERS: Readonly<Record<Purpose, readonly number[]>> = {
  authentication: [CODE.accessAccept, CODE.accessReject, CODE.accessChallenge],
  // An accounting port answers Status-Server as it answers accounting (RFC 5997 §3).
  accounting: [CODE.accountingResponse],
};

/** The servers. */
export class Client {
  readonly servers: readonly Server[];
  /** Those that are asked for each purpose. */
  readonly #able: Readonly<Record<Purpose, readonly Server[]>>;
  readonly #meters: RadiusMeters;

  /** @param status attributes of Status-Server packets (NAS-Identifier and the like) */
  constructor(
    settings: readonly ServerSetting[],
    io: Io,
    meters: RadiusMeters,
    formats: VendorFormats,
    status: readonly Attribute[],
  ) {
    this.#meters = meters;
    this.servers = settings.map((setting) => {
      const make = (purpose: Purpose) => {
        const port = setting.ports[purpose];
        if (port === undefined) return {};
        const exchange = new Exchange(
          {
            ...setting,
            remote: { address: setting.address, port },
            formats,
            answers: ANSWERS[purpose],
          },
          io,
          meters,
        );
        const { secret } = setting;
        const packet = { code: CODE.statusServer, attributes: status };
        exchange.probe = (id, authenticator) =>
          sealAccessRequest({ ...packet, id, authenticator }, secret, formats);
        return { [purpose]: exchange };
      };
      const exchanges = { ...make("authentication"), ...make("accounting") };
      return { setting, exchanges, owed: 0 };
    });
    const able = (purpose: Purpose) => this.servers.filter(({ exchanges }) => exchanges[purpose]);
    this.#able = { authentication: able("authentication"), accounting: able("accounting") };
  }

  /** Opens a socket for each. Rejects where one cannot be had. */
  async open(): Promise<void> {
    for (const exchange of this.#exchanges()) await exchange.open();
  }

  /** Gives up all that is in flight. */
  close(): void {
    for (const exchange of this.#exchanges()) exchange.close();
  }

  /** Calls `alive` whenever an accounting server that was dead answers again. */
  onAlive(alive: () => void): void {
    for (const { exchanges } of this.servers) {
      if (exchanges.accounting) exchanges.accounting.onAlive = alive;
    }
  }

  /** Whether someone is there to be asked. */
  alive(purpose: Purpose, names?: readonly string[]): boolean {
    return this.#asked(purpose, names).some(({ exchanges }) => exchanges[purpose]!.alive);
  }

  /**
   * Asks server after server until one answers; undefined: none did. Those that are alive come first, backups after them,
   * and where all are dead, one is tried all the same: it may have come back.
   *
   * @param names only these servers; absent: all
   */
  async ask(
    purpose: Purpose,
    names: readonly string[] | undefined,
    build: BuildFor,
    signal?: AbortSignal,
  ): Promise<Answered | undefined> {
    let left = this.#asked(purpose, names);
    // A login cannot wait; a record can, and is asked for again by who keeps it.
    let again = purpose === "authentication";
    while (left.length > 0 && !signal?.aborted) {
      const server = this.#choose(left, purpose);
      const exchange = server.exchanges[purpose]!;
      left = exchange.alive ? left.filter((other) => other !== server) : [];
      const { secret, name } = server.setting;
      const outcome: Outcome = await exchange.request(build(secret), signal);
      if (outcome.kind === "answer") return { ...outcome, secret, server: name };
      // It was found to be dead just now, maybe a moment after this began: without another, that is no reason to give up.
      if (outcome.kind === "dead" && left.length === 0 && again) left = [server];
      again &&= outcome.kind !== "dead";
    }
    if (!signal?.aborted && purpose === "authentication") this.#meters.unreachable.add();
    return undefined;
  }

  #asked(purpose: Purpose, names: readonly string[] | undefined): readonly Server[] {
    const able = this.#able[purpose];
    const named = names ? able.filter(({ setting }) => names.includes(setting.name)) : able;
    // An account may outlive the servers that its realm had.
    return named.length > 0 ? named : able;
  }

  #choose(among: readonly Server[], purpose: Purpose): Server {
    if (among.length === 1) return among[0]!;
    // Those that are alive come first, backups after others.
    const rank = ({ exchanges, setting }: Server) =>
      (exchanges[purpose]!.alive ? 0 : 2) + (setting.backup ? 1 : 0);
    const first = Math.min(...among.map(rank));
    const group = among.filter((server) => rank(server) === first);
    let [best, sum] = [group[0]!, 0];
    for (const server of group) {
      server.owed += server.setting.weight;
      sum += server.setting.weight;
      if (server.owed > best.owed) best = server;
    }
    best.owed -= sum;
    return best;
  }

  *#exchanges(): Iterable<Exchange> {
    for (const { exchanges } of this.servers) yield* Object.values(exchanges);
  }
}
