/** `deno task doc:check`: every exported symbol of the modules that others build on is documented. @module */

const modules = [
  "core/ids.ts",
  "core/pseudowire.ts",
  "core/endpoint.ts",
  "core/wire/raw_avp.ts",
  "core/wire/call_avps.ts",
  "plugins/plugin.ts",
  "wasm/mod.ts",
];

/** zod's schema type is part of the contract, and cannot be exported as one of ours. */
const foreign = /references private type 'ZodType'/;

const { stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["doc", "--lint", ...modules],
  env: { NO_COLOR: "1" },
}).output();
const findings = new TextDecoder().decode(stderr).split(/^(?=error)/m)
  .filter((text) => text.startsWith("error[") && !foreign.test(text));
await Deno.stderr.write(new TextEncoder().encode(findings.join("")));
Deno.exit(findings.length === 0 ? 0 : 1);
