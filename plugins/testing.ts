/**
 * A {@linkcode Host} in memory, for tests of plugins: it records ports, joins, devices and log lines, runs timers in
 * virtual time, and can be told to refuse any single operation.
 *
 * @module
 */

import type { SessionId, TunnelId } from "../core/ids.ts";
import { type FrameType, frameTypeOf, PseudowireType } from "../core/pseudowire.ts";
import {
  CircuitError,
  type Host,
  type HostPort,
  type Json,
  type Log,
  type PortId,
  type Session,
  type TapOptions,
  type TapPort,
} from "./plugin.ts";

/** An open port of a {@linkcode TestHost}. */
export interface TestPort {
  readonly frameType: FrameType;
  readonly kind: "session" | "tap" | "host";
  /** The port that it is joined with. */
  joined?: PortId | undefined;
  /** Hands frames to the plugin: host ports only. */
  readonly receive?: (frames: readonly Uint8Array[]) => void;
  /** Frames that the plugin sent: host ports only. */
  readonly sent: Uint8Array[];
  /** The device: TAPs only. */
  readonly tap?: TestTap;
}

/** A device of a {@linkcode TestHost}. */
export interface TestTap {
  options: TapOptions;
  carrier: boolean;
  /** Makes the device vanish (`ip link del`). */
  vanish(): void;
}

/** A recorded log line. */
export interface TestLine {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Record<string, Json>;
}

/** The host, and what a test may see and do. */
export interface TestHost extends Host {
  readonly ports: ReadonlyMap<PortId, TestPort>;
  /** How many times ports were joined and parted so far. */
  readonly joins: number;
  readonly lines: readonly TestLine[];
  /** Counters and gauges, by name. */
  readonly meters: ReadonlyMap<string, number | (() => number)>;
  /** What {@linkcode Host.fail} was called with. */
  readonly failures: readonly CircuitError[];
  /** Everything still open but session ports: ports, joins, timers and gauges. Empty once a circuit is gone. */
  leftovers(): string[];
  /** Makes the operation after `operations` more ones fail; what was asked for stays as it was. */
  refuseAfter(operations: number): void;
  /** Whether the refused operation was reached. */
  readonly refused: boolean;
  /** Makes a session with a port; `changes` replaces parts of it. */
  session(changes?: Partial<Session>): Session;
  /** Lets virtual time pass, running timers in order. */
  advance(ms: number): void;
}

/** The largest frame that crosses the path of {@linkcode TestHost.session}s. */
export const TEST_FRAME_MTU = 1460;

