/** Everything that the file can say is changed by API and command line while it runs, put back by a reload, or saved. */

import assert from "node:assert/strict";
import { scene } from "./admin_scene.ts";
import { until } from "./support.ts";

const ok = { status: 0, text: "" };

Deno.test("set peer changes a living tunnel's peer in place, and a reload puts it back and says so", async () => {
  await using all = await scene(61);
  await until(async () => (await all.caller.up("to-hq")).length === 2);
  const before = await all.caller.tunnel("to-hq");
  assert.deepEqual(await all.isthmus("set", "peer", "hq", "hello", "7", "tunnel-limit", "3"), ok);
  const peer = () => all.caller.appliance.config().peers[0]!;
  assert.deepEqual([peer().settings.helloMs, peer().tunnelLimit], [7000, 3]);
  assert.match(
    (await all.isthmus("show", "peer")).text,
    /^PEER +VERSION +ADDRESS +UP +DOWN +SESSIONS +REASON\nhq +3 +any +1 +1 +2 +-\n$/,
  );
  for (const which of ["hq", "--details"]) {
    assert.match((await all.isthmus("show", "peer", which)).text, /^name: hq\n[^]*hello: 7/);
  }
  const reload = await all.isthmus("reload");
  assert.match(reload.text, /peers\/hq.*puts back what a request changed/);
  assert.deepEqual([peer().settings.helloMs, peer().tunnelLimit], [60_000, 100]);
  const after = await all.caller.tunnel("to-hq");
  assert.equal(after!.config.tunnelId, before!.config.tunnelId, "the same tunnel all the while");
  assert.equal((await all.caller.up("to-hq")).length, 2);
});

