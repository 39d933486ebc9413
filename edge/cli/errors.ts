/** Why a command came to nothing: whose fault it was decides the exit status. @module */

/** What the command line said makes no sense: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The appliance refused, or could not be asked: exit status 1. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}
