/** Scopes: how long things live, and all that a plugin can do. @module */

import type { DatabaseSync } from "node:sqlite";
import type { FailureCode } from "./failure.ts";
import type {
  DevicePort,
  Member,
  PacketOptions,
  PacketPort,
  Port,
  PppForwarder,
  PppoeOptions,
  PppOptions,
  PppPortOptions,
  PuntedFrame,
  SwitchEvent,
  SwitchForwarder,
  SwitchOptions,
  SwitchPortOptions,
  TapOptions,
  TunOptions,
} from "./ports.ts";
import type {
  Attachment,
  CallAvps,
  CallEnd,
  Channel,
  PlacedCall,
  PlaceOptions,
  Refusal,
  Target,
} from "./session.ts";
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
  /** Whether it has begun to end: as `signal.aborted`, where there are many scopes and nobody needs their signals. */
  readonly ending: boolean;
  /** A shorter scope inside, for what comes and goes by itself (a client of many). */
  child(label: string): Scope & Endable;
  /**
   * Something that shall be there: where `begin` rejects, or its scope fails, it is listed as down with the reason, and
   * begun again after a pause that grows from 1 s to 30 s; not, where the failure is `invalid` or `not-permitted`.
   * `begin` never runs before `keep` has returned.
   */
  keep(label: string, begin: (scope: Scope) => Promise<void>): Endable;
  /** What a plugin that this one names in `uses` or `asks` shares. */
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
  /** One PPPoE session of a packet port, as a port of PPP frames. Where the packet port goes, this scope fails. */
  open(kind: "pppoe", options: PppoeOptions): Promise<Port>;
  /** Two ports of Ethernet frames: what leaves by the one enters at the other. To join two switches. */
  open(kind: "patch"): Promise<readonly [Port, Port]>;
  /** A switch of Ethernet ports. `happened` is told a few times a second at most. */
  open(
    kind: "switch",
    options: SwitchOptions,
    happened?: (event: SwitchEvent) => void,
  ): Promise<SwitchForwarder>;
  /** A termination of PPP ports on one TUN. Where the TUN goes, this scope fails. */
  open(kind: "ppp", options: PppOptions): Promise<PppForwarder>;
  /**
   * Makes a port that is joined to no other a member of a forwarder. What was held for it enters first, then what comes:
   * nothing is lost or overtaken. Where the port or the forwarder goes before this scope does, this scope fails.
   */
  join(
    forwarder: PppForwarder,
    port: Port,
    options: PppPortOptions,
  ): Promise<Member<PppPortOptions>>;
  /** The same of a switch. */
  join(
    forwarder: SwitchForwarder,
    port: Port,
    options: SwitchPortOptions,
  ): Promise<Member<SwitchPortOptions>>;
  /**
   * Joins two ports of one frame type, each joined to no other. What was held for either enters first. Where one of them
   * goes before this scope does, this scope fails.
   */
  connect(a: Port, b: Port): Promise<void>;
  /**
   * Tells whether a device can carry frames: that an operator has it up, and where its carrier is not ours to say, that it
   * has one. Tells it before this resolves, and whenever it changes, until this is undone.
   */
  follow(device: DevicePort | PacketPort, told: (running: boolean) => void): Promise<void>;
  /**
   * Keeps what enters an unjoined port from now on, its receiver does not get it; the next `join` or `connect` sends it on
   * first. At most `frames` are kept (1 to 1024), the newest beyond are dropped as `hold-full`. Undone, it lets go of what
   * it keeps to the port's receiver.
   */
  hold(port: Port, frames: number): void;
  /**
   * Takes the frames of a port that is joined to no other, and those that its forwarder punts, until this is undone in its
   * turn. What the receiver cannot keep up with is dropped and counted. A port has one receiver.
   */
  receive(port: Port, frames: (batch: readonly PuntedFrame[]) => void): void;

  /**
   * Places a call; resolves when its peer agreed to it (ICRP, OCRP), or with the refusal. The call ends with this scope,
   * for the same reason; the peer is told at {@linkcode PlacedCall.proceed} that it may go on.
   */
  place(target: Target, say: CallAvps, options: PlaceOptions): Promise<PlacedCall | Refusal>;
  /**
   * Hands a port of ours to a named circuit of any plugin, as a session that is no call. It leaves the circuit with this
   * scope; `ended` is called once, where the circuit ends it before.
   */
  attach(
    circuit: string,
    channel: Channel,
    ended: (why: CallEnd) => void,
  ): Promise<Attachment | Refusal>;

  /** Opens a UDP socket. Datagrams are views, valid until `received` returns; what it cannot keep up with is dropped and counted. */
  udp(
    options: UdpOptions,
    received: (datagram: Uint8Array, from: UdpAddress) => void,
  ): Promise<UdpSocket>;
  /** Adds a route, until the scope ends; one that is there already is `in-use`. */
  route(route: Route): Promise<void>;
  /**
   * Puts an address or network into an nftables set (`inet filter walled`), until the scope ends. One that is there
   * already stays there afterwards.
   */
  addToSet(set: string, address: string, netns?: string): Promise<void>;
  /** Connects to a Unix stream socket. `received` gets its bytes, views that are valid until it returns; null: it closed. */
  unix(path: string, received: (bytes: Uint8Array | null) => void): Promise<UnixStream>;
  /**
   * Reads a file of the operator's, at most 16 MiB of text; a relative path is from the configuration's folder.
   * @throws {Failure}
   */
  readText(path: string): string;
  /** The plugin's own database, which outlives the appliance. @throws {Failure} where the appliance has no state folder */
  store(): DatabaseSync;
  /**
   * Runs the operator's command for an event, if there is one: only then is the environment asked for. Never waited for;
   * the environment holds no secrets.
   */
  hook(event: string, environment: () => Readonly<Record<string, string>>): void;

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

/** How a UDP socket shall be. */
export interface UdpOptions {
  /** The address that it is bound to, and sends from; absent: any of ours, of both families. */
  readonly local?: string;
  /** Its port; absent: a free one. */
  readonly port?: number;
  /** The named network namespace that it is in. */
  readonly netns?: string;
}

/** Who a datagram is from, or for. */
export interface UdpAddress {
  /** IPv4 or IPv6, with a zone where it is link-local (`fe80::1%eth0`). */
  readonly address: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** An open UDP socket. */
export interface UdpSocket {
  /** Its port. */
  readonly port: number;
  /** Sends a datagram; false: the kernel had no room or no way for it. Nobody waits. */
  send(datagram: Uint8Array, to: UdpAddress): boolean;
  /** Datagrams that came and were dropped: faster than they were taken, or longer than 9216 bytes. */
  drops(): number;
}

/** A route of the kernel. */
export interface Route {
  /** `10.7.0.0/24`, `2001:db8::/56`. */
  readonly prefix: string;
  /** The network device. */
  readonly device: string;
  /** The next hop. */
  readonly via?: string;
  /** The routing table's number; absent: main (254). */
  readonly table?: number;
  /** Its priority; lower ones win. */
  readonly metric?: number;
  /** The named network namespace that the device is in. */
  readonly netns?: string;
}
