import assert from "node:assert/strict";
import { makeHost } from "../host/host.ts";
import type { Schema } from "../values.ts";
import { WHY } from "../testing/bench.ts";
import { makeSession, type TestSession } from "../testing/session.ts";
import { makeWorld, settle, type World } from "../testing/world.ts";
import { ppp } from "./mod.ts";

/** A termination and a client of one appliance, on a line from one session to another. */
async function line(client: object = {}, terminate: object = {}) {
  const world = makeWorld();
  world.files.set("users", "bob: { password: pass }\n");
  world.files.set("secret", "pass\n");
  const host = makeHost(world.leaves, [ppp]);
  const section = parse(ppp.section!.schema, {
    aaa: { users: "users" },
    pools: {
      main: { ranges: ["10.64.0.0/24"] },
      six: { ranges: ["2001:db8:1000::/40"], length: 64 },
      delegated: { ranges: ["2001:db8:8000::/40"], length: 56 },
    },
  });
  await host.start(new Map([["ppp", section]]));
  const circuit = async (name: string, options: object) => {
    const made = host.circuit("ppp", name, parse(ppp.options!, options));
    await made.first;
    return made;
  };
  const lns = await circuit("lns", {
    terminate: {
      tun: { name: "lns0" },
      address: "10.64.0.1",
      pools: ["main"],
      dns: ["10.64.0.53", "2001:db8::53"],
      "ipv6-pool": "six",
      "delegated-pool": "delegated",
      ...terminate,
    },
  });
  const dialer = await circuit("dialer", {
    client: { tun: { name: "wan0" }, user: "bob", "secret-file": "secret", ...client },
  });
  const ends = [
    makeSession(world, host, { name: "lac/1", pseudowireType: 7 }),
    makeSession(world, host, { name: "up/1", pseudowireType: 7 }),
  ] as const;
  await ends[0].attach(lns);
  const attached = await ends[1].attach(dialer);
  const taken = [0, 0];
  const pass = async (ms: number) => {
    for (let left = ms; left >= 0; left -= 100) {
      for (let moved = 1; moved > 0;) {
        await settle();
        moved = 0;
        for (const [i, from] of ends.entries()) {
          const frames = from.sent.slice(taken[i]);
          taken[i]! += frames.length;
          moved += frames.length;
          if (frames.length > 0) enter(world, ends[1 - i]!, frames);
        }
      }
      await world.advance(Math.min(100, left));
    }
  };
  const tun = (name: string) =>
    [...world.ports.values()].find(({ tap }) => tap?.options.name === name)!.tap!;
  return {
    attached,
    dialer,
    ends,
    host,
    pass,
    tun,
    world,
    shown: () => attached.attachment.show!(),
  };
}

function parse<T>(schema: Schema<T>, value: object): T {
  const { data, error } = schema.safeParse(value);
  assert.ok(data !== undefined, JSON.stringify(error?.issues));
  return data;
}

/** What a forwarder does not take, it hands on. */
function enter(world: World, { id }: TestSession, frames: readonly Uint8Array[]): void {
  if (world.ports.get(id)?.forwarder === undefined) world.deliver(id, ...frames);
  else world.punt(id, ...frames);
}

Deno.test("client: it logs in, and its device has the address, the MTU and a carrier while the link is up", async () => {
  const { ends, host, pass, shown, tun, world } = await line({ ipv6: false });
  assert.equal(tun("wan0").carrier, false);
  await pass(1000);
  assert.deepEqual(tun("wan0").options.addresses, ["10.64.0.2/32"]);
  assert.equal(tun("wan0").options.mtu, 1456);
  assert.equal(tun("wan0").carrier, true);
  assert.equal(shown()["address"], "10.64.0.2");
  const up = world.hooks.find(({ event, environment }) =>
    event === "ip-up" && environment["IFNAME"] === "wan0"
  );
  assert.equal(up!.environment["DNS1"], "10.64.0.53");
  assert.equal(up!.environment["IPREMOTE"], "10.64.0.1");
  const [member] = [...world.forwarders.values()][1]!.members.values() as unknown as [
    Record<string, unknown>,
  ];
  assert.deepEqual(member["prefixes"], ["0.0.0.0/0", "::/0"]);
  await ends[1].end();
  assert.equal(tun("wan0").carrier, false);
  assert.ok(
    world.hooks.some(({ event, environment }) =>
      event === "ip-down" && environment["IFNAME"] === "wan0"
    ),
  );
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("client: it makes addresses of what is announced, and is delegated a prefix, which is routed", async () => {
  const { host, pass, shown, tun, world } = await line({
    "prefix-delegation": true,
    routes: ["10.0.0.0/8", "2001:db8::/32"],
  });
  await pass(3000);
  const [four, six] = tun("wan0").options.addresses!;
  assert.equal(four, "10.64.0.2/32");
  assert.match(six!, /^2001:db8:1000:0?:?.*\/64$/);
  assert.equal(shown()["delegated-prefix"], "2001:db8:8000::/56");
  const [member] = [...world.forwarders.values()][0]!.members.values() as unknown as [
    Record<string, unknown>,
  ];
  assert.deepEqual(member["prefixes"], ["2001:db8:1000::/64", "2001:db8:8000::/56"]);
  const up = world.hooks.findLast(({ event, environment }) =>
    event === "ipv6-up" && environment["IFNAME"] === "wan0"
  );
  assert.deepEqual(
    world.routes.filter(({ device }) => device === "wan0").map(({ prefix }) => prefix).toSorted(),
    ["10.0.0.0/8", "2001:db8::/32"],
    "whichever family came up first",
  );
  assert.equal(up!.environment["DELEGATED_PREFIX"], "2001:db8:8000::/56");
  assert.equal(up!.environment["DNS1"], "2001:db8::53");
  // T1 is a quarter of the 7,200 s: it is renewed, and goes on.
  await pass(1_900_000);
  assert.equal(shown()["delegated-prefix"], "2001:db8:8000::/56");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("client: a wrong secret ends the call, and the reason is shown", async () => {
  const { ends, host, pass, world } = await line({ user: "eve" });
  await pass(3000);
  assert.match(ends[1].ended!.message!, /refuses our name or secret/);
  assert.ok(
    world.lines.some(({ level, message }) => level === "warn" && message === "the link is over"),
  );
  assert.ok(!JSON.stringify(world.lines).includes('"pass"'));
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});
