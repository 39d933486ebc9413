/** What every request must pass before a route sees it: who asks, from where, and with what kind of body. @module */

import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { isLoopback, isWildcard, parseIp } from "../../core/endpoint.ts";
import type { AdminConfig } from "../config/model.ts";
import { cameWith } from "./audit.ts";
import { httpProblem, repeatedProblem } from "./problem.ts";
import { maxJsonDepth, repeatedKey } from "../config/repeated_keys.ts";

/** The largest request body, in bytes. */
export const maxBody = 1024 * 1024;
/** The most colons in one: more keys than that take longer to read than others may wait. */
const maxKeys = 10_000;

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses requests that a web page could have made a browser send: by a name that was rebound to our address (Host),
 * or across origins (Origin, Sec-Fetch-Site).
 */
export function sameSite(admin: () => AdminConfig): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    if (!hostAllowed(host, admin())) {
      return httpProblem(
        c,
        403,
        "the Host header names another host than this endpoint listens on",
      );
    }
    if (!safeMethods.has(c.req.method) && crossOrigin(c, host)) {
      return httpProblem(c, 403, "requests from other origins change nothing here");
    }
    return await next();
  };
}

/**
 * Whether a Host header is one of ours: a loopback name, or the address that the endpoint listens on. On the wildcard
 * any address will do, since only names can be rebound; and any name where a token is required, for no page has it.
 */
export function hostAllowed(host: string, { listen, tokens }: AdminConfig): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  if (name === "localhost" || isLoopback(name)) return true;
  if ("path" in listen) return false;
  if (isWildcard(listen.host)) return tokens.length > 0 || parseIp(name) !== undefined;
  return name === listen.host.toLowerCase() || sameIp(name, listen.host);
}

/** Refuses requests without a bearer token, where some are configured (RFC 6750). */
export function bearer(admin: () => AdminConfig, open: ReadonlySet<string>): MiddlewareHandler {
  return async (c, next) => {
    const { tokens } = admin();
    if (tokens.length === 0 || open.has(c.req.path)) return await next();
    const given = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given !== undefined) {
      // All are tried, so that the time taken does not tell which one it was.
      const [known] = tokens.filter(({ token }) => sameSecret(given, token));
      if (known) {
        cameWith(c, known.name);
        return await next();
      }
    }
    const challenge = `Bearer realm="isthmus"${
      given === undefined ? "" : ', error="invalid_token"'
    }`;
    const detail = given === undefined
      ? "expected the header Authorization: Bearer <token>"
      : "the token is not one of those configured";
    return httpProblem(c, 401, detail, { "www-authenticate": challenge });
  };
}

/**
 * Refuses bodies that are too large, not JSON, or say a key twice, before anything parses them.
 * @param isRoute whether anybody answers a request at all
 */
export function jsonBody(isRoute: (c: Context) => boolean): MiddlewareHandler {
  return async (c, next) => {
    const { method, raw } = c.req;
    if (method !== "POST" && method !== "PATCH") return await next();
    const type = c.req.header("content-type");
    if (type !== undefined && !isJson(type, method)) return notJson(c);
    const coding = c.req.header("content-encoding") ?? "identity";
    if (coding.toLowerCase() !== "identity") return encoded(c, coding);
    const body = await readBounded(raw, maxBody).catch(() => "cut off" as const);
    // Whoever sent it is gone, or was too slow: no fault of ours, and nobody reads this.
    if (body === "cut off") return httpProblem(c, 400, "the body ended before its end");
    if (!body) return httpProblem(c, 413, `the body is larger than ${maxBody} bytes`);
    if (hasMany(body, COLON, maxKeys)) {
      const detail = `the body has more than ${maxKeys} keys; expected several requests, ` +
        "or a change of the configuration file";
      return httpProblem(c, 413, detail);
    }
    const repeated = repeatedKey(new TextDecoder().decode(body));
    if (repeated === "too-deep") {
      return httpProblem(c, 400, `the body nests deeper than ${maxJsonDepth} levels`);
    }
    if (repeated) return repeatedProblem(c, repeated);
    // A patch of nothing is none; other requests may have no body.
    if (type === undefined && (body.length > 0 || (method === "PATCH" && isRoute(c)))) {
      return notJson(c);
    }
    c.req.raw = new Request(raw.url, { method, headers: raw.headers, body });
    return await next();
  };
}

const COLON = 0x3a;

function hasMany(bytes: Uint8Array, octet: number, most: number): boolean {
  let count = 0;
  for (let at = bytes.indexOf(octet); at >= 0; at = bytes.indexOf(octet, at + 1)) {
    if (++count > most) return true;
  }
  return false;
}

function notJson(c: Context): Response {
  const detail = "expected the header Content-Type: application/json, in UTF-8";
  return httpProblem(c, 415, detail, {
    ...(c.req.method === "PATCH"
      ? { "accept-patch": "application/json, application/merge-patch+json" }
      : { "accept-post": "application/json" }),
  });
}

/** RFC 9110 §12.5.3: what codings a body may have. */
function encoded(c: Context, coding: string): Response {
  const detail = `got the Content-Encoding ${coding}; expected a body that is not compressed`;
  return httpProblem(c, 415, detail, { "accept-encoding": "identity" });
}

/** The whole body; undefined as soon as it turns out to be longer than `limit` bytes. */
async function readBounded(
  { headers, body }: Request,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(headers.get("content-length") ?? 0) > limit) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** Changes are JSON Merge Patches (RFC 7396), and may be called so; JSON is in UTF-8 (RFC 8259 §8.1). */
function isJson(type: string, method: string): boolean {
  const [, name, rest] = /^application\/(json|merge-patch\+json) *(;.*)?$/i.exec(type) ?? [];
  if (name === undefined || name.length > 4 && method !== "PATCH") return false;
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(rest ?? "")?.[1] ?? "utf-8";
  return /^utf-?8$/i.test(charset);
}

function crossOrigin(c: Context, host: string): boolean {
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  const origin = c.req.header("origin");
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** The name of a Host header without port and brackets, in lower case. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:/?#@\s]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function sameIp(a: string, b: string): boolean {
  const [x, y] = [parseIp(a), parseIp(b)];
  return x !== undefined && y !== undefined && x.join() === y.join();
}

/** Compares digests of equal length, so that the time taken tells nothing of the secret. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
