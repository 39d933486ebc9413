import assert from "node:assert/strict";
import { sealAccessRequest, sealRequest, sealResponse } from "./authenticity.ts";
import { builtInDictionary } from "./builtin.ts";
import {
  type Answered,
  type BuildFor,
  Client,
  type Purpose,
  type ServerSetting,
} from "./client.ts";
import { makeMeters } from "./meters.ts";
import { CODE } from "./packet.ts";
import { accept, type Heard, MemoryNetwork, SECRET, settle } from "./testing.ts";

const { formats } = builtInDictionary();

function server(name: string, more: Partial<ServerSetting> = {}): ServerSetting {
  return {
    name,
    address: `10.0.0.${name.charCodeAt(0) - 96}`,
    ports: { authentication: 1812, accounting: 1813 },
    secret: SECRET,
    weight: 1,
    backup: false,
    timeoutMs: 1000,
    tries: 3,
    deadTimeMs: 60_000,
    signed: "auto",
    ...more,
  };
}

async function world(...settings: ServerSetting[]) {
  const network = new MemoryNetwork();
  const client = new Client(settings, network, makeMeters(network), formats, []);
  await client.open();
  network.answer = (heard) => accept(heard);
  const build: BuildFor = (secret) => (id, authenticator) =>
    sealAccessRequest(
      { code: CODE.accessRequest, id, authenticator, attributes: [] },
      secret,
      formats,
    );
  const ask = (signal?: AbortSignal, names?: string[]) =>
    client.ask("authentication", names, build, signal);
  return { network, client, ask };
}

/** What `work` comes to within some seconds, of which a few pass at a time. */
async function within<T>(network: MemoryNetwork, seconds: number, work: Promise<T>): Promise<T> {
  const state: { value?: { it: T } } = {};
  void work.then((it) => state.value = { it });
  for (let ms = 0; ms < seconds * 1000 && !state.value; ms += 100) await network.advance(100);
  assert.ok(state.value, `no result within ${seconds} s`);
  return state.value.it;
}

const to = (heard: readonly Heard[]) => heard.map((one) => one.to.address.slice(-1));

Deno.test("a request is answered, and sent once", async () => {
  const { network, ask } = await world(server("a"));
  const answer = await within(network, 1, ask());
  assert.equal(answer?.packet.code, CODE.accessAccept);
  assert.equal(answer?.server, "a");
  assert.equal(network.heard.length, 1);
  assert.equal(
    network.heard[0]!.packet.attributes[0]!.type,
    80,
    "Message-Authenticator comes first",
  );
});

Deno.test("a request is sent again with the same octets, ever more slowly, then another server gets a new one", async () => {
  const { network, ask } = await world(server("a"), server("b", { backup: true }));
  network.answer = (heard) => heard.to.address === "10.0.0.2" ? accept(heard) : undefined;
  const answer = await within(network, 10, ask());
  assert.equal(answer?.server, "b");
  assert.deepEqual(to(network.heard), ["1", "1", "1", "2"]);
  const [first, second, third, other] = network.heard;
  assert.deepEqual(second!.datagram, first!.datagram);
  assert.deepEqual(third!.datagram, first!.datagram);
  assert.notDeepEqual(other!.packet.authenticator, first!.packet.authenticator);
  const waits = [second!.at - first!.at, third!.at - second!.at, other!.at - third!.at];
  for (const [i, [least, most]] of [[950, 1050], [1900, 2100], [1900, 2100]].entries()) {
    assert.ok(waits[i]! >= least! && waits[i]! <= most!, `wait ${i}: ${waits[i]}`);
  }
  // It is dead now, so the next goes where it is answered.
  await within(network, 1, ask());
  assert.deepEqual(to(network.heard.slice(4)), ["2"]);
});

Deno.test("all that waits for a server goes to another when it is found to be dead", async () => {
  const { network, ask } = await world(server("a"), server("b", { backup: true }));
  network.answer = (heard) => heard.to.address === "10.0.0.2" ? accept(heard) : undefined;
  const early = ask();
  await network.advance(4000);
  const late = ask();
  await within(network, 2, early);
  await within(network, 1, late);
});

Deno.test("a dead server is tried by one request after its time, and used when that is answered", async () => {
  const { network, ask } = await world(server("a"), server("b", { backup: true }));
  network.answer = (heard) => heard.to.address === "10.0.0.2" ? accept(heard) : undefined;
  await within(network, 10, ask());
  await network.advance(61_000);
  network.heard.length = 0;
  const many = [ask(), ask(), ask()];
  await settle();
  assert.deepEqual(to(network.heard), ["1", "2", "2"]);
  network.answer = accept;
  await within(network, 10, Promise.all(many));
  network.heard.length = 0;
  await within(network, 1, ask());
  assert.deepEqual(to(network.heard), ["1"]);
});

