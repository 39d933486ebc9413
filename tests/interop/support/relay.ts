/**
 * A UDP relay that reorders and loses on purpose: `deno run -A relay.ts PLAN`. It stands between two ends of a tunnel and
 * decides by the numbers in the frames (numbered.ts), never by time: each run does the same. It says "ready" and
 * runs until SIGTERM.
 */

import { createSocket } from "node:dgram";
import type { Endpoint } from "../../../core/endpoint.ts";
import { numberIn } from "./numbered.ts";

/** What a relay does: IPv4 only. */
export interface RelayPlan {
  readonly paths: readonly RelayPath[];
  /** Frame k is held back until frame k + `hold[k % period]` has gone by. */
  readonly period: number;
  readonly hold: Readonly<Record<number, number>>;
  /** Numbers that are lost. */
  readonly lose?: readonly number[];
}

/** One tunnel's way through the relay. */
export interface RelayPath {
  /** Where one end sends to, and where that end is. */
  readonly left: { readonly at: Endpoint; readonly peer: Endpoint };
  readonly right: { readonly at: Endpoint; readonly peer: Endpoint };
}

/** The order in which frames leave that came in as 0 to `count`-1: what a test compares with. */
export function relayedOrder(plan: RelayPlan, count: number): number[] {
  const order: number[] = [];
  const direction = reorder(plan, (n: number) => order.push(n));
  for (let n = 0; n < count; n++) direction(n, n);
  return order;
}

/** A direction's state: takes frames with their numbers and passes them on in the plan's order. */
function reorder<Frame>({ period, hold, lose }: RelayPlan, pass: (frame: Frame) => void) {
  const held = new Map<number, Frame>();
  return (frame: Frame, number: number | undefined) => {
    if (number === undefined) return pass(frame);
    if (lose?.includes(number)) return;
    const behind = hold[number % period];
    if (behind !== undefined) {
      held.set(number + behind, frame);
      return;
    }
    pass(frame);
    const due = held.get(number);
    held.delete(number);
    if (due !== undefined) pass(due);
  };
}

async function relay(plan: RelayPlan): Promise<void> {
  for (const { left, right } of plan.paths) {
    const [a, b] = await Promise.all([open(left.at), open(right.at)]);
    const toRight = reorder(
      plan,
      (data: Uint8Array) => b.send(data, right.peer.port, right.peer.address),
    );
    const toLeft = reorder(
      plan,
      (data: Uint8Array) => a.send(data, left.peer.port, left.peer.address),
    );
    a.on("message", (data) => toRight(data, numberIn(data)));
    b.on("message", (data) => toLeft(data, numberIn(data)));
  }
  Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
}

async function open({ address, port }: Endpoint) {
  const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  socket.on("error", () => {}); // a port unreachable while an end is away
  await new Promise<void>((resolve) => socket.bind(port, address, resolve));
  return socket;
}

if (import.meta.main) await relay(JSON.parse(Deno.args[0]!));
