/**
 * A world in memory for tests of plugins: ports, devices, streams and a database that are not there, time that passes
 * when a test says so, and any single operation refused. The host over it is the real one.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import type { FrameType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type { Leaves, Log, PortId } from "../host/leaves.ts";
import type { TapOptions } from "../ports.ts";
import type { Row } from "../values.ts";

/** A port of the world. */
export interface WorldPort {
  readonly frames: FrameType;
  readonly kind: "session" | "tap" | "host";
  /** The port that it is joined with. */
  joined?: PortId | undefined;
  /** Takes frames that leave the datapath here: host ports only. */
  readonly receive?: (frames: readonly Uint8Array[]) => void;
  /** Frames that were sent out here. */
  readonly sent: Uint8Array[];
  /** The device: TAPs only. */
  readonly tap?: WorldTap;
}

/** A device of the world. */
export interface WorldTap {
  options: TapOptions;
  carrier: boolean;
  /** Makes the device vanish (`ip link del`). */
  vanish(): void;
}

/** An open stream of the world: the other end of it. */
export interface WorldStream {
  readonly path: string;
  /** What was written to it. */
  readonly written: Uint8Array[];
  /** Hands bytes to the plugin; null: it closes. */
  receive(bytes: Uint8Array | null): void;
}

/** A recorded log line. */
export interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Row;
}

/** The world, and what a test may see and do. */
export interface World {
  readonly leaves: Leaves;
  readonly ports: ReadonlyMap<PortId, WorldPort>;
  readonly streams: readonly WorldStream[];
  readonly lines: readonly Line[];
  readonly events: readonly (Row & { readonly type: string })[];
  readonly hooks: readonly { readonly event: string; readonly environment: Row }[];
  /** Counters and gauges, by `<plugin>_<name>`. */
  readonly meters: ReadonlyMap<string, number | (() => number)>;
  /** What was opened and joined (`+tap`, `+join`) and undone (`-join`, `-tap`), in order. */
  readonly trace: string[];
  /** Makes a session's port. */
  sessionPort(frames: FrameType): PortId;
  removeSessionPort(port: PortId): void;
  /** Everything still open but session ports: empty once all is undone. */
  leftovers(): string[];
  /** Makes the operation after `operations` more ones fail. */
  refuseAfter(operations: number): void;
  /** Whether the refused operation was reached. */
  readonly refused: boolean;
  /** Lets virtual time pass, running timers in order, and what follows from them. */
  advance(ms: number): Promise<void>;
  readonly now: number;
}