Deno.test("Status-Server finds out that a server is back, and its answer needs no signature", async () => {
  const { network, ask } = await world(
    server("a", { probeMs: 5000, signed: "yes" }),
    server("b", { backup: true }),
  );
  network.answer = (heard) => heard.to.address === "10.0.0.2" ? accept(heard) : undefined;
  await within(network, 10, ask());
  await network.advance(60_000);
  assert.ok(network.heard.filter(({ packet }) => packet.code === CODE.statusServer).length >= 10);
  network.answer = (heard) => accept(heard, [], heard.packet.code !== CODE.statusServer);
  await network.advance(6000);
  network.heard.length = 0;
  await within(network, 1, ask());
  await network.advance(60_000);
  assert.deepEqual(to(network.heard), ["1"], "no probe follows");
});

Deno.test("a single server that is dead is asked all the same, and brings itself back", async () => {
  const { network, ask } = await world(server("a"));
  network.answer = () => undefined;
  const asked = ask();
  await network.advance(4900);
  const late = ask();
  assert.equal(await within(network, 20, asked), undefined);
  network.answer = accept;
  assert.equal((await within(network, 10, late))?.server, "a");
  assert.equal((await within(network, 1, ask()))?.server, "a");
});

Deno.test("servers get their shares, and backups nothing", async () => {
  const { network, ask } = await world(
    server("a", { weight: 3 }),
    server("b"),
    server("c", { backup: true }),
  );
  for (let i = 0; i < 40; i++) await within(network, 1, ask());
  const count = (name: string) => to(network.heard).filter((one) => one === name).length;
  assert.deepEqual([count("1"), count("2"), count("3")], [30, 10, 0]);
  await within(network, 1, ask(undefined, ["c"]));
  assert.equal(count("3"), 1);
});

Deno.test("thousands are in flight at once, by several sockets, and each gets its own answer", async () => {
  const { network, ask } = await world(server("a", { tries: 1, timeoutMs: 5000 }));
  network.delayMs = 1000;
  const value = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);
  network.answer = (heard) =>
    accept(heard, [{ vendor: 0, type: 25, value: value(network.heard.length) }]);
  const all = Array.from({ length: 3000 }, () => ask());
  const answers = await within(network, 5, Promise.all(all));
  const classes = answers.map((answer) => answer!.packet.attributes[1]!.value.toHex());
  assert.equal(new Set(classes).size, 3000);
  assert.ok(network.sockets >= 12 && network.sockets <= 15, `${network.sockets} sockets`);
  const ids = new Set(network.heard.map(({ from, packet }) => `${from.port}/${packet.id}`));
  assert.equal(ids.size, 3000);
});

Deno.test("a request that is given up frees its identifier; its answer is late", async () => {
  const { network, ask } = await world(server("a"));
  network.delayMs = 500;
  const giveUp = new AbortController();
  const asked = ask(giveUp.signal);
  await network.advance(100);
  giveUp.abort();
  assert.equal(await within(network, 1, asked), undefined);
  await network.advance(10_000);
  assert.equal(network.heard.length, 1);
  assert.equal(network.counts.get("radius_late"), 1);
});

/** What is counted where every answer is made so, and nothing else was heard. */
async function countedOf(answer: (heard: Heard) => Uint8Array, more: Partial<ServerSetting> = {}) {
  const { network, ask } = await world(server("a", { tries: 1, ...more }));
  network.answer = answer;
  const result = await within(network, 10, ask());
  network.counts.delete("radius_requests");
  return [result !== undefined, Object.fromEntries([...network.counts].filter(([, n]) => n > 0))];
}

