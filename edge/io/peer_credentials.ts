/** Who is at the other end of a Unix socket. @module */

import type { Libc } from "./libc.ts";

/** A process that connected to a Unix socket, as the kernel noted it then (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** `ucred`: pid 4 | uid 4 | gid 4. */
const UCRED_LENGTH = 12;

/** Who connected; undefined where the descriptor is no connected Unix socket. */
export function peerCredentials(libc: Libc, fd: number): PeerCredentials | undefined {
  const credentials = new Int32Array(UCRED_LENGTH / 4);
  const bytes = new Uint8Array(credentials.buffer);
  const length = Uint32Array.of(UCRED_LENGTH);
  const lengthBytes = new Uint8Array(length.buffer);
  if (libc.call.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, lengthBytes) < 0) return undefined;
  // A socket of another family has nobody: pid 0, and uid -1.
  if (length[0] !== UCRED_LENGTH || credentials[0] === 0) return undefined;
  return { pid: credentials[0]!, uid: credentials[1]! >>> 0 };
}
