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
  VlanTranslation,
} from "../ports.ts";
import type { Endable, Route, UdpAddress, UdpOptions, UdpSocket, UnixStream } from "../scope.ts";
import type {
  Attachment,
  CallAvps,
  CallEnd,
  CallMessage,
  Channel,
  PlaceOptions,
  Refusal,
  Session,
  Target,
} from "../session.ts";
import type { Row } from "../values.ts";

/** A port of the datapath, by its number there. */
export type PortId = number & { readonly brand: "PortId" };

/** The world. What rejects leaves nothing behind; what a plugin's options are to blame for is a {@linkcode Failure}. */
export interface Leaves {
  readonly clock: Clock;
  /** Has others have their turn, in the midst of work with very many things. */
  rest(): Promise<void>;
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
  openUdp(options: UdpOptions, received: TakeDatagram): Promise<UdpLeaf>;
  /** Adds a route. The result removes it, unless it was there before. */
  addRoute(route: Route): Promise<Undo>;
  /** Puts an address into a set. The result takes it out, unless it was there before. */
  addToSet(set: string, address: string, netns?: string): Promise<Undo>;
  /**
   * Places a call; the answer is that of its peer. Aborted, it is called off.
   * @param signal of who waits for the answer
   */
  place(
    target: Target,
    say: CallAvps,
    call: PlaceEvents & Pick<PlaceOptions, "pseudowireType" | "request" | "sequencing">,
    signal: AbortSignal,
  ): Promise<PlacedLeaf | Refusal>;
  /** Attaches a port of a plugin's to a named circuit. */
  attachTo(
    circuit: string,
    channel: Channel,
    ended: (why: CallEnd) => void,
    signal: AbortSignal,
  ): Promise<AttachedChannel | Refusal>;
  /** The database of a plugin; closed by the host of all when it ends. @throws {Failure} */
  openStore(plugin: string): DatabaseSync;
  hook(event: string, environment: () => Readonly<Record<string, string>>): void;
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
  /** Sends frames out at the port of a receiver, copied; false: there was no room, and all were dropped and counted. */
  inject(port: PortId, frames: readonly Uint8Array[]): boolean;
  removePort(port: PortId): Promise<void>;
  /** Joins two free ports. What they hold goes on first. */
  crossConnect(a: PortId, b: PortId): Promise<void>;
  disconnect(a: PortId): Promise<void>;
  /**
   * Adds a host port that is the receiver of a port: it gets what the port's forwarder punts, and all of its frames while
   * it has none; what is injected there leaves by the port, whatever that is joined to.
   */
  addReceiver(
    port: PortId,
    frames: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId>;
  /** Adds a PPPoE session of an open interface, whose MAC address is `own`: a port of PPP frames. */
  addPppoe(port: PortId, own: string, session: Omit<PppoeOptions, "on">): Promise<PortId>;
  /** Keeps what comes in at a port that has no forwarder: its next one gets that first. */
  hold(port: PortId, frames: number): Promise<void>;
  /** Puts frames before those that a port holds; where it holds none, they go on at once, as if they came now. Copied. */
  holdFirst(port: PortId, frames: readonly Uint8Array[]): Promise<void>;
  /** Holds no more: those that are held go to the port's receiver. */
  release(port: PortId): Promise<void>;
  /** Kilobits a second, 0: no limit; bytes at once. */
  limit(port: PortId, limit: { rx: number; tx: number; burst: number }): Promise<void>;
  /** VLAN tags that are taken off and put on where frames enter; null: none. */
  translate(port: PortId, rule: VlanTranslation | null): Promise<void>;
  /** Two ports of Ethernet frames: what leaves by the one enters at the other. */
  addPatch(): Promise<readonly [PortId, PortId]>;
  readonly forwarders: ForwarderLeaf;
  statistics(port: PortId): Promise<Statistics | undefined>;
}

/** A forwarder of the datapath, by its number there. */
export type ForwarderId = number & { readonly brand: "ForwarderId" };

/** What forwarders there are. */
export type ForwarderKind = "ppp" | "switch";

/**
 * Forwarders of many ports. Options and answers are plain data that a message can carry; what they mean, the kind's own
 * files know at both ends: `plugins/host/<kind>.ts` and `wasm/<kind>.ts`. Removing what is gone is no error.
 */
export interface ForwarderLeaf {
  /** Makes one, with the ports that it has beside its members (a TUN). `happened` is told what its kind tells. */
  add(
    kind: ForwarderKind,
    ports: readonly PortId[],
    options: object,
    happened: (event: ForwarderNews) => void,
  ): Promise<ForwarderId>;
  /** Takes changed options as a whole. */
  change(forwarder: ForwarderId, options: object): Promise<void>;
  /** Removes it: its members are joined to nothing then. */
  remove(forwarder: ForwarderId): Promise<void>;
  /** Makes a free port a member; it leaves by `disconnect`. */
  join(forwarder: ForwarderId, port: PortId, options: object): Promise<void>;
  /** Takes changed options of a member as a whole. */
  changeMember(forwarder: ForwarderId, port: PortId, options: object): Promise<void>;
  /** Asks in the kind's own words. */
  ask(forwarder: ForwarderId, question: string, given: object): Promise<unknown>;
}

/** What happened in a forwarder, in its kind's own words. */
export interface ForwarderNews {
  /** The member that it is about. */
  readonly port?: PortId;
  readonly what: string;
  readonly detail?: object;
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
  /** Tells whether it can carry frames, now and whenever that changes, until the result is called. @throws {Failure} */
  follow(told: (running: boolean) => void): () => Promise<void>;
  /** Removes the port, and the device unless it was adopted. */
  close(): Promise<void>;
}

/** An open interface. */
export type PacketLeaf = Pick<
  DeviceLeaf,
  "port" | "name" | "mac" | "mtu" | "follow" | "close"
>;

/** What the host's user knows of a session; the rest of {@linkcode Session} is the host's. */
export type SessionFacts = Omit<Session, "end">;

/** A port that is attached to a circuit. */
export interface AttachedChannel extends Endable {
  readonly attachment: Attachment;
}

/** What the host is told of a call that was placed. */
export interface PlaceEvents {
  changed(): void;
  heard(message: CallMessage, said: CallAvps): void;
  /** It ended, with its tunnel where it is `lost`, and not because {@linkcode PlacedLeaf.end} said so. Its port is still there. */
  ended(why: CallEnd, lost: boolean): void;
}

/** A call that was placed and agreed to. */
export interface PlacedLeaf {
  readonly facts: SessionFacts;
  /** {@linkcode PlacedCall.proceed}. */
  proceed(say: CallAvps): Promise<Refusal | undefined>;
  /** Ends it; resolves when its session has left the datapath. Of one that has ended, the latter only. */
  end(why: CallEnd): Promise<void>;
}

/** An open UDP socket. */
export interface UdpLeaf extends UdpSocket {
  close(): Promise<void>;
}

/** Takes a datagram, a view that is valid until it returns. */
export type TakeDatagram = (datagram: Uint8Array, from: UdpAddress) => void;

/** Takes back what was done. */
export type Undo = () => void | Promise<void>;

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
