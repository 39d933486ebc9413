import assert from "node:assert/strict";
import { openEventfd, signalEventfd } from "./eventfd.ts";
import { type Libc, openLibc } from "./libc.ts";
import { openReadiness } from "./readiness.ts";

/** The epoll instances of this process that were not there before: the runtime closes some of its own late. */
function epolls(before: readonly string[] = []): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).filter((name) => {
    if (before.includes(name)) return false;
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === "anon_inode:[eventpoll]";
    } catch {
      return false; // the folder's own descriptor
    }
  });
}

Deno.test("who waits for a descriptor is told of its input until it is let go of, and then nothing is left", async () => {
  using libc = openLibc();
  const before = epolls();
  const event = openEventfd(libc);
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = openReadiness(libc).watch(event, resolve);
  assert.equal(epolls(before).length, 1);
  signalEventfd(libc, event);
  await promise;
  await stop();
  assert.deepEqual(epolls(before), []);
  libc.call.close(event);
});

Deno.test("where no descriptors are left, a wait that cannot begin keeps none", () => {
  using libc = openLibc();
  const before = epolls();
  const call = { ...libc.call, eventfd: () => -1 } as Libc["call"];
  assert.throws(() => openReadiness({ ...libc, call }).watch(0, () => {}), /open an eventfd/i);
  assert.deepEqual(epolls(before), []);
});
