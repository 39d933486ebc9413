/** What an LCCE has to tell: datagrams and events in their order, and how often something came to nothing. @module */

import type { ControlDrop, LcceEvent, Output, Refusal, RefusalReason } from "./events.ts";
import { SourceBudget } from "./refusals.ts";
import type { Path } from "./settings.ts";

/** How often each source's refusals are told of. */
const TOLD = { burst: 5, everyMs: 500 };

/** All that is told, until it is read. */
export class Outbox {
  readonly drops = new Map<ControlDrop, number>();
  readonly refusals = new Map<RefusalReason, number>();
  readonly #outputs: Output[] = [];
  readonly #told = new SourceBudget(TOLD);
  #read = 0;

  event(event: LcceEvent): void {
    this.#outputs.push({ type: "event", event });
  }

  transmit(path: Path, data: Uint8Array): void {
    this.#outputs.push({ type: "transmit", path, data });
  }

  /** Counts a refusal; an event tells of it unless its source had many just now. */
  refuse(refusal: Refusal, now: number): void {
    const { reason, path } = refusal;
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    if (this.#told.take(path.remote.address, now)) this.event({ type: "refused", refusal });
  }

  drop(reason: ControlDrop): undefined {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }

  /** The next output; undefined: all were read. */
  poll(): Output | undefined {
    if (this.#read < this.#outputs.length) return this.#outputs[this.#read++];
    this.#outputs.length = 0;
    this.#read = 0;
    return undefined;
  }
}
