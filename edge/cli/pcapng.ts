/**
 * Control messages as a capture file that Wireshark and tshark read (pcapng, draft-ietf-opsawg-pcapng): each as an IP packet,
 * with the headers that it had or would have had. Pure.
 *
 * @module
 */

import { concat, internetChecksum } from "../../core/wire/bytes.ts";
import { ipVersion, parseIp } from "../../core/endpoint.ts";

/** A message to be written down. */
export interface CapturedMessage {
  /** Unix milliseconds. */
  readonly time: number;
  readonly direction: "received" | "sent";
  readonly encap: "udp" | "ip";
  readonly local: string;
  readonly remote: string;
  readonly remotePort: number;
  /** Octets from the L2TP header on. */
  readonly octets: Uint8Array;
  /** The tunnel's name, where there is one. */
  readonly tunnel?: string;
}

/** A packet as it passed. */
export interface CapturedPacket extends Pick<CapturedMessage, "time" | "direction"> {
  /** Its octets, or the first of them, from its IP header on. */
  readonly head: Uint8Array;
  /** How long all of it was. */
  readonly length: number;
}

/** Link type: IP packets, of both versions. */
const LINKTYPE_RAW = 101;
/** L2TP's port; ours is not told, and is this one but in tests. */
const PORT = 1701;
const PROTOCOL = { udp: 17, ip: 115 } as const;

/** The most interfaces of a file; what comes from further ones is written as the first one's. */
const MAX_INTERFACES = 4096;

/**
 * A capture file's octets, piece by piece. Each tunnel is an interface of its own (`frame.interface_name == "hq"`);
 * what belongs to none is the first one's, `isthmus`.
 */
export class CaptureFile {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #interfaces = new Map<string, number>();

  /** Writes what a file begins with. `program` is what it says to be written by. */
  constructor(write: (bytes: Uint8Array) => void, program: string) {
    this.#write = write;
    write(block(0x0a0d0d0a, [
      u32(0x1a2b3c4d),
      u16(1),
      u16(0),
      new Uint8Array(8).fill(0xff), // of a length that nobody knows yet
      option(4, text(program)),
      option(0),
    ]));
    this.#interface("isthmus");
  }

  /** Writes a message of a tunnel. */
  add(message: CapturedMessage): void {
    const head = ipPacket(message);
    const { direction, time, tunnel = "isthmus" } = message;
    this.addPacket({ direction, time, head, length: head.length }, tunnel);
  }

  /** Writes a packet, or as much of it as there is. */
  addPacket({ direction, head, length, time }: CapturedPacket, device = "isthmus"): void {
    const at = BigInt(time) * 1000n; // microseconds: what times are in where nothing else is said
    const INBOUND = 1, OUTBOUND = 2;
    const number = this.#interface(device);
    this.#write(block(6, [
      u32(number),
      u32(Number(at >> 32n)),
      u32(Number(at & 0xffff_ffffn)),
      u32(head.length),
      u32(length),
      padded(head),
      option(2, u32(direction === "received" ? INBOUND : OUTBOUND)),
      option(0),
    ]));
  }

  /** The number of an interface, which is written down first if it is new. */
  #interface(name: string): number {
    const known = this.#interfaces.get(name);
    if (known !== undefined) return known;
    const number = this.#interfaces.size;
    if (number === MAX_INTERFACES) return 0;
    this.#interfaces.set(name, number);
    this.#write(block(1, [u16(LINKTYPE_RAW), u16(0), u32(0), option(2, text(name)), option(0)]));
    return number;
  }
}

/** The packet that carries a message. */
function ipPacket({ direction, encap, local, octets, remote, remotePort }: CapturedMessage) {
  const ends = [addressOf(local, remote), addressOf(remote, local)];
  const ports = [PORT, remotePort || PORT];
  if (direction === "received") {
    ends.reverse();
    ports.reverse();
  }
  const [source, destination] = ends as [Uint8Array, Uint8Array];
  const [from, to] = ports as [number, number];
  const payload = encap === "udp"
    ? udpDatagram(source, destination, from, to, octets)
    : concat([new Uint8Array(4), octets]); // the all-zero session id (RFC 3931 §4.1.1.2)
  return concat([ipHeader(source, destination, PROTOCOL[encap], payload.length), payload]);
}

/** An address; one that is not known, or of the other family, as the unspecified one. */
function addressOf(address: string, other: string): Uint8Array {
  const length = ipVersion(address) ?? ipVersion(other);
  const bytes = parseIp(address) ?? new Uint8Array(length === 6 ? 16 : 4);
  return ipVersion(other) !== undefined && ipVersion(other) !== length
    ? new Uint8Array(ipVersion(other) === 6 ? 16 : 4)
    : bytes;
}

function ipHeader(source: Uint8Array, destination: Uint8Array, protocol: number, length: number) {
  if (source.length === 16) {
    return concat([
      u32be(0x6000_0000),
      u16be(length),
      Uint8Array.of(protocol, 64),
      source,
      destination,
    ]);
  }
  const header = concat([
    Uint8Array.of(0x45, 0),
    u16be(20 + length),
    u32be(0x0000_4000), // DF
    Uint8Array.of(64, protocol),
    u16be(0),
    source,
    destination,
  ]);
  header.set(u16be(internetChecksum([header])), 10);
  return header;
}

function udpDatagram(
  source: Uint8Array,
  destination: Uint8Array,
  from: number,
  to: number,
  octets: Uint8Array,
): Uint8Array {
  const length = u16be(8 + octets.length);
  const datagram = concat([u16be(from), u16be(to), length, u16be(0), octets]);
  const pseudo = [source, destination, Uint8Array.of(0, PROTOCOL.udp), length];
  datagram.set(u16be(internetChecksum([...pseudo, datagram]) || 0xffff), 6);
  return datagram;
}

/** A block: its type, its length, what is in it, its length again. */
function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(parts);
  const length = u32(12 + body.length);
  return concat([u32(type), length, body, length]);
}

/** An option; without a value it ends the list. */
function option(code: number, value: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concat([u16(code), u16(value.length), padded(value)]);
}

/** Filled up to a multiple of four octets. */
function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
}

const encoder = new TextEncoder();
const text = (value: string) => encoder.encode(value).subarray(0, 4096);
const number = (length: 2 | 4, value: number, little: boolean) => {
  const view = new DataView(new ArrayBuffer(length));
  if (length === 2) view.setUint16(0, value, little);
  else view.setUint32(0, value, little);
  return new Uint8Array(view.buffer);
};
const u16 = (value: number) => number(2, value, true);
const u32 = (value: number) => number(4, value >>> 0, true);
const u16be = (value: number) => number(2, value, false);
const u32be = (value: number) => number(4, value >>> 0, false);
