import assert from "node:assert/strict";
import fc from "fast-check";
import type { Grant } from "../authenticator.ts";
import type { MapOptions } from "../options.ts";
import { builtInDictionary } from "./builtin.ts";
import { DictionaryError } from "./dictionary.ts";
import { GrantMap } from "./grants.ts";
import type { Attribute } from "./packet.ts";
import { parseRateLimit } from "./rates.ts";
import { maskLength, parseRoute } from "./routes.ts";
import { encodeValue } from "./values.ts";

const dictionary = builtInDictionary();
const NOW = Date.parse("2026-01-01T00:00:00Z");

/** Attributes by their names; `0x…` is octets whatever the kind. */
function attributes(given: readonly (readonly [string, string | number])[]): Attribute[] {
  return given.map(([name, value]) => {
    const definition = dictionary.named(name)!;
    assert.ok(definition, name);
    const raw = typeof value === "string" && value.startsWith("0x");
    const encoded = encodeValue(raw ? { ...definition, kind: "octets" } : definition, value);
    assert.ok(encoded, `${name} ${value}`);
    return { vendor: definition.vendor, type: definition.type, value: encoded };
  });
}

function read(given: readonly (readonly [string, string | number])[], map: MapOptions[] = []) {
  return new GrantMap(dictionary, map).read(attributes(given), NOW);
}

function terms(...given: (readonly [string, string | number])[]): Partial<Grant> {
  const reading = read(given);
  assert.deepEqual([reading.malformed, reading.unknown], [0, []]);
  return reading.terms;
}

Deno.test("what RFCs say a session gets", () => {
  assert.deepEqual(
    terms(
      ["Service-Type", 2],
      ["Framed-Protocol", 1],
      ["User-Name", "alice"],
      ["Framed-IP-Address", "10.0.0.7"],
      ["Framed-Pool", "a"],
      ["Framed-Pool", "b"],
      ["Framed-Route", "10.1.2.3/16 0.0.0.0 5"],
      ["Framed-IPv6-Route", "2001:db8:5::/48 ::"],
      ["Route-IPv6-Information", "2001:db8:6::/48"],
      ["Framed-IPv6-Prefix", "2001:db8:1::/64"],
      ["Framed-IPv6-Pool", "six"],
      ["Framed-IPv6-Address", "2001:db8::7"],
      ["Stateful-IPv6-Address-Pool", "na"],
      ["Delegated-IPv6-Prefix", "2001:db8:100::/56"],
      ["Delegated-IPv6-Prefix-Pool", "pd"],
      ["DNS-Server-IPv6-Address", "2001:db8::53"],
      ["MS-Primary-DNS-Server", "10.0.0.53"],
      ["MS-Secondary-DNS-Server", "10.0.0.54"],
      ["MS-Primary-NBNS-Server", "10.0.0.55"],
      ["Framed-MTU", 1492],
      ["Session-Timeout", 3600],
      ["Idle-Timeout", 600],
      ["Port-Limit", 2],
      ["Filter-Id", "walled"],
      ["Acct-Interim-Interval", 300],
      ["Reply-Message", "hello"],
      ["Reply-Message", "there"],
    ),
    {
      user: "alice",
      address: "10.0.0.7",
      pools: ["a", "b"],
      routes: [{ prefix: "10.1.0.0/16", metric: 5 }, { prefix: "2001:db8:5::/48" }, {
        prefix: "2001:db8:6::/48",
      }],
      ipv6Prefixes: ["2001:db8:1::/64"],
      ipv6Pool: "six",
      ipv6Addresses: ["2001:db8::7"],
      ipv6AddressPool: "na",
      delegatedPrefixes: ["2001:db8:100::/56"],
      delegatedPool: "pd",
      dns: ["2001:db8::53", "10.0.0.53", "10.0.0.54"],
      nbns: ["10.0.0.55"],
      mtu: 1492,
      sessionTimeoutS: 3600,
      idleTimeoutS: 600,
      portLimit: 2,
      filters: ["walled"],
      interimIntervalS: 300,
      message: "hello\nthere",
    },
  );
});

Deno.test("octets stay octets: Class in order, Framed-Interface-Id", () => {
  const { class: classes, interfaceId } = terms(
    ["Class", "0x0102"],
    ["Class", "0x03"],
    ["Framed-Interface-Id", "0x0000000000000007"],
  );
  assert.deepEqual(classes?.map((one) => one.toHex()), ["0102", "03"]);
  assert.equal(interfaceId?.toHex(), "0000000000000007");
});

