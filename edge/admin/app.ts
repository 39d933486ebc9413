/** The admin endpoint as a function from requests to responses; no sockets. @module */

import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { ConfigError } from "../config/mod.ts";
import { maxIssues } from "../config/issues.ts";
import { formatPath } from "../config/problem.ts";
import type { Log } from "../../plugins/host/leaves.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import { ApplianceError } from "../appliance/errors.ts";
import { audit, refusalDelayMs as defaultDelayMs } from "./audit.ts";
import { inSlices } from "../slices.ts";
import type { Vitals } from "../process/vitals.ts";
import { type ApiDocument, describeApi } from "./document.ts";
import { addEventRoutes } from "./events.ts";
import { bearer, jsonBody, sameSite } from "./guard.ts";
import { createMetrics } from "./metrics.ts";
import { addOperationRoutes } from "./operations.ts";
import {
  apiProblem,
  applianceProblem,
  FaultsError,
  faultsProblem,
  httpProblem,
  PreconditionError,
} from "./problem.ts";
import { knownParameters } from "./parameters.ts";
import { addPeerRoutes } from "./peers.ts";
import { addPluginRoutes } from "./plugins.ts";
import type { RouteContext } from "./route.ts";
import { addSessionRoutes } from "./sessions.ts";
import { makeStreams } from "./streams.ts";
import { addSite } from "./site.ts";
import { addTraceRoutes } from "./trace.ts";
import { addTunnelRoutes } from "./tunnels.ts";
import { inTurns } from "./turns.ts";

/** What the endpoint needs besides the appliance. */
export interface AdminOptions {
  /** The program's version. */
  readonly version: string;
  /** The plugins whose circuits sessions may name. */
  readonly plugins: readonly Plugin[];
  readonly log: Pick<Log, "error" | "info" | "warn">;
  /** How the process is, for `/metrics`. */
  readonly vitals?: () => Vitals;
  /** How long who is refused waits for the answer, in milliseconds; half a second unless a test says otherwise. */
  readonly refusalDelayMs?: number;
  /** Unix milliseconds; `Date.now` unless a test says otherwise. */
  readonly now?: () => number;
}

/** The endpoint. */
export interface AdminApp extends OpenAPIHono {
  /** Counts what was not even a request. */
  refused(reason: string): void;
}

/** What can be asked without a token: nothing that tells more than that the appliance runs. */
const open: ReadonlySet<string> = new Set(["/healthz"]);

/** What waits for nobody: signs of life, and streams, which last. */
const unhurried: ReadonlySet<string> = new Set([...open, "/v1/events", "/v1/trace"]);

/**
 * Makes the endpoint. Whom it listens to (Host, token) follows `api.config().admin`, so that a reload takes effect
 * at once.
 */
export function createAdmin(api: ApplianceApi, options: AdminOptions): AdminApp {
  const app = new OpenAPIHono({
    // Of routes that have no words of their own for what is wrong.
    defaultHook: (result) => {
      if (!result.success) throw faultsOf(result.error.issues);
    },
  });
  const metrics = createMetrics(api, options.version, options.vitals);
  const admin = () => api.config().admin;
  const patternOf = (c: Context) => pattern(app, c.req.method, c.req.path);

  app.use(async (c, next) => {
    await next();
    c.header("cache-control", "no-store");
    c.header("x-content-type-options", "nosniff");
    // What nobody read would be taken for the next request.
    if (c.res.status >= 400 && c.req.raw.body && !c.req.raw.bodyUsed) {
      c.header("connection", "close");
    }
    const route = patternOf(c);
    metrics.count({
      method: route === undefined ? "other" : c.req.method,
      route: route ?? "other",
      status: c.res.status,
    });
  });
  app.use(audit({
    log: options.log,
    now: options.now ?? Date.now,
    refusalDelayMs: options.refusalDelayMs ?? defaultDelayMs,
  }));
  app.use(
    sameSite(admin),
    bearer(admin, open),
    jsonBody((c) => patternOf(c) !== undefined),
    knownParameters(app, patternOf),
    inTurns(unhurried),
  );

  const now = options.now ?? Date.now;
  const context: RouteContext = {
    app,
    api,
    metrics,
    plugins: options.plugins,
    now,
    change: oneAtATime(),
    describe: describer(app, options.version),
    streams: makeStreams(),
  };
  addTunnelRoutes(context);
  addSessionRoutes(context);
  addPeerRoutes(context);
  addPluginRoutes(context);
  addEventRoutes(context);
  addTraceRoutes(context);
  addOperationRoutes(context, { version: options.version, now });

  addSite(context, options.version);

  app.notFound((c) => noRoute(app, c));
  app.onError((error, c) => explainError(error, c, options.log));
  return Object.assign(app, { refused: metrics.refused });
}

