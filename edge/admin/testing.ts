/** An appliance without a datapath, for tests of what lies on top of it: real behaviour, all in memory. @module */

import { z } from "zod";
import type { ConnectionState } from "../../core/events.ts";
import type { Json, Plugin, Row } from "../../plugins/plugin.ts";
import type { Counters } from "../../wasm/mod.ts";
import type { ApplianceApi, SessionPatch, TunnelPatch } from "../appliance/api.ts";
import type { Down } from "../appliance/down.ts";
import { ApplianceError } from "../appliance/errors.ts";
import type { ReloadReport } from "../appliance/reconcile.ts";
import type { NamedState } from "../circuits/circuits.ts";
import type { Saved } from "../config/document.ts";
import type { Edit } from "../config/edit.ts";
import { type EventBus, makeEventBus } from "../control/events.ts";
import type { FailureReport, Subscription } from "../control/mod.ts";
import { buildSession, buildTunnel } from "../config/build.ts";
import type {
  AdminConfig,
  Config,
  SessionConfig,
  SessionState,
  TunnelConfig,
  TunnelState,
} from "../config/model.ts";
import { counterNames } from "./statistics.ts";

/** The memory appliance, and what tests do to it behind the admin endpoint's back. */
export interface MemoryAppliance extends ApplianceApi {
  admin: AdminConfig;
  /** Where tests publish events. */
  readonly bus: EventBus;
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
  return new ApplianceInMemory();
}

