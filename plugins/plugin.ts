/**
 * The contract that every circuit keeps: how a plugin joins pseudowires to what lies beyond them.
 *
 * A plugin is a plain object. Under `circuit:` in the configuration stands one key, the plugin's {@linkcode Plugin.name},
 * and under it the options that the plugin's schema describes. Each such stanza is provisioned once; the
 * {@linkcode Circuit} that comes back is asked to admit calls, has sessions attached to it, and is disposed of when
 * the stanza goes. Everything that a plugin needs comes from its {@linkcode Host}: no globals, no I/O at import.
 *
 * @module
 */

import type { ZodType } from "zod";
import type { RawAvp } from "../core/raw_avp.ts";
import type { SessionId, TunnelId } from "../core/ids.ts";
import type { FrameType, ProtoVersion, PseudowireType } from "../core/pseudowire.ts";

/** A port of the datapath: where frames enter and leave it. */
export type PortId = number & { readonly brand: "PortId" };

/** A kind of circuit. */
export interface Plugin<Options = unknown> {
  /** The key under `circuit:`, kebab-case. */
  readonly name: string;
  /** One line for `isthmus show` and the documentation. */
  readonly summary: string;
  /** The pseudowire types that its circuits can carry. */
  readonly pseudowireTypes: readonly PseudowireType[];
  /** The options under `circuit.<name>`: an object schema that refuses unknown keys. */
  readonly options: ZodType<Options>;
  /** Vendors' AVPs that it understands: a mandatory one that no plugin does refuses its message (RFC 2661 §4.2). */
  readonly vendorAvps?: readonly Pick<RawAvp, "vendorId" | "type">[];
  /**
   * What only one circuit of a configuration may hold, in the operator's words (`TAP office0`): two circuits that
   * claim the same are refused before either is provisioned. Pure.
   */
  claims?(options: Options): readonly string[];
  /**
   * Makes one circuit. No frames flow before {@linkcode Circuit.attach}.
   * @throws {CircuitError} when what it names cannot be had; nothing is left behind then.
   */
  provision(host: Host, options: Options): Circuit<Options> | Promise<Circuit<Options>>;
}

/** One provisioned circuit. */
export interface Circuit<Options = unknown> extends AsyncDisposable {
  /**
   * Decides, without side effects, whether a call may be attached. Absent: every call of a carried type.
   * @param vendorAvps what the peer's request carried of {@linkcode Plugin.vendorAvps} and of other vendors' AVPs
   */
  admit?(call: Call, vendorAvps?: readonly RawAvp[]): Admission;
  /**
   * Joins a session to the circuit. The attachment's disposal undoes exactly this; disposing of the circuit
   * disposes of its attachments first.
   * @throws {CircuitError} when it cannot be joined; nothing is left behind then.
   */
  attach(session: Session): Attachment | Promise<Attachment>;
  /** Takes changed options without losing frames; false: dispose of me and provision anew. */
  reconfigure?(options: Options): boolean | Promise<boolean>;
}

/** A session joined to a circuit. */
export interface Attachment extends AsyncDisposable {
  /** The network device, where there is one (`ifname` in the API). */
  readonly ifname?: string;
  /** The largest payload, in bytes, that the circuit sends into the pseudowire unfragmented (`mtu` in the API). */
  readonly mtu?: number;
  /** The session's operational state changed: follow it with the carrier. */
  onStatus?(up: boolean): void;
  /** {@linkcode Session.frameMtu} changed (another path, a longer cookie). Absent: the circuit has no use for it. */
  onFrameMtu?(frameMtu: number): void;
  /** One short line for tables. */
  describe?(): string;
  /** Everything that an operator may want to see; no secrets. */
  details?(): Record<string, Json>;
}

/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [key: string]: Json;
};

/** What is known of a call before it is admitted. */
export interface Call {
  /** What it emulates. */
  readonly pseudowireType: PseudowireType;
  /** The L2TP version of its tunnel. */
  readonly version: ProtoVersion;
  /** The tunnel's name in the configuration. */
  readonly tunnel: string;
  /** The session's name in the configuration, or what the peer called it (Remote End ID, RFC 3931 §5.4.4). */
  readonly name: string;
}

/** Accept, or refuse with a CDN result code (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
export type Admission =
  | { readonly accept: true }
  | {
    readonly accept: false;
    readonly result: number;
    readonly error?: number;
    readonly message: string;
  };

/** A session to attach. */
export interface Session extends Call {
  /** Our tunnel id. */
  readonly tunnelId: TunnelId;
  /** Our session id. */
  readonly sessionId: SessionId;
  /** The session's own port. */
  readonly port: PortId;
  /** What its frames are. */
  readonly frameType: FrameType;
  /**
   * The largest frame, in bytes, that crosses the path to the peer unfragmented: the path's MTU less all headers
   * of the tunnel. An Ethernet circuit subtracts its own 14.
   */
  readonly frameMtu: number;
  /** Whether frames can flow now; changes come by {@linkcode Attachment.onStatus}. */
  readonly up: boolean;
}

