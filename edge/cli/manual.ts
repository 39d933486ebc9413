/** The manual page, made from the grammar: roff, as `man` reads it. Pure. @module */

import type { CommandDoc } from "./grammar.ts";

/** `isthmus.1`. */
export function manual(program: CommandDoc, version: string): string {
  return [
    `.TH ISTHMUS 1 "" "isthmus ${version}"`,
    ".SH NAME",
    "isthmus \\- a userspace L2TP edge concentrator",
    ".SH SYNOPSIS",
    ".B isthmus",
    "[\\fIoption\\fR…] \\fIcommand\\fR [\\fIword\\fR…]",
    ".SH DESCRIPTION",
    "Runs the appliance, checks its configuration, and asks and changes a running one through its admin endpoint.",
    ".SH OPTIONS",
    ...options(program),
    ".SH COMMANDS",
    ...leaves(program, "").flatMap(({ command, path }) => section(command, path)),
    ".SH ENVIRONMENT",
    ...entry("ISTHMUS_URL", "as --url"),
    ...entry("ISTHMUS_TOKEN, ISTHMUS_TOKEN_FILE", "the bearer token, or a file with it"),
    ".SH FILES",
    ...entry("./isthmus.yaml, /etc/isthmus/isthmus.yaml", "where run and check look"),
    ...entry("/run/isthmus/admin.sock", "the system's admin endpoint"),
    ".SH EXIT STATUS",
    ...entry("0", "done"),
    ...entry(
      "1",
      "the appliance refused, could not be asked or could not start, or has no such thing",
    ),
    ...entry("2", "the command line or the configuration is wrong; nothing was asked or started"),
    "",
  ].join("\n");
}

function leaves(command: CommandDoc, path: string): { command: CommandDoc; path: string }[] {
  return command.commands.flatMap((one) => {
    const here = `${path} ${one.name}`.trim();
    return one.commands.length > 0 ? leaves(one, here) : [{ command: one, path: here }];
  });
}

function section(command: CommandDoc, path: string): string[] {
  const given = command.arguments.map(({ name }) => ` \\fI${plain(name)}\\fR`).join("");
  return [
    `.SS isthmus ${plain(path)}${given}`,
    `${plain(capital(command.description))}.`,
    ...options(command),
    ...command.keywords.flatMap(({ help, name, value }) => entry(name, help, value)),
  ];
}

function options({ options }: CommandDoc): string[] {
  return options.flatMap(({ flags, help }) => entry(flags, help));
}

function entry(name: string, help: string, value?: string): string[] {
  const given = value === undefined ? "" : ` \\fI${plain(value)}\\fR`;
  return [".TP", `\\fB${plain(name)}\\fR${given}`, plain(help)];
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Text that roff takes for nothing else. */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(['.])/, "\\&$1");
}
