/** RADIUS as an {@linkcode Authenticator}: everything of this folder, put together for an appliance. @module */

import type { Endable, Scope } from "../../../scope.ts";
import type { CallEnd } from "../../../session.ts";
import type { Row } from "../../../values.ts";
import type {
  Account,
  Answer,
  Asked,
  Authenticator,
  Grant,
  Rejection,
  Subscriber,
  TunnelAccount,
  TunnelRecord,
} from "../authenticator.ts";
import type { CallFacts } from "../call.ts";
import type { RadiusOptions } from "../options.ts";
import { Accounting, type AccountingSetting } from "./accounting.ts";
import { sealAccessRequest, type Secret } from "./authenticity.ts";
import { type Answered, Client } from "./client.ts";
import { Changes } from "./coa.ts";
import type { Dictionary } from "./dictionary.ts";
import { GrantMap } from "./grants.ts";
import { KnownSession } from "./known_session.ts";
import { makeMeters, type RadiusMeters } from "./meters.ts";
import { CODE, joined } from "./packet.ts";
import { route, type Routed } from "./realms.ts";
import {
  authenticAttribute,
  isProvable,
  nasAttributes,
  proof,
  Requests,
  type RequestSetting,
  text,
} from "./requests.ts";
import { Sessions } from "./sessions.ts";
import {
  accountingSetting,
  orInvalid,
  readDictionaries,
  readSecret,
  requestSetting,
  serverSetting,
} from "./settings.ts";
import { utf8 } from "./text.ts";
import { readTunnels } from "./tunnels.ts";
import { parseIp } from "../../../../core/endpoint.ts";
import { DatabaseSync } from "node:sqlite";

/** RADIUS, with what operators see of it. */
export interface Radius extends Authenticator {
  tunnel(record: TunnelRecord): TunnelAccount | undefined;
  /** A row for each server and purpose. */
  rows(): Row[];
  /** Takes other options; sessions and accounts stay. Where it rejects, nothing has changed, but for where changes come in. */
  reconfigure(options: RadiusOptions): Promise<void>;
}

const MICROSOFT = 311;
const CHAP_ERROR = 2;
const CHAP2_SUCCESS = 26;
const decoder = new TextDecoder();

/**
 * Begins: opens sockets, reads dictionaries and secrets, takes up accounts that an earlier run left.
 *
 * @param accounts whether servers are told of sessions
 * @throws {Failure}
 */
export async function openRadius(
  scope: Scope,
  options: RadiusOptions,
  accounts: boolean,
): Promise<Radius> {
  const meters = makeMeters(scope);
  const own = new RadiusAuthenticator(scope, meters);
  await own.begin(options, accounts);
  return own;
}

/** What follows from the options, and is made anew with them. */
interface Gear {
  readonly client: Client;
  readonly dictionary: Dictionary;
  readonly life: Scope & Endable;
  readonly map: GrantMap;
  readonly options: RadiusOptions;
  readonly requests: Requests;
  readonly setting: RequestSetting;
}

/** What the parts have of a scope. */
function ioOf(scope: Scope) {
  const { date, log, now, random, timer, udp } = scope;
  return { date, log, now, random, timer, udp };
}

/** How long servers of former options may still answer, in milliseconds. */
const FAREWELL_MS = 15_000;
const RECONFIGURED: CallEnd = { result: 3, message: "reconfigured" };

class RadiusAuthenticator implements Radius {
  readonly #scope: Scope;
  readonly #meters: RadiusMeters;
  readonly #sessions = new Sessions();
  #gear!: Gear;
  #accounting: Accounting | undefined;
  #listening: { readonly life: Scope & Endable; readonly at: string } | undefined;
  #changes: Changes | undefined;
  /** Who was asked for a grant is told of its session, whatever name the reply gave it. */
  readonly #routes = new WeakMap<Grant, Routed>();

  constructor(scope: Scope, meters: RadiusMeters) {
    this.#scope = scope;
    this.#meters = meters;
  }

  async begin(options: RadiusOptions, accounts: boolean): Promise<void> {
    this.#gear = await this.#open(options);
    await this.#listen();
    if (!accounts) return;
    const io = ioOf(this.#scope);
    const { client } = this.#gear;
    const setting = this.#accountingSetting();
    const accounting = new Accounting(setting, io, client, this.#meters, openStore(this.#scope));
    this.#accounting = accounting;
    accounting.begin();
    this.#scope.gauge(
      "radius_accounts_due",
      "accounts with something to be told",
      () => accounting.pending(),
    );
  }

  async reconfigure(options: RadiusOptions): Promise<void> {
    const before = this.#gear;
    this.#gear = await this.#open(options);
    try {
      await this.#listen();
    } catch (error) {
      const failed = this.#gear;
      this.#gear = before;
      await failed.life.end(RECONFIGURED);
      throw error;
    }
    this.#accounting?.use(this.#accountingSetting(), this.#gear.client);
    // What is in flight is answered yet.
    const scope = this.#scope;
    scope.timer(scope.now() + FAREWELL_MS, () => void before.life.end(RECONFIGURED));
  }

  #accountingSetting(): AccountingSetting {
    const { dictionary, options, setting } = this.#gear;
    return accountingSetting(options, setting, dictionary);
  }

