/** Circuit Status on the wire (RFC 3931 §5.4.5, RFC 4719 §2.1.1): what our circuit says, and what the peer's does to ours. */

import assert from "node:assert/strict";
import { testCall, testSettings } from "../../core/testing.ts";
import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Plugin, Session } from "../../plugins/plugin.ts";
import { startControlNode } from "./control_support.ts";
import { startRawPeer } from "./raw_peer.ts";
import { loopback, until } from "./support.ts";

/** Circuit Status: M, 8 octets long, vendor 0, attribute 71, and its bits. */
const avp = (bits: string) => `800800000047${bits}`;

/** A circuit that says of its carrier what the test does. */
function lever(down: boolean) {
  const sessions: Session[] = [];
  const ups: boolean[] = [];
  const plugin: Plugin = {
    name: "lever",
    summary: "a carrier in a test's hands",
    pseudowireTypes: [PseudowireType.Ethernet],
    options: z.strictObject({}),
    start: () => ({
      provision: () => ({
        attach(session) {
          sessions.push(session);
          if (down) session.carrier(false);
          return { changed: () => void ups.push(session.up) };
        },
      }),
    }),
  };
  return { plugin, sessions, ups };
}

const answerer = (at: string) => `
listen: [{ udp: "${at}:1701" }]
host-name: us
peers: { raw: { proto-version: 3, accept: [{ circuit: { lever: {} } }] } }
`;

async function bench(at: number, down: boolean) {
  const [a, b] = [loopback(at), loopback(at + 1)];
  const held = lever(down);
  const node = await startControlNode(answerer(b), undefined, [held.plugin]);
  const peer = await startRawPeer(a, b, testSettings({ version: 3, hostName: "raw" }));
  const control: string[] = [];
  peer.heard = (message) => void control.push(message.toHex());
  const connection = peer.act((lcce, now) =>
    lcce.dial(testSettings({ version: 3, hostName: "raw" }), peer.path(), now)
  );
  const call = peer.act((lcce, now) =>
    lcce.placeCall(connection, "incoming-caller", testCall(), now)
  );
  peer.onEvent = (event) => {
    if (event.type === "call-state" && event.state === "wait-proceed") {
      queueMicrotask(() => peer.act((lcce, now) => lcce.proceed(event.call, now)));
    }
  };
  await until(() =>
    peer.events.some((event) => event.type === "call-state" && event.state === "established")
  );
  const session = async () => (await node.appliance.tunnels())[0]?.sessions[0];
  await until(async () => (await session()) !== undefined);
  const said = () => control.flatMap((message) => message.match(/80080000004700../g) ?? []);
  return {
    ...held,
    call,
    node,
    peer,
    said,
    session,
    async [Symbol.asyncDispose]() {
      await peer[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a circuit that is down from the start is so in ICRP, and comes up by SLI", async () => {
  await using all = await bench(171, true);
  assert.deepEqual(all.said(), [avp("0002")], "new, and not active");
  assert.deepEqual([(await all.session())?.status, (await all.session())?.reason], [
    "down",
    "our circuit is down",
  ]);
  all.sessions[0]!.carrier(true);
  await until(() => all.said().length === 2);
  assert.equal(all.said()[1], avp("0001"), "active, and not new");
  await until(async () => (await all.session())?.status === "up");
});

Deno.test("a circuit that flaps is told of at once, then once a second", async () => {
  await using all = await bench(173, false);
  assert.deepEqual(all.said(), [avp("0003")]);
  const began = performance.now();
  while (performance.now() - began < 2500) {
    for (const up of [false, true, false]) all.sessions[0]!.carrier(up);
    await new Promise((resolve) => setTimeout(resolve, 5));
    all.sessions[0]!.carrier(true);
  }
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const said = all.said().slice(1);
  assert.equal(said[0], avp("0000"));
  assert.ok(said.length >= 2 && said.length <= 5, said.join());
  assert.equal(said.at(-1), avp("0001"));
});

Deno.test("the peer's circuit takes ours down and up, however often it says so", async () => {
  await using all = await bench(175, false);
  const set = (active: boolean) =>
    all.peer.act((lcce, now) => lcce.setCircuitStatus(all.call, active, now));
  await until(() => all.ups.at(-1) === true);
  const before = all.ups.length;
  set(false);
  await until(async () => (await all.session())?.reason === "the peer's circuit is down");
  assert.equal(all.sessions[0]!.up, false);
  for (let n = 0; n < 200; n++) set(n % 2 === 1);
  await until(async () => (await all.session())?.status === "up");
  assert.ok(all.ups.length - before <= 4, `${all.ups.length - before} changes`);
  assert.equal(all.sessions[0]!.up, true);
});
