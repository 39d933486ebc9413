/** Starts operators' commands. @module */

import { type Libc, openLibc } from "../io/libc.ts";
import type { HookDependencies, RunningHook } from "./hooks.ts";

/** What every command finds in its environment besides what its event says. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Starts a command, away from our standard input and output; what it says on standard error is ours. */
export function spawnHook(
  [program, ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): RunningHook {
  const child = new Deno.Command(program!, {
    args,
    env: { PATH, ...environment },
    clearEnv: true,
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  return {
    status: child.status,
    kill() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
    },
  };
}

/** From `linux/prctl.h`. */
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;
/** More than the kernel has capabilities. */
const MAX_CAPABILITY = 63;

/**
 * Has this thread's children begin without capabilities, and without a way to any (capabilities(7)): nothing is left in
 * the ambient and bounding sets, and `no_new_privs` holds. What this thread may do itself stays as it is.
 * @throws {Error} where children would keep some
 */
export function dropForChildren(libc: Pick<Libc, "call">): void {
  const prctl = (option: number, value: bigint) => libc.call.prctl(option, value, 0n, 0n, 0n);
  const held = prctl(PR_SET_NO_NEW_PRIVS, 1n) < 0 ||
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL) < 0;
  let bounded = true;
  for (let capability = 0n; capability <= MAX_CAPABILITY; capability++) {
    if (prctl(PR_CAPBSET_READ, capability) !== 1) continue;
    if (prctl(PR_CAPBSET_DROP, capability) < 0) bounded = false;
  }
  // Who is not root gains nothing by the bounding set, for `no_new_privs` holds.
  if (held || (!bounded && libc.call.geteuid() === 0)) {
    throw new Error(
      "the appliance's capabilities cannot be dropped for it (CAP_SETPCAP is missing)",
    );
  }
}

/** Starts commands that have none of this process's capabilities. */
export function spawnWithoutCapabilities(): HookDependencies["spawn"] {
  let dropped = false;
  return (command, environment) => {
    if (!dropped) {
      using libc = openLibc();
      dropForChildren(libc);
      dropped = true;
    }
    return spawnHook(command, environment);
  };
}
