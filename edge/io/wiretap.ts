/** A look at the packets that pass between this host and some peers: a packet socket that takes heads of IP packets. @module */

import { ipVersion, parseIp } from "../../core/endpoint.ts";
import { Errno, IoError } from "./errno.ts";
import { type Buffer, configured, type Libc } from "./libc.ts";
import { attachFilter, packetDrops } from "./packet.ts";
import type { Instruction } from "./packet_filter.ts";

/** An open tap; disposal closes it. */
export interface Wiretap extends Disposable {
  /**
   * Takes what came since, at most {@linkcode READ_LIMIT} packets.
   * @param take gets a packet's head, from its IP header on, which is its own to keep, and how long all of it was
   * @returns how many were lost since it was read before
   */
  read(take: (head: Uint8Array<ArrayBuffer>, length: number) => void): number;
}

/** The most packets that one reading takes. */
export const READ_LIMIT = 256;
/** The most addresses that are told apart: the kernel takes 4,096 instructions, of which an IPv6 address needs 18. */
export const MOST_ADDRESSES = 64;

const AF_PACKET = 17;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0o2004002;
const ETH_P_ALL_IN_NETWORK_ORDER = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_TRUNC = 0x20;
/** Bytes of kernel memory that may wait. */
const receiveBuffer = 1 << 20;

/**
 * Opens a tap on UDP and protocol 115 from and to addresses, on all interfaces.
 * @param snap how many bytes of a packet are taken at most
 * @throws {IoError} `EPERM` without CAP_NET_RAW
 */
export function openWiretap(libc: Libc, addresses: readonly string[], snap: number): Wiretap {
  const what = "look at packets";
  const fd = libc.check(
    // Without a protocol nothing comes before the filter is there.
    libc.call.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0),
    "socket",
    what,
  );
  configured(libc, fd, () => {
    attachFilter(libc, fd, betweenUsAnd(addresses), what);
    const room: Buffer = new Uint8Array(Int32Array.of(receiveBuffer).buffer);
    libc.call.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, room, room.length);
    const everywhere: Buffer = new Uint8Array(20); // sockaddr_ll: family 2 | protocol 2 | …
    new DataView(everywhere.buffer).setUint16(0, AF_PACKET, true);
    new DataView(everywhere.buffer).setUint16(2, ETH_P_ALL_IN_NETWORK_ORDER, true);
    libc.check(libc.call.bind(fd, everywhere, everywhere.length), "bind", what);
  });
  const room: Buffer = new Uint8Array(snap);
  let open = true;
  return {
    read(take) {
      for (let i = 0; open && i < READ_LIMIT; i++) {
        const length = libc.call.recv(fd, room, BigInt(room.length), MSG_TRUNC);
        if (length < 0) {
          const code = libc.errno();
          if (code === Errno.EAGAIN) break;
          if (code === Errno.EINTR || code === Errno.ENETDOWN) continue;
          throw new IoError("recv", code, what);
        }
        take(room.slice(0, Math.min(length, room.length)), length);
      }
      return open ? packetDrops(libc, fd) : 0;
    },
    [Symbol.dispose]() {
      if (open) libc.call.close(fd);
      open = false;
    },
  };
}

const load32 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const load8 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const shiftRight = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const jump = 0x05; // BPF_JMP | BPF_JA
const jumpIfEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const give = 0x06; // BPF_RET | BPF_K
const take: Instruction = [give, 0, 0, 0x40000];
const drop: Instruction = [give, 0, 0, 0];

/** Lets in UDP and protocol 115 whose source or destination is one of the addresses. Frames begin with their IP header. */
export function betweenUsAnd(addresses: readonly string[]): readonly Instruction[] {
  const of = (version: 4 | 6) =>
    addresses.filter((address) => ipVersion(address) === version)
      .map((address) => parseIp(address)!);
  const v4 = [...carries(9), ...of(4).flatMap((one) => [...isAt(12, one), ...isAt(16, one)]), drop];
  const v6 = [...carries(6), ...of(6).flatMap((one) => [...isAt(8, one), ...isAt(24, one)]), drop];
  return [
    [load8, 0, 0, 0],
    [shiftRight, 0, 0, 4],
    [jumpIfEqual, 3, 0, 4],
    [jumpIfEqual, 1, 0, 6],
    drop,
    [jump, 0, 0, v4.length],
    ...v4,
    ...v6,
  ];
}

/** Goes on where the protocol at `offset` is UDP or 115. */
function carries(offset: number): readonly Instruction[] {
  return [[load8, 0, 0, offset], [jumpIfEqual, 2, 0, 17], [jumpIfEqual, 1, 0, 115], drop];
}

/** Lets in what has an address at `offset`; else goes on. */
function isAt(offset: number, address: Uint8Array): readonly Instruction[] {
  const view = new DataView(address.buffer, address.byteOffset);
  const words = address.length / 4;
  const compared = Array.from({ length: words }, (_, i): Instruction[] => [
    [load32, 0, 0, offset + 4 * i],
    // Past the rest of the comparison, and past `take`.
    [jumpIfEqual, 0, 2 * (words - 1 - i) + 1, view.getUint32(4 * i)],
  ]);
  return [...compared.flat(), take];
}
