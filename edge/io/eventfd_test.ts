import assert from "node:assert/strict";
import { epollDataOffset, epollEventSize, EPOLLIN, openEpoll, unwatch, watch } from "./epoll.ts";
import { openEventfd, signalEventfd, takeEventfd } from "./eventfd.ts";
import { openLibc } from "./libc.ts";

Deno.test("an eventfd counts signals, and wakes epoll with its token", () => {
  using libc = openLibc();
  const epoll = openEpoll(libc);
  const event = openEventfd(libc);
  const events = new ArrayBuffer(4 * epollEventSize);
  const wait = () => libc.call.epollWaitAt(epoll, libc.address(events), 4, 0);
  try {
    watch(libc, epoll, event, 0xdead_beef);
    assert.equal(wait(), 0);
    signalEventfd(libc, event);
    signalEventfd(libc, event);
    assert.equal(wait(), 1);
    const view = new DataView(events);
    assert.equal(view.getUint32(0, true), EPOLLIN);
    assert.equal(view.getUint32(epollDataOffset, true), 0xdead_beef);
    assert.equal(takeEventfd(libc, event, new BigUint64Array(1)), 2);
    assert.equal(takeEventfd(libc, event, new BigUint64Array(1)), 0);
    assert.equal(wait(), 0);
    signalEventfd(libc, event);
    unwatch(libc, epoll, event);
    assert.equal(wait(), 0);
  } finally {
    libc.call.close(event);
    libc.call.close(epoll);
  }
});
