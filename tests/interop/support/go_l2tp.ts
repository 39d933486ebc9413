/** go-l2tp's daemons in the lab's guest: kl2tpd dials with pppd, kpppoed is a LAC for PPPoE, ql2tpd has static tunnels. @module */

import type { Lab } from "./lab.ts";

/** What they are called. */
export type Daemon = "kl2tpd" | "kpppoed" | "ql2tpd";

/** Starts one with a configuration; disposal ends it and whatever it began. */
export async function startGoL2tp(
  lab: Lab,
  daemon: Daemon,
  config: string,
): Promise<AsyncDisposable & { log(): Promise<string> }> {
  await Deno.writeTextFile(`${lab.shared}/${daemon}.toml`, config);
  await lab.guest(`
    mkdir -p /etc/ppp; : > /etc/ppp/options; : > /lab/pppd.log
    printf '* * pass *\\n' | tee /etc/ppp/chap-secrets > /etc/ppp/pap-secrets; chmod 600 /etc/ppp/*-secrets
    setsid ${daemon} -config /lab/${daemon}.toml -verbose < /dev/null > /lab/${daemon}.log 2>&1 &
    echo $! > /lab/${daemon}.pid; sleep 0.3; kill -0 $(cat /lab/${daemon}.pid)`);
  return {
    log: () => Deno.readTextFile(`${lab.shared}/${daemon}.log`),
    async [Symbol.asyncDispose]() {
      await lab.tryGuest(`
        kill -INT $(cat /lab/${daemon}.pid)
        for ((i = 0; i < 60; i++)); do pidof ${daemon} kl2tpd pppd > /dev/null || exit; sleep 0.05; done
        kill -9 $(pidof ${daemon} kl2tpd pppd); sleep 0.2`);
    },
  };
}
