import assert from "node:assert/strict";
import fc from "fast-check";
import type { Subscriber, Terms } from "../authenticator.ts";
import { doubtOfResponse, isSigned, makeSecret, sealRequest } from "./authenticity.ts";
import { builtInDictionary } from "./builtin.ts";
import { Changes, type ChangeSetting } from "./coa.ts";
import { GrantMap } from "./grants.ts";
import { makeMeters } from "./meters.ts";
import { type Attribute, CODE, joined, parsePacket, readNumber } from "./packet.ts";
import { number, octets, text } from "./requests.ts";
import { type Known, Sessions } from "./sessions.ts";
import { MemoryNetwork, SECRET, settle } from "./testing.ts";

const dictionary = builtInDictionary();
const { formats } = dictionary;
const from = { address: "10.0.0.5", port: 4000 };
const DATE = 1_700_000_000;

interface Session {
  readonly changes: Terms[];
  readonly ends: string[];
}

function world(more: Partial<ChangeSetting> = {}, signed = false) {
  const network = new MemoryNetwork();
  const sessions = new Sessions();
  const setting: ChangeSetting = {
    clients: [{ address: "10.0.0.5", secret: SECRET, signed }],
    windowMs: 300_000,
    timestamps: false,
    formats,
    nasIdentifier: "nas",
    nasAddresses: ["0a000063"],
    ...more,
  };
  const changes = new Changes(
    setting,
    sessions,
    new GrantMap(dictionary, []),
    makeMeters(network),
    network,
  );
  const known = new Map<string, Known>();
  const add = (id: string, name: string, address: string, refuses = false): Session => {
    const session: Session = { changes: [], ends: [] };
    const subscriber: Subscriber = {
      call: { id, name: id, portType: 5, callingNumber: `c${id}` },
      grant: { user: name },
      authentic: "radius",
      framed: () => ({
        address,
        ipv6Prefixes: [`2001:db8:${id}::/64`],
        ipv6Addresses: [`2001:db8::${id}`],
      }),
      read: () => Promise.reject(new Error("not asked")),
      change: (terms) => {
        if (refuses) return Promise.reject(new Error("cannot"));
        session.changes.push(terms);
        return Promise.resolve();
      },
      end: (cause) => void session.ends.push(cause),
    };
    const text = (type: number) => type === 31 ? `c${id}` : undefined;
    known.set(id, { id, subscriber, name, account: undefined, text });
    sessions.add(known.get(id)!);
    return session;
  };
  let last = 0;
  const ask = async (
    code: number,
    attributes: Attribute[],
    { sign = false, as = from, again = 0 } = {},
  ) => {
    if (!again) last++;
    const id = last;
    const datagram = sealRequest({ code, id, attributes }, SECRET, formats, sign);
    const answers: Uint8Array[] = [];
    changes.receive(datagram, as, (answer) => answers.push(answer));
    await settle();
    assert.ok(answers.length <= 1);
    if (answers.length === 0) return undefined;
    const packet = parsePacket(answers[0]!, formats);
    assert.ok(typeof packet === "object");
    assert.equal(packet.id, id);
    assert.equal(doubtOfResponse(packet, datagram.subarray(4, 20), SECRET), undefined);
    const cause = joined(packet.attributes, 0, 101);
    return { code: packet.code, cause: cause && readNumber(cause, 0, 4), packet };
  };
  const coa = (...attributes: Attribute[]) => ask(CODE.coaRequest, attributes);
  const disconnect = (...attributes: Attribute[]) => ask(CODE.disconnectRequest, attributes);
  const remove = (id: string) => sessions.remove(known.get(id)!);
  return { network, changes, add, remove, ask, coa, disconnect };
}

const brief = (answer: { code: number; cause: number | undefined } | undefined) =>
  answer && [answer.code, answer.cause];
const rate = (limit: string): Attribute => ({
  vendor: 14988,
  type: 8,
  value: new TextEncoder().encode(limit),
});

