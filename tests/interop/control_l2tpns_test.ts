/** We are the LAC of l2tpns. */

import { startL2tpns } from "./support/l2tpns.ts";
import { lnsTests } from "./support/lns.ts";

const secret = "secret";

lnsTests(import.meta.url, {
  title: "l2tpns as LNS",
  needs: ["l2tpns", "perl", "tun"],
  secret,
  endsCalls: true,
  start: (place) => startL2tpns(place, secret),
});
