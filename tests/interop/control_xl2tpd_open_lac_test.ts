/** We are the LNS of xl2tpd, without a secret, for a hundred tunnels with a call each. */

import assert from "node:assert/strict";
import { assertSoundMessages, controlSuite, here } from "./support/control_suite.ts";
import { assertFirstFrames, isthmus, type ManagedTunnel, quickTimers } from "./support/managed.ts";
import { until } from "./support/process.ts";
import { startXl2tpd } from "./support/xl2tpd.ts";

const count = 100;

const { test } = controlSuite(
  import.meta.url,
  ["xl2tpd", "pppd"],
  (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
peers: { lac: { proto-version: 2, ${quickTimers}, tunnel-limit: ${count}, accept: [{ circuit: { sink: {} } }] } }
`,
  (place) => startXl2tpd(place, { role: "lac", tunnels: count }),
);

type Context = Parameters<Parameters<typeof test>[1]>[0];

test(`xl2tpd as LAC without a secret: ${count} tunnels come up`, async (context) => {
  await untilTunnels(context, count);
  await until("the peer has their calls", async () => await context.peer.calls!() === count);
});

test("xl2tpd as LAC without a secret: the first frame behind each ICCN is carried", async (context) => {
  await untilTunnels(context, count);
  await assertFirstFrames(context.appliance, count);
});

test("xl2tpd as LAC without a secret: our StopCCN ends one, which comes again", async (context) => {
  const { name } = (await tunnels(context))[0]!;
  await isthmus(context.appliance, "del", "tunnel", name, "result", "1");
  await until(
    "it ended",
    async () => (await tunnels(context)).every((other) => other.name !== name),
  );
  await untilTunnels(context, count);
});

test("xl2tpd as LAC without a secret: its StopCCN ends one, which comes again", async (context) => {
  const before = new Set((await tunnels(context)).map(({ name }) => name));
  await context.peer.endTunnels();
  await until(
    "another came",
    async () => (await tunnels(context)).some(({ name }) => !before.has(name)),
  );
  await untilTunnels(context, count);
  assert.match(await context.appliance.process.log(), /connection closed.*ended by the peer/);
});

test(
  "xl2tpd as LAC without a secret: tshark finds nothing wrong in what we sent",
  assertSoundMessages,
);

/** The tunnels that are up with their call. */
async function tunnels({ appliance }: Context) {
  const { tunnels } = await appliance.get<{ tunnels: (ManagedTunnel & { name: string })[] }>(
    "/v1/tunnels?limit=1000",
  );
  return tunnels.filter(({ control, sessions }) =>
    control?.state === "established" && sessions === 1
  );
}

function untilTunnels(context: Context, count: number): Promise<void> {
  return until(
    `${count} tunnels are up`,
    async () => (await tunnels(context)).length === count,
    60_000,
  );
}
