/** What the tests of control connections with others' implementations have in common. @module */

import assert from "node:assert/strict";
import { type Appliance, assertRuns, startAppliance } from "./appliance.ts";
import { captureHere } from "./capture.ts";
import { assertClean, type ControlMessage, controlMessages } from "./control_capture.ts";
import { assertSame, type ManagedTunnel, tunnelOf, untilDown, untilGreeted } from "./managed.ts";
import { device, makePair, type Pair, type Place } from "./place.ts";
import { sleep, until } from "./process.ts";
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

/**
 * Waits until the capture has so many control messages of one type that we sent over a tunnel's connection, and gives
 * them. One that was sent again has the same Ns, and counts once.
 */
export async function untilSent(
  { capture }: ControlContext<unknown>,
  tunnel: ManagedTunnel,
  type: ControlMessage["type"],
  count = 1,
): Promise<ControlMessage[]> {
  // A peer may give an id of its own again: what was sent before concerns another connection.
  const since = Date.parse(tunnel.control!["established-at"]!);
  let messages: ControlMessage[] = [];
  await until(`${count} ${type} were captured`, async () => {
    const all = (await controlMessages(capture)).filter((message) =>
      message.type === type && message.from === here && message.time >= since &&
      message.connectionId === tunnel["peer-tunnel-id"]
    );
    messages = [...new Map(all.map((message) => [message.ns, message])).values()];
    return messages.length >= count;
  }, 60_000);
  return messages;
}

/**
 * Asserts that HELLOs are sent and acknowledged, for one goes only after the last was, and that the connection stays. A
 * peer that sends data meanwhile is heard, and gets fewer HELLOs (RFC 2661 §5.5): l2tpns asks for PPP every 3 s.
 */
export async function assertHellosKeepUp(
  context: ControlContext<unknown>,
  up: () => Promise<ManagedTunnel>,
): Promise<void> {
  const before = await up();
  await untilSent(context, before, "HELLO", 2);
  assertSame(await up(), before);
}

/** Asserts that nothing but a retransmission comes of an outage that lasts until there is one. */
export async function assertOutlastsOutage(
  { appliance, pair }: ControlContext<unknown>,
  up: () => Promise<ManagedTunnel>,
): Promise<void> {
  const before = await up();
  const again = before.control!.messages!.retransmitted;
  await pair.setWire("down");
  await until("something was sent again", async () => {
    const { control } = await tunnelOf(appliance, "t");
    return control!.messages!.retransmitted > again;
  });
  await pair.setWire("up");
  await untilGreeted(appliance, "t", await tunnelOf(appliance, "t"));
  assertSame(await up(), before);
}

/** Cuts the wire for so long that the peer counts as gone, does `meanwhile`, and mends it. */
export async function cutWire(
  { appliance, pair }: ControlContext<unknown>,
  tunnel: string,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const before = await tunnelOf(appliance, tunnel);
  const mended = performance.now() + outageMs;
  await pair.setWire("down");
  await meanwhile();
  assert.match(await untilDown(appliance, tunnel, before), /timed out/);
  await sleep(Math.max(0, mended - performance.now()));
  await pair.setWire("up");
}

/** Asserts that the appliance runs, and that tshark has nothing to say against any control message of its. */
export async function assertSoundMessages(
  { appliance, capture }: ControlContext<unknown>,
): Promise<void> {
  await assertRuns(appliance);
  assertClean((await controlMessages(capture)).filter(({ from }) => from === here));
}
