/** We are the LAC of SoftEther VPN server, which takes L2TPv2 without IPsec and knows no tunnel authentication. */

import { lnsTests } from "./support/lns.ts";
import { startSoftether } from "./support/softether.ts";

lnsTests(import.meta.url, {
  title: "SoftEther as LNS",
  needs: ["vpnserver", "vpncmd"],
  endsCalls: false,
  waits: true,
  start: startSoftether,
});