/** Lets all work go on that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  // Long enough for chains of promises; no timer of the clock on the wall is involved.
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
}

/** A world with nothing in it. */
export function makeWorld(): World {
  const ports = new Map<PortId, WorldPort>();
  const timers = new Map<number, { at: number; callback: () => void }>();
  const meters = new Map<string, number | (() => number)>();
  const streams: (WorldStream & { open: boolean })[] = [];
  const lines: Line[] = [];
  const events: (Row & { type: string })[] = [];
  const hooks: { event: string; environment: Row }[] = [];
  const trace: string[] = [];
  let [now, lastId, seed] = [0, 0, 1];
  let countdown = Infinity;

  /** Takes a turn, and counts one operation or refuses it. */
  const operate = async (what: string) => {
    refuse(what);
    await Promise.resolve();
  };
  const refuse = (what: string) => {
    if (countdown-- === 0) throw new Failure("unavailable", `${what} refused by the test`);
  };
  const open = (port: WorldPort): PortId => {
    const id = ++lastId as PortId;
    ports.set(id, port);
    if (port.kind !== "session") trace.push(`+${port.kind}`);
    return id;
  };
  const part = (a: PortId) => {
    const b = ports.get(a)?.joined;
    for (const id of [a, b]) {
      const port = id === undefined ? undefined : ports.get(id);
      if (port) port.joined = undefined;
    }
    if (b !== undefined) trace.push("-join");
  };
  const close = (id: PortId) => {
    const port = ports.get(id);
    if (!port) return;
    part(id);
    ports.delete(id);
    if (port.kind !== "session") trace.push(`-${port.kind}`);
  };
  const openTap = async (
    options: TapOptions,
    gone: () => void,
    frames: FrameType = "ethernet",
  ) => {
    await operate("openTap");
    for (const { tap } of ports.values()) {
      if (tap?.options.name === options.name && tap.options.netns === options.netns) {
        throw new Failure("in-use", `${options.name} is in use`, { option: "name" });
      }
    }
    const tap: WorldTap = {
      options: { mtu: 1500, mac: "02:00:00:00:00:01", addresses: [], ...options },
      carrier: true,
      vanish() {
        close(id);
        gone();
      },
    };
    const id = open({ frames, kind: "tap", sent: [], tap });
    return {
      port: id,
      name: options.name,
      adopted: false,
      mac: () => tap.options.mac!,
      mtu: () => tap.options.mtu!,
      change(changes: Omit<TapOptions, "name" | "netns">) {
        // A part of it happens, as in the kernel.
        const { mtu, ...rest } = changes;
        if (mtu !== undefined) tap.options = { ...tap.options, mtu };
        refuse("change");
        tap.options = { ...tap.options, ...rest };
      },
      setCarrier(up: boolean) {
        if (tap.carrier !== up) trace.push(`carrier ${up ? "up" : "down"}`);
        tap.carrier = up;
      },
      close: () => Promise.resolve(close(id)),
    };
  };
  const makeLog = (own: Row): Log => {
    const log = (level: Line["level"]) => (message: string, fields: Row = {}) => {
      lines.push({ level, message, fields: { ...own, ...fields } });
    };
    return {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
      with: (fields) => makeLog({ ...own, ...fields }),
    };
  };

  const leaves: Leaves = {
    clock: {
      now: () => now,
      timer(at, callback) {
        const id = ++lastId;
        timers.set(id, { at, callback });
        return { [Symbol.dispose]: () => void timers.delete(id) };
      },
    },
    date: () => 1_700_000_000_000 + now,
    /** Not random at all, and never the same twice: tests repeat. */
    random: (length) =>
      Uint8Array.from({ length }, () => (seed = Math.imul(seed, 1103515245) + 12345 | 0) >>> 16),
    datapath: {
      async addHostPort(frames, receive) {
        await operate("addHostPort");
        return open({ frames, kind: "host", receive, sent: [] });
      },
      inject(id, frames) {
        const partner = ports.get(ports.get(id)?.joined ?? -1 as PortId);
        partner?.sent.push(...frames.map((frame) => frame.slice()));
        return ports.has(id);
      },
      // deno-lint-ignore require-await
      async removePort(id) {
        close(id);
      },
      async crossConnect(a, b) {
        await operate("crossConnect");
        const [portA, portB] = [ports.get(a), ports.get(b)];
        if (!portA || !portB) throw new Failure("unavailable", "no such port");
        if (portA.joined !== undefined || portB.joined !== undefined) {
          throw new Failure("in-use", "the port is joined already");
        }
        [portA.joined, portB.joined] = [b, a];
        trace.push("+join");
      },
      // deno-lint-ignore require-await
      async disconnect(a) {
        part(a);
      },
      statistics: (id) =>
        Promise.resolve(ports.get(id)?.kind === "session" ? { "rx-packets": 0 } : undefined),
    },
    openTap,
    openTun: ({ routes: _, ...options }, gone) => openTap(options, gone, "ip"),
    openPacket: ({ name, netns }, gone) =>
      openTap({ name, ...(netns !== undefined && { netns }) }, gone),
    async openUnix(path, received) {
      await operate("openUnix");
      const stream: typeof streams[number] = {
        path,
        written: [],
        open: true,
        receive(bytes) {
          if (bytes === null) stream.open = false;
          received(bytes);
        },
      };
      streams.push(stream);
      trace.push("+stream");
      return {
        async write(bytes) {
          await Promise.resolve();
          if (!stream.open) throw new Failure("unavailable", `${path} is closed`);
          stream.written.push(bytes.slice());
        },
        close() {
          stream.open = false;
          trace.push("-stream");
        },
      };
    },
    openStore: () => new DatabaseSync(":memory:"),
    hook: (event, environment) => void hooks.push({ event, environment }),
    event: (type, fields) => void events.push({ type, ...fields }),
    meters: {
      counter(plugin, name) {
        const key = `${plugin}_${name}`;
        const read = () => meters.get(key) as number | undefined ?? 0;
        meters.set(key, read());
        return { add: (by = 1) => void meters.set(key, read() + by) };
      },
      gauge(plugin, name, _help, read) {
        const key = `${plugin}_${name}`;
        meters.set(key, read);
        return { [Symbol.dispose]: () => void meters.delete(key) };
      },
    },
    log: makeLog({}),
  };

  return {
    leaves,
    ports,
    streams,
    lines,
    events,
    hooks,
    meters,
    trace,
    get now() {
      return now;
    },
    get refused() {
      return countdown < 0;
    },
    sessionPort: (frames) => open({ frames, kind: "session", sent: [] }),
    removeSessionPort: close,
    leftovers: () => [
      ...[...ports.values()].filter(({ kind }) => kind !== "session").map(({ kind }) => kind),
      ...[...ports.values()].filter(({ joined }) => joined !== undefined).map(() => "join"),
      ...[...timers.keys()].map(() => "timer"),
      ...streams.filter(({ open }) => open).map(() => "stream"),
      ...[...meters].filter(([, value]) => typeof value === "function").map(([name]) => name),
    ],
    refuseAfter: (operations) => countdown = operations,
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
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
