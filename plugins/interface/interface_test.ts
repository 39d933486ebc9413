import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { testPlugin } from "../testing/contract.ts";
import { makeSession } from "../testing/session.ts";
import { networkInterface } from "./mod.ts";

testPlugin({
  plugin: networkInterface,
  options: { name: "eth1", vlan: 10 },
  changed: { name: "eth1", vlan: 10, tpid: "8100" },
  restart: { name: "eth1", vlan: 20 },
});

async function bench(session: { request?: "ICRQ"; up?: boolean } = {}) {
  const { host, world } = await startPlugins([networkInterface]);
  const circuit = host.circuit("interface", "circuit", { name: "eth1" });
  await circuit.first;
  const own = makeSession(world, host, { pseudowireType: PseudowireType.Ethernet, ...session });
  const device = () => [...world.ports.values()].find(({ tap }) => tap)!;
  const joined = () => world.ports.get(own.id)?.joined !== undefined;
  return { circuit, device, host, joined, session: own, world };
}
const circuitStatus = (active: boolean) => ({ circuitStatus: { active, new: false } });

Deno.test("an interface that loses its carrier is the session's circuit", async () => {
  const { circuit, device, host, joined, session } = await bench();
  await session.attach(circuit);
  device().tap!.set(false);
  assert.deepEqual(session.carriers, [false]);
  assert.equal(joined(), true, "what the peer sends still leaves by it");
  await host.end(WHY);
});

Deno.test("while the peer's circuit is down nothing is sent to it (RFC 3931 §5.4.5)", async () => {
  // A call is not up before its ICCN, but may carry frames.
  const { circuit, host, joined, session, world } = await bench({ request: "ICRQ", up: false });
  await session.attach(circuit);
  assert.equal(joined(), true);
  session.hear("SLI", circuitStatus(false));
  await world.advance(1);
  assert.equal(joined(), false);
  for (const active of [true, false, false, true]) session.hear("SLI", circuitStatus(active));
  await world.advance(1);
  assert.equal(joined(), true);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("the same of a static session whose path was found dead", async () => {
  const { circuit, host, joined, session, world } = await bench();
  await session.attach(circuit);
  await session.set({ up: false });
  assert.equal(joined(), false);
  await session.set({ up: true });
  assert.equal(joined(), true);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});
