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
  const open = (connection: object, path: Path) => admission.opened("anybody", connection, path, 0);
  const room = (path: Path) => admission.makeRoom("anybody", path);
  const [first, second] = [{}, {}];
  open(first, from("fd77::1"));
  assert.equal(room(from("fd77::2")), undefined);
  open(second, from("fd77::2"));
  assert.equal(room(from("fd77:0:0:1::1")), undefined);
  assert.equal(room(from("10.0.0.1")), undefined);
  assert.equal(room(from("fd77::ffff")), first);
  assert.equal(room(from("fd77::ffff")), undefined);
  const marked = {};
  open(marked, from("10.0.0.1", 1));
  open({}, from("10.0.0.1", 1));
  assert.equal(room(from("10.0.0.1", 2)), undefined, "another mark, another peer");
  assert.equal(room(from("10.0.0.1", 1)), marked);
  open({}, from("fd77::3"));
  admission.closed(second, true);
  admission.closed(second, true);
  assert.equal(room(from("fd77::ffff")), undefined);
});

Deno.test("Admission.makeRoom() gives up the oldest half-open connection, and none below the limit", () => {
  const admission = new Admission<object>(limits);
  const connections = [{}, {}, {}, {}];
  const elsewhere = from("10.0.1.1");
  connections.slice(0, 3).forEach((one, i) => {
    assert.equal(admission.makeRoom("anybody", elsewhere), undefined);
    admission.opened("anybody", one, from(`10.0.0.${i}`), 0);
  });
  assert.equal(admission.makeRoom("named", elsewhere), undefined, "those have places of their own");
  assert.equal(admission.makeRoom("anybody", elsewhere), connections[0]);
  assert.equal(admission.makeRoom("anybody", elsewhere), undefined, "one has gone already");
  admission.opened("anybody", connections[3]!, from("10.0.0.9"), 0);
  admission.closed(connections[1]!, true);
  assert.equal(admission.makeRoom("anybody", elsewhere), undefined, "and one has come up");
});

Deno.test("Admission lets the newer one wait while half-open connections come up, and not in a flood", () => {
  const admission = new Admission<object>(limits);
  const [first, second] = [{}, {}];
  const here = from("10.0.0.1");
  const isFull = (now: number) => admission.isFull("named", here, now);
  assert.equal(isFull(0), false);
  admission.opened("named", first, here, 0);
  admission.opened("named", second, here, 100);
  assert.equal(isFull(2_999), true);
  assert.equal(
    admission.isFull("named", from("10.0.0.2"), 2_999),
    false,
    "another address has room",
  );
  assert.equal(isFull(3_000), false, "it had its time");
  // Many that never came up: the next get little of it.
  for (let i = 0; i < 100; i++) {
    const forged = {};
    admission.opened("named", forged, from("10.0.0.9"), 0);
    admission.closed(forged, false);
  }
  assert.equal(isFull(249), true);
  assert.equal(isFull(250), false);
  for (let i = 0; i < 100; i++) {
    const real = {};
    admission.opened("named", real, from("10.0.0.9"), 0);
    admission.closed(real, true);
  }
  assert.equal(isFull(2_999), true, "and much again, once they come up");
});
