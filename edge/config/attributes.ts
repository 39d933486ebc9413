/**
 * The options of tunnels, sessions and calls, one row each, under the names that the kernel's L2TP netlink API gives them,
 * in kebab-case; those of peers are in `peer_attributes.ts`. The file, the admin API, the command line, the views and
 * the docs all follow from these rows: a new option is one row, and the code that makes it true.
 *
 * What two values must agree on is in `checks.ts`; addresses and checksums, which several attributes write together,
 * in `build.ts`.
 *
 * @module
 */

import { z } from "zod";
import { canonicalIp, ipVersion, parseIp } from "../../core/endpoint.ts";
import type { SessionId, TunnelId } from "../../core/ids.ts";
import { type ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import { keepalive, readKeepalive, showKeepalive } from "./keepalive.ts";
import { canonicalNetwork } from "./network.ts";
import {
  choice,
  flag,
  type Given,
  type Kind,
  numberOf,
  option,
  required,
  text,
  whole,
} from "./option.ts";

/** The largest `restart-after`, in milliseconds. */
export const maxRestartAfterMs = 60_000;
/** The largest `restart-run`. */
export const maxRestartRun = 1024;
/** The largest `reorder-timeout`, in milliseconds. */
export const maxReorderTimeoutMs = 60_000;
/** What `pw-type` may be written as, and the IANA number that each stands for. */
const pseudowireTypes: ReadonlyMap<string | number, PseudowireType> = new Map<
  string | number,
  PseudowireType
>([
  ["ethernet", PseudowireType.Ethernet],
  ["eth", PseudowireType.Ethernet],
  [PseudowireType.Ethernet, PseudowireType.Ethernet],
  ["ethernet-vlan", PseudowireType.EthernetVlan],
  ["eth-vlan", PseudowireType.EthernetVlan],
  ["vlan", PseudowireType.EthernetVlan],
  [PseudowireType.EthernetVlan, PseudowireType.EthernetVlan],
  ["ppp", PseudowireType.Ppp],
  [PseudowireType.Ppp, PseudowireType.Ppp],
]);

/** How `pw-type` is shown. */
export const pseudowireTypeNames = {
  [PseudowireType.EthernetVlan]: "ethernet-vlan",
  [PseudowireType.Ethernet]: "ethernet",
  [PseudowireType.Ppp]: "ppp",
} as const satisfies Readonly<Record<PseudowireType, string>>;

/** An id that no schema can tell from one of the other version: `checks.ts` does. */
function id<Id extends number>() {
  const read = (given: number) => given as Id;
  return { kind: { ...whole(1, 0xffff_ffff), placeholder: "ID" }, read };
}
const tunnelId = id<TunnelId>();
const sessionId = id<SessionId>();
const anId = "a number above 0";

/** 0, 4 or 8 bytes. */
const cookie = text(
  z.string({
    error: 'expected a quoted string of 8 or 16 hexadecimal digits, such as "00112233"',
  }).regex(/^(?:[0-9a-fA-F]{8}){0,2}$/, {
    error: "expected 8 or 16 hexadecimal digits (4 or 8 bytes)",
  }),
  "HEX|none",
);

const pwTypeError = "expected ethernet (5), ethernet-vlan (4) or ppp (7)";
/** Types of the kernel's header that nothing here carries, and why. */
const otherTypes: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ...(["ppp-ac", 8] as const).map((type) =>
    [type, "no RFC says what ppp-ac (8) carries; expected ppp (7), with pppoe at a LAC"] as const
  ),
  ...(["ip", 11] as const).map((type) =>
    [type, "no RFC says what ip (11) carries in L2TPv3; expected ethernet (5) or ppp (7)"] as const
  ),
]);
const pwType: Kind<string | number> = {
  schema: z.union([
    z.enum(["ethernet", "eth", "ethernet-vlan", "eth-vlan", "vlan", "ppp"]),
    numberOf([PseudowireType.EthernetVlan, PseudowireType.Ethernet, PseudowireType.Ppp]),
  ], { error: ({ input }) => otherTypes.get(input) ?? pwTypeError }),
  word: { as: "choice", words: ["ethernet", "ethernet-vlan", "ppp"] },
  placeholder: "ethernet|ethernet-vlan|ppp",
};

