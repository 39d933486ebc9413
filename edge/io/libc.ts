/**
 * The C library by FFI: the only door to the kernel's sockets and devices.
 *
 * Addresses are `u64` **bigint**s: a JavaScript number there, a `buffer`, or `nonblocking` falls off V8's fast call
 * path, so that calls of the datapath (`…At`) take addresses that were computed once. `ssize_t` is read as its low
 * 32 bits: no transfer here reaches 2 GiB, and -1 stays -1.
 *
 * @module
 */

import { IoError } from "./errno.ts";

/** Where the C library may be; the permission set `appliance` in deno.json names the same files. */
export const libcPaths: readonly string[] = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib/libc.so.6",
];

const definitions = {
  // Files. open and ioctl are variadic; Linux passes integers of those as it does fixed ones.
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  /** In a thread of its own: a device that goes with its descriptor keeps who closes it for tens of milliseconds. */
  closeBeside: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  readAt: { name: "read", parameters: ["i32", "u64", "u64"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  writeAt: { name: "write", parameters: ["i32", "u64", "u64"], result: "i32" },
  writevAt: { name: "writev", parameters: ["i32", "u64", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  ioctlValue: { name: "ioctl", parameters: ["i32", "u64", "u64"], result: "i32" },
  // Sockets.
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  sendto: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "i32",
  },
  recvmmsgAt: { name: "recvmmsg", parameters: ["i32", "u64", "u32", "i32", "u64"], result: "i32" },
  sendmmsgAt: { name: "sendmmsg", parameters: ["i32", "u64", "u32", "i32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  if_indextoname: { parameters: ["u32", "buffer"], result: "u64" },
  /** Of the calling thread, where `who` is 0 (`PRIO_PROCESS` is 0, too). */
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  // Waiting.
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epollWaitAt: { name: "epoll_wait", parameters: ["i32", "u64", "i32", "i32"], result: "i32" },
  /** Waits in a thread of its own. */
  epollWaitLong: {
    name: "epoll_wait",
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  pollAt: { name: "poll", parameters: ["u64", "u64", "i32"], result: "i32" },
  // Namespaces.
  setns: { parameters: ["i32", "i32"], result: "i32" },
  // Privileges and limits.
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  geteuid: { parameters: [], result: "u32" },
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  // Memory.
  __errno_location: { parameters: [], result: "u64" },
  addressOf: { name: "memcpy", parameters: ["buffer", "buffer", "usize"], result: "u64" },
  copyFrom: { name: "memcpy", parameters: ["buffer", "u64", "usize"], result: "u64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Bytes that the kernel may read or write. */
export type Buffer = Uint8Array<ArrayBuffer>;

/** The C library, open. Closing it closes no file descriptor. */
export interface Libc extends Disposable {
  readonly call: Deno.DynamicLibrary<typeof definitions>["symbols"];
  /** The error number of this thread's last failed call; to be read right after it. */
  errno(): number;
  /** `result`, unless it is negative. @throws {IoError} */
  check(result: number, syscall: string, attempted: string): number;
  /** The address of a buffer's first byte. Valid as long as the buffer's memory is: for WASM memory, for good. */
  address(buffer: ArrayBuffer): bigint;
}

/** Opens the C library. @throws {Error} where it is at none of {@linkcode libcPaths}, or may not be opened. */
export function openLibc(): Libc {
  const library = dlopen();
  const call = library.symbols;
  const errnoBytes = new Int32Array(new ArrayBuffer(4));
  const errno = () => {
    call.copyFrom(errnoBytes, call.__errno_location(), 4n);
    return errnoBytes[0]!;
  };
  return {
    call,
    errno,
    check(result, syscall, attempted) {
      if (result < 0) throw new IoError(syscall, errno(), attempted);
      return result;
    },
    address: (buffer) => call.addressOf(buffer, buffer, 0n),
    [Symbol.dispose]: () => library.close(),
  };
}

function dlopen(): Deno.DynamicLibrary<typeof definitions> {
  const refusals: string[] = [];
  for (const path of libcPaths) {
    try {
      return Deno.dlopen(path, definitions);
    } catch (error) {
      refusals.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`Cannot open the C library:\n  ${refusals.join("\n  ")}`);
}

/** Runs `configure` on a new descriptor and gives it back; closes the descriptor if that throws. */
export function configured(libc: Libc, fd: number, configure: (fd: number) => void): number {
  try {
    configure(fd);
    return fd;
  } catch (error) {
    libc.call.close(fd);
    throw error;
  }
}

const O_RDWR_CLOEXEC = 0o2000002;
const O_CLOEXEC = 0o2000000;

/**
 * Lets go of what a descriptor stands for and keeps its number, which stands for /dev/null then: for a number that
 * somebody may still use, who must not meet what gets the number next. @throws {IoError}
 */
export function hollow(libc: Libc, fd: number): void {
  const what = "let go of a descriptor and keep its number";
  const empty = libc.check(
    libc.call.open(cString("/dev/null"), O_RDWR_CLOEXEC, 0),
    "open(/dev/null)",
    what,
  );
  configured(libc, empty, () => replace(libc, empty, fd, what));
  libc.call.close(empty);
}

/** Has the number `fd` stand for what `by` stands for, too; what it stood for before is closed. @throws {IoError} */
export function replace(libc: Libc, by: number, fd: number, attempted: string): void {
  libc.check(libc.call.dup3(by, fd, O_CLOEXEC), "dup3", attempted);
}

/** `text` as C wants it. @throws {TypeError} where it holds a NUL, which would cut it short */
export function cString(text: string): Buffer {
  if (text.includes("\0")) {
    throw new TypeError(`Cannot pass ${JSON.stringify(text)} to C: it holds a NUL`);
  }
  return new TextEncoder().encode(text + "\0");
}
