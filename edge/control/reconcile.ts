/**
 * Peers, managed tunnels and their calls on the way to another configuration. What needs no agreement with the peer
 * changes in connections and calls that are up; the rest counts from the next connection on, unless a connection
 * could not be right as it is.
 *
 * @module
 */

import { type Result, StopResult } from "../../core/errors.ts";
import type { DownList } from "../appliance/down.ts";
import type { Part, Steps } from "../appliance/part.ts";
import { forEach } from "../appliance/transaction.ts";
import { keyWords } from "../config/compare.ts";
import type { CallConfig, Config, ManagedTunnelConfig } from "../config/model.ts";
import { release } from "./call_template.ts";
import type {
  CallTemplate,
  ControlContext,
  ControlState,
  ManagedConnection,
  ManagedTunnel,
  PeerEntry,
  PlacedCall,
} from "./context.ts";
import { indexing } from "./peer_index.ts";
import { settingsFor } from "./peers.ts";
import {
  type CallerOf,
  changeWords,
  type ControlPlan,
  type Ending,
  endingsOf,
  planControl,
  type TemplatePlan,
} from "./plan.ts";
import { each, inSlices, mapped, type Slices } from "../slices.ts";
import { type TemplatePart, templatePart } from "./template_part.ts";

export interface Reconciler {
  /** The way to `next`. */
  part(next: Config, down: DownList, steps: Steps): Promise<Part>;
  /** Lets go of all circuits. */
  releaseAll(): Promise<void>;
}

/** How many circuits are let go of at a time. */
const WIDTH = 16;

const ENDED: Result = { result: StopResult.Clear, message: "the configuration changed" };

export function makeReconciler(context: ControlContext): Reconciler {
  const { driver, state } = context;
  const callerOf: CallerOf = ({ handle }) =>
    driver.act((lcce) => {
      const connection = lcce.connection(handle);
      const address = connection?.path.remote.address ?? "";
      return { address, hostName: connection?.peer?.hostName ?? "" };
    });
  return {
    async part(next, down, steps) {
      const plan = await inSlices(planControl(state, next));
      const templates = await inSlices(templatePart(templatesOf(plan), context, down, steps));
      return {
        *foresee(steps) {
          steps.keep(plan.kept);
          const endings = yield* endingsOf(state, plan, callerOf);
          yield* noteChanges(plan, endings, state.config, next, steps);
          const removed = new Set(plan.tunnels.removed);
          yield* each(endings, ({ link: { managed, name }, why }) => {
            if (managed && removed.has(managed)) return;
            steps.note(`tunnels/${name}`, managed ? "restarted" : "removed", why);
          });
          yield* templates.foresee(steps);
        },
        leaving: await inSlices(leavingOf(plan)),
        check: templates.check,
        async open(tx) {
          steps.keep(plan.kept);
          await templates.open(tx);
        },
        async end() {
          const before = state.config;
          const takeOver = await inSlices(preparing(context, plan, next, templates));
          takeOver();
          // Who came since it was planned counts, too; who comes from now on comes under the new configuration.
          const endings = await inSlices(endingsOf(state, plan, callerOf));
          await inSlices(noteChanges(plan, endings, before, next, steps));
          await endConnections(context, plan, endings, steps);
          await inSlices(changeLiving(context, plan));
          await templates.end();
        },
        async begin() {
          await templates.begin();
          await inSlices(beginTunnels(context, next, templates, steps));
        },
      };
    },

    async releaseAll() {
      const all = [
        ...[...state.peers.values()].flatMap(({ templates }) => [...templates.values()]),
        ...[...state.managedTunnels.values()].flatMap(templatesOfTunnel),
      ];
      await forEach(all, WIDTH, release);
    },
  };
}

/** The plans of what stays, and what comes and goes with peers and tunnels. */
function* templatesOf({ accepted, peers, placed, tunnels }: ControlPlan): Iterable<TemplatePlan> {
  const entering = (path: string, calls: readonly CallConfig[], names: boolean): TemplatePlan => ({
    kept: 0,
    changed: [],
    removed: [],
    added: calls.map((call, i) => ({ path: `${path}/${names ? call.name : i}`, call })),
  });
  const leaving = (removed: readonly CallTemplate[]): TemplatePlan => ({
    kept: 0,
    changed: [],
    removed,
    added: [],
  });
  yield* accepted.values();
  yield* placed.values();
  for (const { accept, name } of peers.added) yield entering(`peers/${name}/accept`, accept, false);
  for (const { calls, name } of [...tunnels.added, ...tunnels.replaced.map(({ after }) => after)]) {
    yield entering(`tunnels/${name}/sessions`, calls, true);
  }
  for (const { templates } of peers.removed) yield leaving([...templates.values()]);
  for (const managed of tunnels.removed) yield leaving(templatesOfTunnel(managed));
}

