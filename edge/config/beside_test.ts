import assert from "node:assert/strict";
import { builtIn } from "../built_in.ts";
import { BESIDE_LENGTH, readBeside } from "./beside.ts";
import { configFile } from "./file.ts";
import type { Config } from "./model.ts";
import { parseConfig } from "./parse.ts";
import { ConfigError } from "./problem.ts";

const tunnel = (i: number) => `
  t${i}:
    static: { tunnel-id: ${i + 1}, peer-tunnel-id: ${i + 1} }
    remote: 10.0.0.1
    sessions: { s: { session-id: ${i + 1}, peer-session-id: 1, cookie: "00112233" } }`;
const tunnels = (count: number) => Array.from({ length: count }, (_, i) => tunnel(i)).join("");
const text = `peers: { hq: { secret: hush, accept: [{ circuit: { sink: {} } }] } }
tunnels:
  to-hq: { peer: hq, remote: 10.0.0.2, sessions: { s: { circuit: { sink: {} } } } }${tunnels(600)}
`;
const defaults = { hostName: "edge1" };

Deno.test("a large file read beside is the same configuration", async () => {
  const { config, warnings } = await readBeside({
    text,
    edits: [],
    asked: [],
    file: "f.yaml",
    defaults,
  });
  assert.deepEqual(config, parseConfig(text, { file: "f.yaml", plugins: builtIn, defaults }));
  assert.deepEqual(warnings, []);
});

Deno.test("what is wrong with a large file is told by place: the first twenty, and how many more", async () => {
  const wrong = text.replaceAll("peer-session-id: 1", "peer-sesion-id: 1");
  await assert.rejects(
    readBeside({ text: wrong, edits: [], asked: [], file: "f.yaml", defaults }),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.problems.length, 20);
      assert.match(
        error.message,
        /^f\.yaml:\d+:\d+: tunnels\.t0\.sessions\.s\.peer-session-id: missing/,
      );
      assert.equal(error.more, 2 * 600 - 20);
      assert.match(error.message, /\nand 1180 more$/);
      return true;
    },
  );
});

Deno.test("configFile() reads large files beside, edits too, and tells secrets that others can read", async () => {
  assert.ok(text.length > BESIDE_LENGTH);
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, text);
    await Deno.chmod(file, 0o644);
    const document = configFile(file, builtIn);
    const { commit, config, warnings } = await document.load();
    commit();
    assert.equal(config.tunnels.length, 600);
    assert.match(warnings.join(), /holds a secret and every user can read it/);
    const edited = await document.edit([{ path: ["tunnels", "t7"], value: undefined }]);
    assert.equal(edited.config.tunnels.length, 599);
  } finally {
    await Deno.remove(file);
  }
});

/** What every thing of a configuration's lists is, by name. */
const things = ({ managed, peers, tunnels }: Config) =>
  new Map([...managed, ...peers, ...tunnels].map((thing) => [thing.name, thing]));

Deno.test("what did not change is not handed over again", async () => {
  const request = { text, edits: [], asked: [], file: "f.yaml", defaults };
  const first = await readBeside(request);
  const same = await readBeside(request, first);
  const before = things(first.config);
  for (const [name, thing] of things(same.config)) assert.equal(thing, before.get(name));
  const lines = text.split("\n");
  const changed = [...lines.slice(0, 3), tunnel(9000).slice(1), ...lines.slice(3)].join("\n")
    .replace("session-id: 600, peer-session-id: 1", "session-id: 600, peer-session-id: 2")
    .replace("secret: hush", "secret: another");
  const next = await readBeside({ ...request, text: changed }, first);
  assert.deepEqual(
    next.config,
    parseConfig(changed, { file: "f.yaml", plugins: builtIn, defaults }),
  );
  const others = [...things(next.config)].filter(([name, thing]) => thing !== before.get(name));
  assert.deepEqual(others.map(([name]) => name).sort(), ["hq", "t599", "t9000"]);
});

Deno.test("a tunnel of very many sessions is handed over in pieces, and whole", async () => {
  const sessions = Array.from(
    { length: 3000 },
    (_, i) => `\n      s${i}: { session-id: ${i + 1} }`,
  );
  const long = `tunnels:
  big:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    remote: 10.0.0.1
    sessions:${sessions.join("").replaceAll(" }", ", peer-session-id: 1 }")}
${tunnels(300).replaceAll("tunnel-id: 1,", "tunnel-id: 1000,").slice(1)}
`.replaceAll(
    /session-id: (\d+), peer-session-id: 1, cookie/g,
    "session-id: 1$1000, peer-session-id: 1, cookie",
  );
  const { config } = await readBeside({
    text: long,
    edits: [],
    asked: [],
    file: "f.yaml",
    defaults,
  });
  assert.deepEqual(config, parseConfig(long, { file: "f.yaml", plugins: builtIn, defaults }));
  assert.equal(config.tunnels[0]!.sessions.length, 3000);
});

Deno.test("edits of a large file are read beside: who says what, and what is saved", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, text);
    const document = configFile(file, builtIn);
    (await document.load()).commit();
    const edits = [
      { path: ["peers", "more"], value: { "proto-version": 2 } },
      { path: ["tunnels", "to-hq", "sessions", "t", "seq"], value: "both" },
      { path: ["tunnels", "t7"], value: undefined },
      { path: ["log", "level"], value: "warn" },
    ];
    (await document.edit(edits)).commit();
    const said = () =>
      [
        ["peers", "hq"],
        ["peers", "more"],
        ["tunnels", "t8"],
        ["tunnels", "to-hq", "sessions", "s"],
        ["tunnels", "to-hq", "sessions", "t"],
        ["tunnels", "nowhere"],
      ].map((path) => document.origin(path));
    assert.deepEqual(said(), ["file", "request", "file", "file", "request", undefined]);
    const again = await document.load();
    assert.deepEqual(again.putBack, ["tunnels/t7"]);
    assert.equal(again.config.log.level, "warn");
    again.commit();
    assert.deepEqual(said(), ["file", "request", "file", "file", "request", undefined]);
    const { refused, text: saved } = await document.save([{
      path: ["tunnels", "t9"],
      value: undefined,
    }]);
    assert.equal(refused, undefined);
    assert.equal(await Deno.readTextFile(file), saved);
    assert.deepEqual(said(), ["file", "file", "file", "file", "file", undefined]);
    assert.equal(document.origin(["tunnels", "t9"]), undefined);
    assert.match(saved, /more: *\n? *\{? *proto-version: 2/);
  } finally {
    await Deno.remove(file);
  }
});