Deno.test("answers that cannot be believed are counted by why, and waited past", async () => {
  const gone = { radius_timeouts: 1, radius_unreachable: 1 };
  const other = (at: number, bit = 1) => (heard: Heard) => {
    const octets = accept(heard);
    octets[at]! ^= bit;
    return octets;
  };
  assert.deepEqual(await countedOf(other(5)), [false, { ...gone, radius_bad_authenticator: 1 }]);
  assert.deepEqual(await countedOf(other(0, 8)), [false, { ...gone, radius_unexpected: 1 }]);
  assert.deepEqual(await countedOf((heard) => accept(heard).subarray(0, 19)), [
    false,
    { ...gone, radius_malformed: 1 },
  ]);
  assert.deepEqual(
    await countedOf((heard) => accept(heard, [], false), { signed: "yes" }),
    [false, { ...gone, radius_unsigned: 1 }],
  );
  const proxied = [{ vendor: 0, type: 33, value: Uint8Array.of(1) }];
  assert.deepEqual(await countedOf((heard) => accept(heard, proxied, false)), [
    false,
    { ...gone, radius_proxy_state: 1 },
  ]);
  const badlySigned = [{ vendor: 0, type: 80, value: new Uint8Array(16) }];
  assert.deepEqual(
    await countedOf((heard) => accept(heard, badlySigned, false), { signed: "no" }),
    [
      false,
      { ...gone, radius_bad_message_authenticator: 1 },
    ],
  );
  assert.deepEqual(await countedOf((heard) => accept(heard, [], false), { signed: "no" }), [
    true,
    {},
  ]);
});

Deno.test("auto demands a Message-Authenticator from the first answer on that had one", async () => {
  const { network, ask } = await world(server("a", { tries: 1 }));
  network.answer = (heard) => accept(heard, [], false);
  assert.ok(await within(network, 10, ask()));
  network.answer = (heard) => accept(heard, [], true);
  assert.ok(await within(network, 10, ask()));
  network.answer = (heard) => accept(heard, [], false);
  assert.equal(await within(network, 10, ask()), undefined);
  assert.ok(network.counts.get("radius_unsigned")! > 0);
});

Deno.test("answers from elsewhere are nobody's", async () => {
  const { network, ask } = await world(server("a", { tries: 1 }));
  network.answer = (heard) => {
    for (const from of [{ address: "10.0.0.3", port: 1812 }, { address: "10.0.0.1", port: 1814 }]) {
      network.deliver(heard.from.port, accept(heard), from);
    }
    return undefined;
  };
  assert.equal(await within(network, 10, ask()), undefined);
  assert.equal(network.counts.get("radius_strangers"), 2);
});

Deno.test("accounting goes to its port, and is believed by its digest", async () => {
  const { network, client } = await world(
    server("a"),
    server("b", { ports: { authentication: 1812 } }),
  );
  const build: BuildFor = (secret) => (id) =>
    sealRequest({ code: CODE.accountingRequest, id, attributes: [] }, secret, formats);
  const purpose: Purpose = "accounting";
  for (let i = 0; i < 4; i++) {
    const asked: Promise<Answered | undefined> = client.ask(purpose, undefined, build);
    const answer = await within(network, 1, asked);
    assert.equal(answer?.server, "a");
  }
  assert.deepEqual(new Set(network.heard.map(({ to }) => to.port)), new Set([1813]));
  network.answer = ({ packet }) =>
    sealResponse(CODE.accessAccept, packet, [], SECRET, formats, false);
  assert.equal(await within(network, 20, client.ask(purpose, undefined, build)), undefined);
  assert.equal(client.alive(purpose), false);
});

Deno.test("a server that answers others is not dead for one that it never answers", async () => {
  const { network, ask } = await world(server("a", { tries: 1 }), server("b", { backup: true }));
  network.answer = (heard) => network.heard.length === 1 ? undefined : accept(heard);
  const never = ask();
  await network.advance(500);
  await within(network, 1, ask());
  await within(network, 5, never);
  network.heard.length = 0;
  network.answer = accept;
  await within(network, 1, ask());
  assert.deepEqual(to(network.heard), ["1"]);
});

Deno.test("an identifier rests as long as can be", async () => {
  const { network, ask } = await world(server("a"));
  for (let i = 0; i < 300; i++) await within(network, 1, ask());
  assert.deepEqual(network.heard.slice(0, 256).map(({ packet }) => packet.id), [
    ...Array(256).keys(),
  ]);
});

Deno.test("where all are dead, one is asked and no other", async () => {
  const { network, ask } = await world(server("a"), server("b"));
  network.answer = () => undefined;
  await within(network, 20, ask());
  network.heard.length = 0;
  await within(network, 20, ask());
  assert.equal(new Set(to(network.heard)).size, 1);
});

Deno.test("the unsigned answer to a Status-Server takes nothing back of what auto demands", async () => {
  const { network, ask } = await world(server("a", { tries: 1, probeMs: 1000 }));
  assert.ok(await within(network, 5, ask()));
  network.answer = () => undefined;
  await within(network, 20, ask());
  network.answer = (heard) => accept(heard, [], false);
  await network.advance(2000);
  assert.equal(await within(network, 20, ask()), undefined);
});
