/** From the options of the file to what the parts of RADIUS are made with. @module */

import type { Scope } from "../../../scope.ts";
import type { RadiusOptions } from "../options.ts";
import type { AccountingSetting } from "./accounting.ts";
import { makeSecret, type Secret } from "./authenticity.ts";
import { builtInDictionary } from "./builtin.ts";
import type { ServerSetting } from "./client.ts";
import { type Dictionary, DictionaryError } from "./dictionary.ts";
import { nasAttributes, type RequestSetting } from "./requests.ts";
import { unknownParts } from "./templates.ts";
import { utf8 } from "./text.ts";

/** How accounts are told of. */
export function accountingSetting(
  options: RadiusOptions,
  setting: RequestSetting,
  { formats }: Dictionary,
): AccountingSetting {
  return {
    interimS: options["interim-s"],
    leastInterimS: options["least-interim-s"],
    jitterPercent: options["jitter-percent"],
    inFlight: options["in-flight"],
    keepDays: options["keep-days"],
    on: options["accounting-on"],
    nas: nasAttributes(setting),
    formats,
  };
}

/** What requests say of us and of calls. @throws {Failure} where a template names what there is not */
export function requestSetting(scope: Scope, options: RadiusOptions): RequestSetting {
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

/** How a server is asked. @throws {Failure} where its secret cannot be had */
export function serverSetting(
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

/** A secret of the file, or of a file of its own. @throws {Failure} where it cannot be had */
export function readSecret(
  scope: Scope,
  { secret, "secret-file": file }: { secret?: string; "secret-file"?: string },
): Secret {
  const text = secret ?? scope.readText(file!).trim();
  if (text === "") throw scope.failure("invalid", `${file} has no secret in it`, "secret-file");
  return makeSecret(utf8(text));
}

/** The built-in dictionary with those of the file. @throws {Failure} naming what is wrong with one */
export function readDictionaries(scope: Scope, files: readonly string[]): Dictionary {
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

/** Runs `work`: what is wrong with a dictionary, or a name that none has, is the operator's to mend. @throws {Failure} */
export function orInvalid<T>(scope: Scope, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DictionaryError) throw scope.failure("invalid", error.message);
    throw error;
  }
}
