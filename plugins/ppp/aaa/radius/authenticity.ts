/**
 * Whether a RADIUS packet is to be believed, and what makes ours believed: authenticators (RFC 2865 §3, RFC 2866 §3, RFC 5176
 * §2.3) and Message-Authenticator (RFC 3579 §3.2).
 *
 * @module
 */

import { equalConstantTime } from "../../../../core/wire/bytes.ts";
import { createHash } from "node:crypto";
import {
  type Attribute,
  CODE,
  emitPacket,
  HEADER,
  MESSAGE_AUTHENTICATOR,
  type Packet,
  type PacketDraft,
  type VendorFormats,
} from "./packet.ts";

/** A secret that is shared with one server or client, and what is derived from it once. */
export interface Secret {
  readonly octets: Uint8Array;
  /** RFC 2104: the key, filled up to 64 octets, with 0x36 and 0x5c in each. */
  readonly inner: Uint8Array;
  readonly outer: Uint8Array;
}

const NO_AUTHENTICATOR = new Uint8Array(16);
const UNSIGNED_OCTETS = Uint8Array.of(MESSAGE_AUTHENTICATOR, 18, ...NO_AUTHENTICATOR);
const UNSIGNED: Attribute = { vendor: 0, type: MESSAGE_AUTHENTICATOR, value: new Uint8Array(16) };

/** Makes a secret ready for use. */
export function makeSecret(octets: Uint8Array): Secret {
  const key = octets.length > 64 ? md5(octets) : octets;
  const filled = (with_: number) =>
    Uint8Array.from({ length: 64 }, (_, i) => (key[i] ?? 0) ^ with_);
  return { octets, inner: filled(0x36), outer: filled(0x5c) };
}

/** MD5 over parts. */
export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  const { buffer, byteOffset, byteLength } = hash.digest();
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** An Access-Request or Status-Server: Message-Authenticator first, under a random authenticator of 16 octets. */
export function sealAccessRequest(
  packet: PacketDraft,
  secret: Secret,
  formats: VendorFormats,
): Uint8Array<ArrayBuffer> {
  const written = [UNSIGNED_OCTETS, ...packet.written ?? []];
  const octets = emitPacket({ ...packet, written }, formats);
  octets.set(sign(octets, packet.authenticator, secret), HEADER + 2);
  return octets;
}

/** An Accounting-, CoA- or Disconnect-Request: its authenticator is a digest over it (RFC 2866 §3). */
export function sealRequest(
  packet: Omit<PacketDraft, "authenticator">,
  secret: Secret,
  formats: VendorFormats,
  signed = false,
): Uint8Array<ArrayBuffer> {
  const written = signed ? [UNSIGNED_OCTETS, ...packet.written ?? []] : packet.written ?? [];
  const octets = emitPacket({ ...packet, written, authenticator: NO_AUTHENTICATOR }, formats);
  if (signed) octets.set(sign(octets, NO_AUTHENTICATOR, secret), HEADER + 2);
  octets.set(md5(octets, secret.octets), 4);
  return octets;
}

/** An answer to `request`; `signed`: with a Message-Authenticator, first. */
export function sealResponse(
  code: number,
  request: Pick<Packet, "id" | "authenticator">,
  attributes: readonly Attribute[],
  secret: Secret,
  formats: VendorFormats,
  signed: boolean,
): Uint8Array<ArrayBuffer> {
  const all = signed ? [UNSIGNED, ...attributes] : attributes;
  const { id, authenticator } = request;
  const octets = emitPacket({ code, id, authenticator, attributes: all }, formats);
  if (signed) octets.set(sign(octets, authenticator, secret), HEADER + 2);
  octets.set(md5(octets, secret.octets), 4);
  return octets;
}

/** What is wrong with a packet's proof of who sent it; undefined: nothing. */
export type Doubt = "authenticator" | "message-authenticator" | undefined;

/** Checks an answer by the authenticator of its request, and its Message-Authenticator if it has one. */
export function doubtOfResponse(packet: Packet, asked: Uint8Array, secret: Secret): Doubt {
  const { octets } = packet;
  const right = md5(octets.subarray(0, 4), asked, octets.subarray(HEADER), secret.octets);
  if (!equalConstantTime(right, packet.authenticator)) return "authenticator";
  return doubtOfSignature(packet, asked, secret);
}

/** Checks a request: a digest over all of it, but for Access-Request and Status-Server, whose authenticator is random. */
export function doubtOfRequest(packet: Packet, secret: Secret): Doubt {
  const { octets, code } = packet;
  if (code === CODE.accessRequest || code === CODE.statusServer) {
    return doubtOfSignature(packet, packet.authenticator, secret);
  }
  const right = md5(
    octets.subarray(0, 4),
    NO_AUTHENTICATOR,
    octets.subarray(HEADER),
    secret.octets,
  );
  if (!equalConstantTime(right, packet.authenticator)) return "authenticator";
  return doubtOfSignature(packet, NO_AUTHENTICATOR, secret);
}

/** Whether a packet carries a Message-Authenticator. */
export function isSigned(packet: Packet): boolean {
  return packet.attributes.some(isSignature);
}

function isSignature({ vendor, type }: Attribute): boolean {
  return vendor === 0 && type === MESSAGE_AUTHENTICATOR;
}

function doubtOfSignature(packet: Packet, authenticator: Uint8Array, secret: Secret): Doubt {
  const found = packet.attributes.filter(isSignature);
  if (found.length === 0) return undefined;
  const value = found[0]!.value;
  if (found.length > 1 || value.length !== 16) return "message-authenticator";
  const unsigned = packet.octets.slice();
  // Values are views of the packet's octets: so it is known where one lies.
  const at = value.byteOffset - packet.octets.byteOffset;
  unsigned.fill(0, at, at + 16);
  return equalConstantTime(sign(unsigned, authenticator, secret), value)
    ? undefined
    : "message-authenticator";
}

/** HMAC-MD5 over a packet whose Message-Authenticator is zero, with `authenticator` in its header. */
function sign(octets: Uint8Array, authenticator: Uint8Array, secret: Secret): Uint8Array {
  const inner = md5(secret.inner, octets.subarray(0, 4), authenticator, octets.subarray(HEADER));
  return md5(secret.outer, inner);
}
