import assert from "node:assert/strict";
import { DhcpServer } from "./dhcp_server.ts";
import {
  type DhcpOption,
  emitIa,
  type Ia,
  iasOf,
  MessageType,
  OptionCode,
  optionOf,
} from "./dhcpv6.ts";

const duid = Uint8Array.of(0, 4, 1, 2, 3);
const client: DhcpOption = { code: OptionCode.ClientId, value: Uint8Array.of(0, 1, 9, 9) };
const server: DhcpOption = { code: OptionCode.ServerId, value: duid };
const ia = (more: Partial<Ia> = {}): Ia => ({
  kind: "pd",
  iaid: 1,
  t1: 0,
  t2: 0,
  items: [],
  ...more,
});
const prefix = (text: string) => ({ text, preferred: 0, valid: 0 });

/** A server, and what it has. */
function bench(free = ["2001:db8:100::/56", "2001:db8:101::/56"]) {
  const pools = { pd: [...free], na: ["2001:db8::7"] };
  const happened: string[] = [];
  const one = new DhcpServer(
    { duid, dns: ["2001:db8::53"], search: ["example.com"], validS: 7200 },
    {
      take(kind, _iaid, wish, only) {
        const at = wish === undefined ? -1 : pools[kind].indexOf(wish);
        if (at < 0 && only) return undefined;
        return pools[kind].splice(Math.max(at, 0), 1)[0];
      },
      give(kind, text, declined) {
        happened.push(`${declined ? "declined" : "given"} ${text}`);
        if (!declined) pools[kind].push(text);
      },
      changed: () => void happened.push(`changed: ${one.bindings.map(({ text }) => text)}`),
    },
  );
  const ask = (type: number, options: readonly DhcpOption[]) =>
    one.answer({ type, transaction: 7, options });
  return { one, happened, pools, ask };
}

const given = (answer: ReturnType<DhcpServer["answer"]>) =>
  iasOf(answer!).map(({ items, status }) =>
    status ?? items.map(({ text, valid }) => `${text} ${valid}`).join()
  );

Deno.test("DHCPv6: Solicit, Advertise, Request, Reply; the network is told at the Request", () => {
  const { ask, happened } = bench();
  const offer = ask(MessageType.Solicit, [client, emitIa(ia())])!;
  assert.deepEqual([offer.type, offer.transaction], [MessageType.Advertise, 7]);
  assert.deepEqual(given(offer), ["2001:db8:100::/56 7200"]);
  assert.deepEqual(happened, []);
  const reply = ask(MessageType.Request, [client, server, emitIa(ia())])!;
  assert.equal(reply.type, MessageType.Reply);
  assert.deepEqual(given(reply), ["2001:db8:100::/56 7200"]);
  assert.deepEqual(optionOf(reply, OptionCode.ClientId), client.value);
  assert.deepEqual(optionOf(reply, OptionCode.ServerId), duid);
  assert.equal(optionOf(reply, OptionCode.Dns)!.toHex(), "20010db8000000000000000000000053");
  const [{ t1, t2, items }] = iasOf(reply) as [Ia];
  assert.deepEqual([t1, t2, items[0]!.preferred], [1800, 2880, 3600]);
  assert.deepEqual(happened, ["changed: 2001:db8:100::/56"]);
});

Deno.test("DHCPv6: rapid commit needs two messages", () => {
  const { ask, happened } = bench();
  const rapid = { code: OptionCode.RapidCommit, value: new Uint8Array() };
  const reply = ask(MessageType.Solicit, [
    client,
    rapid,
    emitIa(ia()),
    emitIa(ia({ kind: "na", iaid: 2 })),
  ])!;
  assert.equal(reply.type, MessageType.Reply);
  assert.ok(optionOf(reply, OptionCode.RapidCommit));
  assert.deepEqual(given(reply), ["2001:db8:100::/56 7200", "2001:db8::7 7200"]);
  assert.deepEqual(happened, ["changed: 2001:db8:100::/56,2001:db8::7"]);
});

