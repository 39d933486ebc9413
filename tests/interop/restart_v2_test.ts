/**
 * L2TPv2 with xl2tpd and l2tpns, either end of which ends and is started again: how long until the call is up again. What
 * is printed are figures; what is asserted is that it comes up, and within what the settings allow.
 */

import { type Appliance, startAppliance } from "./support/appliance.ts";
import { startL2tpns } from "./support/l2tpns.ts";
import { tunnelOf, untilUp } from "./support/managed.ts";
import { makePair, type Place } from "./support/place.ts";
import type { Need } from "./support/programs.ts";
import { report, restart, type Restartable } from "./support/restarts.ts";
import { suite } from "./support/suite.ts";
import { startXl2tpd } from "./support/xl2tpd.ts";

const secret = "secret";
const [here, there] = ["10.77.0.1", "10.77.0.2"];

/** LNSs of others. */
const peers: readonly {
  readonly title: string;
  readonly needs: readonly Need[];
  start(place: Place): Promise<unknown>;
}[] = [
  {
    title: "xl2tpd",
    needs: ["xl2tpd", "pppd"],
    start: (place) => startXl2tpd(place, { role: "lns", secret }),
  },
  {
    title: "l2tpns",
    needs: ["l2tpns", "perl"],
    start: (place) => startL2tpns(place, secret),
  },
];

const config = (socket: string) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
host-name: edge1
peers: { lns: { proto-version: 2, secret: ${secret}, hello: 1, retransmit: 0.2, attempts: 4 } }
tunnels: { t: { peer: lns, local: ${here}, remote: ${there}, sessions: { s: { circuit: { sink: {} } } } } }
`;

const { test } = suite(
  import.meta.url,
  ["root", "tun", ...peers.flatMap(({ needs }) => needs)],
  async (stack) => ({ pair: stack.use(await makePair()) }),
);

for (const { title, start } of peers) {
  test(`the call is up again after either end restarted: ${title} as LNS`, async ({ pair }) => {
    const lns: Restartable = {
      title,
      place: pair.there,
      async start() {
        await start(pair.there);
      },
    };
    let appliance: Appliance;
    const lac: Restartable = {
      title: "our appliance",
      place: pair.here,
      async start() {
        appliance = await startAppliance(pair.here, config);
      },
      stop: async () => await appliance[Symbol.asyncDispose](),
      async killed() {
        await appliance.process.ended;
        await appliance[Symbol.asyncDispose]();
      },
    };
    /** Another tunnel than before, with its session. */
    const anew = (before?: string) => async () => {
      const tunnel = await tunnelOf(appliance, "t").catch(() => undefined);
      return tunnel?.control?.state === "established" && tunnel.sessions === 1 &&
        tunnel.control["established-at"] !== before;
    };
    await lns.start();
    await lac.start();
    try {
      for (const [who, end] of [[lac, "clean"], [lac, "killed"], [lns, "killed"]] as const) {
        const before = (await untilUp(appliance!, "t", 1)).control!["established-at"];
        const outage = await restart(who, end, anew(before));
        report(`L2TPv2 with ${title} as LNS, ${who.title}, ${end}`, outage);
      }
    } finally {
      await appliance![Symbol.asyncDispose]();
    }
  });
}
