/**
 * What an error number means, by what the call was: the one place that knows. Pure.
 *
 * An ICMP error that comes for a socket is kept by the kernel (`IP_RECVERR`, ip(7)), and the next call on that socket,
 * whatever it wanted, fails with it. Such an **asynchronous** error is never the answer to the call that got it: whoever
 * gets a number of {@linkcode mayBeAsynchronous} takes what the kernel keeps, and calls again.
 *
 * @module
 */

import { Errno } from "../io/errno.ts";

/** Why frames that were to leave went no further: a name among the datapath's drops. */
export type SendDrop =
  | "socket-full"
  | "transmit-queue-full"
  | "no-route"
  | "route-blackhole"
  | "route-prohibited"
  | "no-source-address"
  | "link-down"
  | "peer-unreachable"
  | "filtered"
  | "ipsec-missing"
  | "too-long"
  | "socket-gone"
  | "transmit-failed";
/** Why a frame was not written to a device: a name among the datapath's drops. */
export type WriteDrop = "device-down" | "device-gone" | "device-full" | "device-refused";

/** What to do about a message that the kernel did not take. */
export type SendOutcome =
  /** A signal came between: call again. */
  | "again"
  /** The socket's buffer is full: wait until it takes more. */
  | "wait"
  /** It was a group, and the kernel may be unable to cut it: its datagrams are to be sent singly. */
  | "split"
  /** Nobody knows without a look: the source address is not ours, or a route is a blackhole. */
  | "look"
  | SendDrop;

/** What a failed `sendmmsg` says of its first message, be it a datagram or a group of some (UDP_SEGMENT). */
export function onSend(errno: number, message: "datagram" | "group", mark = 0): SendOutcome {
  switch (errno) {
    case Errno.EINTR:
      return "again";
    case Errno.EAGAIN:
      return "wait";
    case Errno.EINVAL:
      return message === "group" ? "split" : "look";
    case Errno.EMSGSIZE:
      return message === "group" ? "split" : "too-long";
    case Errno.EIO: // no checksum or segmentation offload on the way, or IPsec
    case Errno.EOPNOTSUPP:
      return message === "group" ? "split" : "transmit-failed";
    case Errno.ENOBUFS: // with IP_RECVERR the kernel tells when a device's queue was full
    case Errno.ENOMEM:
      return "transmit-queue-full";
    case Errno.ENETUNREACH:
      return "no-route";
    case Errno.EACCES:
      return "route-prohibited";
    case Errno.EADDRNOTAVAIL:
      return "no-source-address";
    case Errno.ENETDOWN:
    case Errno.ENODEV:
    case Errno.ENXIO:
      return "link-down";
    case Errno.EHOSTUNREACH:
    case Errno.EHOSTDOWN:
    case Errno.ECONNREFUSED:
      return "peer-unreachable";
    case Errno.EPERM:
      return mark === 0 ? "filtered" : "ipsec-missing";
    case Errno.EBADF:
    case Errno.ENOTSOCK:
      return "socket-gone";
    default:
      return "transmit-failed";
  }
}

/** Up to which length datagrams may still be grouped, where those of `size` leave singly but not together; 0: none. */
export function longestGrouped(errno: number, size: number): number {
  return errno === Errno.EINVAL || errno === Errno.EMSGSIZE ? size - 1 : 0;
}

/** What the kernel makes of ICMP errors (icmp_err_convert and its IPv6 twin): any call on the socket may get one. */
const asynchronous: ReadonlySet<number> = new Set([
  Errno.EACCES,
  Errno.ENONET,
  Errno.EPROTO,
  Errno.EMSGSIZE,
  Errno.ENOPROTOOPT,
  Errno.EOPNOTSUPP,
  Errno.ENETUNREACH,
  Errno.ECONNREFUSED,
  Errno.EHOSTDOWN,
  Errno.EHOSTUNREACH,
]);

/** Whether a call may have failed for an ICMP error that came for an earlier datagram. */
export function mayBeAsynchronous(errno: number): boolean {
  return asynchronous.has(errno);
}

/** What a failed `recvmmsg` says. */
export type ReceiveOutcome =
  /** A signal came between: call again. */
  | "again"
  /** Nothing is there. */
  | "empty"
  /** An asynchronous error was told, and is over with that. */
  | "told"
  /** The socket gives nothing any more. */
  | "gone";

/** What a failed `recvmmsg` says of the socket. */
export function onReceive(errno: number): ReceiveOutcome {
  switch (errno) {
    case Errno.EINTR:
      return "again";
    case Errno.EAGAIN:
    case Errno.ENOMEM: // the kernel is short of memory: what waits still waits
    case Errno.ENOBUFS:
      return "empty";
    case Errno.EBADF:
    case Errno.EFAULT:
    case Errno.EINVAL:
    case Errno.ENOTSOCK:
      return "gone";
    default:
      return "told";
  }
}

/** What a failed `recvmmsg` says of a packet socket; `down`: of its device, which may have been removed. */
export function onPacket(errno: number): "again" | "empty" | "down" | "gone" {
  switch (errno) {
    case Errno.EINTR:
    case Errno.EINVAL: // one frame that no virtio_net_hdr can tell of; it is taken
      return "again";
    case Errno.ENETDOWN:
      return "down";
    default: {
      const outcome = onReceive(errno);
      return outcome === "told" ? "again" : outcome;
    }
  }
}

/** What a failed `write` to a device says of the frame. */
export function onWrite(errno: number): "again" | "wait" | WriteDrop {
  switch (errno) {
    case Errno.EINTR:
      return "again";
    case Errno.EAGAIN:
      return "wait";
    case Errno.EIO:
    case Errno.ENETDOWN:
      return "device-down";
    case Errno.EBADF:
    case Errno.EBADFD:
    case Errno.ENODEV:
    case Errno.ENXIO:
      return "device-gone";
    case Errno.ENOBUFS:
    case Errno.ENOMEM:
      return "device-full";
    default:
      return "device-refused";
  }
}

/** What a failed `read` from a device says; one that gives nothing at all has no errno: 0. */
export function onRead(errno: number): "again" | "empty" | "gone" {
  switch (errno) {
    case Errno.EINTR:
      return "again";
    case Errno.EAGAIN:
    case Errno.ENOMEM:
      return "empty";
    default:
      return "gone";
  }
}
