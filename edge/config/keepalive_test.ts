import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { onTap, session } from "../testing/appliance.ts";
import { checkSession } from "./checks.ts";
import { keepaliveSchema, readKeepalive, showKeepalive } from "./keepalive.ts";
import type { SessionConfig } from "./model.ts";

Deno.test("a keepalive's defaults, and the way back", () => {
  const read = readKeepalive({ target: "FD00:1::0002" });
  assert.deepEqual(read, { target: "fd00:1::2", intervalMs: 1000, lost: 3, restore: 2 });
  const all = {
    target: "10.0.0.2",
    source: "10.0.0.3",
    vlan: 7,
    mac: "02:00:00:00:00:0A",
    interval: 0.25,
    lost: 1,
    restore: 100,
  };
  const shown = showKeepalive(readKeepalive(all));
  assert.deepEqual(shown, { ...all, mac: "02:00:00:00:00:0a" });
  assert.deepEqual(readKeepalive(shown), readKeepalive(all));
  assert.ok(keepaliveSchema.safeParse(shown).success);
});

Deno.test("what is no keepalive is told by where it is wrong", () => {
  const wrong = (given: object) =>
    keepaliveSchema.safeParse(given).error?.issues[0]?.path.join(".");
  const target = "10.0.0.2";
  for (const other of ["10.0.0.3", "10.0.0.255", "169.254.0.1"]) {
    assert.equal(wrong({ target: other }), undefined);
  }
  for (const address of ["", "nobody", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"]) {
    assert.equal(wrong({ target: address }), "target", address);
    assert.equal(wrong({ target, source: address }), "source", address);
  }
  for (const address of ["::", "::1", "ff02::1", "fe80::1%eth0"]) {
    assert.equal(wrong({ target: address }), "target", address);
  }
  assert.equal(wrong({ target: "fe80::1" }), undefined);
  assert.equal(wrong({ target: "fe80::1", source: "10.0.0.3" }), "source");
  assert.equal(wrong({ target, source: "fe80::1" }), "source");
  assert.equal(wrong({ target, source: target }), "source");
  assert.equal(wrong({ target: "fd00:0::2", source: "fd00::2" }), "source");
  for (const vlan of [0, 4095, 1.5]) assert.equal(wrong({ target, vlan }), "vlan");
  for (const mac of ["01:00:5e:00:00:01", "00:00:00:00:00:00", "02:00"]) {
    assert.equal(wrong({ target, mac }), "mac");
  }
  for (const interval of [0.09, 3601]) assert.equal(wrong({ target, interval }), "interval");
  for (const n of [0, 101, 1.5]) {
    assert.equal(wrong({ target, lost: n }), "lost");
    assert.equal(wrong({ target, restore: n }), "restore");
  }
  assert.equal(wrong({}), "target");
  assert.equal(wrong({ target, hello: 1 }), "");
});

Deno.test("a keepalive must fit what the session carries, and be no station of its circuit", () => {
  const problems = (changes: Partial<SessionConfig>, given = {}) =>
    checkSession(
      session(1, { keepalive: readKeepalive({ target: "10.0.0.2", ...given }), ...changes }),
      3,
    ).map(({ attribute, message }) => `${attribute}: ${message}`);
  const tap = onTap("office0", {
    addresses: ["10.0.0.1/24", "fd00::1/64"],
    mac: "02:00:00:00:00:0A",
  });
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems(tap), []);
  assert.match(problems({ pseudowireType: PseudowireType.Ppp })[0]!, /^keepalive: needs Ethernet/);
  const vlan = { pseudowireType: PseudowireType.EthernetVlan };
  assert.match(problems(vlan)[0]!, /^keepalive: .*expected vlan here, or vlan-id$/);
  assert.deepEqual(problems({ ...vlan, vlanId: 7 }), []);
  assert.deepEqual(problems(vlan, { vlan: 7 }), []);
  assert.match(problems(tap, { target: "10.0.0.1" })[0]!, /^keepalive: target 10\.0\.0\.1 is/);
  assert.match(problems(tap, { target: "fd00:0::0001" })[0]!, /^keepalive: target fd00::1 is/);
  assert.match(problems(tap, { source: "10.0.0.1" })[0]!, /^keepalive: source 10\.0\.0\.1 is/);
  assert.match(problems(tap, { mac: "02:00:00:00:00:0a" })[0]!, /^keepalive: mac 02:/);
});
