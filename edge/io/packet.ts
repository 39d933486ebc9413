/** Packet sockets (packet(7)): the Ethernet frames of an interface that is there, both ways. @module */

import type { VnetSpec } from "../../wasm/mod.ts";
import { Errno, IoError } from "./errno.ts";
import { type Buffer, configured, cString, type Libc } from "./libc.ts";
import { inNetns } from "./netns.ts";
import {
  type Instruction,
  oursOf,
  packetFilter,
  vlanFilter,
  type VlanRange,
} from "./packet_filter.ts";

/** What is opened. */
export interface PacketSocketOptions {
  /** The interface. */
  readonly name: string;
  /** The named network namespace that it is in. */
  readonly netns?: string;
  /** Takes frames of this VLAN only, 1 to 4094. */
  readonly vlan?: number;
  /** Takes frames of these VLANs only, with their tags. */
  readonly vlans?: readonly VlanRange[];
  /** Takes frames of these EtherTypes only, behind all tags. */
  readonly protocols?: readonly number[];
  /** Takes frames that are for other stations, too. */
  readonly promiscuous: boolean;
  /** Leaves checksums and segments to be done, both ways, behind a `virtio_net_hdr`. */
  readonly vnet: boolean;
}

/** A packet socket, open. */
export interface PacketSocket {
  /** Non-blocking; one frame a message or write. */
  readonly fd: number;
  readonly index: number;
  readonly vnet?: VnetSpec;
}

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK_CLOEXEC = 0o2004003;
const ETH_P_ALL = 0x0003;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_STATISTICS = 6;
const PACKET_AUXDATA = 8;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_PROMISC = 1;
/** Bytes of kernel memory that may wait to be received. */
const receiveBuffer = 8 << 20;

/**
 * Opens a packet socket on an interface. What the host itself sends by it is not seen.
 * @throws {IoError} `ENODEV` where there is no such interface, `EPERM` without CAP_NET_RAW
 */
export function openPacketSocket(libc: Libc, options: PacketSocketOptions): PacketSocket {
  const { name, netns, promiscuous, protocols, vlan, vlans } = options;
  const what = `open the interface ${name}${netns === undefined ? "" : ` in namespace ${netns}`}`;
  return inNetns(libc, netns, () => {
    const index = libc.call.if_nametoindex(cString(name));
    if (index === 0) throw new IoError("if_nametoindex", Errno.ENODEV, what);
    // Without a protocol nothing comes before all is set up.
    const socket = libc.call.socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, 0);
    let vnet: VnetSpec | undefined;
    const set = (level: number, option: number, value: Buffer) =>
      libc.call.setsockopt(fd, level, option, value, value.length);
    const must = (option: string, level: number, number: number, value: Buffer) =>
      libc.check(set(level, number, value), `setsockopt(${option})`, what);
    const fd = libc.check(socket, "socket", what);
    configured(libc, fd, () => {
      must("PACKET_AUXDATA", SOL_PACKET, PACKET_AUXDATA, int(1));
      must("PACKET_IGNORE_OUTGOING", SOL_PACKET, PACKET_IGNORE_OUTGOING, int(1));
      if (options.vnet) {
        must("PACKET_VNET_HDR", SOL_PACKET, PACKET_VNET_HDR, int(1));
        vnet = { checksum: true, tcp: true, udp: true };
      }
      const wanted = vlan === undefined ? packetFilter(options) : vlanFilter(vlan);
      if (!promiscuous) attachFilter(libc, fd, oursOf(wanted), what);
      else if (vlan !== undefined || vlans || protocols) attachFilter(libc, fd, wanted, what);
      if (set(SOL_SOCKET, SO_RCVBUFFORCE, int(receiveBuffer)) !== 0) {
        set(SOL_SOCKET, SO_RCVBUF, int(receiveBuffer));
      }
      const address = linkAddress(index);
      libc.check(libc.call.bind(fd, address, address.length), "bind", what);
      if (promiscuous) must("PACKET_MR_PROMISC", SOL_PACKET, PACKET_ADD_MEMBERSHIP, promisc(index));
    });
    return { fd, index, ...(vnet && { vnet }) };
  });
}

/** Frames that found a packet socket's buffer full since this was asked before. */
export function packetDrops(libc: Libc, fd: number): number {
  const counts: Buffer = new Uint8Array(8); // packets 4 | drops 4
  const result = libc.call.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, counts, Int32Array.of(8));
  return result === 0 ? new DataView(counts.buffer).getUint32(4, true) : 0;
}

function int(value: number): Buffer {
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** `sockaddr_ll`: family 2 | protocol 2, in network order | index 4 | type of hardware 2, of packet 1, length 1 | address 8. */
function linkAddress(index: number): Buffer {
  const bytes: Buffer = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ALL);
  view.setInt32(4, index, true);
  return bytes;
}

/** `packet_mreq`: index 4 | type 2 | address length 2 | address 8. */
function promisc(index: number): Buffer {
  const bytes: Buffer = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, index, true);
  view.setUint16(4, PACKET_MR_PROMISC, true);
  return bytes;
}

/** `sock_fprog`: instructions 2 | padding 6 | their address 8; each is code 2 | jumps 2 | operand 4. */
/** Has a socket take only what a filter lets in. @throws {IoError} */
export function attachFilter(
  libc: Libc,
  fd: number,
  filter: readonly Instruction[],
  what: string,
): void {
  const program = new ArrayBuffer(filter.length * 8);
  const view = new DataView(program);
  for (const [at, [code, yes, no, k]] of filter.entries()) {
    view.setUint16(at * 8, code, true);
    view.setUint8(at * 8 + 2, yes);
    view.setUint8(at * 8 + 3, no);
    view.setUint32(at * 8 + 4, k, true);
  }
  const prog: Buffer = new Uint8Array(16);
  const header = new DataView(prog.buffer);
  header.setUint16(0, filter.length, true);
  header.setBigUint64(8, libc.address(program), true);
  const result = libc.call.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, prog, prog.length);
  libc.check(result, "setsockopt(SO_ATTACH_FILTER)", what);
}
