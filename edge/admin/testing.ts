/** An appliance without a datapath, for tests of what lies on top of it: real behaviour, all in memory. @module */

import { z } from "zod";
import type { Plugin, Row } from "../../plugins/plugin.ts";
import type { Counters } from "../../wasm/mod.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import { ApplianceError } from "../appliance/errors.ts";
import type { Edit } from "../config/edit.ts";
import { type EventBus, makeEventBus } from "../control/events.ts";
import { Tracer } from "../control/trace.ts";
import { buildSession, buildTunnel } from "../config/build.ts";
import type {
  AdminConfig,
  Config,
  SessionConfig,
  SessionInTunnel,
  SessionState,
  TunnelConfig,
  TunnelState,
} from "../config/model.ts";
import { noCounts } from "../keepalive/prober.ts";
import { counterNames } from "./statistics.ts";

/** The memory appliance, and what tests do to it behind the admin endpoint's back. */
export interface MemoryAppliance extends ApplianceApi {
  admin: AdminConfig;
  /** Where tests publish events. */
  readonly bus: EventBus;
  /** Where tests have messages come and go. */
  readonly tracer: Tracer;
  healthy: boolean;
  /** What requests asked to change of the configuration. */
  readonly edits: Edit[];
  /** Who has the configuration say something, by path (`peers/hq`). */
  readonly said: Map<string, "file" | "request">;
  peers: Config["peers"];
  managed: Config["managed"];
  /** What the next `reload()` throws. */
  reloadError: Error | undefined;
  /** Adds to a session's counters and its tunnel's. */
  count(tunnel: string, session: string, counters: Partial<Counters>): void;
}

const tapOptions = z.strictObject({
  name: z.string().max(15),
  mac: z.string().optional(),
  addresses: z.array(z.string()).optional(),
  "admin-password": z.string().optional(),
});

/** A plugin whose circuits are never provisioned: what is tested is how options are read. */
export const tapPlugin: Plugin<z.output<typeof tapOptions>> = {
  name: "tap",
  summary: "A TAP device",
  pseudowireTypes: [5],
  options: tapOptions,
  start: () => Promise.reject(new Error("never started")),
};

interface Entry<T> {
  config: T;
  readonly createdAt: number;
  readonly counters: Counters;
}
type Session = Entry<SessionConfig>;
type Tunnel = Entry<Omit<TunnelConfig, "sessions">> & { readonly sessions: Session[] };

/** An appliance with nothing in it; `now` counts milliseconds up from 1,700,000,000,000. */
export function memoryAppliance(): MemoryAppliance {
  const tunnels: Tunnel[] = [];
  let time = 1_700_000_000_000;
  const now = () => ++time;
  const tracer = new Tracer({
    whose: () => undefined,
    tunnelOf: () => undefined,
    drops: () => new Map(),
    wallClock: now,
    clock: { now, timer: () => ({ [Symbol.dispose]() {} }) },
    log: { particular: false, debugs: () => false, debug() {} },
  });
  const appliance: MemoryAppliance = {
    ...tunnelOperations(tunnels, now),
    ...pluginOperations,
    ...figures,
    startedAt: time,
    entered: () => appliance.bus.entered,
    uptimeMs: () => 1500,
    lastReload: () => ({ at: time, failed: false, failures: 0 }),
    healthy: true,
    bus: makeEventBus(now, tracer),
    tracer,
    admin: { listen: { host: "127.0.0.1", port: 8701 }, tokens: [] },
    reloadError: undefined,
    edits: [],
    said: new Map(),
    peers: [],
    managed: [],
    config: (): Config => ({
      listen: [{ encap: "udp", address: "0.0.0.0", port: 1701 }],
      admin: appliance.admin,
      log: { level: "info", format: "text" },
      hostName: "edge1",
      routerId: 1,
      peers: appliance.peers,
      managed: appliance.managed,
      plugins: [],
      sections: {},
      circuits: [],
      hooks: {},
      stateFolder: "/var/lib/isthmus",
      tunnels: tunnels.map((tunnel) => tunnelState(tunnel).config),
    }),
    running: () => Promise.resolve(appliance.config()),
    events: (after) => appliance.bus.subscribe(after),
    trace: (of) => Promise.resolve(appliance.tracer.watch(of)),
    reload: () =>
      attempt(() => {
        if (appliance.reloadError) throw appliance.reloadError;
        return {
          steps: [{ path: "tunnels/new", step: "added" }, {
            path: "tunnels/branch",
            step: "changed",
            why: "remote",
          }],
          kept: tunnels.length,
          down: [...appliance.down()],
        };
      }),
    confirmReload: () => false,
    edit: (edits) => {
      appliance.edits.push(...edits);
      return appliance.reload();
    },
    saidBy: (path) => appliance.said.get(path.join("/")),
    save: () => Promise.resolve({ text: "saved: true\n" }),
  };
  return appliance;
}

