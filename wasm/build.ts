/**
 * Builds the datapath crate into `pkg/`, which is committed: running isthmus needs no Rust.
 *
 *     deno task wasm               installs what is missing (as root, from Debian and crates.io) and rebuilds pkg/
 *     deno task wasm --install     only installs
 *     deno task wasm --behaviour   rebuilds elsewhere and runs the tests of mod.ts against that build
 *     deno task wasm:check         compares the hash that pkg/ records with the sources; needs no Rust
 *
 * Debian's compiler is used because it comes with the standard library's sources for wasm32 (rust-web-src), which
 * `build-std` compiles with the crate's own target features.
 *
 * @module
 */

// deno-lint-ignore-file no-console

const here = `${import.meta.dirname}/`;
const pkg = `${here}pkg/`;
const target = `${here}target/`;
const tools = `${target}tools/`;
const rustc = "/usr/bin/rustc";
const cargo = "/usr/bin/cargo";

/** Everything that decides what comes out; a change of it makes pkg/ stale. */
const settings = {
  debianPackages: ["rustc-web", "cargo-web", "rust-web-src", "lld"],
  /** wasm-bindgen's must be the version of the crate in Cargo.toml. */
  tools: { "wasm-pack": "0.15.1", "wasm-bindgen-cli": "0.2.128" },
  wasmPack: ["--target", "bundler", "--mode", "force", "--no-opt", "--no-pack"],
  cargo: ["--locked", "-Z", "build-std=std,panic_abort"],
} as const;
const sources = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];
/** What wasm-pack makes that is of use here. */
const products = /^isthmus_datapath(_bg)?\.(js|d\.ts|wasm|wasm\.d\.ts)$/;
const hashFile = `${pkg}SOURCE_HASH`;

/** Hash of all sources and of {@linkcode settings}. */
async function sourceHash(): Promise<string> {
  const names = [...sources, ...filesIn("src")];
  const parts = names.sort().map((name) => `${name}\n${Deno.readTextFileSync(here + name)}\n`);
  const bytes = new TextEncoder().encode(JSON.stringify(settings) + parts.join(""));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(here + folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

async function run(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const { success, code } = await new Deno.Command(command, { args: [...args], env, cwd: here })
    .spawn().status;
  if (!success) throw new Error(`${command} ${args.join(" ")}: exit status ${code}`);
}

/** What a command prints, or undefined where it cannot be run. */
async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args: [...args], stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Debian's Rust toolchain, and the two cargo tools in `target/tools`. */
async function install() {
  const missing = [];
  for (const name of settings.debianPackages) {
    const status = await output("dpkg-query", ["-W", "-f", "${Status}", name]);
    if (!status?.includes("install ok installed")) missing.push(name);
  }
  if (missing.length > 0) {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], env);
    await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...missing], env);
  }
  for (const [crate, version] of Object.entries(settings.tools)) {
    const binary = `${tools}bin/${crate.replace(/-cli$/, "")}`;
    if ((await output(binary, ["--version"]))?.trim().endsWith(` ${version}`)) continue;
    // Without optimization: they run for seconds, and take minutes to compile with it.
    const args = ["install", "--locked", "--debug", "--root", tools, "--version", version, crate];
    await run(cargo, args, { RUSTC: rustc });
  }
}

/** Builds into `directory`, without the paths of this machine in what comes out. */
async function build(directory: string) {
  const home = Deno.env.get("CARGO_HOME") ?? `${Deno.env.get("HOME")}/.cargo`;
  const prefixes = { [here]: "", [home]: "cargo", "/usr/lib/rustlib/src/rust": "rust" };
  const remap = Object.entries(prefixes).map(([from, to]) => `"--remap-path-prefix=${from}=${to}"`);
  const config = `target.wasm32-unknown-unknown.rustflags=[${remap.join(",")}]`;
  const cargoArgs = [...settings.cargo, "--config", config];
  const args = [
    "build",
    "--release",
    ...settings.wasmPack,
    "--out-dir",
    directory,
    ".",
    "--",
    ...cargoArgs,
  ];
  await run(`${tools}bin/wasm-pack`, args, {
    PATH: `${tools}bin:/usr/bin:${Deno.env.get("PATH")}`,
    CARGO: cargo,
    RUSTC: rustc,
    RUSTC_BOOTSTRAP: "1", // build-std is not stable; the toolchain's own sources go with it
    CARGO_TARGET_DIR: target,
  });
  for (const { name } of Deno.readDirSync(directory)) {
    if (!products.test(name)) Deno.removeSync(`${directory}/${name}`);
  }
  const wasm = new TextDecoder("latin1").decode(
    Deno.readFileSync(`${directory}/isthmus_datapath_bg.wasm`),
  );
  const leaked = Object.keys(prefixes).find((path) => wasm.includes(path));
  if (leaked) throw new Error(`the build contains a path of this machine: ${leaked}`);
}

/** Builds elsewhere and runs the tests of mod.ts against that build. */
async function checkBehaviour() {
  const root = await Deno.makeTempDir({ prefix: "isthmus-wasm-" });
  try {
    for (const folder of ["core", "wasm"]) {
      Deno.mkdirSync(`${root}/${folder}`);
      for (const { name } of Deno.readDirSync(`${here}../${folder}`)) {
        const wanted = folder === "wasm" ? name.endsWith(".ts") : /^[a-z]+\.ts$/.test(name);
        if (wanted) Deno.copyFileSync(`${here}../${folder}/${name}`, `${root}/${folder}/${name}`);
      }
    }
    for (const name of ["deno.json", "deno.lock"]) {
      Deno.copyFileSync(`${here}../${name}`, `${root}/${name}`);
    }
    await build(`${root}/wasm/pkg`);
    await run(Deno.execPath(), ["test", "-A", "--config", `${root}/deno.json`, `${root}/wasm`]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function check() {
  const recorded = await Deno.readTextFile(hashFile).catch(() => "none");
  if (recorded.trim() === await sourceHash()) return;
  console.error("wasm/pkg was not built from these sources: run `deno task wasm`");
  Deno.exit(1);
}

switch (Deno.args[0]) {
  case "--check":
    await check();
    break;
  case "--install":
    await install();
    break;
  case "--behaviour":
    await install();
    await checkBehaviour();
    break;
  case undefined:
    await install();
    await build(pkg);
    await Deno.writeTextFile(hashFile, `${await sourceHash()}\n`);
    break;
  default:
    console.error("usage: wasm/build.ts [--check | --install | --behaviour]");
    Deno.exit(2);
}