/** A host without a world. */
export function testHost(): TestHost {
  const ports = new Map<PortId, TestPort>();
  const timers = new Map<number, { at: number; callback: () => void }>();
  const meters = new Map<string, number | (() => number)>();
  const lines: TestLine[] = [];
  const failures: CircuitError[] = [];
  let [now, lastId, joins, seed] = [0, 0, 0, 1];
  let countdown = Infinity;

  /** Counts one operation, or refuses it. */
  const operate = (what: string) => {
    if (countdown-- === 0) throw new CircuitError("unavailable", `${what} refused by the test`);
  };
  const open = (port: TestPort): PortId => {
    const id = ++lastId as PortId;
    ports.set(id, port);
    return id;
  };
  const part = (a: PortId) => {
    const b = ports.get(a)?.joined;
    for (const id of [a, b]) {
      const port = id === undefined ? undefined : ports.get(id);
      if (port) port.joined = undefined;
    }
  };
  const close = (id: PortId) => {
    part(id);
    ports.delete(id);
  };
  const log = (level: keyof Log) => (message: string, fields: Record<string, Json> = {}) => {
    lines.push({ level, message, fields });
  };

  return {
    ports,
    lines,
    meters,
    failures,
    get joins() {
      return joins;
    },
    get refused() {
      return countdown < 0;
    },
    datapath: {
      openTap: (options) =>
        attempt(() => {
          operate("openTap");
          for (const { tap } of ports.values()) {
            if (tap?.options.name === options.name && tap.options.netns === options.netns) {
              throw new CircuitError("in-use", `${options.name} is in use`, { option: "name" });
            }
          }
          return openTestTap(options, operate, open, close);
        }),
      openHostPort: (frameType, receive) =>
        attempt((): HostPort => {
          operate("openHostPort");
          const sent: Uint8Array[] = [];
          const id = open({ frameType, kind: "host", receive, sent });
          return {
            port: id,
            send(frames) {
              if (!ports.has(id)) throw new CircuitError("invalid", "the port is closed");
              sent.push(...frames.map((frame) => frame.slice()));
              return true;
            },
            [Symbol.asyncDispose]: () => attempt(() => close(id)),
          };
        }),
      crossConnect: (a, b) =>
        attempt(() => {
          operate("crossConnect");
          const [portA, portB] = [ports.get(a), ports.get(b)];
          if (!portA || !portB || a === b) throw new CircuitError("invalid", "no such port");
          if (portA.joined !== undefined || portB.joined !== undefined) {
            throw new CircuitError("in-use", "the port is joined already");
          }
          if (portA.frameType !== portB.frameType) {
            throw new CircuitError("invalid", "the ports' frame types differ");
          }
          [portA.joined, portB.joined] = [b, a];
          joins++;
          return { [Symbol.asyncDispose]: () => attempt(() => part(a)) };
        }),
    },
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    meter: {
      counter(name) {
        const read = () => meters.get(name) as number | undefined ?? 0;
        meters.set(name, read());
        return { add: (value = 1) => void meters.set(name, read() + value) };
      },
      gauge(name, _help, read) {
        meters.set(name, read);
        return { [Symbol.dispose]: () => void meters.delete(name) };
      },
    },
    clock: {
      now: () => now,
      timer(at, callback) {
        const id = ++lastId;
        timers.set(id, { at, callback });
        return { [Symbol.dispose]: () => void timers.delete(id) };
      },
    },
    /** Not random at all, and never the same twice: tests repeat. */
    random: (length) =>
      Uint8Array.from({ length }, () => (seed = Math.imul(seed, 1103515245) + 12345 | 0) >>> 16),
    fail: (reason) => void failures.push(reason),
    leftovers: () => [
      ...[...ports.values()].filter(({ kind }) => kind !== "session").map(({ kind }) => kind),
      ...[...ports.values()].filter(({ joined }) => joined !== undefined).map(() => "join"),
      ...[...timers.keys()].map(() => "timer"),
      ...[...meters].filter(([, value]) => typeof value === "function").map(([name]) => name),
    ],
    refuseAfter: (operations) => countdown = operations,
    session(changes = {}) {
      const pseudowireType = changes.pseudowireType ?? PseudowireType.Ethernet;
      const frameType = frameTypeOf(pseudowireType);
      return {
        pseudowireType,
        frameType,
        version: 3,
        tunnel: "branch",
        name: "office",
        tunnelId: 1 as TunnelId,
        sessionId: 11 as SessionId,
        port: open({ frameType, kind: "session", sent: [] }),
        frameMtu: TEST_FRAME_MTU,
        up: true,
        ...changes,
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= end)
          .sort(([idA, a], [idB, b]) => a.at - b.at || idA - idB)[0];
        if (!due) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].callback();
      }
      now = end;
    },
  };
}

function openTestTap(
  options: TapOptions,
  operate: (what: string) => void,
  open: (port: TestPort) => PortId,
  close: (id: PortId) => void,
): TapPort {
  const tap: TestTap = {
    options: { mtu: 1500, mac: "02:00:00:00:00:01", ...options },
    carrier: true,
    vanish() {
      close(id);
      port.onGone?.();
    },
  };
  const id = open({ frameType: "ethernet", kind: "tap", sent: [], tap });
  const port: TapPort = {
    port: id,
    name: options.name,
    adopted: false,
    get mac() {
      return tap.options.mac!;
    },
    mtu: () => tap.options.mtu!,
    change(changes) {
      operate("change");
      tap.options = { ...tap.options, ...changes };
    },
    setCarrier: (up) => void (tap.carrier = up),
    [Symbol.asyncDispose]: () => attempt(() => close(id)),
  };
  return port;
}

/** What `work` returns or throws, as a promise. */
function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
