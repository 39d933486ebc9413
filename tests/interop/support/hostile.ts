/**
 * Clients of an admin endpoint that do all but what clients should. As a program of its own, so that they have a process's
 * descriptors to themselves: `deno run -A hostile.ts WHERE TOKEN KIND=COUNT…` attacks until its standard input ends, and
 * prints `ready` when all that are idle have come, and at last
 * what became of it.
 *
 * @module
 */

/** What they do, and how many of each kind at once. */
export interface Attackers {
  /** Connect and say nothing; so many in all, held as long as they can be. */
  readonly idle?: number;
  /** Say half of the headers, a line every few seconds. */
  readonly headers?: number;
  /** Say half of a body. */
  readonly bodies?: number;
  /** Say what is no HTTP, again and again. */
  readonly malformed?: number;
  /** Ask for long answers, many times over, and do not read them. */
  readonly unread?: number;
  /** Follow events, and do not read them. */
  readonly events?: number;
  /** Follow control messages and data, and do not read them. */
  readonly traces?: number;
}

/** How far they came. */
export interface Attacked {
  /** Connections that were opened. */
  readonly opened: number;
  /** Of these, those that the other side has ended. */
  readonly ended: number;
  /** Attempts to connect that came to nothing. */
  readonly failed: number;
  /** Answers to what was malformed, by status. */
  readonly answers: Readonly<Record<string, number>>;
}

/** An attack that goes on. */
export interface Attack {
  readonly so: Attacked;
  /** Resolves when all that are idle have come. */
  readonly ready: Promise<unknown>;
  /** Ends all connections. */
  stop(): Promise<void>;
}

const encoder = new TextEncoder();
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Not HTTP, or HTTP as nobody should speak it. */
const nonsense: readonly (string | Uint8Array<ArrayBuffer>)[] = [
  "\r\n\r\n\r\n",
  "GET\r\n\r\n",
  "GET / HTTP/9.9\r\n\r\n",
  "GET /healthz HTTP/1.1\r\n\r\n", // no Host
  "GET /healthz HTTP/1.1\r\nHost: a[b\r\n\r\n",
  "GET /healthz HTTP/1.1\r\nHost: %00\r\nHost: two\r\n\r\n",
  `GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: localhost\r\n${"x: y\r\n".repeat(20_000)}\r\n`,
  "POST /v1/tunnels HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  "POST /v1/tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
  "POST /v1/tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  "GET /v1/tunnels/%ff%00/..%2f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  new Uint8Array(4096).map((_, i) => (i * 7919) & 0xff),
];

