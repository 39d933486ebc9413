/** Call templates and their circuits on the way to another configuration. @module */

import { CdnResult, type Result } from "../../core/errors.ts";
import type { DownList } from "../appliance/down.ts";
import { isPassing } from "../appliance/errors.ts";
import type { Steps } from "../appliance/part.ts";
import { forEach, type Transaction } from "../appliance/transaction.ts";
import { keyWords } from "../config/compare.ts";
import { located } from "../sessions/tunnels.ts";
import {
  type CallTemplate,
  isBroken,
  makeCallTemplate,
  provision,
  release,
} from "./call_template.ts";
import type { ControlContext, ManagedCall } from "./context.ts";
import type { TemplateChange, TemplatePlan } from "./plan.ts";
import { same } from "../config/same.ts";

/** How many circuits are made or let go of at a time. */
const WIDTH = 16;

const CALL_ENDED: Result = {
  result: CdnResult.Administrative,
  message: "the configuration changed",
};

/** The templates of all peers and tunnels that stay; those of others come and go through here, too. */
export interface TemplatePart {
  /** Notes what it would do, to calls that peers placed too. */
  foresee(steps: Steps): void;
  /** @throws {ApplianceError} */
  check(freed: ReadonlySet<string>): void;
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

export function templatePart(
  plans: readonly TemplatePlan[],
  context: ControlContext,
  down: DownList,
  steps: Steps,
): TemplatePart {
  const { circuits, links } = context;
  const { openOrWait, tryOpen } = makeOpenings(context, down);
  const { callsOf, drop, endAll } = makeEndings(context, down);
  const changes = plans.flatMap(({ changed }) => changed);
  const removed = new Set(plans.flatMap((plan) => plan.removed));
  /** In the place of those whose circuits cannot take their new options. */
  const replaced = new Map<CallTemplate, CallTemplate>();
  const added = new Map(
    plans.flatMap((plan) => plan.added)
      .map(({ call, path }) => [path, makeCallTemplate(path, call)]),
  );

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
    const calls = callsOf(template);
    for (const { call, link } of calls) links.changeCall(link, call);
    // Those that still come up are not waited for: they are told once they are there.
    const up = calls.filter(({ call }) => call.upSince !== undefined);
    await Promise.all(up.map(({ call }) => call.work));
    steps.note(template.path, "changed", words);
  };

  const foreseeCalls = (template: CallTemplate, step: "removed" | "restarted", steps: Steps) => {
    for (const { call, link } of callsOf(template)) {
      const path = `tunnels/${link.name}/sessions/${call.name}`;
      if (path !== template.path) steps.note(path, step, `as ${template.path}`);
    }
  };

  return {
    added,
    foresee(steps) {
      for (const template of removed) {
        steps.note(template.path, "removed");
        foreseeCalls(template, "removed", steps);
      }
      for (const { anew, keys, template } of changes) {
        const words = keyWords(keys);
        if (anew) steps.note(template.path, "restarted", `${words} changed`);
        else steps.note(template.path, "changed", words);
        if (anew) foreseeCalls(template, "restarted", steps);
      }
    },
    check(freed) {
      for (const { next, template } of changes) {
        if (next.circuit) circuits.check(template.path, next.circuit, freed);
      }
      for (const { call, path } of added.values()) {
        if (call.circuit) circuits.check(path, call.circuit, freed);
      }
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
      for (const { path } of added.values()) steps.note(path, "added");
    },
    successor: (template) => removed.has(template) ? undefined : replaced.get(template) ?? template,
  };
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
          for (const { placedCalls } of state.managedTunnels.values()) {
            for (const placed of placedCalls.values()) {
              if (placed.template === template) driver.defer(() => dialer.place(placed));
            }
          }
        },
      });
    }
  };

  return { openOrWait, tryOpen };
}

/** How calls of templates end, and templates let go of their circuits. */
function makeEndings({ endCalls, state }: ControlContext, down: DownList) {
  const callsOf = (template: CallTemplate) =>
    [...state.links.values()].flatMap((link) =>
      [...link.calls.values()].filter((call) => call.template === template)
        .map((call) => ({ link, call }))
    );
  /** Ends all calls of a template, and waits until their sessions have left the datapath. */
  const endAll = async (template: CallTemplate) => {
    const gone = callsOf(template).map(({ call }) => goneOf(call));
    endCalls(template, CALL_ENDED);
    await Promise.all(gone);
  };
  const drop = async (template: CallTemplate) => {
    await endAll(template);
    await release(template);
    down.delete(template.path);
  };

  return { callsOf, drop, endAll };
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
