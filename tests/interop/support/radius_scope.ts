/** A scope over the operating system as Deno has it, for RADIUS without an appliance. @module */

import { createSocket, type Socket } from "node:dgram";
import { DatabaseSync } from "node:sqlite";
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
  const sockets = new Set<Socket>();
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
    store: () => database,
    readText: (path) => Deno.readTextFileSync(path),
    async udp({ local, port }, received) {
      const socket = createSocket("udp4");
      sockets.add(socket);
      socket.on(
        "message",
        (datagram, from) => received(datagram, { address: from.address, port: from.port }),
      );
      await new Promise<void>((resolve) => socket.bind(port ?? 0, local ?? "127.0.0.1", resolve));
      return {
        port: socket.address().port,
        send(datagram, to) {
          socket.send(datagram, to.port, to.address);
          return true;
        },
        drops: () => 0,
      };
    },
  };
  const close = async () => {
    abort.abort();
    for (const timer of timers) clearTimeout(timer);
    await Promise.all(
      [...sockets].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
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
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