Deno.test("two addresses mean something else, and a netmask is a subnet's", () => {
  assert.equal(terms(["Framed-IP-Address", "255.255.255.254"]).address, "pool");
  assert.equal(terms(["Framed-IP-Address", "255.255.255.255"]).address, "client");
  assert.equal(read([["Framed-IP-Address", "0.0.0.0"]]).malformed, 1);
  const mask = (netmask: string) =>
    terms(["Framed-IP-Address", "10.0.0.9"], ["Framed-IP-Netmask", netmask]).routes;
  assert.equal(mask("255.255.255.255"), undefined);
  assert.deepEqual(mask("255.255.255.248"), [{ prefix: "10.0.0.8/29" }]);
  assert.equal(mask("255.0.255.0"), undefined);
});

Deno.test("vendors' rates, limits and lists", () => {
  const mbit = 1_000_000;
  assert.deepEqual(terms(["Mikrotik-Rate-Limit", "2M/10M"]).rate, {
    up: { bitsPerSecond: 2 * mbit },
    down: { bitsPerSecond: 10 * mbit },
  });
  assert.deepEqual(terms(["WISPr-Bandwidth-Max-Up", mbit], ["WISPr-Bandwidth-Max-Down", 0]).rate, {
    up: { bitsPerSecond: mbit },
    down: { bitsPerSecond: Infinity },
  });
  const both = { up: { bitsPerSecond: 5 }, down: { bitsPerSecond: 5 } };
  assert.deepEqual(terms(["Ascend-Data-Rate", 5]).rate, both);
  assert.deepEqual(terms(["Ascend-Data-Rate", 5], ["Ascend-Xmit-Rate", 9]).rate, {
    up: { bitsPerSecond: 5 },
    down: { bitsPerSecond: 9 },
  });
  assert.deepEqual(
    terms(["Mikrotik-Recv-Limit", 7], ["Mikrotik-Recv-Limit-Gigawords", 2], [
      "Mikrotik-Total-Limit",
      9,
    ]).quota,
    { up: 2 * 2 ** 32 + 7, total: 9 },
  );
  assert.deepEqual(terms(["Mikrotik-Address-List", "walled"], ["Mikrotik-Group", "gold"]), {
    filters: ["walled"],
    profile: "gold",
  });
  assert.deepEqual(
    terms(
      ["Cisco-AVPair", "ip:addr-pool=x"],
      ["Cisco-AVPair", "ip:route=10.1.0.0 255.255.0.0"],
      [
        "Cisco-AVPair",
        "lcp:interface-config#1=rate-limit output 512000 8000 8000 conform-action transmit exceed-action drop",
      ],
      ["Cisco-AVPair", "shell:priv-lvl=15"],
      ["Cisco-AVPair", "ip:dns-servers=10.0.0.1 10.0.0.2"],
    ),
    {
      pools: ["x"],
      routes: [{ prefix: "10.1.0.0/16" }],
      rate: { down: { bitsPerSecond: 512_000, burstOctets: 8000 } },
      dns: ["10.0.0.1", "10.0.0.2"],
    },
  );
  assert.equal(
    terms(["WISPr-Session-Terminate-Time", "2026-01-01T01:00:00Z"]).sessionTimeoutS,
    3600,
  );
});

Deno.test("a rate limit of RouterOS, in all its lengths", () => {
  const k = 1000;
  const cases: [string, ReturnType<typeof parseRateLimit>][] = [
    ["64k", { up: { bitsPerSecond: 64 * k }, down: { bitsPerSecond: 64 * k } }],
    // A burst of 256k until 128k on average over 8 s: 4 s of 128k more than the rate.
    ["128k/64k 256k/128k 128k/64k 8", {
      up: { bitsPerSecond: 128 * k, burstOctets: 64 * k },
      down: { bitsPerSecond: 64 * k, burstOctets: 32 * k },
    }],
    ["0/1M", { up: { bitsPerSecond: Infinity }, down: { bitsPerSecond: 1000 * k } }],
    ["1M 1M 1M 8 5 64k", { up: { bitsPerSecond: 1000 * k }, down: { bitsPerSecond: 1000 * k } }],
    ["", undefined],
    ["fast", undefined],
    ["1M/x", undefined],
    ["1M/1M/1M", undefined],
  ];
  for (const [text, rates] of cases) assert.deepEqual(parseRateLimit(text), rates, text);
});

