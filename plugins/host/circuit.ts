/** A circuit as the host runs it: kept for as long as it shall be there, with the sessions that attach to it. @module */

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
  { changed: changedState = () => {}, over }: CircuitEvents & { over(): void },
): ServedCircuit {
  const keeping = { clock: setting.leaves.clock, listing: setting.listing };
  let options = first;
  let circuit: Circuit | undefined;
  let keeper: Keeper | undefined;
  let down: Error = new Failure("unavailable", `the plugin ${setting.plugin} is not up yet`);
  let places = 0;
  let waiting = 0;
  const joined = new Set<Attached>();
  const outcome = Promise.withResolvers<Error | undefined>();

  const failure = () => circuit ? undefined : keeper?.failure ?? down;
  const refuse = (message: string): Refusal => ({
    refuse: { result: CdnResult.NoFacilitiesNow, message },
  });
  /** In words that a peer may read: nothing of how our configuration calls it. */
  const refusal = () => {
    const what = `the ${setting.plugin} circuit`;
    if (!circuit) return refuse(`${what} is down: ${failure()?.message}`);
    const { sessions = Infinity } = circuit;
    if (places >= sessions) {
      return refuse(`${what} already carries ${places === 1 ? "a session" : `${places} sessions`}`);
    }
    if (waiting >= MAX_WAITING) return refuse(`${waiting} calls wait for ${what}`);
  };

  const join = async (inside: Life, asking: Omit<Asking, "begun">) => {
    let life: Life;
    waiting++;
    try {
      const answer = await attach(inside, setting, circuit!, {
        ...asking,
        begun(its) {
          life = its;
          places++;
          // First in, last out: the place is free when all else is undone.
          life.push(() => places--);
        },
      });
      if (isRefusal(answer)) return answer;
      joined.add(answer);
      life!.push(() => joined.delete(answer));
      return answer;
    } finally {
      waiting--;
    }
  };

  const changed = (of: Keeper) => {
    if (of !== keeper) return;
    if (of.state !== "up") circuit = undefined;
    outcome.resolve(of.failure);
    changedState(of.failure);
  };

  return {
    plugin: setting.plugin,
    get up() {
      return circuit !== undefined;
    },
    get reason() {
      return failure()?.message;
    },
    get retryAt() {
      return keeper?.retryAt;
    },
    get sessions() {
      return places;
    },
    first: outcome.promise,
    refusal,
    begin(service, inside) {
      keeper = keep(inside, keeping, label, async (life) => {
        if (!service.provision) {
          throw new Failure("invalid", `the plugin ${setting.plugin} has no circuits`);
        }
        const made = await service.provision(makeScope(life, setting), options);
        if (!life.ending) circuit = made;
      }, changed);
    },
    serviceDown(failure) {
      keeper = undefined;
      circuit = undefined;
      down = failure;
      outcome.resolve(failure);
      changedState(failure);
    },
    async attach(facts, options, ended, signal) {
      return refusal() ?? await join(keeper!.life!, { facts, options, ended, signal });
    },
    async reconfigure(next) {
      if (!circuit || !keeper?.life) {
        options = next;
        return true;
      }
      const { life } = keeper;
      if (!await change(circuit, options, next, life)) return false;
      options = next;
      for (const each of joined) await each.circuitChanged();
      return true;
    },
    async retry() {
      if (circuit || !keeper) return failure();
      return await keeper.restart({ result: CdnResult.Administrative, message: "tried again" });
    },
    async end(why) {
      await keeper?.end(why);
      circuit = undefined;
      over();
    },
  };
}
