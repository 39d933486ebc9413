import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import { sink } from "./mod.ts";

const pseudowireType = PseudowireType.Ppp;

Deno.test("sink counts frames of each session, and sends them back with echo", async () => {
  const { host, world } = await startPlugins([sink]);
  const circuit = host.circuit("sink", "circuit", { echo: true });
  await circuit.first;
  const session = makeSession(world, host, { pseudowireType });
  const { attachment } = await session.attach(circuit);
  session.receive(Uint8Array.of(1, 2), Uint8Array.of(3));
  assert.deepEqual(session.sent, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  assert.deepEqual(attachment.show?.(), { frames: 2, bytes: 3, echoed: 2, echo: true });
  assert.equal(await circuit.reconfigure({}), true);
  session.receive(Uint8Array.of(4));
  assert.equal(session.sent.length, 2);
  assert.deepEqual(attachment.show?.(), { frames: 3, bytes: 4, echoed: 2, echo: false });
  assert.equal(world.meters.get("sink_frames"), 3);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("sink takes many sessions at once, and lets each go by itself", async () => {
  const { host, world } = await startPlugins([sink]);
  const circuit = host.circuit("sink", "circuit", {});
  await circuit.first;
  const sessions = [1, 2, 3].map((n) =>
    makeSession(world, host, { name: `t/${n}`, pseudowireType })
  );
  const attached = await Promise.all(sessions.map((each) => each.attach(circuit)));
  await attached[1]!.end(WHY);
  assert.deepEqual(world.leftovers().filter((each) => each === "host").length, 2);
  sessions[0]!.receive(Uint8Array.of(1));
  assert.equal(attached[0]!.attachment.show!()["frames"], 1);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});