Deno.test("a change finds its session by each of its names, and is acknowledged when it holds", async () => {
  const names: Attribute[][] = [
    [text(44, "7")],
    [text(1, "alice")],
    [octets(8, Uint8Array.of(10, 0, 0, 7))],
    [octets(97, Uint8Array.fromHex("004020010db800070000"))],
    [octets(168, Uint8Array.fromHex("20010db8000000000000000000000007"))],
    [text(31, "c7")],
    [text(44, "7"), text(1, "alice"), octets(8, Uint8Array.of(10, 0, 0, 7)), number(61, 5)],
  ];
  for (const attributes of names) {
    const { add, coa } = world();
    const [alice, bob] = [add("7", "alice", "10.0.0.7"), add("8", "bob", "10.0.0.8")];
    assert.deepEqual(brief(await coa(...attributes, rate("1M/2M"))), [CODE.coaAck, undefined]);
    assert.deepEqual(alice.changes, [{
      rate: { up: { bitsPerSecond: 1e6 }, down: { bitsPerSecond: 2e6 } },
    }]);
    assert.deepEqual(bob.changes, []);
  }
});

Deno.test("a session that has ended is found by none of its names", async () => {
  const { add, disconnect, remove } = world();
  const [one, two] = [add("1", "alice", "10.0.0.1"), add("2", "alice", "10.0.0.2")];
  remove("1");
  assert.deepEqual(brief(await disconnect(text(44, "1"))), [CODE.disconnectNak, 503]);
  assert.deepEqual(brief(await disconnect(text(1, "alice"))), [CODE.disconnectAck, undefined]);
  remove("2");
  assert.deepEqual(brief(await disconnect(text(1, "alice"))), [CODE.disconnectNak, 503]);
  assert.deepEqual([one.ends, two.ends], [[], ["admin-reset"]]);
});

Deno.test("a Disconnect ends all sessions that it names, and no other", async () => {
  const { add, disconnect } = world();
  const [one, two, other] = [
    add("1", "alice", "10.0.0.1"),
    add("2", "alice", "10.0.0.2"),
    add("3", "bob", "10.0.0.3"),
  ];
  assert.deepEqual(brief(await disconnect(text(1, "alice"))), [CODE.disconnectAck, undefined]);
  assert.deepEqual([one.ends, two.ends, other.ends], [["admin-reset"], ["admin-reset"], []]);
});

Deno.test("what cannot be done is refused with its Error-Cause, and changes nothing", async () => {
  const { add, coa, disconnect } = world();
  const session = add("7", "alice", "10.0.0.7");
  add("9", "carol", "10.0.0.9", true);
  const seven = text(44, "7");
  const cases: [
    Promise<{ code: number; cause: number | undefined } | undefined>,
    number,
    number,
  ][] = [
    [coa(text(44, "6"), rate("1M")), CODE.coaNak, 503],
    [coa(seven, text(1, "bob"), rate("1M")), CODE.coaNak, 503],
    [coa(rate("1M")), CODE.coaNak, 402],
    [coa(number(61, 5), rate("1M")), CODE.coaNak, 402],
    [coa(seven, text(32, "other"), rate("1M")), CODE.coaNak, 403],
    [coa(seven, octets(4, Uint8Array.of(10, 0, 0, 1)), rate("1M")), CODE.coaNak, 403],
    [coa(seven, number(6, 17)), CODE.coaNak, 405],
    [coa(seven, { vendor: 4711, type: 1, value: Uint8Array.of(1) }), CODE.coaNak, 401],
    [coa(seven, text(88, "pool")), CODE.coaNak, 401],
    [coa(seven, rate("fast")), CODE.coaNak, 407],
    [coa(text(44, "9"), rate("1M")), CODE.coaNak, 506],
    [disconnect(text(44, "6")), CODE.disconnectNak, 503],
    [disconnect(), CODE.disconnectNak, 402],
    [disconnect(seven, number(27, 5)), CODE.disconnectNak, 401],
    [disconnect(seven, number(6, 2)), CODE.disconnectNak, 401],
  ];
  for (const [i, [answer, code, cause]] of cases.entries()) {
    assert.deepEqual(brief(await answer), [code, cause], `case ${i}`);
  }
  assert.deepEqual(session, { changes: [], ends: [] });
});

