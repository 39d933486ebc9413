/** What is tried with every LNS of others on this machine while we are its client. @module */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./appliance.ts";
import { quickTimers } from "./managed.ts";
import { makePair, type Pair } from "./place.ts";
import { until } from "./process.ts";
import type { Need } from "./programs.ts";
import { suite } from "./suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./traffic.ts";

/** An LNS, and how to see that it works. */
export interface ClientCase {
  readonly title: string;
  readonly needs: readonly Need[];
  readonly tunnelSecret?: string;
  readonly methods: readonly string[];
  /** An address behind the link that answers pings. */
  readonly ping: string;
  /** One that iperf3 in the LNS's namespace listens at; absent: there is none. */
  readonly tcp?: string;
  readonly routes: string;
  start(pair: Pair): Promise<{
    /** Ends the link from there; absent: it cannot be told to. */
    hangUp?(): Promise<void>;
    /** What it wrote down. */
    log(): Promise<string>;
  }>;
}

/** Adds the tests of one LNS. */
export function clientTests(file: string, one: ClientCase): void {
  const { title } = one;
  const { test } = suite(file, ["root", "tun", "ip", "iperf3", ...one.needs], async (stack) => {
    const pair = stack.use(await makePair());
    return { pair, peer: await one.start(pair) };
  });
  for (const method of one.methods) {
    test(`${title}: we log in by ${method}; packets and TCP go both ways`, async ({ pair, peer }) => {
      await using appliance = await startClient(pair, one, method);
      const state = await untilLinkUp(appliance, peer.log);
      assert.match(String(state["address"]), /^\d+\.\d+\.\d+\.\d+$/);
      assertNoLoss(await ping(pair.here, one.ping), one.ping);
      if (one.tcp === undefined) return;
      for (const reverse of [[], ["-R"]]) {
        const { bitsPerSecond } = await iperfBetween(
          pair.here,
          pair.there,
          ...["-c", one.tcp, "-t", "2", ...reverse],
        );
        assert(bitsPerSecond > 1e6, `${reverse}: ${bitsPerSecond} bit/s`);
      }
    });
  }
  test(`${title}: either end hangs up, and the link comes again`, async ({ pair, peer }) => {
    await using appliance = await startClient(pair, one, one.methods[0]!);
    await untilLinkUp(appliance, peer.log);
    if (peer.hangUp) {
      await peer.hangUp();
      await until(
        "we know",
        async () => /call closed|link is over/.test(await appliance.process.log()),
      );
      await untilLinkUp(appliance, peer.log);
      assertNoLoss(await ping(pair.here, one.ping), one.ping);
    }
    await appliance.cli("del", "session", "tunnel", "t", "name", "c");
    await until(
      "it is gone",
      async () =>
        (await appliance.get<{ sessions: unknown[] }>("/v1/sessions")).sessions.length === 0,
    );
    await appliance.cli("reload");
    await untilLinkUp(appliance, peer.log);
    assertNoLoss(await ping(pair.here, one.ping), one.ping);
  });
}

function startClient(
  { here }: Pair,
  { routes, tunnelSecret }: ClientCase,
  method: string,
): Promise<Appliance> {
  return startAppliance(here, (socket) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${socket}" }
circuits:
  wan:
    ppp:
      client:
        tun: { name: wan0 }
        user: bob
        secret: pass
        authenticate: [${method}]
        routes: [${routes}]
peers: { lns: { proto-version: 2, ${quickTimers}${
    tunnelSecret ? `, secret: ${tunnelSecret}` : ""
  } } }
tunnels:
  t: { peer: lns, local: "10.77.0.1:1701", remote: "10.77.0.2:1701", sessions: { c: { circuit: wan } } }
`);
}

async function untilLinkUp(appliance: Appliance, log: () => Promise<string>) {
  let state: Readonly<Record<string, unknown>> | undefined;
  try {
    await until("the link is up", async () => {
      state = (await appliance.session("t", "c").catch(() => undefined))?.["circuit-state"];
      return state?.["stage"] === "up";
    }, 60_000);
  } catch (error) {
    throw new Error(
      `${error}: ${JSON.stringify(state)}\n${await appliance.process.log()}\n${
        (await log()).slice(-3000)
      }`,
    );
  }
  return state!;
}
