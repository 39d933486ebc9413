/** Ports of switches and their MAC tables in words like `ovs-vsctl`'s and `ovs-appctl fdb`'s. Pure. @module */

import type { Command as Commander } from "commander";
import type { Action } from "./action.ts";
import { UsageError } from "./errors.ts";

type Choose = (action: Action) => void;

/** What a keyword's value is. */
type Kind = "text" | "number" | "list" | "flag";

/** Keywords of a port, as in the file. */
export const portKeywords: Readonly<Record<string, Kind>> = {
  "tap": "text",
  "interface": "text",
  "patch": "text",
  "tag": "number",
  "trunks": "list",
  "vlan-mode": "text",
  "cvlans": "list",
  "qinq-ethtype": "text",
  "priority-tags": "text",
  "vlan-limit": "number",
  "split-horizon-group": "text",
  "protected": "flag",
  "mac-table-size": "number",
};

/** `show switch`, `show port` and `show fdb`. @param watched gives a command `--watch` */
export function addSwitchShows(
  show: Commander,
  choose: Choose,
  watched: (command: Commander) => Commander,
): void {
  const descriptions = {
    switch: "show the switches, or the one of this name",
    port: "show the ports of all switches, or of this one",
    fdb: "show the MAC addresses that all switches know, or this one",
  };
  for (const [view, description] of Object.entries(descriptions)) {
    watched(show.command(view).description(description).argument("[switch]", "only this one"))
      .action((name: string | undefined, options: { watch?: number }) =>
        choose({
          do: "show",
          what: "view",
          words: name === undefined ? [view] : [view, name],
          details: false,
          ...options,
        })
      );
  }
}

/** `add|set|del port` and `add|del fdb`, in the group of their verb. */
export function addSwitchChanges(
  group: Commander,
  verb: "add" | "set" | "del",
  choose: Choose,
): void {
  const verbs = { add: "add a port to a switch", set: "change a port", del: "take a port out" };
  const port = group.command("port").description(verbs[verb])
    .argument("<switch>", "the switch").argument("<port>", "the port's name");
  if (verb !== "del") {
    port.argument("[keywords...]", "pairs of a keyword and its value, in any order")
      .addHelpText("after", `\nKeywords: ${Object.keys(portKeywords).join(", ")}`);
  }
  port.action((of: string, name: string, ...rest: unknown[]) => {
    const words = verb === "del" ? [] : rest[0] as string[];
    choose({ do: "port", verb, of, name, words });
  });
  if (verb === "set") return;
  const fdb = group.command("fdb").argument("<switch>", "the switch");
  if (verb === "add") {
    fdb.description("say at which port of a switch a MAC address is")
      .argument("<port>", "the port").argument("<vlan>", "its VLAN; 0: none")
      .argument("<mac>", "the address")
      .action((of: string, port: string, vlan: string, mac: string) =>
        choose({
          do: "do",
          word: "add-fdb",
          words: ["switch", of, "port", JSON.stringify(port), "vlan", vlan, "mac", mac],
        })
      );
  } else {
    fdb.description("forget a MAC address that a switch knows")
      .argument("<vlan>", "its VLAN; 0: none").argument("<mac>", "the address")
      .action((of: string, vlan: string, mac: string) =>
        choose({ do: "do", word: "del-fdb", words: ["switch", of, "vlan", vlan, "mac", mac] })
      );
  }
}

/** `flush fdb`. */
export function addFlush(program: Commander, choose: Choose): void {
  program.command("flush").description("forget what was learnt")
    .command("fdb").description("forget the MAC addresses that a switch has learnt")
    .argument("<switch>", "the switch").argument("[port]", "only at this port")
    .action((of: string, port: string | undefined) =>
      choose({
        do: "do",
        word: "flush-fdb",
        words: ["switch", of, ...(port === undefined ? [] : ["port", JSON.stringify(port)])],
      })
    );
}

/** The change of the configuration that `add|set|del port` asks for (JSON Merge Patch). @throws {UsageError} */
export function portChange({ name, of, verb, words }: Extract<Action, { do: "port" }>): object {
  return { switches: { [of]: { ports: { [name]: verb === "del" ? null : portKeys(words) } } } };
}

function portKeys(words: readonly string[]): Record<string, unknown> {
  if (words.length % 2 === 1) throw new UsageError(`${words.at(-1)} has no value`);
  const keys: Record<string, unknown> = {};
  for (let at = 0; at < words.length; at += 2) {
    const [key, text] = [words[at]!, words[at + 1]!];
    const kind = portKeywords[key];
    if (!kind) {
      const known = Object.keys(portKeywords).join(", ");
      throw new UsageError(`${key} is no keyword of a port; expected one of ${known}`);
    }
    keys[key] = text === "none" ? null : valueOf(key, kind, text);
  }
  return keys;
}

function valueOf(key: string, kind: Kind, text: string): unknown {
  const number = (text: string) => {
    if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${key}: ${text} is no whole number`);
    return Number(text);
  };
  switch (kind) {
    case "text":
      return text;
    case "number":
      return number(text);
    case "list":
      return text.split(",").map(number);
    case "flag":
      if (text !== "true" && text !== "false") {
        throw new UsageError(`${key}: expected true or false`);
      }
      return text === "true";
  }
}
