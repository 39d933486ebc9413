/** Logins whose answer takes its time. */

import assert from "node:assert/strict";
import { makeHost } from "../host/host.ts";
import type { Plugin } from "../plugin.ts";
import { WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import { makeWorld, settle } from "../testing/world.ts";
import type { Account, Answer, Authenticator, TerminateCause, Usage } from "./aaa/authenticator.ts";
import { ppp } from "./mod.ts";
import { type PppOptions, pppOptions } from "./options.ts";
import { Subscribers } from "./service.ts";
import { terminate } from "./terminate.ts";
import { makeSubscriber } from "./testing.ts";

/** A termination whose authenticator answers when the test says so, and keeps what it is told. */
async function lns(more: object = {}) {
  const asked: {
    readonly name: string;
    readonly signal: AbortSignal;
    answer(answer: Answer): void;
  }[] = [];
  const accounts: string[] = [];
  let usage: () => Promise<Usage> = () => Promise.reject(new Error("no account yet"));
  const authenticator: Authenticator = {
    check({ name }, _call, signal) {
      const { promise, resolve } = Promise.withResolvers<Answer>();
      asked.push({ name: new TextDecoder().decode(name), signal, answer: resolve });
      return promise;
    },
    account(subscriber): Account {
      const { user } = subscriber.grant;
      usage = () => subscriber.read();
      accounts.push(`start ${user} ${subscriber.framed().address}`);
      return {
        changed: () => void accounts.push(`changed ${user}`),
        async stop(cause: TerminateCause, { upOctets }: Usage) {
          await Promise.resolve();
          accounts.push(`stop ${user} ${cause} ${upOctets}`);
        },
      };
    },
  };
  const section = ppp.section!.schema.safeParse({ pools: { main: { ranges: ["10.64.0.0/24"] } } })
    .data!;
  const plugin: Plugin<PppOptions> = {
    ...(ppp as Plugin<PppOptions>),
    start(scope) {
      const subscribers = new Subscribers(scope, section);
      return {
        provision: (life, options) =>
          terminate(life, options.terminate!, subscribers, authenticator),
      };
    },
  };
  const world = makeWorld();
  const host = makeHost(world.leaves, [plugin]);
  await host.start(new Map([["ppp", section]]));
  const circuit = host.circuit(
    "ppp",
    "circuit lns",
    pppOptions.parse({
      terminate: {
        tun: { name: "ppp0" },
        address: "10.64.0.1",
        pools: ["main"],
        ipv6: false,
        ...more,
      },
    }),
  );
  await circuit.first;
  const call = makeSession(world, host, { name: "lac/1", pseudowireType: 7, request: "ICRQ" });
  await call.attach(circuit);
  await call.connect();
  return { accounts, asked, call, host, usage: () => usage(), world };
}

const accept = (user: string): Answer => ({ kind: "accept", grant: { user } });

Deno.test("a client that asks again while its answer is awaited is asked about once", async () => {
  const { accounts, asked, call, host, usage, world } = await lns();
  const subscriber = makeSubscriber(world, call, { methods: ["pap"] });
  subscriber.open();
  await subscriber.talk(10_000);
  assert.deepEqual(asked.map(({ name }) => name), ["bob"]);
  asked[0]!.answer(accept("bob"));
  await subscriber.talk(100);
  assert.ok(subscriber.happened.includes("ipcp up"));
  assert.deepEqual(accounts, ["start bob 10.64.0.2"]);
  const statistics = (counters?: Record<string, number>) =>
    Object.assign(world.leaves.datapath, { statistics: () => Promise.resolve(counters) });
  statistics({ "rx-ipv4-bytes": 100, "rx-ipv6-bytes": 20 });
  assert.equal((await usage()).upOctets, 120);
  // The port is gone, and with it its counters: what was read last is what is told.
  statistics();
  await call.end();
  assert.deepEqual(accounts.slice(1), ["stop bob lost-carrier 120"]);
  await host.end(WHY);
});

Deno.test("a subscriber is asked again at intervals: while it knows the secret nothing else happens, and then it is out", async () => {
  const { accounts, asked, call, host, world } = await lns({ "chap-interval": 60 });
  const subscriber = makeSubscriber(world, call, { methods: ["chap-md5"] });
  subscriber.open();
  await subscriber.talk(1000);
  asked[0]!.answer(accept("bob"));
  await subscriber.talk(1000);
  assert.ok(subscriber.happened.includes("ipcp up"));
  const before = subscriber.happened.length;
  for (const answer of [accept("bob"), { kind: "unreachable", reason: "nobody" }] as const) {
    const seen = asked.length;
    await subscriber.talk(80_000);
    assert.ok(asked.length > seen, "it was challenged again, and answered");
    for (const { answer: tell } of asked.slice(seen)) tell(answer);
    await subscriber.talk(100);
  }
  assert.deepEqual(accounts, ["start bob 10.64.0.2"], "one session all the time");
  assert.deepEqual(subscriber.happened.slice(before), []);
  const seen = asked.length;
  await subscriber.talk(80_000);
  asked.slice(seen).at(-1)!.answer({ kind: "reject", reason: "the account is closed" });
  await subscriber.talk(2000);
  assert.match(accounts.at(-1)!, /^stop bob/);
  assert.ok(call.ended);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("an answer to a login that LCP has overtaken counts for nothing", async () => {
  const { asked, call, host, world } = await lns();
  const first = makeSubscriber(world, call, { name: "bob" });
  first.open();
  await first.talk(100);
  const second = makeSubscriber(world, call, { name: "alice", seed: 50 });
  second.open();
  await second.talk(4000);
  assert.deepEqual(asked.map(({ name }) => name), ["bob", "alice"]);
  assert.deepEqual(asked.map(({ signal }) => signal.aborted), [true, false], "nobody waits for it");
  asked[0]!.answer(accept("bob"));
  await second.talk(100);
  assert.ok(!second.happened.includes("authenticated"));
  asked[1]!.answer(accept("alice"));
  await second.talk(4000);
  assert.ok(second.happened.includes("ipcp up"), second.happened.join());
  assert.equal(call.ended, undefined);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a call that ends while its answer is awaited leaves nothing behind", async () => {
  const { accounts, asked, call, host, world } = await lns();
  const subscriber = makeSubscriber(world, call);
  subscriber.open();
  await subscriber.talk(100);
  await call.end();
  asked[0]!.answer(accept("bob"));
  await settle();
  assert.deepEqual(accounts, []);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("where nobody can be asked, the client is sent away, and the reason is the operator's", async () => {
  const { asked, call, host, world } = await lns();
  const subscriber = makeSubscriber(world, call, { methods: ["pap"] });
  subscriber.open();
  await subscriber.talk(100);
  asked[0]!.answer({ kind: "unreachable", reason: "no server answers" });
  await subscriber.talk(2000);
  assert.equal(call.ended!.message, "no server answers");
  assert.match(subscriber.ended()!.reason, /try again later/);
  await host.end(WHY);
});
