import assert from "node:assert/strict";
import { scene } from "./admin_scene.ts";
import type { ControlNode } from "./control_support.ts";
import { until } from "./support.ts";

const bothUp = async (node: ControlNode) => (await node.up("to-hq")).length === 2;

Deno.test("show tunnel has state, peer and uptime of managed tunnels, those that are down, too", async () => {
  await using all = await scene(51);
  await until(() => bothUp(all.caller));
  const { text } = await all.isthmus("show", "tunnel", "-o", "wide");
  const [head, quiet, up] = text.split("\n").map((line) => line.trim().split(/ +/));
  const column = (row: string[], name: string) => row[head!.indexOf(name)];
  assert.deepEqual([column(up!, "NAME"), column(up!, "STATE"), column(up!, "PEER")], [
    "to-hq",
    "established",
    "hq",
  ]);
  assert.match(column(up!, "UPTIME")!, /^\d+s$/);
  assert.deepEqual([column(quiet!, "NAME"), column(quiet!, "STATE"), column(quiet!, "UPTIME")], [
    "quiet",
    "waiting",
    "-",
  ]);
  const details = (await all.isthmus("show", "tunnel", "name", "to-hq", "--details")).text;
  for (const key of ["host-name: hq", "retransmitted: 0", "window: ", "mode: persistent"]) {
    assert.ok(details.includes(key), `${key} in ${details}`);
  }
});

Deno.test("del ends sessions and tunnels with the result that it is given", async () => {
  await using all = await scene(53);
  await until(() => bothUp(all.caller));
  const heard = (message: string) =>
    all.called.events.find(({ ending }) => ending?.message === message);
  const session = ["del", "session", "tunnel", "to-hq", "name", "one", "--result", "3"];
  assert.deepEqual(await all.isthmus(...session, "--message", "enough"), { status: 0, text: "" });
  await until(() => heard("enough") !== undefined);
  assert.deepEqual([heard("enough")?.type, heard("enough")?.ending?.result], ["call-state", 3]);

  const tunnel = ["del", "tunnel", "to-hq", "result", "6", "message", "back at noon"];
  assert.deepEqual(await all.isthmus(...tunnel), { status: 0, text: "" });
  await until(() => heard("back at noon") !== undefined);
  assert.equal(heard("back at noon")?.ending?.result, 6);
  assert.ok(["closed", "stopping", "idle"].includes(
    (await all.caller.tunnel("to-hq"))!.control!.state,
  ));

  const refused = await all.isthmus("set", "tunnel", "name", "to-hq", "peer-tunnel-id", "5");
  assert.deepEqual(refused, {
    status: 1,
    text: "isthmus: peer-tunnel-id: its control connection decides on this; leave it out\n",
  });
  assert.deepEqual(await all.isthmus("del", "tunnel", "to-hq", "result", "70000"), {
    status: 1,
    text: `isthmus: result: got "70000"; expected a result code from 1 to 65535\n`,
  });
});

Deno.test("/v1/events tells of every state change with its reason", async () => {
  await using all = await scene(55);
  await until(() => bothUp(all.caller));
  const abort = new AbortController();
  const response = await fetch(`${all.server.url}/v1/events`, { signal: abort.signal });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  let text = "";
  const reading = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  await until(() => text.includes("\n\n"));
  await all.called.appliance.deleteTunnel(
    (await all.called.appliance.tunnels())[0]!.config.name,
    { result: 1, message: "for a test" },
  );
  await until(() => text.includes("connection-state"));
  const events = text.split("\n\n").filter((block) => block.includes("\ndata: "))
    .map((block) => JSON.parse(/^data: (.*)$/m.exec(block)![1]!));
  const calls = events.filter(({ type }) => type === "call-state");
  assert.deepEqual(calls.map(({ session, state, by }) => [session, state, by]), [
    ["one", "closed", "connection"],
    ["two", "closed", "connection"],
  ]);
  const ended = events.find(({ type }) => type === "connection-state");
  assert.deepEqual([ended.tunnel, ended.peer, ended.state, ended.by, ended.result, ended.message], [
    "to-hq",
    "hq",
    "closed",
    "peer",
    1,
    "for a test",
  ]);
  assert.equal(ended.reason, "ended by the peer: result 1: for a test");
  // The stream ends with the server, which does not wait for it.
  const started = performance.now();
  await all.server[Symbol.asyncDispose]();
  await reading;
  assert.ok(performance.now() - started < 1500);
});

Deno.test("/metrics and /v1/datapath count connections and refused control messages", async () => {
  await using all = await scene(57);
  await until(() => bothUp(all.caller));
  const metrics = await (await fetch(`${all.server.url}/metrics`)).text();
  assert.match(metrics, /^isthmus_connections\{state="established"\} 1$/m);
  assert.match(metrics, /^isthmus_drops_total\{reason="control-overload"\} 0$/m);
  for (const [, name, help] of metrics.matchAll(/^# HELP (\S+) (.*)$/gm)) {
    assert.match(help!, /^[A-Z0-9].*\.$/, name);
    assert.doesNotMatch(help!, /What the datapath counts as/, name);
  }
  for (const [, name, type] of metrics.matchAll(/^# TYPE (\S+) (.*)$/gm)) {
    assert.equal(name!.endsWith("_total"), type === "counter", name);
    assert.doesNotMatch(name!, /_(ms|millis|kb|kbit|minutes|percent|count)(_|$)/, name);
  }
  const tunnels = await (await fetch(`${all.server.url}/v1/tunnels?limit=1`)).json();
  assert.deepEqual([tunnels.tunnels[0].name, tunnels.next], ["quiet", "0.quiet"]);
  const rest = await (await fetch(`${all.server.url}/v1/tunnels?cursor=0.quiet`)).json();
  assert.deepEqual(rest.tunnels.map(({ name }: { name: string }) => name), ["to-hq"]);
});