  /** Reads what the options name, and opens sockets to the servers. */
  async #open(options: RadiusOptions): Promise<Gear> {
    const scope = this.#scope;
    const dictionary = readDictionaries(scope, options.dictionaries);
    const setting = requestSetting(scope, options);
    const servers = Object.entries(options.servers)
      .map(([name, one]) => serverSetting(scope, name, one));
    const parts = orInvalid(scope, () => ({
      map: new GrantMap(dictionary, options.map),
      requests: new Requests(setting, dictionary),
    }));
    const life = scope.child("servers");
    const { formats } = dictionary;
    const client = new Client(servers, ioOf(life), this.#meters, formats, nasAttributes(setting));
    try {
      await client.open();
    } catch (error) {
      await life.end(RECONFIGURED);
      throw error;
    }
    const gear = { ...parts, client, dictionary, life, options, setting };
    // Registered last, so undone first: while sockets are still there.
    life.defer(async () => {
      if (this.#gear === gear) await this.#accounting?.end();
      client.close();
    });
    return gear;
  }

  /** Takes changes where the options say; the socket stays where that is the same. */
  async #listen(): Promise<void> {
    const { dictionary, map, options: { coa }, setting } = this.#gear;
    const { local, netns, port } = coa ?? {};
    const at = JSON.stringify(coa && { local, netns, port });
    if (coa && this.#listening?.at === at) {
      this.#changes = this.#changesBy(coa, dictionary, map, setting);
      return;
    }
    await this.#listening?.life.end(RECONFIGURED);
    this.#listening = undefined;
    this.#changes = undefined;
    if (!coa) return;
    this.#changes = this.#changesBy(coa, dictionary, map, setting);
    const life = this.#scope.child("changes");
    const where = {
      port: coa.port,
      ...(local !== undefined && { local }),
      ...(netns !== undefined && { netns }),
    };
    const socket = await life.udp(where, (datagram, from) => {
      // Views are valid until this returns, addresses are kept with the answer.
      const to = { ...from };
      this.#changes?.receive(datagram, from, (answer) => void socket.send(answer, to));
    });
    this.#listening = { life, at };
  }

