/** The configuration as text: as it was read, with the changes that requests made since. @module */

import type { Plugin } from "../../plugins/plugin.ts";
import { BESIDE_LENGTH } from "./beside.ts";
import { type Edit, withoutSuperseded } from "./edit.ts";
import type { Config } from "./model.ts";
import { ConfigError } from "./problem.ts";
import { readConfig, type Reading, type ReadRequest } from "./read.ts";
import { says } from "./says.ts";
import { NotUtf8 } from "./utf8.ts";

/** A configuration that may come into force; what was before stays until it does. */
export interface Candidate {
  readonly config: Config;
  /** What requests had made of things of the file, and what is now as the file has it again. */
  readonly putBack: readonly string[];
  /** What is no error, and not as it should be: secrets that everybody can read. */
  readonly warnings: readonly string[];
  /** It is in force. */
  commit(): void;
}

/** The configuration file, and what requests changed. */
export interface ConfigDocument {
  /** The file's name. */
  readonly file: string;
  /**
   * Reads the file again. What requests added under names that the file does not have stays; what they changed of things
   * of the file is as the file has it.
   * @throws {ConfigError} where it cannot be read or is wrong
   */
  load(): Promise<Candidate>;
  /** What is in force. */
  current(): Promise<Candidate>;
  /** What is in force with further changes. @throws {ConfigError} where it is wrong then */
  edit(edits: readonly Edit[]): Promise<Candidate>;
  /**
   * Who has what is in force say something of a peer, a circuit, a tunnel or a session, by its path, the file or a
   * request; undefined: it says nothing.
   */
  origin(path: readonly string[]): "file" | "request" | undefined;
  /** Writes what is in force, and `more`, into the file; where it cannot be written, says why. Comments are kept. */
  save(more: readonly Edit[]): Promise<Saved>;
}

/** What the file should say, and whether it does. */
export interface Saved {
  readonly text: string;
  /** Why the file was not written; undefined: it was. */
  readonly refused?: string;
}

/** What a document needs of the world. */
export interface DocumentOptions {
  /** The file's name. */
  readonly file: string;
  readonly plugins: readonly Plugin[];
  readonly hostName: string;
  /** Where plugins keep what outlives us, unless the file says so. */
  readonly stateFolder?: string | undefined;
  /** Where the admin endpoint listens, unless the file says so. */
  readonly adminSocket?: string;
  readText(): Promise<string>;
  /** Replaces the file's text, all of it or nothing. */
  writeText(text: string): Promise<void>;
  /** Reads a file with a secret in it. */
  readSecret(path: string): string;
  /** Reads large texts beside, and shares with `known` what did not change; absent: they are read here, too. @throws {ConfigError} */
  readBeside?(request: ReadRequest, known: Reading | undefined): Promise<Reading>;
  /** A file's permissions; undefined where they cannot be had. */
  modeOf?(path: string): number | undefined;
}

/** A text that may come into force, and what was read from it. */
interface Held {
  readonly text: string;
  /** What requests changed since it was read. */
  readonly edits: readonly Edit[];
  /** What the text says without these, and with them. */
  readonly ofFile: Reading | undefined;
  readonly reading: Reading | undefined;
}

