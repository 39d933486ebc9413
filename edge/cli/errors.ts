/** Why a command came to nothing: whose fault it was decides the exit status. @module */

import type { Fault } from "../admin/problem.ts";

/** What the command line said makes no sense: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The appliance refused, or could not be asked: exit status 1. */
export class RequestError extends Error {
  override readonly name: string = "RequestError";
}

/** The appliance found something wrong with what it was told. */
export class Refused extends RequestError {
  override readonly name = "Refused";
  /** @param more how many faults there are besides */
  constructor(readonly faults: readonly Fault[], readonly more: number) {
    const lines = faults.map(({ attribute, message }) =>
      attribute === "" ? message : `${attribute}: ${message}`
    );
    super([...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("\n"));
  }
}
