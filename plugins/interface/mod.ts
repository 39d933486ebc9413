/** Ethernet pseudowires (type 5) on a network interface that is there, or on one VLAN of it: the `interface` circuit. @module */

import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import { ETHERNET_HEADER } from "../mac.ts";
import { isIfname } from "../ethernet/options.ts";
import { carries } from "../carrier.ts";
import type { Circuit, Endable, PacketOptions, Plugin, Port, Scope, Session } from "../plugin.ts";

const PEER_DOWN = { result: 1, message: "the peer's circuit is down" };

/** Tags by their names: 802.1Q's, 802.1ad's, and what was used for outer tags before it. */
const tpids = { "8100": 0x8100, "88a8": 0x88a8, "9100": 0x9100 } as const;

const options = z.strictObject({
  name: z.string().refine(isIfname, "must be an interface name of at most 15 bytes")
    .describe("The network interface; nobody else shall use it, or its VLAN"),
  netns: z.string().regex(/^(?!\.{1,2}$)[^/\s\0]{1,255}$/, "must be a network namespace's name")
    .exactOptional().describe("The named network namespace that the interface is in"),
  vlan: z.int().min(1).max(4094).exactOptional()
    .describe(
      "One VLAN of the interface, 1 to 4094: its tag is taken off what comes, and put on what leaves. Absent: all frames, tags and all",
    ),
  tpid: z.enum(["8100", "88a8", "9100"]).exactOptional()
    .describe("How the tag is put on; all three are taken. `8100` where absent"),
  promiscuous: z.boolean().exactOptional()
    .describe("Whether frames for other stations are taken, too; true where absent"),
  offload: z.strictObject({
    vnet: z.boolean().exactOptional()
      .describe(
        "Checksums and segments may be left to be done, both ways; without it, plain frames",
      ),
  }).exactOptional().describe("Which of its tricks the interface may use: `vnet`"),
});

/** Options of one interface. */
export type InterfaceOptions = z.infer<typeof options>;

/** The plugin. */
export const networkInterface: Plugin<InterfaceOptions> = {
  name: "interface",
  summary: "an Ethernet pseudowire on a network interface, or on a VLAN of it",
  pseudowireTypes: [PseudowireType.Ethernet],
  options,
  columns: [{ name: "vlan", help: "the VLAN of the interface" }],
  claims: ({ name, netns, vlan }) => {
    const where = netns === undefined ? "" : `@${netns}`;
    return [`interface ${name}${where}${vlan === undefined ? "" : ` VLAN ${vlan}`}`];
  },
  start: () => ({ provision }),
};

async function provision(
  scope: Scope,
  given: InterfaceOptions,
): Promise<Circuit<InterfaceOptions>> {
  const port = await scope.open("packet", wanted(given));
  return {
    sessions: 1,
    async attach(session, life) {
      const fit = wireOf(life, session, port);
      await fit();
      await life.follow(port, session.carrier);
      return {
        ifname: port.name,
        get mtu() {
          return Math.min(port.mtu, session.port.frameMtu - ETHERNET_HEADER);
        },
        changed: fit,
        heard: () => void fit().catch(life.fail),
        show: () => ({ vlan: given.vlan ?? null, mac: port.mac, netns: given.netns ?? null }),
      };
    },
    reconfigure: (next) => isDeepStrictEqual(wanted(next), wanted(given)),
  };
}

/**
 * Joins a session with an interface while the peer's end can carry frames: nothing is sent while it cannot (RFC 3931
 * §5.4.5). The result looks anew.
 */
function wireOf(life: Scope, session: Session, port: Port): () => Promise<void> {
  let wire: Endable | undefined;
  let work = Promise.resolve();
  return () =>
    work = work.then(async () => {
      if (carries(session) === (wire !== undefined)) return;
      const former = wire;
      wire = undefined;
      if (former) return await former.end(PEER_DOWN);
      const next = life.child("wire");
      wire = next;
      await next.connect(session.port, port);
    });
}

/** The port that options ask for, with all defaults. */
function wanted({ tpid = "8100", promiscuous = true, offload, ...same }: InterfaceOptions) {
  const vnet = offload?.vnet ?? true;
  return { ...same, promiscuous, tpid: tpids[tpid], offload: { vnet } } satisfies PacketOptions;
}
