/** The command line's grammar: the one place that knows the `commander` library. Pure. @module */

import { Command as Commander, CommanderError, InvalidArgumentError } from "commander";
import { describeKeywords, type Keyword, resultKeywords } from "./keywords.ts";
import { peerKeywords, peerSelectors } from "./peer_words.ts";
import { sessionFilters, sessionKeywords, sessionSelectors } from "./session_words.ts";
import { tunnelFilters, tunnelKeywords, tunnelSelectors } from "./tunnel_words.ts";

/** What can be shown. */
export type Showable =
  | "tunnel"
  | "session"
  | "peer"
  | "circuit"
  | "view"
  | "config"
  | "down"
  | "drops"
  | "failures"
  | "datapath";

/** What to do. `words` are the keywords and values that followed. */
export type Action =
  | { readonly do: "run"; readonly config?: string }
  | { readonly do: "check"; readonly config?: string }
  | {
    readonly do: "show";
    readonly what: Showable;
    readonly words: readonly string[];
    readonly details: boolean;
  }
  | {
    readonly do: "add" | "set" | "del";
    readonly what: "tunnel" | "session" | "peer";
    readonly words: readonly string[];
  }
  | { readonly do: "do"; readonly word?: string; readonly words: readonly string[] }
  | {
    readonly do: "trace";
    readonly of?: string;
    /** Where a capture file goes; `-`: to standard output. */
    readonly pcapng?: string;
    readonly count?: number;
  }
  | {
    readonly do: "reload";
    readonly dryRun: boolean;
    readonly force: boolean;
    /** Seconds. */
    readonly confirm?: number;
  }
  | { readonly do: "web"; readonly port: number }
  | { readonly do: "save" | "confirm" };

/** Options that every command takes. */
export interface GlobalOptions {
  /** `http://host:port` or `unix:/path`. */
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json: boolean;
}

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

