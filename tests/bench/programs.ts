/** The bench's programs: C ones built by cc, and any that answers a line with a line. @module */

import { TextLineStream } from "./lines.ts";

const source = new URL("./baseline/", import.meta.url).pathname;
const build = new URL("./.build/", import.meta.url).pathname;

/** The C programs, one source file each. */
const names = [
  "switch",
  "tap",
  "packet",
  "super",
  "lookup",
  "traffic",
  "udp",
  "lac",
  "radius",
] as const;
export type ProgramName = typeof names[number];

/** Programs that are built for L2TPv2 too. */
const both = ["switch", "packet", "traffic"] as const;

/** Where a built program lies. */
export function programPath(name: ProgramName): string {
  return build + name;
}

/** Where a program lies that was built for a version of L2TP. */
export function versionPath(name: typeof both[number], version: 2 | 3): string {
  return version === 2 ? `${build}${name}-v2` : programPath(name);
}

/** Builds all programs with cc. @throws {Error} with what the compiler said */
export async function buildPrograms(): Promise<void> {
  await Deno.mkdir(build, { recursive: true });
  await Promise.all(
    [
      ...names.map((name) => ["-DVERSION=3", "-o", programPath(name), `${source}${name}.c`]),
      ...both.map((name) => ["-DVERSION=2", "-o", versionPath(name, 2), `${source}${name}.c`]),
    ].map((args) => run("cc", "-O2", "-Wall", "-D_GNU_SOURCE", ...args)),
  );
}

/** Runs a command to its end and returns its output. @throws {Error} with what it said when it fails */
export async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (success) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`${command} ${args.join(" ")}: ${said}`);
}

/** A running program that takes lines and answers each with a line. Disposal ends it and waits for that. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  ask(line: string): Promise<string>;
  /** Ends it and returns what it said last, or undefined; disposal does the same. */
  stop(): Promise<string | undefined>;
}

/** Starts a program and waits until it says "ready". @throws {Error} when it ends before */
export async function startProgram(command: readonly string[]): Promise<Program> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    .getReader();

  async function nextLine(): Promise<string> {
    const { value, done } = await lines.read();
    if (done) throw new Error(`${command.join(" ")}: ended with ${(await child.status).code}`);
    return value;
  }

  const program: Program = {
    pid: child.pid,
    async ask(line) {
      await input.write(new TextEncoder().encode(`${line}\n`));
      return await nextLine();
    },
    async stop() {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
      await input.abort().catch(() => {});
      let last: string | undefined;
      for (let line = await lines.read(); !line.done; line = await lines.read()) last = line.value;
      await child.status;
      return last;
    },
    async [Symbol.asyncDispose]() {
      await program.stop();
    },
  };
  try {
    const first = await nextLine();
    if (first !== "ready") throw new Error(`${command.join(" ")}: said ${first}`);
    return program;
  } catch (error) {
    await program.stop();
    throw error;
  }
}