/** Kilobits a second: up to 4 Tbit/s. */
const rate = z.int().min(1).max(0xffff_ffff).exactOptional();
/** What a session may carry. */
export type RateLimit = {
  readonly rx?: number;
  readonly tx?: number;
  readonly burst?: number;
};
const rateLimit: Kind<RateLimit> = {
  schema: z.strictObject({
    rx: rate,
    tx: rate,
    burst: z.int().min(1).max(0xffff_ffff).exactOptional(),
  }, { error: "expected { rx, tx, burst }, such as { rx: 50000, tx: 10000 }" })
    .refine(({ rx, tx }) => rx !== undefined || tx !== undefined, "expected rx, tx or both"),
  word: { as: "yaml" },
  placeholder: "'{ rx: KBIT/S, tx: KBIT/S, burst: OCTETS }'",
};

/** Whose frames a peer may send; of a family that is not named while the other one is: none. */
export type SourceCheck = {
  readonly mac?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
};
const sourceCheck: Kind<SourceCheck> = {
  schema: z.strictObject({
    mac: z.string().regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, {
      error: "expected a MAC address such as 02:00:00:00:00:07",
    }).exactOptional(),
    ipv4: z.string().refine((text) => parseIp(text)?.length === 4, {
      error: "expected an IPv4 address",
    }).meta({ format: "ipv4" }).exactOptional(),
    ipv6: z.string().refine((text) => canonicalNetwork(text)?.includes(":") === true, {
      error: "expected an IPv6 address or network such as 2001:db8:7::/64",
    }).exactOptional(),
  }, { error: "expected { mac, ipv4, ipv6 }, such as { ipv4: 10.0.0.7 }" })
    .refine((given) => Object.keys(given).length > 0, "expected mac, ipv4 or ipv6"),
  word: { as: "yaml" },
  placeholder: "'{ mac: MAC, ipv4: ADDRESS, ipv6: PREFIX }'",
};

const mssClampError = "expected auto, off or a number of octets from 64 to 65495";
const mssClamp: Kind<number | "auto" | "off"> = {
  schema: z.union([
    z.enum(["auto", "off"]),
    z.int({ error: mssClampError }).min(64, { error: mssClampError })
      .max(65_495, { error: mssClampError }),
  ], { error: mssClampError }),
  word: { as: "yaml" },
  placeholder: "auto|OCTETS|off",
};

/** A default of each version. */
export const only = <Word>(v2: Word, v3: Word) => (version: ProtoVersion) =>
  version === 2 ? v2 : v3;

const dscp: Kind<number | "inherit"> = {
  schema: z.union([z.int().min(0).max(63), z.literal("inherit")], {
    error: "expected a whole number from 0 to 63, or inherit",
  }),
  word: { as: "yaml" },
  placeholder: "NUMBER|inherit",
};

const deviceName = z.string().regex(/^[^\s/:]{1,15}$/, {
  error: "expected the name of a network device, at most 15 characters",
});

/** What the outer headers of a tunnel's packets say. */
export const outerOptions = {
  dscp: option(dscp, {
    field: "dscp",
    help:
      "DSCP of the outer header, 0 to 63, or `inherit`: that of the IP packet inside (RFC 2474, RFC 2983)",
    default: undefined,
    otherwise: "0",
    change: "live",
  }),
  ttl: option(whole(1, 255), {
    field: "ttl",
    help: "TTL (IPv6: hop limit) of the outer header, 1 to 255",
    default: undefined,
    otherwise: "the kernel's",
    change: "live",
  }),
} as const;

