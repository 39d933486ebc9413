/**
 * Checks that imports point one way (edge → plugins → core; the datapath only through wasm/mod.ts) and that no
 * files import each other in a circle, types included: `deno task imports:check`.
 *
 * @module
 */

/** What the files of a folder may import besides their own folder. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wasm: ["core"],
  plugins: ["core", "wasm"],
  edge: ["plugins", "core", "wasm"],
};

const root = new URL("../", import.meta.url);

/** The TypeScript files under a folder, by their path from the root. */
function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (isDirectory && name !== "pkg" && name !== "target") yield* sources(`${folder}${name}/`);
    if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

/** The files that a file imports by a relative path. */
function imports(file: string): string[] {
  const text = Deno.readTextFileSync(new URL(file, root));
  return [...text.matchAll(/^(?:import|export)\b[^;"]*?"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm)]
    .map((found) =>
      new URL(found[1] ?? found[2]!, new URL(file, root)).href.slice(root.href.length)
    );
}

const graph = new Map(
  Object.keys(allowed).flatMap((folder) => [...sources(`${folder}/`)]).map(
    (file) => [file, imports(file)],
  ),
);
const faults: string[] = [];

for (const [file, targets] of graph) {
  const folder = file.slice(0, file.indexOf("/"));
  for (const target of targets) {
    const other = target.slice(0, target.indexOf("/"));
    if (other === folder || !target.endsWith(".ts")) continue;
    if (!allowed[folder]!.includes(other)) {
      faults.push(`${file}: imports ${target}, which is not below it`);
    } else if (other === "wasm" && target !== "wasm/mod.ts") {
      faults.push(`${file}: imports ${target} instead of wasm/mod.ts`);
    }
  }
}

/** Walks what a file imports; a file that is met again on its own way closes a circle. */
const walked = new Set<string>();
function walk(file: string, way: readonly string[]): void {
  const first = way.indexOf(file);
  if (first >= 0) faults.push(`circle: ${[...way.slice(first), file].join(" → ")}`);
  if (first >= 0 || walked.has(file)) return;
  for (const target of graph.get(file) ?? []) walk(target, [...way, file]);
  walked.add(file);
}
for (const file of graph.keys()) walk(file, []);

await Deno.stderr.write(new TextEncoder().encode(faults.map((fault) => `${fault}\n`).join("")));
if (faults.length > 0) Deno.exit(1);
