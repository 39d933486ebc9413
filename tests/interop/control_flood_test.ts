/**
 * A flood of SCCRQs from forged sources, each of which the policy would take: a tunnel that is up stays up and carries
 * traffic, another one comes up, and memory stays bounded. 8 s; ISTHMUS_FLOOD_SECONDS says otherwise.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { assertSame } from "./support/control_suite.ts";
import { isthmus, quickTimers, tunnelOf, untilUp } from "./support/managed.ts";
import { device, makePair, type Pair } from "./support/place.ts";
import { sleep } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { ping } from "./support/traffic.ts";

const seconds = Number(Deno.env.get("ISTHMUS_FLOOD_SECONDS") ?? 8);
const perSecond = 4000;
/** More resident bytes than before the flood: it takes 190 MiB after 40 s, and no more after 80 s. */
const memoryLimit = 256 * 2 ** 20;
const [here, there] = ["10.77.0.1", "10.77.0.2"];
const sender = new URL("support/sccrq-flood.pl", import.meta.url).pathname;

/** The one that is flooded; it takes anybody. */
const flooded = (adminSocket: string) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  friend:
    { address: ${there}, secret: interop, ${quickTimers}, accept: [{ circuit: { probe: { address: 192.168.9.1/24 } } }] }
  anybody: { proto-version: 2, ${quickTimers}, tunnel-limit: 1000, accept: [{}] }
`;

/** The one that dials: the first tunnel before the flood, the second one in it. */
const dialing = (adminSocket: string, more = "") => `
admin: { listen: "unix:${adminSocket}" }
peers:
  hq: { secret: interop, ${quickTimers} }
  open: { proto-version: 2, ${quickTimers}, establish-timeout: 10 }
tunnels:
  before:
    peer: hq
    local: "${there}:0"
    remote: "${here}:1701"
    sessions: { office: { circuit: { tap: { name: office0, addresses: [192.168.9.2/24] } } } }
${more}`;

const during =
  `  during: { peer: open, local: "${there}:0", remote: "${here}:1701", sessions: { c0: {} } }`;

interface Context {
  readonly pair: Pair;
  readonly flooded: Appliance;
  readonly dialing: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "perl", "ping"],
  async (stack) => {
    const pair = stack.use(await makePair());
    // The answers to forged sources go out as those to real ones do, and end in a namespace that forwards nothing.
    await pair.here.here("ip", "route", "add", "10.128.0.0/9", "via", there, "dev", device);
    return {
      pair,
      flooded: stack.use(await startAppliance(pair.here, flooded)),
      dialing: stack.use(await startAppliance(pair.there, (socket) => dialing(socket))),
    };
  },
);

test(`${seconds} s of ${perSecond} forged SCCRQs a second`, async ({ pair, flooded, dialing: dialer }) => {
  const before = await untilUp(dialer, "before", 1);
  const idle = await memoryOf(flooded);
  const flood = pair.there.tryHere(["perl", sender, here, `${seconds}`, `${perSecond}`], {
    timeoutMs: (seconds + 30) * 1000,
  });
  await sleep(1000);
  const started = performance.now();
  await Deno.writeTextFile(dialer.file, dialing(dialer.adminSocket, during));
  await isthmus(dialer, "reload");
  await untilUp(dialer, "during", 1, seconds * 1000);
  const tookMs = performance.now() - started;
  const { received } = await ping(pair.there, "192.168.9.1", "-c", "20", "-i", "0.2");
  assert(received >= 19, `${received} of 20 pings answered`);
  const { code, stdout, stderr } = await flood;
  assert.equal(code, 0, stderr);
  const sent = Number(stdout);
  assert(sent > 0.9 * seconds * perSecond, `${sent} SCCRQs sent`);
  const used = await memoryOf(flooded) - idle;
  say(
    `  ${sent} SCCRQs; a tunnel and its call came up in ${Math.round(tookMs)} ms; ${
      (used / 2 ** 20).toFixed(0)
    } MiB more in use`,
  );
  assert(used < memoryLimit, `${used} bytes more in use`);
  assertSame(await tunnelOf(dialer, "before"), before);
  const { drops } = await flooded.datapath();
  say(
    `  dropped: ${
      JSON.stringify(Object.fromEntries(Object.entries(drops).filter(([, n]) => n > 0)))
    }`,
  );
});

test("half-open connections expire, and both tunnels are still up", async ({ flooded, dialing }) => {
  await sleep(4000);
  await untilUp(dialing, "during", 1);
  await untilUp(dialing, "before", 1);
  const { tunnels } = await flooded.get<{ tunnels: unknown[] }>("/v1/tunnels");
  assert.equal(tunnels.length, 2);
});

/** Resident bytes. */
async function memoryOf({ process }: Appliance): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
}
