/** `isthmus run` as a process. @module */

import { checkedFetch } from "../../edge/admin/promised.ts";

/** The token of endpoints on TCP. */
export const adminToken = "a-token-of-the-tests";

const main = new URL("../../edge/main.ts", import.meta.url).pathname;

/** A running appliance. Disposal kills it. */
export interface Process extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** What it has written to standard error so far. */
  log(): string;
  get(path: string): Promise<{ status: number; body: unknown }>;
}

/**
 * Runs `isthmus run` with no more permissions than it declares.
 * @param limits what the shell shall do first: `ulimit -n 64;`
 */
export function spawnIsthmus(
  file: string,
  admin: string,
  env: Record<string, string> = {},
  limits = "",
): Process {
  const args = ["run", "-q", "-P=appliance", main, "run", "--config", file];
  const child = new Deno.Command("sh", {
    args: ["-c", `${limits} exec "$0" "$@"`, Deno.execPath(), ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  let text = "";
  const drained = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  return {
    child,
    log: () => text,
    async get(path) {
      const headers = { authorization: `Bearer ${adminToken}` };
      const response = await checkedFetch(`http://${admin}${path}`, { headers });
      return { status: response.status, body: await response.json() };
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
      await drained;
    },
  };
}
