import assert from "node:assert/strict";
import { noCounts } from "../keepalive/prober.ts";
import { keepaliveMetrics, keepaliveView, viewKeepalive } from "./keepalive.ts";

Deno.test("a keepalive is shown as the API's description says, with what is not known left out", () => {
  const seen = {
    state: "lost",
    target: "10.0.0.2",
    mac: "02:00:00:00:00:09",
    missed: 3,
    since: 1_700_000_000_000,
    ...noCounts(),
    sent: 9,
    lost: 3,
  } as const;
  const view = viewKeepalive(seen);
  assert.deepEqual(keepaliveView.strict().parse(view), view);
  assert.deepEqual(
    [view.since, view.source, view["last-rtt-ms"]],
    ["2023-11-14T22:13:20.000Z", undefined, undefined],
  );
  const more = viewKeepalive({ ...seen, source: "10.0.0.3", lastRttMs: 1.23456 });
  assert.deepEqual([more.source, more["last-rtt-ms"]], ["10.0.0.3", 1.235]);
  assert.deepEqual(keepaliveView.strict().parse(more), more);
});

Deno.test("metrics tell how many keepalives are in each state, and what all have counted", () => {
  const metrics = keepaliveMetrics({
    states: { waiting: 1, up: 5, lost: 2 },
    counts: { ...noCounts(), sent: 9, conflicts: 4 },
  });
  const values = Object.fromEntries(
    metrics.map(([type, name, , samples]) => [name, [type, samples]]),
  );
  assert.deepEqual(values["isthmus_keepalive_sessions"], [
    "gauge",
    [[{ state: "waiting" }, 1], [{ state: "up" }, 5], [{ state: "lost" }, 2]],
  ]);
  assert.deepEqual(values["isthmus_keepalive_sent_total"], ["counter", [[{}, 9]]]);
  assert.deepEqual(values["isthmus_keepalive_conflicts_total"], ["counter", [[{}, 4]]]);
  assert.equal(metrics.length, 8);
});
