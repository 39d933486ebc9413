/** /v1/tunnels/{tunnel}/sessions, and /v1/sessions over all tunnels. @module */

import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { ApplianceError } from "../appliance/errors.ts";
import type { Edit } from "../config/edit.ts";
import { addition, changesTo, makeEdits } from "./edits.ts";
import { checkMatch, sessionTag } from "./etag.ts";
import { newSession, sessionPatch } from "./input.ts";
import { callKeys, isManaged } from "./managed.ts";
import { askedFor, type PageQuery, pageQuery, sessionPlaces } from "./page.ts";
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
  request: { params: sessionParam, headers: conditions, body: patch(sessionInput) },
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
  request: { params: sessionParam, headers: conditions, query: resultQuery },
  responses: { 204: { description: "The session is gone." }, ...problems(404, 409, 412, 507) },
});

/** Adds the routes. */
export function addSessionRoutes(context: RouteContext): void {
  addReading(context);
  addChanging(context);
}

function addReading({ api, app }: RouteContext): void {
  const answer = async (c: Context, query: PageQuery, tunnel?: string) => {
    const { items, next } = await api.sessionPage(askedFor(query, sessionPlaces), tunnel);
    const sessions = shown(items, ({ session, tunnel }) => viewSession(tunnel, session));
    return answerInPieces(c, next ? { next: sessionPlaces.format(next) } : {}, { sessions });
  };

  app.openapi(
    listAll,
    async (c) => await answer(c, c.req.valid("query")) as never,
    explain({ query: pageQuery }),
  );

  app.openapi(
    list,
    async (c) => await answer(c, c.req.valid("query"), c.req.valid("param").tunnel) as never,
    explain({ query: pageQuery }),
  );

  app.openapi(get, async (c) => {
    const { tunnel, session } = c.req.valid("param");
    const found = await api.session(tunnel, session);
    const etag = sessionTag(found.session);
    return c.json(viewSession(found.tunnel, found.session), 200, { etag });
  });
}

function addChanging(context: RouteContext): void {
  const { app, api, plugins } = context;
  /** Changes a call of the configuration. Undefined: the tunnel has no control connection. */
  const changeCall = async (tunnel: string, name: string | undefined, edits: CallEdits) => {
    const { config } = await api.summary(tunnel);
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
    const created = await context.change(async () => {
      const { config } = await api.summary(tunnel);
      const session = newSession(config, input, plugins, api.config().circuits);
      return await api.createSession(tunnel, session);
    });
    const { session } = created;
    const [t, s] = [created.tunnel.name, session.config.name].map(encodeURIComponent);
    return c.json(viewSession(created.tunnel, session), 201, {
      location: `/v1/tunnels/${t}/sessions/${s}`,
      etag: sessionTag(session),
    });
  }, explain({ json: sessionInput }));

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
    const after = await context.change(async () => {
      const found = await api.session(tunnel, session);
      const { session: now, tunnel: owner } = found;
      checkMatch(c.req.valid("header"), sessionTag(now));
      const patch = sessionPatch(owner, now.config, input, plugins, api.config().circuits);
      // A session that is down gets another chance at its circuit.
      if (Object.keys(patch).length === 0 && now.status === "up") return found;
      return await api.changeSession(tunnel, session, patch);
    });
    const etag = sessionTag(after.session);
    return c.json(viewSession(after.tunnel, after.session), 200, { etag });
  }, explain({ json: sessionInput }));

  app.openapi(remove, async (c) => {
    const { tunnel, session } = c.req.valid("param");
    const result = resultOf(c.req.valid("query"));
    await context.change(async () => {
      const { config: { name } } = await api.summary(tunnel);
      const path = ["tunnels", name, "sessions", session];
      const added = isManaged(api.config(), name) && api.saidBy(path) === "request";
      // A call that a request made may be on its way, or wait: it is gone all the same.
      const now = await api.session(tunnel, session).catch((error) => {
        if (added && error instanceof ApplianceError && error.code === "not-found") {
          return undefined;
        }
        throw error;
      });
      if (now) {
        checkMatch(c.req.valid("header"), sessionTag(now.session));
        await api.deleteSession(tunnel, session, result);
      }
      if (added) await makeEdits(api, [{ path, value: undefined }]);
    });
    return c.body(null, 204);
  }, explain({ query: resultQuery }));
}
