/** /v1/tunnels/{tunnel}/sessions, and /v1/sessions over all tunnels. @module */

import { createRoute } from "@hono/zod-openapi";
import { ApplianceError } from "../appliance/errors.ts";
import type { SessionState, TunnelState } from "../config/model.ts";
import type { Edit } from "../config/edit.ts";
import { addition, changesTo, makeEdits } from "./edits.ts";
import { checkMatch, sessionTag } from "./etag.ts";
import { newSession, sessionPatch } from "./input.ts";
import { callKeys, isManaged } from "./managed.ts";
import { page, type PageQuery, pageQuery } from "./page.ts";
import { FaultsError } from "./problem.ts";
import {
  body,
  created,
  explain,
  ifMatch,
  json,
  problems,
  resultOf,
  type RouteContext,
  sessionParam,
  tagged,
  tunnelParam,
  unread,
} from "./route.ts";
import { reloadView, resultQuery, sessionInput, sessionPage, sessionView } from "./schemas.ts";
import { viewDown, viewSession } from "./view.ts";

/** What is to change of a call, by the path at which the configuration has it. */
type CallEdits = (path: readonly string[]) => readonly Edit[];

const path = "/v1/tunnels/{tunnel}/sessions";

const listAll = createRoute({
  method: "get",
  path: "/v1/sessions",
  operationId: "listAllSessions",
  summary: "List the sessions of all tunnels by ascending tunnel id and session id",
  request: { query: pageQuery },
  responses: { 200: json(sessionPage, "One page of sessions."), ...problems() },
});

const list = createRoute({
  method: "get",
  path,
  operationId: "listSessions",
  summary: "List a tunnel's sessions by ascending session id",
  request: { params: tunnelParam, query: pageQuery },
  responses: { 200: json(sessionPage, "One page of sessions."), ...problems(404) },
});

const create = createRoute({
  method: "post",
  path,
  operationId: "createSession",
  summary: "Create a session and join it to its circuit",
  request: { params: tunnelParam, body: body(sessionInput) },
  responses: {
    201: created(sessionView, "The session, whose URL is in Location."),
    202: json(reloadView, "A call, which the control connection places."),
    ...problems(...unread, 404, 409, 507),
  },
});

const get = createRoute({
  method: "get",
  path: `${path}/{session}`,
  operationId: "getSession",
  summary: "Show a session",
  request: { params: sessionParam },
  responses: { 200: tagged(sessionView, "The session."), ...problems(404) },
});

const change = createRoute({
  method: "patch",
  path: `${path}/{session}`,
  operationId: "changeSession",
  summary: "Change some attributes of a session while it runs; a circuit is replaced whole",
  request: { params: sessionParam, headers: ifMatch, body: body(sessionInput) },
  responses: {
    200: tagged(sessionView, "The session as it is now."),
    202: json(reloadView, "A call, which is changed in place or placed anew."),
    ...problems(...unread, 404, 409, 412, 507),
  },
});

const remove = createRoute({
  method: "delete",
  path: `${path}/{session}`,
  operationId: "deleteSession",
  summary: "Delete a session; a call is ended with a CDN",
  request: { params: sessionParam, headers: ifMatch, query: resultQuery },
  responses: { 204: { description: "The session is gone." }, ...problems(404, 409, 412, 507) },
});

