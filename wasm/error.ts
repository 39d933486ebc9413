/** How the datapath says no. @module */

/** Why the datapath refused; nothing was changed. */
export type WasmErrorCode =
  | "no-such-socket"
  | "no-such-tunnel"
  | "no-such-port"
  | "no-such-switch"
  | "tunnel-exists"
  | "session-exists"
  | "tunnel-busy"
  | "socket-busy"
  | "port-joined"
  | "address-in-use"
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

/** The error of a refusal, which the module words as `code: message`. */
export function refused(text: string): WasmError {
  const colon = text.indexOf(": ");
  return new WasmError(text.slice(0, colon) as WasmErrorCode, text.slice(colon + 2));
}

/** Runs `call`; a refusal that the module throws becomes a {@linkcode WasmError}. */
export function refusing<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw typeof thrown === "string" ? refused(thrown) : thrown;
  }
}
