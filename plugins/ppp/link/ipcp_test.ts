import assert from "node:assert/strict";
import { IpcpClient, IpcpServer } from "./ipcp.ts";
import { Ipv6cpOptions, linkLocal } from "./ipv6cp.ts";
import { seededOctets } from "./testing.ts";
import { type Option, parseOptions } from "./wire.ts";

const own = Uint8Array.of(10, 0, 0, 1);
const given = Uint8Array.of(10, 0, 0, 2);
const dns = [Uint8Array.of(10, 0, 0, 53), Uint8Array.of(10, 0, 0, 54)];
const none = new Uint8Array(4);
const address = (value: Uint8Array): Option => ({ type: 3, value });
const server = (more = {}) => new IpcpServer({ own, client: given, dns, nbns: [], ...more });

Deno.test("IPCP: what is not spoken is rejected before anything is naked", () => {
  const vj = { type: 2, value: Uint8Array.of(0, 0x2d, 15, 1) };
  const both = { type: 1, value: new Uint8Array(8) };
  const nbns = { type: 130, value: none };
  const asked = [address(none), vj, { type: 129, value: none }, both, nbns];
  assert.deepEqual(server().judge(asked, true), { kind: "reject", options: [vj, both, nbns] });
  assert.deepEqual(server().judge([address(none), { type: 131, value: none }], true), {
    kind: "nak",
    options: [address(given), { type: 131, value: dns[1] }],
  });
  assert.deepEqual(server({ dns: [] }).judge([{ type: 129, value: none }], true).kind, "reject");
  assert.deepEqual(server().judge([{ type: 3, value: Uint8Array.of(1) }], true).kind, "reject");
});

Deno.test("IPCP: a request without an address is told of one; after that it is no agreement", () => {
  const one = server();
  assert.deepEqual(one.judge([], true), { kind: "nak", options: [address(given)] });
  assert.equal(one.judge([], true).kind, "fail");
  one.reset();
  assert.equal(one.judge([], true).kind, "nak");
  assert.equal(one.judge([address(given)], true).kind, "ack");
  assert.deepEqual(one.client, given);
});

Deno.test("IPCP: who insists on an address of its own is not let in; of name servers it hears no more", () => {
  const other = address(Uint8Array.of(10, 9, 9, 9));
  assert.equal(server().judge([other], true).kind, "nak");
  assert.equal(server().judge([other], false).kind, "fail");
  const wish = { type: 129, value: Uint8Array.of(1, 1, 1, 1) };
  assert.deepEqual(server().judge([address(given), wish], false), {
    kind: "reject",
    options: [wish],
  });
});

Deno.test("IPCP: a client that may choose cannot choose ours, or nothing", () => {
  const one = server({ client: undefined });
  assert.equal(one.judge([address(none)], true).kind, "nak");
  assert.equal(one.judge([address(own)], true).kind, "nak");
  assert.equal(one.judge([address(Uint8Array.of(224, 0, 0, 1))], true).kind, "nak");
  assert.equal(one.judge([address(Uint8Array.of(172, 16, 0, 9))], true).kind, "ack");
  assert.deepEqual(one.client, Uint8Array.of(172, 16, 0, 9));
  assert.equal(one.judge([], true).kind, "fail");
});

Deno.test("IPCP: a client does not ask again for what was rejected, until it begins anew", () => {
  const one = new IpcpClient({ dns: true });
  assert.deepEqual(one.request().map(({ type }) => type), [3, 129, 131]);
  one.rejected([{ type: 131, value: none }]);
  one.naked([{ type: 131, value: dns[1]! }, { type: 129, value: dns[0]! }, address(given)]);
  assert.deepEqual(one.request(), [address(given), { type: 129, value: dns[0] }]);
  one.reset();
  assert.equal(one.request().length, 3);
});

Deno.test("IPCP: a client that is given nothing, or nobody's address, is told why it ends", () => {
  assert.match(new IpcpClient({ dns: false }).rejected([address(none)])!, /no address/);
  assert.match(new IpcpClient({ dns: false }).naked([address(none)])!, /no address/);
});

Deno.test("RFC 5072 §4.1: no identifier, and ours, are naked", () => {
  const option = (value: Uint8Array): Option => ({ type: 1, value });
  const one = new Ipv6cpOptions(seededOctets(1));
  for (const wrong of [option(new Uint8Array(8)), option(one.own)]) {
    const verdict = one.judge([wrong], true);
    assert.equal(verdict.kind, "nak");
    const [better] = verdict.kind === "nak" ? verdict.options : [];
    assert.ok(better!.value.some((octet) => octet !== 0));
    assert.notDeepEqual(better!.value, one.own);
    // The same each time, or the peer never catches it.
    assert.deepEqual(one.judge([wrong], true), verdict);
  }
  const right = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1);
  assert.deepEqual(one.judge([option(right)], true), { kind: "ack" });
  assert.deepEqual(one.peer, right);
  assert.equal(
    one.judge([{ type: 2, value: Uint8Array.of(0, 0x4f) }, option(right)], true).kind,
    "reject",
  );
  assert.equal(one.judge([], true).kind, "nak");
});

Deno.test("IPv6CP: whoever has to have an identifier is told it", () => {
  const assigned = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 9);
  const one = new Ipv6cpOptions(seededOctets(1), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1), assigned);
  const other = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const options = [{ type: 1, value: assigned }];
  assert.deepEqual(one.judge([{ type: 1, value: other }], true), { kind: "nak", options });
  assert.equal(one.judge(options, true).kind, "ack");
  assert.deepEqual(parseOptions(Uint8Array.fromHex("010a0000000000000009")), options);
  assert.equal(linkLocal(assigned).toHex(), "fe800000000000000000000000000009");
});