Deno.test("add peer, tunnel and session bring a tunnel up with a call, which outlive a reload and are saved", async () => {
  await using all = await scene(63);
  await until(async () => (await all.caller.up("to-hq")).length === 2);
  const { local, remote } = (await all.caller.tunnel("to-hq"))!.config;
  const port = String(remote.port);
  for (
    const words of [
      ["add", "peer", "name", "second", "hello", "9"],
      ["add", "tunnel", "name", "more", "peer", "second", "local", `${local.address}:0`],
      ["add", "session", "tunnel", "more", "name", "three", "circuit", "sink"],
    ]
  ) {
    if (words[1] === "tunnel") words.push("remote", `${remote.address}:${port}`);
    assert.deepEqual(await all.isthmus(...words), ok, words.join(" "));
  }
  await until(async () => (await all.caller.up("more")).includes("three"));
  await all.isthmus("reload");
  assert.deepEqual(await all.caller.up("more"), ["three"], "what the file does not have stays");

  all.caller.text = "# Ours.\n" + all.caller.text;
  await all.isthmus("reload");
  assert.deepEqual(await all.isthmus("save"), ok);
  const { text } = all.caller;
  assert.match(text, /^# Ours\./);
  assert.match(text, /second: \{ hello: 9 \}/);
  const report = await all.caller.appliance.reload();
  assert.deepEqual(report.steps, [], "the file says what is in force");
  assert.deepEqual(await all.caller.up("more"), ["three"]);

  for (const words of ["session tunnel more name three", "tunnel more", "peer second"]) {
    // What the file has is only put back by a reload: it is taken out of it too.
    const del = await all.isthmus("del", ...words.split(" "));
    assert.equal(del.status, words.startsWith("peer") ? 1 : 0, `${words}: ${del.text}`);
  }
});

Deno.test("what a request added is gone when a request deletes it", async () => {
  await using all = await scene(65);
  assert.deepEqual(await all.isthmus("add", "peer", "name", "second"), ok);
  assert.deepEqual(
    await all.isthmus("add", "tunnel", "name", "more", "peer", "second", "mode", "passive"),
    ok,
  );
  const taken = await all.isthmus("add", "peer", "name", "second");
  assert.deepEqual([taken.status, /there is a peer second already/.test(taken.text)], [1, true]);
  const used = await all.isthmus("del", "peer", "second");
  assert.equal(used.status, 1);
  assert.match(used.text, /tunnels\.more\.peer: no such peer/);
  assert.deepEqual(await all.isthmus("del", "tunnel", "more"), ok);
  assert.deepEqual(await all.isthmus("del", "peer", "second"), ok);
  assert.equal((await all.isthmus("del", "peer", "second")).status, 1);
  assert.equal(await all.caller.tunnel("more"), undefined);
});

Deno.test("a change that would be wrong changes nothing, and names the key", async () => {
  await using all = await scene(67);
  await until(async () => (await all.caller.up("to-hq")).length === 2);
  const wrong = await all.isthmus("set", "peer", "hq", "hello", "0.5");
  assert.equal(wrong.status, 2);
  const request = (body: unknown) =>
    fetch(`${all.server.url}/v1/peers/hq`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const response = await request({ hello: 0.5, helo: 3 });
  assert.equal(response.status, 422);
  const { errors } = await response.json();
  assert.deepEqual(errors.map(({ attribute }: { attribute: string }) => attribute), [
    "hello",
    "helo",
  ]);
  assert.equal(all.caller.appliance.config().peers[0]!.settings.helloMs, 60_000);
  assert.equal((await all.caller.up("to-hq")).length, 2);
});

Deno.test("PATCH /v1/config changes anything by a merge patch, and null takes it out", async () => {
  await using all = await scene(69);
  await until(async () => (await all.caller.up("to-hq")).length === 2);
  const patch = async (body: unknown) => {
    const response = await fetch(`${all.server.url}/v1/config`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()).steps as { path: string; step: string }[];
  };
  const steps = await patch({
    log: { level: "debug" },
    tunnels: { "to-hq": { sessions: { two: null, four: { circuit: { sink: {} } } } } },
  });
  assert.deepEqual(steps.map(({ path, step }) => `${step} ${path}`).sort(), [
    "added tunnels/to-hq/sessions/four",
    "changed log",
    "removed tunnels/to-hq/sessions/two",
  ]);
  await until(async () => (await all.caller.up("to-hq")).join() === "four,one");
  await patch({ log: null });
  assert.equal(all.caller.appliance.config().log.level, "info");
});

Deno.test("static tunnels that requests made and changed stay with other changes, and are saved", async () => {
  await using all = await scene(71);
  const add = "add tunnel name fixed tunnel-id 77 peer-tunnel-id 78 local 127.0.0.1 udp-sport 0 " +
    "remote 127.0.0.1 udp-dport 1999";
  const added = await all.isthmus(...add.replace("udp-sport 0 ", "udp-sport 19777 ").split(" "));
  assert.deepEqual(added, ok);
  const session = "add session tunnel fixed name s session-id 5 peer-session-id 6 circuit sink";
  assert.deepEqual(await all.isthmus(...session.split(" ")), ok);
  assert.deepEqual(await all.isthmus("set", "peer", "hq", "hello", "8"), ok);
  assert.equal((await all.caller.tunnel("fixed"))!.sessions.length, 1);
  assert.deepEqual(await all.isthmus("save"), ok);
  assert.deepEqual((await all.caller.appliance.reload()).steps, []);
  assert.deepEqual(
    await all.isthmus(..."set session tunnel fixed name s seq both".split(" ")),
    ok,
  );
  assert.deepEqual(await all.isthmus("set", "peer", "hq", "hello", "9"), ok);
  assert.equal((await all.caller.tunnel("fixed"))!.sessions[0]!.config.sendSeq, true);
  const report = await all.isthmus("reload");
  assert.match(report.text, /tunnels\/fixed\/sessions\/s.*puts back what a request changed/);
  assert.equal((await all.caller.tunnel("fixed"))!.sessions[0]!.config.sendSeq, false);
});
