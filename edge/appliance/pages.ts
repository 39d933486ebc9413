/**
 * Tunnels and sessions one by one and in pages: states are made, and counters asked for, of what is shown and of
 * nothing else.
 *
 * @module
 */

import type { SessionInTunnel, TunnelSummary } from "../config/model.ts";
import type { DatapathStats, StatsOf } from "../datapath/datapath.ts";
import { findSession, findTunnel, type SessionEntry, type TunnelEntry } from "../sessions/table.ts";
import type { OwnedSession } from "../sessions/tunnels.ts";
import type { ApplianceApi, Page, SessionPlace, TunnelPlace } from "./api.ts";
import type { ApplianceContext } from "./context.ts";
import type { Down, DownTunnel } from "./down.ts";
import { ApplianceError } from "./errors.ts";
import { tunnelName } from "./requests.ts";
import { downSession, downState, managedState, sessionStateOf, summaryOf } from "./view.ts";

/** What this makes. */
export type Pages = Pick<
  ApplianceApi,
  "tunnelPage" | "sessionPage" | "summary" | "session" | "sessionCounts"
>;

type DownOne = Down & { readonly tunnel: DownTunnel };

/** A tunnel, wherever it is to be found, before its state is made. */
interface Found extends TunnelPlace {
  readonly entry?: TunnelEntry;
  readonly down?: DownOne;
}

/** A session likewise. */
interface FoundSession extends SessionPlace {
  readonly of: Found;
  readonly entry?: SessionEntry;
  readonly owned?: OwnedSession;
}

/** @param statistics reads counters of some sessions and tunnels */
export function makePages(
  context: ApplianceContext,
  statistics: (of: StatsOf) => Promise<DatapathStats>,
): Pages {
  const { control, down, tunnels } = context;

  /** Tunnels that are not in the datapath. */
  const elsewhere = (): Found[] => [
    ...Array.from(control.wanted()).filter(([name]) => !tunnels.all.has(name))
      .map(([name, id]) => ({ name, id })),
    ...down.tunnels().map((down) => ({ ...placeOf(down.tunnel.config), down })),
  ];
  const inOrder = (after: TunnelPlace | undefined) =>
    merged(
      behind(tunnels.all.inOrder(), ({ config }) => compare(placeOf(config), after)),
      elsewhere().filter((each) => compare(each, after) > 0).sort(compare),
    );
  const find = (tunnel: string): Found => {
    const name = tunnelName(context, tunnel);
    const waiting = down.tunnels().find((each) => each.tunnel.config.name === name);
    if (waiting) return { ...placeOf(waiting.tunnel.config), down: waiting };
    const entry = tunnels.all.get(name);
    if (!entry && control.stateOf(name)) return { id: 0, name };
    return { name, id: 0, entry: entry ?? findTunnel(tunnels.all, name) };
  };
  const show = ({ down, entry, name }: Found, stats: DatapathStats): TunnelSummary | undefined => {
    if (down) return downState(down);
    const managed = control.stateOf(name, entry);
    if (!entry) return managed && managedState(managed);
    const state = summaryOf(entry, stats);
    return managed ? { ...state, control: managed.control } : state;
  };
  const showAll = async (found: readonly Found[]) => {
    const handles = found.flatMap(({ entry }) => entry ? [entry.handle] : []);
    const stats = await statistics({ sessions: [], tunnels: handles });
    return found.flatMap((each) => show(each, stats) ?? []);
  };
  const showSessions = async (found: readonly FoundSession[]): Promise<SessionInTunnel[]> => {
    const ports = found.flatMap(({ entry }) => entry ? [entry.port] : []);
    const stats = await statistics({ sessions: ports, tunnels: [] });
    return found.map(({ entry, of, owned }) => ({
      tunnel: of.entry?.config ?? of.down!.tunnel.config,
      session: entry ? sessionStateOf(entry, stats) : downSession(owned!, of.down!.since),
    }));
  };

  return {
    async tunnelPage({ after, limit }) {
      return await page(inOrder(after), limit, ({ id, name }) => ({ id, name }), showAll);
    },
    async sessionPage({ after, limit }, tunnel) {
      const from = after && { id: after.tunnelId - 1, name: "\uffff" };
      const owners = tunnel === undefined ? inOrder(from) : [find(tunnel)];
      const sessions = sessionsIn(owners, after);
      return await page(sessions, limit, ({ id, tunnelId }) => ({ id, tunnelId }), showSessions);
    },
    sessionCounts() {
      let up = 0;
      let down = context.down.tunnels().reduce((sum, each) => sum + each.tunnel.sessions.length, 0);
      for (const { sessions } of tunnels.all.values()) {
        for (const { reason } of sessions.values()) reason === undefined ? up++ : down++;
      }
      return { up, down };
    },
    async summary(tunnel) {
      const [summary] = await showAll([find(tunnel)]);
      if (summary) return summary;
      throw new ApplianceError("not-found", undefined, `there is no tunnel ${tunnel}`);
    },
    async session(tunnel, session) {
      const of = find(tunnel);
      const owned = of.down?.tunnel.sessions.find(({ config }) =>
        config.name === session || String(config.sessionId) === session
      );
      if (!owned && !of.entry) {
        const message = `the tunnel ${of.name} has no session ${session}`;
        throw new ApplianceError("not-found", undefined, message);
      }
      const found = owned ? { owned } : { entry: findSession(of.entry!, session) };
      const [shown] = await showSessions([{ of, id: 0, tunnelId: 0, ...found }]);
      return shown!;
    },
  };
}

