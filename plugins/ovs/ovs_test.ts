import assert from "node:assert/strict";
import { startPlugins, WHY } from "../testing/bench.ts";
import { testPlugin } from "../testing/contract.ts";
import { makeSession } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import type { Json } from "../plugin.ts";
import { JsonRpc, JsonStream } from "./jsonrpc.ts";
import { ovs } from "./mod.ts";
import { answerAsOvs } from "./testing.ts";

testPlugin({
  plugin: ovs,
  options: { bridge: "br0", tag: 10 },
  changed: { bridge: "br0", trunks: [10, 20] },
  restart: { bridge: "br0", netns: "blue" },
  portOptions: { tag: 20 },
  section: { socket: "/run/db.sock", owner: "isthmus" },
});

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("values follow each other on a stream, cut anywhere", () => {
  const values: Json[] = [{ a: '}{\\"' }, [1, [2, { b: "é" }]], { c: [] }, []];
  const bytes = encode(values.map((value) => JSON.stringify(value)).join(""));
  for (let size = 1; size <= bytes.length; size++) {
    const stream = new JsonStream();
    const got: Json[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      got.push(...stream.take(bytes.subarray(at, at + size)));
    }
    assert.deepEqual(got, values);
  }
  assert.throws(() => new JsonStream().take(encode("{nonsense}")));
});

Deno.test("an echo is answered, an error rejects, and an end rejects what waits", async () => {
  const sent: string[] = [];
  const notified: unknown[] = [];
  const rpc = new JsonRpc(
    (bytes) => Promise.resolve(void sent.push(new TextDecoder().decode(bytes))),
    (method, params) => notified.push([method, params]),
  );
  rpc.received(
    encode('{"id":"echo","method":"echo","params":[]}{"id":null,"method":"update","params":[1]}'),
  );
  assert.deepEqual(JSON.parse(sent[0]!), { id: "echo", result: [], error: null });
  assert.deepEqual(notified, [["update", [1]]]);
  const [good, bad, never] = ["a", "b", "c"].map((method) => rpc.ask(method, []));
  rpc.received(
    encode('{"id":2,"result":null,"error":{"error":"no"}}{"id":1,"result":[7],"error":null}'),
  );
  assert.deepEqual(await good, [7]);
  await assert.rejects(bad!, /no/);
  rpc.close();
  await assert.rejects(never!, /closed/);
  await assert.rejects(rpc.ask("d", []), /closed/);
});

Deno.test("without Open vSwitch a session is up, and says that it is away", async () => {
  const { host, world } = await startPlugins([ovs], {
    ovs: { socket: "/run/db.sock", owner: "us" },
  });
  const circuit = host.circuit("ovs", "circuit", { bridge: "br0" });
  await circuit.first;
  await settle();
  const session = makeSession(world, host, { pseudowireType: 5 });
  const { attachment } = await session.attach(circuit);
  assert.match(attachment.ifname!, /^ist[0-9a-f]{8}$/);
  const tap = [...world.ports.values()].find((port) => port.tap)!.tap!;
  assert.deepEqual(tap.options.offload, { vnet: false }, "plain frames");
  assert.ok(tap.carrier);
  await session.set({ up: false });
  assert.ok(!tap.carrier);
  assert.equal(attachment.show!()["bridge"], "br0");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a port is added again only once Open vSwitch has let go of the device that had its name", async () => {
  const { host, world } = await startPlugins([ovs], {
    ovs: { socket: "/run/db.sock", owner: "us" },
  });
  const circuit = host.circuit("ovs", "circuit", { bridge: "br0" });
  await circuit.first;
  await settle();
  const db = await answerAsOvs(world, "br0");
  const first = makeSession(world, host, { pseudowireType: 5 });
  const attaching = first.attach(circuit);
  await settle();
  await db.look();
  const { attachment } = await attaching;
  const name = attachment.ifname!;
  assert.equal(attachment.show!()["ofport"], 1);
  await first.end();
  assert.deepEqual(db.done, [`+${name}`, `-${name}`]);

  const second = makeSession(world, host, { pseudowireType: 5 });
  const again = second.attach(circuit);
  await world.advance(4000);
  assert.deepEqual(db.done, [`+${name}`, `-${name}`], "Open vSwitch still reads from the old one");
  await db.look();
  assert.deepEqual(db.done, [`+${name}`, `-${name}`, `+${name}`]);
  await db.look();
  const { attachment: next } = await again;
  assert.equal(next.ifname, name);
  assert.equal(next.show!()["ofport"], 2);

  await second.end();
  const third = makeSession(world, host, { pseudowireType: 5 });
  const last = third.attach(circuit);
  await world.advance(5000);
  assert.equal(db.done.at(-1), `+${name}`, "one that never says so is waited for no longer");
  await db.look();
  await last;
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});