/** The way that a tunnel's packets take out of this host. Of a tunnel that is up with a peer, another way is another connection. */
export const wayOptions = {
  df: option(flag(), {
    field: "df",
    help:
      "`true`: what the path does not carry whole is dropped as `too-long` (IPv4: DF is set); `false`: it may be fragmented anywhere on the way",
    default: undefined,
    otherwise: "this host fragments it, and learns the path's MTU",
    change: "live",
  }),
  mark: option(whole(1, 0xffff_ffff), {
    field: "mark",
    help:
      "the kernel's mark on what leaves (SO_MARK), for policy routing and IPsec; what comes must have it too (SO_RCVMARK). Marked datagrams are not grouped",
    default: undefined,
    otherwise: "none",
    change: "live",
  }),
  device: option(text(deviceName, "NAME"), {
    field: "device",
    help: "the network device or VRF that the tunnel is bound to",
    default: undefined,
    otherwise: "any",
    change: "live",
  }),
} as const;

/** What a tunnel has, whichever way its packets go. */
export const tunnelOptions = {
  "tunnel-id": option(tunnelId.kind, {
    field: "tunnelId",
    help:
      "this end's id, 1 to 4294967295 (version 2: 65535); no two tunnels share one (version 3: the Control Connection ID)",
    default: required,
    otherwise: anId,
    change: "identity",
    read: tunnelId.read,
  }),
  "peer-tunnel-id": option(tunnelId.kind, {
    field: "peerTunnelId",
    help: "the peer's id, in the same range",
    default: required,
    otherwise: anId,
    change: "live",
    read: tunnelId.read,
  }),
  "proto-version": option({
    schema: numberOf([2, 3], "expected 2 (RFC 2661) or 3 (RFC 3931)"),
    word: { as: "number" },
    placeholder: "2|3",
  }, {
    field: "version",
    help: "`3` (RFC 3931) or `2` (RFC 2661)",
    default: 3,
    change: "identity",
  }),
  "encap-type": option(choice(["udp", "ip"]), {
    field: "encap",
    fileKey: "encap",
    help: "`udp`, or `ip` (IP protocol 115; version 3 only)",
    default: "udp",
    change: "identity",
  }),
  ...outerOptions,
  ...wayOptions,
} as const;

