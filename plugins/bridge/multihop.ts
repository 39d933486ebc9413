/**
 * Multihop: a call that comes in is placed on, and the two are joined. What either peer says the other is told; ids,
 * sequence numbers and framing are each leg's own.
 *
 * @module
 */

import { tellCarriers } from "../carrier.ts";
import type {
  Attachment,
  CallAvps,
  CallEnd,
  CallMessage,
  Circuit,
  PlacedCall,
  Refusal,
  Scope,
  Session,
} from "../plugin.ts";
import { isRefusal } from "../session.ts";
import type { Way } from "./ask.ts";
import { hopsOf, news, outgoing, passable, ruleFor } from "./avps.ts";
import type { Board } from "./board.ts";
import { type BridgeOptions, needsConnected, type Rule } from "./options.ts";

/** Frames that either leg's peer may send before the other's was told to go on. */
const HELD = 64;
const NO_RULE: CallEnd = { result: 6, message: "no rule for this call" };
const NO_LNS: CallEnd = { result: 6, message: "no LNS is named for this call" };
const LOOP: CallEnd = { result: 4, message: "the call would go round in a circle" };

/** A circuit that places calls on. */
export function multihop(first: BridgeOptions, board: Board): Circuit<BridgeOptions> {
  let options = first;
  return {
    async attach(near, life) {
      const hop = new Hop(near, life, options, board);
      const waits = options["wait-for-far-leg"] ?? !needsConnected(options);
      return near.request !== "ICRQ" || waits ? await hop.begin(near.said) : hop.later();
    },
    // Calls that are there keep the rule that they began with.
    reconfigure(next) {
      if (!next.rules) return false;
      options = next;
      return true;
    },
  };
}

/** One call that comes in, and the one that it becomes. */
class Hop {
  readonly #near: Session;
  readonly #life: Scope;
  readonly #options: BridgeOptions;
  readonly #board: Board;
  /** What the far LAC said when it was answered (OCCN). */
  readonly #answered = Promise.withResolvers<CallAvps>();
  #far: PlacedCall | undefined;
  #rule: Rule | undefined;

  constructor(near: Session, life: Scope, options: BridgeOptions, board: Board) {
    this.#near = near;
    this.#life = life;
    this.#options = options;
    this.#board = board;
    this.#answered.promise.catch(() => {});
    life.hold(near.port, HELD);
  }

  /** The far leg begins now: the near peer is told to go on when the far one has agreed. */
  async begin(said: CallAvps): Promise<Attachment | Refusal> {
    const far = await this.#place(said);
    if (isRefusal(far)) return far;
    this.#far = far;
    this.#life.hold(far.port, HELD);
    if (this.#near.request === undefined) await this.#go({});
    return {
      ...this.#attachment(),
      say: passable(far.said),
      ...(this.#near.request === "OCRQ" && { answered: this.#answered.promise }),
    };
  }

  /** The near peer is told to go on now: the far leg begins with all that its ICCN says. */
  later(): Attachment {
    return this.#attachment();
  }

  #attachment(): Attachment {
    return {
      show: () => ({ far: this.#far?.name ?? null }),
      heard: (message, said) => this.#heard(message, said),
      changed: () => this.#tellCarriers(),
    };
  }

  #heard(message: CallMessage, said: CallAvps): void {
    if (message === "ICCN") this.#connected(said).catch(this.#life.fail);
    else this.#tellFar(message, said);
  }

  /** The near peer's ICCN came. */
  async #connected(said: CallAvps): Promise<void> {
    if (this.#far) return await this.#go(said);
    const begun = await this.begin(this.#near.said);
    if (isRefusal(begun)) return this.#near.end(begun.refuse);
    await this.#go(this.#near.said);
  }

  /** The far peer is told to go on; what both sent meanwhile follows. */
  async #go(said: CallAvps): Promise<void> {
    const far = this.#far!;
    const refused = await far.proceed(outgoing(said, this.#rule!));
    if (refused) return this.#near.end(refused.refuse);
    await this.#join(far);
  }

  async #join(far: PlacedCall): Promise<void> {
    await this.#life.connect(this.#near.port, far.port);
    this.#tellCarriers();
    this.#life.defer(this.#board.note(this.#near.name, far.name));
  }

  async #place(said: CallAvps): Promise<PlacedCall | Refusal> {
    const near = this.#near;
    const { "hop-count": count, rules = [] } = this.#options;
    const rule = ruleFor(rules, near, said);
    if (!rule) return { refuse: NO_RULE };
    this.#rule = rule;
    const passed = count ? hopsOf(said, count) + 1 : 0;
    if (count && passed > count.limit) return { refuse: LOOP };
    const say = outgoing(said, rule, count && { count, passed });
    const ways = await this.#ways(rule, said);
    if ("refuse" in ways) return ways;
    let last: Refusal = { refuse: ways.length > 0 ? NO_RULE : NO_LNS };
    for (const { say: more, target } of ways) {
      const far = await this.#life.place(target, { ...say, ...more }, {
        pseudowireType: near.pseudowireType,
        request: near.request ?? "ICRQ",
        ...(rule.sequencing !== undefined && { sequencing: rule.sequencing }),
        heard: (message, more) => this.#heardFar(message, more),
        changed: () => this.#tellCarriers(),
        ended: near.end,
      });
      if (!isRefusal(far) && !goesBack(near, far)) return far;
      last = isRefusal(far) ? far : { refuse: LOOP };
      if (!isRefusal(far)) far.end(LOOP);
    }
    return last;
  }

  /** Where a rule says that a call goes, or where who is asked says it. */
  async #ways({ ask, to = [] }: Rule, said: CallAvps): Promise<readonly Way[] | Refusal> {
    const own = [to].flat().map((target) => ({ target }));
    if (!ask) return own;
    const { askedWays } = await import("./ask.ts");
    const asked = await askedWays(this.#near, this.#life, ask, said);
    return "refuse" in asked || asked.length > 0 ? asked : own;
  }

  #heardFar(message: CallMessage, said: CallAvps): void {
    if (message === "OCCN") {
      const far = this.#far;
      if (!far) return;
      this.#join(far).then(() => this.#answered.resolve(passable(said)), this.#life.fail);
    }
    this.#tellCarriers();
    const told = news(this.#near.tunnel ?? {}, message, said);
    if (told) this.#near.tell(message as "SLI" | "WEN", told);
  }

  #tellFar(message: CallMessage, said: CallAvps): void {
    this.#tellCarriers();
    const told = news(this.#far?.tunnel ?? {}, message, said);
    if (told) this.#far?.tell(message as "SLI" | "WEN", told);
  }

  #tellCarriers(): void {
    if (this.#far) tellCarriers(this.#near, this.#far);
  }
}

/** Whether a call would go back to who placed it, or to ourselves. */
function goesBack({ tunnel: near }: Session, { tunnel: far }: Session): boolean {
  if (!far || far.hostName === "") return false;
  return far.hostName === far.localHostName ||
    (near !== undefined && far.hostName === near.hostName && far.peer === near.peer);
}
