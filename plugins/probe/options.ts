/** The options under `circuit.probe`. @module */

import { z } from "zod";
import { parseIp } from "../../core/endpoint.ts";
import { isUnicastMac } from "../mac.ts";
import type { Ip4 } from "./wire.ts";

/** How often to ping unless said otherwise, in milliseconds. */
export const DEFAULT_INTERVAL_MS = 1000;

/** The schema; its output is valid input again. */
export const probeOptions = z.strictObject({
  address: z.string()
    .refine(
      (text) => parseCidr4(text) !== undefined,
      "must be an IPv4 address/prefix (10.0.0.1/24)",
    )
    .describe("The host's own address"),
  mac: z.string().toLowerCase().refine(isUnicastMac, "must be a unicast MAC address (02:00:…)")
    .exactOptional().describe(
      "The host's own MAC address; a locally administered one where absent",
    ),
  ping: z.ipv4().exactOptional().describe("An address of the same subnet to ping"),
  "interval-ms": z.int().min(10).max(3_600_000).exactOptional()
    .describe(`Milliseconds between pings; ${DEFAULT_INTERVAL_MS} where absent`),
}).superRefine(({ address, ping }, context) => {
  const subnet = parseCidr4(address);
  if (!subnet || ping === undefined) return;
  const target = parseIp4(ping)!;
  const reason = target === subnet.address
    ? "is the host's own address"
    : (target & subnet.mask) !== (subnet.address & subnet.mask)
    ? `must be in the subnet of ${address}`
    : undefined;
  if (reason) context.addIssue({ code: "custom", path: ["ping"], message: reason });
});

/** Options of one probe. */
export type ProbeOptions = z.infer<typeof probeOptions>;

/** The address and netmask of `10.0.0.1/24`; undefined where the text is something else, or the prefix is not from 8 to 31. */
export function parseCidr4(text: string): { address: Ip4; mask: number } | undefined {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const address = match ? parseIp4(match[1]!) : undefined;
  const prefix = Number(match?.[2]);
  if (address === undefined || address === 0 || prefix < 8 || prefix > 31) return undefined;
  return { address, mask: (0xffff_ffff << (32 - prefix)) >>> 0 };
}

/** The number of a dotted quad. */
export function parseIp4(text: string): Ip4 | undefined {
  const bytes = text.includes(":") ? undefined : parseIp(text);
  return bytes && new DataView(bytes.buffer).getUint32(0);
}