/** What a session carries, and how: of static sessions and of calls. */
const payloadOptions = {
  "pw-type": option(pwType, {
    field: "pseudowireType",
    help:
      "what the pseudowire emulates: `ethernet` (also `eth`, `5`), `ethernet-vlan` (one VLAN of it, RFC 4719; also `vlan`, `4`) or `ppp` (`7`)",
    default: only(PseudowireType.Ppp, PseudowireType.Ethernet),
    otherwise: "`ethernet`; version 2, which has no other: `ppp`",
    change: "identity",
    read: (given): PseudowireType => pseudowireTypes.get(given)!,
    show: (type) => pseudowireTypeNames[type],
  }),
  "l2spec-type": option(choice(["none", "default"]), {
    field: "l2spec",
    help: "the L2-Specific Sublayer (RFC 3931 §4.6): `default` (4 bytes) or `none`; version 3 only",
    default: only<"none" | "default">("none", "default"),
    otherwise: "`default`",
    change: "live",
  }),
  "recv-seq": option(flag(), {
    field: "recvSeq",
    fileKey: "seq",
    help: "whether frames received without a sequence number are dropped",
    default: false,
    change: "live",
  }),
  "send-seq": option(flag(), {
    field: "sendSeq",
    fileKey: "seq",
    help: "whether frames are sent with sequence numbers",
    default: false,
    change: "live",
  }),
  "reorder-timeout": option({ ...whole(0, maxReorderTimeoutMs), placeholder: "MS" }, {
    field: "reorderTimeoutMs",
    help:
      "milliseconds that a frame waits for those before it, at most 60000; 0: late ones are dropped",
    default: 0,
    change: "live",
  }),
  "restart-after": option({ ...whole(1, maxRestartAfterMs), placeholder: "MS" }, {
    field: "restartAfterMs",
    help:
      "milliseconds without an expected sequence number, 1 to 60000, after which any is taken: the peer's numbering began anew",
    default: 1000,
    change: "live",
  }),
  "restart-run": option({ ...whole(1, maxRestartRun), placeholder: "FRAMES" }, {
    field: "restartRun",
    help:
      "so many old sequence numbers in a row, 1 to 1024, far before the expected one, show at once that the peer's numbering began anew",
    default: 32,
    change: "live",
  }),
  "rate-limit": option(rateLimit, {
    field: "rateLimit",
    help:
      "kilobits a second from (`rx`) and to (`tx`) the peer, and octets that may pass at once (`burst`): `{ rx: 50000, tx: 10000, burst: 65536 }`",
    default: undefined,
    otherwise: "no limit; `burst`: what passes in 50 milliseconds, at least 65536",
    change: "live",
  }),
  "source-check": option(sourceCheck, {
    field: "sourceCheck",
    help:
      "whose frames the peer may send: a `mac` address, an `ipv4` address (ARP's too), an `ipv6` prefix; of a family that is left out while the other is there: none. Others are counted as `source-mismatch`",
    default: undefined,
    otherwise: "anybody's",
    change: "live",
  }),
  "mss-clamp": option(mssClamp, {
    field: "mssClamp",
    help:
      "the largest segment that TCP may ask for through the session: `auto` (what fits the path), a number of octets from 64 to 65495, or `off`",
    default: undefined,
    otherwise: "`off`",
    change: "live",
  }),
  "address-control": option(choice(["keep", "add", "strip"]), {
    field: "addressControl",
    help:
      "whether PPP frames to the peer begin with an address and a control field, `FF 03` (RFC 1662 §3.2): as they come (`keep`), all (`add`) or none (`strip`)",
    default: undefined,
    otherwise: "`keep`",
    change: "live",
  }),
  "vlan-id": option({ ...whole(0, 4095), placeholder: "VID" }, {
    field: "vlanId",
    help:
      "the VLAN of an `ethernet-vlan` pseudowire at this end, 0 to 4095: frames from the peer get it, others are not sent",
    default: undefined,
    otherwise: "the id that frames have; those without a tag are dropped",
    change: "live",
  }),
  mtu: option({ ...whole(68, 0xffff), placeholder: "BYTES" }, {
    field: "mtu",
    help: "the largest payload, in bytes (68 to 65535), that the circuit sends into the pseudowire",
    default: undefined,
    otherwise: "worked out from the path",
    change: "live",
  }),
} as const;

/** What a session of a static tunnel has, apart from its circuit. */
export const sessionOptions = {
  "session-id": option(sessionId.kind, {
    field: "sessionId",
    help: "this end's id, 1 to 4294967295 (version 2: 65535); the peer's `peer-session-id`",
    default: required,
    otherwise: anId,
    change: "identity",
    read: sessionId.read,
  }),
  "peer-session-id": option(sessionId.kind, {
    field: "peerSessionId",
    help: "the peer's id, in the same range",
    default: required,
    otherwise: anId,
    change: "live",
    read: sessionId.read,
  }),
  cookie: option(cookie, {
    field: "cookie",
    help: "sent in every frame: 8 or 16 hexadecimal digits (4 or 8 bytes), quoted; version 3 only",
    default: "",
    otherwise: "none",
    change: "live",
    read: (given) => given.toLowerCase(),
  }),
  "peer-cookie": option(cookie, {
    field: "peerCookie",
    help: "what every frame received must carry, in the same form",
    default: "",
    otherwise: "none",
    change: "live",
    read: (given) => given.toLowerCase(),
  }),
  "peer-l2spec-type": option(choice(["none", "default"]), {
    field: "peerL2spec",
    help: "the L2-Specific Sublayer of what is received, where it differs; version 3 only",
    default: undefined,
    otherwise: "as `l2spec-type`",
    change: "live",
  }),
  "lns-mode": option(flag(), {
    field: "lnsMode",
    help:
      "`true`: this end decides whether numbers are sent (LNS); `false`: it follows what it receives (LAC)",
    default: false,
    change: "live",
  }),
  keepalive: option(keepalive, {
    field: "keepalive",
    help:
      "whom to probe inside the pseudowire: where nobody answers, the session is down, and its circuit's carrier with it; see below",
    default: undefined,
    otherwise: "none: the session is always up",
    change: "live",
    read: readKeepalive,
    show: showKeepalive,
  }),
  ...payloadOptions,
} as const;

