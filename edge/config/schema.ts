/**
 * The shape of the configuration file, section by section: zod schemas of what the operator writes. What sections must
 * agree on, and how they become a {@linkcode Config}, is in `parse.ts`.
 *
 * Maps whose keys the operator chooses (tunnels, sessions) are left open here and read entry by entry, so that a
 * problem in one hides no other.
 *
 * @module
 */

import { z } from "zod";
import { parseEndpoint } from "../../core/endpoint.ts";
import { parseNamed } from "./dns_name.ts";
import { endpointAttributes, sessionOptions, tunnelOptions } from "./attributes.ts";
import { l2tpPort } from "./build.ts";
import { optionalShape, seconds } from "./option.ts";

/** True or false. */
export const flag = z.boolean({ error: "expected true or false" });

/**
 * An address with or without a port; whether a port belongs there depends on the encapsulation. `fd77::1:1701` is
 * refused: it is an address, and hardly the one that was meant.
 */
export const endpoint = z.string({ error: "expected an address such as 10.0.0.1:1701" })
  .refine((text) => parseEndpoint(text, l2tpPort) !== undefined && !/^[^[]*:.*:1701$/.test(text), {
    error: "expected an IP address with or without a port, such as 10.0.0.1:1701 or [fd77::1]:1701",
  });

/** As {@linkcode endpoint}, or a DNS name in the place of the address. */
export const remoteEndpoint = z.string({ error: "expected an address or a DNS name" })
  .refine((text) => endpoint.safeParse(text).success || parseNamed(text) !== undefined, {
    error:
      "expected an IP address or a DNS name, with or without a port, such as 10.0.0.1:1701, [fd77::1]:1701 or lns.example.net",
  });

const listenIp = z.string({ error: "expected an IP address such as 0.0.0.0" })
  .refine((text) => parseEndpoint(text, 0)?.port === 0, {
    error: "expected an IP address without a port, such as 0.0.0.0 or ::",
  });

/** Where a secret is read from. */
export const filePath = z.string({ error: "expected a file's path" })
  .min(1, { error: "expected a file's path" });

/** Which way sequence numbers go. */
export const seq = z.enum(["none", "send", "recv", "both"], {
  error: "expected none, send, recv or both",
});

const fileKeys = {
  listen: z.unknown().optional(),
  admin: z.unknown().optional(),
  log: z.unknown().optional(),
  offload: z.unknown().optional(),
  "host-name": z.unknown().optional(),
  "router-id": z.unknown().optional(),
  peers: z.unknown().optional(),
  tunnels: z.unknown().optional(),
  plugins: z.unknown().optional(),
  circuits: z.unknown().optional(),
  hooks: z.unknown().optional(),
  "state-folder": z.unknown().optional(),
};

/** The whole file. @param sections the keys of plugins' own sections */
export function fileSchema(sections: readonly string[]): z.ZodType {
  const own = Object.fromEntries(sections.map((key) => [key, z.unknown().optional()]));
  return z.strictObject({ ...own, ...fileKeys }, {
    error: "expected the keys listen, admin, log, offload, host-name, router-id, peers, tunnels",
  });
}

/** `state-folder:`. */
export const folderSchema = z.string({ error: "expected a folder's path" })
  .startsWith("/", { error: "expected an absolute path" });

/** `listen:` as a whole. */
export const listSchema = z.array(z.unknown(), {
  error: 'expected a list such as [{ udp: "0.0.0.0:1701" }]',
});

/** One entry of `listen:`. */
export const listenerSchema = z.strictObject({
  udp: endpoint.optional(),
  ip: listenIp.optional(),
  device: tunnelOptions.device.schema.optional(),
  marks: z.boolean({ error: "expected true or false" }).optional(),
}, { error: 'expected udp or ip with an address, such as { udp: "0.0.0.0:1701" }' })
  .refine(({ udp, ip }) => (udp === undefined) !== (ip === undefined), {
    error: "neither or both; expected either udp or ip",
  });

const logLevel = z.enum(["debug", "info", "warn", "error"], {
  error: "expected debug, info, warn or error",
});

/** `log:`. */
export const logSchema = z.strictObject({
  level: logLevel.default("info"),
  format: z.enum(["text", "json"], { error: "expected text or json" }).default("text"),
  levels: z.record(z.string(), logLevel, {
    error: "expected names of tunnels or peers, each with a level",
  }).exactOptional(),
}, { error: "expected the keys level, format, levels" });

/** A map whose keys the operator chooses. */
export const mapSchema = z.record(z.string(), z.unknown(), {
  error: "expected a map of names",
});

const { "tunnel-id": tunnelId, "peer-tunnel-id": peerTunnelId, ...otherTunnelOptions } =
  tunnelOptions;
const { "encap-type": encap, ...tunnelShape } = optionalShape(otherTunnelOptions);

/** One entry of `tunnels:` with `static:`. */
export const tunnelSchema = z.strictObject({
  static: z.strictObject({
    "tunnel-id": tunnelId.schema,
    "peer-tunnel-id": peerTunnelId.schema,
  }, { error: "expected the keys tunnel-id, peer-tunnel-id" }),
  ...tunnelShape,
  encap,
  local: endpoint.optional(),
  remote: remoteEndpoint,
  "resolve-interval": seconds(1, 86_400).schema.optional(),
  "udp-csum": endpointAttributes["udp-csum"].optional(),
  "udp-zero-csum6-tx": endpointAttributes["udp-zero-csum6-tx"].optional(),
  "udp-zero-csum6-rx": endpointAttributes["udp-zero-csum6-rx"].optional(),
  sessions: z.unknown().optional(),
}, { error: "expected the keys static, encap, local, remote, sessions" });

const { "send-seq": _send, "recv-seq": _recv, ...sessionShape } = optionalShape(sessionOptions);

/** One entry of a tunnel's `sessions:`. */
export const sessionSchema = z.strictObject({
  ...sessionShape,
  "session-id": sessionOptions["session-id"].schema,
  "peer-session-id": sessionOptions["peer-session-id"].schema,
  seq: seq.optional(),
  circuit: z.unknown().optional(),
}, { error: "expected the keys session-id, peer-session-id, circuit" });
