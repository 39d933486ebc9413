/** The signals of a process. @module */

/** What signals asked for. */
export interface Signals {
  /** Resolves with the first one that asks to stop; the second one ends the process at once. */
  readonly stop: Promise<string>;
  /** Whom to tell of SIGHUP from now on: at once, if one came before. */
  onReload(reload: () => void): void;
}

/** Takes SIGTERM, SIGINT and SIGHUP from now to the end of the process. */
export function followSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<string>();
  let stopping = false;
  const stop = (signal: "SIGTERM" | "SIGINT", number: number) =>
    Deno.addSignalListener(signal, () => {
      if (stopping) Deno.exit(128 + number);
      stopping = true;
      resolve(signal);
    });
  stop("SIGTERM", 15);
  stop("SIGINT", 2);
  let kept = false;
  let reload: () => void = () => kept = true;
  Deno.addSignalListener("SIGHUP", () => reload());
  return {
    stop: promise,
    onReload(told) {
      reload = told;
      if (kept) told();
    },
  };
}
