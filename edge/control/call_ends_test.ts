import assert from "node:assert/strict";
import { endFor, endOf } from "./call_ends.ts";

Deno.test("an end of a v3 call is told in v2's words, with all else that it says", () => {
  const q931 = { code: 17, message: 3, advisory: "" };
  const ppp = { code: 6, protocol: 0xc021, direction: 1 } as const;
  for (
    const [result, error, older, olderError] of [
      [13, undefined, 4, undefined],
      [14, undefined, 5, undefined],
      [15, undefined, 5, undefined],
      [16, 0, 10, undefined],
      [2, 9, 2, 7],
      [2, 6, 2, 6],
      [8, undefined, 8, undefined],
    ] as const
  ) {
    const end = { result, ...(error !== undefined && { error }), message: "why", q931, ppp };
    const wanted = {
      result: older,
      ...(olderError !== undefined && { error: olderError }),
      message: "why",
      q931,
      ppp,
    };
    assert.deepEqual(endFor(2, end as never), wanted);
    assert.deepEqual(endFor(3, end as never), end);
  }
});

Deno.test("what ends with its tunnel has lost its carrier, whatever the StopCCN said", () => {
  const result = { result: 6, message: "shutting down" };
  assert.deepEqual(endOf({ by: "connection", result }), { result: 1, message: "shutting down" });
  assert.deepEqual(endOf({ by: "connection", result: { result: 6 } }).message, "its tunnel ended");
  assert.deepEqual(endOf({ by: "peer", result }), result);
});
