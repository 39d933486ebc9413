/**
 * Underlays with room. UML's network driver refuses an MTU above 1500, though its wire carries packets of any length; so
 * the lab's wire gets more addresses, and routes to them that say what the path carries, whatever the device says.
 */

import type { Lab } from "./lab.ts";

/** Addresses between which packets of `mtu` bytes pass whole. */
export interface Underlay {
  readonly mtu: number;
  readonly here: { readonly ip4: string; readonly ip6: string };
  readonly guest: { readonly ip4: string; readonly ip6: string };
}

/** The underlay of number `id`, 1 to 99. */
export function underlay(id: number, mtu: number): Underlay {
  return {
    mtu,
    here: { ip4: `10.78.${id}.1`, ip6: `fd78:${id}::1` },
    guest: { ip4: `10.78.${id}.2`, ip6: `fd78:${id}::2` },
  };
}

/** Adds an underlay to the lab's wire. */
export async function addUnderlay(lab: Lab, { mtu, here, guest }: Underlay): Promise<void> {
  const lines = (device: string, mine: Underlay["here"], other: Underlay["here"]) =>
    [
      `ip addr add ${mine.ip4}/32 dev ${device}`,
      `ip addr add ${mine.ip6}/128 dev ${device} nodad`,
      `ip route add ${other.ip4}/32 dev ${device} src ${mine.ip4} mtu lock ${mtu}`,
      `ip route add ${other.ip6}/128 dev ${device} src ${mine.ip6} mtu lock ${mtu}`,
    ].join(" && ");
  await lab.here("ip", "link", "set", lab.tap, "mtu", "9500");
  await lab.here("sh", "-c", lines(lab.tap, here, guest));
  await lab.guest(lines("eth0", guest, here));
}
