/** A file of users, for `local`: YAML, a name and what is known of it. @module */

import { z } from "zod";
import { canonicalIp, parseIp } from "../../../core/endpoint.ts";
import { parseDocument } from "../../yaml.ts";
import type { Grant } from "./authenticator.ts";
import { parsePrefix } from "./radius/routes.ts";
import { parseScrypt, type UserSecret } from "./secrets.ts";

const name = z.string().min(1).max(64);
const address4 = z.string().refine(
  (text) => parseIp(text)?.length === 4,
  "must be an IPv4 address, or `pool` or `client`",
);
const address6 = z.string().refine(
  (text) => parseIp(text)?.length === 16,
  "must be an IPv6 address",
);
const prefix = z.string().refine((text) => parsePrefix(text) !== undefined, "must be a prefix");
const rate = z.union([
  z.int().positive(),
  z.strictObject({
    "bits-per-second": z.int().positive(),
    "burst-octets": z.int().positive().optional(),
  }),
]);
const octets = z.int().positive();

/** What a user has. */
export const userShape = {
  password: z.string().max(256).exactOptional()
    .describe("The password in clear: it serves PAP, CHAP-MD5 and MS-CHAPv2"),
  "nt-hash": z.string().regex(/^[\da-f]{32}$/i, "must have 32 hexadecimal digits").exactOptional()
    .describe(
      "Its NT hash: it serves PAP and MS-CHAPv2, and is as good as the password to a thief",
    ),
  scrypt: z.string().refine((text) => parseScrypt(text), "must be scrypt:COST:SALT:HASH")
    .exactOptional().describe("A salted hash (`scrypt:14:SALT:HASH`): it serves PAP alone"),
  disabled: z.boolean().exactOptional().describe("The user may not come in"),
  profile: name.exactOptional().describe("The user's profile"),
  address: z.union([z.enum(["pool", "client"]), address4]).exactOptional()
    .describe("An IPv4 address; `pool`: one of a pool's; `client`: what the subscriber asks for"),
  pools: z.array(name).max(16).exactOptional().describe("IPv4 pools, tried in this order"),
  routes: z.array(prefix).max(64).exactOptional().describe("Networks behind the subscriber"),
  "ipv6-prefixes": z.array(prefix).max(16).exactOptional()
    .describe("Prefixes for router advertisements"),
  "ipv6-pool": name.exactOptional().describe("The pool of such a prefix"),
  "ipv6-addresses": z.array(address6).max(16).exactOptional().describe("Addresses by DHCPv6"),
  "ipv6-address-pool": name.exactOptional().describe("The pool of such an address"),
  "delegated-prefixes": z.array(prefix).max(16).exactOptional()
    .describe("Prefixes that DHCPv6 delegates"),
  "delegated-pool": name.exactOptional().describe("The pool of such a prefix"),
  dns: z.array(z.string().refine((text) => canonicalIp(text), "must be an address")).max(8)
    .exactOptional().describe("Name servers of both families"),
  mtu: z.int().min(64).max(65535).exactOptional()
    .describe("Octets of the largest packet to the subscriber"),
  "rate-up": rate.exactOptional()
    .describe("From the subscriber: bits a second, or `{ bits-per-second: …, burst-octets: … }`"),
  "rate-down": rate.exactOptional().describe("To the subscriber, likewise"),
  "session-timeout-s": z.int().positive().exactOptional()
    .describe("Seconds, after which a session ends"),
  "idle-timeout-s": z.int().positive().exactOptional()
    .describe("Seconds without data, after which a session ends"),
  "quota-up": octets.exactOptional().describe("Octets from the subscriber, after which it ends"),
  "quota-down": octets.exactOptional().describe("Octets to the subscriber, likewise"),
  "quota-total": octets.exactOptional().describe("Octets both ways, likewise"),
  filters: z.array(name).max(64).exactOptional()
    .describe("nftables sets that the subscriber's addresses are put into"),
  "port-limit": z.int().positive().exactOptional()
    .describe("Sessions that the user may have at once"),
};

const userSchema = z.strictObject(userShape).refine(
  ({ password, scrypt, "nt-hash": nt }) =>
    [password, scrypt, nt].filter((one) => one !== undefined).length === 1,
  "needs one of password, scrypt and nt-hash",
);

const usersSchema = z.record(z.string().min(1).max(253), userSchema);

/** A user. */
export interface User {
  readonly secret: UserSecret;
  readonly disabled: boolean;
  readonly grant: Grant;
}

/** Reads a file of users. @throws {Error} that says where it is wrong; of secrets it says nothing */
export function parseUsers(text: string): ReadonlyMap<string, User> {
  const document = parseDocument(text);
  const [wrong] = document.errors;
  // Its message goes on with the line itself, where secrets are.
  if (wrong) throw new Error(wrong.message.split("\n")[0]!.replace(/:$/, ""));
  const read = usersSchema.safeParse(document.toJS() ?? {});
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new Error(`${issue!.path.join(".")}: ${issue!.message}`);
  }
  return new Map(Object.entries(read.data).map(([name, user]) => [name, userOf(name, user)]));
}

function userOf(name: string, user: z.infer<typeof userSchema>): User {
  const { address, dns, mtu, pools, filters, profile } = user;
  const rates = { up: rateOf(user["rate-up"]), down: rateOf(user["rate-down"]) };
  const quota = { up: user["quota-up"], down: user["quota-down"], total: user["quota-total"] };
  return {
    secret: secretOf(user),
    disabled: user.disabled ?? false,
    grant: withoutAbsent({
      user: name,
      profile,
      address,
      pools,
      routes: user.routes?.map((route) => ({ prefix: parsePrefix(route)! })),
      ipv6Prefixes: user["ipv6-prefixes"],
      ipv6Pool: user["ipv6-pool"],
      ipv6Addresses: user["ipv6-addresses"],
      ipv6AddressPool: user["ipv6-address-pool"],
      delegatedPrefixes: user["delegated-prefixes"],
      delegatedPool: user["delegated-pool"],
      dns,
      mtu,
      rate: withoutAbsent(rates),
      sessionTimeoutS: user["session-timeout-s"],
      idleTimeoutS: user["idle-timeout-s"],
      quota: withoutAbsent(quota),
      filters,
      portLimit: user["port-limit"],
    }) as Grant,
  };
}

function secretOf({ password, scrypt, "nt-hash": nt }: z.infer<typeof userSchema>): UserSecret {
  if (password !== undefined) return { kind: "clear", password };
  if (nt !== undefined) return { kind: "nt", hash: Uint8Array.fromHex(nt) };
  return parseScrypt(scrypt!)!;
}

function rateOf(given: z.infer<typeof rate> | undefined) {
  if (given === undefined) return undefined;
  if (typeof given === "number") return { bitsPerSecond: given };
  const { "bits-per-second": bitsPerSecond, "burst-octets": burstOctets } = given;
  return { bitsPerSecond, ...(burstOctets !== undefined && { burstOctets }) };
}

/** What is there of a record; undefined where nothing is. */
function withoutAbsent(record: Record<string, unknown>): object | undefined {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
