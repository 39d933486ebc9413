import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp } from "../../core/endpoint.ts";
import { canonicalNetwork, inNetwork } from "./network.ts";

Deno.test("canonicalNetwork() takes addresses and networks, and refuses bits beyond the prefix", () => {
  const cases: [string, string | undefined][] = [
    ["10.0.0.2", "10.0.0.2"],
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.0.0.2/32", "10.0.0.2"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.0.0.1/8", undefined],
    ["10.0.0.0/33", undefined],
    ["10.0.0.0/08", undefined],
    ["10.0.0.0/", undefined],
    ["10.0.0.0/8/8", undefined],
    ["FD77:0::/16", "fd77::/16"],
    ["fd77::1/128", "fd77::1"],
    ["fd77::1/64", undefined],
    ["::/0", "::/0"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["fe80::%eth0/64", undefined],
    ["hq.example", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(canonicalNetwork(text), expected, text);
});

Deno.test("inNetwork() compares the prefix, the family and the zone", () => {
  const cases: [string, string, boolean][] = [
    ["10.255.0.1", "10.0.0.0/8", true],
    ["11.0.0.1", "10.0.0.0/8", false],
    ["10.0.0.129", "10.0.0.128/25", true],
    ["10.0.0.127", "10.0.0.128/25", false],
    ["10.0.0.2", "10.0.0.2", true],
    ["10.0.0.3", "10.0.0.2", false],
    ["10.0.0.3", "0.0.0.0/0", true],
    ["10.0.0.3", "::/0", false],
    ["fd77::1", "::/0", true],
    ["fd77::1", "fd76::/15", true],
    ["fd77::1", "fd78::/15", false],
    ["fe80::1%eth0", "fe80::1", true],
    ["fe80::1%eth0", "fe80::/10", true],
    ["fe80::1%eth0", "fe80::1%eth0", true],
    ["fe80::1%eth1", "fe80::1%eth0", false],
    ["no address", "0.0.0.0/0", false],
  ];
  for (const [address, network, expected] of cases) {
    assert.equal(inNetwork(address, network), expected, `${address} in ${network}`);
  }
});

Deno.test("inNetwork() finds an address in each of its own networks, and none in another's", () => {
  const octets = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(fc.property(octets, fc.nat(127), (bytes, bit) => {
    const at = bit % (8 * bytes.length);
    const network = bytes.map((byte, i) => {
      const left = at + 1 - 8 * i;
      return left >= 8 ? byte : left <= 0 ? 0 : byte & 0xff << 8 - left;
    });
    const text = canonicalNetwork(`${formatIp(network)}/${at + 1}`)!;
    assert.ok(inNetwork(formatIp(bytes), text));
    const other = Uint8Array.from(bytes);
    other[at >> 3]! ^= 0x80 >> (at & 7);
    assert.ok(!inNetwork(formatIp(other), text));
  }));
});
