/** What lies between the peers and managed tunnels that run and those that a configuration has. Pure. @module */

import { wayOptions } from "../config/attributes.ts";
import {
  type Changed,
  changedKeys,
  comparing,
  keyWords,
  managedIdentity,
} from "../config/compare.ts";
import type { CallConfig, Config, ManagedTunnelConfig, PeerConfig } from "../config/model.ts";
import type {
  CallTemplate,
  ControlState,
  ManagedConnection,
  ManagedTunnel,
  PeerEntry,
} from "./context.ts";
import { agreedKeys } from "./parameters.ts";
import { fitsPeer } from "./peers.ts";
import { same } from "../config/same.ts";
import { each, mapped, type Slices } from "../slices.ts";

/** What decides which way the datagrams of a dialed tunnel take. */
const wayKeys: readonly string[] = [
  "local",
  ...Object.values(wayOptions).map(({ field }) => field),
];

/** A template as it shall be. */
export interface TemplateChange {
  readonly template: CallTemplate;
  readonly next: CallConfig;
  readonly keys: readonly string[];
  /** Both ends agreed on something of it: its calls begin anew. */
  readonly anew: boolean;
}

/** Templates of one peer or one managed tunnel. */
export interface TemplatePlan {
  readonly kept: number;
  /** What there is of the entries that the configuration has now. */
  readonly assigned?: ReadonlyMap<CallConfig, CallTemplate>;
  readonly changed: readonly TemplateChange[];
  readonly removed: readonly CallTemplate[];
  readonly added: readonly { readonly path: string; readonly call: CallConfig }[];
}

/** A connection that ends, and why. */
export interface Ending {
  readonly link: ManagedConnection;
  readonly why: string;
}

export interface ControlPlan {
  readonly kept: number;
  readonly peers: {
    readonly added: readonly PeerConfig[];
    readonly removed: readonly PeerEntry[];
    readonly changed: readonly Changed<PeerConfig>[];
  };
  readonly tunnels: {
    readonly added: readonly ManagedTunnelConfig[];
    /** They end; those that are wanted again differ in what makes a tunnel another one. */
    readonly removed: readonly ManagedTunnel[];
    readonly replaced: readonly Changed<ManagedTunnelConfig>[];
    readonly changed: readonly Changed<ManagedTunnelConfig>[];
  };
  /** By the names of peers and of managed tunnels that stay. */
  readonly accepted: ReadonlyMap<string, TemplatePlan>;
  readonly placed: ReadonlyMap<string, TemplatePlan>;
}

/** Who the other end of a connection is. */
export type CallerOf = (
  link: ManagedConnection,
) => { readonly address: string; readonly hostName: string };

/** In slices: there may be very many. What connections it ends, {@linkcode endingsOf} says when it comes to that. */
export function* planControl(
  state: Pick<ControlState, "managedTunnels" | "peers">,
  next: Pick<Config, "managed" | "peers">,
): Slices<ControlPlan> {
  const entries = yield* mapped(state.peers.values(), ({ config }) => config);
  const peers = yield* comparing(entries, next.peers, { identity: [], aside: ["accept"] });
  const running = yield* mapped(state.managedTunnels.values(), ({ config }) => config);
  const tunnels = yield* comparing(running, next.managed, {
    identity: managedIdentity,
    aside: ["calls"],
  });
  let kept = peers.kept.length + tunnels.kept.length;
  const accepted = new Map<string, TemplatePlan>();
  for (const peer of next.peers) {
    const entry = state.peers.get(peer.name);
    if (!entry) continue;
    const plan = yield* planAccepted(entry, peer);
    accepted.set(peer.name, plan);
    kept += plan.kept;
  }
  const placed = new Map<string, TemplatePlan>();
  for (const tunnel of [...tunnels.kept, ...tunnels.changed.map(({ after }) => after)]) {
    const plan = yield* planPlaced(state.managedTunnels.get(tunnel.name)!, tunnel);
    placed.set(tunnel.name, plan);
    kept += plan.kept;
  }
  const gone = [...tunnels.removed, ...tunnels.replaced.map(({ before }) => before)];
  return {
    kept,
    peers: {
      ...peers,
      removed: peers.removed.map(({ name }) => state.peers.get(name)!),
    },
    tunnels: {
      ...tunnels,
      removed: gone.map(({ name }) => state.managedTunnels.get(name)!),
    },
    accepted,
    placed,
  };
}

/** Connections of what stays that must end all the same. */
export function* endingsOf(
  { links, managedTunnels }: Pick<ControlState, "links" | "managedTunnels">,
  { peers, tunnels }: ControlPlan,
  callerOf: CallerOf,
): Slices<Ending[]> {
  const endings: Ending[] = [];
  const gone = new Set(peers.removed.map(({ config: { name } }) => name));
  const changes = new Map(peers.changed.map((change) => [change.after.name, change]));
  if (gone.size + changes.size > 0) {
    yield* each([...links.values()], (link) => {
      const change = changes.get(link.peer);
      const why = gone.has(link.peer)
        ? "its peer is not in the configuration any more"
        : change && whyOfPeer(link, change, callerOf);
      if (why !== undefined) endings.push({ link, why });
    });
  }
  yield* each(tunnels.changed, (change) => {
    const link = managedTunnels.get(change.after.name)?.link;
    const why = link && whyOfTunnel(link, change, callerOf);
    if (link && why !== undefined) endings.push({ link, why });
  });
  return endings;
}

