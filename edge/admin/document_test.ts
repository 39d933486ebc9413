import assert from "node:assert/strict";
import { z } from "@hono/zod-openapi";
import { Ajv2020 } from "ajv/dist/2020.js";
import { type ApiDocument, describeApi, type JsonSchema } from "./document.ts";
import { atOnce } from "../slices.ts";
import { asking } from "./_ask.ts";
import { checkedAdmin, contract } from "./promised.ts";
import { branchOffice, memoryAppliance } from "./testing.ts";

const describe = (tokens = true) =>
  atOnce(describeApi(checkedAdmin(memoryAppliance()), {
    version: "1",
    tokens,
    open: new Set(["/healthz"]),
  }));

/** All schemas of a description, wherever they stand. */
function schemasOf({ components, paths }: ApiDocument): JsonSchema[] {
  const found: JsonSchema[] = Object.values(components.schemas);
  JSON.stringify(paths, (key, value) => {
    if (key === "schema") found.push(value);
    return value;
  });
  return found;
}

Deno.test("every schema of the description is one, and refers to what there is", () => {
  const document = describe();
  const ajv = new Ajv2020({ strict: false });
  for (const schema of schemasOf(document)) {
    assert.ok(ajv.validateSchema(schema), JSON.stringify([schema, ajv.errors]));
  }
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(document.components.schemas[name!], name);
  }
});

Deno.test("values have the formats that they have", () => {
  const { Event, Tunnel, TunnelInput, Session } = describe().components
    .schemas as unknown as Record<
      string,
      { readonly properties: Record<string, JsonSchema>; readonly required?: readonly string[] }
    >;
  const formats = (name: string, of = Tunnel!) => {
    const { anyOf = [], format } = of.properties[name] as JsonSchema & { anyOf?: JsonSchema[] };
    return format ?? anyOf.flatMap(({ format }) => format ?? []).join();
  };
  assert.equal(formats("ip-saddr"), "ipv4");
  assert.equal(formats("ip6-saddr", TunnelInput), "ipv6");
  assert.equal(formats("created-at"), "date-time");
  assert.equal(formats("tunnel-id"), "int64");
  assert.equal(formats("udp-sport"), "int32");
  assert.equal(formats("time", Event), "date-time");
  const rate = Session!.properties["rate-limit"] as JsonSchema;
  assert.equal(rate.required, undefined, "each of its parts may be left out");
  for (const id of ["tunnel-id", "peer-tunnel-id"]) assert.ok(!Tunnel!.required!.includes(id));
});

Deno.test("where no token is asked for, nothing says so", () => {
  const { components, paths, security } = describe(true) as ApiDocument & { security?: unknown };
  assert.deepEqual(components.securitySchemes, { token: { type: "http", scheme: "bearer" } });
  assert.deepEqual(security, [{ token: [] }]);
  assert.deepEqual(paths["/healthz"]!.get!.security, []);
  assert.ok(!("401" in paths["/healthz"]!.get!.responses));
  assert.ok("401" in paths["/v1/tunnels"]!.get!.responses);
  const without = JSON.stringify(describe(false));
  assert.ok(!without.includes('"security"') && !without.includes('"401"'));
});

Deno.test("the description follows whether tokens are configured", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  assert.ok(!(await ask("GET", "/openapi.json")).text.includes("securitySchemes"));
  api.admin = { ...api.admin, tokens: [{ name: "t", token: "s3cret" }] };
  const headers = { authorization: "Bearer s3cret" };
  assert.ok((await ask("GET", "/openapi.json", { headers })).text.includes("securitySchemes"));
});

Deno.test("a pattern with flags, which JSON Schema does not have, is refused", () => {
  const app = checkedAdmin(memoryAppliance());
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/x",
    responses: {
      200: { description: "", content: { "text/plain": { schema: z.string().regex(/^a$/i) } } },
    },
  });
  const work = describeApi(app, { version: "1", tokens: true, open: new Set() });
  assert.throws(() => atOnce(work), /flags i/);
});

Deno.test("an answer that is not described is found, whatever of it is not", () => {
  const all = contract(describe());
  const headers = new Headers({
    "cache-control": "no-store",
    "content-type": "application/json; charset=UTF-8",
  });
  const text = JSON.stringify({ status: "ok", version: "1", uptime: 1 });
  const right = { method: "GET", path: "/healthz", status: 200, headers, text };
  all.check(right);
  all.check({ ...right, method: "HEAD", text: "" });
  const and = (name: string, value: string) => {
    const changed = new Headers(headers);
    changed.set(name, value);
    return { headers: changed };
  };
  const wrong = {
    "an unknown status": { status: 202 },
    "an unknown path": { path: "/nothing" },
    "an unknown method": { method: "POST" },
    "an unknown type": and("content-type", "text/plain"),
    "what may be kept": and("cache-control", "public"),
    "an unknown header": and("etag", '"1"'),
    "a problem in the type of success": { status: 503 },
    "an unknown property": { text: text.replace("{", '{"more":1,') },
    "a missing property": { text: text.replace('"version":"1",', "") },
    "a wrong value": { text: text.replace('"ok"', '"okay"') },
    "a body of HEAD": { method: "HEAD" },
  };
  for (const [what, change] of Object.entries(wrong)) {
    assert.throws(() => all.check({ ...right, ...change }), what);
  }
  const tunnel = { path: "/v1/tunnels/branch", status: 200, text: "{}" };
  assert.throws(() => all.check({ ...right, ...tunnel }), /without etag/);
});

Deno.test("formats are looked at, and parts within parts", async () => {
  const { headers, text } = await asking(await branchOffice())("GET", "/v1/tunnels/branch");
  const right = { method: "GET", path: "/v1/tunnels/branch", status: 200, headers, text };
  const all = contract(describe());
  all.check(right);
  const json = JSON.parse(text);
  const wrong = [
    { "ip-daddr": "10.77.0.999" },
    { "created-at": "yesterday" },
    { "tunnel-id": 0 },
    { "tunnel-id": null },
    { statistics: { ...json.statistics, more: 1 } },
    { statistics: { ...json.statistics, "rx-bytes": -1 } },
  ];
  for (const change of wrong) {
    const text = JSON.stringify({ ...json, ...change });
    assert.throws(() => all.check({ ...right, text }), JSON.stringify(change));
  }
});

Deno.test("no test asks an endpoint whose answers nobody looks at", async () => {
  const root = new URL("../../", import.meta.url);
  const unchecked: string[] = [];
  const look = async (folder: URL) => {
    for await (const { isDirectory, name } of Deno.readDir(folder)) {
      const at = new URL(name, folder);
      if (isDirectory) await look(new URL(`${at}/`));
      if (!name.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(at);
      const ours = /\/(_|testing)|_test\.ts$|\/tests\//.test(at.pathname);
      const process = /spawnIsthmus|adminSocket/.test(text) && /\/tests\//.test(at.pathname);
      const asks = ours && /\bcreateAdmin\(/.test(text) || process && /[^\w.]fetch\(/.test(text);
      if (asks && at.href !== import.meta.url) unchecked.push(at.pathname);
    }
  };
  await look(new URL("edge/", root));
  await look(new URL("tests/", root));
  assert.deepEqual(unchecked, [], "expected checkedAdmin() and checkedFetch() of promised.ts");
});
