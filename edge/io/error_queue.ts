/**
 * Errors that the kernel keeps for a socket (`IP_RECVERR`, ip(7); `IPV6_RECVERR`, ipv6(7)): ICMP errors that came for what
 * it had sent, each with the peer that it had sent to.
 *
 * @module
 */

import type { SockAddr } from "../../wasm/mod.ts";
import type { Libc } from "./libc.ts";
import { parseSockaddr } from "./sockaddr.ts";

/** What a path did to a datagram of ours. */
export type PathTrouble =
  /** Nobody listens at the peer's port. */
  | "port-unreachable"
  | "protocol-unreachable"
  | "host-unreachable"
  | "net-unreachable"
  /** This host could not find the next hop's link address: the kernel dropped what waited for it. */
  | "neighbour-unresolved"
  /** A router or filter on the way says that it is forbidden. */
  | "prohibited"
  /** Longer than a router's next link carries, and not to be fragmented there. */
  | "too-big"
  | "time-exceeded"
  | "parameter-problem"
  | "other";

/** One error that was kept. */
export interface KeptError {
  readonly trouble: PathTrouble;
  /** The peer that the datagram was sent to; absent where the kernel did not tell. */
  readonly peer?: SockAddr;
  /** What the path carries, with `too-big`: bytes of IP. */
  readonly mtu?: number;
  /** The kernel itself refused the call; nothing came from the network. */
  readonly local: boolean;
  /** Who sent the ICMP error, 4 or 16 bytes. */
  readonly reporter?: Uint8Array;
}

/** Takes what the kernel keeps for sockets. */
export interface ErrorQueues {
  /** Takes what is kept for `fd`, of a flood a part; gives how many errors came from the network. */
  drain(fd: number, visit: (error: KeptError) => void): number;
}

const MSG_ERRQUEUE = 0x2000;
const MSG_DONTWAIT = 0x40;
const SOL_IP = 0;
const IP_RECVERR = 11;
const SOL_IPV6 = 41;
const IPV6_RECVERR = 25;
const SO_EE_ORIGIN_LOCAL = 1;
const SO_EE_ORIGIN_ICMP = 2;
const SO_EE_ORIGIN_ICMP6 = 3;

/** Errors that are taken at a time, and how often at most. */
const batch = 16;
const rounds = 16;

const mmsghdrSize = 64;
const nameSize = 32;
/** The quoted datagram is of no use here: the peer's name says whose it was. */
const dataSize = 8;
const controlSize = 192;

/** Room for a batch, in memory of its own. */
export function createErrorQueues(libc: Libc): ErrorQueues {
  const { recvmmsgAt } = libc.call;
  const iovecs = batch * mmsghdrSize;
  const names = iovecs + batch * 16;
  const data = names + batch * nameSize;
  const controls = data + batch * dataSize;
  const buffer = new ArrayBuffer(controls + batch * controlSize);
  const view = new DataView(buffer);
  const base = libc.address(buffer);
  for (let at = 0; at < batch; at++) {
    const header = at * mmsghdrSize;
    view.setBigUint64(header, base + BigInt(names + at * nameSize), true);
    view.setBigUint64(header + 16, base + BigInt(iovecs + at * 16), true);
    view.setBigUint64(header + 24, 1n, true);
    view.setBigUint64(header + 32, base + BigInt(controls + at * controlSize), true);
    view.setBigUint64(iovecs + at * 16, base + BigInt(data + at * dataSize), true);
    view.setBigUint64(iovecs + at * 16 + 8, BigInt(dataSize), true);
  }
  const recycle = (header: number) => {
    view.setUint32(header + 8, nameSize, true);
    view.setBigUint64(header + 40, BigInt(controlSize), true);
    view.setUint32(header + 48, 0, true);
  };
  for (let at = 0; at < batch; at++) recycle(at * mmsghdrSize);

  return {
    drain(fd, visit) {
      let remote = 0;
      for (let round = 0; round < rounds; round++) {
        const count = recvmmsgAt(fd, base, batch, MSG_ERRQUEUE | MSG_DONTWAIT, 0n);
        for (let at = 0; at < count; at++) {
          const header = at * mmsghdrSize;
          const name = new Uint8Array(
            buffer,
            names + at * nameSize,
            view.getUint32(header + 8, true),
          );
          const length = Number(view.getBigUint64(header + 40, true));
          const control = new Uint8Array(buffer, controls + at * controlSize, length);
          const error = readKeptError(name, control);
          recycle(header);
          if (!error) continue;
          if (!error.local) remote++;
          visit(error);
        }
        if (count < batch) break;
      }
      return remote;
    },
  };
}

