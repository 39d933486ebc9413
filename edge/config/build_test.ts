import assert from "node:assert/strict";
import type { z } from "zod";
import {
  circuitSchema,
  endpointAttributes,
  nameSchema,
  sessionOptions,
  tunnelOptions,
} from "./attributes.ts";
import { buildSession, buildTunnel } from "./build.ts";

Deno.test("attributes accept what the kernel's API can hold, and say what they expect otherwise", () => {
  const cases: [z.ZodType, unknown[], unknown[]][] = [
    [tunnelOptions["tunnel-id"].schema, [1, 0xffff_ffff], [0, -1, 1.5, 2 ** 32, NaN, "1", null]],
    [endpointAttributes["udp-sport"], [1, 65535], [0, 65536]],
    [endpointAttributes["ip-saddr"], ["0.0.0.0", "10.0.0.1"], [
      "::1",
      "10.0.0.256",
      "10.0.0.1:1701",
      1,
    ]],
    [endpointAttributes["ip6-daddr"], ["fd77::1", "fe80::1%eth0"], [
      "10.0.0.1",
      "[fd77::1]",
      "fe80::1%",
    ]],
    [sessionOptions.cookie.schema, ["", "00112233", "AABBCCDDEEFF0011"], [
      "0011223",
      "0x112233",
      112233,
      "zz112233",
    ]],
    [sessionOptions["pw-type"].schema, ["eth", "ethernet", "vlan", "ppp", 4, 5, 7], [
      6,
      8,
      11,
      "5",
      "ip",
      null,
    ]],
    [tunnelOptions["proto-version"].schema, [2, 3], [1, 4, "3"]],
    [nameSchema, ["a", "7up", "branch-1.b_c"], ["", "7", "-a", "a b", "a/b", "x".repeat(64), "é"]],
    [circuitSchema, [{ tap: null }], [{}, { tap: {}, probe: {} }, "tap", null]],
  ];
  for (const [schema, good, bad] of cases) {
    for (const value of good) {
      assert.ok(schema.safeParse(value).success, `${schema.description}: ${value}`);
    }
    for (const value of bad) {
      const { error } = schema.safeParse(value);
      assert.match(error!.issues[0]!.message, /expected/, `${schema.description}: ${value}`);
    }
  }
});

Deno.test("buildTunnel() fills in the defaults of the address's family", () => {
  const ids = { "tunnel-id": 1, "peer-tunnel-id": 2 };
  const udp = buildTunnel("t", { ...ids, "ip6-daddr": "FD77:0::2" });
  assert.ok(udp.ok);
  assert.deepEqual(udp.value.local, { address: "::", port: 1701 });
  assert.deepEqual(udp.value.remote, { address: "fd77::2", port: 1701 });
  assert.deepEqual(udp.value.checksum, { udp: true, zero6Tx: false, zero6Rx: false });
  const ip = buildTunnel("t", { ...ids, "ip-daddr": "10.0.0.2", "encap-type": "ip" });
  assert.ok(ip.ok);
  assert.deepEqual(ip.value.local, { address: "0.0.0.0", port: 0 });
  assert.equal(ip.value.checksum.udp, false);
});

Deno.test("buildTunnel() names every attribute that is missing or given twice", () => {
  const wrong = (given: Parameters<typeof buildTunnel>[1]) => {
    const built = buildTunnel("t", given);
    return built.ok ? [] : built.problems.map(({ attribute }) => attribute);
  };
  assert.deepEqual(wrong({}), ["tunnel-id", "peer-tunnel-id", "ip-daddr"]);
  const ids = { "tunnel-id": 1, "peer-tunnel-id": 2 };
  assert.deepEqual(wrong({ ...ids, "ip-daddr": "10.0.0.2", "ip6-daddr": "::2" }), ["ip6-daddr"]);
  assert.deepEqual(
    wrong({ ...ids, "ip-daddr": "10.0.0.2", "ip-saddr": "10.0.0.1", "ip6-saddr": "::1" }),
    ["ip6-saddr"],
  );
  assert.deepEqual(wrong({ ...ids, "ip-daddr": "10.0.0.2", "ip6-saddr": "::1" }), ["ip6-saddr"]);
});

Deno.test("buildSession() takes its defaults from the tunnel's version", () => {
  const ids = { "session-id": 1, "peer-session-id": 2 };
  const kind = (version: 2 | 3) => {
    const built = buildSession("s", version, ids);
    assert.ok(built.ok);
    return [built.value.pseudowireType, built.value.l2spec];
  };
  assert.deepEqual(kind(2), [7, "none"]);
  assert.deepEqual(kind(3), [5, "default"]);
  const missing = buildSession("s", 3, {});
  assert.ok(!missing.ok);
  assert.deepEqual(missing.problems.map(({ attribute }) => attribute), [
    "session-id",
    "peer-session-id",
  ]);
});
