/** Where a call is placed on, as `ppp: aaa` says it: by who the caller proved to be to its LAC, or by the number that it called. @module */

import type { CallAvps, Refusal, Scope, Session, Target } from "../plugin.ts";
import type { Asked, Authenticator } from "../ppp/aaa/authenticator.ts";
import { factsOf } from "../ppp/aaa/call.ts";
import { serverTargetOf } from "../ppp/aaa/target.ts";
import { askedOf } from "../ppp/link/proxy.ts";
import { CHALLENGE_LENGTH, RESPONSE_LENGTH } from "../ppp/link/mschapv2.ts";
import { asError } from "../failure.ts";
import { calledOf } from "./avps.ts";
import type { Rule } from "./options.ts";

/** Where a call may go, and what is said there beside all else. */
export interface Way {
  readonly target: Target;
  readonly say?: CallAvps;
}

/** What is asked for a rule's sake. */
export type By = NonNullable<Rule["ask"]>;

/** Ways that a reply names, best first; none: it names no LNS. Never rejects. */
export async function askedWays(
  near: Session,
  life: Scope,
  by: By,
  said: CallAvps,
): Promise<readonly Way[] | Refusal> {
  const asked = by === "called-number" ? byNumber(said) : byProxy(said);
  if (!asked) return refuse(`the caller tells nothing that could be asked for by its ${by}`);
  let authenticator: Authenticator;
  try {
    authenticator = life.service("ppp") as Authenticator;
  } catch (error) {
    return refuse(`nobody can be asked: ${asError(error).message}`);
  }
  const answer = await authenticator.check(asked, factsOf(near), life.signal);
  if (answer.kind !== "accept") {
    life.log("warn", "a call is not placed on", { reason: answer.reason });
    // Who is told no is not to try again; where nobody answers, another LCCE may do better.
    const result = answer.kind === "reject" ? ADMINISTRATIVE : NO_FACILITIES_NOW;
    return { refuse: { result, message: answer.reason } };
  }
  return (answer.grant.tunnels ?? []).map((tunnel) => ({
    target: serverTargetOf(tunnel),
    ...(tunnel.privateGroupId && { say: { privateGroupId: tunnel.privateGroupId } }),
  }));
}

const ADMINISTRATIVE = 3;
const NO_FACILITIES_NOW = 4;

function refuse(message: string): Refusal {
  return { refuse: { result: NO_FACILITIES_NOW, message } };
}

function byNumber(said: CallAvps): Asked | undefined {
  const name = new TextEncoder().encode(calledOf(said));
  return name.length > 0 ? { kind: "none", name } : undefined;
}

/** MS-CHAPv2 is CHAP to L2TP: its lengths tell it. */
function byProxy({ proxyAuth }: CallAvps): Asked | undefined {
  if (!proxyAuth) return undefined;
  const isMs = proxyAuth.challenge?.length === CHALLENGE_LENGTH &&
    proxyAuth.response?.length === RESPONSE_LENGTH;
  return askedOf(proxyAuth, "pap") ?? askedOf(proxyAuth, isMs ? "mschapv2" : "chap-md5");
}
