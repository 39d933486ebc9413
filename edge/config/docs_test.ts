import assert from "node:assert/strict";
import { z } from "zod";
import { bridge } from "../../plugins/bridge/mod.ts";
import { ethernet } from "../../plugins/ethernet/mod.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { networkInterface } from "../../plugins/interface/mod.ts";
import { probe } from "../../plugins/probe/mod.ts";
import { sink } from "../../plugins/sink/mod.ts";
import {
  acceptSchema,
  identitySchema,
  managedTunnelSchema,
  peerSchema,
  placedCallSchema,
  remoteSchema,
} from "./control_schema.ts";
import { keepaliveSchema } from "./keepalive.ts";
import { parseConfig } from "./parse.ts";
import { adminSchema } from "./admin.ts";
import { listenerSchema, logSchema, sessionSchema, tunnelSchema } from "./schema.ts";

const plugins: readonly Plugin[] = [bridge, ethernet, networkInterface, probe, sink];
const root = new URL("../../", import.meta.url);

function parses(text: string, file: string): void {
  parseConfig(text, {
    file,
    plugins,
    defaults: { hostName: "edge1" },
    readFile: () => "a-token-of-some-length",
  });
}

Deno.test("every file of docs/examples parses", () => {
  const files = [...Deno.readDirSync(new URL("docs/examples/", root))].map(({ name }) => name);
  assert.ok(files.length > 0);
  for (const name of files) {
    parses(Deno.readTextFileSync(new URL(`docs/examples/${name}`, root)), name);
  }
});

Deno.test("every yaml block of README.md and configuration.md parses", () => {
  const pages = [...Deno.readDirSync(root)].filter(({ name }) => name === "README.md")
    .map(({ name }) => name).concat("docs/configuration.md");
  for (const page of pages) {
    const text = Deno.readTextFileSync(new URL(page, root));
    for (const [, block] of text.matchAll(/^```yaml\n(.*?)^```$/gms)) parses(block!, page);
  }
});

Deno.test("configuration.md has a row for every key, and no other", () => {
  const page = Deno.readTextFileSync(new URL("docs/configuration.md", root));
  const rows = [...page.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, key]) => key!).sort();
  const shapes = [
    listenerSchema,
    adminSchema,
    logSchema,
    tunnelSchema,
    tunnelSchema.shape.static,
    sessionSchema,
    keepaliveSchema,
    identitySchema,
    peerSchema,
    managedTunnelSchema,
    remoteSchema,
    z.object({ ...acceptSchema.shape, ...placedCallSchema.shape }),
    ...plugins.map(({ options }) => options),
  ];
  const keys = shapes.flatMap((schema) => {
    assert.ok(schema instanceof z.ZodObject);
    return Object.keys(schema.shape);
  });
  assert.deepEqual(rows, keys.sort());
});
