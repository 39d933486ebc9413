/** An SCCRQ that is for both versions: who answers it decides which is spoken (RFC 3931 §4.7.3). @module */

import type { MessageDigest } from "./wire/codec.ts";
import { dialects, type Introduction, messageOf } from "./dialect.ts";
import { emitBody } from "./wire/message.ts";

/**
 * The body of the SCCRQ: the AVPs of both versions. Being of a v2 message, those of v3 go without their M bit, so that a
 * v2 peer passes over them.
 * @param ids What we want to be called by in each version.
 */
export function offerBoth(
  self: Omit<Introduction, "localId">,
  ids: Readonly<Record<2 | 3, number>>,
  digests: readonly MessageDigest[],
): Uint8Array<ArrayBuffer> {
  const message = messageOf(2, "SCCRQ", {
    ...dialects[2].introduce({ ...self, localId: ids[2] }),
    ...dialects[3].introduce({ ...self, localId: ids[3] }),
  });
  return emitBody(message, undefined, digests);
}
