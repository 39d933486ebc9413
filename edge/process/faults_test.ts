import assert from "node:assert/strict";
import { catchFaults } from "./faults.ts";

Deno.test("what nobody caught is logged with its place, and ends nothing", async () => {
  const lines: unknown[][] = [];
  {
    using _faults = catchFaults({ error: (...line) => void lines.push(line) });
    void Promise.reject(new Error("a row is missing\n    at all"));
    void Promise.reject("a word");
    await new Promise((resolve) => setTimeout(resolve, 10));
    reportError(new TypeError("thrown"));
  }
  assert.deepEqual(
    lines.map(([message, fields]) => [message, (fields as { error: string }).error]),
    [
      ["a fault in isthmus: nobody waited for what failed", "Error: a row is missing"],
      ["a fault in isthmus: nobody waited for what failed", "a word"],
      ["a fault in isthmus: nobody caught an error", "TypeError: thrown"],
    ],
  );
  const { at } = lines[0]![1] as { at: string };
  assert.match(at, /faults_test\.ts:\d+:\d+/);
});
