/** FreeRADIUS, with users and replies that tests ask of it by names. @module */

import type { Place } from "./place.ts";
import { type Background, start, until } from "./process.ts";

/** The secret of all its clients. */
export const SECRET = "a secret";

/** A server that runs. */
export interface FreeRadius extends AsyncDisposable {
  readonly authPort: number;
  readonly acctPort: number;
  /** Accounting requests that it took, in order: attributes by name, of several with one name the last. */
  records(): Promise<Readonly<Record<string, string>>[]>;
  log(): Promise<string>;
}

/**
 * Starts it on loopback (of a place, or the machine's) in a folder of its own. Every user has the password "pass"; `reject` is refused with a message,
 * `signed` is answered with a Message-Authenticator, others without, as it does by itself; `everything` gets `reply`.
 */
export async function startFreeradius(
  folder: string,
  { authPort, acctPort, place, reply = "Class := 0x01" }: {
    authPort: number;
    acctPort: number;
    reply?: string;
    place?: Place;
  },
): Promise<FreeRadius> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/dictionary`, "$INCLUDE /usr/share/freeradius/dictionary\n");
  await Deno.writeTextFile(
    `${folder}/radiusd.conf`,
    configuration(folder, authPort, acctPort, reply),
  );
  const argv = [
    "freeradius",
    "-f",
    "-xx",
    "-l",
    "stdout",
    "-d",
    folder,
    "-D",
    folder,
    "-n",
    "radiusd",
  ];
  const process: Background = place
    ? place.background("freeradius", ...argv)
    : start(argv, `${folder}/radius.log`);
  const { log } = process;
  await until(
    "freeradius is ready",
    async () => {
      if (process.exitCode() !== undefined) throw new Error(`freeradius ended: ${await log()}`);
      return (await log()).includes("Ready to process requests");
    },
  );
  return {
    authPort,
    acctPort,
    log,
    async records() {
      const text = await Deno.readTextFile(`${folder}/detail`).catch(() => "");
      return text.split("\n\n").filter((block) => block.trim() !== "").map((block) =>
        Object.fromEntries(
          [...block.matchAll(/^\t([\w:-]+) \+?= (.*)$/gm)].map(([, name, value]) => [
            name!,
            value!.replace(/^"(.*)"$/, "$1"),
          ]),
        )
      );
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

function configuration(folder: string, authPort: number, acctPort: number, reply: string): string {
  return `
prefix = /usr
libdir = /usr/lib/freeradius
logdir = ${folder}
run_dir = ${folder}
pidfile = ${folder}/radiusd.pid
correct_escapes = true
max_requests = 65536
log { destination = stdout
}
security { allow_core_dumps = no
 max_attributes = 200
 reject_delay = 0
 status_server = yes
}
thread pool { start_servers = 2
 max_servers = 4
 min_spare_servers = 1
 max_spare_servers = 4
 max_requests_per_server = 0
}
modules {
 always reject {
  rcode = reject
 }
 pap {
 }
 chap {
 }
 mschap { with_ntdomain_hack = yes
 }
 detail { filename = ${folder}/detail
  permissions = 0644
 }
}
client loopback { ipaddr = 127.0.0.0/8
 secret = "${SECRET}"
 require_message_authenticator = yes
}
server default {
 listen { type = auth
  ipaddr = 127.0.0.1
  port = ${authPort}
 }
 listen { type = acct
  ipaddr = 127.0.0.1
  port = ${acctPort}
 }
 authorize {
  update control {
   Cleartext-Password := "pass"
  }
  if (&User-Name == "reject") {
   update reply {
    Reply-Message := "not today"
   }
   reject
  }
  chap
  mschap
  pap
 }
 authenticate {
  Auth-Type PAP {
   pap
  }
  Auth-Type CHAP {
   chap
  }
  Auth-Type MS-CHAP {
   mschap
  }
 }
 post-auth {
  if (&User-Name == "signed") {
   update reply {
    Message-Authenticator := 0x00
   }
  }
  if (&User-Name == "everything") {
   update reply {
${reply}
   }
  }
 }
 accounting {
  detail
 }
}
`;
}
