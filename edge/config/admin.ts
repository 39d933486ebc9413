/** `admin:`: where the endpoint listens, and who may ask it. Pure. @module */

import { z } from "zod";
import { parseEndpoint } from "../../core/endpoint.ts";
import type { Json } from "../../plugins/plugin.ts";
import { systemSocket } from "./admin_socket.ts";
import type { AdminConfig, AdminToken } from "./model.ts";
import type { Path } from "./problem.ts";
import { asObject, type ParseOptions, readSecret } from "./reading.ts";
import type { Report } from "./report.ts";
import { hidden } from "./secrets.ts";

/** The longest path of a Unix socket, in bytes (sockaddr_un less the closing zero). */
export const maxUnixPath = 107;
/** The shortest token, in characters. */
const MIN_TOKEN = 16;
/** The name of the token that has none. */
const UNNAMED = "admin";

/** Characters that an HTTP Authorization header can carry (RFC 6750 §2.1). */
const tokenPattern = /^[A-Za-z0-9._~+/-]+=*$/;

const tokenKeys = {
  token: z.string({ error: "expected a quoted string" }).optional(),
  "token-file": z.string({ error: "expected a file's path" })
    .min(1, { error: "expected a file's path" }).optional(),
};

const tokenSchema = z.strictObject(tokenKeys, { error: "expected the keys token, token-file" });

/** `admin:`. */
export const adminSchema = z.strictObject({
  listen: z.string({ error: "expected unix: and a path, or an address and port" })
    .refine(isAdminListen, {
      error:
        `expected unix: and an absolute path of at most ${maxUnixPath} bytes, or an IP address and port such as 127.0.0.1:8701`,
    })
    .optional(),
  ...tokenKeys,
  tokens: z.record(z.string(), z.unknown(), { error: "expected a map of names" }).optional(),
}, { error: "expected the keys listen, token, token-file, tokens" });

/** `admin:` as read; undefined where it is wrong, which is reported. */
export function readAdmin(
  value: unknown,
  options: ParseOptions,
  report: Report,
): AdminConfig | undefined {
  const admin = report.check(adminSchema, value ?? {}, ["admin"]);
  if (!admin) return undefined;
  const tokens = [...readToken(UNNAMED, admin, ["admin"], options, report)];
  for (const [name, entry] of Object.entries(admin.tokens ?? {})) {
    const path = ["admin", "tokens", name];
    report.checkName(name, path);
    const given = report.check(tokenSchema, entry, path);
    if (!given) continue;
    if (Object.keys(given).length === 0) {
      report.add(path, "empty; expected token or token-file");
    }
    tokens.push(...readToken(name, given, path, options, report));
  }
  const socket = options.defaults.adminSocket ?? systemSocket;
  const listen = admin.listen ?? `unix:${socket}`;
  if (listen.startsWith("unix:")) {
    return { listen: { path: listen.slice("unix:".length) }, tokens };
  }
  const { address, port } = parseEndpoint(listen, 0)!;
  const asked = ["token", "token-file", "tokens"].some((key) =>
    Object.hasOwn(asObject(value) ?? {}, key)
  );
  if (!asked) {
    report.add(
      ["admin", "listen"],
      `every user of this machine can reach ${address}, and others may; expected a token or token-file too, or unix: and a path`,
    );
  }
  return { listen: { host: address, port }, tokens };
}

function readToken(
  name: string,
  given: z.output<typeof tokenSchema>,
  path: Path,
  options: ParseOptions,
  report: Report,
): AdminToken[] {
  const secret = readSecret("token", given, path, options, report);
  if (!secret) return [];
  const { key, text } = secret;
  const token = key === "token" ? text : text.trim();
  if (!tokenPattern.test(token)) {
    report.add(
      [...path, key],
      "the token is empty or holds other characters than a header can carry; expected letters, digits and . _ ~ + / -",
    );
  } else if (token.length < MIN_TOKEN) {
    report.add(
      [...path, key],
      `the token has ${token.length} characters and can be guessed; expected at least ${MIN_TOKEN}, such as the answer of: openssl rand -hex 16`,
    );
  } else return [{ name, token }];
  return [];
}

/** In the file's own shape, secrets hidden. */
export function describeAdmin({ listen, tokens }: AdminConfig): Json {
  const named = tokens.filter(({ name }) => name !== UNNAMED);
  return {
    listen: "path" in listen
      ? `unix:${listen.path}`
      : withPort({ address: listen.host, port: listen.port }),
    ...(tokens.length > named.length && { token: hidden }),
    ...(named.length > 0 && {
      tokens: Object.fromEntries(named.map(({ name }) => [name, { token: hidden }])),
    }),
  };
}

function withPort({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function isAdminListen(text: string): boolean {
  if (!text.startsWith("unix:")) return parseEndpoint(text, 0) !== undefined && hasPort(text);
  const path = text.slice("unix:".length);
  return path.startsWith("/") && !path.includes("\0") &&
    new TextEncoder().encode(path).length <= maxUnixPath;
}

function hasPort(text: string): boolean {
  return parseEndpoint(text, 0)!.port === parseEndpoint(text, 1)!.port;
}
