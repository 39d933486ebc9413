/** We are the LNS of xl2tpd, with a secret. */

import { lacTests } from "./support/lac.ts";

lacTests(import.meta.url, { title: "xl2tpd as LAC with a secret", secret: "another secret" });