Deno.test("DHCPv6: Renew extends; after a restart of ours, Rebind and Renew give the same again", () => {
  for (const [type, more] of [[MessageType.Renew, [server]], [MessageType.Rebind, []]] as const) {
    const { ask, happened } = bench();
    const had = ia({ items: [prefix("2001:db8:101::/56")] });
    assert.deepEqual(given(ask(type, [client, ...more, emitIa(had)])), ["2001:db8:101::/56 7200"]);
    assert.deepEqual(happened, ["changed: 2001:db8:101::/56"]);
    assert.deepEqual(given(ask(type, [client, ...more, emitIa(had)])), ["2001:db8:101::/56 7200"]);
    assert.equal(happened.length, 1);
    // What is not to be had any more is told to be over at once.
    const foreign = ia({ iaid: 9, items: [prefix("2001:db8:999::/56")] });
    assert.deepEqual(given(ask(type, [client, ...more, emitIa(foreign)])), ["2001:db8:999::/56 0"]);
    assert.deepEqual(given(ask(type, [client, ...more, emitIa(ia({ iaid: 10 }))])), [3]);
  }
});

Deno.test("DHCPv6: Release gives back, Decline takes out of use", () => {
  const { ask, happened, pools } = bench();
  ask(MessageType.Request, [client, server, emitIa(ia())]);
  const had = emitIa(ia({ items: [prefix("2001:db8:100::/56")] }));
  const reply = ask(MessageType.Release, [client, server, had])!;
  assert.equal(optionOf(reply, OptionCode.Status)!.toHex(), "0000");
  assert.deepEqual(happened.slice(1), ["given 2001:db8:100::/56", "changed: "]);
  assert.deepEqual(given(ask(MessageType.Release, [client, server, had])), [3]);
  ask(MessageType.Request, [client, server, emitIa(ia({ kind: "na" }))]);
  ask(MessageType.Decline, [
    client,
    server,
    emitIa(ia({ kind: "na", items: [prefix("2001:db8::7")] })),
  ]);
  assert.ok(happened.includes("declined 2001:db8::7"));
  assert.deepEqual(pools.na, []);
});

Deno.test("DHCPv6: nothing left has its status; a link has so many IAs, and no more", () => {
  const { ask } = bench([]);
  assert.deepEqual(given(ask(MessageType.Solicit, [client, emitIa(ia())])), [6]);
  const many = Array.from({ length: 20 }, (_, i) => `2001:db8:${i + 1}::/56`);
  const rich = bench(many);
  const ias = many.map((_, iaid) => emitIa(ia({ iaid })));
  const statuses = given(rich.ask(MessageType.Request, [client, server, ...ias]));
  assert.equal(statuses.filter((one) => one === 6).length, 12);
});

Deno.test("RFC 8415 §16: what names the wrong server, or none or one where it must not, is passed over", () => {
  const { ask } = bench();
  const other = { code: OptionCode.ServerId, value: Uint8Array.of(9) };
  const own = emitIa(ia());
  assert.equal(ask(MessageType.Request, [client, own]), undefined);
  assert.equal(ask(MessageType.Request, [client, other, own]), undefined);
  assert.equal(ask(MessageType.Request, [server, own]), undefined);
  assert.equal(ask(MessageType.Solicit, [client, server, own]), undefined);
  assert.equal(ask(MessageType.Rebind, [client, server, own]), undefined);
  assert.equal(ask(MessageType.Renew, [client, own]), undefined);
  assert.equal(ask(MessageType.InformationRequest, [client, own]), undefined);
  assert.equal(ask(MessageType.Advertise, [client, server]), undefined);
  assert.equal(ask(99, [client]), undefined);
  const reply = ask(MessageType.InformationRequest, [])!;
  assert.ok(optionOf(reply, OptionCode.Dns));
});

Deno.test("DHCPv6: Confirm tells whether an address is still of this link", () => {
  const { ask } = bench();
  ask(MessageType.Request, [client, server, emitIa(ia({ kind: "na" }))]);
  const confirm = (text: string) =>
    optionOf(
      ask(MessageType.Confirm, [client, emitIa(ia({ kind: "na", items: [prefix(text)] }))])!,
      OptionCode.Status,
    )!;
  assert.equal(confirm("2001:db8::7")[1], 0);
  assert.equal(confirm("2001:db8::8")[1], 4);
});
