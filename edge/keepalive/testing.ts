/** What tests of keepalives share: a host at the far end of a pseudowire, made of frames written down octet by octet. @module */

import { parseIp } from "../../core/endpoint.ts";
import { parseMac } from "../../plugins/mac.ts";
import { checksum6 } from "../../plugins/ppp/ipv6/packet.ts";

/** The far host's MAC address. */
export const farMac = parseMac("02:00:00:00:00:02");

/** Answers as a host does that has the address `ip` and nothing else; undefined: it stays silent. */
export function farHost(ip: string, mac: Uint8Array = farMac) {
  const own = parseIp(ip)!;
  return (frame: Uint8Array): Uint8Array | undefined => {
    const tag = frame[12] === 0x81 && frame[13] === 0 ? 4 : 0;
    const at = 12 + tag;
    const answer = frame.slice();
    answer.set(frame.subarray(6, 12), 0);
    answer.set(mac, 6);
    const kind = frame[at]! << 8 | frame[at + 1]!;
    const packet = answer.subarray(at + 2);
    const equal = (from: number, bytes: Uint8Array) =>
      bytes.every((byte, i) => packet[from + i] === byte);
    if (kind === 0x0806 && packet[7] === 1 && equal(24, own)) {
      const asker = packet.slice(8, 18);
      packet[7] = 2;
      packet.set([...mac, ...own, ...asker], 8);
      return answer;
    }
    if (kind === 0x0800 && packet[9] === 1 && packet[20] === 8 && equal(16, own)) {
      packet.set([...packet.slice(16, 20), ...packet.slice(12, 16)], 12);
      packet[20] = 0;
      // A type that is less by 8 is a sum that is more by 0800 (RFC 1624).
      const sum = (packet[22]! << 8 | packet[23]!) + 0x0800;
      packet.set([(sum + (sum >> 16)) >> 8, sum + (sum >> 16)], 22);
      return answer;
    }
    if (kind !== 0x86dd || packet[6] !== 58) return undefined;
    const source = packet.slice(8, 24);
    const length = packet[4]! << 8 | packet[5]!;
    if (packet[40] === 135 && equal(48, own)) {
      packet[40] = 136;
      packet[44] = 0x60;
      packet.set([2, 1, ...mac], 64);
    } else if (packet[40] === 128 && equal(24, own)) packet[40] = 129;
    else return undefined;
    packet.set([...own, ...source], 8);
    packet.set([0, 0], 42);
    const sum = checksum6(own, source, 58, packet.subarray(40, 40 + length));
    packet.set([sum >> 8, sum], 42);
    return answer;
  };
}
