/** One session on a circuit: asked for, refused or joined, told of what happens, and let go of. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import { CdnResult } from "../../core/errors.ts";
import { asError, Failure } from "../failure.ts";
import type { Attachment, Circuit } from "../plugin.ts";
import { isRefusal, type Refusal } from "../session.ts";
import type { Endable } from "../scope.ts";
import type { SessionFacts } from "./leaves.ts";
import { HostedSession } from "./hosted_session.ts";
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
  const own = new AttachedSession(inside, facts.name, options, ended);
  const { life } = own;
  begun(life);
  const callOff = () => void life.end(CALLED_OFF);
  if (signal?.aborted) callOff();
  signal?.addEventListener("abort", callOff);
  try {
    const session = new HostedSession(facts, life, life, setting.leaves.clock);
    return await own.join(() => circuit.attach(session, makeScope(life, setting), options));
  } finally {
    signal?.removeEventListener("abort", callOff);
  }
}

/** A session on a circuit, from when it is asked for. */
class AttachedSession implements Attached {
  readonly life: Life;
  readonly #ended: Ended;
  #options: object;
  #attachment: Attachment | undefined;
  /** Until the session is joined, its end is the answer. */
  #early: PromiseWithResolvers<Refusal> | undefined = Promise.withResolvers();
  /** Its owner asked for its end. */
  #asked = false;
  #broke: Error | undefined;

  constructor(inside: Life, name: string, options: object, ended: Ended) {
    this.#ended = ended;
    this.#options = options;
    this.life = inside.child(name, (why, failure) => this.#ends(why, failure));
  }

  get attachment(): Attachment {
    return this.#attachment!;
  }

  /** Asks the plugin. */
  async join(ask: () => Attachment | Refusal | Promise<Attachment | Refusal>) {
    const { life } = this;
    const attaching = (async () => await ask())();
    let answer: Attachment | Refusal;
    try {
      answer = await Promise.race([attaching, this.#early!.promise]);
      // What `receive` began is part of it: the peer's first frame finds its receiver.
      if (!isRefusal(answer)) await life.settled();
      if (!isRefusal(answer) && life.ending) answer = { refuse: life.ending };
    } catch (error) {
      const failure = asError(error);
      life.fail(failure);
      await life.end(life.ending!);
      throw this.#broke ?? failure;
    }
    if (isRefusal(answer)) {
      // It may still be under way; what it asks for from now on is refused.
      attaching.catch(() => {});
      await life.end(answer.refuse);
      if (this.#broke) throw this.#broke;
      return answer;
    }
    this.#early = undefined;
    this.#attachment = answer;
    return this;
  }

  async changed(): Promise<void> {
    if (!this.life.ending) await this.attachment.changed?.();
  }

  fail(failure: Error): void {
    this.life.fail(failure);
  }

  heard(message: CallMessage, said: CallAvps): void {
    if (this.life.ending) return;
    try {
      this.attachment.heard?.(message, said);
    } catch (error) {
      this.fail(asError(error));
    }
  }

  async reconfigure(options: object): Promise<boolean> {
    const { life } = this;
    if (life.ending) throw new Failure("unavailable", `${life.label} has ended`);
    const taken = await change(this.attachment, this.#options, options, life);
    if (taken) this.#options = options;
    return taken;
  }

  async circuitChanged(): Promise<void> {
    if (this.life.ending) return;
    try {
      await this.attachment.reconfigure?.(this.#options);
    } catch (error) {
      this.fail(asError(error));
    }
  }

  end(why: CallEnd): Promise<void> {
    this.#asked = true;
    return this.life.end(why);
  }

  #ends(why: CallEnd, failure: Error | undefined): void {
    this.#broke = failure;
    if (this.#early) this.#early.resolve({ refuse: why });
    else if (!this.#asked) this.#ended(why, failure);
  }
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
