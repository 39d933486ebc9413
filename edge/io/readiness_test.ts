import assert from "node:assert/strict";
import { openEventfd, signalEventfd } from "./eventfd.ts";
import { type Libc, openLibc } from "./libc.ts";
import { openReadiness } from "./readiness.ts";

/** How many epoll instances this process has. */
function epolls(): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === "anon_inode:[eventpoll]";
    } catch {
      return false; // the folder's own descriptor
    }
  }).length;
}

Deno.test("who waits for a descriptor is told of its input until it is let go of, and then nothing is left", async () => {
  using libc = openLibc();
  const before = epolls();
  const event = openEventfd(libc);
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = openReadiness(libc).watch(event, resolve);
  assert.equal(epolls(), before + 1);
  signalEventfd(libc, event);
  await promise;
  await stop();
  assert.equal(epolls(), before);
  libc.call.close(event);
});

Deno.test("where no descriptors are left, a wait that cannot begin keeps none", () => {
  using libc = openLibc();
  const before = epolls();
  const call = { ...libc.call, eventfd: () => -1 } as Libc["call"];
  assert.throws(() => openReadiness({ ...libc, call }).watch(0, () => {}), /open an eventfd/i);
  assert.equal(epolls(), before);
});
