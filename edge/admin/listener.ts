/**
 * A socket that listens, and goes on to: an accept that failed (the process is out of descriptors) ends Node's listening
 * without a word, so that it is tried whether somebody still answers, and it is opened anew if not.
 *
 * @module
 */

import type { Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { ApplianceError } from "../appliance/errors.ts";
import type { AdminConfig } from "../config/model.ts";

/** Where an endpoint listens. */
export type Where = AdminConfig["listen"];

/** How often it is tried whether it still listens, and how long a try may take, in milliseconds. */
const TRY_EVERY_MS = 10_000;
const TRY_MS = 1000;
/** The same after there were too many connections, which is when descriptors run out. */
const TRY_SOON_MS = 200;

/** A server that listens until disposal. */
export interface Listening extends Disposable {
  readonly where: Where;
  /** There were many connections at once: looks soon whether it still listens. */
  suspect(): void;
}

/**
 * Has a server listen. Disposal stops it from taking connections; those that there are stay.
 * @param revived is told when it had to be opened anew
 * @throws {ApplianceError} where the address cannot be had
 */
export async function keepListening(
  server: Server,
  asked: Where,
  revived: () => void,
  everyMs: number = TRY_EVERY_MS,
): Promise<Listening> {
  await listen(server, asked);
  const where = boundTo(server, asked);
  let closed = false;
  let looking = false;
  let timer: ReturnType<typeof setTimeout>;
  /** Ends a try: the server takes connections, or is to stop. */
  let sign = () => {};
  server.on("connection", () => sign());
  const reopen = async () => {
    await new Promise((resolve) => {
      server.close(resolve);
      // Not when the last connection has ended: when nobody listens any more, which it is at once.
      setTimeout(resolve, 0);
    });
    if (closed) return;
    await listen(server, where);
    revived();
  };
  const look = async () => {
    looking = true;
    if (await isDead(where, (alive) => sign = alive) && !closed) {
      await reopen().catch(() => {}); // Tried again next time.
    }
    looking = false;
    if (!closed) timer = setTimeout(look, everyMs);
  };
  timer = setTimeout(look, everyMs);
  return {
    where,
    suspect() {
      if (looking || closed) return;
      clearTimeout(timer);
      timer = setTimeout(look, TRY_SOON_MS);
      looking = true;
    },
    [Symbol.dispose]() {
      closed = true;
      clearTimeout(timer);
      sign();
      server.close();
    },
  };
}

/** Whether the system takes a connection, and we hear nothing of it for a time that is long enough. */
function isDead(where: Where, onSign: (alive: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect("path" in where ? { path: where.path } : toUs(where));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    // Out of descriptors, or the backlog is full: nothing can be told from that.
    socket.on("error", () => end(false));
    onSign(() => end(false));
    socket.on("connect", () => timer = setTimeout(() => end(true), TRY_MS));
  });
}

function toUs({ host, port }: { readonly host: string; readonly port: number }) {
  const wildcards: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return { host: wildcards[host] ?? host, port };
}

async function listen(server: Server, where: Where): Promise<void> {
  if ("path" in where) {
    // Its own folder, should it be missing: where nobody set one up, it is ours and the group's.
    await Deno.mkdir(dirname(where.path), { mode: 0o750 }).catch(() => {});
    await removeStale(where.path);
  }
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen("path" in where ? { path: where.path } : where, () => {
        server.off("error", reject);
        // What comes later concerns one connection, or is found out by trying.
        server.on("error", () => {});
        resolve();
      });
    });
  } catch (error) {
    throw cannotListen(where, error);
  }
  if ("path" in where) await Deno.chmod(where.path, 0o660);
}

/** The port that the system chose takes the place of 0. */
function boundTo(server: Server, asked: Where): Where {
  const address = server.address();
  return "path" in asked || typeof address !== "object" || address === null
    ? asked
    : { host: asked.host, port: address.port };
}

/** An address in the words of `admin.listen`. */
export function listenText(where: Where): string {
  if ("path" in where) return `unix:${where.path}`;
  return `${where.host.includes(":") ? `[${where.host}]` : where.host}:${where.port}`;
}

/** The system's errors by what they mean here. */
const meanings: Readonly<Record<string, readonly [ApplianceError["code"], string]>> = {
  EADDRINUSE: ["in-use", "in use"],
  EADDRNOTAVAIL: ["unavailable", "no address of this host"],
  ENOENT: ["unavailable", "its folder does not exist"],
  EMFILE: ["unavailable", "out of descriptors"],
  EACCES: ["not-permitted", "permission denied"],
  EPERM: ["not-permitted", "permission denied"],
};

function cannotListen(where: Where, error: unknown): ApplianceError {
  if (error instanceof ApplianceError) return error;
  const { code, message } = error as Error & { code?: string };
  const [kind, why] = error instanceof Deno.errors.NotCapable
    ? ["not-permitted", message] as const
    : meanings[code ?? ""] ?? ["unavailable", message];
  const text = `admin: Cannot listen on ${listenText(where)}: ${why}`;
  return new ApplianceError(kind, "admin", text, { cause: error });
}

/** Removes a socket that nobody listens on any more. @throws {ApplianceError} when something else is in its place */
async function removeStale(path: string): Promise<void> {
  const there = await Deno.lstat(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw cannotListen({ path }, error);
  });
  if (!there) return;
  const refuse = (code: ApplianceError["code"], why: string) => {
    throw new ApplianceError(code, "admin", `admin: Cannot listen on unix:${path}: ${why}`);
  };
  if (!there.isSocket) refuse("invalid", "it exists and is no socket");
  if (await answers(path)) refuse("in-use", "another program listens on it");
  await Deno.remove(path);
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}
