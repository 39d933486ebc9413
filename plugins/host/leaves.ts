/**
 * What the host itself needs of the world. The appliance has the real ones, tests have them in memory; all between these
 * and a plugin is the same code.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type { FrameType } from "../../core/pseudowire.ts";
import type {
  DeviceChange,
  PacketOptions,
  PppoeOptions,
  Statistics,
  TapOptions,
  TunOptions,
} from "../ports.ts";
import type { UnixStream } from "../scope.ts";
import type { Row } from "../values.ts";

/** A port of the datapath, by its number there. */
export type PortId = number & { readonly brand: "PortId" };

/** The world. What rejects leaves nothing behind; what a plugin's options are to blame for is a {@linkcode Failure}. */
export interface Leaves {
  readonly clock: Clock;
  /** Unix milliseconds. */
  date(): number;
  /** Unpredictable bytes. */
  random(length: number): Uint8Array;
  readonly datapath: DatapathLeaf;
  /** Opens a TAP as a port. `gone` is called once if it vanishes; it is still to be closed then. */
  openTap(options: TapOptions, gone: () => void): Promise<DeviceLeaf>;
  openTun(options: TunOptions, gone: () => void): Promise<DeviceLeaf>;
  openPacket(options: PacketOptions, gone: () => void): Promise<PacketLeaf>;
  openUnix(path: string, received: (bytes: Uint8Array | null) => void): Promise<StreamLeaf>;
  /** A text file of the operator's. @throws {Failure} */
  readText(path: string): string;
  /** The database of a plugin; closed by the host of all when it ends. @throws {Failure} */
  openStore(plugin: string): DatabaseSync;
  hook(event: string, environment: Readonly<Record<string, string>>): void;
  event(type: string, fields: Row): void;
  readonly meters: Meters;
  readonly log: Log;
}

/** Time, as a value. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `callback` once at or after `at`; disposal cancels it. */
  timer(at: number, callback: () => void): Disposable;
}

/** The datapath's ports. Removing and disconnecting what is gone is no error. */
export interface DatapathLeaf {
  /** A port whose frames come to `receive`, views that are valid until it returns. */
  addHostPort(
    frames: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId>;
  /** Sends frames in at a host port, copied; false: there was no room, and all were dropped and counted. */
  inject(port: PortId, frames: readonly Uint8Array[]): boolean;
  /** Adds a PPPoE session of an open interface, whose MAC address is `own`: a port of PPP frames. */
  addPppoe(port: PortId, own: string, session: Omit<PppoeOptions, "on">): Promise<PortId>;
  removePort(port: PortId): Promise<void>;
  crossConnect(a: PortId, b: PortId): Promise<void>;
  disconnect(a: PortId): Promise<void>;
  statistics(port: PortId): Promise<Statistics | undefined>;
}

/** An open device. */
export interface DeviceLeaf {
  readonly port: PortId;
  readonly name: string;
  readonly adopted: boolean;
  mac(): string;
  mtu(): number;
  /** May do a part of it and throw: the host then goes back. @throws {Failure} */
  change(options: DeviceChange): void;
  setCarrier(up: boolean): void;
  /** Removes the port, and the device unless it was adopted. */
  close(): Promise<void>;
}

/** An open interface. */
export type PacketLeaf = Pick<DeviceLeaf, "port" | "name" | "mac" | "mtu" | "close">;

/** An open stream. */
export interface StreamLeaf extends UnixStream {
  close(): void;
}

/** Plugins' numbers. */
export interface Meters {
  /** A counter of a plugin; the same one for the same name. */
  counter(plugin: string, name: string, help: string): { add(by?: number): void };
  /** A gauge: the sum of all that read it, until disposed of. */
  gauge(plugin: string, name: string, help: string, read: () => number): Disposable;
}

/** Structured log lines. */
export interface Log {
  debug(message: string, fields?: Row): void;
  info(message: string, fields?: Row): void;
  warn(message: string, fields?: Row): void;
  error(message: string, fields?: Row): void;
  /** The same log; all its lines have `fields` too. */
  with(fields: Row): Log;
}
