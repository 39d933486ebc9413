/** Authentication, authorization and accounting, as the configuration has them. @module */

import { isDeepStrictEqual } from "node:util";
import type { Scope } from "../../scope.ts";
import type { Row } from "../../values.ts";
import type { Answer, Authenticator } from "./authenticator.ts";
import { NO_ACCOUNT, nobodyAsked } from "./none.ts";
import type { AaaOptions, RadiusOptions } from "./options.ts";

export * from "./authenticator.ts";
export { type CallTunnel, factsOf } from "./call.ts";

/** All of it, with what operators see. */
export interface Aaa extends Authenticator {
  /** RADIUS servers, a row for each and what it is asked for. */
  rows(): Row[];
  /** Takes other options in place; false: it has to be begun anew. */
  reconfigure(setting: AaaSetting): Promise<boolean>;
}

/** What the configuration says. */
export interface AaaSetting {
  readonly aaa: AaaOptions;
  readonly radius?: RadiusOptions | undefined;
}

/** What is wrong with `aaa:` and `radius:` together. */
export function checkAaa({ aaa, radius }: AaaSetting): readonly string[] {
  const asked = [...aaa.authenticate, ...aaa.account];
  return [
    ...(asked.includes("radius") && !radius
      ? ["aaa asks radius, and there is no radius section"]
      : []),
    ...(asked.includes("local") && aaa.users === undefined
      ? ["aaa asks local, and names no file of users"]
      : []),
  ];
}

/**
 * Begins. Those that are asked are asked in order: the next one where one does not know the user or cannot be reached.
 *
 * @throws {Failure} where a file cannot be read or is wrong, or a socket cannot be had
 */
export async function openAaa(scope: Scope, { aaa, radius }: AaaSetting): Promise<Aaa> {
  const accounts = aaa.account.includes("radius");
  const wanted = accounts || aaa.authenticate.includes("radius");
  // Each is loaded where it is asked for.
  const servers = radius && wanted
    ? await (await import("./radius/mod.ts")).openRadius(scope, radius, accounts)
    : undefined;
  const opened = await Promise.all(aaa.authenticate.map(async (kind) => {
    if (kind === "radius") return servers;
    if (kind === "none") return nobodyAsked;
    return (await import("./local.ts")).openLocal(scope, aaa.users ?? "");
  }));
  const chain = opened.filter((one) => one !== undefined);
  return {
    async check(asked, call, signal) {
      let answer: Answer = { kind: "unreachable", reason: "nobody is there to be asked" };
      for (const one of chain) {
        answer = await one.check(asked, call, signal);
        const known = answer.kind === "accept" || (answer.kind === "reject" && !answer.unknownUser);
        if (known || signal.aborted) return answer;
      }
      return answer;
    },
    account: (subscriber) => servers?.account(subscriber) ?? NO_ACCOUNT,
    tunnel: (record) => servers?.tunnel(record),
    rows: () => servers?.rows() ?? [],
    async reconfigure(next) {
      if (!isDeepStrictEqual(next.aaa, aaa)) return false;
      if (!servers) return isDeepStrictEqual(next.radius, radius);
      if (!next.radius) return false;
      await servers.reconfigure(next.radius);
      return true;
    },
  };
}
