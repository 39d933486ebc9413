/** Why a plugin cannot do what it shall. @module */

/** What was wrong, for programs. The first three may pass: what failed so is tried again later. */
export type FailureCode = "unavailable" | "in-use" | "limit" | "not-permitted" | "invalid";

/**
 * An error that says whom to blame; shown to operators, so it holds no secrets. Plugins have it made by
 * {@linkcode Scope.failure}, so that one with a copy of this module of its own is understood too.
 */
export class Failure extends Error {
  /** Tells it from other errors. */
  override readonly name = "Failure";
  /** The option that is wrong (`name`), where one is. */
  readonly option: string | undefined;
  /** @param message says what cannot be had, and why, in a sentence */
  constructor(
    readonly code: FailureCode,
    message: string,
    options?: ErrorOptions & { readonly option?: string },
  ) {
    super(message, options);
    this.option = options?.option;
  }
}

/** Whether waiting may mend what `error` tells of. A defect counts as what may pass: it is logged each time. */
export function mayPass(error: Error): boolean {
  return !(error instanceof Failure) ||
    (error.code !== "invalid" && error.code !== "not-permitted");
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
