/** What the configuration asks for and cannot be had now: listed with its reason, and tried again. @module */

import type { Clock, Log } from "../../plugins/host/leaves.ts";
import type { TunnelConfig } from "../config/model.ts";
import { byPlace, type TunnelPlace } from "../sessions/table.ts";
import type { OwnedSession } from "../sessions/tunnels.ts";
import { Sorted } from "../sorted.ts";
import { forEach } from "./transaction.ts";

/** Something that is down. */
export interface Down {
  /** As in reports: `listen/udp:10.0.0.1:1701`, `tunnels/branch`, `tunnels/branch/sessions/office`. */
  readonly path: string;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly since: number;
}

/** A whole tunnel that is down, with the sessions that are down with it. */
export interface DownTunnel {
  readonly config: TunnelConfig;
  readonly sessions: readonly OwnedSession[];
}

/** A whole tunnel, and why it is down. */
export type DownOne = Down & { readonly tunnel: DownTunnel };

/** What to do about something that is down. */
export interface Retry {
  /** The key of the queue that it belongs to; undefined: it must be alone. */
  readonly queue: string | undefined;
  readonly tunnel?: DownTunnel;
  /** Tries again. Resolves once it is up, or is not wanted any more; rejects where it stays down. */
  retry(): Promise<void>;
}

export interface DownDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** Unix milliseconds. */
  wallClock(): number;
  /** Runs work in its turn. */
  enqueue(queue: string | undefined, work: () => Promise<void>): Promise<void>;
}

/** All that is down. */
export interface DownList extends Disposable {
  all(): Iterable<Down>;
  get(path: string): (Down & Retry) | undefined;
  /** The whole tunnels among them behind a place, in order. */
  tunnels(after?: TunnelPlace): Iterable<DownOne>;
  /** The whole tunnel of that name, or of that id, among them. */
  tunnel(of: Partial<TunnelPlace>): DownOne | undefined;
  /** Lists something; it is tried again after a pause that doubles each time. */
  add(path: string, reason: Error, retry: Retry): void;
  /** It is not wanted any more, or it is up by other means. */
  delete(path: string): void;
  /** The same, of a thing and all that is in it. */
  deleteAll(path: string): void;
  /** Tries these again now, in the turn of the caller. The result holds what is up again, and why it was down. */
  retry(paths: Iterable<string>): Promise<readonly Down[]>;
}

/** The first and the longest pause, in milliseconds. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
/** How many are tried at a time. */
const WIDTH = 16;

interface Entry extends Down, Retry {
  reason: string;
  failures: number;
  timer: Disposable | undefined;
}

/** A list of nothing. */
export function makeDownList({ clock, enqueue, log, wallClock }: DownDependencies): DownList {
  const entries = new Map<string, Entry>();
  /** By what they are in: `tunnels/branch`. Very many may be down when very many are taken out. */
  const within = new Map<string, Set<Entry>>();
  const tunnels = new Sorted<DownOne>((a, b) => byPlace(a.tunnel.config, b.tunnel.config));
  let disposed = false;

  const remove = (entry: Entry) => {
    entry.timer?.[Symbol.dispose]();
    if (entries.get(entry.path) !== entry) return;
    entries.delete(entry.path);
    if (isTunnel(entry)) tunnels.delete(entry);
    const owner = ownerOf(entry.path);
    const siblings = within.get(owner);
    siblings?.delete(entry);
    if (siblings?.size === 0) within.delete(owner);
  };
  const insert = (entry: Entry) => {
    entries.set(entry.path, entry);
    if (isTunnel(entry)) tunnels.add(entry);
    const siblings = within.get(ownerOf(entry.path));
    if (siblings) siblings.add(entry);
    else within.set(ownerOf(entry.path), new Set([entry]));
  };
  const wait = (entry: Entry) => {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** entry.failures++, LONGEST_PAUSE_MS);
    entry.timer = clock.timer(clock.now() + pause, () => {
      void enqueue(entry.queue, async () => {
        if (!await attempt(entry)) wait(entry);
      }).catch((error: unknown) => log.error("cannot try again", { error: String(error) }));
    });
  };
  /** Whether there is nothing left to try. */
  const attempt = async (entry: Entry): Promise<boolean> => {
    if (disposed || entries.get(entry.path) !== entry) return true;
    try {
      await entry.retry();
      // A failure of another kind may have listed it anew.
      if (entries.get(entry.path) === entry) {
        log.info("up again", { path: entry.path, was: entry.reason });
        remove(entry);
      }
      return true;
    } catch (error) {
      const reason = messageOf(error);
      const level = reason === entry.reason ? "debug" : "warn";
      log[level]("stays down", { path: entry.path, reason });
      entry.reason = reason;
      return entries.get(entry.path) !== entry;
    }
  };

  return {
    *all() {
      for (const { path, reason, since } of entries.values()) yield { path, reason, since };
    },
    get: (path) => entries.get(path),
    tunnels: (after) => tunnels.from(({ tunnel }) => byPlace(tunnel.config, after) > 0),
    tunnel({ name, tunnelId }) {
      const named = name !== undefined && entries.get(`tunnels/${name}`);
      if (named && isTunnel(named)) return named;
      return tunnelId === undefined ? undefined : numbered(tunnels, tunnelId);
    },
    add(path, error, retry) {
      const former = entries.get(path);
      if (former) remove(former);
      const reason = messageOf(error);
      const since = former?.since ?? wallClock();
      const entry: Entry = { ...retry, path, reason, since, failures: 0, timer: undefined };
      insert(entry);
      log.warn("down, and tried again", { path, reason });
      if (!disposed) wait(entry);
    },
    delete(path) {
      const entry = entries.get(path);
      if (entry) remove(entry);
    },
    deleteAll(path) {
      for (const entry of [...within.get(ownerOf(path)) ?? []]) {
        if (entry.path === path || entry.path.startsWith(`${path}/`)) remove(entry);
      }
    },
    async retry(paths) {
      const up: Down[] = [];
      await forEach(paths, WIDTH, async (path) => {
        const entry = entries.get(path);
        if (!entry) return;
        const { reason, since } = entry;
        entry.timer?.[Symbol.dispose]();
        if (!await attempt(entry)) wait(entry);
        else if (!entries.has(path)) up.push({ path, reason, since });
      });
      return up;
    },
    [Symbol.dispose]() {
      disposed = true;
      for (const entry of [...entries.values()]) remove(entry);
    },
  };
}

function numbered(tunnels: Sorted<DownOne>, id: number): DownOne | undefined {
  const [found] = tunnels.from(({ tunnel }) => tunnel.config.tunnelId >= id);
  return found?.tunnel.config.tunnelId === id ? found : undefined;
}

function isTunnel(entry: Entry): entry is Entry & { tunnel: DownTunnel } {
  return entry.tunnel !== undefined;
}

/** What something is in, or it itself: the first two names of its path. */
function ownerOf(path: string): string {
  return path.split("/", 2).join("/");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
