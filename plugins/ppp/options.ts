/** What the configuration says of PPP: the section `ppp:`, and the circuits' options. @module */

import { z } from "zod";
import { isIfname } from "../ethernet/options.ts";
import { type AddressLists, addressListSchema } from "./address_lists.ts";
import { isV6, parseAddress, parseNetwork } from "./addresses.ts";
import { parseRange } from "./pools.ts";

const name = z.string().regex(
  /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/,
  "must be a name of letters, digits, `-`, `_` and `.`",
);
const address = z.string().refine(
  (text) => parseAddress(text) !== undefined,
  "must be an IP address",
);
const address4 = address.refine((text) => !isV6(text), "must be an IPv4 address");
const network = z.string().refine(
  (text) => parseNetwork(text) !== undefined,
  "must be a network (`10.0.0.0/8`, `2001:db8::/32`)",
);
const seconds = z.int().min(1).max(31_536_000);
const bitsPerSecond = z.int().min(8000).max(1e12);
const method = z.enum(["pap", "chap-md5", "mschapv2"]);

/** One pool. */
export const poolSchema = z.strictObject({
  ranges: z.array(z.string()).min(1)
    .describe("Networks (`10.64.0.0/16`, `2001:db8:1000::/40`) and ranges (`10.1.0.10-10.1.0.99`)"),
  length: z.int().min(8).max(128).exactOptional()
    .describe("The length of the prefix that one gets; a single address where absent"),
  then: name.exactOptional().describe("The pool that is tried where this one is empty"),
}).superRefine(({ length, ranges }, context) => {
  const families = new Set(ranges.map((range) => isV6(range)));
  if (families.size > 1) {
    context.addIssue({ code: "custom", path: ["ranges"], message: "must be of one family" });
  }
  ranges.forEach((range, i) => {
    const parsed = parseRange(range, length ?? (isV6(range) ? 128 : 32));
    if (typeof parsed === "string") {
      context.addIssue({ code: "custom", path: ["ranges", i], message: parsed });
    }
  });
});

/** What a subscriber gets where RADIUS does not say otherwise. */
const profile = {
  pools: z.array(name).exactOptional().describe("IPv4 pools, tried in this order"),
  dns: z.array(address).max(8).exactOptional()
    .describe(
      "Name servers: two of IPv4 by IPCP, those of IPv6 by router advertisements and DHCPv6",
    ),
  nbns: z.array(address4).max(2).exactOptional().describe("NetBIOS name servers, by IPCP"),
  search: z.array(z.string().min(1).max(253)).max(8).exactOptional()
    .describe("Domains to search, by router advertisements and DHCPv6"),
  "ipv6-pool": name.exactOptional()
    .describe("The pool of /64 prefixes that router advertisements announce, one a subscriber"),
  "ipv6-address-pool": name.exactOptional().describe(
    "The pool of single IPv6 addresses, by DHCPv6",
  ),
  "delegated-pool": name.exactOptional().describe("The pool of prefixes that DHCPv6 delegates"),
  "rate-up": bitsPerSecond.exactOptional().describe("From the subscriber, in bits a second"),
  "rate-down": bitsPerSecond.exactOptional().describe("To the subscriber, in bits a second"),
  "idle-timeout": seconds.exactOptional().describe(
    "Seconds without data, after which a session ends",
  ),
  "session-timeout": seconds.exactOptional().describe("Seconds, after which a session ends"),
  quota: z.int().min(1).exactOptional().describe(
    "Octets of data, both ways, after which a session ends",
  ),
  mtu: z.int().min(576).max(65535).exactOptional().describe(
    "Octets of the largest packet to the subscriber",
  ),
  dscp: z.int().min(0).max(63).exactOptional().describe(
    "The DSCP that packets from the subscriber get",
  ),
  "address-lists": z.array(z.string().min(1)).max(8).exactOptional()
    .describe(
      "Address lists of the section that the subscriber's addresses are put into, or an nftables set itself for its IPv4 address (`inet filter walled`)",
    ),
};

/** A profile. */
export const profileSchema = z.strictObject(profile);
/** What a subscriber gets. */
export type Profile = z.infer<typeof profileSchema>;

/** The section's schema, without what authentication adds. */
export const sectionShape = {
  pools: z.record(name, poolSchema).default({}).describe(
    "Pools of addresses and prefixes, by name",
  ),
  profiles: z.record(name, profileSchema).default({})
    .describe("What subscribers get, by name; RADIUS, a realm or a peer chooses one"),
  "address-lists": z.record(name, addressListSchema).default({})
    .describe("nftables sets by names that profiles, users and RADIUS (Filter-Id) give"),
  "max-sessions": z.int().min(1).default(262_144).describe("Sessions of all terminations together"),
  "max-starting": z.int().min(1).default(4096)
    .describe("Sessions that have not authenticated yet; more calls are refused"),
};

/** A TUN device. */
export const tunSchema = z.strictObject({
  name: z.string().refine(isIfname, "must be an interface name of at most 15 bytes")
    .describe("The TUN device; one that is there is adopted"),
  mtu: z.int().min(576).max(65535).exactOptional().describe("Octets of its largest packet"),
  netns: z.string().regex(/^(?!\.{1,2}$)[^/\s\0]{1,255}$/, "must be a network namespace's name")
    .exactOptional().describe("The named network namespace that it lives in"),
  vrf: z.string().refine(isIfname, "must be a VRF device's name of at most 15 bytes")
    .exactOptional().describe("The VRF device whose tables its packets are routed by"),
  routes: z.array(network).exactOptional()
    .describe("Networks that are routed to it, beside those of the termination's pools"),
});

