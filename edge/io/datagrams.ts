/**
 * UDP sockets of the main isolate, for plugins: what came is read in batches by recvmmsg. While nothing comes they cost
 * nothing.
 *
 * @module
 */

import { parseIp } from "../../core/endpoint.ts";
import { Errno } from "./errno.ts";
import { type Buffer, configured, type Libc } from "./libc.ts";
import { inNetns } from "./netns.ts";
import { openReadiness, type Readiness } from "./readiness.ts";
import {
  AF_INET,
  AF_INET6,
  emitSockaddr,
  fromSockAddr,
  parseSockaddr,
  sockaddrSize,
  toSockAddr,
} from "./sockaddr.ts";
import { socketDrops, socketName } from "./sockets.ts";

/** An address and a port. */
export interface DatagramAddress {
  readonly address: string;
  readonly port: number;
}

/** How a socket shall be. */
export interface DatagramOptions {
  /** Absent: any address of ours, of both families. */
  readonly local?: string;
  /** Absent: a free one. */
  readonly port?: number;
  readonly netns?: string;
}

/** An open socket. */
export interface DatagramSocket {
  readonly port: number;
  /** False: the kernel took it not. @throws {IoError} where the address is none */
  send(datagram: Uint8Array, to: DatagramAddress): boolean;
  /** Datagrams that came and were dropped: its buffer was full, or they were longer than {@linkcode longestDatagram}. */
  drops(): number;
  /** Resolves when nothing more of it comes. */
  close(): Promise<void>;
}

/** Takes a datagram: a view, valid until it returns. */
export type TakeDatagram = (datagram: Uint8Array, from: DatagramAddress) => void;

/** All such sockets of this isolate. */
export interface Datagrams {
  /** @throws {IoError} */
  open(options: DatagramOptions, take: TakeDatagram): DatagramSocket;
}

/** Bytes of the longest datagram that is taken. */
export const longestDatagram = 9216;

const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0o2004002;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
/** Bytes of kernel memory that may wait to be received. */
const receiveBuffer = 4 << 20;
/** Datagrams that one system call takes, and calls for one socket until others have their turn. */
const batch = 64;
const batchesInTurn = 8;
/** Peers whose addresses are kept as the kernel wants them. */
const maxKnownPeers = 1024;

/**
 * ```text
 * mmsghdr  name 8 | name's length 4, 0 4 | iovec 8 | iovecs 8 | control 8 | control's length 8 | flags 4, 0 4 | length 4, 0 4
 * iovec    base 8 | length 8
 * ```
 */
const mmsghdrSize = 64;
const iovecSize = 16;

/** No sockets yet. */
export function openDatagrams(libc: Libc, readiness = openReadiness(libc)): Datagrams {
  return new Sockets(libc, readiness);
}

interface Open {
  readonly fd: number;
  readonly take: TakeDatagram;
  /** Takes both families: IPv4 addresses are mapped (RFC 4291 §2.5.5.2). */
  readonly dual: boolean;
  tooLong: number;
  open: boolean;
}

class Sockets implements Datagrams {
  readonly #libc: Libc;
  readonly #readiness: Readiness;
  readonly #peers = new Map<string, Buffer>();
  #room: Room | undefined;

  constructor(libc: Libc, readiness: Readiness) {
    this.#libc = libc;
    this.#readiness = readiness;
  }

  open(options: DatagramOptions, take: TakeDatagram): DatagramSocket {
    const libc = this.#libc;
    const { fd, dual } = inNetns(libc, options.netns, () => openSocket(libc, options));
    const socket: Open = { fd, take, dual, tooLong: 0, open: true };
    let stop = () => Promise.resolve();
    configured(libc, fd, () => {
      stop = this.#readiness.watch(fd, () => this.#receive(socket));
    });
    return {
      port: socketName(libc, fd)?.port ?? 0,
      send: (datagram, to) => socket.open && this.#send(socket, datagram, to),
      drops: () => socket.tooLong + (socket.open ? socketDrops(libc, fd) : 0),
      close: async () => {
        if (!socket.open) return;
        socket.open = false;
        const over = stop();
        libc.call.close(fd);
        await over;
      },
    };
  }

