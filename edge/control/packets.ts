/** Data packets for those who look on: the heads of what passes between this host and a peer. Control messages are left out. @module */

import { formatIp } from "../../core/endpoint.ts";
import { readU16 } from "../../core/wire/bytes.ts";

/** Where packets' heads come from; disposal closes it. */
export interface PacketSource extends Disposable {
  /** Takes what came; how many were lost. A head begins with the IP header and is the taker's to keep. */
  read(take: (head: Uint8Array<ArrayBuffer>, length: number) => void): number;
}

/** A data packet that passed. */
export interface TracedPacket {
  readonly kind: "data";
  /** Unix milliseconds: when it was read, a few after it passed. */
  readonly time: number;
  readonly direction: "received" | "sent";
  /** The peer's address. */
  readonly remote: string;
  /** Octets of the whole packet, from its IP header on. */
  readonly length: number;
  /** Its first octets. */
  readonly head: Uint8Array<ArrayBuffer>;
}

/** How to tell L2TP of a peer from other packets of its host. */
export interface PacketsOf {
  readonly addresses: readonly string[];
  /** The peer's UDP ports; empty: any. */
  readonly ports: readonly number[];
}

const UDP = 17;
const PROTOCOL_115 = 115;

/** What a packet is; undefined: a control message, or none of the peer's L2TP. */
export function packetOf(
  head: Uint8Array<ArrayBuffer>,
  length: number,
  time: number,
  { addresses, ports }: PacketsOf,
): TracedPacket | undefined {
  const v6 = head[0]! >> 4 === 6;
  const header = v6 ? 40 : 4 * (head[0]! & 15);
  if (head.length < header + 12) return undefined;
  const [source, destination] = v6
    ? [formatIp(head.subarray(8, 24)), formatIp(head.subarray(24, 40))]
    : [formatIp(head.subarray(12, 16)), formatIp(head.subarray(16, 20))];
  const received = addresses.includes(source);
  const remote = received ? source : destination;
  const packet = {
    kind: "data",
    time,
    direction: received ? "received" : "sent",
    remote,
    length,
    head,
  } as const;
  const protocol = head[v6 ? 6 : 9];
  const first = !v6 && (readU16(head, 6) & 0x1fff) !== 0 ? undefined : header;
  // Later fragments say nothing of ports.
  if (first === undefined) return packet;
  if (protocol === PROTOCOL_115) {
    const session = head.subarray(header, header + 4);
    return session.every((octet) => octet === 0) ? undefined : packet;
  }
  if (protocol !== UDP) return undefined;
  const port = readU16(head, received ? header : header + 2);
  if (ports.length > 0 && !ports.includes(port)) return undefined;
  return (head[header + 8]! & 0x80) !== 0 ? undefined : packet;
}
