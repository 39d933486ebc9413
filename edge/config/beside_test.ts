import assert from "node:assert/strict";
import { builtIn } from "../built_in.ts";
import { BESIDE_LENGTH, readBeside } from "./beside.ts";
import { configFile } from "./file.ts";
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
