/**
 * What the worker blocks in: `poll` over its sockets and over an epoll instance that knows everything else.
 *
 * A socket in an epoll instance pays for it all the time: for each datagram that arrives or has left, the kernel calls
 * the instance back, some 3 % of what forwarding a datagram costs. `poll` is on a socket's list only while it
 * sleeps; but it looks at every descriptor each time, so it gets only sockets, which are few, and not the devices.
 *
 * @module
 */

import { epollDataOffset, epollEventSize, unwatch, watch } from "../io/epoll.ts";
import type { Libc } from "../io/libc.ts";

/** Waits for input at descriptors, each known by a token. */
export interface Waiter {
  /** Watches a socket. @throws {IoError} where it cannot be watched */
  addSocket(fd: number, token: number): void;
  /** Watches anything else. @throws {IoError} where it cannot be watched */
  add(fd: number, token: number): void;
  /** Stops watching; no matter whether it was watched. */
  remove(fd: number): void;
  /**
   * Blocks for up to `timeoutMs` (-1: for ever) and gives the tokens of descriptors that have input, an error or a
   * hang-up; valid until the next call.
   */
  wait(timeoutMs: number): readonly number[];
  /** Whether the last wait told an error for a token: for a socket, that the kernel keeps some for it. */
  hasError(token: number): boolean;
}

const POLLIN = 0x001;
/** POLLERR and EPOLLERR. */
const ERROR = 0x008;
/** `struct pollfd`: descriptor 4 | events 2 | returned events 2. */
const pollfdSize = 8;
/** Sockets beyond these are left to epoll. */
const maxPolled = 63;
/** Devices that have their turn before commands and timers do. */
const eventsPerWait = 64;

/** `epoll` stays its maker's to close. */
export function createWaiter(libc: Libc, epoll: number): Waiter {
  const { pollAt, epollWaitAt } = libc.call;
  /** The epoll instance, then the sockets. */
  const pollfds = new DataView(new ArrayBuffer((1 + maxPolled) * pollfdSize));
  const pollfdsAddress = libc.address(pollfds.buffer);
  const events = new DataView(new ArrayBuffer(eventsPerWait * epollEventSize));
  const eventsAddress = libc.address(events.buffer);
  let sockets: readonly { readonly fd: number; readonly token: number }[] = [];
  let count = 0n;
  const ready: number[] = [];
  const errors = new Set<number>();

  const poll = (changed: typeof sockets) => {
    sockets = changed;
    for (const [i, fd] of [epoll, ...sockets.map(({ fd }) => fd)].entries()) {
      pollfds.setInt32(i * pollfdSize, fd, true);
      pollfds.setInt16(i * pollfdSize + 4, POLLIN, true);
    }
    count = BigInt(1 + sockets.length);
  };
  const returned = (i: number) => pollfds.getInt16(i * pollfdSize + 6, true);
  const add = (token: number, told: number) => {
    ready.push(token);
    if (told & ERROR) errors.add(token);
  };
  poll([]);

  return {
    addSocket(fd, token) {
      watch(libc, epoll, fd, token); // refuses what cannot be watched; poll would call it ready for ever
      if (sockets.length === maxPolled) return;
      unwatch(libc, epoll, fd);
      poll([...sockets, { fd, token }]);
    },
    add: (fd, token) => watch(libc, epoll, fd, token),
    remove(fd) {
      poll(sockets.filter((socket) => socket.fd !== fd));
      unwatch(libc, epoll, fd);
    },
    wait(timeoutMs) {
      ready.length = 0;
      if (errors.size > 0) errors.clear();
      if (pollAt(pollfdsAddress, count, timeoutMs) <= 0) return ready;
      for (let i = 0; i < sockets.length; i++) {
        const told = returned(1 + i);
        if (told !== 0) add(sockets[i]!.token, told);
      }
      const told = returned(0) ? epollWaitAt(epoll, eventsAddress, eventsPerWait, 0) : 0;
      for (let i = 0; i < told; i++) {
        const at = i * epollEventSize;
        add(events.getUint32(at + epollDataOffset, true), events.getUint32(at, true));
      }
      return ready;
    },
    hasError: (token) => errors.has(token),
  };
}
