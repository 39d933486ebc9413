/** What a `bridge` circuit can be told: nothing, `by-hand`, or the rules of a multihop. @module */

import { z } from "zod";

const globError = "expected a quoted glob of 1 to 255 characters, such as 'lac-*'";
const glob = z.string({ error: globError }).min(1, { error: globError })
  .max(255, { error: globError });
const text = z.string().min(1).max(255);
const vendorId = z.int().min(1).max(0xffff);
const avpType = z.int().min(0).max(0xffff);

const target = z.union([
  z.strictObject({ peer: text }),
  z.strictObject({ tunnel: text }),
], { error: "expected { peer: NAME } or { tunnel: NAME }" });

/** An AVP as the file has it. */
const vendorAvp = z.strictObject({
  "vendor-id": vendorId,
  type: avpType,
  /** Octets in hexadecimal. */
  value: z.string().regex(/^([0-9a-f]{2})*$/i, { error: "expected octets in hexadecimal" }),
});

/** The AVPs of a call that a rule may leave out. */
export const removable = [
  "called-number",
  "calling-number",
  "sub-address",
  "bearer-type",
  "framing-type",
  "physical-channel-id",
  "tx-connect-speed",
  "rx-connect-speed",
  "private-group-id",
  "proxy-lcp",
  "proxy-auth",
  "unknown-avps",
] as const;

const rule = z.strictObject({
  "called-number": glob.optional(),
  "calling-number": glob.optional(),
  realm: glob.optional(),
  peer: glob.optional(),
  "host-name": glob.optional(),
  to: z.union([target, z.array(target).min(1)], {
    error: "expected { peer: NAME }, { tunnel: NAME }, or a list of them",
  }).optional(),
  ask: z.enum(["proxy-auth", "called-number"], {
    error: "expected proxy-auth or called-number",
  }).optional(),
  set: z.strictObject({
    "called-number": text.optional(),
    "calling-number": text.optional(),
    "sub-address": text.optional(),
    "private-group-id": text.optional(),
    avps: z.array(vendorAvp).optional(),
  }).optional(),
  remove: z.array(z.enum(removable)).optional(),
  sequencing: z.boolean().optional(),
}, { error: "expected the keys called-number, peer, to, set" }).refine(({ ask, to }) => ask || to, {
  error: "expected to, ask, or both",
});

/** A rule of a multihop. */
export type Rule = z.infer<typeof rule>;

/** The schema of a circuit's options. */
export const bridgeOptions = z.strictObject({
  "by-hand": z.literal(true).optional(),
  rules: z.array(rule).min(1).optional(),
  "wait-for-far-leg": z.boolean().optional(),
  "hop-count": z.strictObject({
    "vendor-id": vendorId,
    type: avpType.default(1),
    limit: z.int().min(1).max(255).default(8),
  }).optional(),
}).refine(({ "by-hand": byHand, rules }) => !(byHand && rules), {
  error: "expected by-hand or rules, not both",
});

/** Options of one circuit. */
export type BridgeOptions = z.infer<typeof bridgeOptions>;

/** What counts the LCCEs that a call has passed. */
export type HopCount = NonNullable<BridgeOptions["hop-count"]>;

/** Whether some rule needs what only ICCN says. */
export function needsConnected({ rules = [] }: BridgeOptions): boolean {
  return rules.some(({ ask, realm }) => realm !== undefined || ask === "proxy-auth");
}
