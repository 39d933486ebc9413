/** An SCCRQ that is for both versions: who answers it decides which is spoken (RFC 3931 §4.7.3). @module */

import { AVP_HEADER, parseAvps } from "./avp.ts";
import { catalogue, nameOf } from "./catalogue.ts";
import type { MessageDigest } from "./codec.ts";
import { dialects, type Introduction, messageOf } from "./dialect.ts";
import { emitBody } from "./message.ts";

/**
 * The body of the SCCRQ: the AVPs of both versions, those of v3 without their M bit so that a v2 peer passes over them.
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
  const body = emitBody(message, undefined, digests);
  for (const { type, value } of parseAvps(body)) {
    const name = nameOf(3, type)!;
    const onlyV3 = !(catalogue[name].versions as readonly number[]).includes(2);
    if (onlyV3) body[value.byteOffset - body.byteOffset - AVP_HEADER]! &= 0x7f;
  }
  return body;
}
