import assert from "node:assert/strict";
import { makeQueues } from "./queue.ts";

/** Work that notes its begin and end, and ends when told to. */
function recorder() {
  const events: string[] = [];
  const gates = new Map<string, () => void>();
  const work = (name: string) => async () => {
    events.push(`+${name}`);
    await new Promise<void>((resolve) => gates.set(name, resolve));
    events.push(`-${name}`);
    return name;
  };
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  const end = async (name: string) => {
    await turn();
    gates.get(name)!();
    await turn();
  };
  return { end, events, turn, work };
}

Deno.test("run() keeps the order within a key, and lets keys run side by side", async () => {
  const { end, events, work } = recorder();
  const queues = makeQueues();
  const all = [
    queues.run("a", work("a1")),
    queues.run("a", work("a2")),
    queues.run("b", work("b1")),
  ];
  await end("a1");
  await end("b1");
  await end("a2");
  assert.deepEqual(await Promise.all(all), ["a1", "a2", "b1"]);
  assert.deepEqual(events, ["+a1", "+b1", "-a1", "+a2", "-b1", "-a2"]);
});

Deno.test("exclusive() waits for all before it, and all after it wait", async () => {
  const { end, events, work } = recorder();
  const queues = makeQueues();
  void queues.run("a", work("a1"));
  void queues.run("b", work("b1"));
  void queues.exclusive(work("x"));
  void queues.run("a", work("a2"));
  void queues.exclusive(work("y"));
  for (const name of ["b1", "a1", "x", "a2", "y"]) await end(name);
  assert.deepEqual(events, ["+a1", "+b1", "-b1", "-a1", "+x", "-x", "+a2", "-a2", "+y", "-y"]);
});

Deno.test("failures pass to their caller and hold nothing up", async () => {
  const queues = makeQueues();
  const failing = () => Promise.reject(new Error("no"));
  const one = queues.run("a", failing);
  const two = queues.exclusive(failing);
  const three = queues.run("a", () => Promise.resolve(3));
  await assert.rejects(one, /no/);
  await assert.rejects(two, /no/);
  assert.equal(await three, 3);
});