/**
 * Reads one message of an error queue: the peer's name, and control messages with
 * `sock_extended_err` (errno 4 | origin 1 | type 1 | code 1 | 0 1 | info 4 | data 4), the reporter's sockaddr behind it.
 */
export function readKeptError(name: Uint8Array, control: Uint8Array): KeptError | undefined {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  for (let at = 0; at + 16 <= control.length;) {
    const length = Number(view.getBigUint64(at, true));
    if (length < 16 || at + length > control.length) return undefined;
    const [level, type] = [view.getInt32(at + 8, true), view.getInt32(at + 12, true)];
    const told = (level === SOL_IP && type === IP_RECVERR) ||
      (level === SOL_IPV6 && type === IPV6_RECVERR);
    if (told && length >= 32) {
      return readExtendedError(name, control.subarray(at + 16, at + length));
    }
    at += Math.ceil(length / 8) * 8;
  }
  return undefined;
}

function readExtendedError(name: Uint8Array, error: Uint8Array): KeptError | undefined {
  const view = new DataView(error.buffer, error.byteOffset, error.byteLength);
  const [origin, type, code] = [error[4]!, error[5]!, error[6]!];
  const info = view.getUint32(8, true);
  const local = origin === SO_EE_ORIGIN_LOCAL;
  if (!local && origin !== SO_EE_ORIGIN_ICMP && origin !== SO_EE_ORIGIN_ICMP6) return undefined;
  const trouble = local
    ? "too-big" // the only thing that the kernel says by itself: EMSGSIZE
    : origin === SO_EE_ORIGIN_ICMP
    ? icmpTrouble(type, code)
    : icmp6Trouble(type, code);
  const peer = parseSockaddr(name);
  const reporter = local ? undefined : parseSockaddr(error.subarray(16))?.address;
  return {
    trouble,
    local,
    ...(peer && { peer }),
    ...(trouble === "too-big" && info > 0 && { mtu: info }),
    ...(reporter && { reporter }),
  };
}

/** RFC 792; RFC 1812 §5.2.7.1 for the codes beyond 5. */
function icmpTrouble(type: number, code: number): PathTrouble {
  switch (type) {
    case 3:
      return unreachable[code] ?? "other";
    case 11:
      return "time-exceeded";
    case 12:
      return "parameter-problem";
    default:
      return "other";
  }
}

const unreachable: Readonly<Record<number, PathTrouble>> = {
  0: "net-unreachable",
  1: "host-unreachable",
  2: "protocol-unreachable",
  3: "port-unreachable",
  4: "too-big",
  6: "net-unreachable",
  7: "host-unreachable",
  9: "prohibited",
  10: "prohibited",
  11: "net-unreachable",
  12: "host-unreachable",
  13: "prohibited",
};

/** RFC 4443 §3. */
function icmp6Trouble(type: number, code: number): PathTrouble {
  switch (type) {
    case 1:
      return unreachable6[code] ?? "other";
    case 2:
      return "too-big";
    case 3:
      return "time-exceeded";
    case 4: // an unknown next header: nothing there speaks our protocol
      return code === 1 ? "protocol-unreachable" : "parameter-problem";
    default:
      return "other";
  }
}

const unreachable6: Readonly<Record<number, PathTrouble>> = {
  0: "net-unreachable",
  1: "prohibited",
  2: "net-unreachable",
  3: "host-unreachable",
  4: "port-unreachable",
  5: "prohibited",
  6: "prohibited",
};
