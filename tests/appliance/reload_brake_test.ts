/** What keeps a reload from tearing down what nobody meant to end. */

import assert from "node:assert/strict";
import { ConfigError } from "../../edge/config/mod.ts";
import { startControlNode } from "./control_support.ts";
import { loopback, until } from "./support.ts";

const statics = (names: readonly string[]) =>
  names.map((name, i) => `
  ${name}:
    static: { tunnel-id: ${i + 1}, peer-tunnel-id: ${i + 101} }
    remote: 127.0.0.2
    sessions: { s: { session-id: ${i + 1}, peer-session-id: 1 } }`).join("");

/** A file of some static tunnels, and more. */
const file = (at: string, names: readonly string[], more = "") =>
  `listen: [{ udp: "${at}:1701" }]\n${more}tunnels:${names.length > 0 ? statics(names) : " {}"}\n`;

const names = async (
  node: { appliance: { tunnels(): Promise<readonly { config: { name: string } }[]> } },
) => (await node.appliance.tunnels()).map(({ config }) => config.name).sort();

Deno.test("a file that would end more than half of what is up needs to be forced", async () => {
  const at = loopback(171);
  await using node = await startControlNode(file(at, ["a", "b", "c"]));
  node.text = file(at, ["a"]);
  await assert.rejects(node.appliance.reload({ brake: true }), {
    code: "needs-force",
    message: /end 4 of the 6 tunnels and sessions/,
  });
  assert.deepEqual(await names(node), ["a", "b", "c"]);
  node.text = file(at, ["a", "b"]);
  const { steps } = await node.appliance.reload({ brake: true });
  assert.deepEqual(steps.map(({ path, step }) => `${step} ${path}`), [
    "removed tunnels/c",
    "removed tunnels/c/sessions/s",
  ]);
  node.text = file(at, []);
  await node.appliance.reload({ brake: false });
  assert.deepEqual(await names(node), []);
});

Deno.test("an empty file is an error, whatever it has comments of", async () => {
  const at = loopback(173);
  await using node = await startControlNode(file(at, ["a"]));
  for (const text of ["", "\n\n", "# all of it gone\n", "---\n", "--- # x\n...\n"]) {
    node.text = text;
    await assert.rejects(node.appliance.reload(), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(
        error.message,
        /^test\.yaml:1:1: the file is empty; expected a configuration, or \{\}/,
      );
      return true;
    });
  }
  assert.deepEqual(await names(node), ["a"]);
});

Deno.test("no beginning of a file tears down what runs", async () => {
  const at = loopback(175);
  const all = Array.from({ length: 8 }, (_, i) => `t${i}`);
  const whole = file(at, all);
  await using node = await startControlNode(whole);
  let [valid, refused] = [0, 0];
  for (let length = 0; length < whole.length; length += 7) {
    node.text = whole.slice(0, length);
    await node.appliance.reload({ brake: true }).then(() => valid++, () => refused++);
    const there = await names(node);
    assert.ok(there.length >= 4, `${length} characters left ${there}`);
    node.text = whole;
    await node.appliance.reload({ brake: true });
  }
  assert.ok(valid > 0 && refused > valid, `${valid} were carried out, ${refused} refused`);
});

Deno.test("a dry run says the steps that are made then, and makes none", async () => {
  const at = loopback(177);
  await using node = await startControlNode(
    file(at, ["a", "b", "c"], "peers: { hq: {}, gone: {} }\nlog: { level: info }\n"),
  );
  const changed = file(
    at,
    ["a", "b", "d"],
    "peers: { hq: { hello: 9 }, new: {} }\nlog: { level: debug }\n",
  ).replace("peer-tunnel-id: 101", "peer-tunnel-id: 111").replace(
    "session-id: 2,",
    "session-id: 22,",
  );
  node.text = changed;
  const before = await names(node);
  const dry = await node.appliance.reload({ dryRun: true });
  assert.deepEqual(await names(node), before);
  const real = await node.appliance.reload();
  const sorted = ({ steps }: typeof real) => steps.map((step) => JSON.stringify(step)).sort();
  assert.deepEqual(sorted(dry), sorted(real));
  assert.equal(dry.kept, real.kept);
  assert.ok(real.steps.length >= 7, JSON.stringify(real.steps));
  assert.deepEqual((await node.appliance.reload({ dryRun: true })).steps, []);
});

Deno.test("a reload to be confirmed is undone in time, with what it ended; confirmed it stays", async () => {
  const at = loopback(179);
  const [first, second] = [file(at, ["a", "b"]), file(at, ["b", "c"])];
  await using node = await startControlNode(first);
  node.text = second;
  await node.appliance.reload({ confirmMs: 300 });
  assert.deepEqual(await names(node), ["b", "c"]);
  // Whoever tries again in between does not make what he tries the thing to go back to.
  node.text = file(at, ["b"]);
  await node.appliance.reload({ confirmMs: 300 });
  await until(async () => (await names(node)).join() === "a,b");
  assert.ok(node.lines.some((line) => line.includes("not confirmed")));
  assert.equal(node.appliance.confirmReload(), false);
  node.text = second;
  await node.appliance.reload({ confirmMs: 300 });
  assert.equal(node.appliance.confirmReload(), true);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(await names(node), ["b", "c"]);
  node.text = first;
  await node.appliance.reload({ confirmMs: 300 });
  await node.appliance.reload();
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(await names(node), ["a", "b"]);
});

Deno.test("calls of a peer's accept list count where they would end", async () => {
  const [near, far] = [loopback(181), loopback(182)];
  const called = (accept: string) => `
listen: [{ udp: "${far}:1701" }]
host-name: hq
peers: { branch: { proto-version: 3, accept: [${accept}] } }
`;
  await using hq = await startControlNode(called(`{ name: "*", circuit: { sink: {} } }`));
  await using _branch = await startControlNode(`
listen: [{ udp: "${near}:1701" }]
host-name: branch
peers: { hq: { proto-version: 3 } }
tunnels:
  to-hq:
    peer: hq
    local: ${near}:1701
    remote: ${far}:1701
    sessions: { one: { circuit: { sink: {} } }, two: { circuit: { sink: {} } } }
`);
  await until(async () => (await hq.appliance.tunnels())[0]?.sessions.length === 2);
  hq.text = called(`{ name: "nobody", circuit: { sink: {} } }`);
  await assert.rejects(hq.appliance.reload({ brake: true }), /end 2 of the 3/);
  hq.text = called(`{ name: "*", l2spec-type: none, circuit: { sink: {} } }`);
  await assert.rejects(hq.appliance.reload({ brake: true }), /end 2 of the 3/);
  hq.text = called("").replace("branch:", "other:");
  await assert.rejects(hq.appliance.reload({ brake: true }), /end 3 of the 3/);
});

Deno.test("what became of reloads is known; dry runs do not count", async () => {
  const at = loopback(185);
  await using node = await startControlNode(file(at, ["a"]));
  const { at: began } = node.appliance.lastReload();
  node.text = "";
  await assert.rejects(node.appliance.reload({ dryRun: true }));
  assert.deepEqual(node.appliance.lastReload(), { at: began, failed: false, failures: 0 });
  await assert.rejects(node.appliance.reload());
  assert.deepEqual(node.appliance.lastReload(), { at: began, failed: true, failures: 1 });
  node.text = file(at, ["a"]);
  await node.appliance.reload();
  const { at: now, failed, failures } = node.appliance.lastReload();
  assert.ok(now >= began);
  assert.deepEqual([failed, failures], [false, 1]);
});
