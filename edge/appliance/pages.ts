/**
 * Tunnels and sessions one by one and in pages: states are made, and counters asked for, of what is shown and of
 * nothing else.
 *
 * @module
 */

import type { SessionInTunnel, TunnelSummary } from "../config/model.ts";
import type { DatapathCounters, StatsOf } from "../datapath/datapath.ts";
import { findSession, findTunnel, type SessionEntry, type TunnelEntry } from "../sessions/table.ts";
import type { OwnedSession } from "../sessions/tunnels.ts";
import { each, inSlices, makePace, mapped } from "../slices.ts";
import { byText, merged } from "../sorted.ts";
import type { ApplianceApi, Page, SessionPlace, TunnelPlace } from "./api.ts";
import type { ApplianceContext } from "./context.ts";
import type { DownOne } from "./down.ts";
import { ApplianceError } from "./errors.ts";
import { tunnelName } from "./requests.ts";
import {
  countersOfAll,
  downSession,
  downState,
  managedState,
  sessionStateOf,
  summaryOf,
} from "./view.ts";

/** What this makes. */
export type Pages = Pick<
  ApplianceApi,
  "tunnelPage" | "sessionPage" | "summary" | "session" | "sessionCounts"
>;

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
  statistics: (of: StatsOf) => Promise<DatapathCounters>,
): Pages {
  const { control, down, tunnels } = context;

  /** Tunnels with a control connection that is not up, whatever ids they try; undefined: look at the clock. */
  const dialed = function* (after: TunnelPlace | undefined): Iterable<Found | undefined> {
    if (after && after.id > 0) return;
    let passed = 0;
    for (const name of control.wanted(after?.name ?? "")) {
      if (!tunnels.all.has(name)) yield { id: 0, name };
      else if (++passed % 32 === 0) yield undefined;
    }
  };
  const inOrder = function* (after: TunnelPlace | undefined): Iterable<Found | undefined> {
    yield* dialed(after);
    const place = after && { tunnelId: after.id, name: after.name };
    yield* merged<Found>(
      map(tunnels.all.after(place), (entry) => ({ ...placeOf(entry.config), entry })),
      map(down.tunnels(place), (down) => ({ ...placeOf(down.tunnel.config), down })),
      (a, b) => a.id - b.id || byText(a.name, b.name),
    );
  };
  const find = (tunnel: string): Found => {
    const name = tunnelName(context, tunnel);
    const waiting = down.tunnel({ name });
    if (waiting) return { ...placeOf(waiting.tunnel.config), down: waiting };
    const entry = tunnels.all.get(name);
    if (!entry && control.stateOf(name)) return { id: 0, name };
    return { name, id: 0, entry: entry ?? findTunnel(tunnels.all, name) };
  };
  const show = (
    { down, entry, name }: Found,
    stats: DatapathCounters,
  ): TunnelSummary | undefined => {
    if (down) return downState(down);
    const managed = control.stateOf(name, entry);
    if (!entry) return managed && managedState(managed);
    const state = summaryOf(entry, stats);
    return managed ? { ...state, control: managed.control } : state;
  };
  const showAll = async (found: readonly Found[]) => {
    const entries = found.flatMap(({ entry }) => entry ?? []);
    const stats = await statistics({ sessions: [], ...countersOfAll(entries) });
    const shown: TunnelSummary[] = [];
    await inSlices(each(found, (one) => {
      const state = show(one, stats);
      if (state) shown.push(state);
    }));
    return shown;
  };
  const showSessions = async (found: readonly FoundSession[]): Promise<SessionInTunnel[]> => {
    const ports = found.flatMap(({ entry }) => entry ? [entry.port] : []);
    const stats = await statistics({ sessions: ports, tunnels: [] });
    return await inSlices(mapped(found, ({ entry, of, owned }) => ({
      tunnel: of.entry?.config ?? of.down!.tunnel.config,
      session: entry ? sessionStateOf(entry, stats) : downSession(owned!, of.down!.since),
    })));
  };

  return {
    async tunnelPage({ after, limit }) {
      return await page(inOrder(after), limit, ({ id, name }) => ({ id, name }), showAll);
    },
    async sessionPage({ after, limit }, tunnel) {
      const from = after && { id: after.tunnelId, name: "" };
      const owners = tunnel === undefined ? inOrder(from) : [find(tunnel)];
      const sessions = sessionsIn(owners, after);
      return await page(sessions, limit, ({ id, tunnelId }) => ({ id, tunnelId }), showSessions);
    },
    sessionCounts: () => inSlices(sessionCounts(context)),
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

function* sessionCounts({ down, tunnels }: ApplianceContext) {
  const counts = { up: 0, down: 0 };
  yield* each(down.tunnels(), ({ tunnel }) => void (counts.down += tunnel.sessions.length));
  for (const { sessions } of tunnels.all.values()) {
    yield* each(
      sessions.values(),
      ({ reason }) => void counts[reason === undefined ? "up" : "down"]++,
    );
    yield;
  }
  return counts;
}

function placeOf(
  { name, tunnelId }: { readonly name: string; readonly tunnelId: number },
): TunnelPlace {
  return { id: tunnelId, name };
}

function* map<T, R>(items: Iterable<T>, make: (item: T) => R): Iterable<R> {
  for (const item of items) yield make(item);
}

/** The sessions of tunnels, behind a place. */
function* sessionsIn(
  owners: Iterable<Found | undefined>,
  after: SessionPlace | undefined,
): Iterable<FoundSession | undefined> {
  let passed = 0;
  for (const of of owners) {
    if (!of || ++passed % 32 === 0) yield undefined;
    if (!of) continue;
    const tunnelId = of.entry?.config.tunnelId ?? of.id;
    const from = tunnelId === after?.tunnelId ? after.id : 0;
    if (after && tunnelId < after.tunnelId) continue;
    if (of.entry) {
      for (const entry of of.entry.sessions.after(from)) {
        yield { of, entry, tunnelId, id: entry.config.sessionId };
      }
    }
    const waiting = of.down?.tunnel.sessions.filter(({ config }) => config.sessionId > from) ?? [];
    for (const owned of waiting.sort((a, b) => a.config.sessionId - b.config.sessionId)) {
      yield { of, owned, tunnelId, id: owned.config.sessionId };
    }
  }
}

/** The first of `items`, shown; found in slices. */
async function page<Item, Place, Shown>(
  items: Iterable<Item | undefined>,
  limit: number,
  placeOf: (item: Item) => Place,
  show: (items: readonly Item[]) => Promise<readonly Shown[]>,
): Promise<Page<Shown, Place>> {
  const taken: Item[] = [];
  let more = false;
  const pace = makePace();
  for (const item of items) {
    if (pace.over) await pace.rest();
    if (item === undefined) continue;
    more = taken.length === limit;
    if (more) break;
    taken.push(item);
  }
  const last = taken.at(-1);
  return { items: await show(taken), ...(more && last && { next: placeOf(last) }) };
}
