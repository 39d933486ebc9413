/** MAC addresses (IEEE 802 §8), and what else circuits of Ethernet frames share. @module */

import type { VlanTag } from "./ports.ts";

/** The bytes of an Ethernet header, which an interface's MTU leaves out. */
export const ETHERNET_HEADER = 14;

/** A MAC address, 6 bytes. */
export type Mac = Uint8Array;

/** Whether `text` is a unicast MAC address other than all zeros, in `02:00:…` notation. */
export function isUnicastMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text) && isUnicast(parseMac(text));
}

/** Whether `mac` names one station. */
export function isUnicast(mac: Mac): boolean {
  return (mac[0]! & 1) === 0 && mac.some((byte) => byte !== 0);
}

/** A unicast MAC address of the locally administered kind from 6 random bytes. */
export function locallyAdministered(random: Uint8Array): Mac {
  const mac = random.slice();
  mac[0] = mac[0]! & 0xfc | 0x02;
  return mac;
}

/** The bytes of a text that {@linkcode isUnicastMac} accepts. */
export function parseMac(text: string): Mac {
  return Uint8Array.from(text.split(":"), (byte) => parseInt(byte, 16));
}

/** `02:00:…` notation. */
export function formatMac(mac: Mac): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/**
 * Bytes of VLAN tags that count against an interface's MTU. A packet socket may send 4 bytes more where the outermost tag
 * is 802.1Q's; an 802.1ad one counts as any byte does.
 */
export function tagBytes(vlans: readonly VlanTag[]): number {
  const [outer] = vlans;
  const free = outer !== undefined && (outer.tpid ?? 0x8100) === 0x8100 ? 1 : 0;
  return 4 * (vlans.length - free);
}
