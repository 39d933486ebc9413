/** What went wrong below, as the API says it. @module */

import { Failure } from "../../plugins/failure.ts";
import { DatapathError } from "../datapath/datapath.ts";
import { IoError } from "../io/errno.ts";

/** Why a request could not be carried out; nothing was changed. `status` is the HTTP status that says the same. */
export class ApplianceError extends Error {
  override readonly name = "ApplianceError";
  constructor(
    readonly code:
      | "not-found"
      | "exists"
      | "invalid"
      | "in-use"
      | "limit"
      | "unavailable"
      | "not-permitted"
      | "needs-force",
    /** Which attribute is wrong, by its API name, where one is. */
    readonly attribute: string | undefined,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

type Code = ApplianceError["code"];

const ioCodes: Readonly<Record<string, Code>> = {
  EPERM: "not-permitted",
  EACCES: "not-permitted",
  EADDRINUSE: "in-use",
  EBUSY: "in-use",
  EEXIST: "in-use",
  EINVAL: "invalid",
  EADDRNOTAVAIL: "unavailable",
  ENODEV: "unavailable",
  ENOENT: "unavailable",
  EMFILE: "limit",
  ENFILE: "limit",
};

/** Codes of {@linkcode DatapathError}s that a request can cause, and the attribute that is wrong then. */
const datapathCodes: Readonly<Record<string, readonly [Code, string | undefined]>> = {
  "tunnel-exists": ["exists", "tunnel-id"],
  "session-exists": ["exists", "session-id"],
  "port-joined": ["in-use", "circuit"],
  "address-in-use": ["in-use", undefined],
  "frame-type-mismatch": ["invalid", "circuit"],
  limit: ["limit", undefined],
  invalid: ["invalid", undefined],
};

/** Whether waiting may mend it: what was asked for cannot be had now, and may be had later. */
export function isPassing(error: unknown): error is ApplianceError {
  return error instanceof ApplianceError &&
    (error.code === "unavailable" || error.code === "in-use");
}

/**
 * `error` as an {@linkcode ApplianceError}. Errors that are no one's doing but ours pass unchanged.
 * @param attribute what to blame where the error itself does not say
 */
export function applianceError(error: unknown, attribute?: string): unknown {
  const as = (code: Code, blamed = attribute) =>
    new ApplianceError(code, blamed, (error as Error).message, { cause: error });
  if (error instanceof Failure) {
    const option = error.option === undefined ? "" : `.${error.option}`;
    return as(error.code, `${attribute ?? "circuit"}${option}`);
  }
  if (error instanceof IoError) return as(ioCodes[error.code] ?? "unavailable");
  if (error instanceof DatapathError) {
    const [code, blamed] = datapathCodes[error.code] ?? ["unavailable"];
    return as(code, blamed ?? attribute);
  }
  return error;
}

/** A device's error as plugins see it. Errors that are no one's doing but ours pass unchanged. */
export function circuitFailure(error: unknown, option?: string): unknown {
  if (error instanceof Failure) return error;
  const code = error instanceof IoError
    ? ioCodes[error.code] ?? "unavailable"
    : error instanceof DatapathError
    ? datapathCodes[error.code]?.[0] ?? "unavailable"
    : undefined;
  if (code === undefined || code === "not-found" || code === "needs-force") return error;
  return new Failure(code === "exists" ? "in-use" : code, (error as Error).message, {
    cause: error,
    ...(option !== undefined && { option }),
  });
}

/** Runs `work`, its errors turned by {@linkcode applianceError}. */
export async function asApplianceErrors<T>(attribute: string | undefined, work: () => Promise<T>) {
  try {
    return await work();
  } catch (error) {
    throw applianceError(error, attribute);
  }
}
