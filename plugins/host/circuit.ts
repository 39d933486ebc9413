/** A circuit as the host runs it: kept for as long as it shall be there, with the sessions that attach to it. @module */

import type { CallEnd } from "../../core/call_avps.ts";
import { CdnResult } from "../../core/errors.ts";
import { asError, Failure } from "../failure.ts";
import type { Circuit, Service } from "../plugin.ts";
import type { Endable } from "../scope.ts";
import { isRefusal, type Refusal } from "../session.ts";
import { attach, type Attached, change, type Ended, type SessionFacts } from "./attachment.ts";
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
  attach(facts: SessionFacts, options: object, ended: Ended): Promise<Attached | Refusal>;
  /** Joins a session now and again, for as long as it is wanted: when the circuit comes up, and after an end. */
  keep(facts: SessionFacts, options: object, changed: () => void): KeptSession;
  /** Takes changed options; false: it is to be made anew. Throws, and has gone back then. */
  reconfigure(options: object): Promise<boolean>;
  /** Tries it now, if it is down; resolves with the failure. */
  retry(): Promise<Error | undefined>;
}

/** A session that is joined again and again. Its end is for good. */
export interface KeptSession extends Endable {
  /** While it is joined. */
  readonly attached: Attached | undefined;
  /** Why it is not. */
  readonly reason: string | undefined;
  /** Resolves when it was joined or failed for the first time, with the failure. */
  readonly first: Promise<Error | undefined>;
  /** Takes changed port options, where need be by attaching anew. Throws, and has gone back then. */
  reconfigure(options: object): Promise<void>;
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
 * @param over called when it has ended for good
 */
export function makeCircuit(
  setting: ScopeSetting,
  label: string,
  first: object,
  over: () => void,
): ServedCircuit {
  const keeping = { clock: setting.leaves.clock, listing: setting.listing };
  let options = first;
  let circuit: Circuit | undefined;
  let keeper: Keeper | undefined;
  let down: Error = new Failure("unavailable", `the plugin ${setting.plugin} is not up yet`);
  let places = 0;
  let waiting = 0;
  const joined = new Set<Attached>();
  const kept = new Set<{ begin(): void }>();
  const outcome = Promise.withResolvers<Error | undefined>();

  const failure = () => circuit ? undefined : keeper?.failure ?? down;
  const refuse = (message: string): Refusal => ({
    refuse: { result: CdnResult.NoFacilitiesNow, message },
  });
  const refusal = () => {
    if (!circuit) return refuse(`${label} is down: ${failure()?.message}`);
    const { sessions = Infinity } = circuit;
    if (places >= sessions) {
      return refuse(
        `${label} already carries ${places === 1 ? "a session" : `${places} sessions`}`,
      );
    }
    if (waiting >= MAX_WAITING) return refuse(`${waiting} sessions wait for ${label}`);
  };

  const join = async (inside: Life, facts: SessionFacts, own: object, ended: Ended) => {
    const refused = refusal();
    if (refused) return refused;
    let life: Life;
    waiting++;
    try {
      const answer = await attach(inside, setting, circuit!, {
        facts,
        options: own,
        ended,
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
    if (of.state === "up") {
      for (const each of kept) each.begin();
    } else circuit = undefined;
    outcome.resolve(of.failure);
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
    },
    async attach(facts, own, ended) {
      const inside = keeper?.life;
      return refusal() ?? await join(inside!, facts, own, ended);
    },
    keep(facts, own, changed) {
      const session = keptSession(facts, own, {
        join,
        label,
        changed,
        keep: (label, begin, changed) =>
          keeper?.life && circuit && keep(keeper.life, keeping, label, begin, changed),
        reason: () => failure()?.message,
        over: () => kept.delete(session),
      });
      kept.add(session);
      session.begin();
      return session;
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

/** What a kept session needs of its circuit. */
interface KeptSetting {
  readonly label: string;
  join(inside: Life, facts: SessionFacts, own: object, ended: Ended): Promise<Attached | Refusal>;
  /** Keeps something in the circuit's life; undefined: the circuit is down. */
  keep(
    label: string,
    begin: (life: Life) => Promise<void>,
    changed: (keeper: Keeper) => void,
  ): Keeper | undefined;
  reason(): string | undefined;
  changed(): void;
  over(): void;
}

const AGAIN: CallEnd = { result: CdnResult.Administrative, message: "attached anew" };

function keptSession(
  facts: SessionFacts,
  first: object,
  setting: KeptSetting,
): KeptSession & { begin(): void } {
  let options = first;
  let keeper: Keeper | undefined;
  let attached: Attached | undefined;
  const outcome = Promise.withResolvers<Error | undefined>();

  const changed = (of: Keeper) => {
    if (of.state !== "up") attached = undefined;
    outcome.resolve(of.failure);
    setting.changed();
  };
  const begin = async (life: Life) => {
    const ended: Ended = (why, failure) => life.fail(failure ?? saying(why));
    const answer = await setting.join(life, facts, options, ended);
    if (isRefusal(answer)) throw saying(answer.refuse);
    attached = answer;
  };
  const saying = ({ message, result }: CallEnd) =>
    new Failure("unavailable", message ?? `${setting.label} ended it with result ${result}`);

  return {
    get attached() {
      return attached;
    },
    get reason() {
      if (attached) return undefined;
      return setting.reason() ?? keeper?.failure?.message ?? "not attached yet";
    },
    first: outcome.promise,
    begin() {
      keeper = setting.keep(facts.name, begin, changed);
      if (!keeper) outcome.resolve(new Failure("unavailable", setting.reason() ?? "down"));
    },
    async reconfigure(next) {
      const before = options;
      options = next;
      if (!attached || !keeper) return;
      try {
        if (await attached.reconfigure(next)) return;
        const failure = await keeper.restart(AGAIN);
        if (failure) throw failure;
      } catch (error) {
        options = before;
        if (!attached) await keeper.restart(AGAIN);
        throw asError(error);
      }
    },
    async end(why) {
      setting.over();
      await keeper?.end(why);
    },
  };
}
