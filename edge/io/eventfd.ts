/** eventfd: a counter that wakes whoever polls it. @module */

import type { Buffer, Libc } from "./libc.ts";

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const one: Buffer = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** A new counter, at 0, non-blocking. The caller closes it. @throws {IoError} */
export function openEventfd(libc: Libc): number {
  return libc.check(libc.call.eventfd(0, EFD_NONBLOCK_CLOEXEC), "eventfd", "open an eventfd");
}

/** Adds 1 to the counter: whoever waits on it wakes. @throws {IoError} */
export function signalEventfd(libc: Libc, fd: number): void {
  libc.check(libc.call.write(fd, one, 8n), "write", "signal an eventfd");
}

/** Takes the whole count, 0 where nothing was signalled. */
export function takeEventfd(libc: Libc, fd: number, room: BigUint64Array<ArrayBuffer>): number {
  return libc.call.read(fd, room, 8n) === 8 ? Number(room[0]) : 0;
}
