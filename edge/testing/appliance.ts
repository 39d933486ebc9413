/** What tests of the appliance share: one in memory, configurations for it, and what a refusal must leave unchanged. @module */

import assert from "node:assert/strict";
import type { SessionId, TunnelId } from "../../core/ids.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import { setImmediate } from "node:timers";
import type { Clock } from "../../plugins/host/leaves.ts";
import { ethernet } from "../../plugins/ethernet/mod.ts";
import { ApplianceError } from "../appliance/errors.ts";
import { makeLog } from "../log/log.ts";
import type { Config, SessionConfig, TunnelConfig } from "../config/model.ts";
import { type Appliance, startAppliance } from "../appliance/appliance.ts";
import { fixedDocument } from "./document.ts";
import { type MemoryDatapath, memoryDatapath, type MemorySystem, memorySystem } from "./memory.ts";

/** An appliance in memory; disposal takes it down and asserts that nothing is left. */
export interface Bench extends AsyncDisposable {
  readonly appliance: Appliance;
  readonly datapath: MemoryDatapath;
  readonly system: MemorySystem;
  /** Passes time. */
  readonly clock: Pick<TestClock, "advance">;
  readonly lines: string[];
  /** What the file holds at the next reload. */
  file: Config;
}

/** A session without a circuit. */
export function session(id: number, changes: Partial<SessionConfig> = {}): SessionConfig {
  return {
    name: `session-${id}`,
    sessionId: id as SessionId,
    peerSessionId: id + 1000 as SessionId,
    pseudowireType: PseudowireType.Ethernet,
    l2spec: "default",
    cookie: "",
    peerCookie: "",
    sendSeq: false,
    recvSeq: false,
    lnsMode: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
    ...changes,
  };
}

/** The circuit of a session on a TAP. */
export const onTap = (name: string, more = {}) => ({
  circuit: { plugin: "tap", options: { name, ...more } },
});

/** A tunnel without sessions. */
export function tunnel(id: number, changes: Partial<TunnelConfig> = {}): TunnelConfig {
  return {
    name: `tunnel-${id}`,
    version: 3,
    tunnelId: id as TunnelId,
    peerTunnelId: id + 1000 as TunnelId,
    encap: "udp",
    local: { address: "10.77.0.1", port: 1701 },
    remote: { address: "10.77.0.2", port: 1701 },
    checksum: { udp: true, zero6Tx: false, zero6Rx: false },
    sessions: [],
    ...changes,
  };
}

/** A configuration whose listener covers those tunnels. */
export function config(tunnels: readonly TunnelConfig[], changes: Partial<Config> = {}): Config {
  return {
    listen: [{ encap: "udp", address: "0.0.0.0", port: 1701 }],
    admin: { listen: { path: "/run/isthmus/admin.sock" }, tokens: [] },
    log: { level: "info", format: "text" },
    hostName: "edge1",
    routerId: 1,
    peers: [],
    tunnels,
    managed: [],
    plugins: [],
    sections: {},
    circuits: [],
    hooks: {},
    stateFolder: "/var/lib/isthmus",
    ...changes,
  };
}

/** A clock that stands still until it is told. */
interface TestClock extends Clock {
  /** Goes on by so many milliseconds, and waits for what that brought about. */
  advance(ms: number): Promise<void>;
}

function testClock(): TestClock {
  let now = 0;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  return {
    now: () => now,
    timer(at, callback) {
      const timer = { at, callback };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    async advance(ms) {
      const end = now + ms;
      while (true) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        now = Math.max(now, next?.at ?? end);
        if (next && timers.delete(next)) next.callback();
        for (let turns = 0; turns < 20; turns++) {
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        if (!next) return;
      }
    },
  };
}

/** What cannot be had at first: addresses, and names of devices. */
export interface Wants {
  readonly refused?: readonly string[];
  readonly devices?: readonly string[];
}

/** Starts an appliance. With `wants`, time passes only when it is told to. */
export async function start(first: Config, wants?: Wants): Promise<
  Bench
> {
  const system = memorySystem();
  for (const address of wants?.refused ?? []) system.refused.add(address);
  for (const device of wants?.devices ?? []) system.occupy(device);
  const clock = testClock();
  const datapath = memoryDatapath(system);
  const lines: string[] = [];
  const appliance = await startAppliance({
    config: first,
    document: fixedDocument(() => bench.file),
    plugins: [ethernet],
    log: makeLog(first.log, { write: (line) => void lines.push(line) }),
    ...(wants && { clock }),
    wallClock: () => 1_700_000_000_000,
    system,
    startDatapath: () => Promise.resolve(datapath),
  });
  const bench: Bench = {
    appliance,
    datapath,
    system,
    clock,
    lines,
    file: first,
    async [Symbol.asyncDispose]() {
      await appliance[Symbol.asyncDispose]();
      assert.equal(system.open.size, 0, "descriptors left open");
      assert.equal(datapath.sessions.size + datapath.tunnels.size + datapath.ports.size, 0);
    },
  };
  return bench;
}

/** Everything that a failed change must leave as it was. */
function snapshot({ appliance, datapath, system }: Bench) {
  return structuredClone({
    config: {
      ...appliance.config(),
      tunnels: appliance.config().tunnels.toSorted((a, b) => a.tunnelId - b.tunnelId),
    },
    tunnels: [...datapath.tunnels.values()].map(({ socket: _, ...spec }) => spec)
      .sort((a, b) => a.tunnelId - b.tunnelId),
    sessions: [...datapath.sessions.values()].map(({ tunnel: _, ...spec }) => spec)
      .sort((a, b) => a.sessionId - b.sessionId),
    joins: datapath.joins.size,
    open: system.open.size,
    devices: [...system.devices].map(([name, { followers: _, ...device }]) => [name, device])
      .sort(),
  });
}

/** Asserts that `work` fails as said and leaves nothing changed. */
export async function refused(
  bench: Bench,
  expected: Partial<ApplianceError>,
  work: () => Promise<unknown>,
) {
  const before = snapshot(bench);
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof ApplianceError, String(error));
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(error[key as keyof ApplianceError], value, error.message);
    }
    return true;
  });
  assert.deepEqual(snapshot(bench), before);
}

/** A session on a TAP, in a tunnel. */
export const office = session(11, onTap("office0"));
/** A tunnel with that session. */
export const branch = tunnel(1, { sessions: [office] });
