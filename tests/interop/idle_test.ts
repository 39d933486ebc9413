/**
 * Fifty thousand idle sessions of one appliance, and requests for them all again and again: the pings of another session
 * pass meanwhile, none lost and none late.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { makePair, type Pair } from "./support/place.ts";
import { say, suite } from "./support/suite.ts";

const [tunnelCount, sessionsEach] = [50, 1000];

const busy = (mine: 1 | 2) => `
  busy:
    static: { tunnel-id: ${900 + mine}, peer-tunnel-id: ${903 - mine} }
    local: "10.77.0.${mine}:1900"
    remote: "10.77.0.${3 - mine}:1900"
    sessions:
      s:
        session-id: ${0x9000_0000 + mine}
        peer-session-id: ${0x9000_0000 + 3 - mine}
        circuit: { tap: { name: busy0, addresses: [192.168.9.${mine}/24] } }`;

const idle = Array.from({ length: tunnelCount }, (_, t) => {
  const sessions = Array.from({ length: sessionsEach }, (_, s) => {
    const id = 1 + t * sessionsEach + s;
    return `      s${s}: { session-id: ${id}, peer-session-id: ${id} }\n`;
  });
  return `
  idle${t}:
    static: { tunnel-id: ${t + 1}, peer-tunnel-id: ${t + 1} }
    local: "10.77.0.1:${2000 + t}"
    remote: "10.77.0.2:${2000 + t}"
    sessions:
${sessions.join("")}`;
});

const file = (tunnels: string) => (adminSocket: string) =>
  `admin: { listen: "unix:${adminSocket}" }\ntunnels:${tunnels}\n`;

const { test } = suite<{ readonly pair: Pair; readonly near: Appliance }>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const near = stack.use(await startAppliance(pair.here, file(busy(1) + idle.join(""))));
    stack.use(await startAppliance(pair.there, file(busy(2))));
    return { pair, near };
  },
);

test("all of 50,000 sessions are asked for while another one's pings pass", async ({ pair, near }) => {
  const argv = ["ping", "-q", "-n", "-c", "200", "-i", "0.03", "-W", "5", "192.168.9.2"];
  await pair.here.here("ping", "-q", "-c", "1", "-W", "5", "192.168.9.2");
  let over = false;
  const pinging = pair.here.tryHere(argv).finally(() => over = true);
  let rounds = 0;
  while (!over) {
    let count = 0;
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const page: Page = await near.get(`/v1/sessions?limit=1000${cursor}`);
      count += page.sessions.length;
      cursor = page.next && `&cursor=${encodeURIComponent(page.next)}`;
      if (over) break;
    }
    if (over) break;
    assert.equal(count, tunnelCount * sessionsEach + 1);
    await near.get("/v1/datapath");
    rounds++;
  }
  const { stdout } = await pinging;
  const [, received] = /(\d+) received/.exec(stdout)!;
  const [, average, highest] = /= [\d.]+\/([\d.]+)\/([\d.]+)\//.exec(stdout)!;
  say(`  ${rounds} times all sessions; pings took ${average} ms, ${highest} at most`);
  assert.equal(Number(received), 200);
  assert(Number(average) < 300, stdout); // some milliseconds, where no machine stands still
});

interface Page {
  readonly sessions: readonly unknown[];
  readonly next?: string;
}