Deno.test("what is malformed is ignored and counted, and spoils nothing else", () => {
  const reading = read([
    ["Session-Timeout", "0x0001"],
    ["Framed-MTU", 10],
    ["Framed-IPv6-Prefix", "0x0081"],
    ["Framed-Route", "nowhere"],
    ["Mikrotik-Rate-Limit", "fast"],
    ["Class", "0x"],
    ["Idle-Timeout", 60],
  ]);
  assert.deepEqual(reading.terms, { idleTimeoutS: 60 });
  assert.equal(reading.malformed, 6);
});

Deno.test("the operator's map adds to what is understood, and takes its place", () => {
  const map: MapOptions[] = [
    { attribute: "4711:2", to: "filter", in: ["access"] },
    { attribute: "4711:3", to: "rate-down", scale: 1000, in: ["access"] },
    { attribute: "4711:4", to: "dns", in: ["access"] },
    { attribute: "Idle-Timeout", to: "session-timeout", scale: 60, in: ["access"] },
  ];
  const value = new TextEncoder().encode("vip");
  const own = new GrantMap(dictionary, map);
  const reading = own.read(
    [
      { vendor: 4711, type: 2, value },
      { vendor: 4711, type: 3, value: Uint8Array.of(0, 0, 2, 0) },
      { vendor: 4711, type: 4, value: Uint8Array.of(10, 0, 0, 1) },
      ...attributes([["Idle-Timeout", 5]]),
    ],
    NOW,
  );
  assert.equal(reading.terms.sessionTimeoutS, 300);
  assert.deepEqual(reading.terms.rate, { down: { bitsPerSecond: 512_000 } });
  assert.deepEqual(reading.terms.dns, ["10.0.0.1"]);
  assert.equal(reading.terms.idleTimeoutS, undefined);
  assert.deepEqual(reading.terms.filters, ["vip"]);
  const none: MapOptions[] = [{ attribute: "No-Such", to: "filter", in: ["access"] }];
  assert.throws(() => new GrantMap(dictionary, none), DictionaryError);
});

Deno.test("what nobody understands is told", () => {
  const { unknown } = read([["4711:9", "0x01"], ["Calling-Station-Id", "5"]]);
  assert.deepEqual(unknown.map(({ vendor, type }) => [vendor, type]), [[4711, 9]]);
});

Deno.test("any attributes are read, and lists stay bounded", () => {
  const attribute = fc.record({
    vendor: fc.constantFrom(0, 0, 9, 311, 529, 14122, 14988),
    type: fc.nat(255),
    value: fc.uint8Array({ maxLength: 30 }),
  });
  const map = new GrantMap(dictionary, []);
  fc.assert(fc.property(fc.array(attribute, { maxLength: 30 }), (all) => {
    const reading = map.read(all, NOW);
    assert.ok(reading.malformed + reading.unknown.length <= all.length);
  }));
  const many = Array.from({ length: 500 }, (_, i) => ["Filter-Id", `f${i}`] as const);
  const reading = map.read(attributes(many), NOW);
  assert.deepEqual([reading.terms.filters?.length, reading.malformed], [64, 436]);
});

Deno.test("routes and netmasks", () => {
  for (
    const [text, prefix] of [
      ["10.1.2.3", "10.0.0.0/8"],
      ["172.16.1.0", "172.16.0.0/16"],
      ["192.168.1.0 192.168.1.1 1 2 -1 3 400", "192.168.1.0/24"],
      ["0.0.0.0/0 0.0.0.0 1", "0.0.0.0/0"],
      ["2001:db8:0:106::1/16 ::1 1", "2001::/16"],
      ["10.0.0.0/33", undefined],
      ["x/8", undefined],
      ["", undefined],
    ]
  ) {
    assert.equal(parseRoute(text!)?.prefix, prefix, text);
  }
  assert.deepEqual(["255.255.255.255", "255.255.0.0", "0.0.0.0", "255.255.0.1"].map(maskLength), [
    32,
    16,
    0,
    undefined,
  ]);
});
