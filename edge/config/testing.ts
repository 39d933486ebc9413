/** What the configuration's tests share: plugins, a good file, and arbitrary good configurations. @module */

import fc from "fast-check";
import { z } from "zod";
import type { SessionId, TunnelId } from "../../core/ids.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import { Failure } from "../../plugins/failure.ts";
import type { Offload, Plugin } from "../../plugins/plugin.ts";
import type { CallConfig, Config, Listener, SessionConfig, TunnelConfig } from "./model.ts";
import { controlArbitrary, rateLimit, sourceCheck } from "./control_testing.ts";
import { parseConfig } from "./parse.ts";
import { ConfigError } from "./problem.ts";

const start = (): never => {
  throw new Failure("unavailable", "these plugins only check options");
};

const tapOptions = z.strictObject({
  name: z.string().max(15),
  addresses: z.array(z.string()).optional(),
});

const tap: Plugin<z.output<typeof tapOptions>> = {
  name: "tap",
  summary: "Ethernet, one claim",
  pseudowireTypes: [PseudowireType.Ethernet],
  options: tapOptions,
  claims: ({ name }) => [`TAP ${name}`],
  start,
};

const pppOptions = z.strictObject({
  user: z.string().regex(/^\w+$/),
  password: z.string().min(8),
  retries: z.int().min(0).max(5).default(3),
  mode: z.enum(["pap", "chap"]).optional(),
  routes: z.array(z.strictObject({ to: z.ipv4(), metric: z.number().optional() })).optional(),
}).refine(({ user, password }) => user !== password, { error: "the password is the user's name" });

const ppp: Plugin<z.output<typeof pppOptions>> = {
  name: "ppp-login",
  summary: "PPP, a secret among its options",
  pseudowireTypes: [PseudowireType.Ppp],
  options: pppOptions,
  start,
};

/** A plugin of each kind. */
export const plugins: readonly Plugin[] = [tap, ppp];

/** Parses as `f.yaml`. */
export function parse(text: string, readFile?: (path: string) => string): Config {
  return parseConfig(text, {
    file: "f.yaml",
    plugins,
    defaults: { hostName: "edge1" },
    ...(readFile && { readFile }),
  });
}

/** The lines of the error that `text` leads to, none where it is good, without the file's name. */
export function errors(text: string, readFile?: (path: string) => string): string[] {
  try {
    parse(text, readFile);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n").map((line) => line.replace(/^f\.yaml:/, ""));
  }
}

/** A file that says something about everything. */
export const goodText =
  `listen: [{ udp: "0.0.0.0:1701" }, { ip: "0.0.0.0" }, { udp: "[::]:1701" }, { ip: "::" }]
admin: { listen: "127.0.0.1:8701", token: abcdefabcdefabcdef }
log: { level: debug, format: json }
tunnels:
  branch:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    encap: udp
    local: 10.77.0.1:1701
    remote: 10.77.0.2:1701
    sessions:
      office:
        session-id: 11
        peer-session-id: 12
        cookie: "0011223344556677"
        peer-cookie: "8899AABBCCDDEEFF"
        seq: both
        mtu: 1400
        circuit: { tap: { name: office0, addresses: [192.168.7.1/24] } }
  old:
    static: { tunnel-id: 0x11, peer-tunnel-id: 2 }
    proto-version: 2
    remote: fd77:0::2
    sessions:
      dial:
        session-id: 11
        peer-session-id: 12
        lns-mode: true
        reorder-timeout: 50
        circuit: { ppp-login: { user: ann, password: correct-horse } }
  to-hq:
    peer: hq
    mode: on-demand
    local: 10.77.0.1:0
    remote: [{ address: 10.77.0.2, weight: 2 }, { address: 10.77.9.9:1702, preference: 5 }]
    sessions:
      shop: { remote-end-id: shop-7, seq: send, circuit: { tap: { name: shop0 } } }
  dialed: { peer: lac, mode: passive }
host-name: edge1.example
router-id: 10.77.0.1
peers:
  hq:
    address: [10.77.0.2/32, 10.77.0.0/16]
    host-name: "hq-*"
    secret: battery-staple
    other-secret: old-staple
    digest: sha1
    hide-avps: true
    hello: 2.5
    accept:
      - { name: "office*", cookie-size: 4, circuit: { tap: { name: office1 } } }
      - { pw-type: ppp }
  lac: { proto-version: 2, tie-breaker: false }
`;

const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,5}$/);
const id = (max: number) => fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max }));
const cookie = fc.constantFrom("", "00112233", "8899aabbccddeeff");
const address = fc.constantFrom("10.0.0.1", "10.0.0.2", "192.168.1.1");

const listener: fc.Arbitrary<Listener> = fc.oneof(
  fc.record({
    encap: fc.constant("udp" as const),
    address: fc.oneof(address, fc.constant("fd77::1")),
    port: fc.constantFrom(1701, 1702, 65535),
  }),
  fc.record({ encap: fc.constant("ip" as const), address, port: fc.constant(0) }),
);

