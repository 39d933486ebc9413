/** The shape of what the file says about control connections: peers, tunnels with `peer:`, and calls. @module */

import { z } from "zod";
import { isWildcard, parseIp } from "../../core/endpoint.ts";
import { callOptions, tunnelOptions, wayOptions } from "./attributes.ts";
import {
  connectionOptions,
  globText,
  hostNameText,
  peerOptions,
  remoteOptions,
} from "./peer_attributes.ts";
import { canonicalNetwork } from "./network.ts";
import { optionalShape } from "./option.ts";
import { endpoint, filePath, remoteEndpoint, seq, tunnelSchema } from "./schema.ts";

/** A secret may not be empty: HMAC and MD5 would take it, and prove nothing. */
const secret = z.string({ error: "expected a quoted string" })
  .min(1, { error: "expected at least one character" });

/** Who we are to peers. */
export const identitySchema = z.strictObject({
  "host-name": hostNameText.optional(),
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

/** One entry of `peers:`. */
export const peerSchema = z.strictObject({
  ...optionalShape(connectionOptions),
  ...optionalShape(peerOptions),
  address: z.unknown().optional(),
  secret: secret.optional(),
  "secret-file": filePath.optional(),
  "other-secret": secret.optional(),
  "other-secret-file": filePath.optional(),
  accept: z.unknown().optional(),
}, { error: "expected the keys proto-version, address, secret, accept" });

const { "send-seq": _send, "recv-seq": _recv, ...callShape } = optionalShape(callOptions);
/** What calls have in common, whoever places them. */
const call = { ...callShape, seq: seq.optional(), circuit: z.unknown().optional() } as const;

/** `accept:` as a whole. */
export const acceptListSchema = z.array(z.unknown(), {
  error: 'expected a list such as [{ name: "office*" }]',
});

/** One entry of a peer's `accept:`. */
export const acceptSchema = z.strictObject({ name: globText.default("*"), ...call }, {
  error: "expected the keys name, pw-type, circuit",
});

const remoteEndIdError = "expected a quoted string of 1 to 255 characters";

/** One entry of `sessions:` in a tunnel with `peer:`. */
export const placedCallSchema = z.strictObject({
  "remote-end-id": z.string({ error: remoteEndIdError }).min(1, { error: remoteEndIdError })
    .max(255, { error: remoteEndIdError }).optional(),
  direction: z.enum(["incoming", "outgoing"], { error: "expected incoming or outgoing" })
    .optional(),
  ...call,
}, { error: "expected the keys pw-type, remote-end-id, circuit" });

/** One entry of `tunnels:` with `peer:`. */
export const managedTunnelSchema = z.strictObject({
  peer: z.string({ error: "expected the name of one of the peers" }),
  mode: z.enum(["persistent", "on-demand", "passive"], {
    error: "expected persistent, on-demand or passive",
  }).default("persistent"),
  encap: tunnelOptions["encap-type"].schema.default("udp"),
  local: endpoint.optional(),
  remote: z.unknown().optional(),
  ...optionalShape(wayOptions),
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
  ...optionalShape(remoteOptions),
  address: remoteEndpoint,
}, { error: "expected an entry such as { address: 10.0.0.1, preference: 1, weight: 2 }" });

/** The fields of a call that its schema accepted; {@linkcode acceptSchema} and {@linkcode placedCallSchema} agree. */
export type CallFile = Omit<z.output<typeof acceptSchema>, "name">;
