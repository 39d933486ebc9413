/** How the datapath says no. @module */

/** Why the datapath refused; nothing was changed. */
export type WasmErrorCode =
  | "no-such-socket"
  | "no-such-tunnel"
  | "no-such-port"
  | "tunnel-exists"
  | "session-exists"
  | "tunnel-busy"
  | "socket-busy"
  | "port-joined"
  | "frame-type-mismatch"
  | "limit"
  | "invalid";

/** The datapath refused a request. */
export class WasmError extends Error {
  /** For `error.name`. */
  override readonly name = "WasmError";
  /** `code` is for programs, `message` for people. */
  constructor(readonly code: WasmErrorCode, message: string) {
    super(message);
  }
}

/** Runs `call`; a refusal, which the module throws as `code: message`, becomes a {@linkcode WasmError}. */
export function refusing<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    if (typeof thrown !== "string") throw thrown;
    const colon = thrown.indexOf(": ");
    throw new WasmError(thrown.slice(0, colon) as WasmErrorCode, thrown.slice(colon + 2));
  }
}
