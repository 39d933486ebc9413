import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import { bridge } from "./mod.ts";

async function bench(...types: number[]) {
  const { host, world } = await startPlugins([bridge]);
  const circuit = host.circuit("bridge", "circuit", {});
  await circuit.first;
  const sessions = types.map((pseudowireType, n) =>
    makeSession(world, host, { name: `t/${n}`, pseudowireType })
  );
  const partnerOf = (n: number) =>
    sessions.findIndex(({ id }) => id === world.ports.get(sessions[n]!.id)?.joined);
  return { circuit, host, partnerOf, sessions, world };
}

const { Ethernet, Ppp } = PseudowireType;

Deno.test("a bridge joins two sessions, and whichever ends, the other waits for the next", async () => {
  for (const leaves of [0, 1]) {
    const stays = 1 - leaves;
    const { circuit, host, partnerOf, sessions, world } = await bench(Ppp, Ppp, Ppp);
    await sessions[0]!.attach(circuit);
    const { attachment } = await sessions[1]!.attach(circuit);
    assert.equal(partnerOf(0), 1);
    assert.deepEqual(attachment.show!(), { far: "t/0" });
    assert.equal(circuit.refusal()?.refuse.result, 4);
    await sessions[leaves]!.end();
    assert.equal(partnerOf(stays), -1);
    assert.equal(sessions[stays]!.ended, undefined);
    await sessions[2]!.attach(circuit);
    assert.equal(partnerOf(2), stays);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});

Deno.test("a bridge refuses frames of two kinds, and keeps what it has", async () => {
  const { circuit, host, partnerOf, sessions, world } = await bench(Ppp, Ethernet, Ppp);
  await sessions[0]!.attach(circuit);
  await assert.rejects(sessions[1]!.attach(circuit), { code: "invalid" });
  await settle();
  assert.equal(circuit.sessions, 1);
  await sessions[2]!.attach(circuit);
  assert.equal(partnerOf(0), 2);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("sessions are bridged by hand, each once, and whichever ends, the other can be bridged again", async () => {
  const { host, world } = await startPlugins([bridge]);
  const circuit = host.circuit("bridge", "circuit", { "by-hand": true });
  await circuit.first;
  const sessions = [Ppp, Ppp, Ppp, Ethernet].map((pseudowireType, n) =>
    makeSession(world, host, { name: `t/${n}`, pseudowireType })
  );
  for (const session of sessions) await session.attach(circuit);
  const join = (a: number, b: number) => host.run("add-bridge", { a: `t/${a}`, b: `t/${b}` });
  const joined = (n: number) => world.ports.get(sessions[n]!.id)?.joined;
  await join(0, 1);
  assert.equal(joined(0), sessions[1]!.id);
  await assert.rejects(join(1, 2), { code: "in-use", message: "t/1 is in a bridge already" });
  await assert.rejects(join(2, 2), { code: "invalid" });
  await assert.rejects(join(2, 3), { code: "invalid" }, "frames of two kinds");
  await assert.rejects(join(2, 9), { code: "invalid" });
  const rows = [];
  for await (const row of host.show("bridge")) rows.push(row);
  assert.deepEqual(rows, [{ a: "t/0", b: "t/1" }, { a: "t/2", b: null }, { a: "t/3", b: null }]);
  await sessions[0]!.end();
  assert.equal(joined(1), undefined);
  await join(1, 2);
  await host.run("del-bridge", { session: "t/2" });
  await assert.rejects(host.run("del-bridge", { session: "t/2" }), { code: "invalid" });
  assert.equal(joined(1), undefined);
  await join(2, 1);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a session that is bridged has the carrier of the other one, and alone it has none", async () => {
  const circuitStatus = (active: boolean) => ({ circuitStatus: { active, new: false } });
  for (const byHand of [false, true]) {
    const { host, world } = await startPlugins([bridge]);
    const circuit = host.circuit("bridge", "circuit", byHand ? { "by-hand": true } : {});
    await circuit.first;
    const [a, b] = [0, 1].map((n) =>
      makeSession(world, host, { name: `t/${n}`, pseudowireType: Ethernet })
    );
    await a!.attach(circuit);
    assert.deepEqual(a!.carriers, [false]);
    await world.advance(1000);
    await b!.attach(circuit);
    if (byHand) await host.run("add-bridge", { a: "t/0", b: "t/1" });
    await world.advance(1000);
    assert.equal(a!.carriers.at(-1), true);
    b!.hear("SLI", circuitStatus(false));
    assert.equal(a!.carriers.at(-1), false);
    await world.advance(1000);
    b!.hear("SLI", circuitStatus(true));
    assert.equal(a!.carriers.at(-1), true);
    await world.advance(1000);
    // Whoever watches the path of a static session found it dead.
    await b!.set({ up: false });
    assert.equal(a!.carriers.at(-1), false);
    await b!.set({ up: true });
    await world.advance(1000);
    assert.equal(a!.carriers.at(-1), true);
    await b!.end();
    await world.advance(1000);
    assert.equal(a!.carriers.at(-1), false);
    assert.equal(a!.ended, undefined);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});
