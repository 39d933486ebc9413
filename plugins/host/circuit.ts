/** A circuit as the host runs it: kept for as long as it shall be there, with the sessions that attach to it. @module */

import type { CallEnd } from "../../core/wire/call_avps.ts";
import { CdnResult } from "../../core/errors.ts";
import { Failure } from "../failure.ts";
import type { Circuit, Service } from "../plugin.ts";
import type { Endable } from "../scope.ts";
import { isRefusal, type Refusal } from "../session.ts";
import {
  type Asking,
  attach,
  type Attached,
  change,
  type Ended,
  type SessionFacts,
} from "./attachment.ts";
import { keep, type Keeper } from "./keeper.ts";
import type { Life } from "./life.ts";
import { makeScope, type ScopeSetting } from "./scope.ts";

/** How many sessions of a circuit may wait for its answer at once. */
export const MAX_WAITING = 4096;

/** A circuit that is wanted. Its end is for good. */
export interface HostedCircuit extends Endable {
  readonly plugin: string;
  readonly up: boolean;
  /** Why it is down. */
  readonly reason: string | undefined;
  /** When it is tried again, in the clock's time. */
  readonly retryAt: number | undefined;
  /** Sessions that are joined, or on their way. */
  readonly sessions: number;
  /** Resolves when it was up or failed for the first time, with the failure. */
  readonly first: Promise<Error | undefined>;
  /** Why it would take no session now; undefined: it may take one. */
  refusal(): Refusal | undefined;
  /** Asks for a session to be joined; rejects with the failure where that broke. */
  attach(
    facts: SessionFacts,
    options: object,
    ended: Ended,
    signal?: AbortSignal,
  ): Promise<Attached | Refusal>;
  /** Takes changed options; false: it is to be made anew. Throws, and has gone back then. */
  reconfigure(options: object): Promise<boolean>;
  /** Tries it now, if it is down; resolves with the failure. */
  retry(): Promise<Error | undefined>;
}

/** What the host tells of a circuit. */
export interface CircuitEvents {
  /** It came up, or failed: then with the failure. */
  changed?(failure: Error | undefined): void;
}

/** A circuit, and what its service tells it. */
export interface ServedCircuit extends HostedCircuit {
  /** The service is up: the circuit begins in its life. */
  begin(service: Service, inside: Life): void;
  /** The service is down. */
  serviceDown(failure: Error): void;
}

/**
 * A circuit of a service that is not up yet.
 * @param label for messages (`circuit lan`)
 */
export function makeCircuit(
  setting: ScopeSetting,
  label: string,
  first: object,
  events: CircuitEvents & { over(): void },
): ServedCircuit {
  return new OwnCircuit(setting, label, first, events);
}

class OwnCircuit implements ServedCircuit {
  readonly plugin: string;
  readonly first: Promise<Error | undefined>;
  readonly #setting: ScopeSetting;
  readonly #label: string;
  readonly #events: CircuitEvents & { over(): void };
  readonly #joined = new Set<Attached>();
  readonly #outcome = Promise.withResolvers<Error | undefined>();
  #options: object;
  #circuit: Circuit | undefined;
  #keeper: Keeper | undefined;
  #down: Error;
  #places = 0;
  #waiting = 0;

  constructor(
    setting: ScopeSetting,
    label: string,
    first: object,
    events: CircuitEvents & { over(): void },
  ) {
    this.plugin = setting.plugin;
    this.first = this.#outcome.promise;
    this.#setting = setting;
    this.#label = label;
    this.#events = events;
    this.#options = first;
    this.#down = new Failure("unavailable", `the plugin ${setting.plugin} is not up yet`);
  }

  get up(): boolean {
    return this.#circuit !== undefined;
  }

  get reason(): string | undefined {
    return this.#failure()?.message;
  }

  get retryAt(): number | undefined {
    return this.#keeper?.retryAt;
  }

  get sessions(): number {
    return this.#places;
  }

  /** In words that a peer may read: nothing of how our configuration calls it. */
  refusal(): Refusal | undefined {
    const what = `the ${this.plugin} circuit`;
    const [places, waiting] = [this.#places, this.#waiting];
    if (!this.#circuit) return refuse(`${what} is down: ${this.#failure()?.message}`);
    const { sessions = Infinity } = this.#circuit;
    if (places >= sessions) {
      return refuse(`${what} already carries ${places === 1 ? "a session" : `${places} sessions`}`);
    }
    if (waiting >= MAX_WAITING) return refuse(`${waiting} calls wait for ${what}`);
  }

  begin(service: Service, inside: Life): void {
    const { leaves: { clock }, listing } = this.#setting;
    this.#keeper = keep(inside, { clock, listing }, this.#label, async (life) => {
      if (!service.provision) {
        throw new Failure("invalid", `the plugin ${this.plugin} has no circuits`);
      }
      const made = await service.provision(makeScope(life, this.#setting), this.#options);
      if (!life.ending) this.#circuit = made;
    }, (keeper) => this.#changed(keeper));
  }

  serviceDown(failure: Error): void {
    this.#keeper = undefined;
    this.#circuit = undefined;
    this.#down = failure;
    this.#tell(failure);
  }

  async attach(
    facts: SessionFacts,
    options: object,
    ended: Ended,
    signal?: AbortSignal,
  ): Promise<Attached | Refusal> {
    return this.refusal() ??
      await this.#join(this.#keeper!.life!, { facts, options, ended, signal });
  }

  async reconfigure(next: object): Promise<boolean> {
    const life = this.#keeper?.life;
    if (!this.#circuit || !life) {
      this.#options = next;
      return true;
    }
    if (!await change(this.#circuit, this.#options, next, life)) return false;
    this.#options = next;
    for (const each of this.#joined) await each.circuitChanged();
    return true;
  }

  async retry(): Promise<Error | undefined> {
    if (this.#circuit || !this.#keeper) return this.#failure();
    return await this.#keeper.restart({
      result: CdnResult.Administrative,
      message: "tried again",
    });
  }

  async end(why: CallEnd): Promise<void> {
    await this.#keeper?.end(why);
    this.#circuit = undefined;
    this.#events.over();
  }

  #failure(): Error | undefined {
    return this.#circuit ? undefined : this.#keeper?.failure ?? this.#down;
  }

  async #join(inside: Life, asking: Omit<Asking, "begun">): Promise<Attached | Refusal> {
    let life: Life;
    this.#waiting++;
    try {
      const answer = await attach(inside, this.#setting, this.#circuit!, {
        ...asking,
        begun: (its) => {
          life = its;
          this.#places++;
          // First in, last out: the place is free when all else is undone.
          life.push(() => this.#places--);
        },
      });
      if (isRefusal(answer)) return answer;
      this.#joined.add(answer);
      life!.push(() => this.#joined.delete(answer));
      return answer;
    } finally {
      this.#waiting--;
    }
  }

  #changed(of: Keeper): void {
    if (of !== this.#keeper) return;
    if (of.state !== "up") this.#circuit = undefined;
    this.#tell(of.failure);
  }

  #tell(failure: Error | undefined): void {
    this.#outcome.resolve(failure);
    this.#events.changed?.(failure);
  }
}

function refuse(message: string): Refusal {
  return { refuse: { result: CdnResult.NoFacilitiesNow, message } };
}
