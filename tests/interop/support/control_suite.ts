/** What the tests of control connections with others' implementations have in common. @module */

import assert from "node:assert/strict";
import { type Appliance, assertRuns, startAppliance } from "./appliance.ts";
import { captureHere } from "./capture.ts";
import { assertClean, type ControlMessage, controlMessages } from "./control_capture.ts";
import { type ManagedTunnel, untilDown } from "./managed.ts";
import { device, makePair, type Pair, type Place } from "./place.ts";
import { sleep } from "./process.ts";
import type { Need } from "./programs.ts";
import { type Suite, suite } from "./suite.ts";

/** An appliance and a peer at the two ends of a wire. */
export interface ControlContext<Peer> {
  readonly pair: Pair;
  readonly appliance: Appliance;
  /** The capture of all that went over the wire so far. */
  readonly capture: string;
  /** The one that runs now: it may have been started again. */
  peer: Peer;
}

/** The addresses of the appliance and of the peer. */
export const [here, there] = ["10.77.0.1", "10.77.0.2"];

/** How long a long outage lasts, in milliseconds. */
const outageMs = 1000 * Number(Deno.env.get("ISTHMUS_OUTAGE_SECONDS") ?? 5);

/** Starts an appliance and a peer for the tests of a file. */
export function controlSuite<Peer>(
  file: string,
  needs: readonly Need[],
  config: (adminSocket: string) => string,
  start: (place: Place) => Promise<Peer>,
): Suite<ControlContext<Peer>> {
  const all = ["root", "ip", "ss", "ethtool", "tcpdump", "tshark", ...needs];
  return suite<ControlContext<Peer>>(file, all, async (stack) => {
    const pair = stack.use(await makePair());
    const capture = await captureHere(pair.here, device, "udp port 1701");
    stack.defer(async () => void await capture.stop());
    const appliance = stack.use(await startAppliance(pair.here, config));
    const peer = await start(pair.there);
    return { pair, appliance, capture: capture.file, peer };
  });
}

/** The control messages of one type that we sent so far. */
export async function sent(capture: string, type: ControlMessage["type"]) {
  return (await controlMessages(capture)).filter((message) =>
    message.type === type && message.from === here
  );
}

/**
 * Asserts that three HELLO intervals pass without a new connection and without a retransmission. A peer that sends data
 * meanwhile is heard, and gets fewer HELLOs (RFC 2661 §5.5): l2tpns asks for PPP every 3 s.
 */
export async function assertHellosKeepUp(
  { capture }: ControlContext<unknown>,
  up: () => Promise<ManagedTunnel>,
): Promise<void> {
  const before = await up();
  const earlier = (await sent(capture, "HELLO")).length;
  await sleep(3500);
  const hellos = (await sent(capture, "HELLO")).length - earlier;
  assert(hellos >= 2, `${hellos} HELLOs`);
  const after = await up();
  assertSame(after, before);
  assert.equal(after.control!.messages!.retransmitted, before.control!.messages!.retransmitted);
}

/** Asserts that nothing but a retransmission comes of an outage of 1.5 s. */
export async function assertOutlastsOutage(
  { pair }: ControlContext<unknown>,
  up: () => Promise<ManagedTunnel>,
): Promise<void> {
  const before = await up();
  await pair.setWire("down");
  await sleep(1500);
  await pair.setWire("up");
  await sleep(3500);
  const after = await up();
  assertSame(after, before);
  const again = after.control!.messages!.retransmitted - before.control!.messages!.retransmitted;
  assert(again > 0, "no HELLO was sent again");
}

/** Cuts the wire for so long that the peer counts as gone, does `meanwhile`, and mends it. */
export async function cutWire(
  { appliance, pair }: ControlContext<unknown>,
  tunnel: string,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const mended = performance.now() + outageMs;
  await pair.setWire("down");
  await meanwhile();
  assert.match(await untilDown(appliance, tunnel), /timed out/);
  await sleep(Math.max(0, mended - performance.now()));
  await pair.setWire("up");
}

/** Asserts that it is the same control connection. */
export function assertSame(after: ManagedTunnel, before: ManagedTunnel): void {
  assert.equal(after.control!["established-at"], before.control!["established-at"]);
}

/** Asserts that the appliance runs, and that tshark has nothing to say against any control message of its. */
export async function assertSoundMessages(
  { appliance, capture }: ControlContext<unknown>,
): Promise<void> {
  await assertRuns(appliance);
  assertClean((await controlMessages(capture)).filter(({ from }) => from === here));
}
