import assert from "node:assert/strict";
import type { Port } from "../../plugin.ts";
import { offerOf } from "../offer.ts";
import { pppOptions } from "../options.ts";
import { Meter } from "../usage.ts";
import { Limits } from "./limits.ts";

Deno.test("terms that cannot hold leave the former ones in force, and counted from where they began", async () => {
  const rates: (number | null | undefined)[] = [];
  const port = {
    limit: ({ in: rate }) => void rates.push(rate),
    statistics: () => Promise.resolve({ "rx-ipv4-bytes": 1000 }),
  } as Partial<Port> as Port;
  const terminate = { tun: { name: "ppp0" }, address: "10.64.0.1" };
  const options = pppOptions.parse({ terminate }).terminate!;
  const { terms } = offerOf(
    { user: "bob", rate: { up: { bitsPerSecond: 64_000 } } },
    undefined,
    options,
  );
  const limits = new Limits(port, new Meter(port), terms, 0);
  limits.limit();
  const wish = { rate: { up: { bitsPerSecond: 1_000_000 } }, quota: { up: 500 } };
  await assert.rejects(limits.change(wish, () => 5000, () => {
    assert.equal(limits.terms.rateUp, 1_000_000);
    return Promise.reject(new Error("the datapath is gone"));
  }));
  assert.equal(limits.terms, terms);
  assert.deepEqual(rates, [64_000, 64_000]);
  await limits.change(wish, () => 5000, () => Promise.resolve(limits.limit()));
  assert.equal(limits.terms.quota.up, 1500, "500 more than have passed");
  assert.deepEqual([rates.at(-1), limits.usedUp], [1_000_000, false]);
});
