import assert from "node:assert/strict";
import { makeWorld, settle } from "../../plugins/testing/world.ts";
import { HOOK_MS, makeHooks, MAX_RUNNING, MAX_WAITING } from "./hooks.ts";
import { spawnHook } from "./spawn.ts";

function bench() {
  const world = makeWorld();
  const started: { command: readonly string[]; environment: Record<string, string> }[] = [];
  const ends: PromiseWithResolvers<{ success: boolean; code: number }>[] = [];
  let killed = 0;
  const hooks = makeHooks({
    clock: world.leaves.clock,
    log: world.leaves.log,
    spawn(command, environment) {
      if (command[0] === "/missing") throw new Error("no such file");
      started.push({ command, environment });
      const end = Promise.withResolvers<{ success: boolean; code: number }>();
      ends.push(end);
      return {
        status: end.promise,
        kill() {
          killed++;
          end.resolve({ success: false, code: 137 });
        },
      };
    },
  });
  hooks.configure({ "session-up": ["/etc/up", "now"], "session-down": ["/missing"] });
  return { ends, hooks, killed: () => killed, started, world };
}

Deno.test("a hook's command gets its event, and what it says, and nobody waits for it", async () => {
  const { ends, hooks, started } = bench();
  hooks.run("session-up", () => ({
    SESSION: "office",
    IFNAME: "tap0\0x",
    ISTHMUS_LINK: "1",
    LD_PRELOAD: "/x",
    PATH: "/x",
  }));
  hooks.run("tunnel-up", () => assert.fail("nothing runs for it, so nobody asks"));
  assert.deepEqual(started, [{
    command: ["/etc/up", "now"],
    environment: {
      ISTHMUS_EVENT: "session-up",
      SESSION: "office",
      ISTHMUS_SESSION: "office",
      IFNAME: "tap0x",
      ISTHMUS_IFNAME: "tap0x",
      ISTHMUS_LINK: "1",
      ISTHMUS_LD_PRELOAD: "/x",
      ISTHMUS_PATH: "/x",
    },
  }]);
  ends[0]!.resolve({ success: true, code: 0 });
  await settle();
  assert.deepEqual({ ...hooks.counts }, { succeeded: 1, failed: 0, "timed-out": 0, dropped: 0 });
  hooks[Symbol.dispose]();
});

Deno.test("few hooks run at a time, many wait in order, and the rest is dropped and counted", async () => {
  const { ends, hooks, started, world } = bench();
  for (let n = 0; n < MAX_RUNNING + MAX_WAITING + 10; n++) {
    hooks.run("session-up", () => ({ N: String(n) }));
  }
  assert.equal(started.length, MAX_RUNNING);
  assert.equal(hooks.counts.dropped, 10);
  assert.equal(world.lines.filter(({ message }) => message.includes("dropped")).length, 1);
  ends[3]!.resolve({ success: true, code: 0 });
  await settle();
  assert.equal(started.length, MAX_RUNNING + 1);
  assert.equal(started.at(-1)!.environment["ISTHMUS_N"], String(MAX_RUNNING));
  hooks[Symbol.dispose]();
});

Deno.test("a hook that fails, hangs or is not there is logged and counted, and the next one runs", async () => {
  const { ends, hooks, killed, world } = bench();
  hooks.run("session-down", () => ({}));
  hooks.run("session-up", () => ({}));
  hooks.run("session-up", () => ({}));
  ends[0]!.resolve({ success: false, code: 3 });
  await world.advance(HOOK_MS - 1);
  assert.equal(killed(), 0);
  await world.advance(1);
  await settle();
  assert.equal(killed(), 1);
  assert.deepEqual({ ...hooks.counts }, { succeeded: 0, failed: 2, "timed-out": 1, dropped: 0 });
  assert.deepEqual(world.lines.map(({ fields }) => fields["reason"]), [
    "no such file",
    "exit status 3",
    "it was ended after 30 s",
  ]);
  assert.deepEqual(world.leftovers(), []);
  hooks[Symbol.dispose]();
});

Deno.test("hooks that run when the appliance stops are ended, and no more begin", () => {
  const { hooks, killed, started } = bench();
  hooks.run("session-up", () => ({}));
  hooks[Symbol.dispose]();
  hooks.run("session-up", () => ({}));
  assert.deepEqual([killed(), started.length], [1, 1]);
});

Deno.test("spawnHook() gives a command its variables, a PATH and nothing of our environment", async () => {
  Deno.env.set("ISTHMUS_TEST_SECRET", "hush");
  const file = await Deno.makeTempFile();
  try {
    const hook = spawnHook(["/bin/sh", "-c", `env > ${file}; pwd >> ${file}; exit 5`], {
      ISTHMUS_EVENT: "session-up",
    });
    assert.deepEqual(await hook.status.then(({ code, success }) => [code, success]), [5, false]);
    const text = await Deno.readTextFile(file);
    assert.match(text, /^ISTHMUS_EVENT=session-up$/m);
    assert.match(text, /^PATH=/m);
    assert.match(text, /^\/$/m);
    assert.ok(!text.includes("hush"));
  } finally {
    Deno.env.delete("ISTHMUS_TEST_SECRET");
    await Deno.remove(file);
  }
});
