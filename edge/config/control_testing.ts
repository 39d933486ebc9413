/** Arbitrary good peers, and tunnels with control connections to them. @module */

import fc from "fast-check";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { RateLimit, SourceCheck } from "./attributes.ts";
import type { CallConfig, Config, ManagedTunnelConfig, PeerConfig } from "./model.ts";
import { hidden } from "./secrets.ts";

/** Rate limits. */
export const rateLimit = fc.constantFrom<RateLimit>(
  { rx: 50_000 },
  { tx: 1, burst: 1 },
  { rx: 0xffff_ffff, tx: 9, burst: 0xffff_ffff },
);

/** Whose frames a session takes. */
export const sourceCheck = fc.constantFrom<SourceCheck>(
  { ipv4: "10.0.0.7" },
  { mac: "02:00:00:00:00:07", ipv6: "2001:db8:7::/64" },
);

/** Few, so that they are shared often. */
const name = fc.constantFrom("a", "b", "hq", "lac-1", "t.2", "x_y");
const seconds = (min: number, max: number) =>
  fc.oneof(
    fc.integer({ min, max }).map((whole) => 1000 * whole),
    fc.integer({ min: 1000 * min, max: 1000 * max }),
  );
/** What is shown of any secret is the one secret that is read back. */
const secret = fc.constant(new TextEncoder().encode(hidden));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

function callArbitrary(version: 2 | 3, placed: boolean): fc.Arbitrary<CallConfig> {
  const v2 = version === 2;
  return fc.record({
    name: placed ? name : fc.constantFrom("*", "office*", "55?0"),
    remoteEndId: placed ? fc.constantFrom("office", "5550", "\u00e9 x") : fc.constant(""),
    pseudowireType: v2
      ? fc.constant(PseudowireType.Ppp)
      : fc.constantFrom(PseudowireType.Ethernet, PseudowireType.Ppp),
    l2spec: fc.constant(v2 ? "none" as const : "default" as const),
    cookieSize: v2 ? fc.constant(0) : fc.constantFrom(0, 4, 8),
    sendSeq: fc.boolean(),
    recvSeq: fc.boolean(),
    reorderTimeoutMs: fc.constantFrom(0, 10, 60_000),
    restartAfterMs: fc.constantFrom(1, 1000, 60_000),
    restartRun: fc.constantFrom(1, 32, 1024),
    rateLimit: maybe(rateLimit),
    sourceCheck: maybe(sourceCheck),
    mssClamp: maybe(fc.constantFrom<("auto" | "off" | number)[]>("auto", "off", 64, 1400)),
    mtu: maybe(fc.integer({ min: 68, max: 0xffff })),
    tap: maybe(fc.constantFrom("tap0", "tap1", "tap2", "tap3")),
  }).map(({ mtu, rateLimit, sourceCheck, mssClamp, tap, ...call }) => ({
    ...call,
    ...(mtu !== undefined && { mtu }),
    ...(rateLimit && { rateLimit }),
    ...(sourceCheck && { sourceCheck }),
    ...(mssClamp !== undefined && { mssClamp }),
    ...(tap !== undefined && call.pseudowireType === PseudowireType.Ethernet &&
      { circuit: { plugin: "tap", options: { name: tap } } }),
  }));
}

const peerArbitrary: fc.Arbitrary<PeerConfig> = fc.constantFrom<2 | 3>(2, 3).chain((version) =>
  fc.record({
    name,
    addresses: fc.subarray(["10.0.0.1", "10.0.0.0/8", "fd77::/16", "::/0", "0.0.0.0/0"]),
    hostName: maybe(fc.constantFrom("*", "hq-*")),
    localHostName: maybe(fc.constantFrom("isp-a", "edge1")),
    keys: fc.constantFrom("none", "one", version === 3 ? "two" : "one"),
    digest: fc.constantFrom(0 as const, 1 as const),
    secret,
    settings: fc.record({
      version: fc.constant(version),
      fallback: version === 3 ? fc.boolean() : fc.constant(false),
      hideAvps: fc.constantFrom(false, true, "all" as const),
      tieBreaker: fc.boolean(),
      framing: fc.constant(3),
      bearer: fc.constant(0),
      receiveWindow: fc.integer({ min: 1, max: 1024 }),
      helloMs: fc.oneof(fc.constant(0), seconds(1, 86_400)),
      retransmitMs: seconds(1, 8),
      retransmitCapMs: seconds(8, 600),
      attempts: fc.integer({ min: 1, max: 100 }),
      establishMs: seconds(1, 3600),
      callMs: seconds(1, 3600),
      callLimit: fc.integer({ min: 4, max: 65_535 }),
    }),
    tunnelLimit: fc.integer({ min: 4, max: 65_535 }),
    accept: fc.uniqueArray(callArbitrary(version, false), {
      selector: (call) => `${call.name} ${call.pseudowireType}`,
      maxLength: 3,
    }),
  }).map(({ hostName, localHostName, keys, digest, secret, settings, ...peer }) => ({
    ...peer,
    ...(hostName !== undefined && { hostName }),
    ...(localHostName !== undefined && { localHostName }),
    settings: {
      ...settings,
      digest: version === 3 && keys !== "none" ? digest : 0,
      hideAvps: keys === "none" ? false : settings.hideAvps,
      ...(keys !== "none" && { secret }),
      ...(keys === "two" && { otherSecret: secret }),
    },
  }))
);