class ApplianceInMemory implements MemoryAppliance {
  #time = 1_700_000_000_000;
  readonly #tunnels: Tunnel[] = [];
  readonly startedAt = this.#time;
  healthy = true;
  readonly bus: EventBus = makeEventBus(() => ++this.#time);
  admin: AdminConfig = { listen: { host: "127.0.0.1", port: 8701 } };
  reloadError: Error | undefined;
  readonly edits: Edit[] = [];
  readonly said = new Map<string, "file" | "request">();
  peers: Config["peers"] = [];
  managed: Config["managed"] = [];

  config(): Config {
    return {
      listen: [{ encap: "udp", address: "0.0.0.0", port: 1701 }],
      admin: this.admin,
      log: { level: "info", format: "text" },
      hostName: "edge1",
      routerId: 1,
      peers: this.peers,
      managed: this.managed,
      plugins: [],
      sections: {},
      circuits: [],
      hooks: {},
      stateFolder: "/var/lib/isthmus",
      tunnels: this.#tunnels.map((tunnel) => tunnelState(tunnel).config),
    };
  }

  circuits(): readonly NamedState[] {
    return [{
      config: { name: "lan", plugin: "bridge", options: {} },
      up: true,
      reason: undefined,
      sessions: 2,
    }];
  }

  async *view(view: string, name?: string): AsyncIterable<Row> {
    if (view !== "fdb") {
      throw new ApplianceError("not-found", undefined, `there is no view ${view}`);
    }
    yield { port: name ?? "p1", mac: "02:00:00:00:00:01" };
  }

  run(word: string, given: object): Promise<Json> {
    return attempt(() => {
      if (word === "flush-fdb") return { flushed: given as Row };
      throw new ApplianceError("not-found", undefined, `there is no word ${word}`);
    });
  }

  tunnels(): Promise<readonly TunnelState[]> {
    return Promise.resolve(this.#tunnels.map(tunnelState));
  }

  tunnel(key: string): Promise<TunnelState> {
    return attempt(() => tunnelState(this.#find(key)));
  }

  createTunnel(config: TunnelConfig): Promise<TunnelState> {
    return attempt(() => {
      for (const { config: other } of this.#tunnels) {
        if (other.name === config.name) throw exists("name", config.name);
        if (other.tunnelId === config.tunnelId) throw exists("tunnel-id", config.tunnelId);
      }
      const tunnel = { config, createdAt: ++this.#time, counters: zero(), sessions: [] };
      this.#tunnels.push(tunnel);
      return tunnelState(tunnel);
    });
  }

  changeTunnel(key: string, patch: TunnelPatch): Promise<TunnelState> {
    return attempt(() => {
      const tunnel = this.#find(key);
      tunnel.config = { ...tunnel.config, ...patch };
      return tunnelState(tunnel);
    });
  }

  deleteTunnel(key: string): Promise<void> {
    return attempt(() => void this.#tunnels.splice(this.#tunnels.indexOf(this.#find(key)), 1));
  }

  createSession(key: string, config: SessionConfig): Promise<TunnelState> {
    return attempt(() => {
      const tunnel = this.#find(key);
      for (const { config: other } of tunnel.sessions) {
        if (other.name === config.name) throw exists("name", config.name);
        if (other.sessionId === config.sessionId) throw exists("session-id", config.sessionId);
      }
      tunnel.sessions.push({ config, createdAt: ++this.#time, counters: zero() });
      return tunnelState(tunnel);
    });
  }

  changeSession(key: string, session: string, patch: SessionPatch): Promise<TunnelState> {
    return attempt(() => {
      const tunnel = this.#find(key);
      const found = findSession(tunnel, session);
      found.config = { ...found.config, ...patch };
      return tunnelState(tunnel);
    });
  }

  deleteSession(key: string, session: string): Promise<void> {
    return attempt(() => {
      const { sessions } = this.#find(key);
      sessions.splice(sessions.indexOf(findSession({ sessions }, session)), 1);
    });
  }

  events(): Subscription {
    return this.bus.subscribe();
  }

  connections(): Readonly<Record<ConnectionState, number>> {
    return {
      "wait-ctl-reply": 1,
      "wait-ctl-conn": 0,
      established: 2,
      stopping: 0,
      closed: 0,
    };
  }

  failures(): FailureReport {
    return { latest: [], counts: { "digest-wrong": 2, "avp-15": 1 } };
  }

  datapath(): ReturnType<ApplianceApi["datapath"]> {
    return Promise.resolve({
      pathErrors: { "port-unreachable": 2 },
      drops: { "unknown-session": 3, "bad-version": 0 },
      io: { "rx-batches": 7 },
    });
  }

  down(): readonly Down[] {
    return [{
      path: "tunnels/new",
      reason: "the address is not there",
      since: 1_700_000_000_000,
    }];
  }

  reload(): Promise<ReloadReport> {
    return attempt(() => {
      if (this.reloadError) throw this.reloadError;
      return {
        steps: [{ path: "tunnels/new", step: "added" }, {
          path: "tunnels/branch",
          step: "changed",
          why: "remote",
        }],
        kept: this.#tunnels.length,
        down: this.down(),
      };
    });
  }

  edit(edits: readonly Edit[]): Promise<ReloadReport> {
    this.edits.push(...edits);
    return this.reload();
  }

  saidBy(path: readonly string[]): "file" | "request" | undefined {
    return this.said.get(path.join("/"));
  }

  save(): Promise<Saved> {
    return Promise.resolve({ text: "saved: true\n" });
  }

  metrics(): ReturnType<ApplianceApi["metrics"]> {
    return Promise.resolve([
      { name: "isthmus_tap_devices", help: "TAPs.", type: "gauge", value: 1 },
    ]);
  }

  count(key: string, session: string, counters: Partial<Counters>): void {
    const tunnel = this.#find(key);
    for (const { counters: mine } of [tunnel, findSession(tunnel, session)]) {
      for (const name of counterNames) mine[name] += counters[name] ?? 0;
    }
  }

  #find(key: string): Tunnel {
    const found = this.#tunnels.find(({ config }) =>
      config.name === key || String(config.tunnelId) === key
    );
    if (found) return found;
    throw new ApplianceError("not-found", undefined, `there is no tunnel ${key}`);
  }
}

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
    sessions: states,
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