const echo = {
  "echo-interval": z.int().min(0).max(3600).default(30)
    .describe("Seconds between LCP Echo-Requests; 0: none"),
  "echo-failures": z.int().min(1).max(100).default(3)
    .describe("So many without an answer, and without data, end a session"),
  mru: z.int().min(576).max(65535).default(1500)
    .describe("Octets of the largest packet that we take"),
};

/** A termination. */
export const terminateSchema = z.strictObject({
  tun: tunSchema.describe("The device that subscribers' packets come and go by"),
  address: address4.describe("Our own IPv4 address, on the TUN and in IPCP"),
  name: z.string().min(1).max(64).default("isthmus")
    .describe("What we call ourselves in a CHAP challenge"),
  authenticate: z.array(method).default(["mschapv2", "chap-md5", "pap"])
    .describe("How subscribers prove who they are, the best first; empty: they need not"),
  "chap-interval": z.int().min(0).max(604_800).default(0).describe(
    "Seconds until a subscriber that proved itself by CHAP has to prove it again, a quarter more or less (RFC 1994 §2); 0: never",
  ),
  profile: name.exactOptional().describe("What subscribers get where nobody chooses otherwise"),
  "peer-profiles": z.record(z.string(), name).default({})
    .describe("Profiles by what the peer (the LAC) calls itself"),
  "realm-profiles": z.record(z.string(), name).default({})
    .describe("Profiles by what stands after the `@` of the user's name"),
  ...profile,
  ipv6: z.boolean().default(true).describe("Whether IPv6 is negotiated"),
  "ipv6-lifetime": z.int().min(60).max(0xffff_fffe).default(7200).describe(
    "Seconds that IPv6 prefixes and addresses are valid; they are preferred for half of that, and renewed at a quarter",
  ),
  "proxy-lcp": z.enum(["use", "check", "anew"]).default("use").describe(
    "What is made of LCP and authentication that the LAC has done: `use` both; `check`: keep LCP and ask the subscriber for proof ourselves; `anew`: neither",
  ),
  "sessions-per-user": z.enum(["allow", "replace", "deny"]).default("allow")
    .describe("A second session of a user: allowed, in place of the first, or refused"),
  "max-sessions": z.int().min(1).exactOptional().describe("Sessions of this termination"),
  "max-new-per-second": z.int().min(1).exactOptional()
    .describe("New sessions a second from one peer; more calls are refused"),
  "clamp-mss": z.boolean().default(true).describe(
    "Whether TCP's MSS is lowered to what the MRU carries",
  ),
  "source-check": z.boolean().default(true)
    .describe("Whether packets from a subscriber must be from its own addresses"),
  ...echo,
});

/** A client. */
export const clientShape = {
  tun: tunSchema.omit({ routes: true }).describe("The device that is the link's end"),
  user: z.string().min(1).max(255).describe("Who we say to be"),
  secret: z.string().min(1).max(255).exactOptional().describe("The password, or CHAP's secret"),
  "secret-file": z.string().min(1).exactOptional().describe(
    "A file whose first line is the secret",
  ),
  authenticate: z.array(method).default(["mschapv2", "chap-md5", "pap"])
    .describe("How we are ready to prove who we are, the best first"),
  address: address4.exactOptional().describe("The IPv4 address that we ask for"),
  "default-route": z.boolean().default(false).describe("Whether all is routed to the link"),
  routes: z.array(network).default([]).describe(
    "Networks that are routed to the link. The other end's own address is not, unless it is among them: it may be where the tunnel goes",
  ),
  metric: z.int().min(0).max(0xffff_ffff).exactOptional().describe("The metric of these routes"),
  dns: z.boolean().default(true)
    .describe(
      "Whether name servers are asked for; the hook `ip-up` gets them as `DNS1` and `DNS2`",
    ),
  ipv6: z.boolean().default(true).describe("Whether IPv6 is negotiated"),
  "prefix-delegation": z.boolean().default(false)
    .describe("Whether a prefix is asked for by DHCPv6; the hook `ipv6-up` gets it"),
  "clamp-mss": z.boolean().default(true).describe(
    "Whether TCP's MSS is lowered to what the MRU carries",
  ),
  ...echo,
};

const client = z.strictObject(clientShape).refine(
  ({ secret, "secret-file": file }) => (secret === undefined) !== (file === undefined),
  {
    message: "needs a secret or a secret-file, and not both",
    path: ["secret"],
  },
);

/** A circuit's options: one of the two. */
export const pppOptions = z.strictObject({
  terminate: terminateSchema.exactOptional().describe("Subscribers' links end here, on one TUN"),
  client: client.exactOptional().describe("We are the subscriber, with a TUN of our own"),
}).refine((options) => (options.terminate === undefined) !== (options.client === undefined), {
  message: "needs `terminate` or `client`, and not both",
});

/** A circuit's options. */
export type PppOptions = z.infer<typeof pppOptions>;
/** Options of a termination. */
export type TerminateOptions = z.infer<typeof terminateSchema>;
/** Options of a client. */
export type ClientOptions = z.infer<typeof client>;
/** The pools of the section. */
export type PoolsSection = Readonly<Record<string, z.infer<typeof poolSchema>>>;
/** The section's own part. */
export interface PppSection {
  readonly pools: PoolsSection;
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly "address-lists": AddressLists;
  readonly "max-sessions": number;
  readonly "max-starting": number;
}
