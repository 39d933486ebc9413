/**
 * The options of peers and their control connections, one row each, as `attributes.ts` has them of tunnels and sessions.
 *
 * @module
 */

import { z } from "zod";
import type { DigestType } from "../../core/wire/authentication.ts";
import { only, outerOptions, tunnelOptions } from "./attributes.ts";
import {
  choice,
  flag,
  inMilliseconds,
  type Kind,
  option,
  parts,
  seconds,
  text,
  whole,
} from "./option.ts";

/** The least cap of the time between two retransmissions, in seconds (RFC 2661 §5.8, RFC 3931 §4.2). */
export const minRetransmitCap = 8;

/** Digest Types by their names (RFC 3931 §5.4.1). */
const digestTypes = { md5: 0, sha1: 1 } as const satisfies Record<string, DigestType>;

const glob = { min: 1, error: "expected a quoted glob of 1 to 255 characters, such as 'hq-*'" };
/** A glob over what a peer calls itself or asks for. */
export const globText: z.ZodType<string> = z.string(glob).min(1, glob).max(255, glob);

const hostNameError = "expected 1 to 255 printable ASCII characters without spaces";
/** A Host Name of ours (RFC 2661 §4.4.3). */
export const hostNameText: z.ZodType<string> = z.string({ error: hostNameError })
  .regex(/^[!-~]{1,255}$/, { error: hostNameError });

const never = "expected a number of seconds from 1 to 86400, or 0: never";
const hello: Kind<number> = {
  ...seconds(0, 86_400),
  schema: z.number({ error: never })
    .refine((value) => value === 0 || (value >= 1 && value <= 86_400), { error: never }),
};

/** How a peer is treated before it has a control connection. */
export const peerOptions = {
  "local-host-name": option(text(hostNameText, "NAME"), {
    field: "localHostName",
    help: "our Host Name to it",
    default: undefined,
    otherwise: "`host-name` of the file",
    change: "next",
  }),
  "host-name": option(text(globText, "GLOB"), {
    field: "hostName",
    help:
      "what it must call itself: a glob, where `*` stands for any characters and `?` for one; case matters",
    default: undefined,
    otherwise: "anything",
    change: "live",
  }),
  "tunnel-limit": option(whole(1, 65_535), {
    field: "tunnelLimit",
    help: "tunnels of the peer at once, 1 to 65535",
    default: 100,
    change: "live",
  }),
  ...outerOptions,
} as const;

const resultError = 'expected a list of result codes, with or without an error code: ["4", "2/4"]';
const results: z.ZodType<string[]> = z.array(
  z.string({ error: resultError }).regex(/^\d{1,5}(?:\/\d{1,5})?$/, { error: resultError }),
  { error: resultError },
);

/** One whom a managed tunnel dials, beside its address. */
export const remoteOptions = {
  preference: option(whole(0, 65_535), {
    field: "preference",
    help: "the lowest is tried first",
    default: 1,
    change: "next",
  }),
  weight: option(whole(1, 65_535), {
    field: "weight",
    help: "its share of the load among those of one preference",
    default: 1,
    change: "next",
  }),
  "deny-time": option(seconds(0, 86_400), {
    field: "denyMs",
    help:
      "seconds for which others are preferred to it after it did not answer, or refused a tunnel or a call as `deny-results` says",
    default: 60_000,
    change: "next",
    ...inMilliseconds,
  }),
  "deny-results": option(parts(results, "[RESULT, …]"), {
    field: "denyResults",
    help:
      "the result codes of StopCCN and CDN, each with or without an error code, after which another is tried",
    default: ["4", "2/4", "2/7"],
    otherwise: '`["4", "2/4", "2/7"]`',
    change: "next",
  }),
} as const;

/** What the control connections of a peer are set up with. */
export const connectionOptions = {
  "proto-version": tunnelOptions["proto-version"],
  authentication: option(choice(["digest", "challenge", "both"]), {
    field: "authentication",
    help:
      "version 3, with a secret: `digest`, every message is signed (RFC 3931 §4.3); `challenge`, both ends prove themselves once as in version 2, which some routers do; or `both`",
    default: undefined,
    otherwise: "`digest`",
    change: "next",
  }),
  digest: option(choice(["md5", "sha1"]), {
    field: "digest",
    help:
      "version 3: how messages are signed with the secret: `md5` (HMAC-MD5, which every peer knows) or `sha1` (HMAC-SHA-1)",
    default: 0,
    otherwise: "`md5`",
    change: "next",
    read: (given): DigestType => digestTypes[given],
    show: (type) => type === digestTypes.md5 ? "md5" : "sha1",
  }),
  fallback: option(flag(), {
    field: "fallback",
    help:
      "version 3 over UDP: whether the tunnel becomes one of version 2 where the peer speaks no other (RFC 3931 §4.7.3); only calls of PPP come up then",
    default: false,
    change: "next",
  }),
  "hide-avps": option({
    schema: z.union([z.boolean(), z.literal("all")], { error: "expected true, false or all" }),
    word: { as: "yaml" },
    placeholder: "true|false|all",
  }, {
    field: "hideAvps",
    help:
      "whether what may be hidden in messages is: `true`, but for assigned ids and what stands in an SCCRQ, on which several peers hang up; `all`: those too; needs a secret",
    default: false,
    change: "next",
  }),
  "tie-breaker": option(flag(), {
    field: "tieBreaker",
    help:
      "when both ends dial at once, one of the two connections goes by lot; `false`: ours goes, or, where the peer says so too, neither",
    default: true,
    change: "next",
  }),
  hello: option(hello, {
    field: "helloMs",
    help:
      "seconds of silence after which the peer is asked whether it is there, 1 to 86400; 0: never",
    default: 60_000,
    change: "live",
    ...inMilliseconds,
  }),
  "receive-window": option(whole(1, 1024), {
    field: "receiveWindow",
    help: "how many messages the peer may have under way to us, 1 to 1024",
    default: 128,
    change: "next",
  }),
  retransmit: option(seconds(0.1, 60), {
    field: "retransmitMs",
    help: "seconds until a message is sent again, 0.1 to 60; doubled each time, up to the cap",
    default: 1000,
    change: "live",
    ...inMilliseconds,
  }),
  "retransmit-cap": option(seconds(minRetransmitCap, 600, " (RFC 2661 §5.8)"), {
    field: "retransmitCapMs",
    help: "the most seconds between two times, 8 to 600; not less than `retransmit`",
    default: minRetransmitCap * 1000,
    change: "live",
    ...inMilliseconds,
  }),
  attempts: option(whole(1, 100), {
    field: "attempts",
    help: "how often a message is sent in all before the peer counts as gone, 1 to 100",
    // 23 and 63 seconds with the other defaults.
    default: only(5, 10),
    otherwise: "`10`; version 2: `5`",
    change: "live",
  }),
  "establish-timeout": option(seconds(1, 3600), {
    field: "establishMs",
    help: "seconds that a control connection may take to come up, 1 to 3600",
    default: 30_000,
    change: "live",
    ...inMilliseconds,
  }),
  "call-timeout": option(seconds(1, 3600), {
    field: "callMs",
    help: "seconds that a call may take to come up, 1 to 3600",
    default: 60_000,
    change: "live",
    ...inMilliseconds,
  }),
  "session-limit": option(whole(1, 65_535), {
    field: "callLimit",
    help: "calls of one tunnel at once, 1 to 65535",
    default: 1000,
    change: "live",
  }),
} as const;