function grammar(version: string, choose: (action: Action) => void): Commander {
  const program = new Commander("isthmus")
    .description("A userspace L2TP edge concentrator.")
    .version(version)
    .option("--url <url>", "the admin endpoint: unix:/path or http://host:port (ISTHMUS_URL)")
    .option("--token-file <file>", "a file with the bearer token (ISTHMUS_TOKEN_FILE)")
    .option("--json", "print JSON");

  for (const [name, description] of Object.entries(configCommands) as ["run" | "check", string][]) {
    program.command(name).description(description)
      .argument("[file]", "the configuration (./isthmus.yaml, /etc/isthmus/isthmus.yaml)")
      .option("--config <file>", "the same as the argument")
      .action((file: string | undefined, options: { config?: string }) => {
        const config = options.config ?? file;
        choose({ do: name, ...(config !== undefined && { config }) });
      });
  }

  const show = program.command("show").description("show what the appliance has and does");
  for (const what of ["tunnel", "session"] as const) {
    words(show, what, `show ${what}s`, "filter", filters[what])
      .option("-d, --details", "all attributes and counters")
      .action((given: string[], { details = false }: { details?: boolean }) =>
        choose({ do: "show", what, words: given, details })
      );
  }
  for (const [what, description] of Object.entries(plainShows) as [Showable, string][]) {
    show.command(what).description(description)
      .action(() => choose({ do: "show", what, words: [], details: false }));
  }

  show.command("view").description("show a table of a plugin, or which there are")
    .argument("[view]", "the table").argument("[name]", "only this one of it")
    .action((view?: string, name?: string) =>
      choose({ do: "show", what: "view", words: [view, name].filter(isText), details: false })
    );
  program.command("do").description("have a plugin do something, or say what plugins can do")
    .argument("[word]", "what to do").argument("[given...]", "keywords and values")
    .action((word: string | undefined, given: string[]) =>
      choose({ do: "do", ...(word !== undefined && { word }), words: given })
    );

  for (const verb of ["add", "set", "del"] as const) {
    const group = program.command(verb).description(verbs[verb]);
    for (const what of ["tunnel", "session", "peer"] as const) {
      const known = verb === "del" ? selectors[what] : keywords[what];
      const command = words(
        group,
        what,
        `${verbs[verb].split(" ")[0]} a ${what}`,
        "keyword",
        known,
      );
      if (verb === "del" && what !== "peer") {
        for (const { name, value, help } of resultKeywords) {
          command.option(`--${name} <${value.toLowerCase()}>`, help);
        }
      }
      command.action((given: string[], options: Record<string, string>) =>
        // `--result 6` is the same as `result 6`.
        choose({ do: verb, what, words: [...given, ...Object.entries(options).flat()] })
      );
    }
  }

  program.command("web")
    .description(
      "serve the appliance's page to a browser of this machine, by an address that it prints",
    )
    .option("--port <n>", "the port on 127.0.0.1; any where not given", wholeNumber)
    .action(({ port = 0 }: { port?: number }) => choose({ do: "web", port }));
  program.command("trace")
    .description("show control messages as they come and go, hidden AVPs too; secrets are masked")
    .argument("[of]", "only of this tunnel, peer or peer's address")
    .option("--pcapng <file>", "write a capture file for Wireshark; -: to standard output")
    .option("--count <n>", "end after so many messages", wholeNumber)
    .action((of: string | undefined, options: { pcapng?: string; count?: number }) =>
      choose({ do: "trace", ...(of !== undefined && { of }), ...options })
    );
  program.command("reload").description("have the appliance read its configuration again")
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--force", "even if more than half of what is up would end")
    .option("--confirm <seconds>", "undo it after so many seconds, unless `isthmus confirm` comes")
    .action((options: { dryRun?: boolean; force?: boolean; confirm?: string }) => {
      const confirm = options.confirm;
      choose({
        do: "reload",
        dryRun: options.dryRun ?? false,
        force: options.force ?? false,
        ...(confirm !== undefined && { confirm: Number(confirm) }),
      });
    });
  program.command("confirm").description("have the last reload stay, which would be undone")
    .action(() => choose({ do: "confirm" }));
  program.command("save")
    .description("have the appliance write what was changed into its configuration file")
    .action(() => choose({ do: "save" }));
  return program;
}

const filters = { tunnel: tunnelFilters, session: sessionFilters };
const selectors = { tunnel: tunnelSelectors, session: sessionSelectors, peer: peerSelectors };
const keywords = { tunnel: tunnelKeywords, session: sessionKeywords, peer: peerKeywords };

const verbs = {
  add: "add a tunnel, session or peer",
  set: "change a tunnel, session or peer while it runs",
  del: "delete a tunnel, session or peer",
};

const configCommands = {
  run: "run the appliance in the foreground",
  check: "check a configuration file; exit status 2 if it is wrong",
};

const plainShows: Readonly<Record<Exclude<Showable, "tunnel" | "session" | "view">, string>> = {
  circuit: "show the named circuits",
  peer: "show the peers of the configuration",
  config: "show the configuration in force",
  down: "show what the configuration asks for and cannot be had now",
  drops: "show dropped frames by reason",
  failures: "show why tunnels and calls were refused, failed or were lost",
  datapath: "show the datapath's own counters",
};

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1.");
}

function isText(word: string | undefined): word is string {
  return word !== undefined;
}

/** A command that takes pairs of keywords and values. */
function words(
  parent: Commander,
  name: string,
  description: string,
  argument: string,
  known: readonly Keyword[],
): Commander {
  return parent.command(name).description(description)
    .argument(`[${argument}s...]`, `pairs of a ${argument} and its value, in any order`)
    .addHelpText("after", `\nKeywords:\n${describeKeywords(known)}`);
}

/** No command exits or writes by itself. */
function configure(command: Commander, say: (text: string) => void): void {
  command.exitOverride().configureOutput({ writeOut: say, writeErr: say }).showHelpAfterError(
    "(--help tells more)",
  );
  for (const child of command.commands) configure(child, say);
}