/** Begins it. `token` goes with what needs one. */
export function attack(
  connect: () => Promise<Deno.Conn>,
  token: string,
  attackers: Attackers,
): Attack {
  const so = { opened: 0, ended: 0, failed: 0, answers: {} as Record<string, number> };
  const open = new Set<Deno.Conn>();
  let over = false;
  const authorized = `Host: localhost\r\nAuthorization: Bearer ${token}\r\n`;

  /** A connection that says something; undefined: it could not be had. */
  const say = async (text: string | Uint8Array<ArrayBuffer>): Promise<Deno.Conn | undefined> => {
    try {
      const connection = await connect();
      so.opened++;
      open.add(connection);
      const bytes = typeof text === "string" ? encoder.encode(text) : text;
      if (bytes.length > 0) await connection.write(bytes).catch(() => {});
      return connection;
    } catch {
      so.failed++;
      await pause(20); // A full backlog, most likely.
    }
  };
  const close = (connection: Deno.Conn | undefined) => {
    if (!connection || !open.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // It is closed.
    }
  };
  /** Holds a connection until the other side ends it, and gives it back. */
  const hold = async (connection: Deno.Conn | undefined, more?: string) => {
    if (!connection) return;
    const buffer = new Uint8Array(1);
    let ended = false;
    const ending = connection.read(buffer).catch(() => null).then(() => ended = true);
    while (more !== undefined && !ended && !over) {
      await Promise.race([ending, pause(3000)]);
      if (!ended) await connection.write(encoder.encode(more)).catch(() => ended = true);
    }
    await ending;
    so.ended++;
    return connection;
  };
  /** One that asks, reads nothing, and comes again when it was thrown out: it only finds out by writing. */
  const unread = async (request: string) => {
    const connection = await say(request);
    if (!connection) return;
    try {
      while (!over) {
        await pause(2000);
        await Promise.race([connection.write(encoder.encode(request)), pause(60_000)]);
      }
    } catch {
      so.ended++;
    }
    close(connection);
  };
  const malformed = async () => {
    for (let i = 0; !over; i++) {
      const connection = await say(nonsense[i % nonsense.length]!);
      if (!connection) continue;
      const buffer = new Uint8Array(2048);
      const length = await Promise.race([connection.read(buffer).catch(() => 0), pause(1000)]);
      const text = new TextDecoder().decode(buffer.subarray(0, Number(length ?? 0)));
      const status = /^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? "none";
      so.answers[status] = (so.answers[status] ?? 0) + 1;
      close(connection);
      await pause(20);
    }
  };
  const idle: Promise<Deno.Conn | undefined>[] = [];
  const connected = async () => {
    let connection: Deno.Conn | undefined;
    while (!over && !connection) connection = await say("");
    return connection;
  };
  const again = async (one: () => Promise<void>) => {
    while (!over) {
      await one();
      await pause(50);
    }
  };
  const ask = (path: string) => `GET ${path} HTTP/1.1\r\n${authorized}\r\n`;
  const half = `POST /v1/reload HTTP/1.1\r\n${authorized}` +
    "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{";
  const headers = () => say("GET /healthz HTTP/1.1\r\nX-A: b\r\n");
  const kinds: Readonly<Record<keyof Attackers, () => Promise<void>>> = {
    // It does not even notice that the other side has ended it.
    idle: () => {
      const came = connected();
      idle.push(came);
      return came.then(hold).then(() => {});
    },
    headers: () => again(async () => close(await hold(await headers(), "X-A: b\r\n"))),
    bodies: () => again(async () => close(await hold(await say(half), " "))),
    malformed,
    unread: () => again(() => unread(ask("/v1/sessions?limit=1000").repeat(50) + ask("/metrics"))),
    events: () => again(() => unread(ask("/v1/events"))),
    traces: () => again(() => unread(ask("/v1/trace"))),
  };
  const running: Promise<void>[] = [];
  const begin = async (kind: keyof Attackers, count: number) => {
    for (let i = 0; i < count && !over; i++) {
      running.push(kinds[kind]());
      if (i % 50 === 49) await pause(5);
    }
  };
  const beginning = Object.entries(attackers).map(([kind, count]) =>
    begin(kind as keyof Attackers, count)
  );
  return {
    so,
    ready: Promise.all(beginning).then(() => Promise.all(idle)),
    async stop() {
      over = true;
      await Promise.all(beginning);
      for (const connection of [...open]) close(connection);
      await Promise.all(running);
    },
  };
}

if (import.meta.main) {
  const [where = "", token = "", ...kinds] = Deno.args;
  const connect = where.startsWith("unix:")
    ? () => Deno.connect({ transport: "unix", path: where.slice(5) })
    : () => {
      const [, hostname = "", port] = /^(.*):(\d+)$/.exec(where) ?? [];
      return Deno.connect({ hostname, port: Number(port) });
    };
  const attackers = Object.fromEntries(kinds.map((kind) => {
    const [name = "", count] = kind.split("=");
    return [name, Number(count)];
  }));
  const { ready, so, stop } = attack(connect, token, attackers);
  const print = (line: string) => Deno.stdout.writeSync(encoder.encode(`${line}\n`));
  ready.then(() => print("ready"));
  for await (const _ of Deno.stdin.readable);
  print(JSON.stringify(so));
  await Promise.race([stop(), pause(2000)]);
  Deno.exit(0);
}
