/** DHCPv6 prefix delegation to clients of others, over pppd in the lab's guest: wide-dhcpv6-client and dhcpcd. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { dualStack } from "./support/dual_stack.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { quickTimers } from "./support/managed.ts";
import { pppdLog, startXl2tpdInGuest, stopXl2tpdInGuest, untilPppd } from "./support/pppd.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, ping, type PingResult } from "./support/traffic.ts";
import { xl2tpdConfig } from "./support/xl2tpd.ts";

const { test } = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "xl2tpd", "pppd", "dhcp6c", "dhcpcd"],
  async (stack) => stack.use(await bootLab()),
);

/** An LNS whose leases are renewed after 15 s. */
async function startLns(lab: Lab): Promise<Appliance> {
  const users = `${lab.folder}/users.yaml`;
  await Deno.writeTextFile(users, "bob: { password: pass }\n", { mode: 0o600 });
  return await startAppliance(lab, (socket) => `
listen: [{ udp: "${wire.here.ip4}:1701" }]
admin: { listen: "unix:${socket}" }
${
    dualStack(users, { more: "        ipv6-lifetime: 60" })
  }peers: { xl2tpd: { proto-version: 2, ${quickTimers}, accept: [{ circuit: lns }] } }
`);
}

const prefix = /2001:db8:80[0-9a-f]{2}(?::[0-9a-f]{1,4})?::\/56/;

/** Nothing that the guest's client says to a server leaves. */
const deaf = `nft add table inet deaf
nft add chain inet deaf out '{ type filter hook output priority 0; }'
nft add rule inet deaf out udp dport 547 drop`;

/** How a client is started in the guest, and what it says of its prefix. */
const clients = {
  "wide-dhcpv6-client": {
    start: `cat > /tmp/dhcp6c.conf <<'END'
interface ppp0 { send ia-pd 1; };
id-assoc pd 1 { prefix-interface lo { sla-id 1; sla-len 8; }; };
END
mkdir -p /var/lib/dhcpv6
setsid dhcp6c -f -D -c /tmp/dhcp6c.conf ppp0 < /dev/null > /lab/client.log 2>&1 &`,
    stop: "kill -9 $(pidof dhcp6c); sleep 0.2",
    renewed: /send renew/i,
    rebound: /state=REBIND/,
  },
  dhcpcd: {
    start: `cat > /tmp/dhcpcd.conf <<'END'
duid
noipv4
ipv6only
noipv6rs
interface ppp0
  ia_pd 1 lo/1/64
END
mkdir -p /var/lib/dhcpcd /run/dhcpcd
setsid dhcpcd -B -d -6 -f /tmp/dhcpcd.conf ppp0 < /dev/null > /lab/client.log 2>&1 &`,
    stop: "kill -9 $(pidof dhcpcd); sleep 0.2",
    renewed: /RENEW6/,
    rebound: undefined,
  },
} as const;

for (const [title, client] of Object.entries(clients)) {
  test(
    `${title}: a prefix is delegated and routed; it stays after a RENEW${
      client.rebound ? " and a REBIND" : ""
    }, and after a restart of the LNS`,
    async (lab) => {
      const first = await startLns(lab);
      await startXl2tpdInGuest(lab, xl2tpdConfig({ role: "lac" }, "/lab", "/lab/ppp.options"), {
        more: ["+ipv6"],
      });
      let delegated: string;
      const log = () => Deno.readTextFile(`${lab.shared}/client.log`).catch(() => "");
      const explain = async (work: () => Promise<void>) => {
        try {
          await work();
        } catch (error) {
          throw new Error(`${error}\n${(await log()).slice(-4000)}`);
        }
      };
      try {
        await untilPppd(lab, /remote LL address/);
        await lab.guest(client.start);
        await explain(async () => void (delegated = await untilDelegated(first)));
        delegated = await untilDelegated(first);
        await explain(() => assertReached(lab, delegated));
        await explain(() =>
          until("it renews", async () => client.renewed.test(await log()), 40_000)
        );
        assert.equal(await untilDelegated(first), delegated);
        await assertReached(lab, delegated);
        const { rebound } = client;
        if (rebound) {
          // We are gone, for all that it can tell, until it asks anybody (T2, RFC 8415 §18.2.5); then we are back.
          await lab.guest(deaf);
          await explain(() => until("it rebinds", async () => rebound.test(await log()), 60_000));
          const asked = (await log()).length;
          await lab.guest("nft delete table inet deaf");
          const answered = async () => /got an expected reply/.test((await log()).slice(asked));
          await explain(() => until("it is answered", answered, 40_000));
          assert.equal(await untilDelegated(first), delegated);
          await assertReached(lab, delegated);
        }
      } finally {
        await first[Symbol.asyncDispose]();
      }
      await using second = await startLns(lab);
      try {
        // pppd is gone with its session; xl2tpd dials again, and the client is started anew, as hook scripts do.
        await lab.tryGuest(client.stop);
        await untilPppd(lab, /(?:remote LL address[^]*){2}/, 60_000);
        // The device of the first pppd may still be there, and the second one's is another then.
        const [device = "ppp0"] =
          (await pppdLog(lab)).match(/(?<=Using interface )ppp\d+/g)?.slice(-1) ?? [];
        await lab.guest(client.start.replaceAll("ppp0", device));
        await explain(async () => void await untilDelegated(second));
        await explain(async () => assertReached(lab, await untilDelegated(second)));
      } finally {
        await lab.tryGuest(client.stop);
        await stopXl2tpdInGuest(lab);
      }
    },
  );
}

async function untilDelegated(appliance: Appliance): Promise<string> {
  let found: string | undefined;
  await until("a prefix is delegated", async () => {
    const { sessions } = await appliance.get<
      { sessions: { "circuit-state"?: Record<string, unknown> }[] }
    >("/v1/sessions");
    found = prefix.exec(String(sessions[0]?.["circuit-state"]?.["delegated-prefix"]))?.[0];
    return found !== undefined;
  });
  return found!;
}

/** An address of the prefix that the guest has given itself answers. */
async function assertReached(lab: Lab, delegated: string): Promise<void> {
  const start = delegated.replace("::/56", "");
  let address: string | undefined;
  await until("the guest has an address of the prefix", async () => {
    const { stdout } = await lab.tryGuest("ip -6 -o addr show dev lo scope global");
    address = [...stdout.matchAll(/inet6 ([0-9a-f:]+)\//g)].map(([, one]) => one!)
      .find((one) => one.startsWith(start.split(":").slice(0, 3).join(":")));
    return address !== undefined;
  });
  let last: PingResult = { sent: 0, received: 0 };
  await until(
    `${address} answers`,
    async () => (last = await ping(lab, address!, "-6", "-W", "1")).received > 0,
  );
  assertNoLoss(last.received === last.sent ? last : await ping(lab, address!, "-6"), address!);
}
