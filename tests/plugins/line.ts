/** PPP pseudowires on PPPoE sessions of an interface, which nobody negotiated: what the datapath does without a word of TypeScript. @module */

import { z } from "zod";
import type { PacketPort, Plugin } from "../../plugins/plugin.ts";

const options = z.strictObject({ interface: z.string() });
const portOptions = z.strictObject({
  mac: z.string(),
  "session-id": z.int(),
  vlans: z.array(z.strictObject({ tpid: z.int(), vid: z.int() })),
});
type Tpid = 0x8100 | 0x88a8 | 0x9100;

/** PADI (RFC 2516 §5.1), behind all tags. */
const DISCOVERY = 0x8863;

export const line: Plugin<z.infer<typeof options>, object, z.infer<typeof portOptions>> = {
  name: "line",
  summary: "a PPP pseudowire on a PPPoE session",
  pseudowireTypes: [7],
  options,
  portOptions,
  columns: [{ name: "punted", help: "frames of no session" }],
  start: () => ({
    async provision(scope, { interface: name }) {
      const wire: PacketPort = await scope.open("packet", {
        name,
        protocols: [DISCOVERY, 0x8864],
        vlans: [{}, { outer: [100, 199] }, { outer: [100, 199], inner: [1, 4094] }],
        promiscuous: false,
        offload: { vnet: false },
      });
      let punted = 0;
      // Whatever is no session's goes back to its sender, tags and all.
      scope.receive(wire, (batch) => {
        for (const { bytes } of batch) {
          punted++;
          wire.send([
            Uint8Array.of(...bytes.slice(6, 12), ...bytes.slice(0, 6), ...bytes.slice(12)),
          ]);
        }
      });
      return {
        async attach(session, life, { mac, "session-id": sessionId, vlans }) {
          const tags = vlans.map(({ tpid, vid }) => ({ tpid: tpid as Tpid, vid }));
          const port = await life.open("pppoe", { on: wire, mac, sessionId, vlans: tags });
          await life.connect(port, session.port);
          return { show: () => ({ punted }) };
        },
      };
    },
  }),
};

export default line;
