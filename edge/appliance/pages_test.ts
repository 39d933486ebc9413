import assert from "node:assert/strict";
import type { ApplianceApi, Page, PageAsked, SessionPlace } from "./api.ts";
import { parseConfig } from "../config/parse.ts";
import { type Bench, config, session, start, tunnel } from "../testing/appliance.ts";

const TUNNELS = 300;

/** Tunnels of two sessions each; the ids ascend otherwise than the names. */
function many() {
  return Array.from({ length: TUNNELS }, (_, i) =>
    tunnel(1 + (i * 7) % TUNNELS, {
      sessions: [session(2 * i + 2), session(2 * i + 1)],
    }));
}

/** All pages of a list. */
async function walk<Item, Place>(
  ask: (asked: PageAsked<Place>) => Promise<Page<Item, Place>>,
  limit: number,
): Promise<Item[][]> {
  const pages: Item[][] = [];
  let after: Place | undefined;
  do {
    const { items, next } = await ask({ after, limit });
    pages.push([...items]);
    after = next;
  } while (after);
  return pages;
}

/** How many counters were asked for while `work` ran. */
async function asked(bench: Bench, work: () => Promise<unknown>) {
  const { datapath } = bench;
  const plain = datapath.counters.bind(datapath);
  const counts = { calls: 0, sessions: 0, tunnels: 0 };
  datapath.counters = (of) => {
    counts.calls++;
    counts.sessions += [...of.sessions].length;
    counts.tunnels += [...of.tunnels].length;
    return plain(of);
  };
  await work();
  datapath.counters = plain;
  return counts;
}

Deno.test("a page asks for the counters of what it shows, and of nothing else", async () => {
  await using bench = await start(config(many()));
  const { appliance } = bench;
  let tunnels: { readonly config: { readonly tunnelId: number } }[][] = [];
  const ofTunnels = await asked(bench, async () => tunnels = await walk(appliance.tunnelPage, 50));
  assert.deepEqual(ofTunnels, { calls: 6, sessions: 0, tunnels: TUNNELS });
  assert.deepEqual(
    tunnels.flat().map(({ config }) => config.tunnelId),
    Array.from({ length: TUNNELS }, (_, i) => i + 1),
  );
  let sessions: Awaited<ReturnType<ApplianceApi["sessionPage"]>>["items"][] = [];
  const ofSessions = await asked(
    bench,
    async () =>
      sessions = await walk((asked: PageAsked<SessionPlace>) => appliance.sessionPage(asked), 100),
  );
  assert.deepEqual(ofSessions, { calls: 6, sessions: 2 * TUNNELS, tunnels: 0 });
  const places = sessions.flat().map(({ session, tunnel }) =>
    [tunnel.tunnelId, session.config.sessionId] as const
  );
  assert.equal(new Set(places.map(String)).size, 2 * TUNNELS);
  assert.deepEqual(places, places.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]));
  const { session: first } = sessions[0]![0]!;
  const one = await asked(bench, () => appliance.session("1", first.config.name));
  assert.deepEqual(one, { calls: 1, sessions: 1, tunnels: 0 });
  assert.deepEqual(await asked(bench, () => appliance.summary("7")), {
    calls: 1,
    sessions: 0,
    tunnels: 1,
  });
});

Deno.test("to look at something else of the configuration costs nothing of the tunnels", async () => {
  await using bench = await start(config(many()));
  const { tunnels } = Object.getOwnPropertyDescriptors(bench.appliance.config());
  assert.ok(tunnels!.get, "they are looked up where they are asked for");
  assert.equal(bench.appliance.config().tunnels.length, TUNNELS);
});

Deno.test("what comes and goes between two pages disturbs neither", async () => {
  await using bench = await start(config([1, 2, 3, 5, 6, 8].map((id) => tunnel(id))));
  const { appliance } = bench;
  const ids = (page: Awaited<ReturnType<ApplianceApi["tunnelPage"]>>) =>
    page.items.map(({ config }) => config.tunnelId);
  const first = await appliance.tunnelPage({ limit: 3 });
  assert.deepEqual([ids(first), first.next], [[1, 2, 3], { id: 3, name: "tunnel-3" }]);
  await appliance.deleteTunnel("3");
  await appliance.deleteTunnel("5");
  await appliance.createTunnel(tunnel(4));
  await appliance.createTunnel({ ...tunnel(9), name: "another" });
  const second = await appliance.tunnelPage({ after: first.next, limit: 3 });
  assert.deepEqual([ids(second), second.next], [[4, 6, 8], { id: 8, name: "tunnel-8" }]);
  const third = await appliance.tunnelPage({ after: second.next, limit: 3 });
  assert.deepEqual([ids(third), third.next], [[9], undefined]);
});

Deno.test("tunnels with a control connection that is not up come first, by name, each of them once", async () => {
  const text = `peers: { hq: { address: 10.0.0.0/8 } }
tunnels: {${
    ["b", "z", "a", "c"].map((name) => `${name}: { peer: hq, mode: passive }`).join(", ")
  }}`;
  const { managed, peers } = parseConfig(text, {
    file: "f.yaml",
    plugins: [],
    defaults: { hostName: "edge1" },
  });
  await using bench = await start(config([2, 1].map((id) => tunnel(id)), { managed, peers }));
  for (const limit of [1, 2, 3, 4, 10]) {
    const pages = await walk(bench.appliance.tunnelPage, limit);
    assert.ok(pages.every(({ length }) => length <= limit));
    assert.deepEqual(
      pages.flat().map(({ config }) => config.name),
      ["a", "b", "c", "z", "tunnel-1", "tunnel-2"],
    );
  }
});

Deno.test("tunnels that are down are listed at their place, with their sessions", async () => {
  await using bench = await start(
    config([1, 2, 3].map((id) => ({
      ...tunnel(id, { sessions: [session(10 * id + 1), session(10 * id)] }),
      ...(id === 2 && { local: { address: "10.9.9.9", port: 1702 } }),
    }))),
    { refused: ["10.9.9.9"] },
  );
  const { appliance } = bench;
  const tunnels = await walk(appliance.tunnelPage, 1);
  assert.deepEqual(
    tunnels.flat().map(({ config, reason, sessionCount }) => [
      config.tunnelId,
      reason !== undefined,
      sessionCount,
    ]),
    [[1, false, 2], [2, true, 2], [3, false, 2]],
  );
  const ids = (found: readonly { readonly session: { readonly config: object } }[]) =>
    found.map(({ session }) => (session.config as { sessionId: number }).sessionId);
  const sessions = await walk((asked: PageAsked<SessionPlace>) => appliance.sessionPage(asked), 1);
  assert.deepEqual(ids(sessions.flat()), [10, 11, 20, 21, 30, 31]);
  const ofOne = await walk(
    (asked: PageAsked<SessionPlace>) => appliance.sessionPage(asked, "2"),
    1,
  );
  assert.deepEqual(ids(ofOne.flat()), [20, 21]);
  assert.equal((await appliance.session("2", "21")).session.reason, "its tunnel is down");
  assert.deepEqual(await appliance.sessionCounts(), { up: 0, down: 6 });
  for (const [of, session] of [["2", "30"], ["1", "20"], ["9", "1"]] as const) {
    await assert.rejects(appliance.session(of, session), { code: "not-found" });
  }
  await assert.rejects(appliance.summary("9"), { code: "not-found" });
  await assert.rejects(appliance.sessionPage({ limit: 1 }, "9"), { code: "not-found" });
});
