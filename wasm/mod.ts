/**
 * The datapath's only door: typed access to the WASM module in `pkg/`.
 *
 * The WASM memory owns every packet buffer and every `mmsghdr`, `iovec` and `sockaddr`. The caller makes the
 * system calls on that memory; addresses handed to the kernel are `base + offset`, with `base` the address of
 * the memory's first byte (it never moves). Every isolate that imports this has a module and a memory of its own.
 *
 * A round of the caller's loop: `recvmmsg` or `read`, {@linkcode WasmDatapath.receiveDatagrams} or
 * {@linkcode WasmDatapath.receiveFrames}, then {@linkcode WasmDatapath.pump} and the system calls that it laid out until
 * it gives 0, then {@linkcode WasmDatapath.drainPunts}.
 *
 * @module
 */

import { drop_names, io_names, Raw, RawSession } from "./pkg/isthmus_datapath.js";
import { memory } from "./pkg/isthmus_datapath_bg.wasm";
import type { FrameType } from "../core/pseudowire.ts";
import { type CounterSlice, type CounterTable, slice, table } from "./counter_tables.ts";
import { refused, refusing, WasmError, type WasmErrorCode } from "./error.ts";
import type { ForwarderDoor, ForwarderKind } from "./door.ts";
import { forwarderDoors } from "./forwarders.ts";
import { type Layout, readLayout } from "./layout.ts";
import { type FamilyCounters, readFamilies } from "./ppp.ts";
import { type Punt, readPunt, recordSize } from "./punts.ts";
import {
  frameTypes,
  noBytes,
  rawOptions,
  rawPolicy,
  rawTunnel,
  reasonNumber,
  socketKinds,
  u32,
  vlanOf,
  vnetBits,
} from "./raw.ts";
import { translate, type Translation } from "./switches.ts";
import {
  type Counters,
  type InsideSpec,
  type PortIx,
  type PortLimit,
  type PppoeSpec,
  type SessionChange,
  sessionCounters,
  type SessionSpec,
  type SockAddr,
  type SocketIx,
  type SocketKind,
  type TunnelIx,
  type TunnelSpec,
  type VnetSpec,
} from "./spec.ts";

export type { EncapType, FrameType, L2SpecType, ProtoVersion } from "../core/pseudowire.ts";
export type { CounterSlice, CounterTable } from "./counter_tables.ts";
export type { WasmErrorCode } from "./error.ts";
export type { ForwarderDoor, ForwarderEvent, ForwarderIx, ForwarderKind } from "./door.ts";
export { type Layout, RX_BATCH } from "./layout.ts";
export { type FamilyCounters, familyCounters, type MemberOptions } from "./ppp.ts";
export type { Punt } from "./punts.ts";
export type {
  Counters,
  InsideSpec,
  PortIx,
  PortLimit,
  PppoeSpec,
  SessionChange,
  SessionCounter,
  SessionPolicy,
  SessionSpec,
  SockAddr,
  SocketIx,
  SocketKind,
  TunnelIx,
  TunnelSpec,
  VnetSpec,
} from "./spec.ts";
export type { LoopSpec, SwitchPortSpec, SwitchSpec, Translation } from "./switches.ts";
export { sessionCounters, WasmError };

/** What bounds a datapath's memory. */
export interface WasmOptions {
  /** 262,144 unless told. */
  readonly maxSessions?: number;
  /** Frames in one session's reorder queue; 256 unless told. */
  readonly reorderFrames?: number;
  /** Bytes in all reorder queues; 32 MiB unless told. */
  readonly reorderBytes?: number;
  /** Bytes that wait for {@linkcode WasmDatapath.drainPunts}; 1 MiB unless told. */
  readonly puntBytes?: number;
}

/**
 * A datapath: sockets, tunnels, ports, and the frames on their way between them.
 *
 * Requests that cannot be carried out throw a {@linkcode WasmError} and change nothing. Views of the memory do not
 * survive its growth, which any call may cause. Several datapaths can share one module's memory.
 */
