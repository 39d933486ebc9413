/** Protocol versions, encapsulations and pseudowire types, by their IANA numbers. @module */

/** The L2TP version of a tunnel: 2 (RFC 2661) or 3 (RFC 3931). */
export type ProtoVersion = 2 | 3;

/** How a tunnel travels: UDP (port 1701) or straight on IP as protocol 115 (RFC 3931 §4.1). */
export type EncapType = "udp" | "ip";

/** What stands between the session header and the frame (RFC 3931 §4.6). */
export type L2SpecType = "none" | "default";

/** IANA pseudowire types (RFC 4446 §3.2) that isthmus knows. */
export const PseudowireType = {
  EthernetVlan: 4,
  Ethernet: 5,
  Ppp: 7,
} as const;

/** One of {@linkcode PseudowireType}'s numbers. */
export type PseudowireType = typeof PseudowireType[keyof typeof PseudowireType];

/** What the frames of a port are: what two joined ports must agree on. */
export type FrameType = "ethernet" | "ppp" | "ip";

/** The frames that a pseudowire of type `type` carries. */
export function frameTypeOf(type: PseudowireType): FrameType {
  return type === PseudowireType.Ppp ? "ppp" : "ethernet";
}
