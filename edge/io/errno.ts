/** Linux error numbers by name, and the error that every failed system call becomes. @module */

/** errno values of x86_64 and aarch64 (asm-generic) that sockets, devices, netlink and epoll can give. */
const names: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  14: "EFAULT",
  16: "EBUSY",
  17: "EEXIST",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  25: "ENOTTY",
  28: "ENOSPC",
  32: "EPIPE",
  34: "ERANGE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  64: "ENONET",
  71: "EPROTO",
  77: "EBADFD",
  88: "ENOTSOCK",
  89: "EDESTADDRREQ",
  90: "EMSGSIZE",
  92: "ENOPROTOOPT",
  93: "EPROTONOSUPPORT",
  94: "ESOCKTNOSUPPORT",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  100: "ENETDOWN",
  101: "ENETUNREACH",
  105: "ENOBUFS",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  112: "EHOSTDOWN",
  113: "EHOSTUNREACH",
};

/** Error numbers that code tests for. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENAMETOOLONG: 36,
  ENONET: 64,
  EPROTO: 71,
  EBADFD: 77,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EOPNOTSUPP: 95,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
} as const;

/** `ENOENT` for 2; `E<number>` for one that has no name here. */
export function errnoName(errno: number): string {
  return names[errno] ?? `E${errno}`;
}

/** Which capability a call needs (capabilities(7)). */
const privileges: readonly (readonly [RegExp, string])[] = [
  [/^(ioctl\(TUN|send\((rtnetlink|nftables))/, "CAP_NET_ADMIN"],
  [/^socket/, "CAP_NET_RAW"],
  [/^setns/, "CAP_SYS_ADMIN"],
  [/^open\(\/dev\/net\/tun/, "read and write access to it, and CAP_NET_ADMIN"],
];

/** What would be right where a privilege is missing; empty for other errors. */
function privilegeFor(syscall: string, errno: number): string {
  if (errno !== Errno.EPERM && errno !== Errno.EACCES) return "";
  const needed = privileges.find(([pattern]) => pattern.test(syscall))?.[1];
  return needed === undefined ? "" : `; expected ${needed}`;
}

/** A system call failed. */
export class IoError extends Error {
  override readonly name = "IoError";
  /** The error's name, `ENOENT`. */
  readonly code: string;
  constructor(
    /** The call, with its request where that tells more: `bind`, `ioctl(TUNSETIFF)`. */
    readonly syscall: string,
    readonly errno: number,
    /** What was attempted, to follow "cannot": `bind UDP 10.0.0.1:1701`. */
    readonly attempted: string,
    /** What the kernel said beyond the number (netlink's extended acknowledgement). */
    readonly detail?: string,
  ) {
    super(
      `Cannot ${attempted}: ${syscall}: ${errnoName(errno)}${
        detail === undefined ? "" : ` (${detail})`
      }${privilegeFor(syscall, errno)}`,
    );
    this.code = errnoName(errno);
  }
}