/** Adds the routes. */
export function addSessionRoutes(context: RouteContext): void {
  const { app, api, plugins } = context;

  app.openapi(listAll, async (c) => {
    return c.json(sessionsOf(await api.tunnels(), c.req.valid("query")), 200);
  }, explain({ query: pageQuery }));

  app.openapi(list, async (c) => {
    const tunnel = await api.tunnel(c.req.valid("param").tunnel);
    return c.json(sessionsOf([tunnel], c.req.valid("query")), 200);
  }, explain({ query: pageQuery }));

  /** Changes a call of the configuration. Undefined: the tunnel has no control connection. */
  const changeCall = async (tunnel: string, name: string | undefined, edits: CallEdits) => {
    const { config } = await api.tunnel(tunnel);
    if (!isManaged(api.config(), config.name)) return undefined;
    if (name === undefined) {
      throw new FaultsError([{ attribute: "name", message: "missing; expected a name" }]);
    }
    const path = ["tunnels", config.name, "sessions", name];
    const { down, kept, steps } = await makeEdits(api, edits(path), path);
    return { steps: [...steps], kept, down: down.map(viewDown) };
  };

  app.openapi(create, async (c) => {
    const { tunnel } = c.req.valid("param");
    const input = c.req.valid("json");
    const placed = await context.change(() =>
      changeCall(tunnel, input.name, (path) => {
        if (api.saidBy(path) === undefined) return [addition(path, callKeys(input))];
        throw new ApplianceError("exists", "name", `there is a session ${input.name} already`);
      })
    );
    if (placed) return c.json(placed, 202);
    const [owner, state] = await context.change(async () => {
      const { config } = await api.tunnel(tunnel);
      const session = newSession(config, input, plugins, api.config().circuits);
      return find(await api.createSession(tunnel, session), session.name);
    });
    const [t, s] = [owner.config.name, state.config.name].map(encodeURIComponent);
    return c.json(viewSession(owner.config, state), 201, {
      location: `/v1/tunnels/${t}/sessions/${s}`,
      etag: sessionTag(state),
    });
  }, explain({ json: sessionInput }));

  app.openapi(get, async (c) => {
    const { tunnel, session } = c.req.valid("param");
    const [owner, state] = find(await api.tunnel(tunnel), session);
    return c.json(viewSession(owner.config, state), 200, { etag: sessionTag(state) });
  });

  app.openapi(change, async (c) => {
    const { tunnel, session } = c.req.valid("param");
    const input = c.req.valid("json");
    const changed = await context.change(() =>
      changeCall(tunnel, session, (path) => {
        if (api.saidBy(path) !== undefined) return changesTo(path, callKeys(input));
        const message = `the configuration has no call ${session}; others are their peer's`;
        throw new ApplianceError("not-found", undefined, message);
      })
    );
    if (changed) return c.json(changed, 202);
    const [owner, state] = await context.change(async () => {
      const found = find(await api.tunnel(tunnel), session);
      const [{ config }, now] = found;
      checkMatch(c.req.valid("header")["if-match"], sessionTag(now));
      const patch = sessionPatch(config, now.config, input, plugins, api.config().circuits);
      // A session that is down gets another chance at its circuit.
      if (Object.keys(patch).length === 0 && now.status === "up") return found;
      return find(await api.changeSession(tunnel, session, patch), session);
    });
    return c.json(viewSession(owner.config, state), 200, { etag: sessionTag(state) });
  }, explain({ json: sessionInput }));

  app.openapi(remove, async (c) => {
    const { tunnel, session } = c.req.valid("param");
    const result = resultOf(c.req.valid("query"));
    await context.change(async () => {
      const state = await api.tunnel(tunnel);
      const { name } = state.config;
      const path = ["tunnels", name, "sessions", session];
      const added = isManaged(api.config(), name) && api.saidBy(path) === "request";
      // A call that a request made may be on its way, or wait: it is gone all the same.
      if (!added || state.sessions.some(({ config }) => config.name === session)) {
        const [, now] = find(state, session);
        checkMatch(c.req.valid("header")["if-match"], sessionTag(now));
        await api.deleteSession(tunnel, session, result);
      }
      if (added) await makeEdits(api, [{ path, value: undefined }]);
    });
    return c.body(null, 204);
  }, explain({ query: resultQuery }));
}

function sessionsOf(tunnels: readonly TunnelState[], query: PageQuery) {
  const all = tunnels.flatMap((tunnel) =>
    tunnel.sessions.map((session) => ({ tunnel: tunnel.config, session }))
  );
  const { items, next } = page(
    all,
    ({ tunnel, session }) => [tunnel.tunnelId, session.config.sessionId],
    query,
  );
  return {
    sessions: items.map(({ tunnel, session }) => viewSession(tunnel, session)),
    ...(next !== undefined && { next }),
  };
}

/** The tunnel's session of that id or name. @throws {ApplianceError} */
function find(tunnel: TunnelState, session: string): readonly [TunnelState, SessionState] {
  const found = tunnel.sessions.find(({ config }) =>
    config.name === session || String(config.sessionId) === session
  );
  if (found) return [tunnel, found];
  throw new ApplianceError(
    "not-found",
    undefined,
    `the tunnel ${tunnel.config.name} has no session ${session}`,
  );
}
