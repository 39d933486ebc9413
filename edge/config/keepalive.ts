/** The option `keepalive` of static sessions: whom to ping inside the pseudowire, and what is made of the answers. @module */

import { z } from "zod";
import { canonicalIp, ipVersion, isLinkLocal, parseIp } from "../../core/endpoint.ts";
import { isUnicastMac } from "../../plugins/mac.ts";
import { type Kind, parts } from "./option.ts";

/** As it is written. */
export type KeepaliveGiven = {
  readonly target: string;
  readonly source?: string;
  readonly vlan?: number;
  readonly mac?: string;
  readonly interval?: number;
  readonly lost?: number;
  readonly restore?: number;
};

/** As the model holds it. Addresses in canonical text. */
export interface KeepaliveConfig {
  readonly target: string;
  /** Absent: ARP alone; an IPv6 target is probed from the link-local address of the probe's MAC address. */
  readonly source?: string;
  readonly vlan?: number;
  /** Absent: a random one. */
  readonly mac?: string;
  readonly intervalMs: number;
  /** Probes in a row without an answer after which the path is lost. */
  readonly lost: number;
  /** Answers in a row after which it is back. */
  readonly restore: number;
}

const DEFAULT_INTERVAL_S = 1;
const DEFAULT_LOST = 3;
const DEFAULT_RESTORE = 2;

const addressError = "expected an IPv4 or IPv6 address of one host, without a zone";
const address = z.string({ error: addressError }).refine(isHost, { error: addressError });
const intervalError = "expected seconds from 0.1 to 3600";
const countError = "expected a whole number from 1 to 100";
const count = z.int({ error: countError }).min(1, { error: countError })
  .max(100, { error: countError }).exactOptional();
const vlanError = "expected a VLAN id from 1 to 4094";

/** What may be given. */
export const keepaliveSchema = z.strictObject({
  target: address.describe(
    "The address that is probed, IPv4 or IPv6: of any host at the far end that answers ARP or Neighbor Discovery, and pings where there is a `source`",
  ),
  source: address.exactOptional().describe(
    "The probe's own address, in the target's network, which nobody else has. Absent: an IPv4 target is asked by ARP alone, an IPv6 one from the link-local address of `mac`",
  ),
  vlan: z.int({ error: vlanError }).min(1, { error: vlanError }).max(4094, { error: vlanError })
    .exactOptional().describe(
      "The VLAN that the target is in, 1 to 4094; untagged where absent, in an `ethernet-vlan` pseudowire the session's `vlan-id`",
    ),
  mac: z.string().refine(isUnicastMac, {
    error: "expected the MAC address of one station, such as 02:00:00:00:00:07",
  }).exactOptional().describe(
    "The probe's MAC address, which nobody else has; a random one where absent, another after each start",
  ),
  interval: z.number({ error: intervalError }).min(0.1, { error: intervalError })
    .max(3600, { error: intervalError }).exactOptional().describe(
      `Seconds between two probes, 0.1 to 3600, give or take a tenth; longer than an answer takes. ${DEFAULT_INTERVAL_S} where absent`,
    ),
  lost: count.describe(
    `So many probes in a row without an answer, 1 to 100: the path is lost. ${DEFAULT_LOST} where absent`,
  ),
  restore: count.describe(
    `So many answers in a row, 1 to 100: it is back. ${DEFAULT_RESTORE} where absent`,
  ),
}, { error: "expected { target, … }, such as { target: 10.0.0.2 }" })
  .superRefine(({ source, target }, context) => {
    if (source === undefined || !isHost(source) || !isHost(target)) return;
    const message = canonicalIp(source) === canonicalIp(target)
      ? "is the target too; expected an address that nobody else has"
      : ipVersion(source) !== ipVersion(target)
      ? `expected an IPv${ipVersion(target)} address, as target is one`
      : undefined;
    if (message) context.addIssue({ code: "custom", path: ["source"], message });
  });

/** The same, as an option. */
export const keepalive: Kind<KeepaliveGiven> = parts(
  keepaliveSchema,
  "'{ target: ADDRESS, source: ADDRESS, … }'",
);

export function readKeepalive(given: KeepaliveGiven): KeepaliveConfig {
  const { interval = DEFAULT_INTERVAL_S, lost = DEFAULT_LOST, restore = DEFAULT_RESTORE } = given;
  return {
    target: canonicalIp(given.target)!,
    ...(given.source !== undefined && { source: canonicalIp(given.source)! }),
    ...(given.vlan !== undefined && { vlan: given.vlan }),
    ...(given.mac !== undefined && { mac: given.mac.toLowerCase() }),
    intervalMs: Math.round(interval * 1000),
    lost,
    restore,
  };
}

export function showKeepalive({ intervalMs, ...same }: KeepaliveConfig): KeepaliveGiven {
  return { ...same, interval: intervalMs / 1000 };
}

/** Whether a text is the address of one host: IPv6's link-local ones without a zone, for the pseudowire is the link. */
function isHost(text: string): boolean {
  const bytes = text.includes("%") ? undefined : parseIp(text);
  if (!bytes) return false;
  if (bytes.length === 16) {
    return bytes[0] !== 0xff &&
      (isLinkLocal(bytes) || bytes.subarray(0, 15).some((byte) => byte !== 0));
  }
  return bytes[0] !== 0 && bytes[0] !== 127 && bytes[0]! < 224;
}