Deno.test("our own names are let pass, Proxy-State and State come back, and a signature is answered by one", async () => {
  const { add, ask } = world();
  add("7", "alice", "10.0.0.7");
  const attributes = [
    text(44, "7"),
    text(32, "nas"),
    octets(4, Uint8Array.of(10, 0, 0, 99)),
    octets(33, Uint8Array.of(1)),
    octets(33, Uint8Array.of(2)),
    octets(24, Uint8Array.of(3)),
    number(28, 60),
  ];
  for (const sign of [true, false]) {
    const answer = await ask(CODE.coaRequest, [...attributes, number(27, sign ? 1 : 2)], { sign });
    assert.equal(answer?.code, CODE.coaAck);
    assert.equal(isSigned(answer.packet), sign);
    const echoed = answer.packet.attributes.filter(({ type }) => type !== 80);
    assert.deepEqual(echoed.map(({ type, value }) => [type, value[0]]), [[33, 1], [33, 2], [
      24,
      3,
    ]]);
  }
});

Deno.test("a repeated request gets the same answer and does nothing again", async () => {
  const { add, ask, network } = world();
  const session = add("7", "alice", "10.0.0.7");
  const attributes = [text(44, "7"), rate("1M")];
  const first = await ask(CODE.coaRequest, attributes);
  const second = await ask(CODE.coaRequest, attributes, { again: 1 });
  assert.deepEqual(second?.packet.octets, first?.packet.octets);
  assert.equal(session.changes.length, 1);
  assert.equal(network.counts.get("radius_replays"), 1);
});

Deno.test("what is out of the window is not answered, before or after", async () => {
  const { add, coa, network } = world();
  const session = add("7", "alice", "10.0.0.7");
  for (const seconds of [-301, 301]) {
    assert.equal(await coa(text(44, "7"), rate("1M"), number(55, DATE + seconds)), undefined);
  }
  assert.equal((await coa(text(44, "7"), rate("2M"), number(55, DATE + 299)))?.code, CODE.coaAck);
  assert.equal(session.changes.length, 1);
  assert.equal(network.counts.get("radius_replays"), 2);
  const strict = world({ timestamps: true });
  strict.add("7", "alice", "10.0.0.7");
  assert.equal(await strict.coa(text(44, "7"), rate("1M")), undefined);
  assert.ok(await strict.coa(text(44, "7"), rate("1M"), number(55, DATE)));
});

Deno.test("who may not ask gets no answer, and is counted by why", async () => {
  const { add, ask, changes, network } = world({}, true);
  const session = add("7", "alice", "10.0.0.7");
  const attributes = [text(44, "7")];
  assert.equal(
    await ask(CODE.disconnectRequest, attributes, { as: { address: "10.0.0.6", port: 1 } }),
    undefined,
  );
  assert.equal(await ask(CODE.disconnectRequest, attributes), undefined);
  assert.equal(await ask(CODE.accountingRequest, attributes, { sign: true }), undefined);
  const wrong = makeSecret(new TextEncoder().encode("wrong"));
  const send = () => assert.fail("no answer");
  changes.receive(
    sealRequest({ code: CODE.disconnectRequest, id: 1, attributes }, wrong, formats, true),
    from,
    send,
  );
  changes.receive(Uint8Array.of(1, 2), from, send);
  const {
    radius_strangers,
    radius_unsigned,
    radius_unexpected,
    radius_bad_authenticator,
    radius_malformed,
  } = Object.fromEntries(network.counts);
  assert.deepEqual([
    radius_strangers,
    radius_unsigned,
    radius_unexpected,
    radius_bad_authenticator,
    radius_malformed,
  ], [1, 1, 1, 1, 1]);
  assert.deepEqual(session.ends, []);
  assert.equal(
    (await ask(CODE.disconnectRequest, attributes, { sign: true }))?.code,
    CODE.disconnectAck,
  );
});

Deno.test("any datagram changes nothing and throws nothing", () => {
  const { add, changes } = world();
  const session = add("7", "alice", "10.0.0.7");
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (datagram) => {
    changes.receive(datagram, from, () => assert.fail("no answer"));
  }));
  assert.deepEqual(session, { changes: [], ends: [] });
});