export class WasmDatapath {
  /** The module's memory. */
  readonly memory: WebAssembly.Memory = memory;
  /** Where in the memory what lies. */
  readonly layout: Layout;
  /** Forwarders of many ports. */
  readonly forwarders: Readonly<Record<ForwarderKind, ForwarderDoor>>;
  readonly #raw: Raw;

  /** A datapath without sockets, tunnels and ports. */
  constructor(options: WasmOptions = {}) {
    this.#raw = new Raw(
      options.maxSessions ?? 1 << 18,
      options.reorderFrames ?? 256,
      options.reorderBytes ?? 32 << 20,
      options.puntBytes ?? 1 << 20,
    );
    this.forwarders = forwarderDoors(this.#raw);
    using layout = this.#raw.layout();
    this.layout = readLayout(layout);
  }

  /** Sets the address of the memory's first byte and rewrites every pointer. With 0n, as at first, they are offsets. */
  setBase(base: bigint): void {
    this.#raw.set_base(base);
  }

  /** Registers a socket; `fd` is only stored, for ops. */
  addSocket(fd: number, kind: SocketKind): SocketIx {
    return refusing(() => this.#raw.add_socket(fd, socketKinds[kind])) as SocketIx;
  }

  /** The socket tells with each datagram the kernel's mark (SO_RCVMARK): what has another than its tunnel's is refused. */
  tellMarks(socket: SocketIx): void {
    refusing(() => this.#raw.tell_marks(socket, true));
  }

  /** Forgets a socket that no tunnel uses. */
  removeSocket(socket: SocketIx): void {
    refusing(() => this.#raw.remove_socket(socket));
  }

  /** Adds a tunnel through a socket of its encapsulation. */
  addTunnel(spec: TunnelSpec): TunnelIx {
    using raw = rawTunnel(spec);
    return refusing(() => this.#raw.add_tunnel(raw)) as TunnelIx;
  }

  /** Changes where a tunnel goes: socket, addresses, source check, grouping. */
  changeTunnel(tunnel: TunnelIx, spec: TunnelSpec): void {
    using raw = rawTunnel(spec);
    refusing(() => this.#raw.change_tunnel(tunnel, raw));
  }

  /** Removes a tunnel that has no sessions. */
  removeTunnel(tunnel: TunnelIx): void {
    refusing(() => this.#raw.remove_tunnel(tunnel));
  }

  /**
   * Adds a session to a tunnel. Two tunnels may have v3 sessions of one id when socket and peer tell them apart; the
   * session that was added first gets the frames if they no longer do after {@linkcode changeTunnel}.
   */
  addSession(tunnel: TunnelIx, spec: SessionSpec): PortIx {
    using raw = Object.assign(new RawSession(), {
      session_id: u32(spec.sessionId, "session id"),
      peer_session_id: u32(spec.peerSessionId, "session id"),
      frame_type: frameTypes[spec.frameType],
      ...rawOptions(spec),
    });
    using policy = rawPolicy(spec.policy ?? {});
    const session = refusing(() => this.#raw.add_session(tunnel, raw)) as PortIx;
    try {
      refusing(() => this.#raw.set_policy(session, policy));
      if (spec.vlan !== undefined) this.translate(session, vlanOf(spec.vlan));
    } catch (error) {
      this.removePort(session);
      throw error;
    }
    return session;
  }

  /**
   * A session of this id will be added to a tunnel: of what its peer sends meanwhile 16 datagrams are kept, and its port
   * holds them until it is joined or has a receiver. `on` false: none will.
   */
  expectSession(tunnel: TunnelIx, sessionId: number, on = true): void {
    refusing(() => this.#raw.expect_session(tunnel, u32(sessionId, "session id"), on));
  }

  /** Changes what is given. Queued frames are released in order when there is to be no reordering any more, and
   * by the next {@linkcode age} where they have waited for longer than they may now. */
  changeSession(session: PortIx, change: SessionChange): void {
    const options = rawOptions(change);
    using policy = change.policy && rawPolicy(change.policy);
    if (Object.keys(options).length > 0) {
      using raw = refusing(() => this.#raw.session(session));
      Object.assign(raw, options);
      refusing(() => this.#raw.change_session(session, raw));
    }
    if (policy) refusing(() => this.#raw.set_policy(session, policy));
    if (change.vlan !== undefined) this.translate(session, vlanOf(change.vlan));
  }

  /**
   * Adds a network device; `fd` is only stored, for ops. With `vnet` a `virtio_net_hdr` stands before each frame. With `tag`
   * (TPID 2 octets | tag control information 2 octets, as a number) its Ethernet frames have that VLAN tag on the wire, and
   * nowhere else.
   */
  addDevice(fd: number, frameType: FrameType, vnet?: VnetSpec, tag = 0): PortIx {
    const bits = vnet === undefined ? 0 : vnetBits(vnet);
    return refusing(() => this.#raw.add_device(fd, frameTypes[frameType], bits, tag)) as PortIx;
  }

  /** The device is a packet socket: what leaves by it is laid out for sendmmsg, too. */
  sendInMessages(device: PortIx): void {
    refusing(() => this.#raw.send_in_messages(device));
  }

  /**
   * Adds a PPPoE session of a device whose frames are Ethernet's: a port of PPP frames. What of the device's frames is no
   * session's stays the device's. It goes with the device, and of what may change in a session it has `policy` alone.
   */
  addPppoe(device: PortIx, { peer, own, tags, sessionId }: PppoeSpec): PortIx {
    if (!(sessionId >= 1 && sessionId <= 0xfffe)) {
      throw new WasmError("invalid", `a PPPoE session id is 1 to 65534, not ${sessionId}`);
    }
    const numbers = Uint32Array.from(tags);
    return refusing(() => this.#raw.add_pppoe(device, peer, own, numbers, sessionId)) as PortIx;
  }

  /** Adds a port whose frames TypeScript injects and drains. */
  addHostPort(frameType: FrameType): PortIx {
    return refusing(() => this.#raw.add_host_port(frameTypes[frameType])) as PortIx;
  }

  /** Removes a session, device or host port, disconnected first. Its queued frames are dropped, as `port-removed`. */
  removePort(port: PortIx): void {
    refusing(() => this.#raw.remove_port(port));
  }

  /** Joins two free ports of one frame type: what comes in at one leaves by the other. */
  crossConnect(a: PortIx, b: PortIx): void {
    refusing(() => this.#raw.cross_connect(a, b));
  }

  /**
   * Gives a port a receiver, a host port: it gets what the port's forwarder punts, and all of its frames while it has none;
   * what is injected there leaves by the port, whatever that is joined to. A removed receiver is none.
   */
  setReceiver(port: PortIx, host: PortIx): void {
    refusing(() => this.#raw.set_receiver(port, host));
  }

  /**
   * Puts a host inside a session of Ethernet frames: a host port that gets what comes for it (some 32 frames a second of
   * answers, and of all others), and whose frames leave by the session, whatever that is joined to. It ends with either.
   */
  putInside(session: PortIx, host: PortIx, { mac, v4, v6, vlan }: InsideSpec): void {
    const where = vlan === "any" ? -2 : vlan ?? -1;
    refusing(() => this.#raw.put_inside(session, host, mac, where, v4 ?? noBytes, v6 ?? noBytes));
  }

  /** Keeps what comes in at a free port, up to 1024 `frames`: its next forwarder gets them first. */
  hold(port: PortIx, frames: number): void {
    refusing(() => this.#raw.hold(port, frames));
  }

  /** Puts a frame that came in at a port before those that it holds; where it holds none, the frame goes on at once. */
  holdFirst(port: PortIx, frame: Uint8Array): void {
    refusing(() => this.#raw.hold_first(port, frame));
  }

  /** Holds no more frames of a port that has no forwarder yet: those that are held go to its receiver. */
  release(port: PortIx): void {
    refusing(() => this.#raw.release(port));
  }

  /** Limits what comes in and leaves at a session or device: kilobits a second, 0: no limit, and bytes at once. */
  limit(port: PortIx, { rx, tx, burst }: PortLimit): void {
    const number = (value: number) => u32(value, "rate");
    refusing(() => this.#raw.limit(port, number(rx), number(tx), number(burst)));
  }

  /** Makes a pair of ports of Ethernet frames, for two switches: what leaves by one comes in at the other. */
  addPatch(): readonly [PortIx, PortIx] {
    const [a, b] = refusing(() => this.#raw.add_patch());
    return [a as PortIx, b as PortIx];
  }

  /** Says what a port does with VLAN tags, whatever it is joined to; null: nothing. */
  translate(port: PortIx, translation: Translation): void {
    translate(this.#raw, port, translation);
  }

  /** Undoes {@linkcode crossConnect} of `a` and whatever it is joined to, or takes it out of its forwarder. */
  disconnect(a: PortIx): void {
    refusing(() => this.#raw.disconnect(a));
  }

  /**
   * Hands in the first `count` messages, as recvmmsg left them; {@linkcode pump} deals with them and makes them ready for
   * the next recvmmsg. `now` is monotonic, in milliseconds. Refused while a batch is not dealt with.
   */
  receiveDatagrams(socket: SocketIx, count: number, now: number): void {
    if (!this.#raw.receive_datagrams(socket, count, now)) throw refused(this.#raw.last_refusal());
  }

  /** Hands in `count` frames that were read from a device into the slots, with their lengths in `rxLengths`. */
  receiveFrames(port: PortIx, count: number, now: number): void {
    if (!this.#raw.receive_frames(port, count, now)) throw refused(this.#raw.last_refusal());
  }

  /** Hands in the first `count` messages of a packet socket's, as recvmmsg left them: frames, and the tags taken off them. */
  receivePackets(port: PortIx, count: number, now: number): void {
    if (!this.#raw.receive_packets(port, count, now)) throw refused(this.#raw.last_refusal());
  }

  /** Lets a frame in at a host port. It is copied. False: the queue was full; it was dropped, as `host-queue-full`. */
  inject(port: PortIx, frame: Uint8Array, _now: number): boolean {
    return refusing(() => this.#raw.inject(port, frame));
  }

  /**
   * Sends a control message, from its T bit on; over protocol 115 the four zero bytes are put before it. It is copied.
   * False: the queue was full; it was dropped, as `control-queue-full`.
   */
  sendControl(
    socket: SocketIx,
    remote: SockAddr,
    local: Uint8Array | undefined,
    data: Uint8Array,
    mark = 0,
  ): boolean {
    const { address, port, scopeId = 0 } = remote;
    return refusing(() =>
      this.#raw.send_control(socket, address, port, scopeId, local ?? noBytes, mark, data)
    );
  }

  /** Gives up waiting for missing frames where it has lasted for the session's reorder timeout. `now` in milliseconds. */
  age(now: number): void {
    this.#raw.age(now);
  }

  /** When {@linkcode age} is wanted next, in milliseconds, or a little before; undefined: nothing waits. */
  nextDeadline(): number | undefined {
    return this.#raw.next_deadline();
  }

  /**
   * Goes on with what was handed in and lays out as much output as there is room for; what was laid out before is
   * forgotten. Gives how many ops there are, 0 when all is done. An op is four i32, `[kind, fd, first, count]`:
   * kind 0 is `sendmmsg(fd, &txMessages[first], count)`, kind 1 is `writev(fd, &txIovecs[first], count)`.
   */
  pump(): number {
    return this.#raw.pump();
  }

  /** The tunnel that `txMessages[index]` leaves by; undefined: it is a control message. */
  tunnelOfMessage(index: number): TunnelIx | undefined {
    const tunnel = this.#raw.tunnel_of_message(index);
    return tunnel < 0 ? undefined : tunnel as TunnelIx;
  }

  /** The length that `txMessages[index]` is cut by (UDP_SEGMENT); 0: it is one datagram. */
  groupedBy(index: number): number {
    return this.#raw.grouped_by(index);
  }

  /**
   * The kernel refused the group `txMessages[index]`: lays out its datagrams singly, as `txMessages` from `txSplit` on,
   * to be sent before anything else. Gives how many; what was split before is forgotten.
   */
  splitMessage(index: number): number {
    return this.#raw.split_message(index);
  }

  /** `txMessages[index]` was not sent: its frames are counted as dropped, as `tx-errors` and by reason. */
  messageDropped(index: number, reason: string): void {
    refusing(() => this.#raw.message_dropped(index, reasonNumber(reason)));
  }

  /** The write of op number `op` failed: its frame is counted as dropped, by reason. */
  writeDropped(op: number, reason: string): void {
    refusing(() => this.#raw.write_dropped(op, reasonNumber(reason)));
  }

  /** Groups datagrams of a tunnel up to a length only, until its next change; 0: none. */
  limitGrouping(tunnel: TunnelIx, longest: number): void {
    refusing(() => this.#raw.limit_grouping(tunnel, longest));
  }

  /** Shows everything that waits for TypeScript, oldest first, and forgets it. Gives how much there was. */
  drainPunts(visit: (punt: Punt) => void): number {
    const count = this.#raw.punts();
    if (count === 0) return 0;
    const records = this.#raw.punt_records();
    const bytes = this.#raw.punt_bytes();
    try {
      for (let i = 0; i < count; i++) {
        visit(readPunt(memory.buffer, records + i * recordSize, bytes));
      }
    } finally {
      this.#raw.clear_punts();
    }
    return count;
  }

  /** A session's counters. */
  sessionCounters(session: PortIx): Counters {
    return this.#countersOf(session, "no-such-port");
  }

  /**
   * A session's counters of IP packets by family, all of one instant: what passed while it was in a PPP termination.
   * Undefined: there is no such session, or it never was in one.
   */
  familyCounters(session: PortIx): FamilyCounters | undefined {
    return readFamilies(this.#raw, session);
  }

  /** The sums over a tunnel's sessions, removed ones included. */
  tunnelCounters(tunnel: TunnelIx): Counters {
    return this.#countersOf(tunnel, "no-such-tunnel");
  }

  #countersOf(handle: PortIx | TunnelIx, missing: WasmErrorCode): Counters {
    const { handles, values } = this.counters([handle]);
    if (handles.length === 0) {
      throw new WasmError(missing, `there is no session or tunnel ${handle}`);
    }
    return Object.fromEntries(sessionCounters.map((name, i) => [name, values[i]!])) as Counters;
  }

  /** The counters of sessions and tunnels that are asked for, in that order; those that there are not are left out. */
  counters(handles: readonly (PortIx | TunnelIx)[]): CounterTable {
    return table(this.#raw.counters(Float64Array.from(handles)));
  }

  /**
   * The counters of the sessions in at most `slots` slots of the table from `from` on (0 at first), so that a big table
   * never holds up frames for long. A session that is there all the while is in exactly one slice.
   */
  sessionSlice(from: number, slots: number): CounterSlice {
    return slice(this.#raw.session_slice(from, slots), from + slots, this.#raw.session_slots());
  }

  /** As {@linkcode sessionSlice}, of tunnels. */
  tunnelSlice(from: number, slots: number): CounterSlice {
    return slice(this.#raw.tunnel_slice(from, slots), from + slots, this.#raw.tunnel_slots());
  }

  /**
   * When each tunnel last received a valid data message (from its peer, with the session's cookie, and whole), as
   * {@linkcode receiveDatagrams} was told the time; NaN: it has not, or there is no such tunnel.
   */
  lastHeard(tunnels: Float64Array): Float64Array {
    return this.#raw.last_heard(tunnels);
  }

  /** How many frames and datagrams were dropped, by reason; every reason is there. */
  drops(): Record<string, number> {
    return named(drop_names(), this.#raw.drops());
  }

  /** What the datapath did as a whole. */
  io(): Record<string, number> {
    return named(io_names(), this.#raw.io());
  }

  /** Gives the memory back; the datapath must not be used any more. */
  free(): void {
    this.#raw.free();
  }
}

function named(names: string, counts: Float64Array): Record<string, number> {
  return Object.fromEntries(names.split(" ").map((name, i) => [name, counts[i]!]));
}
