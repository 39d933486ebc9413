/** A file of users, for `local`: YAML, a name and what is known of it. @module */

import { parseDocument } from "yaml";
import { z } from "zod";
import { canonicalIp, parseIp } from "../../../core/endpoint.ts";
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
const userSchema = z.strictObject({
  password: z.string().max(256).optional(),
  scrypt: z.string().refine((text) => parseScrypt(text), "must be scrypt:COST:SALT:HASH")
    .optional(),
  "nt-hash": z.string().regex(/^[\da-f]{32}$/i, "must have 32 hexadecimal digits").optional(),
  disabled: z.boolean().optional(),
  profile: name.optional(),
  address: z.union([z.enum(["pool", "client"]), address4]).optional(),
  pools: z.array(name).max(16).optional(),
  routes: z.array(prefix).max(64).optional(),
  "ipv6-prefixes": z.array(prefix).max(16).optional(),
  "ipv6-pool": name.optional(),
  "ipv6-addresses": z.array(address6).max(16).optional(),
  "ipv6-address-pool": name.optional(),
  "delegated-prefixes": z.array(prefix).max(16).optional(),
  "delegated-pool": name.optional(),
  dns: z.array(z.string().refine((text) => canonicalIp(text), "must be an address")).max(8)
    .optional(),
  mtu: z.int().min(64).max(65535).optional(),
  "rate-up": rate.optional(),
  "rate-down": rate.optional(),
  "session-timeout-s": z.int().positive().optional(),
  "idle-timeout-s": z.int().positive().optional(),
  "quota-up": octets.optional(),
  "quota-down": octets.optional(),
  "quota-total": octets.optional(),
  filters: z.array(name).max(64).optional(),
  "port-limit": z.int().positive().optional(),
}).refine(
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
