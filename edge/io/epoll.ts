/** epoll, level-triggered; each descriptor is known by a 32-bit token. @module */

import type { Buffer, Libc } from "./libc.ts";

export const EPOLLIN = 0x001;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;

/** `struct epoll_event`: events 4 | data 8; packed on x86_64 alone. */
const packed = Deno.build.arch === "x86_64";
export const epollEventSize = packed ? 12 : 16;
/** Where `data` begins in it. */
export const epollDataOffset = packed ? 4 : 8;

/** A new epoll instance. The caller closes it. @throws {IoError} */
export function openEpoll(libc: Libc): number {
  return libc.check(
    libc.call.epoll_create1(EPOLL_CLOEXEC),
    "epoll_create1",
    "open an epoll instance",
  );
}

/** Watches `fd` for input; errors and hang-ups are always told. @throws {IoError} */
export function watch(libc: Libc, epoll: number, fd: number, token: number): void {
  const event: Buffer = new Uint8Array(epollEventSize);
  const view = new DataView(event.buffer);
  view.setUint32(0, EPOLLIN, true);
  view.setUint32(epollDataOffset, token, true);
  libc.check(
    libc.call.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event),
    "epoll_ctl(EPOLL_CTL_ADD)",
    `watch descriptor ${fd}`,
  );
}

/** Stops watching `fd`; no matter whether it was watched. */
export function unwatch(libc: Libc, epoll: number, fd: number): void {
  libc.call.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, new Uint8Array(epollEventSize));
}