function sessionArbitrary(version: 2 | 3): fc.Arbitrary<SessionConfig> {
  const max = version === 2 ? 0xffff : 0xffff_ffff;
  return fc.record({
    name,
    sessionId: id(max).map((value) => value as SessionId),
    peerSessionId: id(max).map((value) => value as SessionId),
    pseudowireType: version === 2
      ? fc.constant(PseudowireType.Ppp)
      : fc.constantFrom(PseudowireType.Ethernet, PseudowireType.Ppp),
    l2spec: fc.constant(version === 2 ? "none" as const : "default" as const),
    cookie: version === 2 ? fc.constant("") : cookie,
    peerCookie: version === 2 ? fc.constant("") : cookie,
    sendSeq: fc.boolean(),
    recvSeq: fc.boolean(),
    lnsMode: fc.boolean(),
    reorderTimeoutMs: fc.constantFrom(0, 10, 60_000),
    restartAfterMs: fc.constantFrom(1, 1000, 60_000),
    restartRun: fc.constantFrom(1, 32, 1024),
    rateLimit: fc.option(rateLimit, { nil: undefined }),
    sourceCheck: fc.option(sourceCheck, { nil: undefined }),
    mssClamp: fc.option(fc.constantFrom<("auto" | "off" | number)[]>("auto", "off", 64, 1400), {
      nil: undefined,
    }),
    mtu: fc.option(fc.integer({ min: 68, max: 0xffff }), { nil: undefined }),
    tap: fc.option(fc.stringMatching(/^[a-z]{1,15}$/), { nil: undefined }),
  }).map(({ mtu, rateLimit, sourceCheck, mssClamp, tap, ...session }) => ({
    ...session,
    ...(mtu !== undefined && { mtu }),
    ...(rateLimit && { rateLimit }),
    ...(sourceCheck && { sourceCheck }),
    ...(mssClamp !== undefined && { mssClamp }),
    ...(tap !== undefined && session.pseudowireType === PseudowireType.Ethernet &&
      { circuit: { plugin: "tap", options: { name: tap } } }),
  }));
}

const tunnelArbitrary: fc.Arbitrary<TunnelConfig> = fc.constantFrom<
  readonly [2 | 3, "udp" | "ip"]
>([2, "udp"], [3, "udp"], [3, "ip"])
  .chain(([version, encap]) => {
    const max = version === 2 ? 0xffff : 0xffff_ffff;
    const port = encap === "ip" ? fc.constant(0) : fc.constantFrom(1701, 5000);
    const endpoint = fc.record({ address, port });
    return fc.record({
      name,
      version: fc.constant(version),
      tunnelId: id(max).map((value) => value as TunnelId),
      peerTunnelId: id(max).map((value) => value as TunnelId),
      encap: fc.constant(encap),
      local: endpoint,
      remote: endpoint,
      checksum: fc.record({
        udp: encap === "ip" ? fc.constant(false) : fc.boolean(),
        zero6Tx: fc.constant(false),
        zero6Rx: fc.constant(false),
      }),
      sessions: fc.uniqueArray(sessionArbitrary(version), { selector: (s) => s.name, maxLength: 4 })
        .map((sessions) => unique(sessions, ({ sessionId }) => sessionId)),
    });
  });

/** Good configurations: those that some file says. They share names and ids often. */
export const configArbitrary: fc.Arbitrary<Config> = fc.record({
  listen: fc.array(listener, { maxLength: 3 })
    .map((all) => unique(all, ({ encap, address, port }) => `${encap} ${address} ${port}`)),
  admin: fc.constantFrom(
    // Tokens are not shown, so that they cannot be read again.
    { listen: { path: "/run/isthmus/admin.sock" }, tokens: [] },
    { listen: { path: "/run/isthmus.sock" }, tokens: [] },
  ),
  log: fc.record({
    level: fc.constantFrom("debug", "info", "warn", "error"),
    format: fc.constantFrom("text", "json"),
  }),
  offload: fc.option(
    fc.constantFrom<Offload>({ vnet: false }, { gso: true, gro: false }),
    { nil: undefined },
  ),
  tunnels: fc.uniqueArray(tunnelArbitrary, { selector: (tunnel) => tunnel.name, maxLength: 4 }),
  control: controlArbitrary,
}).map(({ control, offload, ...config }): Config => {
  const tunnels = distinct(unique(config.tunnels, ({ tunnelId }) => tunnelId));
  const names = new Set(tunnels.map((tunnel) => tunnel.name));
  const taps = new Set(
    tunnels.flatMap(({ sessions }) => sessions.map(({ circuit }) => JSON.stringify(circuit))),
  );
  const peers = control.peers
    .map((peer) => ({ ...peer, accept: peer.accept.filter((call) => free(call, taps)) }));
  const managed = control.managed.filter((tunnel) => !names.has(tunnel.name))
    .map((tunnel) => ({ ...tunnel, calls: tunnel.calls.filter((call) => free(call, taps)) }));
  const optional = offload && { offload };
  const others = {
    plugins: [],
    sections: {},
    circuits: [{ name: "lan", plugin: "tap", options: { name: "lan0" } }],
    hooks: { "session-up": ["/bin/true", "up"] },
    stateFolder: "/var/lib/isthmus",
  };
  return structuredClone({
    ...config,
    ...optional,
    ...control,
    ...others,
    peers,
    tunnels,
    managed,
  });
});

/** Whether a call's TAP is its own; it is taken from then on. */
function free({ circuit }: CallConfig, taken: Set<string>): boolean {
  const key = JSON.stringify(circuit);
  if (!circuit || !taken.has(key)) {
    taken.add(key);
    return true;
  }
  return false;
}

function unique<T>(items: readonly T[], key: (item: T) => unknown): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

/** Leaves out the later one of two sessions that share a TAP, or a v3 session id between the same endpoints. */
function distinct(tunnels: readonly TunnelConfig[]): TunnelConfig[] {
  const taken = new Set<string>();
  return tunnels.map((tunnel) => ({
    ...tunnel,
    sessions: tunnel.sessions.filter((session) => {
      const { encap, local, remote, version } = tunnel;
      const claims = [
        JSON.stringify(version === 2 ? tunnel.name : [encap, local, remote]) + session.sessionId,
        ...(session.circuit ? [JSON.stringify(session.circuit.options)] : []),
      ];
      if (claims.some((claim) => taken.has(claim))) return false;
      claims.forEach((claim) => taken.add(claim));
      return true;
    }),
  }));
}
