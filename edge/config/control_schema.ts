/** The shape of what the file says about control connections: peers, tunnels with `peer:`, and calls. @module */

import { z } from "zod";
import { isWildcard, parseIp } from "../../core/endpoint.ts";
import { attributes } from "./attributes.ts";
import { canonicalNetwork } from "./network.ts";
import { endpoint, filePath, flag, seq, tunnelSchema } from "./schema.ts";

/** The least cap of the time between two retransmissions, in seconds (RFC 2661 §5.8, RFC 3931 §4.2). */
export const minRetransmitCap = 8;
/** How often a message is sent in all, by version: 23 and 63 seconds with the other defaults. */
export const defaultAttempts = { 2: 5, 3: 10 } as const;

/** A number of seconds; milliseconds are the finest that counts. */
function seconds(min: number, max: number, because = "") {
  const error = `expected a number of seconds from ${min} to ${max}${because}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}

function integer(min: number, max: number) {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** A secret may not be empty: HMAC and MD5 would take it, and prove nothing. */
const secret = z.string({ error: "expected a quoted string" })
  .min(1, { error: "expected at least one character" });

const globError = "expected a quoted glob of 1 to 255 characters, such as 'hq-*'";
const glob = z.string({ error: globError }).min(1, { error: globError })
  .max(255, { error: globError });

const hostNameError = "expected 1 to 255 printable ASCII characters without spaces";

/** Who we are to peers. */
export const identitySchema = z.strictObject({
  "host-name": z.string({ error: hostNameError })
    .regex(/^[!-~]{1,255}$/, { error: hostNameError }).optional(),
  "router-id": z.custom<string | number>(isRouterId, {
    error: "expected an IPv4 address such as 10.77.0.1, or a number from 1 to 4294967295",
  }).optional(),
});

function isRouterId(value: unknown): boolean {
  if (typeof value === "string") return parseIp(value)?.length === 4 && !isWildcard(value);
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 0xffff_ffff;
}

/** `address:` of a peer, or one entry of it. */
export const networkSchema = z.string({
  error: "expected an address or network such as 10.0.0.2 or 10.0.0.0/8",
}).refine((text) => canonicalNetwork(text) !== undefined, {
  error:
    "expected an address such as 10.0.0.2, or a network such as 10.0.0.0/8 or fd77::/16 without bits set beyond its prefix",
});

/** `address:` of a peer as a list. */
export const networksSchema = z.array(z.unknown()).min(1, {
  error: "expected at least one address; leave it out for any",
});

const never = "expected a number of seconds from 1 to 86400, or 0: never";

/** One entry of `peers:`. */
export const peerSchema = z.strictObject({
  "proto-version": attributes["proto-version"].default(3),
  address: z.unknown().optional(),
  "host-name": glob.optional(),
  secret: secret.optional(),
  "secret-file": filePath.optional(),
  "other-secret": secret.optional(),
  "other-secret-file": filePath.optional(),
  digest: z.enum(["md5", "sha1"], { error: "expected md5 or sha1" }).optional(),
  fallback: flag.default(false),
  "hide-avps": flag.default(false),
  "tie-breaker": flag.default(true),
  hello: z.number({ error: never })
    .refine((value) => value === 0 || (value >= 1 && value <= 86_400), { error: never })
    .default(60),
  "receive-window": integer(1, 1024).default(128),
  retransmit: seconds(0.1, 60).default(1),
  "retransmit-cap": seconds(minRetransmitCap, 600, " (RFC 2661 §5.8)").optional(),
  attempts: integer(1, 100).optional(),
  "establish-timeout": seconds(1, 3600).default(30),
  "call-timeout": seconds(1, 3600).default(60),
  "session-limit": integer(1, 65_535).default(1000),
  "tunnel-limit": integer(1, 65_535).default(100),
  accept: z.unknown().optional(),
}, { error: "expected the keys proto-version, address, secret, accept" });

/** What calls have in common, whoever places them. */
const call = {
  "pw-type": attributes["pw-type"].optional(),
  "cookie-size": z.literal([0, 4, 8], { error: "expected 0, 4 or 8" }).optional(),
  "l2spec-type": attributes["l2spec-type"].optional(),
  seq: seq.optional(),
  "reorder-timeout": attributes["reorder-timeout"].optional(),
  mtu: attributes.mtu.optional(),
  circuit: z.unknown().optional(),
} as const;

/** `accept:` as a whole. */
export const acceptListSchema = z.array(z.unknown(), {
  error: 'expected a list such as [{ name: "office*" }]',
});

/** One entry of a peer's `accept:`. */
export const acceptSchema = z.strictObject({ name: glob.default("*"), ...call }, {
  error: "expected the keys name, pw-type, circuit",
});

const remoteEndIdError = "expected a quoted string of 1 to 255 characters";

/** One entry of `sessions:` in a tunnel with `peer:`. */
export const placedCallSchema = z.strictObject({
  "remote-end-id": z.string({ error: remoteEndIdError }).min(1, { error: remoteEndIdError })
    .max(255, { error: remoteEndIdError }).optional(),
  ...call,
}, { error: "expected the keys pw-type, remote-end-id, circuit" });

/** One entry of `tunnels:` with `peer:`. */
export const managedTunnelSchema = z.strictObject({
  peer: z.string({ error: "expected the name of one of the peers" }),
  mode: z.enum(["persistent", "on-demand", "passive"], {
    error: "expected persistent, on-demand or passive",
  }).default("persistent"),
  encap: attributes["encap-type"].default("udp"),
  local: endpoint.optional(),
  remote: z.unknown().optional(),
  sessions: z.unknown().optional(),
});

/** The keys of a tunnel of either kind, whatever is under them. */
export const anyTunnelSchema = z.strictObject(
  Object.fromEntries(
    Object.keys({ ...tunnelSchema.shape, ...managedTunnelSchema.shape })
      .map((key) => [key, z.unknown().optional()]),
  ),
  { error: "expected the keys static or peer, encap, local, remote, sessions" },
);

/** One entry of `remote:` as a list. */
export const remoteSchema = z.strictObject({
  address: endpoint,
  preference: integer(0, 65_535).default(1),
  weight: integer(1, 65_535).default(1),
}, { error: "expected an entry such as { address: 10.0.0.1, preference: 1, weight: 2 }" });

/** The fields of a call that its schema accepted; {@linkcode acceptSchema} and {@linkcode placedCallSchema} agree. */
export type CallFile = Omit<z.output<typeof acceptSchema>, "name">;
