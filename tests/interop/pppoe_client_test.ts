/** Our PPPoE client, with pppoe-server and pppd in a guest of the lab: by name, refused, and when the server hangs up. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { labFolder } from "./support/programs.ts";
import { until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperf, ping } from "./support/traffic.ts";

const text = (device: string) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
circuits:
  line:
    ppp:
      client: { tun: { name: wan0 }, user: bob, secret: pass, routes: [10.8.0.0/24], ipv6: false }
  other:
    ppp:
      client: { tun: { name: wan1 }, user: bob, secret: pass, ipv6: false }
pppoe:
  clients:
    wan: { interface: ${device}, ac-name: labac, service-name: labsvc, circuit: line, retry: 0.5 }
    nobody: { interface: ${device}, ac-name: another, circuit: other, retry: 0.1, attempts: 2 }
`;

const { test } = suite<{ readonly lab: Lab; readonly appliance: Appliance }>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "pppd", "pppoe-server"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    await Deno.writeTextFile(
      `${lab.shared}/server.options`,
      "debug\nlogfile /lab/server-ppp.log\nrequire-chap\nlcp-echo-interval 2\nlcp-echo-failure 5\nnoccp\n",
    );
    await lab.guest(`
      mkdir -p /etc/ppp; : > /etc/ppp/options
      printf '* * pass *\\n' | tee /etc/ppp/chap-secrets > /etc/ppp/pap-secrets
      setsid pppoe-server -F -q ${labFolder}/pppd-kpppoe -I eth0 -C labac -S labsvc -L 10.8.0.1 -R 10.8.0.10 -N 8 \\
        -O /lab/server.options < /dev/null > /lab/server.log 2>&1 &
      sleep 0.5`);
    return { lab, appliance: stack.use(await startAppliance(lab, text(lab.tap))) };
  },
);

interface Row {
  readonly client: string;
  readonly ac: string;
  readonly id: number;
}

const clientsOf = async (appliance: Appliance) =>
  (await appliance.get<{ rows: readonly Row[] }>("/v1/views/pppoe-client")).rows;

async function untilUp(lab: Lab, appliance: Appliance): Promise<void> {
  try {
    await until(
      "the line is up",
      async () => (await lab.tryHere(["ping", "-q", "-c", "1", "-W", "1", "10.8.0.1"])).code === 0,
    );
  } catch (error) {
    const server = await Deno.readTextFile(`${lab.shared}/server-ppp.log`).catch(() => "");
    throw new Error(`${error}\n${await appliance.process.log()}\n${server}`);
  }
}

test("a session with pppoe-server: CHAP, ping, iperf3", async ({ lab, appliance }) => {
  await untilUp(lab, appliance);
  assertNoLoss(await ping(lab, "10.8.0.1", "-s", "1400"), "to the server");
  const to = await iperf(lab, "-c", "10.8.0.1", "-n", "8M");
  const from = await iperf(lab, "-c", "10.8.0.1", "-n", "8M", "-R");
  say(`  ${[to, from].map((run) => Math.round(run.bitsPerSecond / 1e6)).join(" and ")} Mbit/s`);
  const rows = await clientsOf(appliance);
  assert.deepEqual(rows.map(({ client, ac }) => [client, ac]), [["wan", "labac"]]);
});

test("a concentrator of another name is not taken, and is listed as down", async ({ appliance }) => {
  const listed = async () => JSON.stringify(await appliance.get("/v1/down"));
  await until("it is listed", async () => (await listed()).includes("client nobody"));
  assert.match(await listed(), /no access concentrator offers what is asked for/);
});

test("a server that hangs up is dialed again", async ({ lab, appliance }) => {
  const [{ id }] = await clientsOf(appliance) as [Row];
  await lab.guest("kill $(pidof pppd)");
  await until("another session is up", async () => {
    const [row] = await clientsOf(appliance);
    return row !== undefined && row.id !== id;
  });
  await untilUp(lab, appliance);
});
