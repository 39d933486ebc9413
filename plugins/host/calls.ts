/** Calls that plugins place, and ports that they hand to circuits. @module */

import type { CallEnd } from "../../core/wire/call_avps.ts";
import {
  type Attachment,
  type CallAvps,
  type Channel,
  isRefusal,
  type PlacedCall,
  type PlaceOptions,
  type Refusal,
  type Target,
} from "../session.ts";
import { HostedSession } from "./hosted_session.ts";
import type { Clock, Leaves, PlacedLeaf } from "./leaves.ts";
import type { Had, Life } from "./life.ts";

/** Runs a plugin's callback. */
type Guard = (callback: () => void) => void;

/** Places a call in a life. @throws {Failure} */
export function placeCall(
  life: Life,
  leaves: Leaves,
  guard: Guard,
  target: Target,
  say: CallAvps,
  options: PlaceOptions,
): Promise<PlacedCall | Refusal> {
  const { pseudowireType, request, sequencing } = options;
  return life.own(async (): Promise<Had<PlacedCall | Refusal>> => {
    const call = await whileAsked(life, (signal) =>
      leaves.place(target, say, {
        pseudowireType,
        ...(request && { request }),
        ...(sequencing !== undefined && { sequencing }),
        changed: () => guardChange(life, () => options.changed?.()),
        heard: (message, said) => guard(() => options.heard?.(message, said)),
        ended: (why, lost) => guard(() => options.ended?.(why, lost)),
      }, signal));
    if (isRefusal(call)) return { value: call, undo: () => {} };
    return { value: new HostedCall(call, life, leaves.clock), undo: call.end };
  });
}

/** A call as the plugin that placed it has it. */
class HostedCall extends HostedSession implements PlacedCall {
  readonly #call: PlacedLeaf;

  constructor(call: PlacedLeaf, life: Life, clock: Clock) {
    super(call.facts, call, life, clock);
    this.#call = call;
  }

  proceed(said: CallAvps = {}): Promise<Refusal | undefined> {
    return this.#call.proceed(said);
  }
}

/** Hands a port to a named circuit, for as long as a life lasts. @throws {Failure} */
export function attachChannel(
  life: Life,
  leaves: Leaves,
  guard: Guard,
  circuit: string,
  channel: Channel,
  ended: (why: CallEnd) => void,
): Promise<Attachment | Refusal> {
  return life.own(async (): Promise<Had<Attachment | Refusal>> => {
    const tell = (why: CallEnd) => guard(() => ended(why));
    const answer = await whileAsked(
      life,
      (signal) => leaves.attachTo(circuit, channel, tell, signal),
    );
    if (isRefusal(answer)) return { value: answer, undo: () => {} };
    return { value: answer.attachment, undo: (why) => answer.end(why) };
  });
}

/** A change that a plugin cannot follow ends what it was of. */
function guardChange(life: Life, change: () => void | Promise<void> | undefined): void {
  (async () => await change())().catch((error) => life.fail(error));
}

/** Asks something that is called off where the life ends before the answer is there. */
async function whileAsked<T>(life: Life, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const asking = new AbortController();
  const callOff = () => asking.abort(life.signal.reason);
  life.signal.addEventListener("abort", callOff);
  try {
    return await ask(asking.signal);
  } finally {
    life.signal.removeEventListener("abort", callOff);
  }
}
