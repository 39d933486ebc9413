/**
 * The attributes of tunnels and sessions under the names that the kernel's L2TP netlink API gives them, in kebab-case:
 * one zod schema each, shared by the configuration file and the admin API.
 *
 * The schemas check one value by itself and change nothing; what two values must agree on is in `checks.ts`, how
 * attributes become a {@linkcode TunnelConfig} or {@linkcode SessionConfig} (with all defaults) in `build.ts`.
 *
 * @module
 */

import { z } from "zod";
import { canonicalIp, ipVersion } from "../../core/endpoint.ts";
import { PseudowireType } from "../../core/pseudowire.ts";

/** The largest `reorder-timeout`, in milliseconds. */
export const maxReorderTimeoutMs = 60_000;

/** What `pw-type` may be written as, and the IANA number that each stands for. */
export const pseudowireTypes: ReadonlyMap<string | number, PseudowireType> = new Map<
  string | number,
  PseudowireType
>([
  ["ethernet", PseudowireType.Ethernet],
  ["eth", PseudowireType.Ethernet],
  [PseudowireType.Ethernet, PseudowireType.Ethernet],
  ["ppp", PseudowireType.Ppp],
  [PseudowireType.Ppp, PseudowireType.Ppp],
]);

/** How `pw-type` is shown. */
export const pseudowireTypeNames: Readonly<Record<PseudowireType, string>> = {
  [PseudowireType.EthernetVlan]: "ethernet-vlan",
  [PseudowireType.Ethernet]: "ethernet",
  [PseudowireType.Ppp]: "ppp",
};

/** Names of tunnels and sessions stand beside their ids in URLs, so they never look like one. */
const namePattern = /^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** 0, 4 or 8 bytes. */
const cookiePattern = /^(?:[0-9a-fA-F]{8}){0,2}$/;
/** A network device's name, as the kernel allows it (dev_valid_name): 1 to 15 bytes, no `/`, `:` or white space. */
const ifnamePattern = /^(?!\.{1,2}$)[!-.0-9;-~]{1,15}$/;

function integer(min: number, max: number, description: string) {
  return z.int({ error: `expected a whole number from ${min} to ${max}` })
    .min(min, { error: `expected a number from ${min} to ${max}` })
    .max(max, { error: `expected a number from ${min} to ${max}` })
    .describe(description);
}

const id = (description: string) => integer(1, 0xffff_ffff, description);

const flag = (description: string) =>
  z.boolean({ error: "expected true or false" }).describe(description);

function address(version: 4 | 6, description: string) {
  const error = version === 4
    ? "expected an IPv4 address such as 10.0.0.1"
    : "expected an IPv6 address such as fd77::1";
  return z.string({ error })
    .refine((text) => canonicalIp(text) !== undefined && ipVersion(text) === version, { error })
    .describe(description);
}

const cookie = (description: string) =>
  z.string({
    error: 'expected a quoted string of 8 or 16 hexadecimal digits, such as "00112233"',
  })
    .regex(cookiePattern, { error: "expected 8 or 16 hexadecimal digits (4 or 8 bytes)" })
    .describe(description);

