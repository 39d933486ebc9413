// deno-lint-ignore-file no-console
/**
 * Checks that no function is longer than fits in one look: `deno task lengths:check`. Formatted code is asked for, in
 * which a function ends at the first closing brace that is indented as it is.
 *
 * @module
 */

/** Lines of a function, its own first and last among them. */
const LIMIT = 100;
const folders = ["core", "edge", "plugins", "wasm", "docs", "gate", "demo", "tests"];
const root = new URL("../", import.meta.url);

/** A function, a method, or an arrow function that a name or a property is given to. */
const begins =
  /^( *)(?:export )?(?:default )?(?:(?:private|static|readonly|override) )*(?:async )?(?:function\*? ?(#?\w+)|(?:const |let )?(#?[\w$]+)(?:: [^=]+)? ?[=:] (?:async )?(?:<[^>]*>)?\(|(?:get |set |\*)?(#?\w+)(?:<[^>]*>)?\()/;

function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (isDirectory && !["pkg", "target", ".build"].includes(name)) {
      yield* sources(`${folder}${name}/`);
    } else if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

const faults: string[] = [];
for (const file of folders.flatMap((folder) => [...sources(`${folder}/`)])) {
  const lines = Deno.readTextFileSync(new URL(file, root)).split("\n");
  for (const [i, line] of lines.entries()) {
    const found = begins.exec(line);
    if (!found || /^ *(?:if|for|while|switch|return|throw|await|Deno\.test)\b/.test(line)) continue;
    const end = lines.findIndex((other, j) => j > i && other.startsWith(`${found[1]}}`));
    const closed = lines.findIndex((other, j) => j >= i && /[;,]$|^ *\}/.test(other));
    // What closes before any brace does is a call or a value.
    if (end < 0 || (closed === i && !line.endsWith("{"))) continue;
    const between = lines.slice(i + 1, end);
    if (
      between.some((other) =>
        other !== "" && !other.startsWith(`${found[1]} `) && !/^ *[)\]}]/.test(other)
      )
    ) {
      continue;
    }
    const length = end - i + 1;
    const name = found[2] ?? found[3] ?? found[4];
    if (length > LIMIT) faults.push(`${file}:${i + 1}: ${name} has ${length} lines`);
  }
}
for (const fault of faults) console.error(fault);
Deno.exit(faults.length === 0 ? 0 : 1);
