/** What the configuration says of PPPoE: the section `pppoe:`, and the options of its client. @module */

import { z } from "zod";
import { isIfname } from "../ethernet/options.ts";
import { isUnicastMac } from "../mac.ts";
import type { VlanRange } from "../ports.ts";
import { isMacPrefix } from "./discovery/offers.ts";
import { templateProblem } from "./template.ts";

const ifname = z.string().refine(isIfname, "must be an interface name of at most 15 bytes");
const netns = z.string().regex(
  /^(?!\.{1,2}$)[^/\s\0]{1,255}$/,
  "must be a network namespace's name",
);
const seconds = z.number().min(0).max(86_400);
const count = z.int().min(1).max(1_000_000);
const octets = (text: string) => new TextEncoder().encode(text).length;
const tagText = z.string().min(1).refine(
  (text) => octets(text) <= 255,
  "must have at most 255 octets",
);

const template = z.string().max(255).superRefine((text, context) => {
  const message = templateProblem(text);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

const vlans = z.string().refine(
  (text) => parseVlans(text) !== undefined,
  "must be `untagged`, a VLAN or a range (`7`, `100-199`), or two of them, outer and inner (`100-199.1-4094`)",
);

const mac = z.string().toLowerCase().refine(
  isMacPrefix,
  "must be a MAC address, or its first octets (`02:00:5e`)",
);

const lns = z.strictObject({
  peer: z.string().min(1).describe("One of `peers`: how it is reached, and its secret"),
  preference: z.int().min(0).max(65_535).default(1).describe("The lowest is tried first"),
  weight: z.int().min(1).max(65_535).default(1).describe(
    "Its share among those of one preference",
  ),
  "max-sessions": count.exactOptional().describe("Subscribers that it gets at once"),
});
const lnsList = z.array(lns).min(1).max(64);

const carry = z.strictObject({
  servers: lnsList.exactOptional().describe("The LNSes of all for whom nothing else is said"),
  realms: z.record(z.string().min(1), lnsList).default({})
    .describe("LNSes by what stands behind the `@` of the user's name"),
  services: z.record(z.string().min(1), lnsList).default({}).describe("LNSes by service name"),
  ask: z.boolean().default(false).describe(
    "Whether `ppp: aaa` is asked for each subscriber: it may refuse, and name LNSes (RADIUS Tunnel attributes) that count before those of the file",
  ),
  "user-name": template.exactOptional().describe(
    "Subscribers are known by their line alone, under this name (`{circuit-id}@line`): nothing is negotiated here, the LNS does it all",
  ),
  authenticate: z.array(z.enum(["pap", "chap-md5", "mschapv2"])).min(1)
    .default(["chap-md5", "pap"])
    .describe("How subscribers say who they are, the best first; the LNS is told what they said"),
  choose: z.enum(["existing-first", "weighted", "random"]).default("existing-first").describe(
    "Among LNSes of one preference: one that has subscribers already, else by weight; by weight; or any",
  ),
  attempts: z.int().min(1).max(16).default(4).describe("LNSes that are tried for one subscriber"),
  "deny-time": seconds.default(60).describe(
    "Seconds for which an LNS that failed is passed over: one that did not answer, whatever its tunnel; one that refused, by that tunnel only",
  ),
  "deny-results": z.array(z.string().regex(/^\d{1,5}(\/\d{1,5})?$/)).default(["2/4", "2/7", "4"])
    .describe("Result codes of a refusal (with an error code behind `/`) that pass over an LNS"),
  "calling-number": template.default("{mac}").describe(
    "The Calling Number that the LNS is told; empty: none",
  ),
  "called-number": template.default("{service-name}").describe(
    "The Called Number that the LNS is told; empty: none",
  ),
  "access-line": z.boolean().default(true).describe(
    "Whether the LNS is told what the line's DSLAM wrote (RFC 5515)",
  ),
});
/** How subscribers are carried to an LNS. */
export type CarryOptions = z.infer<typeof carry>;

const access = z.strictObject({
  interface: ifname.describe("The interface that subscribers are behind"),
  netns: netns.exactOptional().describe("The named network namespace that it is in"),
  vlans: z.array(vlans).min(1).max(64).default(["untagged"]).describe(
    "The VLANs that are served, by one socket: `untagged`, `7`, `100-199`, and with an inner tag `100-199.1-4094`",
  ),
  "ac-name": tagText.default("isthmus").describe("AC-Name: what we call ourselves"),
  "service-names": z.array(tagText).max(32).default([]).describe("Service names that are offered"),
  "accept-blank": z.boolean().default(true).describe(
    "Whether a client may leave open which service it wants",
  ),
  "accept-any": z.boolean().default(false).describe("Whether it may ask for any other service"),
  terminate: z.string().min(1).exactOptional().describe(
    "The circuit that its sessions end in (one of `ppp`)",
  ),
  lac: carry.exactOptional().describe("Its sessions are carried to an LNS: the LAC"),
  "allow-mac": z.array(mac).max(4096).default([]).describe(
    "MAC addresses, or their first octets, that may come in; empty: all",
  ),
  "deny-mac": z.array(mac).max(4096).default([]).describe("Those that may not"),
  "sessions-per-mac": count.default(16).describe("Sessions of one MAC address in one VLAN"),
  "sessions-per-vlan": count.exactOptional().describe("Sessions of one VLAN"),
  "max-sessions": z.int().min(1).max(65_534).default(65_534).describe("Sessions of the interface"),
  "pado-delay": z.array(z.strictObject({
    sessions: z.int().min(0).max(1_000_000),
    delay: z.union([z.literal(-1), z.number().min(0).max(10)]),
  })).max(16).default([]).describe(
    "From so many sessions on (of all interfaces) an offer waits so many seconds; -1: there is none",
  ),
  "asks-per-mac": z.int().min(1).max(1000).default(10).describe(
    "PADIs and PADRs a second of one MAC address in one VLAN that are looked at",
  ),
  "asks-per-second": z.int().min(1).max(100_000).default(1000).describe(
    "PADIs and PADRs a second of the interface that are looked at",
  ),
}).superRefine(({ lac, terminate }, context) => {
  if ((lac === undefined) === (terminate === undefined)) {
    const message = "needs either `terminate` or `lac`";
    context.addIssue({
      code: "custom",
      message,
      path: [terminate === undefined ? "lac" : "terminate"],
    });
  }
  if (
    lac && !lac.servers && !lac.ask && Object.keys({ ...lac.realms, ...lac.services }).length === 0
  ) {
    const message = "names no LNS: `servers`, `realms`, `services`, or `ask: true`";
    context.addIssue({ code: "custom", message, path: ["lac", "servers"] });
  }
});
/** One interface with subscribers. */
export type AccessOptions = z.infer<typeof access>;

/** The options of the circuit `pppoe`. */
export const pppoeOptions = z.strictObject({
  interface: ifname.describe("The interface that the access concentrator is behind"),
  netns: netns.exactOptional().describe("The named network namespace that it is in"),
  vlan: z.string().refine((text) => parseVlan(text) !== undefined, "must be `7` or `100.7`")
    .exactOptional().describe("The VLAN, or outer and inner one (`100.7`)"),
  "service-name": tagText.exactOptional().describe("The service that is asked for"),
  "ac-name": tagText.exactOptional().describe("What the concentrator must call itself"),
  "ac-mac": z.string().toLowerCase().refine(isUnicastMac, "must be a unicast MAC address")
    .exactOptional().describe("The MAC address that it must have"),
  "max-payload": z.int().min(1493).max(65_000).exactOptional().describe(
    "A larger PPP payload than 1492 octets to ask for (RFC 4638): 1500, where the interface carries 1508",
  ),
  retry: z.number().min(0.1).max(60).default(1).describe(
    "Seconds until PADI or PADR is said again; doubled each time",
  ),
  attempts: z.int().min(1).max(20).default(5).describe(
    "How often each is said before it is begun anew after a pause",
  ),
});
/** A host's side of PPPoE. */
export type PppoeOptions = z.infer<typeof pppoeOptions>;

/** The section `pppoe:`. */
export const pppoeSection = z.strictObject({
  access: z.record(z.string().regex(/^[\w.-]{1,64}$/), access).default({})
    .describe("Interfaces with subscribers, by a name of yours"),
  clients: z.record(
    z.string().regex(/^[\w.-]{1,64}$/),
    pppoeOptions.extend({
      circuit: z.string().min(1).describe("The circuit that takes its PPP frames (a `ppp` client)"),
    }),
  ).default({}).describe("Sessions that are dialed, by a name of yours"),
  "max-sessions": count.exactOptional().describe("Sessions of all interfaces"),
  "max-starting": count.default(256).describe(
    "Sessions on their way up at a time (to their LNS, or into their circuit); while there are as many, nobody is offered one",
  ),
  "echo-timeout": seconds.default(90).describe(
    "Seconds after which a client that hears nothing gives up: a session id rests for twice as long",
  ),
});
/** The section `pppoe:`. */
export type PppoeSection = z.infer<typeof pppoeSection>;

/** Reads `untagged`, `7`, `100-199` or `100-199.1-4094`. */
export function parseVlans(text: string): VlanRange | undefined {
  if (text === "untagged") return {};
  const ranges = text.split(".").map(parseRange);
  const [outer, inner] = ranges;
  if (ranges.length > 2 || !outer || (ranges.length === 2 && !inner)) return undefined;
  return { outer, ...(inner && { inner }) };
}

/** Reads `7` or `100.7`, the outer one an S-VLAN. */
export function parseVlan(
  text: string,
): readonly { readonly tpid: 0x8100 | 0x88a8; readonly vid: number }[] | undefined {
  const range = parseVlans(text);
  if (!range?.outer || text.includes("-")) return undefined;
  const [outer, inner] = [range.outer[0], range.inner?.[0]];
  return inner === undefined
    ? [{ tpid: 0x8100, vid: outer }]
    : [{ tpid: 0x88a8, vid: outer }, { tpid: 0x8100, vid: inner }];
}

function parseRange(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(text);
  if (!match) return undefined;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  return from >= 1 && from <= to && to <= 4094 ? [from, to] : undefined;
}
