/** The operating system, as far as the appliance itself uses it; `edge/io` does the work. @module */

import type { Endpoint } from "../../core/endpoint.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import type { Offload, PacketOptions, TapOptions, TunOptions } from "../../plugins/plugin.ts";
import {
  type DatagramOptions,
  type DatagramSocket,
  openDatagrams,
  type TakeDatagram,
} from "./datagrams.ts";
import { type Descriptors, descriptors } from "./descriptors.ts";
import { IoError } from "./errno.ts";
import { hollow, type Libc, openLibc, replace } from "./libc.ts";
import { openAddressSets } from "./nft_sets.ts";
import { ownsAddress, pathMtu } from "./path_mtu.ts";
import { type DeviceRoute, openRoutes } from "./routes.ts";
import { openIpSocket, openUdpSocket, type SocketOptions } from "./sockets.ts";
import { type PeerCredentials, peerCredentials } from "./peer_credentials.ts";
import { openReadiness } from "./readiness.ts";
import { emitSockaddr, toSockAddr } from "./sockaddr.ts";
import { openTaps, type PacketDevice, type TapDevice } from "./tap_device.ts";
import { openWiretap, type Wiretap } from "./wiretap.ts";
import type { SocketKind } from "../../wasm/mod.ts";

export type { PacketDevice, TapDevice } from "./tap_device.ts";

/** What the appliance asks of the operating system. Methods throw {@linkcode IoError}. */
export interface System extends Disposable {
  /** Opens a socket whose local port others of ours may share if they are connected; `local` is where it is bound. */
  openSocket(
    encap: EncapType,
    options: SocketOptions,
  ): { readonly fd: number; readonly kind: SocketKind; readonly local: Endpoint };
  /** Opens a socket that had failed anew behind the same descriptor, as it was. */
  reopenSocket(fd: number, encap: EncapType, options: SocketOptions): void;
  /** Has a UDP socket take no more datagrams, so that others get them, while those that wait in it can still be read. */
  stopReceiving(fd: number, kind: SocketKind): void;
  /** Bytes of IP that fit the path unfragmented; undefined where there is no route. */
  pathMtu(local: string, remote: string, device?: string): number | undefined;
  /** Whether an IP address is one of this host's. */
  ownsAddress(address: string): boolean;
  /** Opens a TAP and makes it what the options say, up and running. */
  openTap(options: TapOptions): TapDevice;
  /** Opens a TUN likewise. */
  openTun(options: TunOptions): TapDevice;
  /** Opens an interface that is there. */
  openPacket(options: PacketOptions): PacketDevice;
  /** What devices opened from now on may do, where their own options do not say. */
  setOffload(offload: Offload): void;
  /**
   * Frames that found the queue of a device of ours full since the start, as the kernel counts them; of very many devices
   * the figures of a part are fresh.
   */
  deviceQueueDrops(): number;
  /** Opens a UDP socket of this isolate. */
  openDatagrams(options: DatagramOptions, take: TakeDatagram): DatagramSocket;
  /** Adds a route; the result removes it, unless it was there before. */
  addRoute(route: DeviceRoute): () => void;
  /** Puts an address into an nftables set; the result takes it out, unless it was there before. */
  addToSet(set: string, address: string, netns?: string): () => void;
  /** Looks at packets between this host and others; of each so many bytes. */
  openWiretap(addresses: readonly string[], snap: number): Wiretap;
  /** Closes a descriptor that nobody took. */
  close(fd: number): void;
  /** Who is at the other end of a Unix socket; undefined where it is none. */
  peerCredentials(fd: number): PeerCredentials | undefined;
  descriptors(): Descriptors;
  /** Tells systemd how we are (sd_notify(3)); nothing where it did not start us. */
  notify(state: string): void;
}

