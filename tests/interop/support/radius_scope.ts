/** A scope over the operating system, for RADIUS without an appliance. @module */

import { DatabaseSync } from "node:sqlite";
import { type DatagramSocket, openDatagrams } from "../../../edge/io/datagrams.ts";
import { openLibc } from "../../../edge/io/libc.ts";
import { Failure } from "../../../plugins/failure.ts";
import type { Scope } from "../../../plugins/scope.ts";

/** A scope, and what became of it. */
export interface RadiusScope extends AsyncDisposable {
  readonly scope: Scope;
  readonly counts: ReadonlyMap<string, number>;
  readonly lines: readonly string[];
}

/** A scope whose database is the file `store`. It ends when it is disposed of; `crash` drops all without a word. */
export function makeRadiusScope(store = ":memory:"): RadiusScope & { crash(): Promise<void> } {
  const counts = new Map<string, number>();
  const lines: string[] = [];
  const libc = openLibc();
  const datagrams = openDatagrams(libc);
  const sockets = new Set<DatagramSocket>();
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const undos: (() => void | Promise<void>)[] = [];
  const database = new DatabaseSync(store);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
  const abort = new AbortController();
  const parts: Partial<Scope> = {
    signal: abort.signal,
    now: () => performance.now(),
    date: () => Date.now(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    timer(at, due) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        due();
      }, Math.max(0, at - performance.now()));
      timers.add(timer);
      return {
        cancel() {
          timers.delete(timer);
          clearTimeout(timer);
        },
      };
    },
    log: (level, message, fields) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
    counter: (name) => ({ add: (by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by) }),
    gauge() {},
    failure: (code, message) => new Failure(code, message),
    defer: (undo) => void undos.push(() => undo({ result: 3 })),
    child: () =>
      childOf(parts as Scope, undos, (options, received) => {
        const socket = datagrams.open({ local: "127.0.0.1", ...options }, received);
        sockets.add(socket);
        return socket;
      }),
    store: () => database,
    readText: (path) => Deno.readTextFileSync(path),
    udp(options, received) {
      const socket = datagrams.open({ local: "127.0.0.1", ...options }, received);
      sockets.add(socket);
      return Promise.resolve(socket);
    },
  };
  const close = async () => {
    abort.abort();
    for (const timer of timers) clearTimeout(timer);
    await Promise.all([...sockets].map((socket) => socket.close()));
    libc[Symbol.dispose]();
    database.close();
  };
  return {
    scope: parts as Scope,
    counts,
    lines,
    crash: close,
    async [Symbol.asyncDispose]() {
      for (const undo of undos.reverse()) await undo();
      await close();
    },
  };
}

/** A UDP port of loopback that nobody has just now. */
export async function freePort(): Promise<number> {
  using libc = openLibc();
  const socket = openDatagrams(libc).open({ local: "127.0.0.1" }, () => {});
  await socket.close();
  return socket.port;
}

/** A shorter scope inside: it has sockets and undoing of its own. */
function childOf(
  parent: Scope,
  parents: (() => void | Promise<void>)[],
  open: (...args: Parameters<Scope["udp"]>) => DatagramSocket,
): ReturnType<Scope["child"]> {
  const undos: (() => void | Promise<void>)[] = [];
  let ended: Promise<void> | undefined;
  const end = () =>
    ended ??= (async () => {
      for (const undo of undos.reverse()) await undo();
    })();
  parents.push(end);
  return {
    ...parent,
    defer: (undo) => void undos.push(() => undo({ result: 3 })),
    udp(options, received) {
      const socket = open(options, received);
      undos.push(() => socket.close());
      return Promise.resolve(socket);
    },
    end,
  };
}
