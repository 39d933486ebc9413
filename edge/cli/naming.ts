/** What an appliance finds wrong with a request, in the words that the command line has for it. Pure. @module */

import type { Fault } from "../admin/problem.ts";
import { formatPath } from "../config/problem.ts";
import type { Keyword } from "./keywords.ts";

/** Says a fault of a request's body in the words that were typed. */
export type InWords = (fault: Fault) => Fault;

/** Faults under the keywords that write what is wrong; those that none writes stay as they are. */
export function inKeywords(known: readonly Keyword[]): InWords {
  const written = known
    .flatMap(({ attributes, name }) => (attributes ?? []).map((attribute) => ({ attribute, name })))
    .filter(({ attribute, name }) => attribute !== name)
    .sort((a, b) => b.attribute.length - a.attribute.length);
  const switches = known.flatMap(switchWords);
  return ({ attribute, message }) => ({
    attribute: written.find((each) => isOf(each.attribute, { attribute }))?.name ?? attribute,
    message: switches.reduce((text, [said, typed]) => text.replaceAll(said, typed), message),
  });
}

/** Faults of a circuit that `circuit PLUGIN KEY VALUE…` said. */
export function inCircuit(plugin: string): InWords {
  return (fault) => {
    // What a plugin itself finds wrong is told without its name.
    const option = [formatPath(["circuit", plugin]), "circuit"]
      .filter((above) => isOf(above, fault))
      .map((above) => fault.attribute.slice(above.length).replace(/^\./, ""))[0]!;
    const attribute = option === "" ? `circuit ${plugin}` : `circuit ${plugin}: ${option}`;
    return { ...fault, attribute };
  };
}

/** Faults of a part of the configuration, whose keys are keywords. @param itself what is said of the part as a whole */
export function inPart(path: readonly string[], itself: string): InWords {
  const above = formatPath(path);
  return (fault) => {
    if (fault.attribute === above) return { ...fault, attribute: itself };
    if (!fault.attribute.startsWith(`${above}.`)) return fault;
    return { ...fault, attribute: fault.attribute.slice(above.length + 1) };
  };
}

/** `udp-zero-csum6-tx: true` in a message is `udp6-csum-tx off` to who types. */
function switchWords({ name, read, value }: Keyword): [said: string, typed: string][] {
  if (value !== "on|off" || !read) return [];
  return ["on", "off"].flatMap((word) =>
    Object.entries(read(word)).map(([attribute, is]): [string, string] => [
      `${attribute}: ${is}`,
      `${name} ${word}`,
    ])
  );
}

/** Whether something is wrong with an attribute, or with a part of it. */
export function isOf(above: string, { attribute }: Pick<Fault, "attribute">): boolean {
  if (!attribute.startsWith(above)) return false;
  return attribute === above || /[.[]/.test(attribute[above.length]!);
}
