/**
 * The `yaml` library as ES modules. What its package gives to Node, and to Deno, is CommonJS, which takes four times as
 * long to load, a tenth of all that starts before an appliance listens.
 *
 * @module
 */

import type * as Library from "yaml";
// So that whoever fetches what isthmus runs with finds the package named.
import _package from "yaml/package.json" with { type: "json" };

const modules = new URL("./browser/index.js", import.meta.resolve("yaml/package.json"));

export const {
  Composer,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  Parser,
}: typeof Library = await import(modules.href);
