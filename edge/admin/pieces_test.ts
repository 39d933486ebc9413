import assert from "node:assert/strict";
import { buildSession, buildTunnel } from "../config/build.ts";
import { checkedAdmin } from "./promised.ts";
import { jsonPieces } from "./pieces.ts";
import { memoryAppliance } from "./testing.ts";

Deno.test("pieces are the JSON of the whole, and none of them is long", () => {
  const names = Array.from({ length: 5000 }, (_, i) => `"tunnel" ${i}`);
  const value = (i: number) => ({ name: names[i]!, list: [i, null, "\u2028"] });
  const whole = {
    kept: 7,
    empty: {},
    steps: names.map((_, i) => value(i)),
    tunnels: Object.fromEntries(names.map((name, i) => [name, value(i)])),
  };
  let asked = 0;
  function* entries() {
    for (const [i, name] of names.entries()) {
      asked++;
      yield [name, value(i)] as const;
    }
  }
  const pieces: string[] = [];
  const made = jsonPieces({ kept: 7 }, {
    empty: { entries: [] },
    steps: { items: names.map((_, i) => value(i)) },
    tunnels: { entries: entries() },
  });
  for (const piece of made) {
    pieces.push(piece);
    assert.ok(piece.length < 33 * 1024, `${piece.length}`);
    // What comes later is not made yet.
    assert.ok(asked <= pieces.join("").length / 40);
  }
  assert.ok(pieces.length > 10);
  assert.deepEqual(JSON.parse(pieces.join("")), whole);
  assert.equal([...jsonPieces({}, {})].join(""), "{}");
  assert.equal([...jsonPieces({}, { a: { items: [] } })].join(""), '{"a":[]}');
});

const tables = {
  name: "switch",
  summary: "a switch",
  pseudowireTypes: [5],
  views: [{ name: "bridge", help: "who", columns: [{ name: "mac", help: "who" }] }],
  start: () => ({}),
};

Deno.test("no list leaves in one go, however long it is", async () => {
  const appliance = memoryAppliance();
  for (let i = 1; i <= 900; i++) {
    const tunnel = buildTunnel(`t${i}`, {
      "tunnel-id": i,
      "peer-tunnel-id": i,
      "ip-daddr": "10.0.0.2",
    });
    const session = buildSession("one", 3, { "session-id": i, "peer-session-id": i });
    assert.ok(tunnel.ok && session.ok);
    await appliance.createTunnel(tunnel.value);
    await appliance.createSession(`t${i}`, session.value);
  }
  appliance.view = async function* () {
    for (let i = 0; i < 9000; i++) yield { mac: `02:00:00:00:${i >> 8}:${i & 255}`, port: "t/one" };
  };
  const app = checkedAdmin(appliance, { plugins: [tables] });
  const lists = [
    ["/v1/tunnels?limit=800", "tunnels", 800],
    ["/v1/sessions?limit=800", "sessions", 800],
    ["/v1/views/bridge", "rows", 9000],
  ] as const;
  for (const [path, member, count] of lists) {
    const { body } = await app.request(`http://localhost${path}`);
    const pieces: Uint8Array[] = [];
    for await (const piece of body!) pieces.push(piece);
    const lengths = pieces.map(({ length }) => length);
    assert.ok(Math.max(...lengths) < 40 * 1024, `${path}: ${lengths}`);
    const whole = JSON.parse(await new Blob(pieces as BlobPart[]).text());
    assert.equal(whole[member].length, count);
  }
});
