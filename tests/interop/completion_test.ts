/** Completion as fish and zsh really do it; bash is tried beside the command line. */

import assert from "node:assert/strict";
import { root } from "./support/appliance.ts";
import { output, run } from "./support/process.ts";
import { suite } from "./support/suite.ts";

const { test } = suite<string>(import.meta.url, ["fish", "zsh"], async (stack) => {
  const folder = await Deno.makeTempDir({ prefix: "isthmus-completion-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  for (const [shell, file] of [["fish", "isthmus.fish"], ["zsh", "_isthmus"]] as const) {
    const isthmus = [Deno.execPath(), "run", "-q", "-A", `${root}edge/main.ts`];
    await Deno.writeTextFile(
      `${folder}/${file}`,
      await output([...isthmus, "completion", shell]),
    );
  }
  // A file that nobody asks for.
  await Deno.writeTextFile(`${folder}/tunnel.yaml`, "");
  return folder;
});

/** Lines, and the words that complete each. */
const cases: readonly (readonly [line: string, ...words: string[]])[] = [
  ["isthmus sho", "show"],
  ["isthmus show tu", "tunnel"],
  ["isthmus --url unix:/x show ses", "session"],
  ["isthmus show tunnel peer", "peer-tunnel-id"],
  ["isthmus completion ", "bash", "fish", "zsh"],
];

test("fish completes commands, keywords and shells, and files where a file is expected", async (folder) => {
  const complete = async (line: string) => {
    const script = `cd ${folder}; source isthmus.fish; complete -C '${line}'`;
    const said = await output(["fish", "--no-config", "-c", script]);
    return said.trim().split("\n").map((line) => line.split("\t")[0]);
  };
  for (const [line, ...words] of cases) {
    assert.deepEqual((await complete(line)).sort(), words, line);
  }
  assert.deepEqual(await complete("isthmus check tun"), ["tunnel.yaml"]);
});

test("zsh completes them", async (folder) => {
  // What is typed into a shell of its own, and what the line is then. Nothing says when it is ready: on a busy machine it
  // gets more time.
  const typed = (times: number) => `
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z "PS1=; cd ${folder}; fpath=(${folder} $fpath); autoload -U compinit; compinit -u -d ${folder}/dump"
    zpty -w z "isthmus() { print -r -- \\"LINE:\\$*\\" }"
    sleep ${times}
    for line in ${cases.slice(0, 4).map(([line]) => `'${line}'`).join(" ")}; do
      zpty -w -n z "$line"$'\\t'
      sleep ${0.5 * times}
      zpty -w -n z $'\\n'
      sleep ${0.2 * times}
    done
    zpty -r -m z text '*LINE:show tunnel peer-tunnel-id*'
    zpty -d z
    print -r -- "$text"
  `;
  const wanted = cases.slice(0, 4).map(([line, word]) =>
    line.replace(/\S+$/, word!).replace("isthmus ", "LINE:")
  );
  let text = "";
  for (const times of [1, 4, 10]) {
    text = (await run(["timeout", "50", "zsh", "-f", "-c", typed(times)])).stdout;
    if (wanted.every((whole) => text.includes(whole))) return;
  }
  for (const whole of wanted) assert.ok(text.includes(whole), `${whole}: ${text}`);
});
