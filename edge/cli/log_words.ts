/** What `isthmus set log` understands: levels and the format of the log, while the appliance runs. @module */

import { UsageError } from "./errors.ts";
import {
  type Attributes,
  attributesOf,
  choice,
  type Keyword,
  parsePairs,
  text,
} from "./keywords.ts";
import { inPart, type InWords } from "./naming.ts";

const levels = ["debug", "info", "warn", "error", "none"];

/** What can be changed. */
export const logKeywords: readonly Keyword[] = [
  choice(
    "level",
    levels,
    "what is logged at least; none, with of: as all else",
    (level) => ({ level }),
  ),
  text("of", "NAME", "only of this tunnel or peer"),
  choice("format", ["text", "json"], "how lines look", (format) => ({ format })),
];

/** What is wrong with such a change. */
export const inLogWords: InWords = (fault) => {
  const { attribute, message } = inPart(["log"], "log")(fault);
  return { attribute: attribute.startsWith("levels") ? "of" : attribute, message };
};

/** The change to the configuration. @throws {UsageError} */
export function logChange(words: readonly string[]): Attributes {
  const { format, level, of } = attributesOf(parsePairs(words, logKeywords), logKeywords);
  if (of === undefined && level === "none") throw new UsageError("level: none needs of NAME");
  if (of !== undefined && level === undefined) throw new UsageError("of: needs a level");
  if (level === undefined && format === undefined) {
    throw new UsageError("nothing to change; --help lists the keywords");
  }
  return {
    log: {
      ...(format !== undefined && { format }),
      ...(level !== undefined && of === undefined && { level }),
      ...(of !== undefined && { levels: { [String(of)]: level === "none" ? null : level } }),
    },
  };
}
