/**
 * Calls placed on: xl2tpd with pppd dials from one guest of the lab, xl2tpd with pppd answers in another, and between them
 * are one isthmus, or two with L2TPv3 between them. PPP passes through from end to end.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { quickTimers } from "./support/managed.ts";
import { type Place, placeIn } from "./support/place.ts";
import { pppdLog, startXl2tpdInGuest, stopXl2tpdInGuest } from "./support/pppd.ts";
import { output, until } from "./support/process.ts";
import { startLns } from "./support/subscriber.ts";
import { suite } from "./support/suite.ts";
import { xl2tpdConfig } from "./support/xl2tpd.ts";

const secret = "tunnel secret";
const COUNT = 10;
const [first, second, lnsAt] = ["10.77.0.1", "10.77.0.4", "10.77.0.2"];

/**
 * Where the LAC's tunnels go, an address each: its kernel has a connected socket for each tunnel, and hands all that comes
 * from one address and port to one of them.
 */
const doors = Array.from({ length: COUNT }, (_, i) => `10.77.0.${20 + i}`);

/** An isthmus that places on what comes, to `to` in a version. */
const hop = (at: string, accepts: 2 | 3, to: string, version: 2 | 3) => (adminSocket: string) => `
host-name: hop-${at}
listen: [${
  [at, ...(at === first ? doors : [])].map((address) => `{ udp: "${address}:1701" }`).join(", ")
}]
admin: { listen: "unix:${adminSocket}" }
peers:
  next: { address: ${to}, proto-version: ${version}, ${quickTimers}${
  to === lnsAt ? `, secret: ${secret}` : ""
} }
  near: { proto-version: ${accepts}, ${quickTimers}, accept: [{ pw-type: ppp, circuit: hop }] }
tunnels:
  next: { peer: next, mode: on-demand, local: "${at}:1701", remote: ${to} }
circuits:
  hop: { bridge: { rules: [{ to: { peer: next } }] } }
`;

interface Context {
  readonly lan: Place;
  readonly lac: Lab;
  readonly lns: Lab;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "xl2tpd", "pppd"],
  async (stack) => {
    const namespace = `isthmus-${Deno.pid}-hop`;
    await output(["ip", "netns", "add", namespace]);
    stack.defer(async () => void await output(["ip", "netns", "del", namespace]));
    const lns = stack.use(await bootLab({ namespace }));
    const lac = stack.use(await bootLab({ namespace, host: 3 }));
    await output(["ip", "-n", namespace, "link", "set", "lo", "up"]);
    for (const address of [second, ...doors]) {
      await output(["ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", "lan"]);
    }
    await startLns(lns, secret);
    return { lan: placeIn(namespace, lns.folder), lac, lns };
  },
);

interface Bridges {
  readonly rows: readonly { readonly a: string; readonly b: string | null }[];
}

const bridges = async (appliance: Appliance) =>
  (await appliance.get<Bridges>("/v1/views/bridge")).rows;

/** Dials from the LAC's guest, and waits until every pppd has its address. */
async function dial({ lac, lns }: Context, appliances: readonly Appliance[]): Promise<void> {
  const config = xl2tpdConfig({ role: "lac", tunnels: COUNT }, "/lab", "/lab/ppp.options");
  let door = 0;
  await startXl2tpdInGuest(lac, config.replaceAll(/lns = .*/g, () => `lns = ${doors[door++]}`));
  const addresses = async () => [...(await pppdLog(lac)).matchAll(/local +IP address/g)].length;
  try {
    await until("every pppd has an address", async () => await addresses() >= COUNT, 60_000);
  } catch (error) {
    const logs = await Promise.all(appliances.map(({ process }) => process.log()));
    const xl2tpd = await Deno.readTextFile(`${lns.shared}/xl2tpd.log`).catch(() => "");
    throw new Error(`${error}\n${await pppdLog(lac)}\n${logs.join("\n")}\n${xl2tpd.slice(-3000)}`);
  }
}

/** How many links pppd has ended in a guest, by its log: to ask the guest again and again is too much for it. */
async function ended(lab: Lab, log: string): Promise<number> {
  const text = await Deno.readTextFile(`${lab.shared}/${log}`).catch(() => "");
  return [...text.matchAll(/^Connection terminated/gm)].length;
}

/** Everything that was dialed can ping the LNS, by its own link. */
async function assertAllPing({ lac }: Context): Promise<void> {
  const script = `for ((i = 0; i < ${COUNT}; i++)); do
    ping -q -c 3 -i 0.2 -W 3 -I ppp$i 10.6.0.1 | grep -c ' 0% packet loss'
  done`;
  const counts = (await lac.guest(script)).trim().split("\n");
  assert.deepEqual(counts, Array.from({ length: COUNT }, () => "1"));
}

/** A hang-up at either end takes both legs, and no other call. */
async function assertEnds(context: Context, near: Appliance): Promise<void> {
  const { lac, lns } = context;
  const [atLac, atLns] = [await ended(lac, "pppd.log"), await ended(lns, "lns-ppp.log")];
  await lac.guest("kill $(cat /var/run/ppp3.pid 2>/dev/null || pidof -s pppd)");
  await until(
    "the LNS ended its call",
    async () => await ended(lns, "lns-ppp.log") === atLns + 1,
  );
  await until("its bridge is gone", async () => (await bridges(near)).length === COUNT - 1);
  await lns.guest("kill $(pidof -s pppd)");
  await until(
    "the LAC ended its call",
    async () => await ended(lac, "pppd.log") === atLac + 2,
  );
}

test("ten calls at once from xl2tpd through us to xl2tpd: ping, hang-up from each end", async (context) => {
  await using appliance = await startAppliance(context.lan, hop(first, 2, lnsAt, 2));
  try {
    await dial(context, [appliance]);
    await assertAllPing(context);
    const rows = await bridges(appliance);
    assert.equal(rows.length, COUNT);
    assert.ok(
      rows.every(({ a, b }) => a.startsWith("near-") && b?.startsWith("next/")),
      JSON.stringify(rows),
    );
    await assertEnds(context, appliance);
  } finally {
    await stopXl2tpdInGuest(context.lac);
  }
});

test("the same with L2TPv3 between two of us", async (context) => {
  await using far = await startAppliance(context.lan, hop(second, 3, lnsAt, 2));
  await using near = await startAppliance(context.lan, hop(first, 2, second, 3));
  try {
    await dial(context, [near, far]);
    await assertAllPing(context);
    assert.equal((await bridges(far)).length, COUNT);
    await assertEnds(context, near);
  } finally {
    await stopXl2tpdInGuest(context.lac);
  }
});
