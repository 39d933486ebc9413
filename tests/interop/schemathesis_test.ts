/** Requests made from the API's own description, by a program that nobody here wrote. */

import assert from "node:assert/strict";
import { adminToken, spawnIsthmus } from "../appliance/process.ts";
import { freePort, loopback, until as soon } from "../appliance/support.ts";
import { run } from "./support/process.ts";
import { missing } from "./support/programs.ts";
import { say } from "./support/suite.ts";

const lacking = missing(["schemathesis"]);
if (lacking.length > 0) say(`SKIPPED schemathesis_test.ts: ${lacking.join(", ")}`);

/** How long requests are made, in seconds. */
const SECONDS = Deno.env.get("ISTHMUS_SCHEMATHESIS_SECONDS") ?? "10";

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
      const { code, stderr, stdout } = await run([
        // It leaves a folder where it is started.
        ...["sh", "-c", 'cd "$0" && exec "$@"', folder],
        ...["schemathesis", "run", `http://${admin}/openapi.json`, "--max-time", SECONDS],
        ...["-H", `Authorization: Bearer ${adminToken}`],
        // Streams have no end; and what fits the schema may still clash with what there is.
        ...["--exclude-path-regex", "/v1/(events|trace)"],
        ...["--exclude-checks", "positive_data_acceptance"],
      ], { timeoutMs: 300_000 });
      assert.equal(code, 0, stdout + stderr);
      assert.ok(!process.log().includes("a request failed"), process.log());
      process.child.kill("SIGTERM");
      assert.equal((await process.child.status).code, 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
