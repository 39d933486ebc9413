/** The admin endpoint of an appliance with something of every plugin, judged by programs that nobody here wrote. */

import assert from "node:assert/strict";
import { checkedFetch } from "../../edge/admin/promised.ts";
import type { Appliance } from "./support/appliance.ts";
import { needs, startEverything } from "./support/everything.ts";
import { run } from "./support/process.ts";
import { findNothing } from "./support/schemathesis.ts";
import { suite } from "./support/suite.ts";

const { test } = suite<Appliance>(
  import.meta.url,
  [...needs, "promtool", "schemathesis"],
  startEverything,
);

/** What the endpoint says, in whatever form. */
async function ask({ adminSocket }: Appliance, path: string): Promise<string> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: adminSocket } });
  return await (await checkedFetch(`http://localhost${path}`, { client })).text();
}

test("promtool has nothing to say of the metrics of every plugin", async (appliance) => {
  const metrics = await ask(appliance, "/metrics");
  for (const plugin of ["ppp", "pppoe"]) {
    assert.match(metrics, new RegExp(`^isthmus_${plugin}_`, "m"), plugin);
  }
  const checked = await run(["promtool", "check", "metrics"], { stdin: metrics });
  assert.equal(checked.stdout + checked.stderr, "");
  assert.equal(checked.code, 0);
});

test("every list and every thing in it is as it is described", async (appliance) => {
  for (const list of ["circuits", "views", "words", "peers", "down", "failures", "datapath"]) {
    await ask(appliance, `/v1/${list}`);
  }
  const { sessions } = await appliance.get<{ sessions: { tunnel: string; name: string }[] }>(
    "/v1/sessions",
  );
  for (const { name, tunnel } of sessions) {
    await ask(appliance, `/v1/tunnels/${tunnel}/sessions/${name}`);
  }
  const { tunnels } = await appliance.get<{ tunnels: { name: string }[] }>("/v1/tunnels");
  for (const { name } of tunnels) await ask(appliance, `/v1/tunnels/${name}`);
  const { views } = await appliance.get<{ views: { name: string }[] }>("/v1/views");
  for (const { name } of views) {
    const { rows } = await appliance.get<{ rows: unknown[] }>(`/v1/views/${name}`);
    assert.ok(Array.isArray(rows));
  }
  const { peers } = await appliance.get<{ peers: { name: string }[] }>("/v1/peers");
  for (const { name } of peers) await ask(appliance, `/v1/peers/${name}`);
});

test("schemathesis finds no answer of any plugin that is not promised", async (appliance) => {
  await findNothing({ socket: appliance.adminSocket });
  assert.equal(appliance.process.exitCode(), undefined, await appliance.process.log());
  assert.doesNotMatch(await appliance.process.log(), /a request failed/);
});
