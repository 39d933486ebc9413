/** What the file says of switches and their ports, in Open vSwitch's words. @module */

import { z } from "zod";
import { ethernetOptions, isIfname } from "../ethernet/options.ts";
import { networkInterface } from "../interface/mod.ts";
import type { SwitchOptions, SwitchPortOptions } from "../plugin.ts";

const vid = z.int().min(0).max(4095);
const vids = z.array(vid).max(4096);
const rate = z.int().min(1).max(30_000_000);

/** What a port may be called, and a switch. */
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$/, "must be a name: office0");

const portShape = {
  tag: vid.exactOptional().describe("The port's own VLAN, 0 to 4095"),
  trunks: vids.exactOptional()
    .describe("The VLANs that it carries with their tags; none or absent: all"),
  "vlan-mode": z.enum(["access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"])
    .exactOptional()
    .describe(
      "`access`, `trunk`, `native-tagged`, `native-untagged` or `dot1q-tunnel`; absent: `access` with a tag, `trunk` without",
    ),
  cvlans: vids.exactOptional()
    .describe("VLANs that a `dot1q-tunnel` port takes from its customer; none or absent: all"),
  "qinq-ethtype": z.enum(["802.1ad", "802.1q"]).exactOptional()
    .describe("The tag that a `dot1q-tunnel` port puts on; `802.1ad` where absent"),
  "priority-tags": z.enum(["never", "if-nonzero", "always"]).exactOptional()
    .describe("Whether frames of VLAN 0 leave with a tag that says their priority; `never`"),
  "vlan-limit": z.int().min(0).max(4).exactOptional()
    .describe(
      "Tags that are looked at; a `dot1q-tunnel` port deletes the innermost of so many before it puts on its own. 2; 0: it deletes none",
    ),
  "split-horizon-group": z.string().min(1).max(64).exactOptional()
    .describe("Ports of one group send each other nothing"),
  protected: z.boolean().exactOptional().describe("Protected ports send each other nothing"),
  storm: z.strictObject({
    broadcast: rate.exactOptional(),
    multicast: rate.exactOptional(),
    "unknown-unicast": rate.exactOptional(),
  }).exactOptional().describe("Frames a second that may come in at it, of each kind"),
  "mac-table-size": z.int().min(1).max(1_000_000).exactOptional()
    .describe("MAC addresses that may be learnt at it; absent: any number"),
  translate: z.strictObject({ pop: z.array(vid).max(2), push: z.array(vid).max(2) }).exactOptional()
    .describe(
      "VLAN ids, outer first, that frames come with (`pop`), and those that they have in the switch (`push`)",
    ),
} as const;

/** What one session may say beside its circuit's name. */
export const portOptions = z.strictObject(portShape);
/** A port's VLANs, limits and neighbours. */
export type PortOptions = z.infer<typeof portOptions>;

const choice = z.strictObject({
  "remote-end-id": z.string().exactOptional(),
  "host-name": z.string().exactOptional(),
  switch: name,
  ...portShape,
});

/** A circuit's options. */
export const circuitOptions = z.strictObject({
  switch: name.describe("The switch, of those under `switches`"),
  ...portShape,
  choose: z.array(choice).max(1024).exactOptional()
    .describe(
      "By Remote End ID and Host Name (with `*`), another `switch` and other options of the port: the first that fits is taken",
    ),
});
/** The options of a circuit. */
export type CircuitOptions = z.infer<typeof circuitOptions>;

const tap = z.union([
  z.string().refine(isIfname, "must be an interface name of at most 15 bytes"),
  ethernetOptions,
]);
const device = z.union([
  z.string().refine(isIfname, "must be an interface name of at most 15 bytes"),
  networkInterface.options as unknown as z.ZodType<{ readonly name: string }>,
]);

/** A port that is no session's. */
const localPort = z.strictObject({
  tap: tap.exactOptional(),
  interface: device.exactOptional(),
  patch: z.string().regex(/^[^/]+\/[^/]+$/, "must be a port of another switch: core/up")
    .exactOptional(),
  ...portShape,
}).refine(
  ({ tap, interface: device, patch }) =>
    [tap, device, patch].filter((one) => one !== undefined).length === 1,
  "must have one of tap, interface and patch",
);
/** A port of the file. */
export type LocalPort = z.infer<typeof localPort>;

const loop = z.strictObject({
  moves: z.int().min(0).max(1000).exactOptional(),
  within: z.int().min(10).max(60_000).exactOptional(),
  block: z.int().min(100).max(3_600_000).exactOptional(),
});

const declared = z.strictObject({
  "mac-aging-time": z.int().min(1).max(1_000_000).exactOptional(),
  "mac-table-size": z.int().min(10).max(1_000_000).exactOptional(),
  "flood-vlans": vids.exactOptional(),
  "forward-bpdu": z.boolean().exactOptional(),
  "forward-reserved": z.array(z.int().min(0).max(15)).max(16).exactOptional(),
  loop: loop.exactOptional(),
  autostate: z.boolean().exactOptional(),
  ports: z.record(name, localPort).exactOptional(),
});
/** A switch of the file. */
export type Declared = z.infer<typeof declared>;

/** `switches:`, by name. */
export const section = z.record(name, declared);
/** All switches of the file. */
export type Section = z.infer<typeof section>;

/** A switch as the datapath has it. */
export function switchOptions(given: Declared): SwitchOptions {
  const { loop } = given;
  return defined({
    macAgingTime: given["mac-aging-time"],
    macTableSize: given["mac-table-size"],
    floodVlans: given["flood-vlans"],
    forwardBpdu: given["forward-bpdu"],
    forwardReserved: given["forward-reserved"],
    loop: loop && defined({ moves: loop.moves, withinMs: loop.within, blockMs: loop.block }),
  });
}

/** A port as the datapath has it. */
export function memberOptions(
  name: string,
  given: PortOptions,
  mtu: number | undefined,
  up: boolean,
): SwitchPortOptions {
  const { storm } = given;
  return {
    name,
    ...defined({
      tag: given.tag,
      trunks: given.trunks,
      vlanMode: given["vlan-mode"],
      cvlans: given.cvlans,
      qinqEthtype: given["qinq-ethtype"],
      priorityTags: given["priority-tags"],
      vlanLimit: given["vlan-limit"],
      splitHorizonGroup: given["split-horizon-group"],
      protected: given.protected,
      storm: storm && defined({
        broadcast: storm.broadcast,
        multicast: storm.multicast,
        unknownUnicast: storm["unknown-unicast"],
      }),
      macTableSize: given["mac-table-size"],
      mtu,
      down: up ? undefined : true,
    }),
  };
}

/** The same without what is undefined. */
function defined<T extends object>(
  given: T,
): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