type TunnelOperation =
  | "tunnels"
  | "tunnel"
  | "summary"
  | "session"
  | "tunnelPage"
  | "sessionPage"
  | "sessionCounts"
  | `${"create" | "change" | "delete"}${"Tunnel" | "Session"}`
  | "count";

/** What is done to tunnels and their sessions. */
function tunnelOperations(
  tunnels: Tunnel[],
  now: () => number,
): Pick<MemoryAppliance, TunnelOperation> {
  const findTunnel = (key: string) => {
    const found = tunnels.find(({ config }) =>
      config.name === key || String(config.tunnelId) === key
    );
    if (found) return found;
    throw new ApplianceError("not-found", undefined, `there is no tunnel ${key}`);
  };
  return {
    tunnels: () => Promise.resolve(tunnels.map(tunnelState)),
    tunnel: (key) => attempt(() => tunnelState(findTunnel(key))),
    summary: (key) => attempt(() => tunnelState(findTunnel(key))),
    session: (key, session) => attempt(() => sessionIn(findTunnel(key), session)),
    sessionCounts: () =>
      attempt(() => {
        const all = tunnels.flatMap(({ sessions }) => sessions.map(sessionState));
        const up = all.filter(({ status }) => status === "up").length;
        return { up, down: all.length - up };
      }),
    tunnelPage: ({ after = { id: -1, name: "" }, limit }) =>
      attempt(() => {
        const all = tunnels.map(tunnelState)
          .sort((a, b) => a.config.tunnelId - b.config.tunnelId)
          .filter(({ config }) => config.tunnelId > after.id);
        const last = all[limit - 1]?.config;
        return {
          items: all.slice(0, limit),
          ...(last && all.length > limit && { next: { id: last.tunnelId, name: last.name } }),
        };
      }),
    sessionPage: ({ after = { tunnelId: -1, id: 0 }, limit }, key) =>
      attempt(() => {
        const owners = key === undefined ? tunnels : [findTunnel(key)];
        const all = owners
          .flatMap((tunnel) => tunnel.sessions.map(({ config }) => sessionIn(tunnel, config.name)))
          .sort((a, b) =>
            a.tunnel.tunnelId - b.tunnel.tunnelId ||
            a.session.config.sessionId - b.session.config.sessionId
          )
          .filter(({ session, tunnel }) =>
            tunnel.tunnelId > after.tunnelId ||
            tunnel.tunnelId === after.tunnelId && session.config.sessionId > after.id
          );
        const last = all[limit - 1];
        const next = last &&
          { tunnelId: last.tunnel.tunnelId, id: last.session.config.sessionId };
        return { items: all.slice(0, limit), ...(next && all.length > limit && { next }) };
      }),
    createTunnel: (config) =>
      attempt(() => {
        for (const { config: other } of tunnels) {
          if (other.name === config.name) throw exists("name", config.name);
          if (other.tunnelId === config.tunnelId) throw exists("tunnel-id", config.tunnelId);
        }
        const tunnel = { config, createdAt: now(), counters: zero(), sessions: [] };
        tunnels.push(tunnel);
        return tunnelState(tunnel);
      }),
    changeTunnel: (key, patch) =>
      attempt(() => {
        const tunnel = findTunnel(key);
        tunnel.config = { ...tunnel.config, ...patch };
        return tunnelState(tunnel);
      }),
    deleteTunnel: (key) => attempt(() => void tunnels.splice(tunnels.indexOf(findTunnel(key)), 1)),
    createSession: (key, config) =>
      attempt(() => {
        const tunnel = findTunnel(key);
        for (const { config: other } of tunnel.sessions) {
          if (other.name === config.name) throw exists("name", config.name);
          if (other.sessionId === config.sessionId) throw exists("session-id", config.sessionId);
        }
        tunnel.sessions.push({ config, createdAt: now(), counters: zero() });
        return sessionIn(tunnel, config.name);
      }),
    changeSession: (key, session, patch) =>
      attempt(() => {
        const tunnel = findTunnel(key);
        const found = findSession(tunnel, session);
        found.config = { ...found.config, ...patch };
        return sessionIn(tunnel, session);
      }),
    deleteSession: (key, session) =>
      attempt(() => {
        const { sessions } = findTunnel(key);
        sessions.splice(sessions.indexOf(findSession({ sessions }, session)), 1);
      }),
    count: (key, session, counters) => {
      const tunnel = findTunnel(key);
      for (const { counters: mine } of [tunnel, findSession(tunnel, session)]) {
        for (const name of counterNames) mine[name] += counters[name] ?? 0;
      }
    },
  };
}

