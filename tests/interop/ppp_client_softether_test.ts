/** We are the client of SoftEther VPN server, whose SecureNAT gives addresses and answers. */

import { clientTests } from "./support/ppp_client.ts";
import { startSoftether } from "./support/softether.ts";

clientTests(import.meta.url, {
  title: "SoftEther as LNS",
  needs: ["vpnserver", "vpncmd"],
  methods: ["mschapv2", "pap"],
  ping: "192.168.30.1",
  tcp: "10.88.0.1",
  routes: "192.168.30.0/24, 10.88.0.0/24",
  async start({ there }) {
    // What SecureNAT reaches in our stead, by the link alone.
    await there.here("ip", "addr", "add", "10.88.0.1/32", "dev", "lo");
    const { log } = await startSoftether(there, [
      "Hub VPN",
      "UserCreate bob /GROUP:none /REALNAME:none /NOTE:none",
      "UserPasswordSet bob /PASSWORD:pass",
      "SecureNatEnable",
    ]);
    return { log };
  },
});
