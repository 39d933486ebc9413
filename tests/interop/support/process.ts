/** Runs programs: to their end, or in the background until disposed of. @module */

/** How a program ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What may be said about a run. */
export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  /** Milliseconds until it is killed; 60,000 by default. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { env, stdin, timeoutMs = 60_000 } = options;
  const child = new Deno.Command(argv[0]!, {
    args: argv.slice(1),
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(env && { env }),
  }).spawn();
  const watchdog = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    if (stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    clearTimeout(watchdog);
  }
}

/** Runs a program that has to succeed, and gives what it printed. @throws when it does not */
export async function output(argv: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit status ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** A program that runs in the background; disposal ends it with SIGTERM (SIGKILL after 30 s) and waits for it. */
export interface Background extends AsyncDisposable {
  readonly pid: number;
  /** Undefined while it runs. */
  exitCode(): number | undefined;
  /** Resolves when it has ended. */
  readonly ended: Promise<number>;
  kill(signal: Deno.Signal): void;
  /** All that it printed so far. */
  log(): Promise<string>;
}

/**
 * Starts a program whose output goes to `logFile`. A file and not a pipe: nothing has to read along, so no asynchronous
 * operation is under way that a test could be blamed for.
 */
export function start(argv: readonly string[], logFile: string): Background {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec >>"$0" 2>&1; exec "$@"', logFile, ...argv],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let code: number | undefined;
  const ended = child.status.then((status) => code = status.code);
  return {
    pid: child.pid,
    exitCode: () => code,
    ended,
    kill: (signal) => child.kill(signal),
    log: () => Deno.readTextFile(logFile).catch(() => ""),
    async [Symbol.asyncDispose]() {
      if (code !== undefined) return;
      child.kill("SIGTERM");
      const watchdog = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await ended;
      clearTimeout(watchdog);
    },
  };
}

/** Waits until `condition` holds, asking every 20 ms. @throws after `timeoutMs`, saying `what` did not come about */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
