/** A session that servers may change, and its account where it has one. @module */

import type { Account, Subscriber, TerminateCause, Usage } from "../authenticator.ts";
import type { CallFacts } from "../call.ts";
import type { RadiusAccount } from "./accounting.ts";
import type { Requests } from "./requests.ts";
import type { Known, Sessions } from "./sessions.ts";

/** The session, among all of them until its account stops. */
export class KnownSession implements Known, Account {
  readonly id: string;
  readonly name: string;
  readonly subscriber: Subscriber;
  readonly account: RadiusAccount | undefined;
  readonly #sessions: Sessions;
  readonly #requests: Requests;

  constructor(
    sessions: Sessions,
    requests: Requests,
    { account, call, name, subscriber }: {
      readonly subscriber: Subscriber;
      readonly call: CallFacts;
      readonly name: string;
      readonly account: RadiusAccount | undefined;
    },
  ) {
    this.#sessions = sessions;
    this.#requests = requests;
    this.id = call.id;
    this.name = name;
    this.subscriber = subscriber;
    this.account = account;
  }

  text(type: 30 | 31 | 87): string | undefined {
    return this.#requests.text(type, this.subscriber.call, this.name);
  }

  changed(): void {
    this.account?.changed();
  }

  async stop(cause: TerminateCause, usage: Usage): Promise<void> {
    this.#sessions.remove(this);
    await this.account?.stop(cause, usage);
  }
}
