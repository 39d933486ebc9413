/** RADIUS as an {@linkcode Authenticator}: everything of this folder, put together for an appliance. @module */

import type { Scope } from "../../../scope.ts";
import type { Row } from "../../../values.ts";
import type {
  Account,
  Answer,
  Asked,
  Authenticator,
  Grant,
  Rejection,
  Subscriber,
} from "../authenticator.ts";
import type { CallFacts } from "../call.ts";
import type { RadiusOptions } from "../options.ts";
import { Accounting, authenticAttribute } from "./accounting.ts";
import { makeSecret, sealAccessRequest, type Secret } from "./authenticity.ts";
import { type Answered, Client, type ServerSetting } from "./client.ts";
import { Changes } from "./coa.ts";
import { Dictionary, DictionaryError } from "./dictionary.ts";
import { GrantMap } from "./grants.ts";
import { makeMeters, type RadiusMeters } from "./meters.ts";
import { CODE, joined } from "./packet.ts";
import { route, type Routed } from "./realms.ts";
import { isProvable, nasAttributes, proof, Requests, type RequestSetting } from "./requests.ts";
import { builtInDictionary } from "./builtin.ts";
import { Sessions } from "./sessions.ts";
import { fill, unknownParts } from "./templates.ts";
import { utf8 } from "./text.ts";
import { readTunnels } from "./tunnels.ts";
import { parseIp } from "../../../../core/endpoint.ts";
import { DatabaseSync } from "node:sqlite";

/** RADIUS, with what operators see of it. */
export interface Radius extends Authenticator {
  /** A row for each server and purpose. */
  rows(): Row[];
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
  const dictionary = readDictionaries(scope, options.dictionaries);
  const setting = requestSetting(scope, options);
  const servers = Object.entries(options.servers)
    .map(([name, one]) => serverSetting(scope, name, one));
  const { formats } = dictionary;
  const io = ioOf(scope);
  const client = new Client(servers, io, meters, formats, nasAttributes(setting));
  await client.open();
  const parts = orInvalid(scope, () => ({
    map: new GrantMap(dictionary, options.map),
    requests: new Requests(setting, dictionary),
  }));
  const sessions = new Sessions();
  await listen(scope, options, setting, { sessions, meters, formats, map: parts.map });
  const accounting = accounts
    ? openAccounting(scope, options, setting, client, meters, dictionary)
    : undefined;
  // Registered last, so undone first: while sockets are still there.
  scope.defer(async () => {
    await accounting?.end();
    client.close();
  });
  if (accounting) {
    scope.gauge(
      "radius_accounts_due",
      "accounts with something to be told",
      () => accounting.pending(),
    );
  }
  return new RadiusAuthenticator({
    ...parts,
    accounting,
    client,
    dictionary,
    io,
    meters,
    options,
    sessions,
    setting,
  });
}

/** What the parts have of a scope. */
function ioOf(scope: Scope) {
  const { date, log, now, random, timer, udp } = scope;
  return { date, log, now, random, timer, udp };
}

/** What {@linkcode RadiusAuthenticator} is made of. */
interface Parts {
  readonly accounting: Accounting | undefined;
  readonly client: Client;
  readonly dictionary: Dictionary;
  readonly io: ReturnType<typeof ioOf>;
  readonly map: GrantMap;
  readonly meters: RadiusMeters;
  readonly options: RadiusOptions;
  readonly requests: Requests;
  readonly sessions: Sessions;
  readonly setting: RequestSetting;
}

class RadiusAuthenticator implements Radius {
  readonly #parts: Parts;
  /** Who was asked for a grant is told of its session, whatever name the reply gave it. */
  readonly #routes = new WeakMap<Grant, Routed>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async check(asked: Asked, call: CallFacts, signal: AbortSignal): Promise<Answer> {
    const { client, dictionary, meters, requests } = this.#parts;
    const name = decoder.decode(asked.name);
    const routed = this.#route(name, asked.kind === "mschapv2");
    // A name that is no UTF-8 goes as it came.
    const user = routed.name === name ? asked.name : utf8(routed.name);
    if (user.length === 0 || user.length > 253) return reject("the name has 1 to 253 octets");
    const attributes = requests.call("access", call, user);
    if (!isProvable(asked)) {
      return reject("no request can carry such a proof");
    }
    const build = (secret: Secret) => (id: number, authenticator: Uint8Array) => {
      const all = [...proof(asked, authenticator, secret), ...attributes];
      const packet = { code: CODE.accessRequest, id, authenticator, attributes: all };
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
    const { accounting, requests, sessions, setting } = this.#parts;
    const { call, grant } = subscriber;
    const ours = this.#routes.get(grant);
    const routed = ours ?? this.#route(grant.user, false);
    const template = (text: string) => fill(text, call, routed.name);
    const account = accounting?.open(
      subscriber,
      [
        ...requests.call("accounting", call, utf8(routed.name)),
        authenticAttribute(ours ? "radius" : subscriber.authentic),
      ],
      routed.servers,
    );
    const remove = sessions.add({
      subscriber,
      name: routed.name,
      texts: {
        30: template(setting.calledStationId),
        31: template(setting.callingStationId),
        87: template(setting.nasPortId),
      },
      ...(account && { account }),
    });
    return {
      changed: () => account?.changed(),
      stop(cause, usage) {
        remove();
        account?.stop(cause, usage);
      },
    };
  }

