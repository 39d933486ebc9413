/** How a subscriber proves who it is: the authenticator is asked, and the client is told what came of it. @module */

import type { Scope, Session } from "../../plugin.ts";
import type { Answer, Asked, Grant } from "../aaa/authenticator.ts";
import { factsOf } from "../aaa/call.ts";
import type { DrivenLink } from "../drive.ts";
import { printable } from "../link/auth.ts";
import { authEnd, Cause, Direction } from "../link/end.ts";
import type { Link } from "../link/link.ts";
import { Protocol } from "../link/wire.ts";
import type { Termination } from "../termination.ts";

/** The session whose login it is. */
export interface LoginSession {
  readonly scope: Scope;
  readonly session: Session;
  readonly termination: Termination;
  readonly driven: DrivenLink;
  /** Makes a place for a subscriber; a text says why there is none. One that is here already stays as it is. */
  admit(grant: Grant): Promise<string | undefined>;
  /** It has been let in before. */
  readonly admitted: boolean;
  /** It may not come in. */
  failed(user: string, stage: string, reason: string): void;
}

/** The logins of one session: LCP may begin anew while an answer is awaited, and only the last one counts. */
export class Login {
  readonly #own: LoginSession;
  #last = 0;
  /** Of the one that is asked for now. */
  #asking: AbortController | undefined;

  constructor(own: LoginSession) {
    this.#own = own;
  }

  /** Whether anybody has been asked yet. */
  get begun(): boolean {
    return this.#last > 0;
  }

  /** LCP begins anew, or the session ends: what is awaited is of no interest any more. */
  giveUp(): void {
    this.#last++;
    this.#asking?.abort();
    this.#asking = undefined;
  }

  /** The client has said who it is. */
  asked(asked: Asked): void {
    this.#check(asked, (grant, link, now) => link.accept(successOf(asked, grant), now));
  }

  /** Nobody has to prove anything: who it is follows from the line. */
  unasked(): void {
    const { session } = this.#own;
    const name = new TextEncoder().encode(session.said.callingNumber ?? session.name);
    this.#check({ kind: "none", name }, (_grant, link, now) => link.network(now));
  }

  #check(asked: Asked, letIn: (grant: Grant, link: Link, now: number) => void): void {
    const { driven, scope, session, termination } = this.#own;
    this.giveUp();
    const login = this.#last;
    const asking = this.#asking = new AbortController();
    const isOver = () => login !== this.#last || scope.ending;
    const call = { ...factsOf(session), termination: termination.name };
    const user = printable(asked.name);
    termination.authenticator.check(asked, call, asking.signal).then(async (answer) => {
      if (isOver()) return;
      this.#asking = undefined;
      // Who was let in is not put out because nobody can be asked.
      if (answer.kind === "unreachable" && this.#own.admitted) {
        return driven.run((link, now) => link.postpone(now));
      }
      if (answer.kind !== "accept") return this.#rejected(user, answer);
      const { grant } = answer;
      const refusal = await this.#own.admit(grant);
      if (isOver()) return;
      if (refusal !== undefined) {
        return this.#rejected(user, { kind: "reject", reason: refusal, message: refusal });
      }
      termination.subscribers.counters.accepted.add();
      driven.run((link, now) => letIn(grant, link, now));
    }).catch(scope.fail);
  }

  #rejected(user: string, answer: Exclude<Answer, { kind: "accept" }>): void {
    const { driven, scope, termination } = this.#own;
    termination.subscribers.counters.rejected.add();
    this.#own.failed(user, "authentication", answer.reason);
    const unreachable = answer.kind === "unreachable";
    const message = unreachable ? "try again later" : answer.msChapError ?? answer.message ?? "";
    const { agreed } = driven.link;
    const protocol = agreed.authenticate === "pap" ? Protocol.Pap : Protocol.Chap;
    const end = authEnd(answer.reason, protocol, Cause.AuthFailed, Direction.Peer);
    const said = agreed.authenticate === "mschapv2" && !/^E=/.test(message)
      ? msChapFailure(scope, unreachable ? 649 : 691, message)
      : message;
    driven.run((link, now) => link.reject(said, end, now));
  }
}

/** What an accepted client is told. */
function successOf(asked: Asked, grant: Grant): string {
  if (asked.kind === "mschapv2") return grant.msChapSuccess ?? "";
  return grant.message ?? "";
}

/** A Failure of MS-CHAPv2 (RFC 2759 §6): not to be tried again on this link. */
function msChapFailure(scope: Scope, code: number, message: string): string {
  const challenge = scope.random(16).toHex().toUpperCase();
  return `E=${code} R=0 C=${challenge} V=3 M=${message || "Authentication failed"}`;
}
