/** The options under `ppp: aaa:` and `ppp: radius:`. @module */

import { z } from "zod";
import { parseIp } from "../../../core/endpoint.ts";

const filePath = z.string().min(1).max(4096);
const name = z.string().regex(/^[\w.@:-]{1,64}$/, "must be a name of letters, digits and .@:-_");
const port = z.int().min(1).max(65535);
const address = z.string().refine(
  (text) => parseIp(text) !== undefined,
  "must be an IP address (10.0.0.1, fd00::1)",
);
const secret = z.string().min(1).max(253);

/** A secret here or in a file, one of both. */
function oneSecret(
  { secret, "secret-file": file }: { secret?: string; "secret-file"?: string },
  context: z.RefinementCtx,
): void {
  if ((secret === undefined) === (file === undefined)) {
    const message = "needs a secret; expected secret or secret-file, and only one of them";
    context.addIssue({ code: "custom", path: ["secret"], message });
  }
}

/** What is asked, in this order, and who is told. */
export const aaaOptions = z.strictObject({
  authenticate: z.array(z.enum(["local", "radius", "none"])).min(1).max(3).default(["local"])
    .describe(
      "Who is asked, in this order: the next one where one does not know the user or cannot be reached; `none` lets everybody in",
    ),
  account: z.array(z.enum(["radius"])).max(1).default([])
    .describe("Who is told of sessions"),
  users: filePath.exactOptional()
    .describe("The file of `local`'s users; a change of it is read within a second"),
});

/** One RADIUS server. */
export const serverOptions = z.strictObject({
  address: address.describe("Its IP address"),
  "auth-port": port.or(z.literal(false)).default(1812)
    .describe("Its port for authentication; `false`: it is not asked"),
  "acct-port": port.or(z.literal(false)).default(1813)
    .describe("Its port for accounting; `false`: it is not told"),
  secret: secret.exactOptional().describe("The secret that is shared with it"),
  "secret-file": filePath.exactOptional().describe("A file with that secret in it"),
  source: address.exactOptional().describe("Our own address; the kernel's choice where absent"),
  netns: z.string().regex(/^(?!\.{1,2}$)[^/\s\0]{1,255}$/, "must be a network namespace's name")
    .exactOptional().describe("The named network namespace that it is reached in"),
  weight: z.int().min(1).max(1000).default(1).describe("Its share of the requests"),
  backup: z.boolean().default(false).describe("Asked only where none of the others answers"),
  "timeout-ms": z.int().min(50).max(60_000).default(2000)
    .describe("Milliseconds until a request is first sent again; then twice as many"),
  tries: z.int().min(1).max(10).default(3).describe("How often a request is sent"),
  "dead-time-s": z.int().min(1).max(86_400).default(60)
    .describe("Seconds for which a server that answers nothing is not asked"),
  "status-server-s": z.int().min(1).max(3600).exactOptional()
    .describe("Seconds between Status-Server packets to a dead server; none where absent"),
  "message-authenticator": z.enum(["auto", "yes", "no"]).default("auto")
    .describe("Whether its answers must have one; `auto`: from the first on that has one"),
}).superRefine(oneSecret);

/** What becomes of users of a realm. */
export const realmOptions = z.strictObject({
  realm: z.string().min(1).max(253).toLowerCase()
    .describe("What follows the last `@`; `*` any, `-` none"),
  strip: z.boolean().default(false).describe("Leave the realm out of User-Name"),
  servers: z.array(name).min(1).max(32).exactOptional()
    .describe("Only these servers, by name; all where absent"),
  profile: name.exactOptional().describe("The profile of its users, unless the reply names one"),
});

/** Who may change and end sessions. */
export const changeClientOptions = z.strictObject({
  address: address.describe("Whose requests are taken"),
  secret: secret.exactOptional().describe("The secret that is shared with it"),
  "secret-file": filePath.exactOptional().describe("A file with that secret in it"),
  "message-authenticator": z.boolean().default(false)
    .describe("Whether its requests must have one"),
}).superRefine(oneSecret);

/** Where changes come in. */
export const coaOptions = z.strictObject({
  local: address.exactOptional().describe("The address that requests come to; any where absent"),
  port: port.default(3799).describe("The port that requests come to"),
  netns: serverOptions.shape.netns,
  clients: z.array(changeClientOptions).min(1).max(64).describe("Who may send requests"),
  "window-s": z.int().min(1).max(86_400).default(300)
    .describe("Seconds that a request's Event-Timestamp may be away from our clock"),
  "require-timestamp": z.boolean().default(false)
    .describe("Refuse requests without Event-Timestamp, which could be repeated later"),
});

/** What an attribute means here. */
export const FIELDS = [
  "user",
  "profile",
  "address",
  "pool",
  "route",
  "ipv6-prefix",
  "ipv6-pool",
  "interface-id",
  "ipv6-address",
  "ipv6-address-pool",
  "delegated-prefix",
  "delegated-pool",
  "dns",
  "nbns",
  "mtu",
  "session-timeout",
  "idle-timeout",
  "quota-up",
  "quota-down",
  "quota-total",
  "rate-up",
  "rate-down",
  "rate",
  "filter",
  "port-limit",
  "interim-interval",
  "message",
] as const;

