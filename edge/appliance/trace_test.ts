import assert from "node:assert/strict";
import type { Config, TunnelState } from "../config/model.ts";
import { MOST_ADDRESSES } from "../io/wiretap.ts";
import { traceOf } from "./trace.ts";

type Context = Parameters<typeof traceOf>[0];

/** Tunnels of two peers; what was tapped and traced. */
function bench(more: readonly string[] = []) {
  const tunnel = (name: string, peer: string, address: string, port: number) =>
    ({ config: { name, remote: { address, port } }, control: { peer } }) as unknown as TunnelState;
  const tunnels = [
    tunnel("hq-1", "hq", "10.0.0.1", 1701),
    tunnel("hq-2", "hq", "10.0.0.2", 1801),
    tunnel("branch", "office", "10.0.0.3", 0),
    ...more.map((address, i) => tunnel(`many-${i}`, "many", address, 1701)),
  ];
  const seen: unknown[] = [];
  const from = { read: () => 0, [Symbol.dispose]() {} };
  const context = {
    system: { openWiretap: (...asked: unknown[]) => (seen.push(asked), from) },
    control: { trace: (...asked: unknown[]) => (seen.push(asked), {}) },
  } as unknown as Context;
  const config = () => ({ peers: [{ name: "silent" }, { name: "hq" }] }) as unknown as Config;
  const trace = (of?: string, snap?: number) =>
    traceOf(context, { config, tunnels: () => Promise.resolve(tunnels) }, of, snap);
  return { from, seen, trace };
}

Deno.test("traceOf() taps where a peer's tunnels, one tunnel, or an address are", async () => {
  const cases = [
    ["hq", ["10.0.0.1", "10.0.0.2"], [1701, 1801]],
    ["hq-2", ["10.0.0.2"], [1801]],
    ["branch", ["10.0.0.3"], []],
    ["010.0.0.9", undefined, undefined],
    ["10.0.0.9", ["10.0.0.9"], []],
  ] as const;
  for (const [of, addresses, ports] of cases) {
    const { from, seen, trace } = bench();
    if (!addresses) {
      await assert.rejects(trace(of, 96), { code: "not-found" });
      continue;
    }
    await trace(of, 96);
    assert.deepEqual(seen, [[addresses, 96], [of, { from, of: { addresses, ports } }]]);
  }
});

Deno.test("traceOf() taps nothing where no packets are asked for, or of nobody, or of too many", async () => {
  const { seen, trace } = bench(
    Array.from({ length: MOST_ADDRESSES + 1 }, (_, i) => `10.1.0.${i + 1}`),
  );
  await trace(undefined);
  await trace("hq");
  await trace("silent");
  await trace("hq-1");
  await trace("10.9.9.9");
  assert.deepEqual(seen.splice(2), [["silent"], ["hq-1"], ["10.9.9.9"]]);
  assert.deepEqual(seen, [[undefined], ["hq"]]);
  await assert.rejects(trace("nobody"), {
    code: "not-found",
    message: "there is no tunnel or peer nobody",
  });
  await assert.rejects(trace(undefined, 96), { code: "invalid", attribute: "data" });
  await assert.rejects(trace("many", 96), { code: "invalid", attribute: "data" });
  assert.equal(seen.length, 2);
});
