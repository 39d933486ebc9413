import assert from "node:assert/strict";
import type { KeepaliveConfig } from "../config/keepalive.ts";
import { farHost } from "../keepalive/testing.ts";
import {
  type Bench,
  config,
  onTap,
  refused,
  session,
  start,
  tunnel,
} from "../testing/appliance.ts";

const keepalive: KeepaliveConfig = { target: "10.0.0.2", intervalMs: 1000, lost: 3, restore: 2 };
const kept = (changes: Partial<KeepaliveConfig> = {}, more = {}) =>
  session(11, { ...onTap("office0"), keepalive: { ...keepalive, ...changes }, ...more });
const branch = (one = kept(), more = {}) => config([tunnel(1, { sessions: [one], ...more })]);
const path = "tunnels/tunnel-1/sessions/session-11";

const far = farHost("10.0.0.2");

/** Lets seconds pass, in which the far host answers or not. */
async function pass({ clock, datapath }: Bench, seconds: number, answers = true): Promise<void> {
  for (let ms = 0; ms < seconds * 1000; ms += 20) {
    await clock.advance(20);
    for (const { receive, sent } of datapath.insides.values()) {
      for (const frame of sent.splice(0)) {
        const answer = answers ? far(frame) : undefined;
        if (answer) receive([answer]);
      }
    }
  }
  await clock.advance(0);
}

const state = async ({ appliance }: Bench) => (await appliance.tunnel("1")).sessions[0]!;
const carrier = ({ system }: Bench) => system.devices.get("office0")?.carrier;
const begun = (first = branch()) => start(first, {});

Deno.test("the carrier waits for the first answer, falls when probes are lost, and comes back", async () => {
  await using bench = await begun();
  using events = bench.appliance.events();
  assert.equal(carrier(bench), false);
  assert.equal((await state(bench)).reason, "keepalive: waiting for 10.0.0.2 to answer");
  await pass(bench, 2);
  assert.deepEqual([carrier(bench), (await state(bench)).status], [true, "up"]);
  assert.deepEqual([...bench.appliance.down()], []);
  await pass(bench, 5, false);
  assert.equal(carrier(bench), false);
  const reason = "keepalive: no answer from 10.0.0.2";
  assert.equal((await state(bench)).reason, reason);
  assert.deepEqual([...bench.appliance.down()], [{ path, reason, since: 1_700_000_000_000 }]);
  assert.deepEqual((await bench.appliance.keepalives()).states, { waiting: 0, up: 0, lost: 1 });
  await pass(bench, 4);
  assert.equal(carrier(bench), true);
  const lines = bench.lines.filter((line) => line.includes(path));
  assert.deepEqual(
    lines.map((line) => /(warn|info).*carries (no|frames)/i.exec(line)?.slice(1)),
    [["info", "frames"], ["warn", "no"], ["info", "frames"]],
    "a line an edge",
  );
  const told = [];
  for (let i = 0; i < 3; i++) told.push(await events.next());
  assert.deepEqual(
    told.map((event) =>
      typeof event === "object" && event.type === "session-state" &&
      [event.session, event.state, event.reason]
    ),
    [["up", undefined], ["down", reason], ["up", undefined]].map((to) => ["session-11", ...to]),
  );
});

Deno.test("what it counts is seen, and goes on after the session is gone", async () => {
  await using bench = await begun();
  await pass(bench, 10);
  const { keepalive: seen } = await state(bench);
  assert.ok(seen!.sent >= 9 && seen!.sent <= 12, `${seen!.sent}`);
  assert.ok(seen!.answered >= seen!.sent - 1);
  assert.match(seen!.mac, /^[0-9a-f][26ae]:/);
  await bench.appliance.deleteSession("1", "11");
  assert.deepEqual((await bench.appliance.keepalives()).states, { waiting: 0, up: 0, lost: 0 });
  await pass(bench, 3);
  assert.equal((await bench.appliance.keepalives()).counts.sent, seen!.sent);
  assert.equal(bench.datapath.insides.size, 0);
});

Deno.test("a reload adds, changes and takes away a keepalive, and restarts nothing", async () => {
  const plain = session(11, onTap("office0"));
  await using bench = await begun(branch(plain));
  const [port] = bench.datapath.sessions.keys();
  const unharmed = () => assert.deepEqual([...bench.datapath.sessions.keys()], [port]);
  const reload = async (next: typeof plain) => {
    bench.file = branch(next);
    const { steps } = await bench.appliance.reload();
    assert.deepEqual(steps, [{ path, step: "changed", why: "keepalive" }]);
    unharmed();
  };
  await reload(kept());
  assert.equal(carrier(bench), true, "up until it is known better");
  await pass(bench, 5, false);
  assert.equal(carrier(bench), false);
  await reload(kept({ lost: 5, intervalMs: 200, source: "10.0.0.9" }));
  assert.equal(carrier(bench), false, "it is still lost");
  const [inside] = bench.datapath.insides.values();
  assert.deepEqual(inside!.host.v4, Uint8Array.of(10, 0, 0, 9));
  await pass(bench, 1);
  assert.equal(carrier(bench), true);
  await pass(bench, 2, false);
  assert.equal(carrier(bench), false);
  await reload(plain);
  assert.deepEqual([carrier(bench), bench.datapath.insides.size], [true, 0]);
  await reload(kept());
  bench.file = config([tunnel(1)]);
  await bench.appliance.reload();
  assert.deepEqual((await bench.appliance.keepalives()).states, { waiting: 0, up: 0, lost: 0 });
});

