/**
 * A world in memory for tests of plugins: ports, devices, streams and a database that are not there, time that passes
 * when a test says so, and any single operation refused. The host over it is the real one.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import type { FrameType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type {
  DeviceLeaf,
  ForwarderId,
  Leaves,
  Log,
  Meters,
  PortId,
  StreamLeaf,
  TakeDatagram,
  UdpLeaf,
  Undo,
} from "../host/leaves.ts";
import type { HostedCircuit } from "../host/circuit.ts";
import type { PluginHost } from "../host/host.ts";
import type { TapOptions } from "../ports.ts";
import type { Route, UdpAddress, UdpOptions } from "../scope.ts";
import type { Row } from "../values.ts";
import { callLeaves, type CallsWorld, openCalls, type WorldCall } from "./calls.ts";
import { WorldDatapath, type WorldForwarder, type WorldPort, type WorldTap } from "./datapath.ts";

export type { WorldCall } from "./calls.ts";
export type { WorldForwarder, WorldPort, WorldTap } from "./datapath.ts";

/** An open stream of the world: the other end of it. */
export interface WorldStream {
  readonly path: string;
  /** What was written to it. */
  readonly written: Uint8Array[];
  /** Hands bytes to the plugin; null: it closes. */
  receive(bytes: Uint8Array | null): void;
}

/** An open UDP socket of the world: the other end of it. */
export interface WorldUdp {
  readonly options: UdpOptions;
  readonly sent: { readonly datagram: Uint8Array; readonly to: UdpAddress }[];
  /** Hands a datagram to the plugin; after its end, to nobody. */
  receive(datagram: Uint8Array, from: UdpAddress): void;
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
  readonly forwarders: ReadonlyMap<ForwarderId, WorldForwarder>;
  /** Files that can be read, by their paths. */
  readonly files: Map<string, string>;
  readonly streams: readonly WorldStream[];
  /** Calls that plugins placed. */
  readonly calls: readonly WorldCall[];
  /** Is told of each new call, and says what the peer does; at first it agrees at once. */
  placed: ((call: WorldCall) => void) | undefined;
  /** Resolved by a test: the tunnel of all calls is gone. */
  readonly tunnelGone: PromiseWithResolvers<void>;
  /** Named circuits that ports may be attached to. */
  readonly circuits: Map<string, HostedCircuit>;
  /** The host on this world: whoever makes it says so. */
  host: PluginHost | undefined;
  readonly sockets: readonly WorldUdp[];
  readonly routes: readonly Route[];
  /** What was put into sets of addresses. */
  readonly elements: readonly {
    readonly set: string;
    readonly address: string;
    readonly netns?: string;
  }[];
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
  /** Frames come in at a port, and go where it leads: to its receiver, the other port, its forwarder, or what it holds. */
  deliver(port: PortId, ...frames: Uint8Array[]): void;
  /** The forwarder of a port hands frames that came in there to its receiver. */
  punt(port: PortId, ...frames: Uint8Array[]): void;
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
  return new MemoryWorld();
}

