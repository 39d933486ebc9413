/**
 * Ten thousand malformed datagrams, over UDP and over IP protocol 115: random ones, and valid ones of every kind with
 * damage, from the address of a tunnel's peer. Nothing crashes, each is counted once, traffic goes on.
 */

import assert from "node:assert/strict";
import type { EncapType } from "../../core/pseudowire.ts";
import { type Appliance, assertRuns, startAppliance } from "./support/appliance.ts";
import type { FloodPlan } from "./support/flood.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab, wire, withoutIpv6 } from "./support/lab.ts";
import { until } from "./support/process.ts";
import { config, derived, type End, type Pseudowire } from "./support/pseudowire.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, parsePing, ping, type PingResult } from "./support/traffic.ts";

const count = 10_000;
const seed = 0x1577_0455;

/** To the kernel: traffic that goes on. */
const kernel = pseudowire(1, "udp", wire.here.ip4, { address: wire.guest.ip4, port: 1801 });
/** To nobody: the flood comes from where their peer would be. */
const victims = [
  pseudowire(2, "udp", "127.0.0.1", { address: "127.0.0.2", port: 1801 }, "00112233"),
  pseudowire(3, "ip", "127.0.0.1", { address: "127.0.0.3", port: 0 }, "0011223344556677"),
] as const;

function pseudowire(
  index: number,
  encap: EncapType,
  here: string,
  there: End,
  cookie = "",
): Pseudowire {
  return {
    index,
    encap,
    here: { address: here, port: encap === "udp" ? 1701 : 0 },
    there,
    l2spec: "default",
    cookie,
    peerCookie: cookie,
    seq: false,
  };
}

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const malformed = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    await withoutIpv6(lab);
    const listeners =
      `{ udp: "${wire.here.ip4}:1701" }, { udp: "127.0.0.1:1701" }, { ip: "127.0.0.1" }`;
    const appliance = stack.use(
      await startAppliance(lab, (socket) => config([kernel, ...victims], listeners, socket)),
    );
    await addKernelEnds(lab, [kernel]);
    return { lab, appliance };
  },
);

for (const victim of victims) {
  const name = victim.encap === "udp" ? "UDP" : "IP protocol 115";
  malformed.test(`${count} malformed datagrams over ${name}`, async ({ lab, appliance }) => {
    const before = await tally(appliance);
    const stopPing = await startPing(lab);
    await flood(lab, victim);
    const pings = await stopPing();
    let delta = difference(before, before);
    await until("every datagram is seen", async () => {
      delta = difference(await tally(appliance), before);
      return delta.received >= count;
    }).catch(() => {}); // the comparison below says more
    say(`  ${name}: ${JSON.stringify(delta)}`);
    const { received, control = 0, ...fates } = delta;
    assert.equal(received, count, "each is received");
    assert.equal(control, fates["punted"], "the control plane drops each of its own");
    const total = Object.values(fates).reduce((sum, one) => sum + one, 0);
    assert.equal(total, count, "each has one fate");
    assert(pings.sent > 10);
    assertNoLoss(pings, "traffic went on");
    await assertRuns(appliance);
  });
}

malformed.test("traffic goes on afterwards", async ({ lab }) => {
  assertNoLoss(await ping(lab, derived(kernel).there4, "-c", "50", "-i", "0.3"), "afterwards");
});

/**
 * What became of all datagrams so far. `received` is what came in, and `control` is what the control plane dropped of
 * those punted to it; the others are fates, one for each.
 */
interface Tally {
  readonly received: number;
  readonly control?: number;
  readonly [fate: string]: number;
}

/** Everything but the pings' own frames. */
async function tally(appliance: Appliance): Promise<Tally> {
  const { drops, io } = await appliance.datapath();
  const packets = async (pseudowire: Pseudowire) =>
    (await appliance.session(derived(pseudowire).tunnel)).statistics["rx-packets"]!;
  const all = Object.entries(drops);
  const sum = (which: (drop: [string, number]) => boolean) =>
    all.filter(which).reduce((total, [, dropped]) => total + dropped, 0);
  const [pings, ...accepted] = await Promise.all([kernel, ...victims].map(packets));
  return {
    received: io["rx-datagrams"]! - pings!,
    accepted: accepted.reduce((sum, one) => sum + one),
    punted: io["punted-control"]!,
    control: sum(([name]) => name.startsWith("control-")),
    ...Object.fromEntries(all.filter(([name]) => !name.startsWith("control-"))),
  };
}

/** What was added between two tallies, without what stayed as it was. */
function difference(after: Tally, before: Tally): Tally {
  const deltas = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]);
  return Object.fromEntries(deltas.filter(([name, delta]) => delta !== 0 || name === "received"));
}

async function flood(lab: Lab, { encap, here, there, cookie, index }: Pseudowire): Promise<void> {
  const plan: FloodPlan = {
    seed,
    count,
    from: there,
    to: here,
    target: { encap, cookie, sessionIds: [derived({ index }).sessionId, 7] },
  };
  const program = new URL("support/flood.ts", import.meta.url).pathname;
  const said = await lab.here(Deno.execPath(), "run", "-q", "-A", program, JSON.stringify(plan));
  assert.equal(Number(said), count);
}

/** Pings over the kernel's tunnel until the function that it gives is called, which tells the result. */
async function startPing(lab: Lab): Promise<() => Promise<PingResult>> {
  await ping(lab, derived(kernel).there4); // resolves the address
  const process = lab.background("ping", "ping", "-n", "-i", "0.02", derived(kernel).there4);
  return async () => {
    process.kill("SIGINT");
    await process.ended;
    return parsePing(await process.log());
  };
}
