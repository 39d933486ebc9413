/** `isthmus`: from arguments to an exit status. What touches the world is handed in. @module */

import { ConfigError, formatProblem } from "../config/problem.ts";
import { printable } from "../log/printable.ts";
import type { Action, GlobalOptions } from "./action.ts";
import type { ParsedArgs } from "./args.ts";
import type { Deps } from "./deps.ts";
import { UsageError } from "./errors.ts";

/** Where `run` and `check` look for a configuration. */
const configPaths = ["./isthmus.yaml", "/etc/isthmus/isthmus.yaml"];

/** Carries out one command. 0: done; 1: the appliance refused or could not be asked; 2: the input is wrong. */
export async function main(args: readonly string[], deps: Deps): Promise<number> {
  const parsed = plainRun(args) ?? (await import("./args.ts")).parseArgs(args, deps.version);
  if (!parsed.ok) {
    (parsed.status === 0 ? deps.stdout : deps.stderr)(parsed.text);
    return parsed.status;
  }
  try {
    return await carryOut(parsed.action, parsed.options, deps);
  } catch (error) {
    if (error instanceof ConfigError) {
      deps.stderr(error.problems.map((problem) => `${formatProblem(problem)}\n`).join(""));
      if (error.more > 0) deps.stderr(`and ${error.more} more\n`);
      return 2;
    }
    deps.stderr(prefixed(error instanceof Error ? error.message : String(error)));
    return error instanceof UsageError ? 2 : 1;
  }
}

/**
 * `run`, alone or with a file: how an appliance is started. The grammar of all commands is not loaded for it: that
 * would take as long as half of what the appliance loads.
 */
function plainRun([word, ...rest]: readonly string[]): ParsedArgs | undefined {
  const [config, ...more] = rest[0] === "--config" ? rest.slice(1) : rest;
  if (word !== "run" || more.length > 0) return undefined;
  if (config === undefined ? rest.length > 0 : config.startsWith("-")) return undefined;
  const action: Action = { do: "run", ...(config !== undefined && { config }) };
  return { ok: true, action, options: { json: false } };
}

async function carryOut(action: Action, options: GlobalOptions, deps: Deps): Promise<number> {
  if (action.do === "run") return await deps.run(action.config ?? await findConfig(deps));
  if (action.do !== "check") {
    return await (await import("./commands.ts")).perform(action, options, deps);
  }
  const file = action.config ?? await findConfig(deps);
  for (const warning of await deps.check(file)) deps.stderr(prefixed(`warning: ${warning}`));
  deps.stdout(`${file}: no problems\n`);
  return 0;
}

async function findConfig({ exists }: Deps): Promise<string> {
  for (const path of configPaths) if (await exists(path)) return path;
  throw new UsageError(
    `no configuration: neither ${configPaths.join(" nor ")} exists; expected a file's name`,
  );
}

function prefixed(message: string): string {
  return message.split("\n").map((line) => `isthmus: ${printable(line)}\n`).join("");
}
