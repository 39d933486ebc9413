/** Files that plugins read: the operator's, named in the configuration. @module */

import { resolve } from "node:path";
import { asError, Failure } from "../../plugins/failure.ts";

/** The largest, in octets. */
const LARGEST = 16 * 1024 * 1024;

/** Reads a text file; a relative path is from `folder`. @throws {Failure} */
export function readText(folder: string, path: string): string {
  const file = resolve(folder, path);
  try {
    const { isFile, size } = Deno.statSync(file);
    if (!isFile) throw new Error("it is not a file");
    if (size > LARGEST) throw new Error(`it has ${size} octets; at most ${LARGEST} are read`);
    return Deno.readTextFileSync(file);
  } catch (error) {
    const reason = asError(error).message;
    throw new Failure("unavailable", `cannot read ${file}: ${reason}`, { cause: error });
  }
}
