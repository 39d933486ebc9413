import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { testHost } from "../testing.ts";
import { sink } from "./mod.ts";

Deno.test("sink counts frames of each session, and sends them back with echo", async () => {
  const world = testHost();
  const circuit = await sink.provision(world, { echo: true });
  const session = world.session({ pseudowireType: PseudowireType.Ppp });
  const attachment = await circuit.attach(session);
  const port = world.ports.get(world.ports.get(session.port)!.joined!)!;
  port.receive!([Uint8Array.of(1, 2), Uint8Array.of(3)]);
  assert.deepEqual(port.sent, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  assert.deepEqual(attachment.details?.(), { frames: 2, bytes: 3, echoed: 2, echo: true });
  await circuit.reconfigure?.({});
  port.receive!([Uint8Array.of(4)]);
  assert.equal(port.sent.length, 2);
  assert.equal(attachment.describe?.(), "3 frames");
  await circuit[Symbol.asyncDispose]();
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("sink takes many sessions at once", async () => {
  const world = testHost();
  const circuit = await sink.provision(world, {});
  const attachments = await Promise.all(
    [1, 2, 3].map(() => circuit.attach(world.session({ pseudowireType: PseudowireType.Ppp }))),
  );
  assert.equal(world.joins, 3);
  await attachments[1]![Symbol.asyncDispose]();
  await circuit[Symbol.asyncDispose]();
  assert.deepEqual(world.leftovers(), []);
});
