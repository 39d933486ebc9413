/** The configuration as text: as it was read, with the changes that requests made since. @module */

import type { Plugin } from "../../plugins/plugin.ts";
import { BESIDE_LENGTH } from "./beside.ts";
import type { BesideRequest, Reading } from "./beside_protocol.ts";
import { type Edit, editText, withoutSuperseded } from "./edit.ts";
import { exposedSecrets } from "./exposed.ts";
import type { Config } from "./model.ts";
import { parseConfig } from "./parse.ts";
import { ConfigError } from "./problem.ts";
import { NotUtf8 } from "./utf8.ts";
import { parseYaml } from "./yaml.ts";

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
  /** Who has what is in force say something at a path, the file or a request; undefined: it says nothing. */
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
  /** Reads large texts beside; absent: they are read here, too. @throws {ConfigError} */
  readBeside?(request: BesideRequest): Promise<Reading>;
  /** A file's permissions; undefined where they cannot be had. */
  modeOf?(path: string): number | undefined;
}

/** A document that has not been read yet. */
export function makeDocument(options: DocumentOptions): ConfigDocument {
  const { adminSocket, file, plugins, hostName, readSecret, stateFolder } = options;
  const defaults = {
    hostName,
    ...(stateFolder && { stateFolder }),
    ...(adminSocket && { adminSocket }),
  };
  let text = "";
  let edits: readonly Edit[] = [];
  const readHere = (text: string, edits: readonly Edit[]): Reading => {
    const secretFiles: string[] = [];
    const readFile = (path: string) => {
      secretFiles.push(path);
      return readSecret(path);
    };
    const whole = edits.length > 0 ? editText(text, edits) : text;
    const config = parseConfig(whole, { file, plugins, defaults, readFile });
    const modeOf = options.modeOf ?? (() => undefined);
    return { config, warnings: exposedSecrets(file, text, secretFiles, modeOf) };
  };
  const read = async (text: string, edits: readonly Edit[] = []): Promise<Reading> =>
    text.length >= BESIDE_LENGTH && options.readBeside
      ? await options.readBeside({ text, edits, file, defaults })
      : readHere(text, edits);
  const candidate = async (
    next: { text: string; edits: readonly Edit[] },
    putBack: string[] = [],
  ): Promise<Candidate> => ({
    ...await read(next.text, next.edits),
    putBack,
    commit: () => void ([text, edits] = [next.text, next.edits]),
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
      // Positions in messages are those of the file: it must be right by itself, before anything is added to it.
      const reading = await read(now);
      const added = edits.filter(({ path }) => !stands(now, resourceOf(path)));
      const dropped = edits.filter((edit) => !added.includes(edit));
      const putBack = [...new Set(dropped.map(({ path }) => resourceOf(path).join("/")))];
      if (added.length > 0) return await candidate({ text: now, edits: added }, putBack);
      return { ...reading, putBack, commit: () => void ([text, edits] = [now, added]) };
    },
    current: () => candidate({ text, edits }),
    edit: (more) => candidate({ text, edits: withoutSuperseded([...edits, ...more]) }),
    origin: (path) =>
      stands(text, path) ? "file" : stands(editText(text, edits), path) ? "request" : undefined,
    async save(more) {
      const next = editText(text, [...edits, ...more]);
      await read(next);
      try {
        await options.writeText(next);
      } catch (error) {
        return { text: next, refused: error instanceof Error ? error.message : String(error) };
      }
      [text, edits] = [next, []];
      return { text: next };
    },
  };
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

function stands(text: string, path: readonly string[]): boolean {
  let value = parseYaml(text).document?.value;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return true;
}
