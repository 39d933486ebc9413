/** We are the LAC of xl2tpd, without a secret. */

import { lnsTests } from "./support/lns.ts";
import { startXl2tpd } from "./support/xl2tpd.ts";

lnsTests(import.meta.url, {
  title: "xl2tpd as LNS without a secret",
  needs: ["xl2tpd", "pppd"],
  endsCalls: true,
  brief: true,
  start: (place) => startXl2tpd(place, { role: "lns" }),
});