/** All that a plugin can do to the world. Everything is scoped to one circuit. */
export interface Host {
  /** Ports and what joins them. */
  readonly datapath: HostDatapath;
  /** Lines that name the session and the circuit. */
  readonly log: Log;
  /** Named numbers for `/metrics`; they appear as `isthmus_<plugin>_<name>` without per-session labels. */
  readonly meter: Meter;
  /** The only time there is. */
  readonly clock: Clock;
  /** Unpredictable bytes. */
  random(length: number): Uint8Array;
  /**
   * The circuit broke while it ran (its device vanished): its sessions go down for this reason, then the circuit
   * is disposed of. Only the first call counts; returns at once.
   */
  fail(reason: CircuitError): void;
}

/** The part of the datapath that plugins reach. */
export interface HostDatapath {
  /** Opens a TAP device as a port. @throws {CircuitError} */
  openTap(options: TapOptions): Promise<TapPort>;
  /**
   * Opens a port whose frames TypeScript handles. `receive` gets batches; the views are valid until it returns.
   * A slow receiver loses frames, counted as `host-queue-full`.
   */
  openHostPort(
    frameType: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<HostPort>;
  /** Joins two ports of one frame type, each in no other forwarder (the cross-connect forwarder). @throws {CircuitError} */
  crossConnect(a: PortId, b: PortId): Promise<AsyncDisposable>;
}

/** Which of its tricks a device may use; all where absent, as far as the kernel has them. */
export interface Offload {
  /** Tell checksums and segments in a header before each frame (IFF_VNET_HDR); without it the others are off, too. */
  readonly vnet?: boolean;
  /** Take super-frames of up to 64 KiB from the device, and cut them where they leave. */
  readonly gso?: boolean;
  /** Join segments of one flow to super-frames for the device. */
  readonly gro?: boolean;
}

/** How a TAP device shall be. What is absent stays as the kernel has it. */
export interface TapOptions {
  /** At most 15 bytes; an existing TAP of this name is adopted and outlives us. */
  readonly name: string;
  /** Bytes of the largest packet, the Ethernet header not counted. */
  readonly mtu?: number;
  /** `02:00:…` notation. */
  readonly mac?: string;
  /** `192.168.7.1/24`, `fd00:7::1/64`. */
  readonly addresses?: readonly string[];
  /** The named network namespace (`ip netns`) that the device lives in. */
  readonly netns?: string;
  /** Fixed once the device is open. */
  readonly offload?: Offload;
}

/** A TAP device that is a port. Disposal removes the device unless it was adopted. */
export interface TapPort extends AsyncDisposable {
  /** The port to join. */
  readonly port: PortId;
  /** The device. */
  readonly name: string;
  /** Whether the device was there before us. */
  readonly adopted: boolean;
  /** `02:00:…` notation. */
  readonly mac: string;
  /** The device's MTU now. */
  mtu(): number;
  /** Applies changed options other than name and netns. @throws {CircuitError} */
  change(options: Omit<TapOptions, "name" | "netns" | "offload">): void;
  /** Switches the device's carrier. */
  setCarrier(up: boolean): void;
  /** Called once if the device vanishes under us (`ip link del`). */
  onGone?: (() => void) | undefined;
}

/** A port whose frames TypeScript handles. */
export interface HostPort extends AsyncDisposable {
  /** The port to join. */
  readonly port: PortId;
  /** Sends frames into the port; they are copied before it returns. False: the queue was full, and all were dropped and counted. */
  send(frames: readonly Uint8Array[]): boolean;
}

/** Structured log lines; fields hold no secrets. */
export interface Log {
  /** For who looks into a fault. */
  debug(message: string, fields?: Record<string, Json>): void;
  /** What an operator would want to read back later. */
  info(message: string, fields?: Record<string, Json>): void;
  /** Something is wrong, and the circuit goes on. */
  warn(message: string, fields?: Record<string, Json>): void;
  /** The circuit cannot do its work. */
  error(message: string, fields?: Record<string, Json>): void;
}

/** Numbers for operators. */
export interface Meter {
  /** A counter of this circuit's plugin, shared by all of its circuits. */
  counter(name: string, help: string): { add(value?: number): void };
  /** A gauge that is the sum of `read()` over all circuits until disposed of. */
  gauge(name: string, help: string, read: () => number): Disposable;
}

/** Time, as a value: tests hand in a virtual one. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `callback` once at or after `at`; disposal cancels it. */
  timer(at: number, callback: () => void): Disposable;
}

/** Why a circuit cannot be what its options ask for. Shown to operators: no secrets. */
export class CircuitError extends Error {
  /** Tells it from other errors. */
  override readonly name = "CircuitError";
  /** The option that is wrong (`name`), where one is. */
  readonly option: string | undefined;
  /** Says what cannot be had, and why. */
  constructor(
    /** What was wrong, for programs. */
    readonly code: "unavailable" | "in-use" | "not-permitted" | "invalid" | "limit",
    message: string,
    options?: ErrorOptions & { readonly option?: string },
  ) {
    super(message, options);
    this.option = options?.option;
  }
}
