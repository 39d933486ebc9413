/** FreeRADIUS for peers that need one, and do not mind what it says. @module */

import { launch, type Place } from "./place.ts";
import { until } from "./process.ts";

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

/** Starts it at 127.0.0.1 in a place, with the secret `secret`; {@linkcode killAll} ends it. */
export async function startRadiusd(place: Place): Promise<void> {
  const folder = `${place.folder}/radiusd`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/radiusd.conf`, radiusd(folder));
  const argv = ["freeradius", "-X", "-d", folder, "-n", "radiusd"];
  const said = await launch(place, "freeradius", argv);
  await until(
    "FreeRADIUS is ready",
    async () => (await said()).includes("Ready to process requests"),
  );
}
