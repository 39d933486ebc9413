import assert from "node:assert/strict";
import { Echo } from "./echo.ts";

function make(intervalMs: number, failures = 2) {
  const said: string[] = [];
  const echo = new Echo({ intervalMs, failures }, {
    sendEcho: () => void said.push("echo"),
    unanswered: () => void said.push("unanswered"),
  });
  return { echo, said };
}

Deno.test("requests of links that opened at almost the same time leave together", () => {
  const [one, other, later] = [make(30_000), make(30_000), make(30_000)];
  one.echo.start(601);
  other.echo.start(899);
  later.echo.start(901);
  assert.deepEqual(
    [one, other, later].map(({ echo }) => echo.deadline),
    [30_600, 30_600, 30_900],
  );
});

Deno.test("a request goes out each interval, at most a hundredth early, however late its timer is", () => {
  const { echo, said } = make(1000, 99);
  let now = 17.5;
  echo.start(now);
  for (const late of [0, 3.25, 9.5, 700, 0]) {
    assert.ok(
      echo.deadline! - now > 990 && echo.deadline! - now <= 1000,
      `${echo.deadline! - now}`,
    );
    echo.timeout(echo.deadline! - 0.5);
    now = echo.deadline! + late;
    echo.timeout(now);
  }
  assert.deepEqual(said, Array(5).fill("echo"));
});

Deno.test("after so many that were not answered it says so, and begins anew with what is heard", () => {
  const { echo, said } = make(1000);
  echo.start(0);
  for (let i = 0; i < 3; i++) echo.timeout(echo.deadline!);
  assert.deepEqual(said, ["echo", "echo", "unanswered"]);
  echo.heard();
  echo.timeout(echo.deadline!);
  assert.equal(said.at(-1), "echo");
});

Deno.test("an interval of 0 sends none, and none goes out of a link that is closed", () => {
  const none = make(0);
  none.echo.start(5);
  assert.equal(none.echo.deadline, undefined);
  const { echo, said } = make(1000);
  echo.start(0);
  echo.stop();
  echo.timeout(5000);
  assert.deepEqual(said, []);
});