class MemoryWorld implements World {
  readonly files = new Map<string, string>();
  readonly streams: (WorldStream & { open: boolean })[] = [];
  readonly calls: WorldCall[] = [];
  readonly circuits = new Map<string, HostedCircuit>();
  readonly tunnelGone = Promise.withResolvers<void>();
  placed: ((call: WorldCall) => void) | undefined = (call) => call.agree();
  host: PluginHost | undefined;
  readonly sockets: WorldUdp[] = [];
  readonly routes: Route[] = [];
  readonly elements: { set: string; address: string; netns?: string }[] = [];
  readonly lines: Line[] = [];
  readonly events: (Row & { type: string })[] = [];
  readonly hooks: { event: string; environment: Row }[] = [];
  readonly meters = new Map<string, number | (() => number)>();
  readonly trace: string[] = [];
  readonly #datapath = new WorldDatapath(
    this.trace,
    () => ++this.#lastId,
    (what) => this.#operate(what),
  );
  readonly ports = this.#datapath.ports;
  readonly forwarders = this.#datapath.forwarders;
  readonly leaves: Leaves = this.#makeLeaves();
  readonly #timers = new Map<number, { at: number; callback: () => void }>();
  #now = 0;
  #lastId = 0;
  #seed = 1;
  #countdown = Infinity;

  get now(): number {
    return this.#now;
  }

  get refused(): boolean {
    return this.#countdown < 0;
  }

  sessionPort(frames: FrameType): PortId {
    return this.#datapath.open({ frames, kind: "session", sent: [] });
  }

  removeSessionPort(port: PortId): void {
    this.#datapath.close(port);
  }

  deliver(port: PortId, ...frames: Uint8Array[]): void {
    this.#datapath.deliver(port, frames);
  }

  punt(port: PortId, ...frames: Uint8Array[]): void {
    this.#datapath.punt(port, frames);
  }

  leftovers(): string[] {
    const ports = [...this.ports.values()];
    return [
      ...ports.filter(({ kind }) => kind !== "session").map(({ kind }) => kind),
      ...ports.filter(({ joined }) => joined !== undefined).map(() => "join"),
      ...ports.filter(({ held }) => held !== undefined).map(() => "hold"),
      ...[...this.forwarders.values()].map(({ kind }) => kind),
      ...[...this.#timers.keys()].map(() => "timer"),
      ...Array.from({ length: openCalls(this.calls) }, () => "call"),
      ...this.sockets.map(() => "udp"),
      ...this.routes.map(({ prefix }) => `route ${prefix}`),
      ...this.elements.map(({ address }) => `${address} in a set`),
      ...this.streams.filter(({ open }) => open).map(() => "stream"),
      ...[...this.meters].filter(([, value]) => typeof value === "function").map(([name]) => name),
    ];
  }

  refuseAfter(operations: number): void {
    this.#countdown = operations;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, { at }]) => at <= end)
        .sort(([idA, a], [idB, b]) => a.at - b.at || idA - idB)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].callback();
    }
    this.#now = end;
  }

  #makeLeaves(): Leaves {
    return {
      rest: () => Promise.resolve(),
      clock: {
        now: () => this.#now,
        timer: (at, callback) => {
          const id = ++this.#lastId;
          this.#timers.set(id, { at, callback });
          return { [Symbol.dispose]: () => void this.#timers.delete(id) };
        },
      },
      date: () => 1_700_000_000_000 + this.#now,
      /** Not random at all, and never the same twice: tests repeat. */
      random: (length) => Uint8Array.from({ length }, () => this.#draw() >>> 16),
      datapath: this.#datapath.leaf,
      openTap: (options, gone) => this.#openTap(options, gone, "ethernet"),
      openTun: ({ routes: _, ...options }, gone) => this.#openTap(options, gone, "ip"),
      openPacket: ({ name, netns }, gone) =>
        this.#openTap({ name, ...(netns !== undefined && { netns }) }, gone, "ethernet"),
      openUnix: (path, received) => this.#openUnix(path, received),
      readText: (path) => this.#readText(path),
      openUdp: (options, received) => this.#openUdp(options, received),
      addRoute: async (route) => {
        await this.#operate("addRoute");
        return this.#put(this.routes, route);
      },
      addToSet: async (set, address, netns) => {
        await this.#operate("addToSet");
        return this.#put(this.elements, {
          set,
          address,
          ...(netns !== undefined && { netns }),
        });
      },
      ...callLeaves(this.#callsWorld()),
      openStore: () => new DatabaseSync(":memory:"),
      hook: (event, environment) => void this.hooks.push({ event, environment: environment() }),
      event: (type, fields) => void this.events.push({ type, ...fields }),
      meters: this.#makeMeters(),
      log: this.#makeLog({}),
    };
  }

  async #openTap(options: TapOptions, gone: () => void, frames: FrameType): Promise<DeviceLeaf> {
    await this.#operate("openTap");
    for (const { tap } of this.ports.values()) {
      if (tap?.options.name === options.name && tap.options.netns === options.netns) {
        throw new Failure("in-use", `${options.name} is in use`, { option: "name" });
      }
    }
    let running = true;
    const followers = new Set<(running: boolean) => void>();
    const tap: WorldTap = {
      options: { mtu: 1500, mac: "02:00:00:00:00:01", addresses: [], ...options },
      carrier: true,
      set(up) {
        running = up;
        for (const told of followers) told(up);
      },
      vanish: () => {
        this.#datapath.close(id);
        gone();
      },
    };
    const id = this.#datapath.open({ frames, kind: "tap", sent: [], tap });
    return {
      port: id,
      name: options.name,
      adopted: false,
      mac: () => tap.options.mac!,
      mtu: () => tap.options.mtu!,
      change: (changes) => {
        // A part of it happens, as in the kernel.
        const { mtu, ...rest } = changes;
        if (mtu !== undefined) tap.options = { ...tap.options, mtu };
        this.#refuse("change");
        tap.options = { ...tap.options, ...rest };
      },
      setCarrier: (up) => {
        if (tap.carrier !== up) this.trace.push(`carrier ${up ? "up" : "down"}`);
        tap.carrier = up;
      },
      follow: (told) => {
        this.#refuse("follow");
        followers.add(told);
        told(running);
        // deno-lint-ignore require-await
        return async () => void followers.delete(told);
      },
      close: () => Promise.resolve(this.#datapath.close(id)),
    };
  }

  #callsWorld(): CallsWorld {
    const placed = () => this.placed;
    return {
      datapath: this.#datapath,
      trace: this.trace,
      calls: this.calls,
      circuits: this.circuits,
      tunnelGone: this.tunnelGone,
      get placed() {
        return placed();
      },
      host: () => this.host!,
      nextId: () => ++this.#lastId,
      operate: (what) => this.#operate(what),
    };
  }

  /** Puts something where it can be seen until it is taken back. */
  #put<T>(all: T[], one: T): Undo {
    all.push(one);
    return () => {
      const at = all.indexOf(one);
      if (at >= 0) all.splice(at, 1);
    };
  }

  async #openUdp(options: UdpOptions, received: TakeDatagram): Promise<UdpLeaf> {
    await this.#operate("openUdp");
    const socket: WorldUdp = {
      options,
      sent: [],
      receive: (datagram, from) => {
        if (this.sockets.includes(socket)) received(datagram, from);
      },
    };
    const close = this.#put(this.sockets, socket);
    this.trace.push("+udp");
    return {
      port: options.port ?? ++this.#lastId,
      send(datagram, to) {
        socket.sent.push({ datagram: datagram.slice(), to });
        return true;
      },
      drops: () => 0,
      close: async () => {
        await close();
        this.trace.push("-udp");
      },
    };
  }

  async #openUnix(
    path: string,
    received: (bytes: Uint8Array | null) => void,
  ): Promise<StreamLeaf> {
    await this.#operate("openUnix");
    const { trace } = this;
    const stream: WorldStream & { open: boolean } = {
      path,
      written: [],
      open: true,
      receive(bytes) {
        if (bytes === null) stream.open = false;
        received(bytes);
      },
    };
    this.streams.push(stream);
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
  }

  #readText(path: string): string {
    const text = this.files.get(path);
    if (text === undefined) throw new Failure("unavailable", `cannot read ${path}: no such file`);
    return text;
  }

  #makeMeters(): Meters {
    const { meters } = this;
    return {
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
    };
  }

  #makeLog(own: Row): Log {
    const log = (level: Line["level"]) => (message: string, fields: Row = {}) => {
      this.lines.push({ level, message, fields: { ...own, ...fields } });
    };
    return {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
      with: (fields) => this.#makeLog({ ...own, ...fields }),
    };
  }

  /** Takes a turn, and counts one operation or refuses it. */
  async #operate(what: string): Promise<void> {
    this.#refuse(what);
    await Promise.resolve();
  }

  #refuse(what: string): void {
    if (this.#countdown-- === 0) throw new Failure("unavailable", `${what} refused by the test`);
  }

  #draw(): number {
    return this.#seed = Math.imul(this.#seed, 1103515245) + 12345 | 0;
  }
}
