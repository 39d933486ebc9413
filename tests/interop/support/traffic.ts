/** ping and iperf3, and what they found. @module */

import assert from "node:assert/strict";
import type { Lab } from "./lab.ts";
import type { Place } from "./place.ts";

/** How many echo requests were sent and answered. */
export interface PingResult {
  readonly sent: number;
  readonly received: number;
}

/** Reads iputils' closing line. */
export function parsePing(text: string): PingResult {
  const match = /(\d+) packets transmitted, (\d+) received/.exec(text);
  assert(match, `not ping's output: ${text}`);
  return { sent: Number(match[1]), received: Number(match[2]) };
}

/**
 * Five at once, and ping is done as soon as all are answered. On a busy machine a first reply may take 10 s; once it has
 * any, ping waits no longer than its interval. Where nobody shall answer, a test says `-W` itself.
 */
const pingOptions = ["-q", "-n", "-c", "5", "-l", "5", "-i", "3", "-W", "10"];

/** Pings from a place. */
export async function ping(
  place: Place,
  address: string,
  ...options: string[]
): Promise<PingResult> {
  const argv = ["ping", ...pingOptions, ...options, address];
  const { stdout, stderr } = await place.tryHere(argv);
  return parsePing(stdout + stderr);
}

/** Whether an address answers a ping within a second: for who asks again and again. */
export async function reaches(
  place: Place,
  address: string,
  ...options: string[]
): Promise<boolean> {
  return (await ping(place, address, "-c", "1", "-l", "1", "-W", "1", ...options)).received > 0;
}

/** Pings each of `addresses` from the guest, all in one script; results in their order. */
export async function pingFromGuest(
  lab: Lab,
  addresses: readonly string[],
  ...options: string[]
): Promise<PingResult[]> {
  const script = `for a in ${addresses.join(" ")}; do
  ping ${[...pingOptions, ...options].join(" ")} $a > /tmp/ping.$a 2>&1 &
done; wait; for a in ${addresses.join(" ")}; do tr '\\n' ' ' < /tmp/ping.$a; echo; done`;
  return (await lab.guest(script)).trim().split("\n").map(parsePing);
}

/** Asserts that every request was answered. */
export function assertNoLoss({ sent, received }: PingResult, what: string): void {
  assert(sent > 0 && received === sent, `${what}: ${received} of ${sent} answered`);
}

/** What an iperf3 run came to. */
export interface IperfResult {
  /** At the receiver. */
  readonly bitsPerSecond: number;
  /** UDP only. */
  readonly lost: number;
  readonly packets: number;
  readonly outOfOrder: number;
}

interface IperfSum {
  bits_per_second: number;
  lost_packets?: number;
  packets?: number;
}

/** Reads `iperf3 --json` of a client. @throws with iperf3's own words */
export function parseIperf(text: string): IperfResult {
  const { error, end } = JSON.parse(text);
  assert.equal(error, undefined, `iperf3: ${error}`);
  const sum: IperfSum = end.sum_received?.packets || !end.sum ? end.sum_received : end.sum;
  const udp: { out_of_order?: number } = end.streams?.[0]?.udp ?? {};
  return {
    bitsPerSecond: sum.bits_per_second,
    lost: sum.lost_packets ?? 0,
    packets: sum.packets ?? 0,
    outOfOrder: udp.out_of_order ?? 0,
  };
}

let port = 5200;

/**
 * Runs an iperf3 client in the lab's namespace against a server in the guest. Each run has a server of its own: one
 * that goes from a test to the next refuses whoever comes at once.
 */
export async function iperf(
  lab: Pick<Lab, "guest" | "tryHere">,
  ...options: string[]
): Promise<IperfResult> {
  const own = ["-p", `${++port}`];
  await lab.guest(`iperf3 -s -1 -D ${own.join(" ")}
    for ((i = 0; i < 1000; i++)); do
      ss -Hltn sport = :${port} | grep -q . && exit; sleep 0.02
    done; exit 1`);
  const { stdout, stderr } = await lab.tryHere(["iperf3", "--json", ...own, ...options]);
  assert(stdout.startsWith("{"), `iperf3: ${stdout}${stderr}`);
  return parseIperf(stdout);
}

/** The same between two places: the client `from` one, the server in the other. */
export function iperfBetween(from: Place, to: Place, ...options: string[]): Promise<IperfResult> {
  const guest = (script: string) => to.here("bash", "-c", script);
  return iperf({ guest, tryHere: from.tryHere }, ...options);
}
