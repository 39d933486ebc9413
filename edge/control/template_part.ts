/** Call templates and their circuits on the way to another configuration. @module */

import { CdnResult, type Result } from "../../core/errors.ts";
import type { DownList } from "../appliance/down.ts";
import { isPassing } from "../appliance/errors.ts";
import type { Steps } from "../appliance/part.ts";
import { forEach, type Transaction } from "../appliance/transaction.ts";
import { keyWords } from "../config/compare.ts";
import { located } from "../sessions/tunnels.ts";
import { isBroken, makeCallTemplate, provision, release } from "./call_template.ts";
import type { CallTemplate, ControlContext, ManagedCall } from "./context.ts";
import type { TemplateChange, TemplatePlan } from "./plan.ts";
import { same } from "../config/same.ts";
import { each, inSlices, type Slices } from "../slices.ts";

/** How many circuits are made or let go of at a time. */
const WIDTH = 16;

const CALL_ENDED: Result = {
  result: CdnResult.Administrative,
  message: "the configuration changed",
};

/** The templates of all peers and tunnels that stay; those of others come and go through here, too. */
export interface TemplatePart {
  /** Notes what it would do, to calls that peers placed too. */
  foresee(steps: Steps): Slices<void>;
  /** @throws {ApplianceError} */
  check(freed: ReadonlySet<string>): Slices<void>;
  open(tx: Transaction): Promise<void>;
  /** Ends calls that cannot go on, lets go of circuits, and changes the rest in place. */
  end(): Promise<void>;
  /** Makes the circuits that could not be had before; what still cannot be is down. */
  begin(): Promise<void>;
  /** What a template that ran is from now on; undefined: nothing. */
  successor(template: CallTemplate): CallTemplate | undefined;
  /** The templates that are new, by their paths. */
  readonly added: ReadonlyMap<string, CallTemplate>;
}

export function* templatePart(
  plans: Iterable<TemplatePlan>,
  context: ControlContext,
  down: DownList,
  steps: Steps,
): Slices<TemplatePart> {
  const { circuits, links } = context;
  const { openOrWait, tryOpen } = makeOpenings(context, down);
  const { drop, endAll } = makeEndings(context, down);
  const changes: TemplateChange[] = [];
  const removed = new Set<CallTemplate>();
  /** In the place of those whose circuits cannot take their new options. */
  const replaced = new Map<CallTemplate, CallTemplate>();
  const added = new Map<string, CallTemplate>();
  for (const plan of plans) {
    yield* each(plan.changed, (change) => void changes.push(change));
    yield* each(plan.removed, (template) => void removed.add(template));
    yield* each(plan.added, ({ call, path }) => {
      added.set(path, makeCallTemplate(path, call));
    });
    yield;
  }

  const openChange = async ({ next, template }: TemplateChange, tx: Transaction) => {
    const { circuit: former } = template.call;
    if (same(former, next.circuit)) return;
    const { circuit } = template;
    if (circuit && next.circuit && await circuit.reconfigure(next.circuit)) {
      tx.undo(() => circuit.reconfigure(former!));
      return;
    }
    const fresh = makeCallTemplate(template.path, next);
    replaced.set(template, fresh);
    await tryOpen(fresh, tx);
  };

  const endChange = async ({ anew, keys, next, template }: TemplateChange) => {
    const words = keyWords(keys);
    const again = replaced.has(template);
    template.call = next;
    if (again) await drop(template);
    else if (anew) await endAll(template);
    if (again || anew) return steps.note(template.path, "restarted", `${words} changed`);
    await forEach([...template.calls], WIDTH, async ([call, link]) => {
      if (call.closed) return;
      links.changeCall(link, call);
      // Those that still come up are not waited for: they are told once they are there.
      if (call.upSince !== undefined) await call.work;
    });
    steps.note(template.path, "changed", words);
  };

  return {
    added,
    *foresee(steps) {
      for (const template of removed) {
        steps.note(template.path, "removed");
        yield* foreseeCalls(template, "removed", steps);
        yield;
      }
      for (const { anew, keys, template } of changes) {
        const words = keyWords(keys);
        if (anew) steps.note(template.path, "restarted", `${words} changed`);
        else steps.note(template.path, "changed", words);
        if (anew) yield* foreseeCalls(template, "restarted", steps);
        yield;
      }
    },
    *check(freed) {
      yield* each(changes, ({ next, template }) => {
        if (next.circuit) circuits.check(template.path, next.circuit, freed);
      });
      yield* each(added.values(), ({ call, path }) => {
        if (call.circuit) circuits.check(path, call.circuit, freed);
      });
    },
    async open(tx) {
      await forEach(changes, WIDTH, (change) => openChange(change, tx));
      await forEach(added.values(), WIDTH, (template) => tryOpen(template, tx));
    },
    async end() {
      await forEach(removed, WIDTH, async (template) => {
        await drop(template);
        steps.note(template.path, "removed");
      });
      await forEach(changes, WIDTH, endChange);
    },
    async begin() {
      const fresh = [...replaced.values(), ...added.values()];
      await forEach(fresh.filter(isBroken), WIDTH, openOrWait);
      await inSlices(each(added.values(), ({ path }) => steps.note(path, "added")));
    },
    successor: (template) => removed.has(template) ? undefined : replaced.get(template) ?? template,
  };
}

function foreseeCalls(
  template: CallTemplate,
  step: "removed" | "restarted",
  steps: Steps,
): Slices<void> {
  return each([...template.calls], ([call, link]) => {
    const path = `tunnels/${link.name}/sessions/${call.name}`;
    if (path !== template.path) steps.note(path, step, `as ${template.path}`);
  });
}

/** How templates get their circuits. */
function makeOpenings(
  { circuits, dialer, driver, endCalls, state }: ControlContext,
  down: DownList,
) {
  const open = (template: CallTemplate) => {
    const broken = ({ message }: Error) =>
      endCalls(template, { result: CdnResult.LossOfCarrier, message });
    return located(template.path, () => provision(template, circuits, broken));
  };
  const tryOpen = async (template: CallTemplate, tx: Transaction) => {
    tx.undo(() => release(template));
    try {
      await open(template);
    } catch (error) {
      // Something that ends may be in the way: it is tried again then.
      if (!isPassing(error)) throw error;
    }
  };
  const openOrWait = async (template: CallTemplate) => {
    try {
      await open(template);
    } catch (error) {
      down.add(template.path, error as Error, {
        queue: template.path,
        async retry() {
          await open(template);
          await inSlices(each(state.managedTunnels.values(), ({ placedCalls }) => {
            for (const placed of placedCalls.values()) {
              if (placed.template === template) driver.defer(() => dialer.place(placed));
            }
          }));
        },
      });
    }
  };

  return { openOrWait, tryOpen };
}

/** How calls of templates end, and templates let go of their circuits. */
function makeEndings({ endCalls }: ControlContext, down: DownList) {
  /** Ends all calls of a template, and waits until their sessions have left the datapath. */
  const endAll = async (template: CallTemplate) => {
    const gone = Array.from(template.calls.keys(), goneOf);
    endCalls(template, CALL_ENDED);
    await Promise.all(gone);
  };
  const drop = async (template: CallTemplate) => {
    await endAll(template);
    await release(template);
    down.delete(template.path);
  };

  return { drop, endAll };
}

/** Resolves once a call's session has left the datapath. */
function goneOf(call: ManagedCall): Promise<void> {
  return new Promise((resolve) => {
    const { onGone } = call;
    call.onGone = () => {
      onGone?.();
      resolve();
    };
  });
}
