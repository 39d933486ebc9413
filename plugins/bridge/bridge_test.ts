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