  #changesBy(
    coa: NonNullable<RadiusOptions["coa"]>,
    { formats }: Dictionary,
    map: GrantMap,
    setting: RequestSetting,
  ): Changes {
    const addresses = [setting.nasAddress, coa.local].flatMap((address) =>
      address === undefined ? [] : [parseIp(address)!.toHex()]
    );
    const clients = coa.clients.map((client) => ({
      address: client.address,
      secret: readSecret(this.#scope, client),
      signed: client["message-authenticator"],
    }));
    const changes = {
      clients,
      windowMs: coa["window-s"] * 1000,
      timestamps: coa["require-timestamp"],
      formats,
      nasIdentifier: setting.nasIdentifier,
      nasAddresses: addresses,
    };
    return new Changes(changes, this.#sessions, map, this.#meters, this.#scope);
  }

  async check(asked: Asked, call: CallFacts, signal: AbortSignal): Promise<Answer> {
    const { client, dictionary, requests } = this.#gear;
    const meters = this.#meters;
    const name = decoder.decode(asked.name);
    const routed = this.#route(name, asked.kind === "mschapv2");
    // A name that is no UTF-8 goes as it came.
    const user = routed.name === name ? asked.name : utf8(routed.name);
    if (user.length === 0 || user.length > 253) return reject("the name has 1 to 253 octets");
    if (!isProvable(asked)) {
      return reject("no request can carry such a proof");
    }
    const written = [requests.access(call, user)];
    const build = (secret: Secret) => (id: number, authenticator: Uint8Array) => {
      const attributes = proof(asked, authenticator, secret);
      const packet = { code: CODE.accessRequest, id, authenticator, attributes, written };
      return sealAccessRequest(packet, secret, dictionary.formats);
    };
    const answer = await client.ask("authentication", routed.servers, build, signal);
    if (!answer) return { kind: "unreachable", reason: "no RADIUS server answered" };
    if (answer.packet.code === CODE.accessAccept) {
      meters.accepts.add();
      return this.#accepted(answer, asked, routed);
    }
    meters.rejects.add();
    return this.#rejected(answer);
  }

  account(subscriber: Subscriber): Account {
    const { requests } = this.#gear;
    const { authentic, call, grant } = subscriber;
    const ours = this.#routes.get(grant);
    const { name, servers } = ours ?? this.#route(grant.user, false);
    const written = requests.accounting(
      call,
      utf8(name),
      authenticAttribute(ours ? "radius" : authentic),
    );
    const account = this.#accounting?.open(subscriber, written, servers);
    const known = new KnownSession(this.#sessions, requests, { subscriber, call, name, account });
    this.#sessions.add(known);
    return known;
  }

  tunnel({ call, grant, kind, of }: TunnelRecord): TunnelAccount | undefined {
    const { options, requests } = this.#gear;
    if (!options["tunnel-accounting"]) return undefined;
    const routed = this.#routes.get(grant) ?? this.#route(grant.user, false);
    return this.#accounting?.openTunnel(
      kind,
      call.id,
      requests.accounting(
        call,
        utf8(routed.name),
        // Acct-Multi-Session-Id: what is of one tunnel. It is 50 (RFC 2866 §5.11), though RFC 2867 writes 51.
        ...(of === undefined ? [] : [text(50, of)]),
      ),
      routed.servers,
    );
  }

  rows(): Row[] {
    return this.#gear.client.servers.flatMap(({ exchanges, setting }) =>
      Object.entries(exchanges).map(([purpose, exchange]) => {
        const figures = exchange.figures();
        return {
          server: setting.name,
          purpose,
          address: `${setting.address}:${setting.ports[purpose as "accounting"]}`,
          state: figures.state,
          "in-flight": figures.inFlight,
          requests: figures.requests,
          retransmissions: figures.retransmissions,
          timeouts: figures.timeouts,
          "rejected-answers": figures.rejectedAnswers,
          "rtt-ms": figures.rttMs === undefined ? null : Math.round(figures.rttMs * 10) / 10,
        };
      })
    );
  }

  #route(name: string, kept: boolean): Routed {
    const { options } = this.#gear;
    return route(name, options.realms, options["default-realm"], kept);
  }

  #accepted(answer: Answered, asked: Asked, routed: Routed): Answer {
    const { map } = this.#gear;
    const { attributes } = answer.packet;
    const { malformed, terms } = map.read(attributes, this.#scope.date());
    const tunnels = readTunnels(attributes, answer.authenticator, answer.secret);
    this.#meters.malformedAttributes.add(malformed + tunnels.malformed);
    const success = joined(attributes, MICROSOFT, CHAP2_SUCCESS);
    if (asked.kind === "mschapv2" && !success) {
      // Without it the client does not believe us, and rightly: nobody proved to know its password.
      return reject("the server accepted MS-CHAPv2 without MS-CHAP2-Success");
    }
    const grant: Grant = {
      user: decoder.decode(asked.name),
      ...(routed.profile !== undefined && { profile: routed.profile }),
      ...terms,
      ...(success && { msChapSuccess: decoder.decode(success.subarray(1)) }),
      ...(tunnels.targets.length > 0 && { tunnels: tunnels.targets }),
    };
    this.#routes.set(grant, { ...routed, ...(terms.user !== undefined && { name: terms.user }) });
    return { kind: "accept", grant };
  }

  #rejected({ packet, server }: Answered): Rejection {
    const { map } = this.#gear;
    const { message } = map.read(packet.attributes, this.#scope.date()).terms;
    const error = joined(packet.attributes, MICROSOFT, CHAP_ERROR);
    // RFC 2548 §2.1.5: an identifier octet goes before the text, though some servers leave it out.
    const bare = error &&
      (error[0] === "E".charCodeAt(0) && error[1] === "=".charCodeAt(0)
        ? error
        : error.subarray(1));
    const challenged = packet.code === CODE.accessChallenge;
    return {
      ...reject(
        challenged
          ? `${server} wants more than PPP can ask for (Access-Challenge)`
          : `${server} rejected it`,
      ),
      ...(message !== undefined && { message }),
      ...(bare && { msChapError: decoder.decode(bare) }),
    };
  }
}

function reject(reason: string): Rejection {
  return { kind: "reject", reason };
}

/** The plugin's database; where there is none, one in memory, which a restart forgets. */
function openStore(scope: Scope): DatabaseSync {
  try {
    return scope.store();
  } catch (error) {
    scope.log("error", "accounts are kept in memory alone: those not told yet are lost with us", {
      error: error instanceof Error ? error.message : String(error),
    });
    return new DatabaseSync(":memory:");
  }
}
