/** Plugins' databases: a file of SQLite for each, in the state folder. @module */

import { DatabaseSync } from "node:sqlite";
import { asError, Failure } from "../../plugins/failure.ts";

/** Opens the database of a plugin. @throws {Failure} */
export function openStore(folder: string, plugin: string): DatabaseSync {
  const file = `${folder}/${plugin}.sqlite`;
  try {
    const store = new DatabaseSync(file);
    // What is written is there after a crash, and readers do not stop it.
    store.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    return store;
  } catch (error) {
    const reason = asError(error).message;
    const message =
      `cannot open ${file}: ${reason}; it needs a state-folder that can be written to`;
    throw new Failure("unavailable", message, { cause: error });
  }
}
