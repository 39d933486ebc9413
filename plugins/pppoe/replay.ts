/** What a client has said of itself, said once more: for an LNS that takes no notice of proxies. @module */

import type { ProxyAuth } from "../session.ts";
import { emitChapValue } from "../ppp/link/chap.ts";
import { emitPapRequest } from "../ppp/link/pap.ts";
import { ProxyAuthType } from "../ppp/link/proxy.ts";
import { emitFrame, emitPacket, Protocol } from "../ppp/link/wire.ts";

/** PAP's Authenticate-Request and CHAP's Response (RFC 1334 §2.2, RFC 1994 §4). */
const PAP_REQUEST = 1;
const CHAP_RESPONSE = 2;

/** The frame by which a client proved itself; undefined: it did not. A secret. */
export function answerOf({ id = 0, name, response, type }: ProxyAuth): Uint8Array | undefined {
  if (!name || !response) return undefined;
  if (type === ProxyAuthType.Pap) {
    const data = emitPapRequest({ name, password: response });
    return emitFrame(Protocol.Pap, emitPacket({ code: PAP_REQUEST, id, data }));
  }
  if (type !== ProxyAuthType.Chap && type !== ProxyAuthType.MsChap) return undefined;
  const data = emitChapValue({ value: response, name });
  return emitFrame(Protocol.Chap, emitPacket({ code: CHAP_RESPONSE, id, data }));
}
