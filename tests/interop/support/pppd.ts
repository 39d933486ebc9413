/** xl2tpd and pppd in the lab's guest, as whoever dials or is dialed. @module */

import type { Lab } from "./lab.ts";
import { until } from "./process.ts";

/** How pppd shall be, beside what all of ours have. */
export interface PppdOptions {
  readonly user?: string;
  readonly password?: string;
  /** Lines of its options file. */
  readonly more?: readonly string[];
  /** Whether the other end has to prove itself. */
  readonly asks?: boolean;
}

/** What pppd is told in any case. */
const common = [
  "nodefaultroute",
  "debug",
  "lcp-restart 1",
  "lcp-max-terminate 1",
  "nodeflate",
];

/** Starts xl2tpd in the guest as a LAC that dials so many tunnels with a call each, or as an LNS. */
export async function startXl2tpdInGuest(
  lab: Lab,
  config: string,
  { asks = false, more = [], password = "pass", user = "bob" }: PppdOptions = {},
): Promise<void> {
  const files = {
    "xl2tpd.conf": config,
    "xl2tpd.secrets": "* * secret\n",
    "ppp.options": [
      ...common,
      ...(asks ? ["auth"] : ["noauth"]),
      `user ${user}`,
      `password ${password}`,
      "logfile /lab/pppd.log",
      ...more,
      "",
    ].join("\n"),
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${lab.shared}/${name}`, text);
  }
  await lab.guest(`
    mkdir -p /run/xl2tpd /etc/ppp; : > /etc/ppp/options; : > /lab/pppd.log
    printf '* * pass *\\n' > /etc/ppp/chap-secrets; cp /etc/ppp/chap-secrets /etc/ppp/pap-secrets; chmod 600 /etc/ppp/*-secrets
    setsid xl2tpd -D -c /lab/xl2tpd.conf -s /lab/xl2tpd.secrets -p /lab/xl2tpd.pid -C /run/xl2tpd.control \\
      < /dev/null > /lab/xl2tpd.log 2>&1 &
    for ((i = 0; i < 600; i++)); do grep -q 'Listening on' /lab/xl2tpd.log && exit; sleep 0.05; done; exit 1`);
}

/** Ends it, and all pppds. */
export async function stopXl2tpdInGuest(lab: Lab): Promise<void> {
  await lab.tryGuest(`
    kill $(cat /lab/xl2tpd.pid)
    for ((i = 0; i < 600; i++)); do pidof xl2tpd pppd > /dev/null || exit; sleep 0.05; done
    kill -9 $(pidof xl2tpd pppd); sleep 0.2`);
}

/** What pppd has written down. */
export function pppdLog(lab: Lab): Promise<string> {
  return Deno.readTextFile(`${lab.shared}/pppd.log`).catch(() => "");
}

/** Waits for a line of pppd's. */
export async function untilPppd(lab: Lab, what: RegExp, timeoutMs = 20_000): Promise<void> {
  try {
    await until(`pppd says ${what}`, async () => what.test(await pppdLog(lab)), timeoutMs);
  } catch (error) {
    const xl2tpd = await Deno.readTextFile(`${lab.shared}/xl2tpd.log`).catch(() => "");
    throw new Error(`${error}\n${await pppdLog(lab)}\n${xl2tpd.slice(-2000)}`);
  }
}

/** xl2tpd's configuration as an LNS whose clients prove themselves by `method`, in pppd's words. */
export function lnsConfig(
  method: "pap" | "chap" | "mschap-v2",
): { readonly config: string; readonly more: string[] } {
  const config = [
    "[global]",
    "port = 1701",
    "auth file = /lab/xl2tpd.secrets",
    "debug tunnel = yes",
    "[lns default]",
    "ip range = 10.6.0.10-10.6.0.200",
    "local ip = 10.6.0.1",
    "require authentication = yes",
    "name = lns",
    "pppoptfile = /lab/ppp.options",
    "length bit = yes",
    "",
  ].join("\n");
  return { config, more: [`require-${method}`, "ms-dns 10.6.0.53", "+ipv6"] };
}
