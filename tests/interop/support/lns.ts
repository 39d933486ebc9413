/** What is tried with every LNS of others while we are the LAC. @module */

import assert from "node:assert/strict";
import {
  assertHellosKeepUp,
  assertOutlastsOutage,
  assertSoundMessages,
  type ControlContext,
  controlSuite,
  cutWire,
  here,
  there,
  untilSent,
} from "./control_suite.ts";
import {
  assertFirstFrames,
  assertSame,
  isthmus,
  quickTimers,
  tunnelOf,
  untilDown,
  untilNew,
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
    await untilPeerHas(context, count);
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
    const { appliance } = context;
    const before = await allUp(context);
    await untilPeerHas(context, count);
    await isthmus(appliance, "del", "session", "tunnel", "t", "name", "c7");
    assertSame(await untilUp(appliance, "t", count - 1), before);
    await untilPeerHas(context, count - 1);
    const results = (await untilSent(context, before, "CDN")).map(({ result }) => result);
    assert.deepStrictEqual(results, [3], "one, administrative");
    await isthmus(appliance, "reload");
    await allUp(context);
  });

  if (endsCalls) {
    test(`${title}: the peer's CDN ends a call, which is placed again`, async (context) => {
      const { appliance, peer } = context;
      const before = await allUp(context);
      await peer.endCalls!();
      await until("the call ended, and is up again", async () => {
        const log = await appliance.process.log();
        return /call closed path=(\S+) .*ended by the peer[^]*call established path=\1 /.test(log);
      });
      assertSame(await allUp(context), before);
    });
  }

  test(`${title}: our StopCCN ends all, and a reload dials again`, async (context) => {
    const { appliance } = context;
    const before = await allUp(context);
    await isthmus(appliance, "del", "tunnel", "t", "result", "6", "message", "maintenance");
    await untilDown(appliance, "t", before);
    await untilPeerHas(context, 0);
    const results = (await untilSent(context, before, "StopCCN")).map(({ result }) => result);
    assert.deepStrictEqual(results, [6]);
    await isthmus(appliance, "reload");
    await allUp(context);
  });

  test(`${title}: after the peer's StopCCN it is dialed again`, async (context) => {
    const before = await allUp(context);
    const fate = await context.peer.endTunnels();
    assert.match(await untilDown(context.appliance, "t", before), /ended by the peer/);
    if (fate === "ended") context.peer = await start(context.pair.there);
    await untilNew(context.appliance, "t", count, before);
  });
}

/** Peers and wires fail. */
function lossTests({ test }: Suite<ControlContext<Peer>>, { title, start }: Lns): void {
  test(`${title}: HELLOs keep it up`, (context) =>
    assertHellosKeepUp(context, () => allUp(context)));

  test(`${title}: killed and started again, it is dialed again`, async (context) => {
    const before = await allUp(context);
    await killAll(context.pair.there);
    assert.match(await untilDown(context.appliance, "t", before), /timed out/);
    context.peer = await start(context.pair.there);
    await untilNew(context.appliance, "t", count, before);
  });

  test(`${title}: a short outage changes nothing`, (context) =>
    assertOutlastsOutage(context, () => allUp(context)));

  test(`${title}: after a long outage it is dialed again`, async (context) => {
    const before = await allUp(context);
    await cutWire(context, "t");
    await untilNew(context.appliance, "t", count, before);
  });
}

function allUp({ appliance }: ControlContext<Peer>) {
  return untilUp(appliance, "t", count);
}

/** Waits until the peer has so many calls, too, where it tells of them. */
async function untilPeerHas({ peer }: ControlContext<Peer>, calls: number): Promise<void> {
  if (!peer.calls) return;
  let seen: number | undefined;
  await until(`the peer has ${calls} calls`, async () => (seen = await peer.calls!()) === calls)
    .catch(async (error) => assert.fail(`${error}, but ${seen}\n${await peer.log()}`));
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
