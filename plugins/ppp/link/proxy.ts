/** How a client proved itself to a LAC, as AVPs tell it (RFC 2661 §4.4.5). @module */

import type { Asked } from "../aaa/authenticator.ts";
import type { ProxyAuth } from "../../session.ts";
import type { AuthMethod } from "./lcp.ts";
import { CHALLENGE_LENGTH, RESPONSE_LENGTH } from "./mschapv2.ts";

/** Proxy Authen Types. */
export const ProxyAuthType = { Text: 1, Chap: 2, Pap: 3, None: 4, MsChap: 5 } as const;

/**
 * What a client said to the LAC, as it would have said it to us.
 *
 * @param method what LCP agreed on
 * @returns undefined where the AVPs do not tell it whole, or tell of something that is not done here
 */
export function askedOf(auth: ProxyAuth, method: AuthMethod | undefined): Asked | undefined {
  const { challenge, name, response, type } = auth;
  if (!name || !response) return undefined;
  if (type === ProxyAuthType.Pap) {
    return method === "pap" ? { kind: "pap", name, password: response } : undefined;
  }
  // There is no type for MS-CHAPv2: LACs that do it call it CHAP.
  if (type !== ProxyAuthType.Chap || !challenge || challenge.length === 0) return undefined;
  const id = auth.id ?? 0;
  if (method === "mschapv2") {
    const whole = challenge.length === CHALLENGE_LENGTH && response.length === RESPONSE_LENGTH;
    return whole ? { kind: "mschapv2", name, id, challenge, response } : undefined;
  }
  return method === "chap-md5" ? { kind: "chap-md5", name, id, challenge, response } : undefined;
}

/** What a client said to us, as AVPs tell it to an LNS. A secret. */
export function proxyAuthOf(asked: Asked, id: number): ProxyAuth {
  const { kind, name } = asked;
  switch (kind) {
    case "none":
      return { type: ProxyAuthType.None, name };
    case "pap":
      return { type: ProxyAuthType.Pap, name, id, response: asked.password };
    default: {
      const { challenge, response } = asked;
      return { type: ProxyAuthType.Chap, name, id, challenge, response };
    }
  }
}
