import assert from "node:assert/strict";
import { makeLog } from "../log/log.ts";
import { makeEventBus } from "./events.ts";
import { type Failed, isFailure, makeFailures } from "./failures.ts";

function make() {
  const lines: string[] = [];
  let now = 0;
  const bus = makeEventBus(() => now);
  const log = makeLog({ level: "info", format: "json" }, {
    write: (line) => void lines.push(line),
  });
  const failures = makeFailures({ bus, log, now: () => now, wallClock: () => 1_000_000 + now });
  return { failures, lines, bus, pass: (ms: number) => void (now += ms) };
}

const failed = (more: Partial<Failed> = {}): Failed => ({
  stage: "tunnel",
  reason: "digest-wrong",
  message: "",
  remote: "10.0.0.1:1701",
  ...more,
});

Deno.test("failures that are alike are one, with how often and when; the last is told last", () => {
  const { failures, pass } = make();
  failures.note(failed(), "10.0.0.1");
  failures.note(failed({ reason: "unknown-peer" }), "10.0.0.1");
  pass(500);
  failures.note(failed(), "10.0.0.1");
  failures.note(failed({ remote: "10.0.0.2:1701" }), "10.0.0.2", { counted: true });
  assert.deepEqual(
    failures.list().map((
      { reason, remote, count, firstAt, lastAt },
    ) => [reason, remote, count, firstAt, lastAt]),
    [
      ["unknown-peer", "10.0.0.1:1701", 1, 1_000_000, 1_000_000],
      ["digest-wrong", "10.0.0.1:1701", 2, 1_000_000, 1_000_500],
      ["digest-wrong", "10.0.0.2:1701", 1, 1_000_500, 1_000_500],
    ],
  );
  assert.deepEqual(Object.fromEntries(failures.counts()), { "digest-wrong": 2, "unknown-peer": 1 });
});

Deno.test("failures are bounded, and so are the lines of each source", async () => {
  const { failures, lines, bus, pass } = make();
  using heard = bus.subscribe();
  for (let i = 0; i < 1000; i++) {
    failures.note(
      failed({ stage: "call", session: `s${i}`, message: "AVP 15: 2 octets" }),
      "10.0.0.1",
    );
  }
  assert.equal(failures.list().length, 256);
  assert.equal(failures.list().at(-1)?.session, "s999");
  assert.equal(lines.length, 5);
  assert.match(lines[0]!, /AVP 15: 2 octets/);
  failures.note(failed(), "10.0.0.2");
  assert.equal(lines.length, 6, "another source has lines of its own");
  pass(5000);
  failures.note(failed(), "10.0.0.1");
  assert.equal(lines.length, 7);
  const first = await heard.next();
  assert.ok(typeof first === "object" && first.type === "failure");
  assert.deepEqual([first.stage, first.reason, first.session], ["call", "digest-wrong", "s0"]);
});

Deno.test("what was up is lost; what was not is refused, unless nobody answered", () => {
  const { failures, lines } = make();
  failures.note(failed(), "10.0.0.1", { wasUp: true });
  failures.note(failed({ stage: "call" }), "10.0.0.1");
  failures.note(failed({ reason: "timeout-7" }), "10.0.0.1");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).message),
    ["tunnel lost", "call refused", "tunnel lost"],
  );
});

Deno.test("isFailure() leaves out what somebody decided on", () => {
  assert.equal(isFailure({ by: "local", result: { result: 1 } }, true), false);
  assert.equal(isFailure({ by: "peer", result: { result: 3 } }, true), false);
  assert.equal(isFailure({ by: "peer", result: { result: 3 } }, false), true, "it was refused");
  assert.equal(isFailure({ by: "peer", result: { result: 2 } }, true), true);
  assert.equal(isFailure({ by: "tie", result: { result: 3 } }, false), false);
  assert.equal(isFailure({ by: "timeout", result: { result: 7 } }, true), true);
});
