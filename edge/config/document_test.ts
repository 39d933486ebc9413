import assert from "node:assert/strict";
import { builtIn } from "../built_in.ts";
import { BESIDE_LENGTH } from "./beside.ts";
import { makeDocument } from "./document.ts";
import type { Edit } from "./edit.ts";

const text = `# The only one.
peers: { hq: { address: 10.0.0.1 } }
tunnels:
  kept: { peer: hq, local: "10.0.0.2:1701", remote: "10.0.0.1:1701" }
circuits: { old: { sink: {} } }
`;

/** A document of a file in memory, which is read here however long it is. */
async function loaded() {
  let file = text;
  let longest = 0;
  const document = makeDocument({
    file: "f.yaml",
    plugins: builtIn,
    hostName: "lac",
    readText: () => Promise.resolve(file),
    writeText: (next) => Promise.resolve(void (file = next)),
    readSecret: () => "",
    readBeside: ({ edits }) => {
      longest = Math.max(longest, JSON.stringify(edits).length);
      return Promise.reject(new Error(`${edits.length} edits are to be read beside`));
    },
  });
  (await document.load()).commit();
  const edit = async (...edits: Edit[]) => (await document.edit(edits)).commit();
  return { document, edit, text: () => file };
}

Deno.test("things that requests make and take out again leave nothing behind, however many", async () => {
  const { document, edit, text: saved } = await loaded();
  const tunnel = { peer: "hq", local: "10.0.0.2:1701", remote: "10.0.0.1:1701", sessions: {} };
  const note = "x".repeat(700);
  const long = "-long".repeat(10);
  for (let i = 0; i * note.length < 4 * BESIDE_LENGTH; i++) {
    const [peer = "", circuit = "", made = ""] = ["peer", "circuit", "tunnel"].map((what) =>
      `${what}${i}${long}`
    );
    await edit({ path: ["peers", peer], value: { address: "10.0.0.9", secret: note } });
    await edit({ path: ["peers", peer, "hello"], value: 7 });
    await edit({ path: ["circuits", circuit], value: { sink: {} } });
    await edit({ path: ["tunnels", made], value: tunnel });
    await edit({ path: ["tunnels", made, "sessions", "s"], value: { circuit } });
    await edit({ path: ["tunnels", made, "sessions", "s"], value: undefined });
    await edit({ path: ["tunnels", made, "sessions", "t"], value: { circuit } });
    await edit({ path: ["tunnels", made], value: undefined });
    await edit({ path: ["circuits", circuit], value: undefined }, {
      path: ["peers", peer],
      value: undefined,
    });
    if (i === 3) assert.equal(document.origin(["peers", peer]), undefined);
  }
  assert.equal((await document.save([])).refused, undefined);
  assert.equal(saved(), text);
});

Deno.test("what the file says is taken out for good, and what comes again under a name stays", async () => {
  const { document, edit, text: saved } = await loaded();
  await edit({ path: ["circuits", "old"], value: undefined });
  await edit({ path: ["circuits", "new"], value: { sink: {} } });
  await edit(
    { path: ["circuits", "new"], value: undefined },
    { path: ["circuits", "new"], value: { probe: { address: "10.1.0.1/24" } } },
  );
  await edit({ path: ["tunnels", "kept", "sessions"], value: {} });
  await edit({ path: ["tunnels", "kept", "sessions", "s"], value: { circuit: "new" } });
  const { config } = await document.edit([
    { path: ["tunnels", "kept", "sessions", "gone"], value: { circuit: { sink: {} } } },
    { path: ["tunnels", "kept", "sessions", "gone"], value: undefined },
  ]);
  assert.deepEqual(config.circuits.map(({ name }) => name), ["new"]);
  assert.deepEqual(config.managed[0]!.calls.map(({ name }) => name), ["s"]);
  assert.equal((await document.save([])).refused, undefined);
  assert.match(saved(), /new: .*probe/s);
  assert.doesNotMatch(saved(), /old|gone/);
});
