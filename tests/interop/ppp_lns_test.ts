/** We are the LNS: xl2tpd and pppd of the lab's guest dial in, the kernel carries their packets. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { quickTimers } from "./support/managed.ts";
import {
  pppdLog,
  type PppdOptions,
  startXl2tpdInGuest,
  stopXl2tpdInGuest,
  untilPppd,
} from "./support/pppd.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, ping, pingFromGuest } from "./support/traffic.ts";
import { xl2tpdConfig } from "./support/xl2tpd.ts";

const [here] = [wire.here.ip4];

const { test } = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "xl2tpd", "pppd", "iperf3"],
  async (stack) => stack.use(await bootLab()),
);

interface Termination {
  readonly more?: string;
  readonly section?: string;
}

/** An LNS for the guest's users. */
async function startLns(
  lab: Lab,
  { more = "", section = "" }: Termination = {},
): Promise<Appliance> {
  const users = `${lab.folder}/users.yaml`;
  await Deno.writeTextFile(
    users,
    Array.from({ length: 30 }, (_, i) => `user${i}: { password: pass }\n`).join("") +
      "bob: { password: pass }\n",
    { mode: 0o600 },
  );
  return await startAppliance(lab, (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
ppp:
  aaa: { users: "${users}" }
  pools:
    main: { ranges: [10.64.0.0/24] }
    six: { ranges: ["2001:db8:1000::/40"], length: 64 }
    delegated: { ranges: ["2001:db8:8000::/40"], length: 56 }
${section}
circuits:
  lns:
    ppp:
      terminate:
        tun: { name: subs0 }
        address: 10.64.0.1
        pools: [main]
        dns: [10.64.0.53, "2001:db8::53"]
        ipv6-pool: six
        delegated-pool: delegated
${more}
peers: { xl2tpd: { proto-version: 2, ${quickTimers}, accept: [{ circuit: lns }] } }
`);
}

/** Dials with one call. */
function dial(lab: Lab, options: PppdOptions = {}, tunnels = 1): Promise<void> {
  return startXl2tpdInGuest(
    lab,
    xl2tpdConfig({ role: "lac", tunnels }, "/lab", "/lab/ppp.options"),
    options,
  );
}

interface Row {
  readonly status: string;
  readonly "circuit-state"?: Record<string, unknown>;
  readonly statistics: Record<string, number>;
}

async function sessionsOf(appliance: Appliance): Promise<Row[]> {
  return (await appliance.get<{ sessions: Row[] }>("/v1/sessions?limit=1000")).sessions;
}

const methods = [
  ["pap", ["refuse-chap", "refuse-mschap", "refuse-mschap-v2"]],
  ["chap-md5", ["refuse-pap", "refuse-mschap", "refuse-mschap-v2"]],
  ["mschapv2", ["refuse-pap", "refuse-chap", "refuse-mschap"]],
] as const;

for (const [method, more] of methods) {
  test(`a subscriber of pppd logs in by ${method}, and reaches us and is reached by IPv4 and IPv6`, async (lab) => {
    await using appliance = await startLns(lab);
    await dial(lab, { more: [...more, "+ipv6", "usepeerdns"] });
    try {
      await untilPppd(lab, /remote LL address/);
      await untilPppd(lab, /remote IP address 10\.64\.0\.1/);
      const log = await pppdLog(lab);
      assert.match(log, /local {2}IP address 10\.64\.0\.2/);
      assert.match(log, /primary {3}DNS address 10\.64\.0\.53/);
      assertNoLoss((await pingFromGuest(lab, ["10.64.0.1"]))[0]!, "guest to TUN");
      assertNoLoss(await ping(lab, "10.64.0.2"), "TUN to guest");
      const address = await untilGlobal(lab);
      assertNoLoss(await ping(lab, address, "-6"), "TUN to guest, IPv6");
      const [row] = await sessionsOf(appliance);
      assert.equal(row!["circuit-state"]!["user"], "bob");
      assert.equal(row!["circuit-state"]!["address"], "10.64.0.2");
    } finally {
      await stopXl2tpdInGuest(lab);
    }
    await until("the session is gone", async () => (await sessionsOf(appliance)).length === 0);
  });
}

/** The address that the guest's kernel has made of what we announce. */
async function untilGlobal(lab: Lab): Promise<string> {
  let address: string | undefined;
  await until("the guest has an address of the announced prefix", async () => {
    const { stdout } = await lab.tryGuest("ip -6 -o addr show dev ppp0 scope global");
    address = /inet6 (2001:db8:10[0-9a-f:]+)\/64/.exec(stdout)?.[1];
    return address !== undefined;
  });
  return address!;
}
