/** Scopes: how long things live, and all that a plugin can do. @module */

import type { DatabaseSync } from "node:sqlite";
import type { FailureCode } from "./failure.ts";
import type {
  DevicePort,
  PacketOptions,
  PacketPort,
  Port,
  PuntedFrame,
  TapOptions,
  TunOptions,
} from "./ports.ts";
import type { CallEnd } from "./session.ts";
import type { Row } from "./values.ts";

/** What can be ended; resolves when all is undone. */
export interface Endable {
  /** Only the first end counts. */
  end(why: CallEnd): Promise<void>;
}

/**
 * How long a service, a circuit or a session lives. **The host owns undoing**: what was had from a scope is undone, last
 * first, when the scope ends, after a failed attach too. No function here needs `this`.
 *
 * The order of an end: every {@linkcode Scope.signal} below is aborted; shorter scopes inside end, side by side; then
 * what was had from this one is undone. From the beginning of the end nothing new can be had; timers can until all is
 * undone. `now`, `date`, `random`, `log`, `failure` and `fail` always work.
 */
export interface Scope {
  /** Aborted first of all when the scope ends: for what awaits something else than the host. */
  readonly signal: AbortSignal;
  /** A shorter scope inside, for what comes and goes by itself (a client of many). */
  child(label: string): Scope & Endable;
  /**
   * Something that shall be there: where `begin` rejects, or its scope fails, it is listed as down with the reason, and
   * begun again after a pause that grows from 1 s to 30 s; not, where the failure is `invalid` or `not-permitted`.
   * `begin` never runs before `keep` has returned.
   */
  keep(label: string, begin: (scope: Scope) => Promise<void>): Endable;
  /** What a plugin that this one names in `uses` shares. */
  service(plugin: string): unknown;
  /**
   * Undoing that only the plugin knows (a farewell, an accounting record): in order with everything else. It has 2 s;
   * what takes longer is logged and no more waited for. In a scope that has ended it runs at once, and `defer` throws.
   */
  defer(undo: (why: CallEnd) => void | Promise<void>): void;
  /**
   * It broke: the scope ends for this reason. A service, a circuit and what is kept are begun again later; a session
   * ends with CDN result 2, error 6. Only the first failure or end counts.
   */
  fail(failure: Error): void;
  /** An error to throw or to fail with; `option` is the option to blame. `unavailable`, `in-use` and `limit` are tried again. */
  failure(code: FailureCode, message: string, option?: string): Error;

  /** Opens a TAP device as a port. If it vanishes, this scope fails. */
  open(kind: "tap", options: TapOptions): Promise<DevicePort>;
  /** Opens a TUN device as a port: IP packets of both families. If it vanishes, this scope fails. */
  open(kind: "tun", options: TunOptions): Promise<DevicePort>;
  /** Opens an interface that is there as a port of Ethernet frames. If it vanishes, this scope fails. */
  open(kind: "packet", options: PacketOptions): Promise<PacketPort>;
  /**
   * Joins two ports of one frame type, each joined to no other. Where one of them goes before this scope does, this
   * scope fails.
   */
  connect(a: Port, b: Port): Promise<void>;
  /**
   * Takes the frames of a port that is joined to no other, until this is undone in its turn. What the receiver cannot keep up with is dropped and counted.
   * A port has one receiver.
   */
  receive(port: Port, frames: (batch: readonly PuntedFrame[]) => void): void;

  /** Connects to a Unix stream socket. `received` gets its bytes, views that are valid until it returns; null: it closed. */
  unix(path: string, received: (bytes: Uint8Array | null) => void): Promise<UnixStream>;
  /** The plugin's own database, which outlives the appliance. @throws {Failure} where the appliance has no state folder */
  store(): DatabaseSync;
  /** Runs the operator's command for an event, if there is one. Never waited for; the environment holds no secrets. */
  hook(event: string, environment: Readonly<Record<string, string>>): void;

  /** Monotonic milliseconds. */
  now(): number;
  /** Unix milliseconds. */
  date(): number;
  /** Calls `due` once at or after `at`, in {@linkcode Scope.now}'s time. */
  timer(at: number, due: () => void): { cancel(): void };
  /** Unpredictable bytes. */
  random(length: number): Uint8Array;
  /** A line that names the session or circuit; fields hold no secrets. */
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Row): void;
  /** For the API's events and `isthmus monitor`; its type is `<plugin>-<name>`. */
  event(name: string, fields: Row): void;
  /** A counter of the plugin, shared by all of its scopes: `isthmus_<plugin>_<name>_total` in `/metrics`. */
  counter(name: string, help: string): { add(by?: number): void };
  /** A gauge of the plugin: the sum of `read()` over the scopes that have it. */
  gauge(name: string, help: string, read: () => number): void;
}

/** An open Unix stream. */
export interface UnixStream {
  /** Resolves when the bytes were taken; rejects when the stream is closed. */
  write(bytes: Uint8Array): Promise<void>;
}
