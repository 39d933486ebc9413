/** An endpoint on TCP with a token, asked by schemathesis. */

import assert from "node:assert/strict";
import { adminToken, spawnIsthmus } from "../appliance/process.ts";
import { freePort, loopback, until as soon } from "../appliance/support.ts";
import { missing } from "./support/programs.ts";
import { findNothing } from "./support/schemathesis.ts";
import { say } from "./support/suite.ts";

const lacking = missing(["schemathesis"]);
if (lacking.length > 0) say(`SKIPPED schemathesis_test.ts: ${lacking.join(", ")}`);

Deno.test({
  name: "schemathesis finds no answer that /openapi.json does not promise",
  ignore: lacking.length > 0,
  async fn() {
    const near = loopback(191);
    const admin = `${near}:${freePort(near)}`;
    const folder = await Deno.makeTempDir();
    const file = `${folder}/isthmus.yaml`;
    await Deno.writeTextFile(
      file,
      `listen: [{ udp: "${near}:1701" }]
admin: { listen: "${admin}", token: ${adminToken} }
peers: { hq: { proto-version: 3, accept: [{ circuit: { sink: {} } }] } }
tunnels:
  branch:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    local: ${near}
    remote: ${loopback(192)}
    sessions: { s: { session-id: 1, peer-session-id: 2, circuit: { sink: {} } } }
`,
    );
    try {
      await using process = spawnIsthmus(file, admin);
      await soon(() => process.log().includes("running"));
      await findNothing({ at: admin, token: adminToken });
      assert.ok(!process.log().includes("a request failed"), process.log());
      process.child.kill("SIGTERM");
      assert.equal((await process.child.status).code, 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
