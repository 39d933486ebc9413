/**
 * UDP and raw IP sockets for tunnels: bound, non-blocking, close-on-exec. One that is bound to a wildcard tells with
 * each datagram the address that the peer talked to (IP_PKTINFO). Whoever opens one closes it; a step that fails leaves
 * no descriptor behind.
 *
 * @module
 */

import { type Endpoint, formatEndpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
import type { SockAddr, SocketKind } from "../../wasm/mod.ts";
import { type Buffer, configured, cString, type Libc } from "./libc.ts";
import {
  emitSockaddr,
  familyOf,
  fromSockAddr,
  parseSockaddr,
  sockaddrSize,
  toSockAddr,
} from "./sockaddr.ts";

/** How a tunnel's UDP checksums are (the kernel's `udp-csum`, `udp-zero-csum6-tx`, `udp-zero-csum6-rx`). */
export interface UdpChecksum {
  /** Sent over IPv4. */
  readonly udp: boolean;
  /** Left out in what is sent over IPv6 (RFC 6936). */
  readonly zero6Tx: boolean;
  /** Zero is accepted over IPv6 (RFC 6936). */
  readonly zero6Rx: boolean;
}

/** How a socket shall be. */
export interface SocketOptions {
  /** Where it is bound; port 0: the kernel chooses. */
  readonly local: Endpoint;
  /** Connects it: it then takes only what comes from there, and others may share its local port. */
  readonly remote?: Endpoint;
  /** Lets it be bound beside another UDP socket of ours that allows it (SO_REUSEADDR), as a connected one is anyway. */
  readonly shared?: boolean;
  /** Absent: checksums everywhere, as UDP has them by default. */
  readonly checksum?: UdpChecksum;
  /** Takes and sends only by this device, or by what is enslaved to it if it is a VRF. */
  readonly device?: string;
  /**
   * True: what the path does not carry whole is refused, and its MTU is learnt (IPv4: DF is set). False: it may be
   * fragmented anywhere. Absent: the kernel fragments it, and learns the path's MTU.
   */
  readonly df?: boolean;
  /** Bytes of kernel memory that may wait to be received; 8 MiB by default. */
  readonly receiveBuffer?: number;
  /** Bytes of kernel memory that may wait to be sent; 8 MiB by default. */
  readonly sendBuffer?: number;
}

/** A socket, open. */
export interface OpenSocket {
  readonly fd: number;
  readonly kind: SocketKind;
  /** Where it is bound, with the port that the kernel chose. */
  readonly local: Endpoint;
  /** What the kernel granted: less than asked for where neither SO_RCVBUFFORCE nor `net.core.rmem_max` allow it. */
  readonly receiveBuffer: number;
  readonly sendBuffer: number;
  /** Whether datagrams of one flow may arrive coalesced (UDP_GRO). */
  readonly gro: boolean;
}

const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** L2TP straight on IP (RFC 3931 §4.1.1). */
const IPPROTO_L2TP = 115;

const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_UDP = 17;
const SOL_IPV6 = 41;
/** Options as [level, name]. */
const option = {
  SO_REUSEADDR: [SOL_SOCKET, 2],
  SO_SNDBUF: [SOL_SOCKET, 7],
  SO_RCVBUF: [SOL_SOCKET, 8],
  SO_NO_CHECK: [SOL_SOCKET, 11],
  SO_RCVMARK: [SOL_SOCKET, 75],
  SO_SNDBUFFORCE: [SOL_SOCKET, 32],
  SO_RCVBUFFORCE: [SOL_SOCKET, 33],
  IP_PKTINFO: [SOL_IP, 8],
  IP_MTU_DISCOVER: [SOL_IP, 10],
  IP_RECVERR: [SOL_IP, 11],
  IPV6_MTU_DISCOVER: [SOL_IPV6, 23],
  IPV6_RECVERR: [SOL_IPV6, 25],
  IPV6_V6ONLY: [SOL_IPV6, 26],
  IPV6_RECVPKTINFO: [SOL_IPV6, 49],
  UDP_NO_CHECK6_TX: [SOL_UDP, 101],
  UDP_NO_CHECK6_RX: [SOL_UDP, 102],
  UDP_GRO: [SOL_UDP, 104],
} as const;
type OptionName = keyof typeof option;

const PMTUDISC_DONT = 0;
const PMTUDISC_DO = 2;
const SO_BINDTODEVICE = 25;

const defaultBuffer = 8 << 20;

/** Opens a UDP socket. @throws {IoError} */
export function openUdpSocket(libc: Libc, options: SocketOptions): OpenSocket {
  return open(libc, "udp", options);
}

/** Opens a raw socket for protocol 115; needs CAP_NET_RAW. Every such socket that matches gets its own copy of a packet. @throws {IoError} */
export function openIpSocket(libc: Libc, options: Omit<SocketOptions, "checksum">): OpenSocket {
  return open(libc, "ip", options);
}

function open(libc: Libc, encap: "udp" | "ip", options: SocketOptions): OpenSocket {
  const { local, remote } = options;
  const version = ipVersion(local.address);
  const what = `${encap === "udp" ? "UDP" : "IP protocol 115"} ${formatEndpoint(local)}`;
  const set = (name: OptionName, value: number) =>
    libc.check(setOption(libc, fd, name, value), `setsockopt(${name})`, `set up ${what}`);

  let gro = false;
  const fd = libc.check(
    libc.call.socket(
      familyOf(local.address),
      (encap === "udp" ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC,
      encap === "udp" ? 0 : IPPROTO_L2TP,
    ),
    "socket",
    `open ${what}`,
  );
  configured(libc, fd, () => {
    if (version === 6 && encap === "udp") set("IPV6_V6ONLY", 1); // raw sockets take one family anyway
    // Costs 2 % of forwarding a datagram, and a socket with an address of its own has nothing to tell.
    if (isWildcard(local.address)) set(version === 6 ? "IPV6_RECVPKTINFO" : "IP_PKTINFO", 1);
    // ICMP errors are kept with the peer that they are about, instead of failing whatever is sent next.
    set(version === 6 ? "IPV6_RECVERR" : "IP_RECVERR", 1);
    if (options.df !== undefined) {
      const mode = options.df ? PMTUDISC_DO : PMTUDISC_DONT;
      set(version === 6 ? "IPV6_MTU_DISCOVER" : "IP_MTU_DISCOVER", mode);
    }
    if (options.device !== undefined) bindToDevice(libc, fd, options.device, what);
    if (encap === "udp") {
      if (options.checksum) setChecksums(set, version, options.checksum);
      gro = setOption(libc, fd, "UDP_GRO", 1) === 0;
    }
    setBuffer(libc, fd, "SO_RCVBUF", options.receiveBuffer ?? defaultBuffer);
    setBuffer(libc, fd, "SO_SNDBUF", options.sendBuffer ?? defaultBuffer);
    if ((remote || options.shared) && encap === "udp") set("SO_REUSEADDR", 1);

    const name = emitSockaddr(toSockAddr(libc, local));
    libc.check(libc.call.bind(fd, name, name.length), "bind", `bind ${what}`);
    if (remote) {
      const peer = emitSockaddr(toSockAddr(libc, remote));
      libc.check(
        libc.call.connect(fd, peer, peer.length),
        "connect",
        `connect ${what} to ${formatEndpoint(remote)}`,
      );
    }
  });
  return {
    fd,
    kind: `${encap}${version}`,
    local: whereBound(libc, fd, local, encap),
    receiveBuffer: getOption(libc, fd, "SO_RCVBUF"),
    sendBuffer: getOption(libc, fd, "SO_SNDBUF"),
    gro,
  };
}

/** Binds a socket to a device or VRF. @throws {IoError} `ENODEV` where there is none of that name */
export function bindToDevice(libc: Libc, fd: number, device: string, what: string): void {
  const name = cString(device);
  const result = libc.call.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
  libc.check(result, "setsockopt(SO_BINDTODEVICE)", `bind ${what} to the device ${device}`);
}

/** Has a socket tell the kernel's mark of each datagram. @throws {IoError} where the kernel is older than 5.19 */
export function receiveMarks(libc: Libc, fd: number): void {
  const result = setOption(libc, fd, "SO_RCVMARK", 1);
  libc.check(result, "setsockopt(SO_RCVMARK)", "learn the marks of what a socket receives");
}

function setChecksums(
  set: (name: OptionName, value: number) => void,
  version: 4 | 6,
  checksum: UdpChecksum,
): void {
  if (version === 4) {
    set("SO_NO_CHECK", checksum.udp ? 0 : 1);
  } else {
    set("UDP_NO_CHECK6_TX", checksum.zero6Tx ? 1 : 0);
    set("UDP_NO_CHECK6_RX", checksum.zero6Rx ? 1 : 0);
  }
}

/** Beyond `net.core.rmem_max` where we may (CAP_NET_ADMIN), else as far as that goes. */
function setBuffer(libc: Libc, fd: number, name: "SO_RCVBUF" | "SO_SNDBUF", bytes: number): void {
  if (setOption(libc, fd, `${name}FORCE`, bytes) !== 0) setOption(libc, fd, name, bytes);
}

function setOption(libc: Libc, fd: number, name: OptionName, value: number): number {
  const [level, number] = option[name];
  return libc.call.setsockopt(fd, level, number, Int32Array.of(value), 4);
}

function getOption(libc: Libc, fd: number, name: OptionName): number {
  const [level, number] = option[name];
  const value = new Int32Array(1);
  libc.check(
    libc.call.getsockopt(fd, level, number, value, Int32Array.of(4)),
    `getsockopt(${name})`,
    "read a socket's options",
  );
  return value[0]!;
}

const SO_MEMINFO = 55;
/** What `sk_meminfo` holds (linux/sock_diag.h): nine counts, the drops last. */
const memInfoCounts = 9;

/** Datagrams that came for a socket and that the kernel dropped, as its receive buffer was full or their checksum wrong. */
export function socketDrops(libc: Libc, fd: number): number {
  const counts = new Uint32Array(memInfoCounts);
  const length = Int32Array.of(counts.byteLength);
  const result = libc.call.getsockopt(
    fd,
    SOL_SOCKET,
    SO_MEMINFO,
    counts as unknown as Buffer,
    length,
  );
  return result === 0 ? counts[memInfoCounts - 1]! : 0;
}

/** The address that a socket is bound to; a wildcard where it is bound to none. @throws {IoError} */
export function boundAddress(libc: Libc, fd: number): string {
  const name = socketName(libc, fd);
  return name ? fromSockAddr(libc, name).address : "0.0.0.0";
}

/** What a socket is bound to; undefined where that is no address of IP. @throws {IoError} */
export function socketName(libc: Libc, fd: number): SockAddr | undefined {
  const bytes: Buffer = new Uint8Array(sockaddrSize);
  libc.check(
    libc.call.getsockname(fd, bytes, Int32Array.of(sockaddrSize)),
    "getsockname",
    "read a socket's name",
  );
  return parseSockaddr(bytes);
}

/** Where a socket that was to be bound to `bound` is. A raw socket's "port" is its protocol: 0 here. */
function whereBound(libc: Libc, fd: number, bound: Endpoint, encap: "udp" | "ip"): Endpoint {
  const name = socketName(libc, fd);
  const port = encap === "udp" ? name?.port ?? 0 : 0;
  // The text that was asked for keeps its zone's name; a connected wildcard has got its address from the route.
  return name && isWildcard(bound.address)
    ? { address: fromSockAddr(libc, name).address, port }
    : { address: bound.address, port };
}
