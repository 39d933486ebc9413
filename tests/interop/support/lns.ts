/** What is tried with every LNS of others while we are the LAC. @module */

import assert from "node:assert/strict";
import { type Appliance, assertRuns, startAppliance } from "./appliance.ts";
import { captureHere } from "./capture.ts";
import { assertClean, type ControlMessage, controlMessages } from "./control_capture.ts";
import { isthmus, quickTimers, tunnelOf, untilDown, untilUp } from "./managed.ts";
import type { Peer } from "./peer.ts";
import { device, killAll, makePair, type Pair, type Place } from "./place.ts";
import { sleep, until } from "./process.ts";
import type { Need } from "./programs.ts";
import { suite } from "./suite.ts";

/** An LNS of others. */
export interface Lns {
  /** As it is called. */
  readonly title: string;
  readonly needs: readonly Need[];
  /** Absent: neither end authenticates. */
  readonly secret?: string;
  start(place: Place): Promise<Peer>;
}

interface Context {
  readonly pair: Pair;
  readonly appliance: Appliance;
  /** All that went over the wire so far. */
  readonly capture: string;
  peer: Peer;
}

const here = "10.77.0.1";
const there = "10.77.0.2";
/** Calls of the tunnel. */
const count = 100;

function config({ secret }: Lns, adminSocket: string): string {
  const sessions = Array.from({ length: count }, (_, i) => `      c${i}: {}`);
  return `
host-name: edge1
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  lns: { proto-version: 2, ${quickTimers}${secret ? `, secret: "${secret}"` : ""} }
  stranger: { proto-version: 2, ${quickTimers}, secret: "not ${secret}" }
tunnels:
  t:
    peer: lns
    local: "${here}:1701"
    remote: "${there}:1701"
    sessions:
${sessions.join("\n")}
${secret ? `  wrong: { peer: stranger, local: "${here}:0", remote: "${there}:1701" }` : ""}
`;
}

/** Adds the tests of one LNS. */
export function lnsTests(file: string, lns: Lns): void {
  const { title } = lns;
  const needs = ["root", "ip", "ss", "ethtool", "tcpdump", "tshark", ...lns.needs];
  const { test } = suite<Context>(file, needs, async (stack) => {
    const pair = stack.use(await makePair());
    const peer = await lns.start(pair.there);
    const capture = await captureHere(pair.here, device, "udp port 1701");
    stack.defer(async () => void await capture.stop());
    const appliance = stack.use(await startAppliance(pair.here, (socket) => config(lns, socket)));
    return { pair, appliance, capture: capture.file, peer };
  });
  const allUp = ({ appliance }: Context) => untilUp(appliance, "t", count);

  test(`${title}: a tunnel and ${count} calls come up`, async (context) => {
    await allUp(context);
    const { calls } = context.peer;
    if (calls) await until("the peer has them too", async () => await calls() === count);
  });

  test(`${title}: HELLOs keep it up`, async (context) => {
    const before = await allUp(context);
    const sent = async () => (await controlMessages(context.capture)).filter(isHello);
    const earlier = (await sent()).length;
    await sleep(3500);
    const hellos = await sent();
    assert(hellos.length >= earlier + 3, `${hellos.length - earlier} HELLOs`);
    const after = await allUp(context);
    assert.equal(after.control!["established-at"], before.control!["established-at"]);
    assert.equal(after.control!.messages!.retransmitted, before.control!.messages!.retransmitted);
  });

  if (lns.secret) {
    test(`${title}: a wrong secret keeps the tunnel down`, async ({ appliance }) => {
      await until(
        "it was refused",
        async () => /result 4/.test((await tunnelOf(appliance, "wrong")).control?.reason ?? ""),
      );
      assert.doesNotMatch(await appliance.process.log(), /wrong.*connection established/);
    });
  }

  test(`${title}: our CDN ends one call, and a reload places it again`, async (context) => {
    const { appliance, capture, peer } = context;
    await allUp(context);
    const before = await peer.calls?.();
    await isthmus(appliance, "del", "session", "tunnel", "t", "name", "c7");
    await untilUp(appliance, "t", count - 1);
    if (before !== undefined) {
      await until("the peer ended it too", async () => await peer.calls!() === before - 1);
    }
    const cdns = (await controlMessages(capture)).filter(({ type, from }) =>
      type === "CDN" && from === here
    );
    assert.deepStrictEqual(cdns.map(({ result }) => result), [3], "administrative");
    await isthmus(appliance, "reload");
    await allUp(context);
  });

  test(`${title}: the peer's CDN ends one call, which is placed again`, async (context) => {
    const { appliance, peer } = context;
    if (!peer.endCall) return;
    const { control } = await allUp(context);
    await peer.endCall();
    await until(
      "the call ended",
      async () => /call closed.*ended by the peer/.test(await appliance.process.log()),
    );
    const after = await allUp(context);
    assert.equal(after.control!["established-at"], control!["established-at"], "the tunnel stayed");
  });

  test(`${title}: our StopCCN ends all, and a reload dials again`, async (context) => {
    const { appliance, capture, peer } = context;
    await allUp(context);
    await isthmus(appliance, "del", "tunnel", "t", "result", "6", "message", "maintenance");
    await untilDown(appliance, "t");
    if (peer.calls) {
      await until("the peer ended its calls", async () => await peer.calls!() === 0);
    }
    const stop = (await controlMessages(capture)).findLast(({ type, from }) =>
      type === "StopCCN" && from === here
    );
    assert.equal(stop?.result, 6);
    await isthmus(appliance, "reload");
    await allUp(context);
  });

  test(`${title}: after the peer's StopCCN it is dialed again`, async (context) => {
    const { appliance, pair } = context;
    await allUp(context);
    const fate = await context.peer.endTunnels();
    assert.match(await untilDown(appliance, "t"), /ended by the peer/);
    if (fate === "ended") context.peer = await lns.start(pair.there);
    await allUp(context);
  });

  test(`${title}: killed and started again, it is dialed again`, async (context) => {
    const { appliance, pair } = context;
    await allUp(context);
    await killAll(pair.there);
    assert.match(await untilDown(appliance, "t"), /timed out/);
    context.peer = await lns.start(pair.there);
    await allUp(context);
  });

  test(`${title}: a short outage changes nothing`, async (context) => {
    const { pair } = context;
    const before = await allUp(context);
    await pair.setWire("down");
    await sleep(1500);
    await pair.setWire("up");
    await sleep(3500);
    const after = await allUp(context);
    assert.equal(after.control!["established-at"], before.control!["established-at"]);
    assert(
      after.control!.messages!.retransmitted > before.control!.messages!.retransmitted,
      "a HELLO was sent again",
    );
  });

  test(`${title}: after a long outage it is dialed again`, async (context) => {
    const { appliance, pair } = context;
    await allUp(context);
    await pair.setWire("down");
    assert.match(await untilDown(appliance, "t"), /timed out/);
    await sleep(outageMs - 4000);
    await pair.setWire("up");
    await untilUp(appliance, "t", count, 60_000);
  });

  test(`${title}: tshark finds nothing wrong in what we sent`, async ({ appliance, capture }) => {
    await assertRuns(appliance);
    assertClean((await controlMessages(capture)).filter(({ from }) => from === here));
  });
}

/** How long a long outage lasts, in milliseconds; at least until it is noticed. */
export const outageMs = 1000 * Number(Deno.env.get("ISTHMUS_OUTAGE_SECONDS") ?? 5);

function isHello({ type, from }: ControlMessage): boolean {
  return type === "HELLO" && from === here;
}
