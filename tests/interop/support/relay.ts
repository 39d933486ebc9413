/**
 * A UDP relay that reorders and loses on purpose: `deno run -A relay.ts PLAN`. It stands between two ends of a tunnel and
 * decides by the numbers in the frames (numbered.ts), never by time: each run does the same. It says "ready" and
 * runs until SIGTERM.
 */

import type { Endpoint } from "../../../core/endpoint.ts";
import { type Libc, openLibc } from "../../../edge/io/libc.ts";
import { openUdpSocket } from "../../../edge/io/sockets.ts";
import { numberIn } from "./numbered.ts";
import { sleep } from "./process.ts";

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

async function relay(plan: RelayPlan): Promise<never> {
  using libc = openLibc();
  const directions = plan.paths.flatMap(({ left, right }) => {
    const [a, b] = [open(libc, left), open(libc, right)];
    return [[a, b], [b, a]].map(([from, to]) => ({
      from: from!,
      pass: reorder(plan, (data: Uint8Array<ArrayBuffer>) => {
        // An earlier datagram's "port unreachable" fails the next send, which then has not happened.
        const send = () => libc.call.send(to!, data, BigInt(data.length), 0);
        if (send() < 0) send();
      }),
    }));
  });
  Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
  const buffer = new Uint8Array(65_536);
  while (true) {
    for (const { from, pass } of directions) {
      for (let length; (length = libc.call.recv(from, buffer, 65_536n, 0)) >= 0;) {
        const datagram = buffer.slice(0, length);
        pass(datagram, numberIn(datagram));
      }
    }
    await sleep(1);
  }
}

/** A connected socket whose receive buffer holds any burst, and which gives datagrams one by one. */
function open(libc: Libc, { at, peer }: RelayPath["left"]): number {
  const { fd } = openUdpSocket(libc, { local: at, remote: peer });
  const [SOL_UDP, UDP_GRO] = [17, 104];
  libc.check(
    libc.call.setsockopt(fd, SOL_UDP, UDP_GRO, new Int32Array(1), 4),
    "setsockopt(UDP_GRO)",
    "open the relay",
  );
  return fd;
}

if (import.meta.main) await relay(JSON.parse(Deno.args[0]!));