function templatesOfTunnel({ placedCalls }: ManagedTunnel): CallTemplate[] {
  return [...placedCalls.values()].map(({ template }) => template);
}

/** What is let go of in the end: tunnels, and circuits by the paths of their templates. */
function* leavingOf({ accepted, peers, placed, tunnels }: ControlPlan): Slices<Set<string>> {
  const leaving = new Set<string>();
  const add = ({ path }: CallTemplate) => void leaving.add(path);
  for (const plans of [accepted, placed]) {
    for (const { changed, removed } of plans.values()) {
      yield* each(removed, add);
      yield* each(changed, ({ template }) => add(template));
      yield;
    }
  }
  for (const { templates } of peers.removed) yield* each(templates.values(), add);
  for (const managed of tunnels.removed) {
    yield* each(templatesOfTunnel(managed), add);
    leaving.add(`tunnels/${managed.config.name}`);
    yield;
  }
  return leaving;
}

/**
 * Prepares, in slices, what puts the new configuration in force in one turn: from then on it decides on what comes and
 * what is dialed.
 */
function* preparing(
  { pseudowires, state }: ControlContext,
  plan: ControlPlan,
  next: Config,
  templates: TemplatePart,
): Slices<() => void> {
  const entries = yield* mapped(next.peers, (config): PeerEntry => {
    const assigned = plan.accepted.get(config.name)?.assigned;
    const accepted = config.accept.map((call, i): [CallConfig, CallTemplate] => {
      const path = `peers/${config.name}/accept/${i}`;
      const former = assigned?.get(call);
      const template = former ? templates.successor(former)! : templates.added.get(path)!;
      template.path = path;
      return [call, template];
    });
    const settings = settingsFor(next, config, pseudowires);
    return { config, settings, templates: new Map(accepted) };
  });
  const index = yield* indexing(next.peers);
  return () => {
    for (const { config } of plan.peers.removed) state.peers.delete(config.name);
    for (const entry of entries) {
      const known = state.peers.get(entry.config.name);
      if (known) Object.assign(known, entry);
      else state.peers.set(entry.config.name, entry);
    }
    for (const managed of plan.tunnels.removed) {
      managed.gone = true;
      for (const placed of managed.placedCalls.values()) placed.gone = true;
      state.managedTunnels.delete(managed.config.name);
    }
    for (const config of next.managed) {
      const managed = state.managedTunnels.get(config.name);
      if (managed) assign(managed, config, state, plan, templates);
    }
    state.config = next;
    state.index = index;
  };
}

/** A managed tunnel is as the new configuration has it. */
function assign(
  managed: ManagedTunnel,
  config: ManagedTunnelConfig,
  { peers }: ControlState,
  { placed }: ControlPlan,
  templates: TemplatePart,
): void {
  // The next round begins with whom the new configuration prefers.
  if (managed.config.remotes !== config.remotes) managed.left = [];
  managed.config = config;
  managed.settings = peers.get(config.peer)!.settings;
  const { changed, removed } = placed.get(config.name)!;
  if (changed.length + removed.length === 0) return;
  for (const [name, placed] of [...managed.placedCalls]) {
    const template = templates.successor(placed.template);
    if (template) placed.template = template;
    else {
      placed.gone = true;
      managed.placedCalls.delete(name);
    }
  }
}