function tunnelArbitrary(peer: PeerConfig): fc.Arbitrary<ManagedTunnelConfig> {
  const { version } = peer.settings;
  const shape = fc.record({
    encap: version === 2 ? fc.constant("udp" as const) : fc.constantFrom("udp", "ip"),
    mode: fc.constantFrom("persistent", "on-demand", "passive"),
  });
  // The remotes below must be among the peer's addresses.
  const inReach = ["10.0.0.0/8", "0.0.0.0/0"].some((each) => peer.addresses.includes(each)) ||
    peer.addresses.length === 0;
  return shape.chain(({ encap, mode }) => {
    const port = encap === "ip" ? fc.constant(0) : fc.constantFrom(1701, 5000);
    const localPort = encap === "ip" ? fc.constant(0) : fc.constantFrom(0, 1701, 5000);
    const remote = fc.record({
      endpoint: fc.record({
        address: fc.constantFrom("10.0.0.1", "10.0.0.2", "lns.example.net"),
        port,
      }),
      preference: fc.integer({ min: 0, max: 65_535 }),
      weight: fc.integer({ min: 1, max: 65_535 }),
      denyMs: seconds(0, 86_400),
      denyResults: fc.subarray(["4", "2/4", "2/7", "10"]),
    });
    const dials = mode !== "passive" && inReach;
    return fc.record({
      name,
      peer: fc.constant(peer.name),
      mode: fc.constant(dials ? mode : "passive"),
      encap: fc.constant(encap),
      local: fc.record({
        address: dials ? fc.constantFrom("0.0.0.0", "10.0.0.9") : fc.constantFrom("::", "0.0.0.0"),
        port: localPort,
      }),
      remotes: dials
        ? fc.uniqueArray(remote, {
          selector: ({ endpoint }) => `${endpoint.address} ${endpoint.port}`,
          minLength: 1,
          maxLength: 3,
        })
        : fc.constant([]),
      calls: fc.uniqueArray(callArbitrary(version, true), {
        selector: (call) => call.name,
        maxLength: 4,
      }),
      freshPort: fc.boolean(),
      way: dials ? wayArbitrary : fc.constant({}),
    });
  }).map(({ way, ...tunnel }) => ({
    ...tunnel,
    ...way,
    freshPort: tunnel.freshPort && tunnel.encap === "udp" && tunnel.local.port === 1701,
  }));
}

/** The way that a dialed tunnel takes out of the host. */
const wayArbitrary = fc.record({
  df: fc.boolean(),
  mark: fc.integer({ min: 1, max: 0xffff_ffff }),
  device: fc.constantFrom("eth0", "vrf-blue"),
}, { requiredKeys: [] });

/** What a file says of control connections. Tunnels may have one name with those that are static, and calls a TAP. */
export const controlArbitrary: fc.Arbitrary<
  Pick<Config, "hostName" | "routerId" | "peers" | "managed">
> = fc.record({
  hostName: fc.constantFrom("edge1", "edge2.example"),
  routerId: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 0xffff_ffff })),
  peers: fc.uniqueArray(peerArbitrary, { selector: (peer) => peer.name, maxLength: 3 }),
}).chain(({ hostName, routerId, peers }) =>
  fc.record({
    hostName: fc.constant(hostName),
    routerId: fc.constant(routerId),
    peers: fc.constant(peers),
    managed: peers.length === 0
      ? fc.constant([])
      : fc.uniqueArray(fc.constantFrom(...peers).chain(tunnelArbitrary), {
        selector: (tunnel) => tunnel.name,
        maxLength: 3,
      }),
  })
);
