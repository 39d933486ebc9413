import assert from "node:assert/strict";
import type { Path } from "./settings.ts";
import { Allowance, Tombstones } from "./unproven.ts";

Deno.test("Allowance lets the first datagram go, and then three times the octets and the datagrams that came", () => {
  const octets = new Allowance();
  assert.equal(octets.covers(5000), true);
  octets.earn(100);
  octets.spend(250);
  assert.deepEqual([octets.covers(51), octets.covers(50)], [false, true]);
  const datagrams = new Allowance();
  datagrams.earn(1000);
  for (let i = 0; i < 3; i++) {
    assert.equal(datagrams.covers(12), true, `datagram ${i}`);
    datagrams.spend(12);
  }
  assert.equal(datagrams.covers(12), false, "small ones count as well");
  datagrams.earn(12);
  assert.equal(datagrams.covers(12), true);
});

Deno.test("Tombstones are so many, the latest, and no long ones", () => {
  const tombstones = new Tombstones();
  const path: Path = {
    encap: "udp",
    local: "10.0.0.1",
    remote: { address: "10.6.6.6", port: 1701 },
    mark: 0,
    socket: 0,
  };
  for (let id = 1; id <= 2000; id++) tombstones.add(2, id, path, new Uint8Array(20), 0);
  tombstones.add(3, 7, path, new Uint8Array(2000), 0);
  const kept = Array.from({ length: 2000 }, (_, i) => i + 1).filter((id) => tombstones.has(2, id));
  assert.deepEqual([kept.length, kept[0], tombstones.has(3, 7)], [1024, 977, false]);
});
