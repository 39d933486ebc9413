import assert from "node:assert/strict";
import { makeHost } from "../host/host.ts";
import type { Plugin, Scope } from "../plugin.ts";
import { makeWorld } from "../testing/world.ts";
import { z } from "zod";
import { membershipsOf, SetMemberships } from "./address_lists.ts";

const lists = {
  walled: { ipv4: "inet filter walled", ipv6: "inet filter walled6" },
  four: { ipv4: "inet filter four" },
};

Deno.test("names are lists of the section or sets themselves; each family goes where it fits", () => {
  const addresses = ["10.0.0.7", "2001:db8:1::/64"];
  const { unknown, wanted } = membershipsOf(
    ["walled", "four", "ip nat own", "foreign"],
    lists,
    addresses,
  );
  assert.deepEqual(unknown, ["foreign"]);
  assert.deepEqual(wanted.map(({ address, set }) => `${address} ${set}`), [
    "10.0.0.7 inet filter walled",
    "2001:db8:1::/64 inet filter walled6",
    "10.0.0.7 inet filter four",
    "10.0.0.7 ip nat own",
  ]);
});

Deno.test("what stays is not touched, and where one cannot be had nothing changes", async () => {
  const world = makeWorld();
  const opened = Promise.withResolvers<Scope>();
  const plugin: Plugin = {
    name: "own",
    summary: "",
    pseudowireTypes: [],
    section: { key: "own", schema: z.object({}) },
    start(scope) {
      opened.resolve(scope);
      return {};
    },
  };
  await makeHost(world.leaves, [plugin]).start(new Map([["own", {}]]));
  const own = new SetMemberships(await opened.promise, undefined);
  const had = () => world.leftovers().filter((one) => one.endsWith("in a set"));
  const member = (address: string) => ({ set: "inet filter walled", address });
  await own.have([member("10.0.0.1"), member("10.0.0.2"), member("10.0.0.2")]);
  assert.deepEqual(had(), ["10.0.0.1 in a set", "10.0.0.2 in a set"]);
  await Promise.all([
    own.have([member("10.0.0.2"), member("10.0.0.3")]),
    own.have([member("10.0.0.3")]),
  ]);
  assert.deepEqual(had(), ["10.0.0.3 in a set"]);
  world.refuseAfter(1);
  await assert.rejects(own.have([member("10.0.0.4"), member("10.0.0.5")]));
  assert.deepEqual(had(), ["10.0.0.3 in a set"]);
  await own.have([]);
  assert.deepEqual(had(), []);
});
