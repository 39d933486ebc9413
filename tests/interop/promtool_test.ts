/** Prometheus' own tool reads what the endpoint gives. */

import assert from "node:assert/strict";
import { checkedAdmin } from "../../edge/admin/promised.ts";
import { branchOffice, tapPlugin } from "../../edge/admin/testing.ts";
import { run } from "./support/process.ts";
import { missing } from "./support/programs.ts";
import { say } from "./support/suite.ts";

const lacking = missing(["promtool"]);
if (lacking.length > 0) say(`SKIPPED promtool_test.ts: ${lacking.join(", ")}`);

const page = await Deno.readTextFile(new URL("../../docs/admin.md", import.meta.url));

Deno.test({
  name: "promtool has nothing to say of the metrics, and takes the rules of the documentation",
  ignore: lacking.length > 0,
  async fn() {
    const app = checkedAdmin(await branchOffice(), {
      plugins: [tapPlugin],
      vitals: () => ({
        descriptors: { open: 20, limit: 1024 },
        residentBytes: 1e8,
        heapBytes: 1e7,
        droppedLines: 0,
        lagMs: 3,
      }),
    });
    const metrics = await (await app.request("http://localhost/metrics")).text();
    const checked = await run(["promtool", "check", "metrics"], { stdin: metrics });
    assert.equal(checked.stdout + checked.stderr, "");
    assert.equal(checked.code, 0);

    const rules = /^```yaml\n(groups:.*?)^```$/ms.exec(page)![1]!;
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    try {
      await Deno.writeTextFile(file, rules);
      const taken = await run(["promtool", "check", "rules", file]);
      assert.equal(taken.code, 0, taken.stdout + taken.stderr);
    } finally {
      await Deno.remove(file);
    }
    // Each metric that a rule asks for is there.
    for (const [name] of rules.matchAll(/\b(?:isthmus|process)_\w+/g)) {
      assert.match(metrics, new RegExp(`^${name}[ {]`, "m"), name);
    }
  },
});
