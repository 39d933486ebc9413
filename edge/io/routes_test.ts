import assert from "node:assert/strict";
import { makeNamespace, namespacesAvailable } from "../testing/netns.ts";
import { openLibc } from "./libc.ts";
import { openAddressSets } from "./nft_sets.ts";
import { openRoutes } from "./routes.ts";

const ignore = !namespacesAvailable();

Deno.test({
  name: "a route is there until it is taken back, and one that was there before stays",
  ignore,
  async fn() {
    await using namespace = await makeNamespace("routes");
    const netns = namespace.name;
    await namespace.ip("link", "add", "v1", "type", "veth", "peer", "name", "v2");
    for (const device of ["v1", "v2"]) await namespace.ip("link", "set", device, "up");
    await namespace.ip("addr", "add", "10.9.0.1/24", "dev", "v1");
    using libc = openLibc();
    using routes = openRoutes(libc);
    const shown = async (...args: string[]) => (await namespace.ip(...args)).text.trim();
    const wanted = [
      { prefix: "10.7.0.0/24", device: "v1", netns },
      { prefix: "10.8.0.0/24", device: "v1", via: "10.9.0.7", metric: 50, netns },
      { prefix: "2001:db8:7::/56", device: "v2", table: 1000, netns },
      { prefix: "0.0.0.0/0", device: "v2", table: 100, netns },
    ];
    const undo = wanted.map((route) => routes.add(route));
    const all = async () => [
      await shown("route", "show", "proto", "static"),
      await shown("-6", "route", "show", "table", "1000"),
      await shown("route", "show", "table", "100"),
    ];
    const [main, six, other] = await all();
    assert.match(main!, /^10\.7\.0\.0\/24 dev v1 +scope link/m);
    assert.match(main!, /^10\.8\.0\.0\/24 via 10\.9\.0\.7 dev v1 +metric 50/m);
    assert.match(six!, /^2001:db8:7::\/56 dev v2/m);
    assert.match(other!, /^default dev v2/m);
    for (const route of wanted) routes.add(route)();
    assert.deepEqual(await all(), [main, six, other], "what was there before stays");
    assert.throws(() => routes.add({ prefix: "10.7.0.0/24", device: "v2", netns }), {
      code: "EEXIST",
    });
    assert.throws(() => routes.add({ prefix: "10.7.1.0/24", device: "v3", netns }), {
      code: "ENODEV",
    });
    assert.throws(() => routes.add({ prefix: "10.7.1/24", device: "v1", netns }), {
      code: "EINVAL",
    });
    const wrong = { prefix: "10.7.1.0/24", device: "v1", via: "2001:db8::1", netns };
    assert.throws(() => routes.add(wrong), { code: "EINVAL" });
    await namespace.ip("link", "delete", "v2");
    for (const back of undo) back();
    assert.deepEqual((await all()).slice(0, 1), [""]);
  },
});

/** Runs nft in a namespace. */
async function nft(netns: string, ...args: string[]): Promise<string> {
  const command = new Deno.Command("ip", { args: ["netns", "exec", netns, "nft", ...args] });
  const { stderr, stdout, success } = await command.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const hasNft = !ignore &&
  new Deno.Command("sh", { args: ["-c", "command -v nft"], stdout: "null" }).outputSync().success;
// deno-lint-ignore no-console
if (!hasNft) console.error("SKIPPED: nft is not there: sets of addresses are not tried");

Deno.test({
  name: "addresses are in an nftables set until they are taken out, and the operator's stay",
  ignore: !hasNft,
  async fn() {
    await using namespace = await makeNamespace("sets");
    const netns = namespace.name;
    await nft(netns, "add table inet filter");
    await nft(netns, "add set inet filter walled { type ipv4_addr; }");
    await nft(netns, "add set inet filter walled6 { type ipv6_addr; flags interval; }");
    await nft(netns, "add element inet filter walled { 10.0.0.1 }");
    using libc = openLibc();
    using sets = openAddressSets(libc);
    const list = async (set: string) =>
      (await nft(netns, "list", "set", "inet", "filter", set))
        .match(/elements = \{([^}]*)\}/s)?.[1]?.split(",").map((each) => each.trim()).sort() ?? [];
    const undo = [
      sets.add("inet filter walled", "10.0.0.7", netns),
      sets.add("inet filter walled", "10.0.0.7", netns),
      sets.add("inet filter walled", "10.0.0.1", netns),
      sets.add("inet filter walled6", "2001:db8:7::/56", netns),
      sets.add("inet filter walled6", "2001:db8::7", netns),
    ];
    assert.deepEqual(await list("walled"), ["10.0.0.1", "10.0.0.7"]);
    assert.deepEqual(await list("walled6"), ["2001:db8:7::/56", "2001:db8::7"]);
    undo.shift()!();
    assert.deepEqual(await list("walled"), ["10.0.0.1", "10.0.0.7"], "it was put in twice");
    const refuses = (set: string, address: string, code: string) =>
      assert.throws(() => sets.add(set, address, netns), { code });
    refuses("inet filter nowhere", "10.0.0.9", "ENOENT");
    refuses("ip filter walled", "10.0.0.9", "ENOENT");
    refuses("inet walled", "10.0.0.9", "EINVAL");
    refuses("inet filter walled", "2001:db8::9", "EINVAL");
    refuses("inet filter walled", "10.0.0.0/24", "EINVAL");
    refuses("inet filter walled6", "2001:db8::/129", "EINVAL");
    assert.throws(() => sets.add("inet filter walled", "2001:db8::9", netns), /holds no IPv6/);
    const last = sets.add("inet filter walled6", "ffff:ffff:ffff:ffff::/64", netns);
    last();
    for (const back of undo) back();
    assert.deepEqual(await list("walled"), ["10.0.0.1"]);
    assert.deepEqual(await list("walled6"), []);
    const gone = sets.add("inet filter walled", "10.0.0.8", netns);
    await nft(netns, "delete table inet filter");
    gone();
  },
});