Deno.test("a session that is down for another reason waits for the first answer, too", async () => {
  await using bench = await begun(branch(session(11)));
  bench.file = branch(session(11, { keepalive }));
  await bench.appliance.reload();
  assert.equal((await state(bench)).keepalive!.state, "waiting");
  await pass(bench, 2);
  const { keepalive: seen, reason } = await state(bench);
  assert.deepEqual([seen!.state, reason], ["up", "no circuit"]);
});

Deno.test("an interval that gets shorter counts at once", async () => {
  await using bench = await begun(branch(kept({ intervalMs: 3_600_000 })));
  bench.file = branch(kept({ intervalMs: 500 }));
  await bench.appliance.reload();
  await pass(bench, 2);
  assert.equal(carrier(bench), true);
});

Deno.test("a tunnel that is pointed elsewhere keeps its sessions' keepalives", async () => {
  await using bench = await begun();
  await pass(bench, 2);
  bench.file = branch(kept(), { remote: { address: "10.77.0.3", port: 1701 } });
  await bench.appliance.reload();
  assert.equal(carrier(bench), true);
  bench.file = branch(kept({}, { peerSessionId: 99 }));
  await bench.appliance.reload();
  assert.deepEqual([carrier(bench), bench.datapath.insides.size], [true, 1]);
  const [inside] = bench.datapath.insides.values();
  assert.ok(bench.datapath.sessions.has(inside!.session), "its probe is inside the new port");
  await pass(bench, 5, false);
  assert.equal(carrier(bench), false);
});

Deno.test("a keepalive comes and goes with a change that needs the session anew", async () => {
  await using bench = await begun(branch(session(11, onTap("office0"))));
  for (const refuse of [true, false]) {
    bench.file = branch(kept({}, { peerSessionId: 99 }));
    if (refuse) {
      bench.datapath.refuse = { method: "crossConnect", code: "limit" };
      await refused(bench, {}, () => bench.appliance.reload());
      assert.deepEqual([carrier(bench), bench.datapath.insides.size], [true, 0]);
    } else await bench.appliance.reload();
  }
  await pass(bench, 2);
  assert.deepEqual([carrier(bench), bench.datapath.insides.size], [true, 1]);
  bench.file = branch(kept({ source: "10.0.0.9" }, { peerSessionId: 98 }));
  bench.datapath.refuse = { method: "crossConnect", code: "limit" };
  await refused(bench, {}, () => bench.appliance.reload());
  const [inside] = bench.datapath.insides.values();
  assert.equal(inside!.host.v4, undefined, "as it was before");
  for (const refuse of [true, false]) {
    bench.file = branch(session(11, onTap("office0")));
    if (refuse) {
      bench.datapath.refuse = { method: "crossConnect", code: "limit" };
      await refused(bench, {}, () => bench.appliance.reload());
      await pass(bench, 2);
      assert.deepEqual([carrier(bench), bench.datapath.insides.size], [true, 1]);
      assert.equal((await bench.appliance.keepalives()).states.up, 1);
    } else await bench.appliance.reload();
  }
  assert.deepEqual([carrier(bench), bench.datapath.insides.size], [true, 0]);
  assert.deepEqual((await bench.appliance.keepalives()).states, { waiting: 0, up: 0, lost: 0 });
});

Deno.test("a circuit that comes late finds its session as the keepalive says", async () => {
  await using bench = await start(branch(), { devices: ["office0"] });
  assert.match((await state(bench)).reason!, /office0/);
  assert.deepEqual([...bench.appliance.down()].map((each) => each.path), [path], "listed once");
  await pass(bench, 0.5);
  bench.system.free("office0");
  await pass(bench, 3);
  assert.equal(carrier(bench), true);
  bench.file = branch(kept({}, onTap("office1")));
  await pass(bench, 5, false);
  await bench.appliance.reload();
  assert.equal(bench.system.devices.get("office1")?.carrier, false);
  assert.deepEqual([...bench.appliance.down()].map((each) => each.path), [path], "listed once");
});

Deno.test("what cannot be carried out changes nothing, and leaves nothing behind", async () => {
  await using bench = await begun(branch(session(11, onTap("office0"))));
  bench.datapath.refuse = { method: "addInside", code: "limit" };
  bench.file = branch(kept());
  await refused(bench, {}, () => bench.appliance.reload());
  assert.equal(bench.datapath.insides.size, 0);
  bench.datapath.refuse = { method: "addInside", code: "limit" };
  await refused(bench, {}, () => bench.appliance.createSession("1", session(12, { keepalive })));
  assert.deepEqual((await bench.appliance.keepalives()).states, { waiting: 0, up: 0, lost: 0 });
  await bench.appliance.reload();
  await pass(bench, 2);
  bench.datapath.refuse = { method: "addInside", code: "limit" };
  bench.file = branch(kept({ source: "10.0.0.9" }));
  await refused(bench, {}, () => bench.appliance.reload());
  assert.equal(carrier(bench), true);
});
