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

Deno.test("Admission looks at so many requests a second, and as many at once after silence", () => {
  const admission = new Admission<object>(limits);
  const burst = (now: number) => {
    let passed = 0;
    for (let i = 0; i < 100; i++) if (!admission.request(from("10.0.0.1"), now)) passed++;
    return passed;
  };
  assert.equal(burst(0), 10);
  assert.equal(burst(0), 0);
  assert.equal(burst(500), 5);
  assert.equal(burst(1_000_000), 10, "silence does not add up");
  assert.equal(admission.request(from("10.0.0.2"), 1_000_000), "request-limit");
});

Deno.test("Admission lets one address, or one IPv6 /64, have so many half-open connections", () => {
  const admission = new Admission<object>(limits);
  const connections = [{}, {}];
  admission.opened(connections[0]!, from("fd77::1"));
  assert.equal(admission.request(from("fd77::1"), 0), undefined);
  admission.opened(connections[1]!, from("fd77::2"));
  assert.equal(admission.request(from("fd77::ffff"), 0), "half-open-limit");
  assert.equal(admission.request(from("fd77:0:0:1::1"), 0), undefined);
  assert.equal(admission.request(from("10.0.0.1"), 0), undefined);
  admission.opened({}, from("10.0.0.1", 1));
  admission.opened({}, from("10.0.0.1", 1));
  assert.equal(admission.request(from("10.0.0.1", 1), 0), "half-open-limit");
  assert.equal(admission.request(from("10.0.0.1", 2), 0), undefined, "another mark, another peer");
  admission.closed(connections[0]!);
  admission.closed(connections[0]!);
  assert.equal(admission.request(from("fd77::ffff"), 0), undefined);
});

Deno.test("Admission.makeRoom() gives up the oldest half-open connection, and none below the limit", () => {
  const admission = new Admission<object>(limits);
  const connections = [{}, {}, {}, {}];
  connections.slice(0, 3).forEach((one, i) => {
    assert.equal(admission.makeRoom(), undefined);
    admission.opened(one, from(`10.0.0.${i}`));
  });
  assert.equal(admission.makeRoom(), connections[0]);
  assert.equal(admission.makeRoom(), undefined, "one has gone already");
  admission.opened(connections[3]!, from("10.0.0.9"));
  admission.closed(connections[1]!);
  assert.equal(admission.makeRoom(), undefined, "and one has come up");
});
