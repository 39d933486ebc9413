/**
 * The control message header (RFC 2661 §3.1, RFC 3931 §3.2.1), 12 octets, the same layout in both versions:
 *
 * ```text
 * v2  |T|L|x x|S|x|O|P|x x x x| Ver=2 | length(16) | tunnel id(16) | session id(16) | Ns(16) | Nr(16) |
 * v3  |T|L|x x|S|x x x x x x x| Ver=3 | length(16) |   control connection id(32)    | Ns(16) | Nr(16) |
 * ```
 *
 * Over IP the all-zero session id that comes first is not part of it (RFC 3931 §4.1.1.2).
 *
 * @module
 */

import { readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { ErrorCode, PeerError } from "../errors.ts";
import type { ProtoVersion } from "../pseudowire.ts";

/** Octets of a control header. */
export const CONTROL_HEADER = 12;

const T = 0x8000, L = 0x4000, S = 0x0800, O = 0x0200;

/** A control header. */
export interface ControlHeader {
  readonly version: ProtoVersion;
  /** The receiver's tunnel id (v2) or control connection id (v3); 0 before it is known. */
  readonly connectionId: number;
  /** The receiver's session id in v2, 0 where none; always 0 in v3. */
  readonly sessionId: number;
  readonly ns: number;
  readonly nr: number;
}

/**
 * Reads the header of a control message and finds its body, a view of `datagram`. Octets behind the message's
 * length are padding.
 * @throws {PeerError} where it is no control message, its version unknown or its length wrong.
 */
export function parseHeader(datagram: Uint8Array): { header: ControlHeader; body: Uint8Array } {
  if (datagram.length < CONTROL_HEADER) {
    throw new PeerError(ErrorCode.WrongLength, `control message of ${datagram.length} octets`);
  }
  const flags = readU16(datagram, 0);
  const version = flags & 0xf;
  if (version !== 2 && version !== 3) {
    throw new PeerError(ErrorCode.OutOfRange, `version ${version}`);
  }
  if ((flags & T) === 0 || (flags & L) === 0 || (flags & S) === 0) {
    throw new PeerError(ErrorCode.OutOfRange, "a control message needs the T, L and S bits");
  }
  if (version === 2 && (flags & O) !== 0) {
    throw new PeerError(ErrorCode.OutOfRange, "a control message has no O bit");
  }
  const length = readU16(datagram, 2);
  if (length < CONTROL_HEADER || length > datagram.length) {
    throw new PeerError(
      ErrorCode.WrongLength,
      `length ${length} in a datagram of ${datagram.length} octets`,
    );
  }
  return {
    header: {
      version,
      connectionId: version === 2 ? readU16(datagram, 4) : readU32(datagram, 4),
      sessionId: version === 2 ? readU16(datagram, 6) : 0,
      ns: readU16(datagram, 8),
      nr: readU16(datagram, 10),
    },
    body: datagram.subarray(CONTROL_HEADER, length),
  };
}

/** As {@linkcode parseHeader}; undefined where that would throw. */
export function tryHeader(datagram: Uint8Array): ReturnType<typeof parseHeader> | undefined {
  try {
    return parseHeader(datagram);
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return undefined;
  }
}

/** A whole control message: header and body. */
export function emitMessage(header: ControlHeader, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const datagram = new Uint8Array(CONTROL_HEADER + body.length);
  writeU16(datagram, 0, T | L | S | header.version);
  writeU16(datagram, 2, datagram.length);
  if (header.version === 2) {
    writeU16(datagram, 4, header.connectionId);
    writeU16(datagram, 6, header.sessionId);
  } else {
    writeU32(datagram, 4, header.connectionId);
  }
  datagram.set(body, CONTROL_HEADER);
  restamp(datagram, header.ns, header.nr);
  return datagram;
}

/** Rewrites Ns and Nr of a message that is sent again. */
export function restamp(datagram: Uint8Array, ns: number, nr: number): void {
  writeU16(datagram, 8, ns);
  writeU16(datagram, 10, nr);
}
