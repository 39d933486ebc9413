/** What the appliance asks of the datapath; how many workers carry it out stays hidden behind this. @module */

import type {
  Counters,
  FamilyCounters,
  InsideSpec,
  PortLimit,
  PppoeSpec,
  SessionSpec,
  SocketKind,
  Translation,
  TunnelSpec,
  VnetSpec,
  WasmErrorCode,
} from "../../wasm/mod.ts";
import type { FrameType } from "../../core/pseudowire.ts";
import type { ForwarderLeaf, PortId } from "../../plugins/host/leaves.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { PathTrouble } from "../io/error_queue.ts";

export type { InsideSpec } from "../../wasm/mod.ts";
export type { PathTrouble } from "../io/error_queue.ts";

/** A socket handed to the datapath. */
export type SocketId = number & { readonly brand: "SocketId" };
/** A tunnel in the datapath. */
export type TunnelHandle = number & { readonly brand: "TunnelHandle" };

/** A tunnel as the datapath carries it: as the module has it, but for its addresses and socket. */
export interface DatapathTunnel extends Omit<TunnelSpec, "local" | "remote" | "socket"> {
  readonly socket: SocketId;
  readonly remote: Endpoint;
  /** Source address of what is sent; absent: the kernel chooses. */
  readonly local?: string;
}

/** The part of a session that may change while it runs. */
export type SessionChange = Partial<
  Pick<
    SessionSpec,
    | "sendSeq"
    | "recvSeq"
    | "lnsMode"
    | "reorderTimeoutMs"
    | "restartAfterMs"
    | "restartRun"
    | "cookie"
    | "peerCookie"
    | "policy"
    | "addressControl"
  >
>;

/** A control message, as it came or as it goes: from the T bit or the session id 0 on, without it (RFC 3931 §4.1.1.1). */
export interface ControlDatagram {
  readonly socket: SocketId;
  readonly remote: Endpoint;
  /** The address that the peer talked to, or the source to send from. */
  readonly local: string;
  /** The kernel's mark of it (SO_RCVMARK, SO_MARK); absent: 0, none. */
  readonly mark?: number;
  readonly data: Uint8Array;
}

/** What the kernel does not group for a tunnel, and for how long that is believed. */
export interface GroupingState {
  /** Datagrams up to this length are still grouped; 0: none. */
  readonly longest: number;
  /** The error of the last group that was refused, `EINVAL`. */
  readonly error: string;
  /** Milliseconds until it is tried again. */
  readonly retryInMs: number;
}

/** What ICMP said of what we had sent to a peer, some of it together. It may be forged: a hint, never a proof. */
export interface PathError {
  readonly socket: SocketId;
  readonly remote: Endpoint;
  readonly trouble: PathTrouble;
  readonly count: number;
  /** What the path carries, with `too-big`: bytes of IP. */
  readonly mtu?: number;
  /** Who sent the last one. */
  readonly reporter?: string;
}

/** A network device as the datapath carries it. */
export interface DeviceSpec {
  readonly frames: FrameType;
  /** A `virtio_net_hdr` stands before each frame; what may be written behind it. */
  readonly vnet?: VnetSpec;
  /** It is a packet socket: frames come by recvmmsg, with the tags that the kernel took off. */
  readonly packets?: boolean;
  /** The VLAN tag that frames have on the wire and nowhere else: TPID, then tag control information, 16 bits each. */
  readonly tag?: number;
}

/** Whose counters are asked for. */
export interface StatsOf {
  readonly sessions: Iterable<PortId>;
  readonly tunnels: Iterable<TunnelHandle>;
  /** Absent: none. */
  readonly sockets?: Iterable<SocketId>;
}

/** Counters of sessions, tunnels and sockets; those of very many are read in slices, so they are not of one instant. */
export interface DatapathCounters {
  readonly sessions: ReadonlyMap<PortId, Counters>;
  /** The sums over a tunnel's sessions, removed ones included. */
  readonly tunnels: ReadonlyMap<TunnelHandle, Counters>;
  /** Tunnels whose datagrams are not all grouped (UDP_SEGMENT), as the kernel refused it. */
  readonly grouping: ReadonlyMap<TunnelHandle, GroupingState>;
  /** Datagrams that the kernel dropped at each socket: its receive buffer was full, or a checksum wrong. */
  readonly socketDrops: ReadonlyMap<SocketId, number>;
  /** How many milliseconds ago a tunnel last received a valid data message; absent: it has not. */
  readonly heardAgoMs: ReadonlyMap<TunnelHandle, number>;
}

/** What the datapath counts as a whole. */
export interface DatapathTotals {
  /** Every reason that a frame can be dropped for, with how many were. */
  readonly drops: Readonly<Record<string, number>>;
  /** Frames and system calls of the datapath as a whole (`rx-batches`, `tx-messages`, `tx-segments`, …). */
  readonly io: Readonly<Record<string, number>>;
  readonly memory: DatapathMemory;
}

/** All that is counted. */
export type DatapathStats = DatapathCounters & DatapathTotals;

/** What a datapath holds, in bytes. */
export interface DatapathMemory {
  /** The memory of the WASM instance, which never shrinks. */
  readonly wasm: number;
  /** Objects of the worker's own heap. */
  readonly heap: number;
}

/**
 * The datapath. Every method rejects with a {@linkcode DatapathError}; nothing is half done then, and a descriptor that
 * was to be handed over is still the caller's. Disposal closes what was handed over.
 */