  #send({ dual, fd }: Open, datagram: Uint8Array, to: DatagramAddress): boolean {
    const key = `${dual ? "+" : "-"}${to.port} ${to.address}`;
    let peer = this.#peers.get(key);
    if (!peer) {
      peer = emitSockaddr(mapped(toSockAddr(this.#libc, to), dual));
      if (this.#peers.size >= maxKnownPeers) this.#peers.clear();
      this.#peers.set(key, peer);
    }
    const bytes = datagram as Buffer;
    const length = BigInt(datagram.length);
    return this.#libc.call.sendto(fd, bytes, length, MSG_DONTWAIT, peer, peer.length) >= 0;
  }

  #receive(socket: Open): void {
    const room = this.#room ??= new Room(this.#libc);
    for (let turn = 0; turn < batchesInTurn && socket.open; turn++) {
      const count = room.receive(socket.fd);
      for (let i = 0; i < count && socket.open; i++) {
        const from = room.source(i);
        const datagram = room.datagram(i);
        if (!datagram) socket.tooLong++;
        else if (from) socket.take(datagram, fromSockAddr(this.#libc, unmapped(from)));
      }
      if (count < batch) return;
    }
  }
}

/** What recvmmsg fills: one for all sockets, as each datagram is dealt with before the next call. */
class Room {
  readonly #libc: Libc;
  readonly #bytes = new Uint8Array(batch * (mmsghdrSize + iovecSize + 32 + longestDatagram));
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #base: bigint;
  static readonly #iovecs = batch * mmsghdrSize;
  static readonly #names = Room.#iovecs + batch * iovecSize;
  static readonly #data = Room.#names + batch * 32;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#base = libc.address(this.#bytes.buffer);
    for (let i = 0; i < batch; i++) {
      const [message, iovec] = [i * mmsghdrSize, Room.#iovecs + i * iovecSize];
      const set = (at: number, offset: number) =>
        this.#view.setBigUint64(at, this.#base + BigInt(offset), true);
      set(message, Room.#names + i * 32);
      set(message + 16, iovec);
      this.#view.setBigUint64(message + 24, 1n, true);
      set(iovec, Room.#data + i * longestDatagram);
      this.#view.setBigUint64(iovec + 8, BigInt(longestDatagram), true);
    }
  }

  /** Fills it; gives how many came. */
  receive(fd: number): number {
    for (let i = 0; i < batch; i++) this.#view.setUint32(i * mmsghdrSize + 8, sockaddrSize, true);
    for (;;) {
      const count = this.#libc.call.recvmmsgAt(fd, this.#base, batch, MSG_DONTWAIT, 0n);
      if (count >= 0) return count;
      if (this.#libc.errno() !== Errno.EINTR) return 0;
    }
  }

  source(i: number) {
    const at = Room.#names + i * 32;
    const length = this.#view.getUint32(i * mmsghdrSize + 8, true);
    return parseSockaddr(this.#bytes.subarray(at, at + Math.min(length, sockaddrSize)));
  }

  /** Undefined: it was longer than there is room for. */
  datagram(i: number): Uint8Array | undefined {
    const message = i * mmsghdrSize;
    if (this.#view.getUint32(message + 48, true) & MSG_TRUNC) return undefined;
    const at = Room.#data + i * longestDatagram;
    return this.#bytes.subarray(at, at + this.#view.getUint32(message + 56, true));
  }
}

function openSocket(
  libc: Libc,
  { local, port = 0 }: DatagramOptions,
): { fd: number; dual: boolean } {
  const what = `open a UDP socket at ${local ?? "any address"}, port ${port || "any"}`;
  let family = local?.includes(":") === false ? AF_INET : AF_INET6;
  let opened = libc.call.socket(family, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (opened < 0 && local === undefined) {
    // A kernel without IPv6.
    family = AF_INET;
    opened = libc.call.socket(family, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  }
  const dual = local === undefined && family === AF_INET6;
  const fd = configured(libc, libc.check(opened, "socket", what), (fd) => {
    const set = (level: number, option: number, value: number) =>
      libc.call.setsockopt(fd, level, option, Int32Array.of(value), 4);
    if (family === AF_INET6) set(SOL_IPV6, IPV6_V6ONLY, dual ? 0 : 1);
    if (set(SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer) !== 0) {
      set(SOL_SOCKET, SO_RCVBUF, receiveBuffer);
    }
    const any = family === AF_INET6 ? "::" : "0.0.0.0";
    const name = emitSockaddr(toSockAddr(libc, { address: local ?? any, port }));
    libc.check(libc.call.bind(fd, name, name.length), "bind", what);
  });
  return { fd, dual };
}

type Name = ReturnType<typeof toSockAddr>;

const mappedPrefix = parseIp("::ffff:0.0.0.0")!.subarray(0, 12);

function mapped(name: Name, dual: boolean): Name {
  if (!dual || name.address.length !== 4) return name;
  return { ...name, address: Uint8Array.of(...mappedPrefix, ...name.address) };
}

function unmapped(name: Name): Name {
  const { address } = name;
  if (address.length !== 16 || !mappedPrefix.every((byte, i) => byte === address[i])) return name;
  return { address: address.subarray(12), port: name.port };
}
