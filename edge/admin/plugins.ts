/** Circuits, and what plugins add: tables and commands of their own. @module */

import { createRoute, z } from "@hono/zod-openapi";
import type { JSONValue } from "hono/utils/types";
import { describeCircuit } from "../config/circuit.ts";
import type { Row } from "../../plugins/plugin.ts";
import { makePace } from "../slices.ts";
import { answerInPieces, shown } from "./pieces.ts";
import { body, json, problems, type RouteContext, unread } from "./route.ts";

/** The most rows of a view that one answer holds. */
const MAX_ROWS = 10_000;

const row = z.record(z.string(), z.unknown());
const column = z.object({ name: z.string(), help: z.string() });
const circuitView = z.object({
  name: z.string(),
  circuit: row.describe("Its plugin and options, secrets masked."),
  status: z.enum(["up", "down"]),
  reason: z.string().optional().describe("Why it is down; it is tried again."),
  sessions: z.int().describe("How many sessions it carries."),
}).meta({ id: "Circuit" });
const view = z.object({
  name: z.string(),
  plugin: z.string(),
  help: z.string(),
  columns: z.array(column),
}).meta({ id: "View" });
const word = z.object({ word: z.string(), plugin: z.string(), help: z.string() }).meta({
  id: "Word",
});

const circuits = createRoute({
  method: "get",
  path: "/v1/circuits",
  operationId: "listCircuits",
  summary: "List the named circuits",
  responses: {
    200: json(z.object({ circuits: z.array(circuitView) }), "All named circuits."),
    ...problems(),
  },
});

const views = createRoute({
  method: "get",
  path: "/v1/views",
  operationId: "listViews",
  summary: "List the tables that plugins have",
  responses: { 200: json(z.object({ views: z.array(view) }), "All tables."), ...problems() },
});

const rows = createRoute({
  method: "get",
  path: "/v1/views/{view}",
  operationId: "getView",
  summary: "Show a table of a plugin, or what it has of one thing",
  request: {
    params: z.object({ view: z.string() }),
    query: z.object({ name: z.string().optional().describe("Only this one.") }),
  },
  responses: {
    200: json(
      z.object({
        columns: z.array(column),
        rows: z.array(row),
        truncated: z.boolean().describe(`Whether there are more than ${MAX_ROWS} rows.`),
      }),
      "The rows.",
    ),
    ...problems(404),
  },
});

const words = createRoute({
  method: "get",
  path: "/v1/words",
  operationId: "listWords",
  summary: "List the commands that plugins have",
  responses: { 200: json(z.object({ words: z.array(word) }), "All commands."), ...problems() },
});

const run = createRoute({
  method: "post",
  path: "/v1/words/{word}",
  operationId: "runWord",
  summary: "Have a plugin do what a command says",
  request: { params: z.object({ word: z.string() }), body: body(row) },
  responses: {
    200: json(z.object({ answer: z.unknown() }), "What the plugin answers."),
    ...problems(...unread, 404, 409, 507),
  },
});

/** Adds the routes. */
export function addPluginRoutes({ api, app, change, plugins }: RouteContext): void {
  app.openapi(circuits, (c) => {
    const all = shown(
      api.circuits(),
      ({ config: { name, options, plugin }, reason, sessions, up }) => ({
        name,
        circuit: describeCircuit({ options, plugin }),
        status: up ? "up" : "down",
        ...(reason !== undefined && { reason }),
        sessions,
      }),
    );
    return answerInPieces(c, {}, { circuits: all }) as never;
  });

  const allViews = plugins.flatMap(({ name: plugin, views = [] }) =>
    views.map(({ columns, help, name }) => ({ name, plugin, help, columns: [...columns] }))
  );
  app.openapi(views, (c) => c.json({ views: allViews }, 200));

  app.openapi(rows, async (c) => {
    const { view } = c.req.valid("param");
    const { name } = c.req.valid("query");
    const found: Row[] = [];
    let truncated = false;
    const pace = makePace();
    for await (const row of api.view(view, name)) {
      // A plugin that has all its rows at hand waits for nobody.
      if (pace.over) await pace.rest();
      truncated = found.length === MAX_ROWS;
      if (truncated) break;
      found.push(row);
    }
    const { columns } = allViews.find((each) => each.name === view)!;
    return answerInPieces(c, { truncated }, {
      columns: { items: columns.map((column) => ({ ...column })) },
      rows: { items: found },
    }) as never;
  });

  app.openapi(words, (c) => {
    const all = plugins.flatMap(({ name: plugin, words = [] }) =>
      words.map(({ help, word }) => ({ word, plugin, help }))
    );
    return c.json({ words: all }, 200);
  });

  app.openapi(run, async (c) => {
    const { word } = c.req.valid("param");
    const given = c.req.valid("json");
    const answer = await change(() => api.run(word, given));
    return c.json({ answer: answer as JSONValue }, 200);
  });
}
