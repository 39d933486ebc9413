import assert from "node:assert/strict";
import type { RemoteConfig } from "../config/model.ts";
import type { ManagedTunnel } from "./context.ts";
import { deny, hasOther, isRefusal, nextTarget, type TargetDependencies } from "./targets.ts";

const remote = (address: string, preference: number, denyMs = 1000): RemoteConfig => ({
  endpoint: { address, port: 1701 },
  preference,
  weight: 1,
  denyMs,
  denyResults: ["4", "2/4"],
});

function tunnel(remotes: readonly RemoteConfig[], local = "0.0.0.0"): ManagedTunnel {
  const config = { name: "t", peer: "p", remotes, local: { address: local, port: 0 } };
  return { config, left: [], denied: new Map() } as unknown as ManagedTunnel;
}

/** A resolver that knows some names, and a peer that may be at some addresses. */
function dependencies(
  names: Record<string, readonly string[]> = {},
  networks: readonly string[] = [],
): TargetDependencies & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    lookUp(name) {
      asked.push(name);
      const found = names[name];
      return found ? Promise.resolve(found) : Promise.reject(new Error(`cannot find ${name}`));
    },
    addressesOf: () => networks,
    fraction: () => 0.5,
  };
}

/** The addresses of the next targets, or what went wrong. */
async function next(from: TargetDependencies, managed: ManagedTunnel, count: number, now = 0) {
  const found: (string | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    try {
      found.push((await nextTarget(from, managed, now))?.endpoint.address);
    } catch (error) {
      found.push((error as Error).message);
    }
  }
  return found;
}

Deno.test("nextTarget() goes round by preference, and stands a name for all of its addresses", async () => {
  const from = dependencies({ "lns.example": ["10.0.0.7", "fd77::7", "10.0.0.8"] });
  const managed = tunnel([remote("10.0.0.9", 3), remote("lns.example", 2), remote("10.0.0.1", 1)]);
  const round = ["10.0.0.1", "10.0.0.7", "fd77::7", "10.0.0.8", "10.0.0.9"];
  assert.deepEqual(await next(from, managed, 10), [...round, ...round]);
  assert.deepEqual(
    from.asked,
    ["lns.example", "lns.example"],
    "looked up once a round, when its turn comes",
  );
});

Deno.test("nextTarget() leaves out addresses of another family than local's, and those that are not the peer's", async () => {
  const names = { "lns.example": ["10.0.0.7", "fd77::7", "10.9.0.8"] };
  const lns = remote("lns.example", 1);
  assert.deepEqual(await next(dependencies(names), tunnel([lns], "fd77::1"), 2), [
    "fd77::7",
    "fd77::7",
  ]);
  const own = dependencies(names, ["10.9.0.0/16"]);
  assert.deepEqual(await next(own, tunnel([lns]), 2), ["10.9.0.8", "10.9.0.8"]);
  const [problem] = await next(dependencies(names, ["10.1.0.0/16"]), tunnel([lns]), 1);
  assert.match(problem!, /lns.example has no address .* among the addresses of peers.p/);
});

Deno.test("nextTarget() goes on after a name that cannot be looked up", async () => {
  const managed = tunnel([remote("gone.example", 1), remote("10.0.0.2", 2)]);
  assert.deepEqual(await next(dependencies(), managed, 3), [
    "cannot find gone.example",
    "10.0.0.2",
    "cannot find gone.example",
  ]);
});

Deno.test("a denied remote is left out for its time, unless all are denied", async () => {
  const [first, second] = [remote("10.0.0.1", 1), remote("10.0.0.2", 2, 500)];
  const managed = tunnel([first, second]);
  deny(managed, first, 0);
  assert.ok(hasOther(managed, first, 0));
  assert.ok(!hasOther(managed, second, 0));
  assert.deepEqual(await next(dependencies(), managed, 2, 999), ["10.0.0.2", "10.0.0.2"]);
  assert.deepEqual(await next(dependencies(), managed, 2, 1000), ["10.0.0.1", "10.0.0.2"]);
  deny(managed, first, 2000);
  deny(managed, second, 2000);
  assert.deepEqual(await next(dependencies(), managed, 2, 2100), ["10.0.0.1", "10.0.0.2"]);
  const never = remote("10.0.0.3", 1, 0);
  deny(managed, never, 0);
  assert.equal(managed.denied.has(never), false);
});

Deno.test("isRefusal() goes by the result codes, with or without an error code, and by silence", () => {
  const lns = remote("10.0.0.1", 1);
  const by = "peer" as const;
  assert.ok(isRefusal(lns, { by, result: { result: 4 } }));
  assert.ok(isRefusal(lns, { by, result: { result: 4, error: 9 } }));
  assert.ok(isRefusal(lns, { by, result: { result: 2, error: 4 } }));
  assert.ok(!isRefusal(lns, { by, result: { result: 2, error: 6 } }));
  assert.ok(!isRefusal(lns, { by, result: { result: 3 } }));
  assert.ok(!isRefusal(lns, { by: "local", result: { result: 4 } }));
  assert.ok(isRefusal(lns, { by: "timeout", result: { result: 10 } }));
});
