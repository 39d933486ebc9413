/** The command line's grammar. Pure. @module */

import { Argument, Command as Commander, InvalidArgumentError, Option } from "commander";
import { describeKeywords, type Keyword, resultKeywords } from "./keywords.ts";
import { logKeywords } from "./log_words.ts";
import { peerKeywords, peerSelectors } from "./peer_words.ts";
import { sessionFilters, sessionKeywords, sessionSelectors } from "./session_words.ts";
import { addFlush, addSwitchChanges, addSwitchShows } from "./switch_words.ts";
import { tunnelFilters, tunnelKeywords, tunnelSelectors } from "./tunnel_words.ts";
import { type Action, type Shell, shells, type Showable } from "./action.ts";

/** Takes the command that the arguments are. */
type Choose = (action: Action) => void;

/** The whole grammar. */
export function grammar(version: string, choose: Choose): Commander {
  const program = new Commander("isthmus")
    .description("A userspace L2TP edge concentrator.")
    .version(version)
    .option("--url <url>", "the admin endpoint: unix:/path or http://host:port (ISTHMUS_URL)")
    .option("--token-file <file>", "a file with the bearer token (ISTHMUS_TOKEN_FILE)")
    .option("--json", "print JSON");

  addConfigCommands(program, choose);
  addShow(program, choose);
  program.command("do").description("have a plugin do something, or say what plugins can do")
    .argument("[word]", "what to do").argument("[given...]", "keywords and values")
    .action((word: string | undefined, given: string[]) =>
      choose({ do: "do", ...(word !== undefined && { word }), words: given })
    );

  addChanges(program, choose);
  addFlush(program, choose);
  addFollowing(program, choose);
  addSelfDescription(program, choose);
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

/** `run` and `check`. */
function addConfigCommands(program: Commander, choose: Choose): void {
  for (const [name, description] of Object.entries(configCommands) as ["run" | "check", string][]) {
    program.command(name).description(description)
      .argument("[file]", "the configuration (./isthmus.yaml, /etc/isthmus/isthmus.yaml)")
      .option("--config <file>", "the same as the argument")
      .action((file: string | undefined, options: { config?: string }) => {
        const config = options.config ?? file;
        choose({ do: name, ...(config !== undefined && { config }) });
      });
  }
}

/** `show …`. */
function addShow(program: Commander, choose: Choose): void {
  const show = program.command("show").description("show what the appliance has and does");
  for (const what of ["tunnel", "session"] as const) {
    watched(
      words(show, what, `show ${what}s, or the one of this name or id`, "filter", filters[what]),
    )
      .option("-d, --details", "all attributes and counters")
      .option("-o, --output <columns>", "wide: all columns; or which, separated by commas")
      .action((given: string[], { details = false, ...options }: ShowOptions) =>
        choose({ do: "show", what, words: given, details, ...options })
      );
  }
  for (const [what, description] of Object.entries(plainShows) as [Showable, string][]) {
    const command = watched(show.command(what).description(description));
    if (what === "peer" || what === "circuit") command.argument("[name]", "only this one");
    if (what === "peer") command.option("-d, --details", "all keys");
    if (what === "drops" || what === "datapath") command.option("-d, --details", "those of 0, too");
    if (what === "down" || what === "failures") {
      command.option("-o, --output <columns>", "wide: all columns; or which, separated by commas");
    }
    command.action((...given: unknown[]) => {
      const { details = false, ...options } = given.at(-2) as ShowOptions;
      const words = given.slice(0, -2).filter(isText);
      choose({ do: "show", what, words, details, ...options });
    });
  }

  watched(show.command("bridge").description("show which sessions are joined with each other"))
    .action((options: ShowOptions) =>
      choose({ do: "show", what: "view", words: ["bridge"], details: false, ...options })
    );
  addSwitchShows(show, choose, watched);
  watched(show.command("view").description("show a table of a plugin, or which there are"))
    .argument("[view]", "the table").argument("[name]", "only this one of it")
    .action((view: string | undefined, name: string | undefined, options: ShowOptions) => {
      const words = [view, name].filter(isText);
      choose({ do: "show", what: "view", words, details: false, ...options });
    });
}

/** `add`, `set` and `del`. */
function addChanges(program: Commander, choose: Choose): void {
  for (const verb of ["add", "set", "del"] as const) {
    const group = program.command(verb).description(verbs[verb]);
    if (verb === "set") {
      words(group, "log", "change what is logged while it runs", "keyword", logKeywords)
        .action((given: string[]) => choose({ do: "set-log", words: given }));
    }
    for (const what of ["tunnel", "session", "peer"] as const) {
      const pairs = verb === "del" ? selectors[what] : keywords[what];
      const command = words(
        group,
        what,
        `${verbs[verb].split(" ")[0]} a ${what}`,
        "keyword",
        pairs,
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
    if (verb !== "set") addBridge(group, verb, choose);
    addSwitchChanges(group, verb, choose);
  }
}

/** `add bridge A B` and `del bridge A`: words of the bridge plugin. */
function addBridge(group: Commander, verb: "add" | "del", choose: Choose): void {
  if (verb === "add") {
    group.command("bridge").description("join two sessions whose circuit is a bridge by-hand")
      .argument("<a>", "one, as <tunnel>/<session>").argument("<b>", "the other one")
      .action((a: string, b: string) =>
        choose({ do: "do", word: "add-bridge", words: ["a", a, "b", b] })
      );
  } else {
    group.command("bridge").description("take a bridge apart that was made by hand")
      .argument("<session>", "either of its sessions, as <tunnel>/<session>")
      .action((session: string) =>
        choose({ do: "do", word: "del-bridge", words: ["session", session] })
      );
  }
}

/** What goes on until it is ended. */
function addFollowing(program: Commander, choose: Choose): void {
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
    .option("--count <n>", "end after so many messages and packets", wholeNumber)
    .addOption(
      new Option("--data [octets]", "data packets of it too: the first octets of each (128)")
        .preset("128").argParser(wholeNumber),
    )
    .action((of: string | undefined, options: TraceOptions) =>
      choose({ do: "trace", ...(of !== undefined && { of }), ...options })
    );
  program.command("events").description("print each state change and failure as it happens")
    .action(() => choose({ do: "events" }));
}

/** What the program tells of itself. */
function addSelfDescription(program: Commander, choose: Choose): void {
  program.command("version").description("print the versions of this program and of the appliance")
    .action(() => choose({ do: "version" }));
  program.command("completion").description("print what completes commands in a shell")
    .addArgument(new Argument("<shell>").choices(shells))
    .action((shell: Shell) => choose({ do: "completion", shell }));
  program.command("man").description("print the manual page (isthmus.1)")
    .action(() => choose({ do: "manual" }));
}

const filters = { tunnel: tunnelFilters, session: sessionFilters };
const selectors = { tunnel: tunnelSelectors, session: sessionSelectors, peer: peerSelectors };
const keywords = { tunnel: tunnelKeywords, session: sessionKeywords, peer: peerKeywords };

const verbs = {
  add: "add a tunnel, session, peer, bridge, or port of a switch",
  set: "change a tunnel, session, peer, port, or what is logged, while it runs",
  del: "delete a tunnel, session, peer, bridge, or port of a switch",
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

/** What `trace` takes. */
interface TraceOptions {
  readonly pcapng?: string;
  readonly count?: number;
  readonly data?: number;
}

/** What `show` takes beside words. */
interface ShowOptions {
  readonly details?: boolean;
  readonly output?: string;
  readonly watch?: number;
}

function watched(command: Commander): Commander {
  const option = new Option("-w, --watch [seconds]", "show it again and again (2)");
  return command.addOption(option.preset("2").argParser(wholeNumber));
}

/** What there is to know of a command, for manual and completion. */
export interface CommandDoc {
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly {
    readonly name: string;
    readonly help: string;
    readonly values: readonly string[];
  }[];
  readonly options: readonly { readonly flags: string; readonly help: string }[];
  readonly keywords: readonly Keyword[];
  readonly commands: readonly CommandDoc[];
}

/** The grammar, described. */
export function describeGrammar(version: string): CommandDoc {
  const described = (command: Commander): CommandDoc => ({
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map((one) => ({
      name: one.variadic
        ? `[${one.name()}…]`
        : one.required
        ? `<${one.name()}>`
        : `[${one.name()}]`,
      help: one.description,
      values: one.argChoices ?? [],
    })),
    options: command.options.map(({ description, flags }) => ({ flags, help: description })),
    keywords: known.get(command) ?? [],
    commands: command.commands.map(described),
  });
  return described(grammar(version, () => {}));
}

/** The keywords that a command takes. */
const known = new WeakMap<Commander, readonly Keyword[]>();

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1.");
}

function isText(word: unknown): word is string {
  return typeof word === "string";
}

/** A command that takes pairs of keywords and values. */
function words(
  parent: Commander,
  name: string,
  description: string,
  argument: string,
  keywords: readonly Keyword[],
): Commander {
  const command = parent.command(name).description(description)
    .argument(`[${argument}s...]`, `pairs of a ${argument} and its value, in any order`)
    .addHelpText("after", `\nKeywords:\n${describeKeywords(keywords)}`);
  known.set(command, keywords);
  return command;
}
