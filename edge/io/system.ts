/** The operating system, as far as the appliance itself uses it; `edge/io` does the work. @module */

import type { Endpoint } from "../../core/endpoint.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import type { TapOptions } from "../../plugins/plugin.ts";
import { Errno, IoError } from "./errno.ts";
import { type Libc, openLibc } from "./libc.ts";
import { ownsAddress, pathMtu } from "./path_mtu.ts";
import { openIpSocket, openUdpSocket, type SocketOptions } from "./sockets.ts";
import { canonicalPrefix, openRtnetlink } from "./rtnetlink.ts";
import { emitSockaddr, toSockAddr } from "./sockaddr.ts";
import { openTap, resetOffloads, setTapCarrier, type Tap } from "./tap.ts";
import type { SocketKind, VnetSpec } from "../../wasm/mod.ts";

/** What the appliance asks of the operating system. Methods throw {@linkcode IoError}. */
export interface System extends Disposable {
  /** Opens a socket whose local port others of ours may share if they are connected; `local` is where it is bound. */
  openSocket(
    encap: EncapType,
    options: SocketOptions,
  ): { readonly fd: number; readonly kind: SocketKind; readonly local: Endpoint };
  /** Has a UDP socket take no more datagrams, so that others get them, while those that wait in it can still be read. */
  stopReceiving(fd: number, kind: SocketKind): void;
  /** Bytes of IP that fit the path unfragmented; undefined where there is no route. */
  pathMtu(local: string, remote: string): number | undefined;
  /** Whether an IP address is one of this host's. */
  ownsAddress(address: string): boolean;
  /** Opens a TAP and makes it what the options say, up and running. */
  openTap(options: TapOptions): TapDevice;
  /** Closes a descriptor that nobody took. */
  close(fd: number): void;
  /** Tells systemd how we are (sd_notify(3)); nothing where it did not start us. */
  notify(state: string): void;
}

/** A TAP device and its descriptor. */
export interface TapDevice {
  readonly fd: number;
  readonly name: string;
  readonly adopted: boolean;
  /** What may be written behind a `virtio_net_hdr`; absent: frames come and go without one. */
  readonly vnet?: VnetSpec;
  mac(): string;
  mtu(): number;
  change(options: Omit<TapOptions, "name" | "netns" | "offload">): void;
  setCarrier(up: boolean): void;
  /** Lets go of all but the descriptor, which is someone else's to close; `restore` removes the addresses we added. */
  release(restore: boolean): void;
}

/** Opens the operating system; `notifySocket` is the value of `NOTIFY_SOCKET`. */
export function openSystem(notifySocket?: string): System {
  const libc = openLibc();
  return {
    openSocket(encap, options) {
      if (encap === "ip") return openIpSocket(libc, options);
      const socket = openUdpSocket(libc, options);
      shareLocalPort(libc, socket.fd);
      return socket;
    },
    stopReceiving: (fd, kind) => stopReceiving(libc, fd, kind),
    pathMtu(local, remote) {
      try {
        return pathMtu(libc, local, remote);
      } catch (error) {
        if (error instanceof IoError && noRoute.has(error.code)) return undefined;
        throw error;
      }
    },
    ownsAddress: (address) => ownsAddress(libc, address),
    openTap: (options) => openTapDevice(libc, options),
    close: (fd) => void libc.call.close(fd),
    notify(state) {
      if (notifySocket !== undefined) notify(libc, notifySocket, state);
    },
    [Symbol.dispose]: () => libc[Symbol.dispose](),
  };
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

function openTapDevice(libc: Libc, options: TapOptions): TapDevice {
  const tap = openTap(libc, options.name, options.netns, options.offload);
  try {
    const netlink = openRtnetlink(libc, options.netns);
    try {
      return configureTap(libc, netlink, tap, options);
    } catch (error) {
      netlink[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    libc.call.close(tap.fd);
    throw error;
  }
}

/** Frames that may wait at a device for us: super-frames of 64 KiB, so 4 MiB at most. */
const superFrameQueue = 64;

function configureTap(
  libc: Libc,
  netlink: ReturnType<typeof openRtnetlink>,
  { fd, name, adopted, vnet }: Tap,
  options: TapOptions,
): TapDevice {
  const link = () => {
    const found = netlink.link(name);
    if (!found) throw new IoError("rtnetlink", Errno.ENODEV, `find the device ${name}`);
    return found;
  };
  const { index } = link();
  /** Addresses that we gave the device, canonical. */
  const ours = new Set<string>();

  const setAddresses = (wanted: readonly string[]) => {
    const canonical = new Set(wanted.map((address) => canonicalPrefix(address) ?? address));
    for (const address of ours) {
      if (canonical.has(address)) continue;
      ours.delete(address);
      tolerate("EADDRNOTAVAIL", () => netlink.removeAddress(index, address));
    }
    for (const address of canonical) {
      if (ours.has(address)) continue;
      if (tolerate("EEXIST", () => netlink.addAddress(index, address))) ours.add(address);
    }
  };
  const change = ({ mtu, mac, addresses }: Omit<TapOptions, "name" | "netns" | "offload">) => {
    if (mtu !== undefined || mac !== undefined) {
      netlink.setLink(index, {
        ...(mtu !== undefined && { mtu }),
        ...(mac !== undefined && { mac }),
      });
    }
    if (addresses) setAddresses(addresses);
  };

  change(options);
  const queueLength = vnet && options.offload?.gso !== false && !adopted
    ? { queueLength: superFrameQueue }
    : {};
  netlink.setLink(index, { up: true, ...queueLength });
  return {
    fd,
    name,
    adopted,
    ...(vnet && { vnet }),
    mac: () => link().mac,
    mtu: () => link().mtu,
    change,
    setCarrier: (up) => setTapCarrier(libc, fd, up),
    release(restore) {
      try {
        if (restore) {
          resetOffloads(libc, fd);
          setAddresses([]);
        }
      } finally {
        netlink[Symbol.dispose]();
      }
    },
  };
}

/** Runs `work`; false where it failed with the error `code`, which is no harm. */
function tolerate(code: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof IoError && error.code === code) return false;
    throw error;
  }
}

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
