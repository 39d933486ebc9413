/** Configuration, datapath, health and the description of all this. @module */

import { createRoute, z } from "@hono/zod-openapi";
import type { JSONValue } from "hono/utils/types";
import { ApplianceError } from "../appliance/errors.ts";
import { describeInParts } from "../config/mod.ts";
import { answerInPieces, shown } from "./pieces.ts";
import { metricsType } from "./metrics_text.ts";
import { httpProblem } from "./problem.ts";
import { explain, json, problems, type RouteContext, unread } from "./route.ts";
import {
  configView,
  datapathView,
  downList,
  failureList,
  healthView,
  reloadQuery,
  reloadView,
} from "./schemas.ts";
import { viewDown, viewFailure } from "./view.ts";

const config = createRoute({
  method: "get",
  path: "/v1/config",
  operationId: "getConfig",
  summary: "Show the configuration in force",
  responses: { 200: json(configView, "The configuration."), ...problems() },
});

const reload = createRoute({
  method: "post",
  path: "/v1/reload",
  operationId: "reload",
  summary:
    "Read the configuration file again; only what changed is touched, a bad file changes nothing",
  request: { query: reloadQuery },
  responses: {
    200: json(reloadView, "What was changed, or would be."),
    ...problems(...unread, 409, 507),
  },
});

const confirm = createRoute({
  method: "post",
  path: "/v1/reload/confirm",
  operationId: "confirmReload",
  summary: "Have the last reload stay, which would be undone",
  responses: { 204: { description: "It stays." }, ...problems(...unread, 409) },
});

const down = createRoute({
  method: "get",
  path: "/v1/down",
  operationId: "listDown",
  summary: "List what the configuration asks for and cannot be had now; it is tried again",
  responses: { 200: json(downList, "What is down."), ...problems() },
});

const failures = createRoute({
  method: "get",
  path: "/v1/failures",
  operationId: "listFailures",
  summary: "List why tunnels and calls were refused, failed or were lost: the latest first",
  responses: {
    200: json(failureList, "The latest failures, and how many of each."),
    ...problems(),
  },
});

const datapath = createRoute({
  method: "get",
  path: "/v1/datapath",
  operationId: "getDatapath",
  summary: "Show the datapath's own counters",
  responses: { 200: json(datapathView, "The counters."), ...problems() },
});

const healthz = createRoute({
  method: "get",
  path: "/healthz",
  operationId: "getHealth",
  summary: "Tell whether the appliance runs; needs no token",
  responses: { 200: json(healthView, "It runs."), ...problems() },
});

const openapi = createRoute({
  method: "get",
  path: "/openapi.json",
  operationId: "getDescription",
  summary: "Describe this API (OpenAPI 3.1)",
  responses: {
    200: json(z.record(z.string(), z.unknown()), "The description."),
    ...problems(),
  },
});

const metrics = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "getMetrics",
  summary: "Show metrics in Prometheus' text format",
  responses: {
    200: { description: "The metrics.", content: { "text/plain": { schema: z.string() } } },
    ...problems(),
  },
});

type JsonObject = Record<string, JSONValue>;

/** What these routes need besides the appliance. */
export interface OperationsOptions {
  readonly version: string;
  /** Unix milliseconds. */
  now(): number;
}

/** Adds the routes. */
export function addOperationRoutes(context: RouteContext, options: OperationsOptions): void {
  const { app, api } = context;

  app.openapi(config, async (c) => {
    const { maps, rest } = describeInParts(await api.running());
    return answerInPieces(c, rest, {
      peers: { entries: maps.peers() },
      tunnels: { entries: maps.tunnels() },
    }) as never;
  });

  app.openapi(reload, async (c) => {
    const { confirm, "dry-run": dryRun, force } = c.req.valid("query");
    const report = await context.change(() =>
      api.reload({
        dryRun: dryRun === "true",
        brake: force !== "true",
        ...(confirm !== undefined && { confirmMs: confirm * 1000 }),
      })
    );
    const { down, kept, steps } = report;
    const long = { steps: shown(steps, (step) => ({ ...step })), down: shown(down, viewDown) };
    return answerInPieces(c, { kept }, long) as never;
  }, explain({ query: reloadQuery }));

  app.openapi(confirm, (c) => {
    if (!api.confirmReload()) {
      return httpProblem(c, 409, "no reload waits to be confirmed") as never;
    }
    return c.body(null, 204);
  });

  app.openapi(down, (c) => answerInPieces(c, {}, { down: shown(api.down(), viewDown) }) as never);

  app.openapi(failures, (c) => {
    const { counts, latest } = api.failures();
    return c.json({ failures: latest.map(viewFailure).reverse(), counts: { ...counts } }, 200);
  });

  app.openapi(datapath, async (c) => {
    const { drops, io, pathErrors } = await api.datapath();
    return c.json({ drops: { ...drops }, "path-errors": { ...pathErrors }, io: { ...io } }, 200);
  });

  app.openapi(healthz, (c) => {
    if (!api.healthy) {
      const message = "the datapath gives no sign of life: no frames flow";
      throw new ApplianceError("unavailable", undefined, message);
    }
    const uptime = api.uptimeMs() / 1000;
    return c.json({ status: "ok" as const, version: options.version, uptime }, 200);
  });

  app.openapi(openapi, async (c) => {
    const tokens = api.config().admin.tokens.length > 0;
    return c.json(await context.describe(tokens) as object as JsonObject, 200);
  });

  app.openapi(metrics, async (c) => {
    return c.text(await context.metrics.read(), 200, { "content-type": metricsType });
  });
}
