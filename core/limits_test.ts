import assert from "node:assert/strict";
import { Admission } from "./limits.ts";
import type { Path } from "./settings.ts";

const from = (address: string, mark = 0): Path => ({
  encap: "udp",
  local: "10.0.0.100",
  remote: { address, port: 1701 },
  mark,
  socket: 0,
});
const limits = { halfOpen: 3, halfOpenPerAddress: 2, requestsPerSecond: 10 };

Deno.test("Admission answers so many requests a second, and as many at once after silence", () => {
  const admission = new Admission<object>(limits);
  const burst = (now: number) => {
    let passed = 0;
    for (let i = 0; i < 100; i++) if (admission.answer("anybody", now)) passed++;
    return passed;
  };
  assert.equal(burst(0), 10);
  assert.equal(burst(0), 0);
  assert.equal(burst(500), 5);
  assert.equal(burst(1_000_000), 10, "silence does not add up");
  assert.equal(admission.answer("anybody", 1_000_000), false);
});

Deno.test("Admission keeps tokens for the addresses that peers were configured for", () => {
  const admission = new Admission<object>({ ...limits, looksPerSecond: 20 });
  const count = (ask: () => boolean) => {
    let passed = 0;
    while (ask()) passed++;
    return passed;
  };
  assert.equal(count(() => admission.look("anybody", 0)), 20);
  assert.equal(count(() => admission.answer("anybody", 0)), 10);
  assert.equal(count(() => admission.look("named", 0)), 20);
  assert.equal(count(() => admission.answer("named", 0)), 10);
});

Deno.test("Admission looks at 20 times as many as it answers, where nothing else is said", () => {
  const admission = new Admission<object>(limits);
  for (let i = 0; i < 200; i++) assert.ok(admission.look("named", 0));
  assert.equal(admission.look("named", 0), false);
});

Deno.test("Admission gives up the oldest half-open connection of an address, or one IPv6 /64, at its limit", () => {
  const admission = new Admission<object>({ ...limits, halfOpen: 100 });
  const [first, second] = [{}, {}];
  admission.opened(first, from("fd77::1"), 0);
  assert.equal(admission.makeRoom(from("fd77::2")), undefined);
  admission.opened(second, from("fd77::2"), 0);
  assert.equal(admission.makeRoom(from("fd77:0:0:1::1")), undefined);
  assert.equal(admission.makeRoom(from("10.0.0.1")), undefined);
  assert.equal(admission.makeRoom(from("fd77::ffff")), first);
  assert.equal(admission.makeRoom(from("fd77::ffff")), undefined);
  const marked = {};
  admission.opened(marked, from("10.0.0.1", 1), 0);
  admission.opened({}, from("10.0.0.1", 1), 0);
  assert.equal(admission.makeRoom(from("10.0.0.1", 2)), undefined, "another mark, another peer");
  assert.equal(admission.makeRoom(from("10.0.0.1", 1)), marked);
  admission.opened({}, from("fd77::3"), 0);
  admission.closed(second);
  admission.closed(second);
  assert.equal(admission.makeRoom(from("fd77::ffff")), undefined);
});

Deno.test("Admission.makeRoom() gives up the oldest half-open connection, and none below the limit", () => {
  const admission = new Admission<object>(limits);
  const connections = [{}, {}, {}, {}];
  const elsewhere = from("10.0.1.1");
  connections.slice(0, 3).forEach((one, i) => {
    assert.equal(admission.makeRoom(elsewhere), undefined);
    admission.opened(one, from(`10.0.0.${i}`), 0);
  });
  assert.equal(admission.makeRoom(elsewhere), connections[0]);
  assert.equal(admission.makeRoom(elsewhere), undefined, "one has gone already");
  admission.opened(connections[3]!, from("10.0.0.9"), 0);
  admission.closed(connections[1]!);
  assert.equal(admission.makeRoom(elsewhere), undefined, "and one has come up");
});

Deno.test("Admission lets nobody go who has had no time to answer: the newer one waits", () => {
  const admission = new Admission<object>(limits);
  const [first, second] = [{}, {}];
  const here = from("10.0.0.1");
  assert.equal(admission.isFull(here, 0), false);
  admission.opened(first, here, 0);
  admission.opened(second, here, 100);
  assert.equal(admission.isFull(here, 249), true);
  assert.equal(admission.isFull(from("10.0.0.2"), 249), false, "another address has room");
  assert.equal(admission.isFull(here, 250), false);
  assert.equal(admission.makeRoom(here), first);
  admission.opened({}, here, 250);
  assert.equal(admission.isFull(here, 349), true);
  assert.equal(admission.isFull(here, 350), false);
});
