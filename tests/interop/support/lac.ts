/** What is tried with xl2tpd as a LAC while we are the LNS. @module */

import assert from "node:assert/strict";
import {
  assertHellosKeepUp,
  assertOutlastsOutage,
  assertSoundMessages,
  type ControlContext,
  controlSuite,
  cutWire,
  here,
  untilSent,
} from "./control_suite.ts";
import {
  assertSame,
  isthmus,
  type ManagedTunnel,
  quickTimers,
  tunnelOf,
  untilDown,
  untilUp,
} from "./managed.ts";
import { killAll } from "./place.ts";
import { until } from "./process.ts";
import type { Suite } from "./suite.ts";
import { startXl2tpd, type Xl2tpd } from "./xl2tpd.ts";

/** How xl2tpd dials us. */
export interface LacOptions {
  readonly title: string;
  /** Absent: neither end authenticates. */
  readonly secret?: string;
}

type Context = ControlContext<Xl2tpd>;

/** Adds the tests. */
export function lacTests(file: string, options: LacOptions): void {
  const { title, secret } = options;
  const tests = controlSuite<Xl2tpd>(
    file,
    ["xl2tpd", "pppd"],
    (socket) => config(options, socket),
    (place) => startXl2tpd(place, { role: "lac", ...(secret && { secret }) }),
  );
  tests.test(`${title}: its tunnel and its call come up`, async (context) => {
    await oneUp(context);
    await until("the peer has it too", async () => await context.peer.calls!() === 1);
  });
  endTests(tests, title);
  lossTests(tests, options);
  tests.test(`${title}: tshark finds nothing wrong in what we sent`, assertSoundMessages);
}

/** Calls and tunnels end on purpose, by either side. */
function endTests({ test }: Suite<Context>, title: string): void {
  test(`${title}: our CDN ends its call`, async (context) => {
    const { appliance, peer } = context;
    const before = await oneUp(context);
    await until("the peer has it too", async () => await peer.calls!() === 1);
    const [pppd] = await peer.standIns();
    const { sessions: [session] } = await appliance.get<{ sessions: { name: string }[] }>(
      "/v1/tunnels/t/sessions",
    );
    await isthmus(appliance, "del", "session", "tunnel", "t", "name", session!.name);
    await until("the peer ended it too", async () => !(await peer.standIns()).includes(pppd!));
    const results = (await untilSent(context, before, "CDN")).map(({ result }) => result);
    assert.deepStrictEqual(results, [3], "one, administrative");
    // It calls again after a second, which may be over.
    assert.match(
      await appliance.process.log(),
      new RegExp(`call closed path=tunnels/t/sessions/${session!.name} .*ended here`),
    );
    assertSame(await oneUp(context), before);
  });

  test(`${title}: after our StopCCN it dials again`, async (context) => {
    const { appliance } = context;
    const before = await oneUp(context);
    await isthmus(appliance, "del", "tunnel", "t", "result", "6", "message", "maintenance");
    await untilNew(context, before);
    const results = (await untilSent(context, before, "StopCCN")).map(({ result }) => result);
    assert.deepStrictEqual(results, [6]);
  });

  test(`${title}: its CDN ends its call, its StopCCN its tunnel, and it may dial again`, async (context) => {
    const { appliance, peer } = context;
    const before = await oneUp(context);
    await peer.endCalls!();
    await until(
      "the call ended",
      async () => /call closed.*ended by the peer/.test(await appliance.process.log()),
    );
    assertSame(await untilUp(appliance, "t", 0), before);
    await peer.endTunnels();
    assert.match(await untilDown(appliance, "t", before), /ended by the peer/);
    await untilNew(context, before);
  });
}

/** Peers and wires fail. */
function lossTests({ test }: Suite<Context>, { title, secret }: LacOptions): void {
  test(`${title}: HELLOs keep it up`, (context) =>
    assertHellosKeepUp(context, () => oneUp(context)));

  test(`${title}: killed and started again, it replaces its old tunnel`, async (context) => {
    const { pair } = context;
    const before = await oneUp(context);
    await killAll(pair.there);
    context.peer = await startXl2tpd(pair.there, { role: "lac", ...(secret && { secret }) });
    await untilNew(context, before);
  });

  test(`${title}: a short outage changes nothing`, (context) =>
    assertOutlastsOutage(context, () => oneUp(context)));

  test(`${title}: after a long outage it is let in again`, async (context) => {
    const before = await oneUp(context);
    // Without PPP's keepalive it notices nothing for a minute; a call that ends makes it.
    await cutWire(context, "t", () => context.peer.endCalls!());
    await untilNew(context, before);
  });
}

/** Its tunnel is up, with at least its first call. */
async function oneUp({ appliance }: Context): Promise<ManagedTunnel> {
  let tunnel: ManagedTunnel | undefined;
  await until("a tunnel with a call is up", async () => {
    tunnel = await tunnelOf(appliance, "t");
    return tunnel.control?.state === "established" && tunnel.sessions > 0;
  }, 60_000);
  return tunnel!;
}

/** Its next tunnel is up. */
async function untilNew(context: Context, before: ManagedTunnel): Promise<void> {
  await until("a new tunnel is up", async () => {
    const { control } = await oneUp(context);
    return control!["established-at"] !== before.control!["established-at"];
  }, 60_000);
}

function config({ secret }: LacOptions, adminSocket: string): string {
  return `
host-name: edge1
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  lac:
    { proto-version: 2, ${quickTimers}${
    secret ? `, secret: "${secret}"` : ""
  }, accept: [{ circuit: { sink: {} } }] }
tunnels:
  t: { peer: lac, mode: passive }
`;
}
