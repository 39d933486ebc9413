/**
 * An underlay with room: the lab's wire itself carries 1500 bytes and no more (UML's driver), so a VXLAN of any MTU is laid
 * over it. Its packets cross the wire in fragments; whoever uses it sees a link of that MTU.
 */

import type { Lab } from "./lab.ts";
import { wire } from "./lab.ts";

/** The two ends' addresses on the underlay. */
export interface Underlay {
  readonly device: string;
  readonly here: { readonly ip4: string; readonly ip6: string };
  readonly guest: { readonly ip4: string; readonly ip6: string };
}

/** Makes an underlay of `mtu` bytes. `id`, 1 to 99, tells it from others. */
export async function addUnderlay(lab: Lab, id: number, mtu: number): Promise<Underlay> {
  const device = `wide${id}`;
  const underlay: Underlay = {
    device,
    here: { ip4: `10.78.${id}.1`, ip6: `fd78:${id}::1` },
    guest: { ip4: `10.78.${id}.2`, ip6: `fd78:${id}::2` },
  };
  const lines = (end: "here" | "guest", remote: string) =>
    [
      `ip link add ${device} type vxlan id ${id} remote ${remote} dstport 4789`,
      `ip link set ${device} mtu ${mtu} up`,
      `ip addr add ${underlay[end].ip4}/24 dev ${device}`,
      `ip addr add ${underlay[end].ip6}/64 dev ${device} nodad`,
    ].join(" && ");
  await lab.here("sh", "-c", lines("here", wire.guest.ip4));
  await lab.guest(lines("guest", wire.here.ip4));
  return underlay;
}
