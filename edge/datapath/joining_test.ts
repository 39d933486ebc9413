import assert from "node:assert/strict";
import {
  addTunnel,
  collectAt,
  frameOf,
  numberOf,
  sessionSpec,
  sleep,
  startLcce,
} from "./testing.ts";

Deno.test("a port that is held and joined amid its traffic loses no frame and turns none round", async () => {
  await using west = await startLcce();
  await using middle = await startLcce();
  await using east = await startLcce();
  const session = async (from: typeof west, to: typeof west, id: number) =>
    await from.datapath.addSession(await addTunnel(from, to, id), sessionSpec(id));
  const toWest = await session(middle, west, 21);
  const toEast = await session(middle, east, 22);
  const hostWest = await collectAt(west.datapath, await session(west, middle, 21));
  const hostEast = await collectAt(east.datapath, await session(east, middle, 22));
  const here: number[] = [];
  const receiver = await middle.datapath.addReceiver(toWest, "ethernet", (batch) => {
    here.push(...batch.map(numberOf));
  });

  let next = 0;
  let flowing = true;
  const flow = (async () => {
    while (flowing) {
      const frames = Array.from({ length: 8 }, () => frameOf(next++, 200));
      assert.ok(west.datapath.inject(hostWest.port, frames));
      await sleep(1);
    }
  })();
  for (let round = 0; round < 3; round++) {
    await sleep(20);
    await middle.datapath.hold(toWest, 1024);
    await sleep(20);
    await middle.datapath.crossConnect(toWest, toEast);
    await sleep(20);
    await middle.datapath.disconnect(toWest);
  }
  await sleep(20);
  flowing = false;
  await flow;
  await sleep(100);
  const there = hostEast.frames.map(numberOf);
  assert.ok(here.length > 0 && there.length > 0);
  const inOrder = (numbers: number[]) => numbers.every((n, i) => i === 0 || n > numbers[i - 1]!);
  assert.ok(inOrder(here) && inOrder(there));
  assert.deepEqual(
    [...here, ...there].sort((a, b) => a - b),
    Array.from({ length: next }, (_, i) => i),
  );
  await middle.datapath.removePort(receiver);
});

Deno.test("what is sent by a receiver leaves by its port, also while that is joined", async () => {
  await using west = await startLcce();
  await using middle = await startLcce();
  const port = await middle.datapath.addSession(await addTunnel(middle, west, 21), sessionSpec(21));
  const other = await middle.datapath.addSession(
    await addTunnel(middle, west, 22),
    sessionSpec(22),
  );
  const host = await collectAt(
    west.datapath,
    await west.datapath.addSession(await addTunnel(west, middle, 21), sessionSpec(21)),
  );
  const receiver = await middle.datapath.addReceiver(port, "ethernet", () => {});
  await middle.datapath.crossConnect(port, other);
  assert.ok(middle.datapath.inject(receiver, [frameOf(7, 64)]));
  await host.received(1);
  await assert.rejects(middle.datapath.addReceiver(port, "ppp", () => {}), {
    code: "frame-type-mismatch",
  });
  await assert.rejects(
    middle.datapath.forwarders.add("switch", [], { macTableSize: 1 }, () => {}),
    {
      code: "invalid",
    },
  );
});
