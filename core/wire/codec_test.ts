import assert from "node:assert/strict";
import { catalogue } from "./catalogue.ts";
import { resultCode } from "./codec.ts";
import { compareTies } from "../ties.ts";

const of = (...octets: number[]) => Uint8Array.from(octets);

Deno.test("codecs refuse values of a length that cannot be", () => {
  const wrong: [keyof typeof catalogue, Uint8Array][] = [
    ["messageType", of(1)],
    ["resultCode", of(0)],
    ["resultCode", of(0, 1, 0)],
    ["tieBreaker", of(1, 2, 3, 4, 5, 6, 7)],
    ["hostName", of()],
    ["assignedTunnelId", of(0, 0)],
    ["assignedConnectionId", of(0, 0, 0, 0)],
    ["receiveWindowSize", of(0, 0)],
    ["challenge", of()],
    ["challengeResponse", new Uint8Array(15)],
    ["pseudowireCapabilities", of(0, 5, 0)],
    ["assignedCookie", of(1, 2, 3, 4, 5)],
    ["assignedCookie", of()],
    ["messageDigest", new Uint8Array(16)],
    ["messageDigest", of(2, ...new Uint8Array(16))],
    ["messageDigest", of(0, ...new Uint8Array(20))],
    ["callErrors", new Uint8Array(24)],
    ["sequencingRequired", of(1)],
    ["localSessionId", of(0, 0, 0, 0)],
    ["q931Cause", of(0, 1)],
  ];
  for (const [name, value] of wrong) {
    assert.equal(catalogue[name].codec.parse(value), undefined, `${name} of ${value.length}`);
  }
});

Deno.test("resultCode reads what RFC 2661 §4.4.2 shows, and what SoftEther sends", () => {
  assert.deepEqual(resultCode.parse(of(0, 1)), { result: 1 });
  assert.deepEqual(resultCode.parse(of(0, 2, 0, 8)), { result: 2, error: 8 });
  const said = of(0, 2, 0, 6, 0x68, 0x69);
  assert.deepEqual(resultCode.parse(said), { result: 2, error: 6, message: "hi" });
  assert.deepEqual(resultCode.parse(of(0, 0, 0, 6)), { result: 0, error: 6 });
  assert.deepEqual(resultCode.emit({ result: 2, message: "hi" }), of(0, 2, 0, 0, 0x68, 0x69));
  const long = resultCode.emit({ result: 2, error: 6, message: "é".repeat(2000) });
  assert.ok(long.length <= 4 + 512, "and fits into an AVP however long the text is");
});

Deno.test("circuitStatus and counters ignore reserved octets", () => {
  const { codec } = catalogue.circuitStatus;
  assert.deepEqual(codec.parse(of(0xff, 0xfd)), { active: true, new: false });
  assert.deepEqual(codec.emit({ active: false, new: true }), of(0, 2));
  assert.deepEqual(catalogue.accm.codec.parse(of(9, 9, 0, 0, 0, 1, 0, 0, 0, 2)), {
    send: 1,
    receive: 2,
  });
});

Deno.test("u64 carries speeds beyond 32 bits", () => {
  const { codec } = catalogue.txConnectSpeedBps;
  const speed = 400_000_000_000n;
  assert.equal(codec.parse(codec.emit(speed)), speed);
});

Deno.test("compareTies() lets the lower value win, and any over none", () => {
  const [low, high] = [of(0, 0, 0, 0, 0, 0, 0, 9), of(0, 0, 0, 0, 0, 0, 1, 0)];
  assert.ok(compareTies(low, high) < 0);
  assert.ok(compareTies(high, low) > 0);
  assert.ok(compareTies(of(0x7f, 0), of(0x80, 0)) < 0, "unsigned");
  assert.equal(compareTies(low, low.slice()), 0);
  assert.ok(compareTies(low, undefined) < 0);
  assert.ok(compareTies(undefined, low) > 0);
  assert.equal(compareTies(undefined, undefined), 0);
});