function* noteChanges(
  { peers, tunnels }: ControlPlan,
  endings: readonly Ending[],
  before: Pick<Config, "hostName" | "routerId">,
  next: Config,
  steps: Steps,
): Slices<void> {
  const later = "for connections from now on";
  if (before.hostName !== next.hostName) steps.note("host-name", "changed", later);
  if (before.routerId !== next.routerId) steps.note("router-id", "changed", later);
  yield* each(peers.removed, ({ config }) => steps.note(`peers/${config.name}`, "removed"));
  yield* each(peers.changed, (change) => {
    steps.note(`peers/${change.after.name}`, "changed", changeWords(change));
  });
  yield* each(peers.added, ({ name }) => steps.note(`peers/${name}`, "added"));
  const restarted = new Set(endings.map(({ link }) => link.managed?.config.name));
  yield* each(tunnels.changed, ({ after, keys }) => {
    if (!restarted.has(after.name)) {
      steps.note(`tunnels/${after.name}`, "changed", keyWords(keys));
    }
  });
  const replaced = new Map(tunnels.replaced.map((change) => [change.after.name, change]));
  yield* each(tunnels.removed, ({ config: { name } }) => {
    if (!replaced.has(name)) steps.note(`tunnels/${name}`, "removed");
  });
  yield* each(replaced, ([name, { keys }]) => {
    steps.note(`tunnels/${name}`, "restarted", `${keyWords(keys)} changed`);
  });
  yield* each(tunnels.added, ({ name }) => steps.note(`tunnels/${name}`, "added"));
}

/** Ends connections, and waits until their tunnels have left the datapath. */
async function endConnections(
  { driver }: ControlContext,
  { tunnels }: ControlPlan,
  endings: readonly Ending[],
  steps: Steps,
): Promise<void> {
  const ending = new Set<ManagedConnection>();
  const end = (link: ManagedConnection) => {
    if (ending.has(link)) return;
    ending.add(link);
    driver.defer((lcce, now) => lcce.closeConnection(link.handle, ENDED, now));
  };
  await inSlices(each(endings, ({ link, why }) => {
    if (link.closing) return;
    const { managed } = link;
    if (managed && !managed.gone) {
      // It is dialed anew at once, and takes its place when this one has left.
      managed.link = undefined;
      link.managed = undefined;
      managed.redialAt = undefined;
      managed.failures = 0;
    }
    if (!managed?.gone) steps.note(`tunnels/${link.name}`, managed ? "restarted" : "removed", why);
    if (managed) managed.leaving = link.gone.promise;
    end(link);
  }));
  await inSlices(each(tunnels.removed, ({ link }) => {
    if (link && !link.closing) end(link);
  }));
  const established = [...ending].filter(({ established }) => established);
  await Promise.all(established.map(({ gone }) => gone.promise));
}

/** Hands changed settings to connections that are up. */
function* changeLiving(
  { driver, state }: ControlContext,
  { peers }: ControlPlan,
): Slices<void> {
  const changed = new Set(peers.changed.map(({ after }) => after.name));
  if (changed.size === 0) return;
  yield* each([...state.links.values()], ({ handle, peer }) => {
    const settings = changed.has(peer) && state.peers.get(peer)?.settings;
    if (settings) driver.act((lcce, now) => lcce.reconfigure(handle, settings, now));
  });
}

/** Makes new tunnels and calls; those that an operator ended are wanted again. All of them are dialed and placed. */
function* beginTunnels(
  { dialer, driver, state }: ControlContext,
  next: Config,
  templates: TemplatePart,
  steps: Steps,
): Slices<void> {
  const begun: PlacedCall[] = [];
  yield* each(next.managed, (config) => {
    const { settings } = state.peers.get(config.peer)!;
    const known = state.managedTunnels.get(config.name);
    const managed = known ?? dialer.makeManagedTunnel(config, settings);
    state.managedTunnels.set(config.name, managed);
    const path = `tunnels/${config.name}`;
    if (managed.held) steps.note(path, "restarted", "an operator had ended it");
    managed.held = false;
    for (const { name } of config.calls) {
      const callPath = `${path}/sessions/${name}`;
      const there = managed.placedCalls.get(name);
      const placed = there ?? dialer.makePlacedCall(managed, templates.added.get(callPath)!);
      if (placed.held) steps.note(callPath, "restarted", "an operator had ended it");
      placed.held = false;
      managed.placedCalls.set(name, placed);
      if (!placed.call) begun.push(placed);
    }
  });
  yield* each(state.managedTunnels.values(), (managed) => {
    if (managed.redialAt === undefined) driver.defer(() => dialer.dial(managed));
  });
  yield* each(begun, (placed) => driver.defer(() => dialer.place(placed)));
}
