/** The options under `circuit.tap`. @module */

import { z } from "zod";
import { ipVersion, parseIp, zoneOf } from "../../core/endpoint.ts";
import { ETHERNET_HEADER, isUnicastMac } from "../mac.ts";

/** What IPv4 needs of a link (RFC 791 §3.2), and the most that a TAP takes: 65535 less the header. */
export const MIN_MTU = 68;
export const MAX_MTU = 65535 - ETHERNET_HEADER;

const encoder = new TextEncoder();

/** Whether Linux takes `name` for a network device: 1 to 15 bytes, no `/`, `:`, space or `%`, neither `.` nor `..`. */
export function isIfname(name: string): boolean {
  return /^[^/:%\s\0]+$/.test(name) && name !== "." && name !== ".." &&
    encoder.encode(name).length <= 15;
}

/** Whether `text` is an address with a prefix length, as in `192.168.7.1/24` or `fd00:7::1/64`. */
export function isCidr(text: string): boolean {
  const [address = "", prefix = "", rest] = text.split("/");
  return rest === undefined && parseIp(address) !== undefined && zoneOf(address) === undefined &&
    /^(0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (ipVersion(address) === 4 ? 32 : 128);
}

/** What a device may do beyond plain frames. */
export const offloadOptions = z.strictObject({
  vnet: z.boolean().exactOptional()
    .describe("A header before each frame tells checksums and segments; without it, plain frames"),
  gso: z.boolean().exactOptional()
    .describe("Super-frames of up to 64 KiB are taken from the device and cut where they leave"),
  gro: z.boolean().exactOptional()
    .describe("Segments of one flow are joined to super-frames for the device"),
});

/** The schema; its output is valid input again. */
export const ethernetOptions = z.strictObject({
  name: z.string().refine(isIfname, "must be an interface name of at most 15 bytes")
    .describe("The TAP device; one that exists already is adopted and outlives the circuit"),
  mtu: z.int().min(MIN_MTU).max(MAX_MTU).exactOptional()
    .describe("Bytes of payload; worked out from the path to the peer where absent"),
  mac: z.string().toLowerCase().refine(isUnicastMac, "must be a unicast MAC address (02:00:…)")
    .exactOptional().describe(
      "The device's own MAC address; one that depends on host, namespace and name alone where absent",
    ),
  addresses: z.array(z.string().refine(isCidr, "must be an address/prefix (192.168.7.1/24)"))
    .max(64).exactOptional().describe("Addresses of the device"),
  netns: z.string().regex(/^(?!\.{1,2}$)[^/\s\0]{1,255}$/, "must be a network namespace's name")
    .exactOptional().describe("The named network namespace that the device lives in"),
  vrf: z.string().refine(isIfname, "must be a VRF device's name of at most 15 bytes")
    .exactOptional().describe("The VRF device that the device is a member of"),
  offload: offloadOptions.exactOptional()
    .describe("Which of its tricks the device may use: `vnet`, `gso`, `gro`; all where absent"),
});

/** Options of one TAP. */
export type EthernetOptions = z.infer<typeof ethernetOptions>;
