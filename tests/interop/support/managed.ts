/** Tunnels with a control connection, as the admin endpoint shows them. @module */

import assert from "node:assert/strict";
import type { Appliance } from "./appliance.ts";
import { until } from "./process.ts";

/** The part of a tunnel's view that tests look at. */
export interface ManagedTunnel {
  readonly "peer-tunnel-id": number;
  /** How many sessions are in the datapath. */
  readonly sessions: number;
  readonly control?: {
    readonly state: string;
    readonly "established-at"?: string;
    readonly reason?: string;
    readonly messages?: { readonly sent: number; readonly retransmitted: number };
  };
}

/** A managed tunnel as it is. */
export function tunnelOf(appliance: Appliance, name: string): Promise<ManagedTunnel> {
  return appliance.get(`/v1/tunnels/${name}`);
}

/** Waits until a tunnel is established and has so many sessions. */
export async function untilUp(
  appliance: Appliance,
  name: string,
  sessions: number,
  timeoutMs = 60_000,
): Promise<ManagedTunnel> {
  let last: ManagedTunnel | string = "nothing";
  try {
    await until(`${name} is up`, async () => {
      last = await tunnelOf(appliance, name).catch((error) => String(error));
      return typeof last === "object" && last.control?.state === "established" &&
        last.sessions === sessions;
    }, timeoutMs);
  } catch (error) {
    throw new Error(`${error}: ${JSON.stringify(last)}\n${await appliance.process.log()}`);
  }
  return last as unknown as ManagedTunnel;
}

/**
 * Waits until a tunnel's control connection ended, and gives the log's line of it, which has the reason. Who asks for the
 * state may come too late: a tunnel that was up is dialed again after a tenth of a second.
 *
 * @param before the tunnel with that connection
 */
export async function untilDown(
  appliance: Appliance,
  name: string,
  before: ManagedTunnel,
): Promise<string> {
  const since = before.control!["established-at"]!;
  const ended = new RegExp(`control connection (stopping|closed) path=tunnels/${name} .*reason=`);
  let line: string | undefined;
  await until(`${name} is down`, async () => {
    const lines = (await appliance.process.log()).split("\n");
    // Both times are of one clock, and written in the same way.
    line = lines.find((line) => line.slice(0, since.length) >= since && ended.test(line));
    return line !== undefined;
  }, 60_000);
  return line!;
}

/** Waits until a tunnel has another control connection than before, with so many sessions. */
export async function untilNew(
  appliance: Appliance,
  name: string,
  sessions: number,
  before: ManagedTunnel,
): Promise<ManagedTunnel> {
  let after = before;
  await until(`${name} is up anew`, async () => {
    after = await untilUp(appliance, name, sessions, 60_000);
    return after.control!["established-at"] !== before.control!["established-at"];
  }, 60_000);
  return after;
}

/** Asserts that it is the same control connection. */
export function assertSame(after: ManagedTunnel, before: ManagedTunnel): void {
  assert.equal(after.control!["established-at"], before.control!["established-at"]);
}

/**
 * Waits until two more messages went out over a tunnel's control connection than before: HELLOs, where nothing happens.
 * One goes only when the last was acknowledged, however late that was on a busy machine.
 */
export async function untilGreeted(
  appliance: Appliance,
  name: string,
  before: ManagedTunnel,
): Promise<ManagedTunnel> {
  const enough = before.control!.messages!.sent + 2;
  let after = before;
  await until(`HELLOs of ${name} are acknowledged`, async () => {
    after = await tunnelOf(appliance, name);
    assertSame(after, before);
    return after.control!.messages!.sent >= enough;
  }, 60_000);
  return after;
}

/** Runs the command line's client, which has to succeed. */
export async function isthmus(appliance: Appliance, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await appliance.cli(...words);
  assert.equal(code, 0, `isthmus ${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** Timers that make lost peers noticed within seconds: a HELLO after 1 s, 4 attempts within 3 s. */
export const quickTimers = "hello: 1, retransmit: 0.2, attempts: 4, call-timeout: 20";

/**
 * Each call's peer sent something as soon as it was told to go on (LCP), and all of it ended in the circuits: nothing was
 * dropped for want of a session or a circuit.
 */
export async function assertFirstFrames(
  appliance: Appliance,
  count: number,
): Promise<void> {
  const heard = async () => {
    const { sessions } = await appliance.get<
      { sessions: { statistics: Record<string, number> }[] }
    >("/v1/sessions?limit=1000");
    return sessions.filter(({ statistics }) => statistics["rx-packets"]! > 0).length;
  };
  await until("each call brought a frame", async () => await heard() === count);
  const { drops } = await appliance.get<{ drops: Record<string, number> }>("/v1/datapath");
  assert.deepStrictEqual([drops["unknown-session"] ?? 0, drops["no-forwarder"] ?? 0], [0, 0]);
}
