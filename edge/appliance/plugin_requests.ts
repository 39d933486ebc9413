/** Requests that plugins answer: their views and words. @module */

import { Failure } from "../../plugins/failure.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import type { Json, Row } from "../../plugins/plugin.ts";
import { ApplianceError, applianceError } from "./errors.ts";

/** The rows of a view. @throws {ApplianceError} */
export async function* pluginRows(
  host: Pick<PluginHost, "hasView" | "show">,
  view: string,
  name: string | undefined,
): AsyncIterable<Row> {
  if (!host.hasView(view)) throw notFound(`there is no view ${view}`);
  try {
    yield* host.show(view, name);
  } catch (error) {
    throw asked(error);
  }
}

/** What a plugin answers to a word. @throws {ApplianceError} */
export async function pluginAnswer(
  host: Pick<PluginHost, "hasWord" | "run">,
  word: string,
  given: object,
): Promise<Json> {
  if (!host.hasWord(word)) throw notFound(`there is no word ${word}`);
  try {
    return await host.run(word, given);
  } catch (error) {
    throw asked(error);
  }
}

function notFound(message: string): ApplianceError {
  return new ApplianceError("not-found", undefined, message);
}

/** A failure blames what was given, by its own name. */
function asked(error: unknown): unknown {
  if (!(error instanceof Failure)) return applianceError(error);
  return new ApplianceError(error.code, error.option || undefined, error.message, { cause: error });
}