/** A document that has not been read yet. */
export function makeDocument(options: DocumentOptions): ConfigDocument {
  const { adminSocket, file, plugins, hostName, readSecret, stateFolder } = options;
  const defaults = {
    hostName,
    ...(stateFolder && { stateFolder }),
    ...(adminSocket && { adminSocket }),
  };
  const modeOf = options.modeOf ?? (() => undefined);
  let held: Held = { text: "", edits: [], ofFile: undefined, reading: undefined };
  const read = async (
    text: string,
    edits: readonly Edit[],
    asked: ReadRequest["asked"] = [],
    known = held.reading,
  ): Promise<Reading> => {
    const request = { text, edits, asked, file, defaults };
    return isLarge(text, edits) && options.readBeside
      ? await options.readBeside(request, known)
      : readConfig(request, { plugins, readSecret, modeOf });
  };
  const candidate = (next: Held, reading: Reading, putBack: string[] = []): Candidate => ({
    config: reading.config,
    warnings: reading.warnings,
    putBack,
    commit: () => void (held = { ...next, reading }),
  });
  return {
    file,
    async load() {
      const now = await options.readText().catch((error) => {
        if (error instanceof NotUtf8) throw new ConfigError([{ file, path: "", ...error.problem }]);
        const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
        throw new ConfigError([{ file, line: 1, column: 1, path: "", message }]);
      });
      if (isEmpty(now)) {
        // Half a write, or a disk that was full: nobody says "nothing" like that.
        const message = "the file is empty; expected a configuration, or {} for one of nothing";
        throw new ConfigError([{ file, line: 1, column: 1, path: "", message }]);
      }
      const { edits } = held;
      // Positions in messages are those of the file: it must be right by itself, before anything is added to it.
      const ofFile = await read(now, [], edits.map(({ path }) => resourceOf(path)));
      const added = edits.filter((_, i) => !ofFile.stands[i]);
      const dropped = edits.filter((_, i) => ofFile.stands[i]);
      const putBack = [...new Set(dropped.map(({ path }) => resourceOf(path).join("/")))];
      const next: Held = { text: now, edits: added, ofFile, reading: ofFile };
      const reading = added.length > 0 ? await read(now, added, [], ofFile) : ofFile;
      return candidate(next, reading, putBack);
    },
    async current() {
      return candidate(held, held.reading ?? await read(held.text, held.edits));
    },
    async edit(more) {
      const { edits: before, ofFile } = held;
      const edits = withoutPassing(withoutSuperseded([...before, ...more]), more, ofFile?.config);
      return candidate({ ...held, edits }, await read(held.text, edits));
    },
    origin(path) {
      if (says(held.ofFile?.config, path)) return "file";
      return says(held.reading?.config, path) ? "request" : undefined;
    },
    async save(more) {
      const reading = await read(held.text, [...held.edits, ...more]);
      const { text } = reading;
      try {
        await options.writeText(text);
      } catch (error) {
        return { text, refused: error instanceof Error ? error.message : String(error) };
      }
      held = { text, edits: [], ofFile: reading, reading };
      return { text };
    },
  };
}

/** Whether a text and changes to it take longer to read than others may wait. */
function isLarge(text: string, edits: readonly Edit[]): boolean {
  if (text.length >= BESIDE_LENGTH) return true;
  let length = text.length;
  return edits.some((edit) => (length += JSON.stringify(edit).length) >= BESIDE_LENGTH);
}

/** Whether a text says nothing: comments and document markers aside. */
function isEmpty(text: string): boolean {
  // The first line that says something; there is one soon in most files.
  return !/^(?!\s*(?:#|---|\.\.\.\s*$|%|$))/m.test(text);
}

/** The thing that a path is about: `peers/hq`, `tunnels/branch`, `tunnels/branch/sessions/office`. */
function resourceOf(path: readonly string[]): readonly string[] {
  const deep = path[0] === "tunnels" && path[2] === "sessions" && path.length > 3;
  return path.slice(0, deep ? 4 : 2);
}

/**
 * The edits without those of things that came and went, which the file never said: `more` takes them out, and whatever
 * was done to them before is of no account. However many come and go, nothing piles up.
 */
function withoutPassing(
  edits: readonly Edit[],
  more: readonly Edit[],
  file: Config | undefined,
): readonly Edit[] {
  const passing = new Set(
    more.filter(({ path, value }) =>
      value === undefined && isThing(path) && file && !says(file, path)
    )
      .map(({ path }) => JSON.stringify(path)),
  );
  if (passing.size === 0) return edits;
  const ends = new Map<string, number>();
  edits.forEach(({ path, value }, i) => {
    const key = JSON.stringify(path);
    if (value === undefined && passing.has(key)) ends.set(key, i);
  });
  return edits.filter(({ path }, i) =>
    ![2, 4].some((depth) => i <= (ends.get(JSON.stringify(path.slice(0, depth))) ?? -1))
  );
}

/** Whether a path is that of a peer, a circuit, a tunnel or a session itself. */
function isThing(path: readonly string[]): boolean {
  return ["peers", "circuits", "tunnels"].includes(path[0]!) && path.length > 1 &&
    path.length === resourceOf(path).length;
}
