/** Prometheus' own tool reads what the endpoint gives. */

import assert from "node:assert/strict";
import { checkedAdmin } from "../../edge/admin/promised.ts";
import { branchOffice, hq, tapPlugin } from "../../edge/admin/testing.ts";
import { run } from "./support/process.ts";
import { missing } from "./support/programs.ts";
import { say } from "./support/suite.ts";

const lacking = missing(["promtool"]);
if (lacking.length > 0) say(`SKIPPED promtool_test.ts: ${lacking.join(", ")}`);

const page = await Deno.readTextFile(new URL("../../docs/admin.md", import.meta.url));

/** What makes each rule fire, and what of the same is nothing to be woken for: values a minute, over half an hour. */
const rings: Readonly<
  Record<string, { series: string; labels: string; bad: string; good: string }>
> = {
  PeerDown: {
    series: 'isthmus_peer_tunnels{peer="hq", status="down"}',
    labels: "{ peer: hq, status: down }",
    bad: "1x30",
    good: "0 1 0 1x3 0x30",
  },
  Redialing: {
    series: 'isthmus_connection_states_total{state="wait-ctl-reply"}',
    labels: "{ state: wait-ctl-reply }",
    bad: "0+6x30",
    good: "0+1x30",
  },
  PathLost: {
    series: 'isthmus_keepalive_sessions{state="lost"}',
    labels: "{ state: lost }",
    bad: "2x30",
    good: "0x30",
  },
  ReloadFailed: {
    series: "isthmus_config_last_reload_successful",
    labels: "{}",
    bad: "0x30",
    good: "1x30",
  },
  SessionsDown: {
    series: 'isthmus_sessions{status="down"}',
    labels: "{ status: down }",
    bad: "3x30",
    good: "3 0x30",
  },
  Refusing: {
    series: 'isthmus_failures_total{reason="digest-wrong"}',
    labels: "{}",
    bad: "0+120x30",
    good: "0+6x30",
  },
  ControlLate: {
    series: "isthmus_event_loop_lag_seconds",
    labels: "{}",
    bad: "0.8x30",
    good: "0.01x30",
  },
  DescriptorsShort: {
    series: 'process_open_fds{job="isthmus"}',
    labels: "{ job: isthmus }",
    bad: "900x30",
    good: "100x30",
  },
};

/** Tests of all rules of a file, as promtool reads them. */
function ruleTests(file: string, rules: string): string {
  const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name]) => name!);
  assert.deepEqual(alerts.toSorted(), Object.keys(rings).toSorted(), "each rule is tested");
  const tests = alerts.flatMap((alert) => {
    const { bad, good, labels, series } = rings[alert]!;
    return [[bad, `[{ exp_labels: ${labels} }]`], [good, "[]"]].map(([values, fired]) => `
  - interval: 1m
    input_series:
      - { series: '${series}', values: '${values}' }
      - { series: 'process_max_fds{job="isthmus"}', values: '1024x30' }
    alert_rule_test: [{ eval_time: 25m, alertname: ${alert}, exp_alerts: ${fired} }]`);
  });
  return `rule_files: [${file}]\ntests:${tests.join("")}\n`;
}

Deno.test({
  name: "promtool has nothing to say of the metrics, and takes the rules of the documentation",
  ignore: lacking.length > 0,
  async fn() {
    const api = await branchOffice();
    api.peers = [hq];
    const app = checkedAdmin(api, {
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
      const cases = `${file}.test.yaml`;
      await Deno.writeTextFile(cases, ruleTests(file, rules));
      const tested = await run(["promtool", "test", "rules", cases]);
      await Deno.remove(cases);
      assert.equal(tested.code, 0, tested.stdout + tested.stderr);
    } finally {
      await Deno.remove(file);
    }
    // Each metric that a rule asks for is there.
    for (const [name] of rules.matchAll(/\b(?:isthmus|process)_\w+/g)) {
      assert.match(metrics, new RegExp(`^${name}[ {]`, "m"), name);
    }
  },
});