/** Opens the operating system; `notifySocket` is the value of `NOTIFY_SOCKET`. */
export function openSystem(notifySocket?: string): System {
  const libc = openLibc();
  const readiness = openReadiness(libc);
  const taps = openTaps(libc, readiness);
  const datagrams = openDatagrams(libc, readiness);
  const routes = openRoutes(libc);
  const sets = openAddressSets(libc);
  let offload: Offload = {};
  const system: System = {
    openSocket(encap, options) {
      if (encap === "ip") return openIpSocket(libc, options);
      const socket = openUdpSocket(libc, options);
      shareLocalPort(libc, socket.fd);
      return socket;
    },
    reopenSocket(fd, encap, options) {
      // First what is left of it goes, which may hold the address.
      hollow(libc, fd);
      const opened = system.openSocket(encap, options);
      try {
        replace(libc, opened.fd, fd, "put a new socket in the place of one that failed");
      } finally {
        libc.call.close(opened.fd);
      }
    },
    stopReceiving: (fd, kind) => stopReceiving(libc, fd, kind),
    pathMtu(local, remote, device) {
      try {
        return pathMtu(libc, local, remote, device);
      } catch (error) {
        if (error instanceof IoError && noRoute.has(error.code)) return undefined;
        throw error;
      }
    },
    ownsAddress: (address) => ownsAddress(libc, address),
    openTap: (options) => taps.open({ ...options, offload: { ...offload, ...options.offload } }),
    openTun: (options) =>
      taps.open({ ...options, offload: { ...offload, ...options.offload } }, "tun"),
    openPacket: (options) =>
      taps.openPacket({ ...options, offload: { ...offload, ...options.offload } }),
    setOffload(given) {
      offload = given;
    },
    openDatagrams: (options, take) => datagrams.open(options, take),
    addRoute: (route) => routes.add(route),
    addToSet: (set, address, netns) => sets.add(set, address, netns),
    openWiretap: (addresses, snap) => openWiretap(libc, addresses, snap),
    deviceQueueDrops: taps.queueDrops,
    close: (fd) => void libc.call.close(fd),
    peerCredentials: (fd) => peerCredentials(libc, fd),
    descriptors: () => descriptors(libc),
    notify(state) {
      if (notifySocket !== undefined) notify(libc, notifySocket, state);
    },
    [Symbol.dispose]() {
      for (const part of [taps, routes, sets]) part[Symbol.dispose]();
      libc[Symbol.dispose]();
    },
  };
  return system;
}

const noRoute: ReadonlySet<string> = new Set([
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
]);

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

/**
 * Lets connected sockets of ours bind the same local port later. Set after `bind`, so that a listener still finds
 * out that another program holds its address.
 */
function shareLocalPort(libc: Libc, fd: number): void {
  const one = Int32Array.of(1);
  libc.call.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.byteLength);
}

/** Connects a socket to where nothing comes from: the discard port (RFC 863) of this host. Best effort. */
function stopReceiving(libc: Libc, fd: number, kind: SocketKind): void {
  if (kind !== "udp4" && kind !== "udp6") return;
  const address = kind === "udp4" ? "127.0.0.1" : "::1";
  const nowhere = emitSockaddr(toSockAddr(libc, { address, port: DISCARD }));
  libc.call.connect(fd, nowhere, nowhere.length);
}

const DISCARD = 9;

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0o2004002;
/** `sockaddr_un`: family 2 (host order) | path 108. */
const SUN_PATH = 2;
const SUN_PATH_MAX = 108;

/** Sends one datagram to the service manager; a path that begins with `@` is abstract. Failures are of no account. */
function notify(libc: Libc, path: string, state: string): void {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length === 0 || bytes.length >= SUN_PATH_MAX) return;
  const name = new Uint8Array(SUN_PATH + bytes.length + (path.startsWith("@") ? 0 : 1));
  new DataView(name.buffer).setUint16(0, AF_UNIX, true);
  name.set(bytes, SUN_PATH);
  if (path.startsWith("@")) name[SUN_PATH] = 0;
  const fd = libc.call.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (libc.call.connect(fd, name, name.length) === 0) {
    const message = new TextEncoder().encode(state);
    libc.call.send(fd, message, BigInt(message.length), 0);
  }
  libc.call.close(fd);
}
