/** What is tried with every LNS of others while we are the LAC. @module */

import assert from "node:assert/strict";
import {
  assertHellosKeepUp,
  assertOutlastsOutage,
  assertSame,
  assertSoundMessages,
  type ControlContext,
  controlSuite,
  cutWire,
  here,
  sent,
  there,
} from "./control_suite.ts";
import {
  assertFirstFrames,
  isthmus,
  quickTimers,
  tunnelOf,
  untilDown,
  untilUp,
} from "./managed.ts";
import type { Peer } from "./peer.ts";
import { killAll, type Place } from "./place.ts";
import { until } from "./process.ts";
import type { Need } from "./programs.ts";
import type { Suite } from "./suite.ts";

/** An LNS of others. */
export interface Lns {
  /** As it is called. */
  readonly title: string;
  readonly needs: readonly Need[];
  /** Absent: neither end authenticates. */
  readonly secret?: string;
  /** Whether it can be told to end calls. */
  readonly endsCalls: boolean;
  /** Leaves out what takes seconds: HELLOs, restarts, outages. */
  readonly brief?: boolean;
  /** Sends no frame of its own once a call is up: it waits for the client's LCP. */
  readonly waits?: boolean;
  start(place: Place): Promise<Peer>;
}

/** Calls of the tunnel. */
const count = 100;

/** Adds the tests of one LNS. */
export function lnsTests(file: string, lns: Lns): void {
  const { title } = lns;
  const tests = controlSuite(file, lns.needs, (socket) => config(lns, socket), lns.start);
  tests.test(`${title}: a tunnel and ${count} calls come up`, async (context) => {
    await allUp(context);
    const { calls } = context.peer;
    if (calls) await until("the peer has them too", async () => await calls() === count);
  });
  if (!lns.waits) {
    tests.test(`${title}: the first frame of each call is carried`, async (context) => {
      await allUp(context);
      await assertFirstFrames(context.appliance, count);
    });
  }
  if (lns.secret) {
    tests.test(`${title}: a wrong secret keeps the tunnel down`, async ({ appliance }) => {
      await until(
        "it was refused",
        async () => /result 4/.test((await tunnelOf(appliance, "wrong")).control?.reason ?? ""),
      );
      assert.doesNotMatch(
        await appliance.process.log(),
        /connection established path=tunnels\/wrong/,
      );
    });
  }
  endTests(tests, lns);
  if (!lns.brief) lossTests(tests, lns);
  tests.test(`${title}: tshark finds nothing wrong in what we sent`, assertSoundMessages);
}

/** Calls and tunnels end on purpose, by either side. */
function endTests({ test }: Suite<ControlContext<Peer>>, { title, endsCalls, start }: Lns): void {
  test(`${title}: our CDN ends one call, and a reload places it again`, async (context) => {
    const { appliance, capture, peer } = context;
    await allUp(context);
    const before = await peer.calls?.();
    await isthmus(appliance, "del", "session", "tunnel", "t", "name", "c7");
    await untilUp(appliance, "t", count - 1);
    if (before !== undefined) {
      await until("the peer ended it too", async () => await peer.calls!() === before - 1);
    }
    const results = (await sent(capture, "CDN")).map(({ result }) => result);
    assert.deepStrictEqual(results, [3], "one, administrative");
    await isthmus(appliance, "reload");
    await allUp(context);
  });

  if (endsCalls) {
    test(`${title}: the peer's CDN ends a call, which is placed again`, async (context) => {
      const { appliance, peer } = context;
      const before = await allUp(context);
      await peer.endCalls!();
      await until(
        "the call ended",
        async () => /call closed.*ended by the peer/.test(await appliance.process.log()),
      );
      assertSame(await allUp(context), before);
    });
  }

  test(`${title}: our StopCCN ends all, and a reload dials again`, async (context) => {
    const { appliance, capture, peer } = context;
    await allUp(context);
    await isthmus(appliance, "del", "tunnel", "t", "result", "6", "message", "maintenance");
    await untilDown(appliance, "t");
    if (peer.calls) {
      await until("the peer ended its calls", async () => await peer.calls!() === 0);
    }
    assert.equal((await sent(capture, "StopCCN")).at(-1)?.result, 6);
    await isthmus(appliance, "reload");
    await allUp(context);
  });

  test(`${title}: after the peer's StopCCN it is dialed again`, async (context) => {
    await allUp(context);
    const fate = await context.peer.endTunnels();
    assert.match(await untilDown(context.appliance, "t"), /ended by the peer/);
    if (fate === "ended") context.peer = await start(context.pair.there);
    await allUp(context);
  });
}

/** Peers and wires fail. */
function lossTests({ test }: Suite<ControlContext<Peer>>, { title, start }: Lns): void {
  test(`${title}: HELLOs keep it up`, (context) =>
    assertHellosKeepUp(context, () => allUp(context)));

  test(`${title}: killed and started again, it is dialed again`, async (context) => {
    await allUp(context);
    await killAll(context.pair.there);
    assert.match(await untilDown(context.appliance, "t"), /timed out/);
    context.peer = await start(context.pair.there);
    await allUp(context);
  });

  test(`${title}: a short outage changes nothing`, (context) =>
    assertOutlastsOutage(context, () => allUp(context)));

  test(`${title}: after a long outage it is dialed again`, async (context) => {
    await allUp(context);
    await cutWire(context, "t");
    await allUp(context);
  });
}

/** Dialing again is put off for up to half a minute after a long outage. */
function allUp({ appliance }: ControlContext<Peer>) {
  return untilUp(appliance, "t", count, 60_000);
}

function config({ secret }: Lns, adminSocket: string): string {
  return `
host-name: edge1
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  lns: { proto-version: 2, ${quickTimers}${secret ? `, secret: "${secret}"` : ""} }
  stranger: { proto-version: 2, ${quickTimers}, secret: "not ${secret}" }
tunnels:
${secret ? `  wrong: { peer: stranger, local: "${here}:0", remote: "${there}:1701" }` : ""}
  t:
    peer: lns
    local: "${here}:1701"
    remote: "${there}:1701"
    sessions:
${Array.from({ length: count }, (_, i) => `      c${i}: { circuit: { sink: {} } }`).join("\n")}
`;
}
