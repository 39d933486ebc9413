/** SCCRQs that wait for somebody to decide on them (RADIUS): a bounded number, for a bounded time. @module */

import { pathKey } from "./path.ts";
import type { Request } from "./requests.ts";

/** How many may wait, and for how many milliseconds: by then the peer has given up asking. */
const MOST = 512;
const LONGEST_MS = 30_000;

interface Waiting {
  readonly request: Request;
  readonly key: string;
  readonly since: number;
}

export class Undecided {
  /** By number, the oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #keys = new Set<string>();
  #last = 0;

  /** Keeps a copy of a request, and returns its number; `known`: it waits already; `full`: it cannot wait. */
  add(request: Request, now: number): number | "known" | "full" {
    for (const [number, { since }] of this.#waiting) {
      if (now - since < LONGEST_MS) break;
      this.take(number, now);
    }
    const key = keyOf(request);
    if (this.#keys.has(key)) return "known";
    if (this.#waiting.size >= MOST) return "full";
    this.#keys.add(key);
    this.#waiting.set(++this.#last, { request: copyOf(request), key, since: now });
    return this.#last;
  }

  /** Takes a request that is decided on; undefined: it waited too long, or was decided on before. */
  take(number: number, now: number): Request | undefined {
    const waiting = this.#waiting.get(number);
    if (!waiting) return undefined;
    this.#waiting.delete(number);
    this.#keys.delete(waiting.key);
    return now - waiting.since < LONGEST_MS ? waiting.request : undefined;
  }
}

/** What one attempt of a peer to come up has, however often its SCCRQ comes. */
function keyOf({ path, seen: { assignedId } }: Request): string {
  return `${pathKey(path)} ${assignedId[2]} ${assignedId[3]}`;
}

/** The datagram is the caller's, and what was seen are views of it. */
function copyOf(request: Request): Request {
  const datagram = request.datagram.slice();
  const same = (view: Uint8Array) => {
    const at = view.byteOffset - request.datagram.byteOffset;
    return datagram.subarray(at, at + view.length);
  };
  const { hostName, vendorName } = request.seen;
  return {
    ...request,
    datagram,
    body: same(request.body),
    seen: {
      ...request.seen,
      hostName: hostName && same(hostName),
      vendorName: vendorName && same(vendorName),
    },
  };
}
