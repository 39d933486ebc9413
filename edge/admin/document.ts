/**
 * The description of the API (OpenAPI 3.1), made of the routes themselves. Schemas are put into JSON Schema by zod, so
 * that the description says what the validation does. Pure.
 *
 * @module
 */

import { type OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Slices } from "../slices.ts";

/** A schema of the description (JSON Schema 2020-12). */
export type JsonSchema = Record<string, unknown>;

interface Described {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly schema: JsonSchema; required?: boolean }>>;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

/** What may be asked at a path by one method. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly responses: Readonly<Record<string, Described>>;
  readonly [key: string]: unknown;
}

/** The description. */
export interface ApiDocument {
  readonly openapi: "3.1.0";
  readonly info: Readonly<Record<string, unknown>>;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes?: Readonly<Record<string, unknown>>;
  };
}

/** How the endpoint is. */
export interface DocumentOptions {
  readonly version: string;
  /** Whether tokens are configured: without one, nobody is asked who it is. */
  readonly tokens: boolean;
  /** Paths that need no token. */
  readonly open: ReadonlySet<string>;
}

const about =
  "Tunnels and sessions of an L2TP edge concentrator. What is not even a request, too " +
  "slow or larger than a request may be is answered by 400, 408 or 431 at any path, and the " +
  "connection ends.";

/** Describes an app's routes, which takes a while. */
export function* describeApi(
  app: OpenAPIHono,
  { open, tokens, version }: DocumentOptions,
): Slices<ApiDocument> {
  const schemas: Record<string, JsonSchema> = {};
  const converted = new Map<z.ZodType, JsonSchema>();
  /** Once each: most answers that are no success look alike. */
  const convert: Convert = (schema, io) => {
    const known = converted.get(schema) ?? toJson(schema, io, schemas);
    converted.set(schema, known);
    return known;
  };
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routesOf(app)) {
    const guarded = tokens && !open.has(route.path);
    const operation = describeRoute(route, guarded, convert);
    (paths[route.path] ??= {})[route.method] = {
      ...operation,
      ...(tokens && !guarded && { security: [] }),
    };
    yield;
  }
  return {
    openapi: "3.1.0",
    info: { title: "isthmus", version, description: about },
    ...(tokens && { security: [{ token: [] }] }),
    paths,
    components: {
      schemas,
      ...(tokens && { securitySchemes: { token: { type: "http", scheme: "bearer" } } }),
    },
  };
}

/** The routes of an app. */
export function routesOf(app: OpenAPIHono): readonly RouteConfig[] {
  return app.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === "route" ? [definition.route] : []
  );
}

type Convert = (schema: z.ZodType, io: "input" | "output") => JsonSchema;

/** @param guarded whether it needs a token; else nothing is ever answered by 401 */
function describeRoute(route: RouteConfig, guarded: boolean, convert: Convert): Operation {
  const { operationId = "", request = {}, summary = "" } = route;
  const parameters = (["path", "query", "header"] as const).flatMap((where) => {
    const schema = { path: request.params, query: request.query, header: request.headers }[where];
    return schema ? parametersOf(convert(schema as z.ZodType, "input"), where) : [];
  });
  const responses = Object.entries(route.responses)
    .filter(([status]) => guarded || status !== "401")
    .map(([status, response]) => [status, describeResponse(response as GivenResponse, convert)]);
  return {
    operationId,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(request.body && {
      requestBody: {
        required: request.body.required ?? false,
        content: describeContent(request.body.content as GivenContent, "input", convert),
      },
    }),
    responses: Object.fromEntries(responses),
  };
}

type GivenContent = Readonly<Partial<Record<string, { readonly schema: unknown } | undefined>>>;
interface GivenResponse {
  readonly description: string;
  readonly headers?: z.ZodType;
  readonly content?: GivenContent;
}

function describeResponse(
  { content, description, headers }: GivenResponse,
  convert: Convert,
): Described {
  const told = headers &&
    parametersOf(convert(headers, "output"), "header").map(({ name, required, schema }) => [
      name,
      { ...(required && { required }), schema },
    ]);
  return {
    description,
    ...(told && { headers: Object.fromEntries(told) }),
    ...(content && { content: describeContent(content, "output", convert) }),
  };
}

function describeContent(content: GivenContent, io: "input" | "output", convert: Convert) {
  return Object.fromEntries(
    Object.entries(content).map(([type, media]) => [
      type,
      { schema: convert(media!.schema as z.ZodType, io) },
    ]),
  );
}

function parametersOf(
  schema: JsonSchema,
  where: "path" | "query" | "header",
): { name: string; in: string; required: boolean; schema: JsonSchema }[] {
  const { properties = {}, required = [] } = schema as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: where,
    required: required.includes(name),
    schema,
  }));
}

/** A schema in JSON; what has an id is put into `named` and referred to. */
function toJson(
  schema: z.ZodType,
  io: "input" | "output",
  named: Record<string, JsonSchema>,
): JsonSchema {
  const whole = z.toJSONSchema(z.object({ it: schema }), {
    io,
    override: ({ jsonSchema, zodSchema }) => mend(jsonSchema, zodSchema),
  });
  const { $defs = {}, properties } = JSON.parse(
    JSON.stringify(whole).replaceAll('"#/$defs/', '"#/components/schemas/'),
  ) as { $defs?: Record<string, JsonSchema>; properties: { it: JsonSchema } };
  Object.assign(named, $defs);
  return properties.it;
}

const int32 = 2 ** 31 - 1;

/** What zod says that is of no use to anybody, or leaves out. */
function mend(schema: JsonSchema, { _zod: { def } }: z.core.$ZodTypes): void {
  if (schema.type === "integer") {
    if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
    if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
    const { maximum, minimum = 0 } = schema as { maximum?: number; minimum?: number };
    const small = maximum !== undefined && maximum <= int32 && minimum >= -int32;
    schema.format = small ? "int32" : "int64";
  }
  if (schema.type === "number" && Number.isInteger(schema.const)) schema.type = "integer";
  // The format says it; the pattern has a hundred characters.
  if (schema.format === "date-time") delete schema.pattern;
  // JSON Schema's patterns have no flags (§6.4 of its core): one that needs some would be another one there.
  for (const { _zod: check } of def.checks ?? []) {
    const { flags = "", source } = (check.def as { pattern?: RegExp }).pattern ?? {};
    if (/[^u]/.test(flags)) throw new Error(`the pattern ${source} has the flags ${flags}`);
  }
  if (def.type === "record") delete schema.propertyNames;
  // Clients of an older description shall not stumble over what is new.
  if (def.type === "object" && def.catchall === undefined) delete schema.additionalProperties;
}
