/** /v1/tunnels. @module */

import { createRoute, type z } from "@hono/zod-openapi";
import type { ApplianceApi } from "../appliance/api.ts";
import { ApplianceError } from "../appliance/errors.ts";
import type { TunnelSummary } from "../config/model.ts";
import { addition, changesTo, makeEdits } from "./edits.ts";
import { checkMatch, tunnelTag } from "./etag.ts";
import { newTunnel, tunnelPatch } from "./input.ts";
import { isManaged, managedKeys } from "./managed.ts";
import { askedFor, pageQuery, tunnelPlaces } from "./page.ts";
import { answerInPieces, shown } from "./pieces.ts";
import { FaultsError } from "./problem.ts";
import {
  body,
  conditions,
  created,
  explain,
  json,
  patch,
  problems,
  resultOf,
  type RouteContext,
  tagged,
  tunnelParam,
  unread,
} from "./route.ts";
import { resultQuery, tunnelInput, tunnelPage, tunnelView } from "./schemas.ts";
import { viewTunnel } from "./view.ts";

const list = createRoute({
  method: "get",
  path: "/v1/tunnels",
  operationId: "listTunnels",
  summary: "List tunnels by ascending tunnel id",
  request: { query: pageQuery },
  responses: { 200: json(tunnelPage, "One page of tunnels."), ...problems() },
});

const create = createRoute({
  method: "post",
  path: "/v1/tunnels",
  operationId: "createTunnel",
  summary: "Create a tunnel without sessions",
  request: { body: body(tunnelInput) },
  responses: {
    201: created(tunnelView, "The tunnel, whose URL is in Location."),
    ...problems(...unread, 409, 507),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/tunnels/{tunnel}",
  operationId: "getTunnel",
  summary: "Show a tunnel",
  request: { params: tunnelParam },
  responses: { 200: tagged(tunnelView, "The tunnel."), ...problems(404) },
});

const change = createRoute({
  method: "patch",
  path: "/v1/tunnels/{tunnel}",
  operationId: "changeTunnel",
  summary: "Change some attributes of a tunnel while it runs",
  request: { params: tunnelParam, headers: conditions, body: patch(tunnelInput) },
  responses: {
    200: tagged(tunnelView, "The tunnel as it is now."),
    ...problems(...unread, 404, 409, 412, 507),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/tunnels/{tunnel}",
  operationId: "deleteTunnel",
  summary: "Delete a tunnel with its sessions; a control connection is ended with a StopCCN",
  request: { params: tunnelParam, headers: conditions, query: resultQuery },
  responses: {
    204: {
      description:
        "The tunnel is gone, or down until the next reload where its control connection is configured.",
    },
    ...problems(404, 409, 412, 507),
  },
});

/** Adds the routes. */
export function addTunnelRoutes(context: RouteContext): void {
  const { app, api } = context;
  const addManaged = async (input: z.output<typeof tunnelInput>): Promise<TunnelSummary> => {
    const { name } = input;
    if (name === undefined) {
      throw new FaultsError([{ attribute: "name", message: "missing; expected a name" }]);
    }
    const path = ["tunnels", name];
    if (await isThere(api, name)) {
      throw new ApplianceError("exists", "name", `there is a tunnel ${name} already`);
    }
    await makeEdits(api, [addition(path, managedKeys(input))], path);
    return await api.summary(name);
  };

  app.openapi(list, async (c) => {
    const { items, next } = await api.tunnelPage(askedFor(c.req.valid("query"), tunnelPlaces));
    const tunnels = shown(items, (state) => viewTunnel(state, context.now()));
    return answerInPieces(c, next ? { next: tunnelPlaces.format(next) } : {}, { tunnels }) as never;
  }, explain({ query: pageQuery }));

  app.openapi(create, async (c) => {
    const input = c.req.valid("json");
    const state = await context.change(() =>
      input.peer === undefined ? api.createTunnel(newTunnel(input)) : addManaged(input)
    );
    return c.json(viewTunnel(state, context.now()), 201, {
      location: `/v1/tunnels/${encodeURIComponent(state.config.name)}`,
      etag: tunnelTag(state),
    });
  }, explain({ json: tunnelInput }));

  app.openapi(get, async (c) => {
    const state = await api.summary(c.req.valid("param").tunnel);
    return c.json(viewTunnel(state, context.now()), 200, { etag: tunnelTag(state) });
  });

  app.openapi(change, async (c) => {
    const { tunnel } = c.req.valid("param");
    const state = await context.change(async () => {
      const now = await api.summary(tunnel);
      checkMatch(c.req.valid("header"), tunnelTag(now));
      const { name } = now.config;
      if (isManaged(api.config(), name)) {
        const path = ["tunnels", name];
        await makeEdits(api, changesTo(path, managedKeys(c.req.valid("json"))), path);
        return await api.summary(name);
      }
      const patch = tunnelPatch(now.config, c.req.valid("json"));
      return Object.keys(patch).length === 0 ? now : await api.changeTunnel(tunnel, patch);
    });
    return c.json(viewTunnel(state, context.now()), 200, { etag: tunnelTag(state) });
  }, explain({ json: tunnelInput }));

  app.openapi(remove, async (c) => {
    const { tunnel } = c.req.valid("param");
    const result = resultOf(c.req.valid("query"));
    await context.change(async () => {
      const now = await api.summary(tunnel);
      checkMatch(c.req.valid("header"), tunnelTag(now));
      await api.deleteTunnel(tunnel, result);
      const path = ["tunnels", now.config.name];
      // One of the file is back with the next reload; one that a request made is gone.
      if (isManaged(api.config(), now.config.name) && api.saidBy(path) === "request") {
        await makeEdits(api, [{ path, value: undefined }]);
      }
      context.metrics.see(now);
    });
    return c.body(null, 204);
  }, explain({ query: resultQuery }));
}

async function isThere(api: Pick<ApplianceApi, "summary">, tunnel: string): Promise<boolean> {
  try {
    await api.summary(tunnel);
    return true;
  } catch (error) {
    if (error instanceof ApplianceError && error.code === "not-found") return false;
    throw error;
  }
}
