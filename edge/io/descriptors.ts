/** How many descriptors the process has, and may have. @module */

import type { Libc } from "./libc.ts";

/** Descriptors of the process. */
export interface Descriptors {
  /** About how many are open: the number that the next one would get. */
  readonly open: number;
  /** The soft limit of their number (RLIMIT_NOFILE, getrlimit(2)). */
  readonly limit: number;
}

const RLIMIT_NOFILE = 7;
const EFD_CLOEXEC = 0o2000000;

/** Counts by the kernel's rule that a new descriptor gets the lowest number that is free. */
export function descriptors(libc: Libc): Descriptors {
  // `rlimit`: soft 8 | hard 8.
  const limits = new BigUint64Array(2);
  libc.call.getrlimit(RLIMIT_NOFILE, new Uint8Array(limits.buffer));
  const limit = Number(limits[0]);
  const next = libc.call.eventfd(0, EFD_CLOEXEC);
  if (next < 0) return { open: limit, limit };
  libc.call.close(next);
  return { open: next, limit };
}
