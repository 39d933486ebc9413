/** We are the client of l2tpns, which asks FreeRADIUS. */

import { startL2tpns } from "./support/l2tpns.ts";
import { clientTests } from "./support/ppp_client.ts";
import { startRadiusd } from "./support/radiusd.ts";

clientTests(import.meta.url, {
  title: "l2tpns as LNS",
  needs: ["l2tpns", "perl", "freeradius"],
  tunnelSecret: "secret",
  methods: ["pap", "chap-md5"],
  ping: "10.255.255.1",
  tcp: "10.255.255.1",
  routes: "10.255.255.0/24",
  async start({ there }) {
    await startRadiusd(there);
    const { endTunnels, log } = await startL2tpns(there, "secret");
    return { log, hangUp: async () => void await endTunnels() };
  },
});