/** One of {@linkcode FIELDS}. */
export type Field = typeof FIELDS[number];

/** An attribute by its name, or its numbers. */
const attribute = z.string().regex(
  /^[\w.:/-]{1,128}$/,
  "must be a dictionary's name, or vendor:type",
);

/** One row of the map. */
export const mapOptions = z.strictObject({
  attribute: attribute.describe("The attribute, by name (`Acme-Down`) or numbers (`4711:2`)"),
  to: z.enum(FIELDS).exactOptional()
    .describe(
      `What it means in a reply or CoA: one of ${FIELDS.map((f) => `\`${f}\``).join(", ")}`,
    ),
  scale: z.number().positive().max(1e12).exactOptional()
    .describe("What a number is multiplied by: 1000 for kbit/s"),
  send: z.string().max(253).exactOptional()
    .describe(
      "What is sent in it: a text, in which `{user}`, `{calling-number}`, `{called-number}`, `{name}`, `{id}`, `{mac}`, `{circuit-id}`, `{remote-id}`, `{vlan}`, `{tunnel}`, `{peer}`, `{service-name}` are replaced; nothing where one of these is not known",
    ),
  in: z.array(z.enum(["access", "accounting"])).min(1).max(2).default(["access", "accounting"])
    .describe("In which requests it is sent"),
}).superRefine(({ to, send }, context) => {
  if (to === undefined && send === undefined) {
    context.addIssue({ code: "custom", path: ["to"], message: "expected to, send or both" });
  }
});

/** RADIUS. */
export const radiusOptions = z.strictObject({
  servers: z.record(name, serverOptions).refine(
    (servers) => Object.keys(servers).length >= 1 && Object.keys(servers).length <= 64,
    "expected 1 to 64 servers",
  ).describe("The servers, by names of your own"),
  "nas-identifier": z.string().min(1).max(253).default("isthmus")
    .describe("NAS-Identifier: what servers know us by"),
  "nas-ip-address": address.exactOptional()
    .describe("NAS-IP-Address or NAS-IPv6-Address; not sent where absent"),
  "calling-station-id": z.string().max(253).default("{calling-number}")
    .describe("A template as in `map`; empty: not sent"),
  "called-station-id": z.string().max(253).default("{called-number}")
    .describe("A template as in `map`; empty: not sent"),
  "nas-port-id": z.string().max(253).default("{name}")
    .describe("A template as in `map`; empty: not sent"),
  realms: z.array(realmOptions).max(256).default([])
    .describe("Rules for realms; the first that fits counts"),
  "default-realm": z.string().min(1).max(253).exactOptional()
    .describe("Put behind names that have none"),
  "interim-s": z.int().min(0).max(86_400).default(600)
    .describe("Seconds between Interims, unless a reply says so; 0: none"),
  "least-interim-s": z.int().min(1).max(3600).default(60)
    .describe("Replies with fewer seconds between Interims are held to these"),
  "jitter-percent": z.int().min(0).max(50).default(10)
    .describe("How much Interims may be early or late, so that they do not come all at once"),
  "in-flight": z.int().min(1).max(16_384).default(256)
    .describe("Accounting requests that may wait for an answer at once"),
  "keep-days": z.int().min(1).max(365).default(14)
    .describe("Days that an account is kept for which no server answers"),
  "accounting-on": z.boolean().default(true)
    .describe("Tell servers when we begin and end (Accounting-On, Accounting-Off)"),
  "tunnel-accounting": z.boolean().default(false)
    .describe(
      "Tell servers of tunnels to LNSes and of links in them, too: Tunnel-Start to Tunnel-Link-Reject (RFC 2867)",
    ),
  coa: coaOptions.exactOptional().describe("Who may change and end sessions (RFC 5176)"),
  dictionaries: z.array(filePath).max(64).default([])
    .describe("Dictionaries in FreeRADIUS's format, for names in `map`"),
  map: z.array(mapOptions).max(256).default([])
    .describe("What vendors' attributes mean, and what is sent in them"),
}).superRefine(({ servers, realms }, context) => {
  for (const [i, realm] of realms.entries()) {
    for (const [j, server] of (realm.servers ?? []).entries()) {
      if (server in servers) continue;
      const path = ["realms", i, "servers", j];
      context.addIssue({ code: "custom", path, message: `no such server as ${server}` });
    }
  }
});

/** `ppp: aaa:`. */
export type AaaOptions = z.infer<typeof aaaOptions>;
/** `ppp: radius:`. */
export type RadiusOptions = z.infer<typeof radiusOptions>;
/** A row of `ppp: radius: map:`. */
export type MapOptions = z.infer<typeof mapOptions>;
/** A row of `ppp: radius: realms:`. */
export type RealmOptions = z.infer<typeof realmOptions>;
