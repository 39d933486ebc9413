/** PPPoE subscribers in a guest of the lab: pppd over the kernel's PPPoE, and an xl2tpd with pppd as their LNS. @module */

import type { Lab } from "./lab.ts";
import { until } from "./process.ts";

/** How a subscriber dials. */
export interface SubscriberOptions {
  /** The device in the guest; `eth0` by default. */
  readonly device?: string;
  /** The namespace in the guest that it is in; its own by default. */
  readonly netns?: string;
  /** `ppp0` by default, by its number. */
  readonly unit?: number;
  readonly user?: string;
  readonly password?: string;
  /** 1492 by default. */
  readonly mru?: number;
  /** More options of pppd, a line each. */
  readonly more?: string;
}

/** A running pppd. */
export interface Subscriber {
  readonly device: string;
  /** What pppd said. */
  log(): Promise<string>;
  /** Waits until it has an IPv4 address. */
  up(): Promise<string>;
  /** Ends it, as its user would. */
  hangUp(): Promise<void>;
  /** Whether it runs. */
  runs(): Promise<boolean>;
}

/** Starts pppd with rp-pppoe.so. */
export async function startSubscriber(
  lab: Lab,
  { device = "eth0", netns, unit = 0, user = "bob", password = "pass", mru = 1492, more = "" }:
    SubscriberOptions = {},
): Promise<Subscriber> {
  const file = `ppp${unit}.log`;
  const options = [
    `plugin rp-pppoe.so nic-${device}`,
    `unit ${unit}`,
    `user ${user}`,
    `password ${password}`,
    ...["noauth", "nodefaultroute", "noccp", "nodetach", "debug"],
    `mtu ${mru}`,
    `mru ${mru}`,
    ...["lcp-echo-interval 2", "lcp-echo-failure 5", "lcp-max-configure 20"],
    more,
  ].join("\n");
  await Deno.writeTextFile(`${lab.shared}/ppp${unit}.options`, `${options}\n`);
  await lab.guest(`mkdir -p /etc/ppp; : > /etc/ppp/options; : > /lab/${file}
    setsid ${
    netns === undefined ? "" : `ip netns exec ${netns} `
  }pppd file /lab/ppp${unit}.options < /dev/null > /lab/${file} 2>&1 & echo $! > /run/dial${unit}.pid`);
  const log = () => Deno.readTextFile(`${lab.shared}/${file}`).catch(() => "");
  return {
    device: `ppp${unit}`,
    log,
    async up() {
      try {
        await until(
          `ppp${unit} is up`,
          async () => /local +IP address/.test(await log()),
        );
      } catch (error) {
        throw new Error(`${error}\n${await log()}`);
      }
      return /local +IP address ([\d.]+)/.exec(await log())![1]!;
    },
    hangUp: async () => void await lab.tryGuest(`kill $(cat /run/dial${unit}.pid)`),
    runs: async () => (await lab.tryGuest(`kill -0 $(cat /run/dial${unit}.pid)`)).code === 0,
  };
}

/** Starts xl2tpd as an LNS in a guest, with pppds that ask who calls: bob, whose password is `pass`. */
export async function startLns(lab: Lab, secret: string, network = "10.6.0"): Promise<void> {
  const files = {
    "xl2tpd.conf": `[global]
port = 1701
auth file = /lab/xl2tpd.secrets
debug tunnel = yes
debug state = yes
[lns default]
ip range = ${network}.10-${network}.99
local ip = ${network}.1
name = lns
challenge = yes
length bit = yes
pppoptfile = /lab/lns.options
`,
    "xl2tpd.secrets": `* * ${secret}\n`,
    "lns.options":
      "auth\nrequire-chap\nnodefaultroute\nnoccp\ndebug\nlogfile /lab/lns-ppp.log\nlcp-echo-interval 2\nlcp-echo-failure 5\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${lab.shared}/${name}`, text);
  }
  await lab.guest(`
    mkdir -p /run/xl2tpd /etc/ppp; : > /etc/ppp/options
    printf '* * pass *\\n' | tee /etc/ppp/chap-secrets > /etc/ppp/pap-secrets
    setsid xl2tpd -D -c /lab/xl2tpd.conf -s /lab/xl2tpd.secrets -p /lab/xl2tpd.pid -C /run/xl2tpd.control \\
      < /dev/null > /lab/xl2tpd.log 2>&1 &
    for ((i = 0; i < 600; i++)); do grep -q 'Listening on' /lab/xl2tpd.log && exit; sleep 0.05; done; exit 1`);
}
