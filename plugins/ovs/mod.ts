/**
 * Ethernet pseudowires as ports of a real Open vSwitch: the `ovs` circuit. A TAP with plain frames is added to a bridge
 * that is there, by OVSDB (RFC 7047) on its Unix socket.
 *
 * @module
 */

import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import { asError } from "../failure.ts";
import { ETHERNET_HEADER } from "../mac.ts";
import type { Json, Plugin, Session } from "../plugin.ts";
import { map, set, type Wanted } from "./database.ts";
import { makeOvsPorts } from "./ports.ts";

const vid = z.int().min(0).max(4095);
const vids = z.array(vid).max(4096);

const portShape = {
  tag: vid.exactOptional().describe("The port's own VLAN"),
  trunks: vids.exactOptional().describe("The VLANs that it carries; none or absent: all"),
  "vlan-mode": z.enum(["access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"])
    .exactOptional().describe("As in Open vSwitch's Port table"),
  cvlans: vids.exactOptional().describe("VLANs that a `dot1q-tunnel` port takes"),
  "qinq-ethtype": z.enum(["802.1ad", "802.1q"]).exactOptional()
    .describe("The tag that a `dot1q-tunnel` port puts on"),
  "priority-tags": z.enum(["never", "if-nonzero", "always"]).exactOptional()
    .describe("Whether frames of VLAN 0 leave with a tag that says their priority"),
  protected: z.boolean().exactOptional().describe("Protected ports send each other nothing"),
} as const;

const portOptions = z.strictObject({
  bridge: z.string().min(1).exactOptional().describe("The bridge, another than the circuit's"),
  ...portShape,
});
/** What a session says beside its circuit. */
type PortOptions = z.infer<typeof portOptions>;

/** The schema of a circuit's options. */
export const options = z.strictObject({
  bridge: z.string().min(1).describe("The bridge of Open vSwitch that it is a port of"),
  netns: z.string().regex(/^(?!\.{1,2}$)[^/\s\0]{1,255}$/, "must be a network namespace's name")
    .exactOptional().describe("The named network namespace that Open vSwitch runs in"),
  ...portShape,
});
/** A circuit's options. */
type Options = z.infer<typeof options>;

/** The schema of `open-vswitch:`. */
export const section = z.strictObject({
  socket: z.string().startsWith("/").default("/var/run/openvswitch/db.sock")
    .describe("Where its database listens"),
  owner: z.string().min(1).max(64).default("isthmus")
    .describe("What our rows are marked with, where several appliances share an Open vSwitch"),
});
/** `open-vswitch:`. */
type Section = z.infer<typeof section>;

/** The plugin. */
export const ovs: Plugin<Options, Section, PortOptions> = {
  name: "ovs",
  summary: "an Ethernet pseudowire as a port of a real Open vSwitch",
  pseudowireTypes: [PseudowireType.Ethernet, PseudowireType.EthernetVlan],
  options,
  portOptions,
  section: { key: "open-vswitch", schema: section },
  columns: [
    { name: "bridge", help: "the bridge of Open vSwitch" },
    { name: "ofport", help: "Open vSwitch's number of the port" },
  ],
  start(scope, { owner, socket }) {
    // Nobody is asked for a database that no circuit needs.
    let ports: ReturnType<typeof makeOvsPorts> | undefined;
    return {
      provision(_life, first) {
        ports ??= makeOvsPorts(scope, socket, owner);
        const all = ports;
        let given = first;
        return {
          async attach(session, life, own) {
            const name = deviceName(session);
            const tap = await life.open("tap", {
              name,
              mtu: Math.max(68, session.port.frameMtu - ETHERNET_HEADER),
              offload: { vnet: false },
              ...(given.netns !== undefined && { netns: given.netns }),
            });
            const wanted = (own: PortOptions) => rowOf(name, { ...given, ...own });
            // Before the device goes: Open vSwitch never sees a port without one.
            life.defer(() => all.remove(name));
            try {
              await all.add(wanted(own));
            } catch (error) {
              throw life.failure(
                "unavailable",
                `Open vSwitch: ${asError(error).message}`,
                "bridge",
              );
            }
            await life.connect(session.port, tap);
            tap.carrier(session.up);
            let running = true;
            const tellCarrier = () =>
              session.carrier(running && all.found(name).error === undefined);
            life.defer(all.watch(tellCarrier));
            await life.follow(tap, (now) => {
              running = now;
              tellCarrier();
            });
            return {
              ifname: name,
              get mtu() {
                return tap.mtu;
              },
              async changed() {
                tap.carrier(session.up);
                await tap.change({ mtu: Math.max(68, session.port.frameMtu - ETHERNET_HEADER) });
              },
              show() {
                const { away, error, ofport } = all.found(name);
                const state = away ? "Open vSwitch is away" : error ?? null;
                const { bridge } = wanted(own);
                return { bridge, ofport: ofport ?? null, ...(state && { "ovs-error": state }) };
              },
              async reconfigure(next) {
                own = next;
                await all.change(wanted(next));
                return true;
              },
            };
          },
          reconfigure(next) {
            if (next.netns !== given.netns) return false;
            given = next;
            return true;
          },
        };
      },
    };
  },
};

/** The same for a session whenever it is there: Open vSwitch gives a port that comes back its number again. */
function deviceName({ name }: Session): string {
  let hash = 0x811c_9dc5; // FNV-1a
  for (const octet of new TextEncoder().encode(name)) {
    hash = Math.imul(hash ^ octet, 0x0100_0193) >>> 0;
  }
  return `ist${hash.toString(16).padStart(8, "0")}`;
}

/** What Open vSwitch's Port table shall say. */
function rowOf(name: string, given: Options): Wanted {
  const config = {
    ...(given["qinq-ethtype"] && { "qinq-ethtype": given["qinq-ethtype"] }),
    ...(given["priority-tags"] && { "priority-tags": given["priority-tags"] }),
  };
  const columns: Record<string, Json> = {
    tag: given.tag ?? set([]),
    trunks: set(given.trunks ?? []),
    cvlans: set(given.cvlans ?? []),
    vlan_mode: given["vlan-mode"] ?? set([]),
    protected: given.protected ?? false,
    other_config: map(config),
  };
  return { name, bridge: given.bridge, columns };
}
