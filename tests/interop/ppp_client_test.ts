/** We are the client: we dial xl2tpd and pppd of the lab's guest. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { quickTimers } from "./support/managed.ts";
import { lnsConfig, startXl2tpdInGuest, stopXl2tpdInGuest, untilPppd } from "./support/pppd.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperf, ping, pingFromGuest } from "./support/traffic.ts";

const [here, there] = [wire.here.ip4, wire.guest.ip4];

const { test } = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "xl2tpd", "pppd", "iperf3"],
  async (stack) => stack.use(await bootLab()),
);

/** A client of the guest's LNS. */
function startClient(lab: Lab, { secret = "pass", more = "" } = {}): Promise<Appliance> {
  return startAppliance(lab, (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
circuits:
  wan:
    ppp:
      client:
        tun: { name: wan0 }
        user: bob
        secret: ${secret}
        routes: [10.6.0.0/24]
${more}
peers: { xl2tpd: { proto-version: 2, ${quickTimers} } }
tunnels:
  t: { peer: xl2tpd, local: "${here}:1701", remote: "${there}:1701", sessions: { c: { circuit: wan } } }
`);
}

/** The link's state, once it is up. */
async function untilLinkUp(appliance: Appliance): Promise<Readonly<Record<string, unknown>>> {
  let state: Readonly<Record<string, unknown>> | undefined;
  try {
    await until("the link is up", async () => {
      state = (await appliance.session("t", "c").catch(() => undefined))?.["circuit-state"];
      return state?.["stage"] === "up";
    });
  } catch (error) {
    throw new Error(`${error}\n${await appliance.process.log()}`);
  }
  return state!;
}

for (const method of ["pap", "chap", "mschap-v2"] as const) {
  test(`we log in at pppd by ${method}; packets go both ways, and the device has what was agreed on`, async (lab) => {
    const { config, more } = lnsConfig(method);
    await startXl2tpdInGuest(lab, config, { more, asks: true });
    try {
      await using appliance = await startClient(lab);
      const state = await untilLinkUp(appliance);
      assert.match(String(state["address"]), /^10\.6\.0\.\d+$/);
      const device = await lab.here("ip", "-o", "addr", "show", "dev", "wan0");
      assert.ok(device.includes(`inet ${state["address"]}/32`), device);
      assertNoLoss(await ping(lab, "10.6.0.1"), "to pppd");
      assertNoLoss((await pingFromGuest(lab, [String(state["address"])]))[0]!, "from pppd");
      if (method === "mschap-v2") {
        for (const reverse of [[], ["-R"]]) {
          const { bitsPerSecond } = await iperf(lab, "-c", "10.6.0.1", "-t", "2", ...reverse);
          assert(bitsPerSecond > 1e5, `${reverse}: ${bitsPerSecond} bit/s`);
        }
      }
      await untilPppd(lab, /remote LL address/);
    } finally {
      await stopXl2tpdInGuest(lab);
    }
  });
}

test("either end hangs up, the other knows, and the link comes again with the device kept", async (lab) => {
  const { config, more } = lnsConfig("chap");
  await startXl2tpdInGuest(lab, config, { more, asks: true });
  try {
    await using appliance = await startClient(lab);
    await untilLinkUp(appliance);
    const index = await lab.here("cat", "/sys/class/net/wan0/ifindex");
    await lab.guest("kill -TERM $(pidof pppd)");
    // By its Terminate-Request or, where it hangs up soon after that, by the CDN.
    const known = /the link is over.*peer ends|call closed.*ended by the peer/;
    await until("we know", async () => known.test(await appliance.process.log()));
    await untilPppd(lab, /rcvd \[LCP TermAck/);
    await untilPppd(lab, /(?:remote IP address[^]*){2}/, 60_000);
    await untilLinkUp(appliance);
    assertNoLoss(await ping(lab, "10.6.0.1"), "to pppd, again");
    assert.equal(await lab.here("cat", "/sys/class/net/wan0/ifindex"), index);
    await appliance.cli("del", "session", "tunnel", "t", "name", "c");
    await untilPppd(lab, /rcvd \[LCP TermReq/);
  } finally {
    await stopXl2tpdInGuest(lab);
  }
});

test("a wrong secret keeps the link down, and the reason is said", async (lab) => {
  const { config, more } = lnsConfig("mschap-v2");
  await startXl2tpdInGuest(lab, config, { more, asks: true });
  try {
    await using appliance = await startClient(lab, { secret: "not-this-one" });
    await until(
      "it was refused",
      async () => /refuses our name or secret/.test(await appliance.process.log()),
    );
    assert.doesNotMatch(await appliance.process.log(), /not-this-one/);
  } finally {
    await stopXl2tpdInGuest(lab);
  }
});
