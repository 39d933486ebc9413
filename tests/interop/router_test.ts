/**
 * A real router between two appliances, in a namespace of its own, whose link to the far one narrows and widens again
 * while frames flow: its ICMP is heeded, what it lost is counted by reason, and datagrams leave in groups soon after.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { killAll, makePair, type Pair, type Place, placeIn } from "./support/place.ts";
import { output, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { iperfBetween, ping } from "./support/traffic.ts";

const tunnels = [
  { name: "four", id: 4, ends: ["10.78.1.1:1701", "10.78.2.1:1701"] },
  { name: "six", id: 6, ends: ["[fd78:1::1]:1701", "[fd78:2::1]:1701"] },
] as const;

const text = (mine: 0 | 1) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
tunnels:
${
  tunnels.map(({ name, id, ends }) => `
  ${name}:
    static: { tunnel-id: ${10 * id + mine}, peer-tunnel-id: ${10 * id + 1 - mine} }
    local: "${ends[mine]}"
    remote: "${ends[1 - mine]}"
    sessions:
      s:
        session-id: ${10 * id + mine}
        peer-session-id: ${10 * id + 1 - mine}
        circuit: { tap: { name: ${name}0, addresses: [192.168.${id}.${mine + 1}/24] } }`).join("")
}
`;

interface Context {
  readonly pair: Pair;
  readonly router: Place;
  readonly near: Appliance;
  readonly far: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ping", "iperf3"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const router = placeIn(`isthmus-${Deno.pid}-router`, pair.here.folder);
    await output(["ip", "netns", "add", router.namespace]);
    stack.defer(async () => {
      await killAll(router);
      await output(["ip", "netns", "del", router.namespace]);
    });
    const forwarding = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
    await router.here("sysctl", "-qw", ...forwarding);
    for (const [i, place] of [pair.here, pair.there].entries()) await attach(router, place, i + 1);
    return {
      pair,
      router,
      near: stack.use(await startAppliance(pair.here, text(0))),
      far: stack.use(await startAppliance(pair.there, text(1))),
    };
  },
);

/** Joins a place to the router: network `id`, where the place is 1 and the router 2; all else goes through it. */
async function attach(router: Place, place: Place, id: number): Promise<void> {
  const peer = ["peer", "name", `to${id}`, "netns", router.namespace];
  await place.here("ip", "link", "add", "routed", "type", "veth", ...peer);
  const ends = [[place, "routed", 1], [router, `to${id}`, 2]] as const;
  for (const [{ here }, device, host] of ends) {
    await here("ip", "addr", "add", `10.78.${id}.${host}/24`, "dev", device);
    await here("ip", "addr", "add", `fd78:${id}::${host}/64`, "dev", device, "nodad");
    await here("ip", "link", "set", device, "up");
  }
  await place.here("ip", "route", "add", "10.78.0.0/16", "via", `10.78.${id}.2`);
  await place.here("ip", "-6", "route", "add", "fd78::/16", "via", `fd78:${id}::2`);
}

interface TunnelView {
  readonly grouping: { readonly state: string };
  readonly "path-errors": Readonly<Record<string, number>>;
  readonly "path-mtu": number;
}

for (const { name, id } of tunnels) {
  test(`a router's MTU falls and rises: ${name} follows it, and leaves in groups again`, async (context) => {
    const { near, pair, router } = context;
    const view = () => near.get<TunnelView>(`/v1/tunnels/${name}`);
    const flow = (seconds: number) =>
      iperfBetween(
        pair.here,
        pair.there,
        ...["-c", `192.168.${id}.2`, "-u", "-b", "60M", "-l", "1340", "-t", `${seconds}`],
      );
    await flow(1);
    assert.equal((await view())["path-mtu"], 1500);
    const before = await near.datapath();
    const narrow = async () => {
      await until(
        "it flows",
        async () => (await near.datapath()).io["tx-segments"]! > before.io["tx-segments"]! + 3000,
      );
      await router.here("ip", "link", "set", "to2", "mtu", "1320");
      await until("the path is followed", async () => (await view())["path-mtu"] === 1320);
    };
    const [{ lost, packets }] = await Promise.all([flow(4), narrow()]);
    const { "path-errors": errors } = await view();
    say(`  ${lost} of ${packets} lost; ICMP: ${JSON.stringify(errors)}`);
    assert(errors["too-big"]! > 0, JSON.stringify(errors));
    assert((await near.session(name)).mtu! < 1320);
    assert(lost < packets / 4, `${lost} of ${packets} lost`);
    // What ICMP said is forgotten after 10 minutes; here at once.
    await router.here("ip", "link", "set", "to2", "mtu", "1500");
    await pair.here.here("ip", id === 4 ? "-4" : "-6", "route", "flush", "cache");
    await until("the path is as wide as before", async () => {
      return (await view())["path-mtu"] === 1500;
    });
    await until("groups are back", async () => {
      await flow(1);
      return (await view()).grouping.state === "on";
    });
    const counts = (await near.datapath()).io;
    const grouped = await flow(1);
    const after = (await near.datapath()).io;
    const [segments, messages] = ["tx-segments", "tx-messages"].map((key) =>
      after[key]! - counts[key]!
    );
    assert(segments! > 1.2 * messages!, `${segments} datagrams in ${messages} messages`);
    assert(grouped.packets > 1000);
    assert.equal((await ping(pair.here, `192.168.${id}.2`, "-s", "1300")).received, 5);
  });
}
