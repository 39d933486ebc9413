/**
 * xl2tpd in the lab, where the kernel carries its calls (pppol2tp) and real pppds sit on them, as LNS and as LAC. Nobody
 * speaks PPP with those yet: they wait, and when one is told to end, xl2tpd ends its call with a CDN.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { type ManagedTunnel, quickTimers, tunnelOf, untilUp } from "./support/managed.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { xl2tpdConfig, type Xl2tpdOptions } from "./support/xl2tpd.ts";

const secret = "lab secret";
const [here, there] = [wire.here.ip4, wire.guest.ip4];

const { test } = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "xl2tpd", "pppd"],
  async (stack) => stack.use(await bootLab()),
);

const tunnels = {
  lns: `{ peer: xl2tpd, local: "${here}:1701", remote: "${there}:1701", sessions: { c0: {} } }`,
  lac: "{ peer: xl2tpd, mode: passive }",
} as const;

for (const role of ["lns", "lac"] as const) {
  test(`xl2tpd as ${role.toUpperCase()} with pppol2tp: a tunnel and a call come up, its CDN ends the call alone`, async (lab) => {
    await startInGuest(lab, { role, secret });
    try {
      await using appliance = await startAppliance(lab, (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
peers: { xl2tpd: { proto-version: 2, ${quickTimers}, secret: ${secret}, accept: [{}] } }
tunnels: { t: ${tunnels[role]} }
`);
      const before = await untilUp(appliance, "t", 1);
      await assertInKernel(lab, appliance, before);
      await lab.guest("kill $(pidof pppd)");
      await until(
        "the call ended",
        async () => /call closed.*ended by the peer/.test(await appliance.process.log()),
      );
      const after = await tunnelOf(appliance, "t");
      assert.equal(after.control?.state, "established");
      assert.equal(after.control["established-at"], before.control!["established-at"]);
    } finally {
      await lab.guest("kill $(cat /lab/xl2tpd.pid)");
    }
    const log = await Deno.readTextFile(`${lab.shared}/xl2tpd.log`);
    assert.match(log, /Call established with 10\.77\.0\.1/);
    assert.doesNotMatch(log, /kernel support not detected/);
  });
}

/** The kernel has a session with the very ids that we have. */
async function assertInKernel(
  lab: Lab,
  appliance: Appliance,
  tunnel: ManagedTunnel,
): Promise<void> {
  const { sessions: [session] } = await appliance.get<
    { sessions: { "session-id": number; "peer-session-id": number }[] }
  >("/v1/tunnels/t/sessions");
  const hex = (id: number) => id.toString(16).toUpperCase().padStart(4, "0");
  assert(session);
  const kernel = await lab.guest("cat /proc/net/pppol2tp");
  const ends = `${hex(tunnel["peer-tunnel-id"])}/${hex(session["peer-session-id"])} -> `;
  assert(kernel.includes(ends), `no ${ends} in\n${kernel}`);
}

/** Starts xl2tpd in the guest. */
async function startInGuest(lab: Lab, options: Xl2tpdOptions): Promise<void> {
  const files = {
    "xl2tpd.conf": xl2tpdConfig(options, "/lab", "/lab/ppp.options"),
    "xl2tpd.secrets": `* * ${options.secret}\n`,
    "ppp.options": "noauth\nnodefaultroute\nlcp-max-terminate 1\nlcp-restart 1\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${lab.shared}/${name}`, text);
  }
  await lab.guest(`
    mkdir -p /run/xl2tpd /etc/ppp; : > /etc/ppp/options
    setsid xl2tpd -D -c /lab/xl2tpd.conf -s /lab/xl2tpd.secrets -p /lab/xl2tpd.pid -C /run/xl2tpd.control \\
      < /dev/null > /lab/xl2tpd.log 2>&1 &
    for ((i = 0; i < 600; i++)); do grep -q 'Listening on' /lab/xl2tpd.log && exit; sleep 0.05; done; exit 1`);
}
