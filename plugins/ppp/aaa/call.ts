/** What is known of a call, for those who decide on it. @module */

import { lineAttributes, lineOfAvps } from "../../line.ts";
import type { Session } from "../../session.ts";

/** A call: who, from where, over what. */
export interface CallFacts {
  /** Unique over restarts: Acct-Session-Id. */
  readonly id: string;
  /** Unique now, for people: `<tunnel>/<session>`. */
  readonly name: string;
  /** NAS-Port-Type: 5 virtual, 15 Ethernet (RFC 2865 §5.41); 32 PPPoE over Ethernet, 33 over a VLAN, 34 over two. */
  readonly portType: number;
  /** NAS-Port: 32 bits. */
  readonly port?: number;
  /** NAS-Port-Id; {@linkcode CallFacts.name} where absent. */
  readonly portId?: string;
  readonly callingNumber?: string;
  readonly calledNumber?: string;
  /** Bits a second, to the client and from it. */
  readonly txSpeed?: bigint;
  readonly rxSpeed?: bigint;
  /** The tunnel that it came in, or leaves by. */
  readonly tunnel?: CallTunnel;
  /** The access line, where someone told of it: vendor 3561's values by type (RFC 4679), without headers. */
  readonly line?: readonly { readonly type: number; readonly value: Uint8Array }[];
  /** PPPoE: the client's MAC address, its VLANs, what service it asked for. */
  readonly mac?: string;
  readonly vlans?: readonly number[];
  readonly serviceName?: string;
  /** The termination that it is to end at. */
  readonly termination?: string;
}

/** A tunnel, in RFC 2868's words. */
export interface CallTunnel {
  /** The LAC, and the LNS. */
  readonly clientEndpoint?: string;
  readonly serverEndpoint?: string;
  /** What they call themselves. */
  readonly clientAuthId?: string;
  readonly serverAuthId?: string;
  /** The tunnel, as the operator knows it. */
  readonly assignmentId?: string;
  /** Call Serial Number. */
  readonly connection?: string;
}

/** What a call that came in over L2TP has said, as an LNS tells of it. */
export function factsOf(session: Session): CallFacts {
  const { said, tunnel } = session;
  const line = lineAttributes(lineOfAvps(said.others ?? []));
  return {
    id: session.id,
    name: session.name,
    portType: VIRTUAL,
    ...(said.physicalChannelId !== undefined && { port: said.physicalChannelId }),
    ...(said.callingNumber !== undefined && { callingNumber: said.callingNumber }),
    ...(said.calledNumber !== undefined && { calledNumber: said.calledNumber }),
    ...(said.txConnectSpeed !== undefined && { txSpeed: said.txConnectSpeed }),
    ...(said.rxConnectSpeed !== undefined && { rxSpeed: said.rxConnectSpeed }),
    ...(line.length > 0 && { line }),
    ...(tunnel && {
      tunnel: {
        clientEndpoint: tunnel.peer,
        ...(tunnel.hostName !== "" && { clientAuthId: tunnel.hostName }),
        ...(tunnel.localHostName !== "" && { serverAuthId: tunnel.localHostName }),
        assignmentId: tunnel.name,
        ...(said.callSerialNumber !== undefined && { connection: String(said.callSerialNumber) }),
      },
    }),
  };
}

/** NAS-Port-Type of what has no port (RFC 2865 §5.41). */
const VIRTUAL = 5;
