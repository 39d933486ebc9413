/** We are the client of l2tpns, which asks FreeRADIUS. */

import { startL2tpns } from "./support/l2tpns.ts";
import { launch } from "./support/place.ts";
import { clientTests } from "./support/ppp_client.ts";
import { until } from "./support/process.ts";

/** Any user with the password "pass". */
const radiusd = (folder: string) =>
  `
prefix = /usr
libdir = /usr/lib/freeradius
logdir = ${folder}
run_dir = ${folder}
pidfile = ${folder}/radiusd.pid
security { allow_core_dumps = no
 max_attributes = 200
 reject_delay = 0
 status_server = no }
modules {
  always ok { rcode = ok }
  pap { }
  chap { }
}
client any { ipaddr = 0.0.0.0/0
 secret = secret
 require_message_authenticator = no
 limit_proxy_state = no }
server default {
  listen { type = auth
   ipaddr = 127.0.0.1
   port = 1812 }
  listen { type = acct
   ipaddr = 127.0.0.1
   port = 1813 }
  authorize {
    update control { Cleartext-Password := "pass" }
    chap
    pap
  }
  authenticate {
    Auth-Type PAP { pap }
    Auth-Type CHAP { chap }
  }
  accounting { ok }
}
`.replaceAll(/\{ ([^{}\n]+) \}/g, "{\n $1\n}");

clientTests(import.meta.url, {
  title: "l2tpns as LNS",
  needs: ["l2tpns", "perl", "freeradius"],
  tunnelSecret: "secret",
  methods: ["pap", "chap-md5"],
  ping: "10.255.255.1",
  tcp: "10.255.255.1",
  routes: "10.255.255.0/24",
  async start({ there }) {
    const folder = `${there.folder}/radiusd`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/radiusd.conf`, radiusd(folder));
    const said = await launch(there, "freeradius", [
      "freeradius",
      "-X",
      "-d",
      folder,
      "-n",
      "radiusd",
    ]);
    await until(
      "FreeRADIUS is ready",
      async () => (await said()).includes("Ready to process requests"),
      20_000,
    );
    const { endTunnels, log } = await startL2tpns(there, "secret");
    return { log, hangUp: async () => void await endTunnels() };
  },
});
