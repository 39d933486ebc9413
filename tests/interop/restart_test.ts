/**
 * Two appliances, one of which ends and is started again, in order or by SIGKILL: how long until frames flow again.
 * The figures are printed; what is asserted is that they do, and that nobody waits for a time-out of tens of seconds.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { makePair, type Pair, type Place } from "./support/place.ts";
import { sleep, until } from "./support/process.ts";
import { type End, report, restart, type Restartable } from "./support/restarts.ts";
import { suite } from "./support/suite.ts";

interface Way {
  readonly version: 2 | 3;
  readonly encap: "udp" | "ip";
  readonly secret: boolean;
}

const ways: readonly Way[] = [
  { version: 2, encap: "udp", secret: true },
  { version: 3, encap: "udp", secret: true },
  { version: 3, encap: "ip", secret: true },
  { version: 2, encap: "udp", secret: false },
  { version: 3, encap: "udp", secret: false },
];

const [here, there] = ["10.77.0.1", "10.77.0.2"];

/** v3: two hosts that ping each other. v2, which carries PPP: frames are nobody's, and the session has to be up. */
const circuit = ({ version }: Way, side: 1 | 2) =>
  version === 2
    ? "circuit: { sink: {} }"
    : `circuit: { probe: { address: 192.168.0.${side}/24, ping: 192.168.0.${3 - side}, ` +
      `interval-ms: 20 } }`;

const head = ({ encap, secret, version }: Way, at: string, socket: string, more: string) => `
listen: [{ ${encap}: "${encap === "udp" ? `${at}:1701` : at}" }]
admin: { listen: "unix:${socket}" }
router-id: ${at}
host-name: ${at === here ? "branch" : "hq"}
peers:
  other: { proto-version: ${version}, hello: 1${secret ? ", secret: hush" : ""}${more} }
`;

const dialing = (way: Way) => (socket: string) =>
  `${head(way, here, socket, "")}
tunnels:
  t: { peer: other, encap: ${way.encap}, local: ${here}, remote: ${there}, sessions: { s: { ${
    circuit(way, 1)
  } } } }
`;

const answering = (way: Way) => (socket: string) =>
  head(way, there, socket, `, accept: [{ ${circuit(way, 2)} }]`);

/** An appliance that can be restarted; `now` is the one that runs. */
function restartable(
  title: string,
  place: Place,
  text: (socket: string) => string,
): Restartable & { now: Appliance } {
  const self = {
    title,
    place,
    now: undefined as unknown as Appliance,
    async start() {
      self.now = await startAppliance(place, text);
    },
    stop: async () => await self.now[Symbol.asyncDispose](),
    async killed() {
      await self.now.process.ended;
      await self.now[Symbol.asyncDispose]();
    },
  };
  return self;
}

interface Session {
  readonly status: string;
  readonly "circuit-state"?: { readonly received?: number };
}

/** All sessions of an appliance that are up: of each its tunnel's id, and how many answers its probe had. */
async function sessionsUp(appliance: Appliance): Promise<Map<string, number>> {
  const up = new Map<string, number>();
  const { tunnels } = await appliance.get<{ tunnels: { "tunnel-id": number; name: string }[] }>(
    "/v1/tunnels",
  );
  for (const tunnel of tunnels) {
    const { sessions } = await appliance.get<{ sessions: (Session & { name: string })[] }>(
      `/v1/tunnels/${tunnel.name}/sessions`,
    ).catch(() => ({ sessions: [] }));
    for (const { name, status } of sessions) {
      if (status !== "up") continue;
      const session = await appliance.get<Session>(`/v1/tunnels/${tunnel.name}/sessions/${name}`)
        .catch(() => undefined); // it may have ended just now
      if (session) up.set(`${tunnel["tunnel-id"]}`, session["circuit-state"]?.received ?? 0);
    }
  }
  return up;
}

const { test } = suite(import.meta.url, ["root", "tun"], async (stack) => {
  const pair: Pair = stack.use(await makePair());
  return { pair };
});

for (const way of ways) {
  const name = `L2TPv${way.version} over ${way.encap === "udp" ? "UDP" : "IP 115"} ` +
    `${way.secret ? "with" : "without"} a secret`;
  test(`${name}: frames flow again after either end restarted, in order or not`, async ({ pair }) => {
    const dialer = restartable("the dialer", pair.here, dialing(way));
    const answerer = restartable("the answerer", pair.there, answering(way));
    await Promise.all([dialer.start(), answerer.start()]);
    try {
      for (const who of [dialer, answerer]) {
        const other = who === dialer ? answerer : dialer;
        for (const end of ["clean", "killed"] satisfies End[]) {
          await until("frames flow", async () => await flows(way, other.now));
          // What was up for long has not failed: that is the state to restart from.
          await sleep(500);
          const before = await sessionsUp(other.now);
          const outage = await restart(who, end, async () => {
            for (const [tunnel, received] of await sessionsUp(other.now).catch(() => new Map())) {
              if (!before.has(tunnel) && (way.version === 2 || received > 0)) return true;
            }
            return false;
          }).catch(async (error) => {
            throw new Error(`${error}\n${await other.now.process.log()}`);
          });
          report(`${name}, ${who.title}, ${end}`, outage);
          // In v2 nothing is claimed that takes one session: what the peer had goes with the next HELLO.
          if (way.version === 2) continue;
          await until("one session is left", async () => {
            return (await sessionsUp(other.now)).size === 1;
          });
          assert.equal(other.now.process.exitCode(), undefined);
        }
      }
    } finally {
      await dialer.now[Symbol.asyncDispose]();
      await answerer.now[Symbol.asyncDispose]();
    }
  });
}

/** Whether some session carries frames. */
async function flows({ version }: Way, appliance: Appliance): Promise<boolean> {
  const counts = [...(await sessionsUp(appliance)).values()];
  return counts.some((received) => version === 2 || received > 2);
}
