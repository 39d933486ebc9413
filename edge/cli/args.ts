/** From arguments to what they ask for. Pure. @module */

import { type Command as Commander, CommanderError } from "commander";
import type { Action, GlobalOptions } from "./action.ts";
import { grammar } from "./grammar.ts";

/** What the arguments mean: something to do, or something to say (help, the version, what is wrong). */
export type ParsedArgs =
  | { readonly ok: true; readonly action: Action; readonly options: GlobalOptions }
  | { readonly ok: false; readonly status: 0 | 2; readonly text: string };

/** Reads the arguments that follow the program's name. */
export function parseArgs(args: readonly string[], version: string): ParsedArgs {
  let text = "";
  let action: Action | undefined;
  const program = grammar(version, (chosen) => action = chosen);
  configure(program, (said) => text += said);
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { ok: false, status: error.exitCode === 0 ? 0 : 2, text };
  }
  if (!action) return { ok: false, status: 2, text: program.helpInformation() };
  const { url, tokenFile, json } = program.opts<Partial<GlobalOptions>>();
  const options: GlobalOptions = {
    json: json ?? false,
    ...(url !== undefined && { url }),
    ...(tokenFile !== undefined && { tokenFile }),
  };
  return { ok: true, action, options };
}

/** No command exits or writes by itself. */
function configure(command: Commander, say: (text: string) => void): void {
  command.exitOverride().configureOutput({ writeOut: say, writeErr: say }).showHelpAfterError(
    "(--help tells more)",
  );
  for (const child of command.commands) configure(child, say);
}