/** What plugins show and do. */
const pluginOperations: Pick<MemoryAppliance, "circuits" | "view" | "run"> = {
  circuits: () => [{
    config: { name: "lan", plugin: "bridge", options: {} },
    up: true,
    reason: undefined,
    sessions: 2,
  }],
  async *view(view, name) {
    if (view !== "fdb") {
      throw new ApplianceError("not-found", undefined, `there is no view ${view}`);
    }
    yield { port: name ?? "p1", mac: "02:00:00:00:00:01" };
  },
  run: (word, given) =>
    attempt(() => {
      if (word === "flush-fdb") return { flushed: given as Row };
      throw new ApplianceError("not-found", undefined, `there is no word ${word}`);
    }),
};

/** What an appliance tells of how it fares. */
const figures: Pick<
  MemoryAppliance,
  "connections" | "failures" | "datapath" | "keepalives" | "down" | "metrics"
> = {
  connections: () =>
    Promise.resolve({
      "wait-ctl-reply": 1,
      "wait-ctl-conn": 0,
      established: 2,
      stopping: 0,
      closed: 0,
    }),
  failures: () => ({ latest: [], counts: { "digest-wrong": 2, "avp-15": 1 } }),
  datapath: () =>
    Promise.resolve({
      pathErrors: { "port-unreachable": 2 },
      drops: { "unknown-session": 3, "bad-version": 0 },
      io: { "rx-batches": 7 },
      memory: { wasm: 65_536, heap: 3000 },
    }),
  keepalives: () =>
    Promise.resolve({
      states: { waiting: 0, up: 1, lost: 2 },
      counts: { ...noCounts(), sent: 9, answered: 7, lost: 2 },
    }),
  down: () => [{
    path: "tunnels/new",
    reason: "the address is not there",
    since: 1_700_000_000_000,
  }],
  metrics: () =>
    Promise.resolve([
      { name: "isthmus_tap_devices", help: "TAPs.", type: "gauge", value: 1 },
    ]),
};

/** A peer that says nothing but its name. */
export const hq = {
  name: "hq",
  addresses: [],
  accept: [],
  settings: {},
} as unknown as Config["peers"][number];

/** An appliance with the tunnel `branch` (1 → 2) and its session `office` (11 → 12) on a TAP. */
export async function branchOffice(): Promise<MemoryAppliance> {
  const appliance = memoryAppliance();
  const tunnel = buildTunnel("branch", {
    "tunnel-id": 1,
    "peer-tunnel-id": 2,
    "ip-saddr": "10.77.0.1",
    "ip-daddr": "10.77.0.2",
  });
  const circuit = { plugin: "tap", options: { name: "office0" } };
  const attributes = { "session-id": 11, "peer-session-id": 12, cookie: "0011223344556677" };
  const session = buildSession("office", 3, attributes, circuit);
  if (!tunnel.ok || !session.ok) throw new Error("the example is wrong");
  await appliance.createTunnel(tunnel.value);
  await appliance.createSession("branch", session.value);
  return appliance;
}

function findSession({ sessions }: Pick<Tunnel, "sessions">, key: string): Session {
  const found = sessions.find(({ config }) =>
    config.name === key || String(config.sessionId) === key
  );
  if (found) return found;
  throw new ApplianceError("not-found", undefined, `there is no session ${key}`);
}

function tunnelState({ config, createdAt, counters, sessions }: Tunnel): TunnelState {
  const states = sessions.map(sessionState);
  return {
    config: { ...config, sessions: states.map((session) => session.config) },
    origin: "api",
    createdAt,
    counters: { ...counters },
    sessionCount: states.length,
    sessions: states,
  };
}

function sessionIn(tunnel: Tunnel, session: string): SessionInTunnel {
  return {
    tunnel: { ...tunnel.config, sessions: [] },
    session: sessionState(findSession(tunnel, session)),
  };
}

function sessionState({ config, createdAt, counters }: Session): SessionState {
  const { circuit } = config;
  const options = circuit?.options as { readonly name?: string } | undefined;
  return {
    config,
    origin: "api",
    createdAt,
    counters: { ...counters },
    ...(circuit && options?.name !== undefined
      ? {
        status: "up",
        ifname: options.name,
        mtu: config.mtu ?? 1446,
        circuit: { plugin: circuit.plugin, shown: { mac: "02:00:00:00:00:01" } },
      }
      : { status: "down", reason: "no circuit" }),
  };
}

function exists(attribute: string, value: string | number): ApplianceError {
  return new ApplianceError("exists", attribute, `${value} is taken`);
}

function zero(): Counters {
  return Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
}

/** What `work` gives or throws, as a promise. */
function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
