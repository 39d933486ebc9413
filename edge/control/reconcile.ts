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
import type { CallConfig, Config } from "../config/model.ts";
import { type CallTemplate, release } from "./call_template.ts";
import type {
  ControlContext,
  ManagedConnection,
  ManagedTunnel,
  PeerEntry,
  PlacedCall,
} from "./context.ts";
import { indexPeers } from "./peer_index.ts";
import { settingsFor } from "./peers.ts";
import { changeWords, type ControlPlan, planControl, type TemplatePlan } from "./plan.ts";
import { type TemplatePart, templatePart } from "./template_part.ts";

export interface Reconciler {
  /** The way to `next`. */
  part(next: Config, down: DownList, steps: Steps): Part;
  /** Lets go of all circuits. */
  releaseAll(): Promise<void>;
}

/** How many circuits are let go of at a time. */
const WIDTH = 16;

const ENDED: Result = { result: StopResult.Clear, message: "the configuration changed" };

export function makeReconciler(context: ControlContext): Reconciler {
  const { driver, state } = context;
  return {
    part(next, down, steps) {
      const plan = driver.act((lcce) =>
        planControl(state, next, ({ handle }) => {
          const connection = lcce.connection(handle);
          const address = connection?.path.remote.address ?? "";
          return { address, hostName: connection?.peer?.hostName ?? "" };
        })
      );
      const templates = templatePart(templatesOf(plan), context, down, steps);
      return {
        foresee(steps) {
          steps.keep(plan.kept);
          noteChanges(plan, state.config, next, steps);
          const removed = new Set(plan.tunnels.removed);
          for (const { link: { managed, name }, why } of plan.endings) {
            if (managed && removed.has(managed)) continue;
            steps.note(`tunnels/${name}`, managed ? "restarted" : "removed", why);
          }
          templates.foresee(steps);
        },
        leaving: leavingOf(plan),
        check: templates.check,
        async open(tx) {
          steps.keep(plan.kept);
          await templates.open(tx);
        },
        async end() {
          noteChanges(plan, state.config, next, steps);
          takeOver(context, plan, next, templates);
          await endConnections(context, plan, steps);
          changeLiving(context, plan);
          await templates.end();
        },
        async begin() {
          await templates.begin();
          const begun = beginTunnels(context, next, templates, steps);
          for (const managed of state.managedTunnels.values()) {
            if (managed.redialAt === undefined) driver.defer(() => context.dialer.dial(managed));
          }
          for (const placed of begun) driver.defer(() => context.dialer.place(placed));
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
function templatesOf({ accepted, peers, placed, tunnels }: ControlPlan) {
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
  const begun = [...tunnels.added, ...tunnels.replaced.map(({ after }) => after)];
  return [
    ...accepted.values(),
    ...placed.values(),
    ...peers.added.map(({ accept, name }) => entering(`peers/${name}/accept`, accept, false)),
    ...begun.map(({ calls, name }) => entering(`tunnels/${name}/sessions`, calls, true)),
    ...peers.removed.map(({ templates }) => leaving([...templates.values()])),
    ...tunnels.removed.map((managed) => leaving(templatesOfTunnel(managed))),
  ];
}

function templatesOfTunnel({ placedCalls }: ManagedTunnel): CallTemplate[] {
  return [...placedCalls.values()].map(({ template }) => template);
}

/** What is let go of in the end: tunnels, and circuits by the paths of their templates. */
function leavingOf({ accepted, peers, placed, tunnels }: ControlPlan): Set<string> {
  const plans = [...accepted.values(), ...placed.values()];
  const templates = [
    ...plans.flatMap(({ changed, removed }) => [
      ...removed,
      ...changed.map(({ template }) => template),
    ]),
    ...peers.removed.flatMap(({ templates }) => [...templates.values()]),
    ...tunnels.removed.flatMap(templatesOfTunnel),
  ];
  return new Set([
    ...templates.map(({ path }) => path),
    ...tunnels.removed.map(({ config }) => `tunnels/${config.name}`),
  ]);
}

/** Puts the new configuration in force: from here on it decides on what comes and what is dialed. */
function takeOver(
  { pseudowires, state }: ControlContext,
  plan: ControlPlan,
  next: Config,
  templates: TemplatePart,
): void {
  for (const { config } of plan.peers.removed) state.peers.delete(config.name);
  for (const config of next.peers) {
    const settings = settingsFor(next, config, pseudowires);
    const known = state.peers.get(config.name);
    const assigned = plan.accepted.get(config.name)?.assigned;
    const accepted = config.accept.map((call, i): [CallConfig, CallTemplate] => {
      const path = `peers/${config.name}/accept/${i}`;
      const former = assigned?.get(call);
      const template = former ? templates.successor(former)! : templates.added.get(path)!;
      template.path = path;
      return [call, template];
    });
    const entry: PeerEntry = { config, settings, templates: new Map(accepted) };
    if (known) Object.assign(known, entry);
    else state.peers.set(config.name, entry);
  }
  for (const managed of plan.tunnels.removed) {
    managed.gone = true;
    for (const placed of managed.placedCalls.values()) placed.gone = true;
    state.managedTunnels.delete(managed.config.name);
  }
  for (const config of next.managed) {
    const managed = state.managedTunnels.get(config.name);
    if (!managed) continue;
    // The next round begins with whom the new configuration prefers.
    if (managed.config.remotes !== config.remotes) managed.left = [];
    managed.config = config;
    managed.settings = state.peers.get(config.peer)!.settings;
    for (const [name, placed] of [...managed.placedCalls]) {
      const template = templates.successor(placed.template);
      if (template) placed.template = template;
      else {
        placed.gone = true;
        managed.placedCalls.delete(name);
      }
    }
  }
  state.config = next;
  state.index = indexPeers(next.peers);
}

function noteChanges(
  { peers, tunnels, endings }: ControlPlan,
  before: Pick<Config, "hostName" | "routerId">,
  next: Config,
  steps: Steps,
): void {
  const later = "for connections from now on";
  if (before.hostName !== next.hostName) steps.note("host-name", "changed", later);
  if (before.routerId !== next.routerId) steps.note("router-id", "changed", later);
  for (const { config } of peers.removed) steps.note(`peers/${config.name}`, "removed");
  for (const change of peers.changed) {
    steps.note(`peers/${change.after.name}`, "changed", changeWords(change));
  }
  for (const { name } of peers.added) steps.note(`peers/${name}`, "added");
  const restarted = new Set(endings.map(({ link }) => link.managed?.config.name));
  for (const { after, keys } of tunnels.changed) {
    if (restarted.has(after.name)) continue;
    steps.note(`tunnels/${after.name}`, "changed", keyWords(keys));
  }
  const replaced = new Map(tunnels.replaced.map((change) => [change.after.name, change]));
  for (const { config: { name } } of tunnels.removed) {
    if (!replaced.has(name)) steps.note(`tunnels/${name}`, "removed");
  }
  for (const [name, { keys }] of replaced) {
    steps.note(`tunnels/${name}`, "restarted", `${keyWords(keys)} changed`);
  }
  for (const { name } of tunnels.added) steps.note(`tunnels/${name}`, "added");
}

/** Ends connections, and waits until their tunnels have left the datapath. */
async function endConnections(
  { driver }: ControlContext,
  { endings, tunnels }: ControlPlan,
  steps: Steps,
): Promise<void> {
  const ending: ManagedConnection[] = [];
  for (const { link, why } of endings) {
    if (link.closing) continue;
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
    ending.push(link);
  }
  for (const { link } of tunnels.removed) if (link && !link.closing) ending.push(link);
  const all = new Set(ending);
  driver.act((lcce, now) => {
    for (const { handle } of all) lcce.closeConnection(handle, ENDED, now);
  });
  const established = [...all].filter(({ established }) => established);
  await Promise.all(established.map(({ gone }) => gone.promise));
}

/** Hands changed settings to connections that are up. */
function changeLiving({ driver, state }: ControlContext, { peers }: ControlPlan): void {
  const changed = new Set(peers.changed.map(({ after }) => after.name));
  driver.act((lcce, now) => {
    for (const { handle, peer } of state.links.values()) {
      if (changed.has(peer)) lcce.reconfigure(handle, state.peers.get(peer)!.settings, now);
    }
  });
}

/** Makes new tunnels and calls; those that an operator ended are wanted again. The result holds calls to be placed. */
function beginTunnels(
  { dialer, state }: ControlContext,
  next: Config,
  templates: TemplatePart,
  steps: Steps,
): PlacedCall[] {
  const begun: PlacedCall[] = [];
  for (const config of next.managed) {
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
  }
  return begun;
}
