import assert from "node:assert/strict";
import { Errno } from "../io/errno.ts";
import { createGrouping } from "./grouping.ts";

function watched() {
  const limits: [string, number | undefined][] = [];
  const grouping = createGrouping<string>((tunnel, longest) => limits.push([tunnel, longest]));
  const taken = () => limits.splice(0);
  return { grouping, taken };
}

Deno.test("a limit is tried again after 10 s, and after twice as long each time that it was in vain", () => {
  const { grouping, taken } = watched();
  let now = 0;
  const rests = [];
  for (let i = 0; i < 9; i++) {
    grouping.refused("a", 1399, Errno.EINVAL, now);
    assert.deepEqual(taken(), [["a", 1399]]);
    const { retryInMs } = grouping.limits(now, ["a"]).get("a")!;
    rests.push(retryInMs / 1000);
    grouping.expire(now + retryInMs - 1);
    assert.deepEqual(taken(), []);
    now += retryInMs;
    grouping.expire(now);
    assert.deepEqual(taken(), [["a", undefined]]);
    assert.equal(grouping.limits(now, ["a", "b"]).size, 0);
  }
  assert.deepEqual(rests, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
  assert.equal(grouping.refusals, 9);
});

Deno.test("a group that is refused long after the last rest is a new trouble", () => {
  const { grouping } = watched();
  grouping.refused("a", 0, Errno.EIO, 0);
  grouping.expire(10_000);
  grouping.expire(29_999);
  grouping.expire(30_000);
  grouping.refused("a", 0, Errno.EIO, 30_001);
  assert.equal(grouping.limits(30_001, ["a"]).get("a")!.retryInMs, 10_000);
});

Deno.test("a shorter length that is refused meanwhile narrows the limit within the same rest", () => {
  const { grouping, taken } = watched();
  grouping.refused("a", 1399, Errno.EINVAL, 0);
  grouping.refused("a", 999, Errno.EMSGSIZE, 1000);
  assert.deepEqual(taken(), [["a", 1399], ["a", 999]]);
  assert.deepEqual(grouping.limits(1000, ["a"]).get("a"), {
    longest: 999,
    errno: Errno.EMSGSIZE,
    retryInMs: 10_000,
  });
});

Deno.test("a changed network lifts all limits at once, and forgets how long they lasted", () => {
  const { grouping, taken } = watched();
  grouping.refused("a", 1399, Errno.EINVAL, 0);
  grouping.expire(10_000);
  grouping.refused("a", 1399, Errno.EINVAL, 10_000);
  grouping.refused("b", 0, Errno.EIO, 10_000);
  taken();
  grouping.forgetAll();
  assert.deepEqual(taken(), [["a", undefined], ["b", undefined]]);
  assert.equal(grouping.limits(10_000, ["a", "b"]).size, 0);
  grouping.refused("a", 1399, Errno.EINVAL, 11_000);
  assert.equal(grouping.limits(11_000, ["a"]).get("a")!.retryInMs, 10_000);
});

Deno.test("a tunnel that is changed or removed is forgotten, and its place taken by another", () => {
  const { grouping, taken } = watched();
  grouping.refused("a", 0, Errno.EIO, 0);
  grouping.forget("a");
  taken();
  grouping.expire(1e9);
  assert.deepEqual(taken(), []);
});