/** What a call has, apart from its name and its circuit. */
export const callOptions = {
  "cookie-size": option({
    schema: numberOf([0, 4, 8], "expected 0, 4 or 8"),
    word: { as: "number" },
    placeholder: "0|4|8",
  }, {
    field: "cookieSize",
    help:
      "bytes of the random cookie that every frame received must carry: `0`, `4` or `8`; version 3 only",
    // Where it costs the operator nothing (RFC 3931 §8.2).
    default: only<0 | 4 | 8>(0, 8),
    otherwise: "`8`",
    change: "restart",
  }),
  ...payloadOptions,
} as const;

/** What JSON Schema says of an IPv6 address; its format has no zones (RFC 4291 §2.2). */
const withZone = [{ format: "ipv6" }, { pattern: "^[fF][eE]80:[^%]*%.+$" }];

function address(version: 4 | 6) {
  const error = version === 4
    ? "expected an IPv4 address such as 10.0.0.1"
    : "expected an IPv6 address such as fd77::1";
  return z.string({ error })
    .refine((given) => canonicalIp(given) !== undefined && ipVersion(given) === version, { error })
    .meta(version === 4 ? { format: "ipv4" } : { anyOf: withZone });
}

const port = whole(1, 0xffff).schema;
const bool = flag().schema;

/** Where a tunnel's packets go: schemas, for `build.ts` reads several of them together. */
export const endpointAttributes = {
  "ip-saddr": address(4).describe("The local IPv4 address; 0.0.0.0: the kernel chooses."),
  "ip-daddr": address(4).describe("The peer's IPv4 address."),
  "ip6-saddr": address(6).describe("The local IPv6 address; ::, the kernel chooses."),
  "ip6-daddr": address(6)
    .describe("The peer's IPv6 address; a link-local one carries its zone (%eth0)."),
  "udp-sport": port.describe("The local UDP port."),
  "udp-dport": port.describe("The peer's UDP port."),
  "udp-csum": bool.describe("Whether UDP checksums are sent over IPv4."),
  "udp-zero-csum6-tx": bool
    .describe("Whether UDP checksums are left out over IPv6 (RFC 6936)."),
  "udp-zero-csum6-rx": bool
    .describe("Whether UDP packets without a checksum are accepted over IPv6."),
} as const;

/** Names of tunnels and sessions stand beside their ids in URLs, so they never look like one. */
export const nameSchema: z.ZodType<string> = z.string({ error: "expected a name" })
  .regex(/^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
    error:
      "expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids",
  })
  .describe("The name of the tunnel, or of the session within its tunnel.");

/** A circuit as it is written: `{ <plugin>: <options> }`. */
export const circuitSchema: z.ZodType<Record<string, unknown>> = z.record(
  z.string(),
  z.unknown(),
  { error: "expected one plugin's name with its options, such as tap: { name: l2tp0 }" },
).refine((value) => Object.keys(value).length === 1, {
  error: "names none or several; expected exactly one plugin's name with its options",
}).describe("The attachment circuit: one plugin's name, and under it that plugin's options.");

/** What several attributes of a tunnel say together. */
type EndpointAttributes = {
  readonly [Name in keyof typeof endpointAttributes]?:
    | z.output<(typeof endpointAttributes)[Name]>
    | undefined;
};
/** A tunnel as attributes. */
export type TunnelAttributes = Given<typeof tunnelOptions> & EndpointAttributes;
/** A session as attributes, without its circuit. */
export type SessionAttributes = Given<typeof sessionOptions>;

/** A name that problems are told under. */
export type AttributeName =
  | keyof typeof tunnelOptions
  | keyof typeof endpointAttributes
  | keyof typeof sessionOptions
  | keyof typeof callOptions
  | "name"
  | "circuit";