  rows(): Row[] {
    return this.#parts.client.servers.flatMap(({ exchanges, setting }) =>
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
    const { options } = this.#parts;
    return route(name, options.realms, options["default-realm"], kept);
  }

  #accepted(answer: Answered, asked: Asked, routed: Routed): Answer {
    const { io, map, meters } = this.#parts;
    const { attributes } = answer.packet;
    const { malformed, terms } = map.read(attributes, io.date());
    const tunnels = readTunnels(attributes, answer.authenticator, answer.secret);
    meters.malformedAttributes.add(malformed + tunnels.malformed);
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
    const { io, map } = this.#parts;
    const { message } = map.read(packet.attributes, io.date()).terms;
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

function openAccounting(
  scope: Scope,
  options: RadiusOptions,
  setting: RequestSetting,
  client: Client,
  meters: RadiusMeters,
  dictionary: Dictionary,
): Accounting {
  const accounting = new Accounting(
    {
      interimS: options["interim-s"],
      leastInterimS: options["least-interim-s"],
      jitterPercent: options["jitter-percent"],
      inFlight: options["in-flight"],
      keepDays: options["keep-days"],
      on: options["accounting-on"],
      nas: nasAttributes(setting),
      formats: dictionary.formats,
    },
    ioOf(scope),
    client,
    meters,
    openStore(scope),
  );
  accounting.begin();
  return accounting;
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

async function listen(
  scope: Scope,
  options: RadiusOptions,
  setting: RequestSetting,
  parts: Pick<Parts, "sessions" | "meters" | "map"> & Pick<Dictionary, "formats">,
): Promise<void> {
  const { coa } = options;
  if (!coa) return;
  const own = [setting.nasAddress, coa.local].flatMap((address) =>
    address === undefined ? [] : [parseIp(address)!.toHex()]
  );
  const changes = new Changes(
    {
      clients: coa.clients.map((client) => ({
        address: client.address,
        secret: readSecret(scope, client),
        signed: client["message-authenticator"],
      })),
      windowMs: coa["window-s"] * 1000,
      timestamps: coa["require-timestamp"],
      formats: parts.formats,
      nasIdentifier: setting.nasIdentifier,
      nasAddresses: own,
    },
    parts.sessions,
    parts.map,
    parts.meters,
    scope,
  );
  const where = {
    port: coa.port,
    ...(coa.local !== undefined && { local: coa.local }),
    ...(coa.netns !== undefined && { netns: coa.netns }),
  };
  const socket = await scope.udp(where, (datagram, from) => {
    // Views are valid until this returns, addresses are kept with the answer.
    const to = { ...from };
    changes.receive(datagram, from, (answer) => void socket.send(answer, to));
  });
}

function requestSetting(scope: Scope, options: RadiusOptions): RequestSetting {
  const templates = {
    callingStationId: options["calling-station-id"],
    calledStationId: options["called-station-id"],
    nasPortId: options["nas-port-id"],
  };
  const sent = options.map.flatMap(({ send }) => send === undefined ? [] : [send]);
  for (const template of [...Object.values(templates), ...sent]) {
    const [unknown] = unknownParts(template);
    if (unknown !== undefined) {
      throw scope.failure("invalid", `${template}: nothing is called {${unknown}} here`);
    }
  }
  return {
    ...templates,
    nasIdentifier: options["nas-identifier"],
    map: options.map,
    ...(options["nas-ip-address"] !== undefined && { nasAddress: options["nas-ip-address"] }),
  };
}

function serverSetting(
  scope: Scope,
  name: string,
  options: RadiusOptions["servers"][string],
): ServerSetting {
  const [auth, acct] = [options["auth-port"], options["acct-port"]];
  return {
    name,
    address: options.address,
    ports: {
      ...(auth !== false && { authentication: auth }),
      ...(acct !== false && { accounting: acct }),
    },
    secret: readSecret(scope, options),
    weight: options.weight,
    backup: options.backup,
    timeoutMs: options["timeout-ms"],
    tries: options.tries,
    deadTimeMs: options["dead-time-s"] * 1000,
    signed: options["message-authenticator"],
    ...(options.source !== undefined && { local: options.source }),
    ...(options.netns !== undefined && { netns: options.netns }),
    ...(options["status-server-s"] !== undefined && { probeMs: options["status-server-s"] * 1000 }),
  };
}

function readSecret(
  scope: Scope,
  { secret, "secret-file": file }: { secret?: string; "secret-file"?: string },
): Secret {
  const text = secret ?? scope.readText(file!).trim();
  if (text === "") throw scope.failure("invalid", `${file} has no secret in it`, "secret-file");
  return makeSecret(utf8(text));
}

function readDictionaries(scope: Scope, files: readonly string[]): Dictionary {
  const dictionary = builtInDictionary();
  for (const file of files) {
    const text = scope.readText(file);
    orInvalid(scope, () =>
      dictionary.load(text, file, (name, from) => {
        const path = name.startsWith("/") ? name : from.replace(/[^/]*$/, name);
        return { file: path, text: scope.readText(path) };
      }));
  }
  return dictionary;
}

/** What is wrong with a dictionary, or a name that none has, is the operator's to mend. */
function orInvalid<T>(scope: Scope, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DictionaryError) throw scope.failure("invalid", error.message);
    throw error;
  }
}
