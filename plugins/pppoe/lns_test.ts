import assert from "node:assert/strict";
import { type Lns, LnsChooser } from "./lns.ts";

const lns = (key: string, more: Partial<Lns> = {}): Lns => ({
  key,
  peer: key,
  preference: 1,
  ...more,
});
const denial = { denyMs: 1000, denyResults: ["4", "2/4"] };
const none = new Set<Lns>();

Deno.test("the lowest preference is chosen, and one without any comes last", () => {
  const chooser = new LnsChooser();
  const { preference: _, ...unsaid } = lns("c");
  const all = [unsaid, lns("b", { preference: 5 }), lns("a", { preference: 2 })];
  const order: string[] = [];
  const tried = new Set<Lns>();
  for (
    let next = chooser.choose(all, tried, "random", 0, 0);
    next;
    next = chooser.choose(all, tried, "random", 0, 0)
  ) {
    order.push(next.key);
    tried.add(next);
  }
  assert.deepEqual(order, ["a", "b", "c"]);
});

Deno.test("among equals, weights share the load, chance does not look at them, and what is in use comes first", () => {
  const chooser = new LnsChooser();
  const all = [lns("a", { weight: 3 }), lns("b", { weight: 1 })];
  const shares = (rule: "weighted" | "random" | "existing-first") =>
    [0, 0.3, 0.6, 0.74, 0.76, 0.99].map((chance) => chooser.choose(all, none, rule, 0, chance)!.key)
      .join("");
  assert.equal(shares("weighted"), "aaaabb");
  assert.equal(shares("random"), "aabbbb");
  assert.equal(shares("existing-first"), "aaaabb");
  chooser.count("b", 1);
  assert.equal(shares("existing-first"), "bbbbbb");
  chooser.count("b", -1);
  assert.equal(shares("existing-first"), "aaaabb");
});

Deno.test("one that is full is not chosen", () => {
  const chooser = new LnsChooser();
  const all = [lns("a", { maxSessions: 2 }), lns("b", { preference: 9 })];
  const chosen = () => chooser.choose(all, none, "existing-first", 0, 0)?.key;
  chooser.count("a", 1);
  assert.equal(chosen(), "a");
  chooser.count("a", 1);
  assert.equal(chosen(), "b");
  chooser.count("a", -1);
  assert.equal(chosen(), "a");
  assert.equal(chooser.choose([lns("z", { maxSessions: 0 })], none, "random", 0, 0), undefined);
});

Deno.test("a time-out denies the peer with all its tunnels, a result code the tunnel only, others nothing", () => {
  const [a, other, b] = [lns("a"), lns("a2", { peer: "a" }), lns("b", { preference: 9 })];
  const chosen = (chooser: LnsChooser, now: number) =>
    chooser.choose([a, other, b], none, "weighted", now, 0)!.key;
  const after = (...failure: Parameters<LnsChooser["failed"]>) => {
    const chooser = new LnsChooser();
    chooser.failed(...failure);
    return chooser;
  };
  const timeout = after(a, { kind: "timeout" }, denial, 0);
  assert.deepEqual([chosen(timeout, 0), chosen(timeout, 999), chosen(timeout, 1000)], [
    "b",
    "b",
    "a",
  ]);
  const refused = after(a, { kind: "result", result: 2, error: 4 }, denial, 0);
  assert.deepEqual([chosen(refused, 0), chosen(refused, 1000)], ["a2", "a"]);
  assert.equal(chosen(after(a, { kind: "result", result: 4 }, denial, 0), 0), "a2");
  assert.equal(chosen(after(a, { kind: "result", result: 2, error: 6 }, denial, 0), 0), "a");
  assert.equal(chosen(after(a, { kind: "timeout" }, { ...denial, denyMs: 0 }, 0), 0), "a");
  timeout.succeeded(other);
  assert.equal(chosen(timeout, 0), "a");
});

Deno.test("where all are denied, the one that was denied first is tried first", () => {
  const chooser = new LnsChooser();
  const all = [lns("a"), lns("b"), lns("c")];
  chooser.failed(all[1]!, { kind: "timeout" }, denial, 0);
  chooser.failed(all[0]!, { kind: "timeout" }, denial, 10);
  chooser.failed(all[2]!, { kind: "timeout" }, denial, 20);
  chooser.failed(all[1]!, { kind: "timeout" }, denial, 30);
  const tried = new Set<Lns>();
  const order = [1, 2, 3].map(() => {
    const next = chooser.choose(all, tried, "weighted", 40, 0.5)!;
    tried.add(next);
    return next.key;
  });
  assert.deepEqual(order, ["b", "a", "c"]);
  assert.equal(chooser.choose(all, tried, "weighted", 40, 0.5), undefined);
});
