/** Configurations without a file. @module */

import { ApplianceError } from "../appliance/errors.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { type ConfigDocument, makeDocument } from "../config/document.ts";
import type { Config } from "../config/model.ts";

/** A document that is always what `read` gives: requests can change nothing of it, and it cannot be saved. */
export function fixedDocument(read: () => Config | Promise<Config>): ConfigDocument {
  const refuse = (): never => {
    throw new ApplianceError("unavailable", undefined, "there is no configuration file");
  };
  return {
    file: "isthmus.yaml",
    load: async () => ({ config: await read(), putBack: [], warnings: [], commit() {} }),
    current: refuse,
    edit: refuse,
    origin: () => undefined,
    save: () => Promise.resolve().then(refuse),
  };
}

/** A file in memory. */
export interface TextFile {
  /** What it holds: the next reload reads it, and saving writes it. */
  text: string;
  readonly document: ConfigDocument;
}

/** A configuration whose file is in memory. */
export function textFile(text: string, plugins: readonly Plugin[]): TextFile {
  const file: TextFile = {
    text,
    document: makeDocument({
      file: "test.yaml",
      plugins,
      hostName: "test",
      readText: () => Promise.resolve(file.text),
      readSecret: (path) => {
        throw new Error(`there is no file ${path}`);
      },
      writeText: (text) => Promise.resolve(void (file.text = text)),
    }),
  };
  return file;
}