/** Why a connection with a peer that changed cannot go on: it outlives all that was only of use to set it up. */
function whyOfPeer(
  link: ManagedConnection,
  { after, before }: Changed<PeerConfig>,
  callerOf: CallerOf,
): string | undefined {
  const [former, settings] = [before.settings, after.settings];
  const speaks = settings.version === link.version ||
    settings.fallback === true && link.version === 2;
  if (!speaks || former.version !== settings.version && !link.established) {
    return "the peer's proto-version changed";
  }
  const known = link.established && fitsPeer(before, callerOf(link));
  if (known && !fitsPeer(after, callerOf(link))) {
    return "the peer's address or host-name is another now";
  }
}

function whyOfTunnel(
  link: ManagedConnection,
  { after, keys }: Changed<ManagedTunnelConfig>,
  callerOf: CallerOf,
): string | undefined {
  const way = keys.filter((key) => wayKeys.includes(key));
  if (way.length > 0) return `${keyWords(way)} changed`;
  if (!keys.includes("remotes") || after.remotes.length === 0) return;
  const { address } = callerOf(link);
  if (!after.remotes.some(({ endpoint }) => endpoint.address === address)) return "remote changed";
}

function* planAccepted({ config, templates }: PeerEntry, next: PeerConfig): Slices<TemplatePlan> {
  const pairs = yield* pairUp(config.accept, next.accept);
  return yield* planTemplates(
    yield* mapped(pairs, ({ after, before, index }): TemplatePair => ({
      template: before && templates.get(before),
      after,
      path: `peers/${next.name}/accept/${index}`,
    })),
  );
}

function* planPlaced(
  { placedCalls }: ManagedTunnel,
  next: ManagedTunnelConfig,
): Slices<TemplatePlan> {
  const wanted = new Map(next.calls.map((call) => [call.name, call]));
  const names = new Set([...placedCalls.keys(), ...wanted.keys()]);
  return yield* planTemplates(
    yield* mapped(names, (name): TemplatePair => ({
      template: placedCalls.get(name)?.template,
      after: wanted.get(name),
      path: `tunnels/${next.name}/sessions/${name}`,
    })),
  );
}

/** A template that runs, and what it shall be. */
interface TemplatePair {
  readonly template: CallTemplate | undefined;
  readonly after: CallConfig | undefined;
  readonly path: string;
}

function* planTemplates(pairs: readonly TemplatePair[]): Slices<TemplatePlan> {
  let kept = 0;
  const changed: TemplateChange[] = [];
  const removed: CallTemplate[] = [];
  const added: { path: string; call: CallConfig }[] = [];
  const assigned = new Map<CallConfig, CallTemplate>();
  for (const { after, path, template } of pairs) {
    if (!template) added.push({ path, call: after! });
    else if (!after) removed.push(template);
    else {
      assigned.set(after, template);
      const keys = changedKeys(template.call, after);
      const anew = keys.some((key) => agreedKeys.includes(key));
      if (keys.length === 0) kept++;
      else changed.push({ template, next: after, keys, anew });
    }
    yield;
  }
  return { kept, assigned, changed, removed, added };
}

interface Pair {
  readonly before?: CallConfig;
  readonly after?: CallConfig;
  readonly index: number;
}

/** Entries have no names of their own: first those that are equal belong together, then those for the same calls. */
function* pairUp(before: readonly CallConfig[], after: readonly CallConfig[]): Slices<Pair[]> {
  const left = new Set(before);
  const alike = Map.groupBy(before, ({ name }) => name);
  const take = (name: string, fits: (call: CallConfig) => boolean) => {
    for (const call of alike.get(name) ?? []) {
      if (left.has(call) && fits(call)) return left.delete(call), call;
    }
  };
  const equal = yield* mapped(
    after,
    (call) => take(call.name, (other) => same(other, call)),
  );
  const pairs = yield* mapped([...after.entries()], ([index, call]): Pair => {
    const former = equal[index] ?? take(call.name, () => true);
    return { ...(former && { before: former }), after: call, index };
  });
  for (const [index, call] of before.entries()) {
    if (left.has(call)) pairs.push({ before: call, index });
  }
  return pairs;
}

/** What changed, in the file's words. A peer's settings are not nested there. */
export function changeWords({ after, before, keys }: Changed<PeerConfig>): string {
  const settings = changedKeys(before.settings, after.settings);
  return keyWords([...keys.filter((key) => key !== "settings"), ...settings]);
}
