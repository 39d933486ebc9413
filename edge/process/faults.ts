/** Errors that nobody caught: said in the log, and no end of the tunnels. @module */

import type { Log } from "../../plugins/host/leaves.ts";

/**
 * Has errors that nobody caught logged, with where they came from, and the process go on: what carries frames and holds
 * the peers is not concerned by most of them, and would be gone. Until disposal.
 */
export function catchFaults(log: Pick<Log, "error">): Disposable {
  const tell = (what: string, error: unknown) => {
    const [first, ...more] = String(error instanceof Error ? error.stack : error).split("\n");
    const places = more.map((line) => line.trim()).filter((line) => line.startsWith("at "));
    log.error(`a fault in isthmus: ${what}`, {
      error: first ?? "",
      ...(places.length > 0 && { at: places.slice(0, 5).join(" ") }),
    });
  };
  const rejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    tell("nobody waited for what failed", event.reason);
  };
  const error = (event: ErrorEvent) => {
    event.preventDefault();
    tell("nobody caught an error", event.error);
  };
  globalThis.addEventListener("unhandledrejection", rejection);
  globalThis.addEventListener("error", error);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("unhandledrejection", rejection);
      globalThis.removeEventListener("error", error);
    },
  };
}
