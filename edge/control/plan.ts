/** What lies between the peers and managed tunnels that run and those that a configuration has. Pure. @module */

import { wayOptions } from "../config/attributes.ts";
import {
  type Changed,
  changedKeys,
  compare,
  keyWords,
  managedIdentity,
} from "../config/compare.ts";
import type { CallConfig, Config, ManagedTunnelConfig, PeerConfig } from "../config/model.ts";
import type { CallTemplate } from "./call_template.ts";
import type { ControlState, ManagedConnection, ManagedTunnel, PeerEntry } from "./context.ts";
import { agreedKeys } from "./parameters.ts";
import { fitsPeer } from "./peers.ts";
import { same } from "../config/same.ts";

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
  /** Connections of what stays that must end all the same. */
  readonly endings: readonly Ending[];
}

/** @param callerOf who the other end of a connection is */
export function planControl(
  state: ControlState,
  next: Pick<Config, "managed" | "peers">,
  callerOf: (link: ManagedConnection) => { readonly address: string; readonly hostName: string },
): ControlPlan {
  const entries = [...state.peers.values()];
  const peers = compare(entries.map(({ config }) => config), next.peers, {
    identity: [],
    aside: ["accept"],
  });
  const running = [...state.managedTunnels.values()];
  const tunnels = compare(running.map(({ config }) => config), next.managed, {
    identity: managedIdentity,
    aside: ["calls"],
  });
  const accepted = new Map(
    next.peers.filter(({ name }) => state.peers.has(name))
      .map((peer) => [peer.name, planAccepted(state.peers.get(peer.name)!, peer)]),
  );
  const staying = [...tunnels.kept, ...tunnels.changed.map(({ after }) => after)];
  const placed = new Map(
    staying.map((tunnel) => [
      tunnel.name,
      planPlaced(state.managedTunnels.get(tunnel.name)!, tunnel),
    ]),
  );
  const gone = [...tunnels.removed, ...tunnels.replaced.map(({ before }) => before)];
  const templates = [...accepted.values(), ...placed.values()];
  return {
    kept: peers.kept.length + tunnels.kept.length +
      templates.reduce((sum, { kept }) => sum + kept, 0),
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
    endings: [
      ...endingsOfPeers(state, peers.changed, peers.removed, callerOf),
      ...endingsOfTunnels(state, tunnels.changed, callerOf),
    ],
  };
}

/** A connection outlives all that was only of use to set it up. */
function endingsOfPeers(
  { links }: ControlState,
  changed: readonly Changed<PeerConfig>[],
  removed: readonly PeerConfig[],
  callerOf: (link: ManagedConnection) => { readonly address: string; readonly hostName: string },
): Ending[] {
  const changes = new Map(changed.map((change) => [change.after.name, change]));
  const gone = new Set(removed.map(({ name }) => name));
  return [...links.values()].flatMap((link) => {
    if (gone.has(link.peer)) return { link, why: "its peer is not in the configuration any more" };
    const change = changes.get(link.peer);
    if (!change) return [];
    const { after, before } = change;
    const [former, settings] = [before.settings, after.settings];
    const speaks = settings.version === link.version ||
      settings.fallback === true && link.version === 2;
    if (!speaks || former.version !== settings.version && !link.established) {
      return { link, why: "the peer's proto-version changed" };
    }
    const known = link.established && fitsPeer(before, callerOf(link));
    if (known && !fitsPeer(after, callerOf(link))) {
      return { link, why: "the peer's address or host-name is another now" };
    }
    return [];
  });
}

function endingsOfTunnels(
  { managedTunnels }: ControlState,
  changed: readonly Changed<ManagedTunnelConfig>[],
  callerOf: (link: ManagedConnection) => { readonly address: string },
): Ending[] {
  return changed.flatMap(({ after, keys }) => {
    const { link } = managedTunnels.get(after.name)!;
    if (!link) return [];
    const way = keys.filter((key) => wayKeys.includes(key));
    if (way.length > 0) return { link, why: `${keyWords(way)} changed` };
    if (!keys.includes("remotes") || after.remotes.length === 0) return [];
    const { address } = callerOf(link);
    const still = after.remotes.some(({ endpoint }) => endpoint.address === address);
    return still ? [] : { link, why: "remote changed" };
  });
}

function planAccepted({ config, templates }: PeerEntry, next: PeerConfig): TemplatePlan {
  const pairs = pairUp(config.accept, next.accept);
  const path = (index: number) => `peers/${next.name}/accept/${index}`;
  return planTemplates(
    pairs.map(({ before, after, index }) => ({
      template: before && templates.get(before),
      after,
      path: path(index),
    })),
  );
}

function planPlaced({ placedCalls }: ManagedTunnel, next: ManagedTunnelConfig): TemplatePlan {
  const wanted = new Map(next.calls.map((call) => [call.name, call]));
  const names = new Set([...placedCalls.keys(), ...wanted.keys()]);
  return planTemplates(
    [...names].map((name) => ({
      template: placedCalls.get(name)?.template,
      after: wanted.get(name),
      path: `tunnels/${next.name}/sessions/${name}`,
    })),
  );
}

function planTemplates(
  pairs: readonly {
    readonly template: CallTemplate | undefined;
    readonly after: CallConfig | undefined;
    readonly path: string;
  }[],
): TemplatePlan {
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
  }
  return { kept, assigned, changed, removed, added };
}

interface Pair {
  readonly before?: CallConfig;
  readonly after?: CallConfig;
  readonly index: number;
}

/** Entries have no names of their own: first those that are equal belong together, then those for the same calls. */
function pairUp(before: readonly CallConfig[], after: readonly CallConfig[]) {
  const left = new Set(before);
  const take = (fits: (call: CallConfig) => boolean) => {
    for (const call of left) if (fits(call)) return left.delete(call), call;
  };
  const equal = after.map((call) => take((other) => same(other, call)));
  const pairs: Pair[] = after.map(
    (call, index) => {
      const former = equal[index] ?? take((other) => other.name === call.name);
      return { ...(former && { before: former }), after: call, index };
    },
  );
  const alone = [...left].map((call): Pair => ({ before: call, index: before.indexOf(call) }));
  return [...pairs, ...alone];
}

/** What changed, in the file's words. A peer's settings are not nested there. */
export function changeWords({ after, before, keys }: Changed<PeerConfig>): string {
  const settings = changedKeys(before.settings, after.settings);
  return keyWords([...keys.filter((key) => key !== "settings"), ...settings]);
}
