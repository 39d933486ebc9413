/** Sessions as plugins have them. @module */

import type { CallAvps } from "../../core/wire/call_avps.ts";
import type { Port } from "../ports.ts";
import type { Endable } from "../scope.ts";
import type { Session, SessionTunnel } from "../session.ts";
import { damped, timingOf } from "./damped.ts";
import type { Clock, SessionFacts } from "./leaves.ts";
import type { Life } from "./life.ts";

/** A session as its plugin has it: live, and to be ended. */
export class HostedSession implements Session {
  readonly id: string;
  readonly name: string;
  readonly pseudowireType: number;
  declare readonly request?: "ICRQ" | "OCRQ";
  declare readonly tunnel?: SessionTunnel;
  declare readonly serial?: number;
  readonly port: Port;
  readonly #facts: SessionFacts;
  readonly #own: Endable;
  readonly #life: Life;
  readonly #clock: Clock;
  #carrier: Session["carrier"] | undefined;

  /** @param own what its end ends; @param life what it lasts as long as */
  constructor(facts: SessionFacts, own: Endable, life: Life, clock: Clock) {
    this.id = facts.id;
    this.name = facts.name;
    this.pseudowireType = facts.pseudowireType;
    if (facts.request) this.request = facts.request;
    if (facts.tunnel) this.tunnel = facts.tunnel;
    if (facts.serial !== undefined) this.serial = facts.serial;
    this.port = facts.port;
    this.#facts = facts;
    this.#own = own;
    this.#life = life;
    this.#clock = clock;
  }

  get said(): CallAvps {
    return this.#facts.said;
  }

  get up(): boolean {
    return this.#facts.up;
  }

  // Functions that plugins may hand on: they need no `this`.

  get connected(): Session["connected"] {
    return () => this.#facts.connected();
  }

  get tell(): Session["tell"] {
    return (message, said) => this.#facts.tell(message, said);
  }

  get end(): Session["end"] {
    return (why) => void this.#own.end(why);
  }

  get carrier(): Session["carrier"] {
    return this.#carrier ??= damped(
      timingOf(this.#life, this.#clock),
      (up) => this.#facts.carrier(up),
    );
  }
}