/** Every attribute's schema, by its name. */
export const attributes = {
  name: z.string({ error: "expected a name" })
    .regex(namePattern, {
      error:
        "expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids",
    })
    .describe("The name of the tunnel, or of the session within its tunnel."),

  "tunnel-id": id(
    "The tunnel's id at this end (v2: 16 bits; v3: the Control Connection ID, 32 bits). Never 0.",
  ),
  "peer-tunnel-id": id("The tunnel's id at the peer."),
  "proto-version": z.literal([2, 3], {
    error: "expected 2 (RFC 2661) or 3 (RFC 3931)",
  }).describe("The L2TP version: 2 (RFC 2661) or 3 (RFC 3931)."),
  "encap-type": z.enum(["udp", "ip"], { error: "expected udp or ip" })
    .describe("How the tunnel travels: over UDP, or straight on IP as protocol 115 (v3 only)."),
  "ip-saddr": address(4, "The local IPv4 address; 0.0.0.0: the kernel chooses."),
  "ip-daddr": address(4, "The peer's IPv4 address."),
  "ip6-saddr": address(6, "The local IPv6 address; ::, the kernel chooses."),
  "ip6-daddr": address(6, "The peer's IPv6 address; a link-local one carries its zone (%eth0)."),
  "udp-sport": integer(1, 0xffff, "The local UDP port."),
  "udp-dport": integer(1, 0xffff, "The peer's UDP port."),
  "udp-csum": flag("Whether UDP checksums are sent over IPv4."),
  "udp-zero-csum6-tx": flag("Whether UDP checksums are left out over IPv6 (RFC 6936)."),
  "udp-zero-csum6-rx": flag("Whether UDP packets without a checksum are accepted over IPv6."),

  "session-id": id("The session's id at this end (v2: 16 bits; v3: 32 bits). Never 0."),
  "peer-session-id": id("The session's id at the peer."),
  "pw-type": z.union(
    [z.enum(["ethernet", "eth", "ppp"]), z.literal([PseudowireType.Ethernet, PseudowireType.Ppp])],
    { error: "expected ethernet (5) or ppp (7)" },
  ).describe("What the pseudowire emulates: ethernet (IANA type 5) or ppp (7)."),
  "l2spec-type": z.enum(["none", "default"], { error: "expected none or default" })
    .describe("The L2-Specific Sublayer (RFC 3931 §4.6): none, or default (4 bytes). v3 only."),
  cookie: cookie("The cookie in every frame sent: 8 or 16 hexadecimal digits. v3 only."),
  "peer-cookie": cookie("The cookie that every frame received must carry. v3 only."),
  "recv-seq": flag("Whether received frames without a sequence number are dropped."),
  "send-seq": flag("Whether frames are sent with sequence numbers."),
  "lns-mode": flag(
    "Whether this end decides about sequence numbers (LNS); otherwise it follows what it receives (LAC).",
  ),
  "reorder-timeout": integer(
    0,
    maxReorderTimeoutMs,
    "Milliseconds that a frame waits for those before it; 0: never wait, drop what is late.",
  ),
  ifname: z.string({ error: "expected the name of a network device" })
    .regex(ifnamePattern, {
      error: "expected the name of a network device: 1 to 15 characters, no slash, colon or space",
    })
    .describe("The network device of the session's circuit."),
  mtu: integer(
    68,
    0xffff,
    "The largest payload, in bytes, that the circuit sends into the pseudowire.",
  ),
  circuit: z.record(
    z.string(),
    z.unknown(),
    { error: "expected one plugin's name with its options, such as tap: { name: l2tp0 }" },
  )
    .refine((value) => Object.keys(value).length === 1, {
      error: "names none or several; expected exactly one plugin's name with its options",
    })
    .describe("The attachment circuit: one plugin's name, and under it that plugin's options."),
} as const;

/** An attribute's name. */
export type AttributeName = keyof typeof attributes;

/** The values of some attributes; those not given get their defaults. */
export type Attributes<Name extends AttributeName> = {
  readonly [Key in Name]?: z.output<(typeof attributes)[Key]> | undefined;
};

/** What a tunnel can be made from. */
export const tunnelAttributeNames = [
  "tunnel-id",
  "peer-tunnel-id",
  "proto-version",
  "encap-type",
  "ip-saddr",
  "ip-daddr",
  "ip6-saddr",
  "ip6-daddr",
  "udp-sport",
  "udp-dport",
  "udp-csum",
  "udp-zero-csum6-tx",
  "udp-zero-csum6-rx",
] as const satisfies readonly AttributeName[];

/** What a session can be made from, apart from its circuit. */
export const sessionAttributeNames = [
  "session-id",
  "peer-session-id",
  "pw-type",
  "l2spec-type",
  "cookie",
  "peer-cookie",
  "recv-seq",
  "send-seq",
  "lns-mode",
  "reorder-timeout",
  "mtu",
] as const satisfies readonly AttributeName[];

/** A tunnel as attributes. */
export type TunnelAttributes = Attributes<(typeof tunnelAttributeNames)[number]>;
/** A session as attributes, without its circuit. */
export type SessionAttributes = Attributes<(typeof sessionAttributeNames)[number]>;
