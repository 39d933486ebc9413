/** Work in a named network namespace (`ip netns`). @module */

import { Errno, IoError } from "./errno.ts";
import { cString, type Libc } from "./libc.ts";

const O_RDONLY_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;

/**
 * Runs `work` with this thread in the namespace, and comes back whatever happens. `work` must be synchronous: what is
 * opened in it (sockets, /dev/net/tun) stays in the namespace, while the thread does not. Undefined: no change.
 * @throws {IoError} `ENOENT` where there is no such namespace, `EPERM` without CAP_SYS_ADMIN
 */
export function inNetns<T>(libc: Libc, name: string | undefined, work: () => T): T {
  if (name === undefined) return work();
  const what = `enter the network namespace ${name}`;
  if (/^\.{0,2}$|\//.test(name)) throw new IoError("open", Errno.EINVAL, what, "not a name");
  const home = open(libc, "/proc/thread-self/ns/net", what);
  try {
    const away = open(libc, `/run/netns/${name}`, what);
    try {
      libc.check(libc.call.setns(away, CLONE_NEWNET), "setns", what);
    } finally {
      libc.call.close(away);
    }
    try {
      return work();
    } finally {
      libc.check(libc.call.setns(home, CLONE_NEWNET), "setns", `return from the namespace ${name}`);
    }
  } finally {
    libc.call.close(home);
  }
}

function open(libc: Libc, path: string, what: string): number {
  return libc.check(libc.call.open(cString(path), O_RDONLY_CLOEXEC, 0), `open(${path})`, what);
}
