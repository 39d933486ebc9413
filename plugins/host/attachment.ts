/** One session on a circuit: asked for, refused or joined, told of what happens, and let go of. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import { CdnResult } from "../../core/errors.ts";
import { asError, Failure } from "../failure.ts";
import type { Attachment, Circuit } from "../plugin.ts";
import { isRefusal, type Refusal, type Session } from "../session.ts";
import type { Endable } from "../scope.ts";
import { damped, timingOf } from "./damped.ts";
import type { SessionFacts } from "./leaves.ts";
import type { Life } from "./life.ts";
import { makeScope, type ScopeSetting } from "./scope.ts";

export type { SessionFacts };

/** A session that is joined to a circuit. */
export interface Attached extends Endable {
  /** What the plugin tells of it. */
  readonly attachment: Attachment;
  /** {@linkcode SessionEvents.changed}. Rejects where the plugin cannot follow; what then, the caller decides. */
  changed(): Promise<void>;
  /** Ends it for a fault. */
  fail(failure: Error): void;
  heard(message: CallMessage, said: CallAvps): void;
  /** Takes changed port options; false: the session is to be attached anew. Throws, and has gone back then. */
  reconfigure(options: object): Promise<boolean>;
  /** The circuit took other options: the session's own may mean something else now. A defect breaks this session. */
  circuitChanged(): Promise<void>;
}

/** Called once, when a joined session begins to end and its owner did not ask for that. */
export type Ended = (why: CallEnd, failure: Error | undefined) => void;

const CALLED_OFF: CallEnd = { result: CdnResult.Administrative, message: "it was called off" };

/** A session that asks for a circuit. */
export interface Asking {
  readonly facts: SessionFacts;
  /** The port options. */
  readonly options: object;
  readonly ended: Ended;
  /** Aborted where nobody waits for the answer any more. */
  readonly signal: AbortSignal | undefined;
  /** Called with its life before the plugin is asked. */
  begun(life: Life): void;
}

/**
 * Joins a session. Whatever comes of it: when the answer is a refusal or a rejection, all is undone.
 * @param inside the life that it is to be part of
 */
export async function attach(
  inside: Life,
  setting: ScopeSetting,
  circuit: Circuit,
  { begun, ended, facts, options, signal }: Asking,
): Promise<Attached | Refusal> {
  /** Until the session is joined, its end is the answer. */
  const early = Promise.withResolvers<Refusal>();
  let joined = false;
  let asked = false;
  let broke: Error | undefined;
  const life = inside.child(facts.name, (why, failure) => {
    broke = failure;
    if (!joined) early.resolve({ refuse: why });
    else if (!asked) ended(why, failure);
  });
  begun(life);
  const callOff = () => void life.end(CALLED_OFF);
  if (signal?.aborted) callOff();
  signal?.addEventListener("abort", callOff);
  life.push(() => signal?.removeEventListener("abort", callOff));
  const { clock } = setting.leaves;
  const session = Object.create(facts, {
    end: { value: (why: CallEnd) => void life.end(why), enumerable: true },
    carrier: { value: damped(timingOf(life, clock), facts.carrier), enumerable: true },
  }) as Session;
  const attaching =
    (async () => await circuit.attach(session, makeScope(life, setting), options))();
  let answer: Attachment | Refusal;
  try {
    answer = await Promise.race([attaching, early.promise]);
    // What `receive` began is part of it: the peer's first frame finds its receiver.
    if (!isRefusal(answer)) await life.settled();
    if (!isRefusal(answer) && life.ending) answer = { refuse: life.ending };
  } catch (error) {
    const failure = asError(error);
    life.fail(failure);
    await life.end(life.ending!);
    throw broke ?? failure;
  }
  if (isRefusal(answer)) {
    // It may still be under way; what it asks for from now on is refused.
    attaching.catch(() => {});
    await life.end(answer.refuse);
    if (broke) throw broke;
    return answer;
  }
  joined = true;
  return attached(life, answer, options, () => asked = true);
}

function attached(
  life: Life,
  attachment: Attachment,
  first: object,
  ask: () => void,
): Attached {
  let current = first;
  const guard = (work: () => void) => {
    if (life.ending) return;
    try {
      work();
    } catch (error) {
      life.fail(asError(error));
    }
  };
  return {
    attachment,
    async changed() {
      if (!life.ending) await attachment.changed?.();
    },
    fail: life.fail,
    heard: (message, said) => guard(() => attachment.heard?.(message, said)),
    async reconfigure(options) {
      if (life.ending) throw new Failure("unavailable", `${life.label} has ended`);
      const taken = await change(attachment, current, options, life);
      if (taken) current = options;
      return taken;
    },
    async circuitChanged() {
      if (life.ending) return;
      try {
        await attachment.reconfigure?.(current);
      } catch (error) {
        life.fail(asError(error));
      }
    },
    end(why) {
      ask();
      return life.end(why);
    },
  };
}

/** What takes changed options: a service its section, a circuit or an attachment its options. */
export interface Reconfigurable<Options> {
  reconfigure?(options: Options): boolean | Promise<boolean>;
}

/**
 * Hands changed options on; false: whoever has them is to begin anew. Where it throws, it gets the former ones again, and
 * the error passes on; where it will not have those either, its life fails.
 */
export async function change<Options>(
  of: Reconfigurable<Options>,
  before: Options,
  after: Options,
  life: Life,
): Promise<boolean> {
  try {
    return await of.reconfigure?.(after) ?? false;
  } catch (error) {
    try {
      await of.reconfigure?.(before);
    } catch (again) {
      life.fail(asError(again));
    }
    throw error;
  }
}