/** What a schema finds wrong, as faults. */
function faultsOf(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): FaultsError {
  const told = issues.slice(0, maxIssues).map(({ message, path }) => ({
    attribute: formatPath(path.filter((part) => typeof part !== "symbol")),
    message,
  }));
  return new FaultsError(told, issues.length - told.length);
}

/** Queues changes: each begins when the one before has ended, whichever way. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work, work);
    last = result.catch(() => {});
    return result;
  };
}

/** Describes the routes, once each way. */
function describer(app: OpenAPIHono, version: string): RouteContext["describe"] {
  const known = new Map<boolean, Promise<ApiDocument>>();
  return (tokens) => {
    const document = known.get(tokens) ??
      inSlices(describeApi(app, { version, tokens, open }));
    known.set(tokens, document);
    return document;
  };
}

function explainError(error: Error, c: Context, log: Pick<Log, "error">): Response {
  if (error instanceof ApplianceError) return applianceProblem(c, error);
  if (error instanceof FaultsError) return faultsProblem(c, error.faults, error.more);
  if (error instanceof PreconditionError) return httpProblem(c, 412, error.message);
  if (error instanceof ConfigError) {
    const errors = error.problems.map(({ file, line, column, path, message }) => ({
      attribute: path,
      message: `${file}:${line}:${column}: ${message}`,
    }));
    const detail = "the configuration file is wrong; nothing was changed";
    return apiProblem(c, "invalid", detail, errors, error.more);
  }
  if (error instanceof HTTPException && error.status === 400) {
    return httpProblem(c, 400, "the body is not valid JSON");
  }
  if (error instanceof HTTPException && error.status === 415) {
    return httpProblem(c, 415, "expected the header Content-Type: application/json");
  }
  log.error("a request failed", { path: c.req.path, method: c.req.method, error: String(error) });
  return httpProblem(c, 500, "an error in isthmus; its log tells more");
}

/** What is allowed where the path exists, to who asks for that or for something else; else 404. */
function noRoute(app: OpenAPIHono, c: Context): Response {
  const methods = ["GET", "POST", "PATCH", "DELETE"].filter((method) =>
    pattern(app, method, c.req.path) !== undefined
  );
  if (methods.length === 0) {
    return httpProblem(c, 404, `there is nothing at ${c.req.path}; / lists what there is`);
  }
  const allow = [
    ...methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]),
    "OPTIONS",
  ];
  if (c.req.method === "OPTIONS") return c.body(null, 204, { allow: allow.join(", ") });
  return httpProblem(c, 405, `${c.req.method} is not among ${allow.join(", ")}`, {
    allow: allow.join(", "),
  });
}

/** The pattern of the route that answers such a request (`/v1/tunnels/:tunnel`), if there is one. */
function pattern(app: OpenAPIHono, method: string, path: string): string | undefined {
  const wanted = method === "HEAD" ? "GET" : method;
  return app.routes.find((route) => {
    if (route.method !== wanted) return false;
    const parts = route.path.split("/");
    const given = path.split("/");
    return parts.length === given.length &&
      parts.every((part, i) => part.startsWith(":") ? given[i] !== "" : part === given[i]);
  })?.path;
}
