/** We are the LAC of xl2tpd, with a secret. */

import { lnsTests } from "./support/lns.ts";
import { startXl2tpd } from "./support/xl2tpd.ts";

const secret = "a secret, with blanks";

lnsTests(import.meta.url, {
  title: "xl2tpd as LNS with a secret",
  needs: ["xl2tpd", "pppd"],
  secret,
  endsCalls: true,
  start: (place) => startXl2tpd(place, { role: "lns", secret }),
});