export interface Datapath extends AsyncDisposable {
  /** Hands over an open, bound, non-blocking socket; the datapath closes it. */
  addSocket(fd: number, kind: SocketKind): Promise<SocketId>;
  removeSocket(socket: SocketId): Promise<void>;
  /** Has a socket tell the kernel's mark of each datagram: what has another than its tunnel's is refused from then on. */
  tellMarks(socket: SocketId): Promise<void>;
  /** Reads a socket again that had failed, and whose descriptor its owner has put another socket behind. */
  rewatchSocket(socket: SocketId): Promise<void>;
  addTunnel(tunnel: DatapathTunnel): Promise<TunnelHandle>;
  /** Changes where a tunnel goes (its ids and version stay). */
  changeTunnel(tunnel: TunnelHandle, change: DatapathTunnel): Promise<void>;
  /** Removes a tunnel that has no sessions. */
  removeTunnel(tunnel: TunnelHandle): Promise<void>;
  addSession(tunnel: TunnelHandle, session: SessionSpec): Promise<PortId>;
  /**
   * A session of this id will be added to a tunnel: some of what its peer sends meanwhile is kept, and its port holds that
   * until it is joined or has a receiver. `on` false: none will.
   */
  expectSession(tunnel: TunnelHandle, sessionId: number, on: boolean): Promise<void>;
  changeSession(session: PortId, change: SessionChange): Promise<void>;
  /**
   * Hands over an open, non-blocking device; the datapath closes it. `gone` is called once when it vanishes; `down` when
   * that of a packet socket is down or was removed: the caller knows which.
   */
  addDevice(
    fd: number,
    device: DeviceSpec,
    gone: () => void,
    down?: () => void,
  ): Promise<PortId>;
  /** Adds a PPPoE session of a device of Ethernet frames: a port of PPP frames, which goes with the device. */
  addPppoe(device: PortId, session: PppoeSpec): Promise<PortId>;
  addHostPort(
    frameType: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId>;
  /** Sends frames in at a host port (copied); false when the queue is full: dropped and counted. */
  inject(port: PortId, frames: readonly Uint8Array[]): boolean;
  removePort(port: PortId): Promise<void>;
  crossConnect(a: PortId, b: PortId): Promise<void>;
  disconnect(a: PortId): Promise<void>;
  /**
   * Adds a host port that is the receiver of a port: it gets what the port's forwarder punts, and all of its frames while
   * it has none; what is injected there leaves by the port, whatever that is joined to.
   */
  addReceiver(
    port: PortId,
    frameType: FrameType,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId>;
  /**
   * Puts a host inside a session of Ethernet frames: it gets what comes for it, and nothing else; what is injected at its
   * port leaves by the session, whatever that is joined to. Of what comes, TypeScript gets some 32 frames a second.
   */
  addInside(
    session: PortId,
    host: InsideSpec,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId>;
  /** Keeps what comes in at a port that has no forwarder, up to 1024 `frames`: its next one gets them first. */
  hold(port: PortId, frames: number): Promise<void>;
  /** Puts frames before those that a port holds; where it holds none, they go on at once, as if they came now. Copied. */
  holdFirst(port: PortId, frames: readonly Uint8Array[]): Promise<void>;
  /** Holds no more frames of a port that has no forwarder yet: those that are held go to its receiver. */
  release(port: PortId): Promise<void>;
  /** Limits what comes in and leaves at a session or device. */
  limit(port: PortId, limit: PortLimit): Promise<void>;
  /** Says what a port does with VLAN tags, whatever it is joined to; null: nothing. */
  translate(port: PortId, translation: Translation): Promise<void>;
  /** Makes a pair of ports of Ethernet frames, for two switches. */
  addPatch(): Promise<readonly [PortId, PortId]>;
  /** What of one session is counted, all of one instant; undefined: there is no such session. */
  sessionStatistics(session: PortId): Promise<SessionStatistics | undefined>;
  /** Forwarders of many ports, by kind. */
  readonly forwarders: ForwarderLeaf;
  /** Control messages that arrived, in batches; the views are valid until the handler returns. */
  onControl: ((batch: readonly ControlDatagram[]) => void) | undefined;
  /**
   * Sends control messages; false when the queue is full: dropped and counted.
   * @throws {DatapathError} `invalid` where an address cannot be read
   */
  sendControl(batch: readonly ControlDatagram[]): boolean;
  /** Called with what ICMP says of what was sent, a few times a second at most. */
  onPathErrors: ((errors: readonly PathError[]) => void) | undefined;
  /** Called when links, addresses or routes changed, a few times a second at most. */
  onNetworkChange: (() => void) | undefined;
  /** Called once for a socket that failed for good and is read no more, with the error's name. */
  onSocketFailure: ((socket: SocketId, error: string) => void) | undefined;
  /** Whether its workers give signs of life. */
  readonly responsive: boolean;
  /** Called when a worker gives no sign of life for some seconds, and when it does again. */
  onResponsive: ((responsive: boolean) => void) | undefined;
  /** Called once if the datapath ends by itself: a defect. Everything rejects with `stopped` from then on. */
  onFailure: ((error: Error) => void) | undefined;
  /** The counters of what is asked for, without those that there are not. */
  counters(of: StatsOf): Promise<DatapathCounters>;
  /** What is counted as a whole; costs little however many tunnels, sessions and sockets there are. */
  totals(): Promise<DatapathTotals>;
  /** Everything. However much that is, frames wait for no more than a small part of it. */
  stats(): Promise<DatapathStats>;
}

/** A session's counters, and those of its IP packets by family if it was ever in a PPP termination. */
export type SessionStatistics = Counters & Partial<FamilyCounters>;

/** Why the datapath refused. */
export class DatapathError extends Error {
  override readonly name = "DatapathError";
  constructor(
    readonly code: WasmErrorCode | "stopped",
    message: string,
  ) {
    super(message);
  }
}
