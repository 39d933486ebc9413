import assert from "node:assert/strict";
import { makeLog } from "./log.ts";
import type { Config } from "../config/model.ts";

function logInto(settings: Config["log"]) {
  const lines: string[] = [];
  const log = makeLog(settings, { write: (line) => void lines.push(line), now: () => 0 });
  return { log, lines };
}

Deno.test("makeLog() writes logfmt for people", () => {
  const { log, lines } = logInto({ level: "info", format: "text" });
  log.with({ path: "tunnels/branch" }).info("session down", { reason: 'no "carrier"', mtu: 1446 });
  assert.deepEqual(lines, [
    '1970-01-01T00:00:00.000Z info  session down path=tunnels/branch reason="no \\"carrier\\"" mtu=1446\n',
  ]);
});

Deno.test("makeLog() writes one JSON object a line", () => {
  const { log, lines } = logInto({ level: "info", format: "json" });
  log.warn("reload failed", { count: 2 });
  assert.deepEqual(JSON.parse(lines[0]!), {
    time: "1970-01-01T00:00:00.000Z",
    level: "warn",
    message: "reload failed",
    count: 2,
  });
});

Deno.test("makeLog() keeps to its level, which can change", () => {
  const { log, lines } = logInto({ level: "warn", format: "text" });
  const child = log.with({ a: 1 });
  child.info("quiet");
  log.configure({ level: "debug", format: "text" });
  child.debug("loud");
  assert.equal(lines.length, 1);
});

Deno.test("makeLog() bounds lines, forges none and shows no secrets", () => {
  for (const format of ["text", "json"] as const) {
    const { log, lines } = logInto({ level: "info", format });
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`k${i}`, "x".repeat(5000)]),
    );
    log.error("two\nlines", many);
    log.error("secret", { token: "hunter2", "chap-secret": "hunter2" });
    assert.ok(lines[0]!.length <= 8193);
    assert.ok(lines.every((line) => line.indexOf("\n") === line.length - 1));
    assert.ok(!lines.join("").includes("hunter2"));
    if (format === "json") lines.forEach((line) => JSON.parse(line));
  }
});

Deno.test("what peers say reaches no terminal: control, format and separator characters are escaped", () => {
  const said = "a\x1b[2Jb\x7f\x9b\u202e\u2028\u200b\ud800c";
  const escaped = "a\\u001b[2Jb\\u007f\\u009b\\u202e\\u2028\\u200b\\ud800c";
  for (const format of ["text", "json"] as const) {
    const { log, lines } = logInto({ level: "info", format });
    log.warn(`refused ${said}`, { "host-name": said, more: [said] });
    assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}\u2028]/u.test(lines[0]!.slice(0, -1)), lines[0]!);
    assert.equal(lines[0]!.split(escaped).length, 4, lines[0]!);
    if (format === "json") assert.equal(JSON.parse(lines[0]!)["host-name"], said);
  }
});

Deno.test("makeLog() says its priorities where journald wants them", () => {
  const lines: string[] = [];
  const log = makeLog({ level: "debug", format: "text" }, {
    write: (line) => void lines.push(line),
    priorities: true,
  });
  for (const level of ["debug", "info", "warn", "error"] as const) log[level]("x");
  assert.deepEqual(lines.map((line) => line.slice(0, 3)), ["<7>", "<6>", "<4>", "<3>"]);
});

Deno.test("makeLog() gives tunnels and peers levels of their own, the tunnel's first", () => {
  const { log, lines } = logInto({
    level: "warn",
    format: "text",
    levels: { hq: "debug", "to-hq": "error", loud: "debug" },
  });
  log.info("nobody's");
  log.debug("the peer's", { peer: "hq" });
  log.warn("the tunnel's", { path: "tunnels/to-hq/sessions/s", peer: "hq" });
  log.with({ path: "tunnels/loud" }).debug("bound");
  log.info("another's", { path: "tunnels/loudest", peer: "constructor" });
  assert.deepEqual(lines.map((line) => line.slice(31).trimEnd()), [
    "the peer's peer=hq",
    "bound path=tunnels/loud",
  ]);
  assert.equal(log.particular, true);
  assert.equal(log.debugs("to-hq", undefined), false);
  assert.equal(log.debugs(undefined, "hq"), true);
  log.configure({ level: "warn", format: "text" });
  assert.equal(log.particular, false);
  assert.equal(log.debugs("hq"), false);
});
