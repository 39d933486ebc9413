/**
 * Sequence numbers on a path that reorders (RFC 3931 §4.6.1): a relay between us and the kernel swaps frames, always the
 * same ones; what comes out of our TAP and of the kernel's device is compared, with and without a reorder timeout.
 */

import assert from "node:assert/strict";
import type { Endpoint } from "../../core/endpoint.ts";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { type Capture, captureHere, captureInGuest } from "./support/capture.ts";
import { addKernelEnds, kernelCounters, setKernelReorderTimeout } from "./support/kernel.ts";
import { bootLab, type Lab, wire, withoutIpv6 } from "./support/lab.ts";
import { numberIn, sendNumbered } from "./support/numbered.ts";
import { sleep, until } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { relayedOrder, type RelayPath, type RelayPlan } from "./support/relay.ts";
import { say, suite } from "./support/suite.ts";

const count = 200;
const waitMs = 300;

/** Of each twenty frames, the fourth comes one late and the thirteenth three late. */
const swaps = { period: 20, hold: { 3: 1, 12: 3 } } as const;
/** On the third pseudowire's path, these are lost for good. */
const lost = [58, 158] as const;

/** Index 1 to 3: without a timeout; with one; with one, on a path that also loses. */
const [dropping, queueing, losing] = [pseudowire(1), pseudowire(2, waitMs), pseudowire(3, waitMs)];

function pseudowire(index: number, reorderTimeout?: number): Pseudowire {
  return {
    index,
    encap: "udp",
    // As the kernel sees it: its peer is the relay.
    here: { address: wire.here.ip4, port: 1900 + index },
    there: { address: wire.guest.ip4, port: 1800 + index },
    ours: { there: relayToUs(index) },
    l2spec: "default",
    cookie: "",
    peerCookie: "",
    seq: true,
    ...(reorderTimeout !== undefined && { reorderTimeout }),
  };
}

/** Where we send to. The relay leaves from here too, so that our source check is content. */
function relayToUs(index: number): Endpoint {
  return { address: wire.here.ip4, port: 1950 + index };
}

function path({ index, here, there }: Pseudowire): RelayPath {
  return {
    left: { at: here, peer: there },
    right: { at: relayToUs(index), peer: { address: wire.here.ip4, port: 1701 } },
  };
}

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const reordering = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "tcpdump", "perl"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    const all = [dropping, queueing, losing];
    await withoutIpv6(lab);
    await startRelay(lab, stack, { paths: [dropping, queueing].map(path), ...swaps });
    await startRelay(lab, stack, { paths: [path(losing)], ...swaps, lose: lost });
    const appliance = stack.use(
      await startAppliance(lab, (socket) =>
        config(
          all.map((one) => ({ ...one, here: { address: wire.here.ip4, port: 1701 } })),
          `{ udp: "${wire.here.ip4}:1701" }`,
          socket,
        ) + "offload: { vnet: false }\n"),
    );
    await addKernelEnds(lab, all);
    for (const one of [queueing, losing]) await setKernelReorderTimeout(lab, one, waitMs);
    return { lab, appliance };
  },
);

reordering.test("with reorder-timeout, frames leave our TAP in order", async (context) => {
  const numbers = await kernelSends(context, queueing);
  assert.deepStrictEqual(numbers, range(count));
  const { statistics } = await context.appliance.session(derived(queueing).tunnel);
  assert.equal(statistics["rx-seq-discards"], 0);
  assert(statistics["rx-oos-packets"]! > 0, "frames out of sequence are counted");
});

reordering.test("so they leave the kernel's device", async (context) => {
  const numbers = await weSend(context, queueing);
  assert.deepStrictEqual(numbers, range(count));
  const kernel = (await kernelCounters(context.lab)).get(derived(queueing).peerSessionId)!;
  assert.equal(kernel["rx-seq-discards"], 0);
  assert(kernel["rx-oos-packets"]! > 0);
});

reordering.test(
  "without reorder-timeout, what is late is dropped and counted, as in the kernel",
  async (context) => {
    const ours = await kernelSends(context, dropping);
    const { statistics } = await context.appliance.session(derived(dropping).tunnel);
    const theirs = await weSend(context, dropping);
    const kernel = (await kernelCounters(context.lab)).get(derived(dropping).peerSessionId)!;
    say(`  of ${count} frames: we passed ${ours.length}, the kernel ${theirs.length}`);
    // The kernel takes a gap for an accident and drops what is early as well, until five frames in a row are in order
    // (l2tp_recv_data_seq); we drop what is late alone. Neither passes a frame out of order, each counts every one.
    assert.deepStrictEqual(ours, range(count).filter((n) => !isLate(n)));
    assert.deepStrictEqual(theirs, inOrder(theirs));
    assert(theirs.length < count);
    assert.equal(statistics["rx-seq-discards"], count - ours.length);
    assert.equal(kernel["rx-seq-discards"], count - theirs.length);
  },
);

reordering.test("a lost frame is waited for no longer than reorder-timeout", async (context) => {
  const numbers = await kernelSends(context, losing);
  assert.deepStrictEqual(numbers, range(count).filter((n) => !isLost(n)));
});

function isLate(number: number): boolean {
  return number % swaps.period in swaps.hold;
}

function isLost(number: number): boolean {
  return lost.some((one) => one === number);
}

/** Sends numbered frames from the kernel and gives the order in which they left our TAP. */
async function kernelSends({ lab }: Context, pseudowire: Pseudowire): Promise<number[]> {
  const { tap, device } = derived(pseudowire);
  const capture = await captureHere(lab, tap, "udp port 9");
  await lab.guest(sendNumbered(device, count));
  return await numbers(capture);
}

/** Sends numbered frames into our TAP and gives the order in which they left the kernel's device. */
async function weSend({ lab }: Context, pseudowire: Pseudowire): Promise<number[]> {
  const { tap, device } = derived(pseudowire);
  const capture = await captureInGuest(lab, device, "udp port 9");
  await lab.here("bash", "-c", sendNumbered(tap, count));
  return await numbers(capture);
}

/** The numbers of a capture's frames, once no more come. */
async function numbers(capture: Capture): Promise<number[]> {
  const count = async () => (await capture.seen()).length;
  await until("no more frames come", async () => {
    const before = await count();
    await sleep(2 * waitMs);
    return before > 0 && await count() === before;
  });
  const frames = await capture.stop();
  return frames.map(numberIn).filter((number) => number !== undefined);
}

async function startRelay(
  lab: Lab,
  stack: AsyncDisposableStack,
  plan: RelayPlan,
): Promise<void> {
  const program = new URL("support/relay.ts", import.meta.url).pathname;
  const relay = stack.use(
    lab.background("relay", Deno.execPath(), "run", "-q", "-A", program, JSON.stringify(plan)),
  );
  await until("the relay is ready", async () => {
    assert.equal(relay.exitCode(), undefined, await relay.log());
    return (await relay.log()).includes("ready");
  });
  assert.notDeepStrictEqual(relayedOrder(plan, count), range(count), "the plan reorders");
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

function inOrder(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}
