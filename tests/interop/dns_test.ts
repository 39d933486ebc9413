/** Peers that are known by a DNS name, asked of a real name server: a record changes, and traffic follows. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { startNameServer } from "./support/dns.ts";
import { isthmus, untilUp } from "./support/managed.ts";
import { device, killAll, makePair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";

const [here, there, moved, dead] = ["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.0.99"];
const name = "lns.example";

const { test } = suite(import.meta.url, ["root", "dnsmasq"], async (stack) => {
  const pair = stack.use(await makePair());
  await pair.there.here("ip", "addr", "add", `${moved}/24`, "dev", device);
  const names = stack.use(await startNameServer(pair.here, {}));
  return { pair, names };
});

/** Where a tunnel leads now. */
async function destination(appliance: Appliance, tunnel: string): Promise<string | undefined> {
  return (await appliance.get<{ "ip-daddr"?: string }>(`/v1/tunnels/${tunnel}`))["ip-daddr"];
}

/** How many pings of the tunnel's probe were answered so far. */
async function answers(appliance: Appliance): Promise<number> {
  const session = await appliance.get<{ "circuit-state"?: { received?: number } }>(
    "/v1/tunnels/t/sessions/s",
  );
  return session["circuit-state"]?.received ?? 0;
}

const pinging =
  "circuit: { probe: { address: 192.168.0.1/24, ping: 192.168.0.2, interval-ms: 20 } }";
const answering = "circuit: { probe: { address: 192.168.0.2/24 } }";

test("a tunnel is dialed by name: all addresses are tried, and anew each time", async ({ names, pair }) => {
  const lns = (socket: string) => `
listen: [{ udp: "0.0.0.0:1701" }]
admin: { listen: "unix:${socket}" }
peers: { lac: { accept: [{ ${answering} }] } }
`;
  await names.answer({ [name]: [dead, there] });
  await using first = await startAppliance(pair.there, lns);
  await using lac = await startAppliance(pair.here, (socket) => `
listen: []
admin: { listen: "unix:${socket}" }
peers: { hq: { hello: 1, retransmit: 0.2, attempts: 3 } }
tunnels: { t: { peer: hq, remote: "${name}", sessions: { s: { ${pinging} } } } }
`);
  await untilUp(lac, "t", 1);
  assert.equal(await destination(lac, "t"), there, "the first address is dead, the second answers");
  await until("pings are answered", async () => await answers(lac) > 2);
  await names.answer({ [name]: [moved] });
  await killAll(pair.there);
  await first.process.ended;
  await using _second = await startAppliance(pair.there, lns);
  await until(
    "it is dialed at its new address",
    async () => await destination(lac, "t") === moved,
  );
  await untilUp(lac, "t", 1);
  await until("pings are answered again", async () => await answers(lac) > 2);
});

test("a name that has no address yet is tried again until it has", async ({ names, pair }) => {
  await names.answer({});
  await using _lns = await startAppliance(pair.there, (socket) => `
listen: [{ udp: "0.0.0.0:1701" }]
admin: { listen: "unix:${socket}" }
peers: { lac: {} }
`);
  await using lac = await startAppliance(pair.here, (socket) => `
listen: []
admin: { listen: "unix:${socket}" }
peers: { hq: {} }
tunnels: { t: { peer: hq, remote: "${name}:1701" } }
`);
  await until("the reason is shown", async () => {
    const { control } = await lac.get<{ control?: { reason?: string } }>("/v1/tunnels/t");
    return /cannot find an address of lns.example/.test(control?.reason ?? "");
  });
  await names.answer({ [name]: [there] });
  await untilUp(lac, "t", 0);
});

test("a static tunnel follows the address of its peer's name", async ({ names, pair }) => {
  await names.answer({ [name]: [there] });
  const far = (socket: string, local: string) => `
listen: []
admin: { listen: "unix:${socket}" }
tunnels:
  t:
    static: { tunnel-id: 2, peer-tunnel-id: 1 }
    local: ${local}
    remote: ${here}
    sessions: { s: { session-id: 2, peer-session-id: 1, ${answering} } }
`;
  await using peer = await startAppliance(pair.there, (socket) => far(socket, there));
  await using appliance = await startAppliance(pair.here, (socket) => `
listen: []
admin: { listen: "unix:${socket}" }
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    local: ${here}
    remote: ${name}
    resolve-interval: 1
    sessions: { s: { session-id: 1, peer-session-id: 2, ${pinging} } }
`);
  await until("pings are answered", async () => await answers(appliance) > 2);
  await names.answer({ [name]: [moved] });
  await Deno.writeTextFile(peer.file, far(peer.adminSocket, moved));
  await isthmus(peer, "reload");
  await until("it follows", async () => await destination(appliance, "t") === moved);
  const before = await answers(appliance);
  await until("pings are answered there", async () => await answers(appliance) > before + 2);
  const shown = await isthmus(appliance, "show", "config").catch(() => "");
  if (shown !== "") assert.match(shown, /lns\.example/);
  // A name server that knows nothing any more is no reason to end what works.
  await names.answer({});
  await until(
    "it was looked up in vain",
    async () => /cannot look the peer's name up/.test(await appliance.process.log()),
  );
  const then = await answers(appliance);
  await until("pings are still answered", async () => await answers(appliance) > then + 2);
  await isthmus(appliance, "reload").catch(() => "");
});
