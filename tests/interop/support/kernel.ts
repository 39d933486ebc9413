/** The kernel's end of pseudowires, in a guest of the lab. @module */

import type { Lab } from "./lab.ts";
import { derived, headerBytes, ipBatch, type Pseudowire } from "./pseudowire.ts";

const netlink = new URL("guest/l2tp-netlink.pl", import.meta.url).pathname;

/** The kernel's counters of one session, under the names that we use too. */
export type KernelCounters = Readonly<Record<string, number>>;

/** Makes the kernel's ends of `pseudowires`. */
export async function addKernelEnds(lab: Lab, pseudowires: readonly Pseudowire[]): Promise<void> {
  await Deno.writeTextFile(`${lab.shared}/batch`, ipBatch(pseudowires));
  await lab.guest("ip -batch /lab/batch");
}

/** Removes the kernel's end of a pseudowire. */
export async function removeKernelEnd(lab: Lab, pseudowire: Pseudowire): Promise<void> {
  await lab.guest(`ip l2tp del tunnel tunnel_id ${derived(pseudowire).peerTunnelId}`);
}

/** The counters of all of the kernel's sessions, by session id. */
export async function kernelCounters(lab: Lab): Promise<Map<number, KernelCounters>> {
  const sessions: KernelCounters[] = JSON.parse(await lab.guest(`perl ${netlink} stats`));
  return new Map(sessions.map((session) => [session["session-id"]!, session]));
}

/** Sets the kernel's reorder timeout, in milliseconds (`ip l2tp` cannot). */
export async function setKernelReorderTimeout(
  lab: Lab,
  pseudowire: Pseudowire,
  ms: number,
): Promise<void> {
  const { peerTunnelId, peerSessionId } = derived(pseudowire);
  await lab.guest(`perl ${netlink} reorder-timeout ${peerTunnelId} ${peerSessionId} ${ms}`);
}

/** What one end of a pseudowire sent and received: frames, and their bytes with Ethernet headers. */
export interface Figures {
  readonly tx: { readonly packets: number; readonly bytes: number };
  readonly rx: { readonly packets: number; readonly bytes: number };
}

/**
 * The figures of the kernel's device. Linux 6.1 counts received frames with their L2TP headers and sent ones without:
 * the headers are taken off here.
 */
export async function kernelFigures(lab: Lab, pseudowire: Pseudowire): Promise<Figures> {
  const [link] = JSON.parse(await lab.guest(`ip -s -j link show ${derived(pseudowire).device}`));
  const { tx, rx } = link.stats64 as Figures;
  return {
    tx,
    rx: { packets: rx.packets, bytes: rx.bytes - rx.packets * headerBytes(pseudowire) },
  };
}