function placeOf(
  { name, tunnelId }: { readonly name: string; readonly tunnelId: number },
): TunnelPlace {
  return { id: tunnelId, name };
}

/** Below 0: `a` comes first. Everything comes behind nothing. */
function compare(a: TunnelPlace, b: TunnelPlace | undefined): number {
  if (!b) return 1;
  return a.id - b.id || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** The items of an ordered list from the first for which `side` is above 0. */
function* behind<Item>(items: readonly Item[], side: (item: Item) => number): Iterable<Item> {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (side(items[middle]!) > 0) high = middle;
    else low = middle + 1;
  }
  for (; low < items.length; low++) yield items[low]!;
}

/** Two ordered lists as one. */
function* merged(there: Iterable<TunnelEntry>, others: readonly Found[]): Iterable<Found> {
  let next = 0;
  for (const entry of there) {
    const found = { ...placeOf(entry.config), entry };
    while (next < others.length && compare(others[next]!, found) < 0) yield others[next++]!;
    yield found;
  }
  while (next < others.length) yield others[next++]!;
}

/** The sessions of tunnels, behind a place. */
function* sessionsIn(
  owners: Iterable<Found>,
  after: SessionPlace | undefined,
): Iterable<FoundSession> {
  for (const of of owners) {
    const tunnelId = of.entry?.config.tunnelId ?? of.id;
    const from = tunnelId === after?.tunnelId ? after.id : 0;
    if (after && tunnelId < after.tunnelId) continue;
    if (of.entry) {
      const inside = behind(of.entry.sessions.inOrder(), ({ config }) => config.sessionId - from);
      for (const entry of inside) yield { of, entry, tunnelId, id: entry.config.sessionId };
    }
    const waiting = of.down?.tunnel.sessions.filter(({ config }) => config.sessionId > from) ?? [];
    for (const owned of waiting.sort((a, b) => a.config.sessionId - b.config.sessionId)) {
      yield { of, owned, tunnelId, id: owned.config.sessionId };
    }
  }
}

/** The first of `items`, shown. */
async function page<Item, Place, Shown>(
  items: Iterable<Item>,
  limit: number,
  placeOf: (item: Item) => Place,
  show: (items: readonly Item[]) => Promise<readonly Shown[]>,
): Promise<Page<Shown, Place>> {
  const taken: Item[] = [];
  let more = false;
  for (const item of items) {
    more = taken.length === limit;
    if (more) break;
    taken.push(item);
  }
  const last = taken.at(-1);
  return { items: await show(taken), ...(more && last && { next: placeOf(last) }) };
}
