import assert from "node:assert/strict";
import { openEpoll } from "../io/epoll.ts";
import { IoError } from "../io/errno.ts";
import { openEventfd, signalEventfd, takeEventfd } from "../io/eventfd.ts";
import { type Libc, openLibc } from "../io/libc.ts";
import { openUdpSocket } from "../io/sockets.ts";
import { createWaiter } from "./waiter.ts";

/** UDP sockets on loopback, each with one datagram to itself waiting. */
function openReadySockets(libc: Libc, count: number): number[] {
  return Array.from({ length: count }, () => {
    const { fd, local } = openUdpSocket(libc, {
      local: { address: "127.0.0.1", port: 0 },
      receiveBuffer: 4096,
      sendBuffer: 4096,
    });
    const bytes = new Uint8Array(16); // struct sockaddr_in
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 2, true);
    view.setUint16(2, local.port);
    bytes.set([127, 0, 0, 1], 4);
    libc.check(libc.call.connect(fd, bytes, 16), "connect", "send to itself");
    libc.check(libc.call.send(fd, Uint8Array.of(1), 1n, 0), "send", "send to itself");
    return fd;
  });
}

const sorted = (tokens: readonly number[]) => tokens.toSorted((a, b) => a - b);

Deno.test("wait() gives the tokens of sockets and of others, however many sockets there are", () => {
  using libc = openLibc();
  const epoll = openEpoll(libc);
  const event = openEventfd(libc);
  const sockets = openReadySockets(libc, 70);
  try {
    const waiter = createWaiter(libc, epoll);
    waiter.add(event, 1000);
    for (const [token, fd] of sockets.entries()) waiter.addSocket(fd, token);
    assert.deepEqual(sorted(waiter.wait(0)), [...sockets.keys()]);
    signalEventfd(libc, event);
    const all = [...sockets.keys(), 1000];
    const told = new Set<number>();
    for (let i = 0; i < 2; i++) for (const token of waiter.wait(-1)) told.add(token);
    assert.deepEqual(sorted([...told]), all);

    for (const fd of sockets.slice(1)) waiter.remove(fd);
    assert.deepEqual(sorted(waiter.wait(-1)), [0, 1000]);
    waiter.remove(sockets[0]!);
    assert.equal(takeEventfd(libc, event, new BigUint64Array(1)), 1);
    assert.deepEqual(waiter.wait(0), []);
  } finally {
    for (const fd of [epoll, event, ...sockets]) libc.call.close(fd);
  }
});

Deno.test("addSocket() refuses what would be ready for ever", async () => {
  using libc = openLibc();
  const epoll = openEpoll(libc);
  const path = await Deno.makeTempFile();
  try {
    const waiter = createWaiter(libc, epoll);
    const file = libc.call.open(new TextEncoder().encode(`${path}\0`), 0, 0);
    try {
      assert.throws(() => waiter.addSocket(file, 1), IoError); // EPERM
    } finally {
      libc.call.close(file);
    }
    assert.throws(() => waiter.addSocket(file, 1), IoError); // EBADF
    assert.deepEqual(waiter.wait(0), []);
  } finally {
    libc.call.close(epoll);
    await Deno.remove(path);
  }
});
