import assert from "node:assert/strict";
import { z } from "zod";
import type { Plugin } from "../../plugins/plugin.ts";
import { ppp } from "../../plugins/ppp/mod.ts";
import { pppoe } from "../../plugins/pppoe/mod.ts";
import { pppoeSection } from "../../plugins/pppoe/options.ts";
import { parseConfig } from "./parse.ts";

const page = Deno.readTextFileSync(new URL("../../docs/pppoe.md", import.meta.url));

Deno.test("every yaml block of pppoe.md parses", () => {
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)];
  assert.equal(blocks.length, 2);
  const plugins: readonly Plugin[] = [ppp, pppoe] as unknown as Plugin[];
  for (const [, block] of blocks) {
    parseConfig(block!, { file: "pppoe.md", plugins, defaults: { hostName: "edge1" } });
  }
});

Deno.test("pppoe.md has a row for every key, and no other", () => {
  const rows = [...page.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, key]) => key!).sort();
  const { access, clients } = pppoeSection.shape;
  const [entry, client] = [access.def.innerType.valueType, clients.def.innerType.valueType];
  const carry = entry.shape.lac.def.innerType;
  const lns = carry.shape.servers.def.innerType.element;
  const keys = [pppoeSection, entry, client, carry, lns].flatMap((schema) => {
    assert.ok(schema instanceof z.ZodObject);
    return Object.keys(schema.shape);
  });
  assert.deepEqual(rows, keys.sort());
});
