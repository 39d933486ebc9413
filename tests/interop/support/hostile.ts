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
  const all = new Connections(connect);
  const authorized = `Host: localhost\r\nAuthorization: Bearer ${token}\r\n`;
  const ask = (path: string) => `GET ${path} HTTP/1.1\r\n${authorized}\r\n`;
  const half = `POST /v1/reload HTTP/1.1\r\n${authorized}` +
    "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{";
  const headers = "GET /healthz HTTP/1.1\r\nX-A: b\r\n";
  const much = ask("/v1/sessions?limit=1000").repeat(50) + ask("/metrics");
  const idle: Promise<Deno.Conn | undefined>[] = [];
  const again = (one: () => Promise<void>) => async () => {
    while (!all.over) {
      await one();
      await pause(50);
    }
  };
  const kinds: Readonly<Record<keyof Attackers, () => Promise<void>>> = {
    // It does not even notice that the other side has ended it.
    idle: async () => {
      const came = all.connected();
      idle.push(came);
      await all.hold(await came);
    },
    headers: again(async () => all.close(await all.hold(await all.say(headers), "X-A: b\r\n"))),
    bodies: again(async () => all.close(await all.hold(await all.say(half), " "))),
    malformed: () => malformed(all),
    unread: again(() => all.unread(much)),
    events: again(() => all.unread(ask("/v1/events"))),
    traces: again(() => all.unread(ask("/v1/trace"))),
  };
  const running: Promise<void>[] = [];
  const begin = async (kind: keyof Attackers, count: number) => {
    for (let i = 0; i < count && !all.over; i++) {
      running.push(kinds[kind]());
      if (i % 50 === 49) await pause(5);
    }
  };
  const beginning = Promise.all(
    Object.entries(attackers).map(([kind, count]) => begin(kind as keyof Attackers, count)),
  );
  return {
    so: all.so,
    ready: beginning.then(() => Promise.all(idle)),
    async stop() {
      all.over = true;
      await beginning;
      all.closeAll();
      await Promise.all(running);
    },
  };
}

/** What attackers do with connections. */
class Connections {
  readonly so = { opened: 0, ended: 0, failed: 0, answers: {} as Record<string, number> };
  over = false;
  readonly #connect: () => Promise<Deno.Conn>;
  readonly #open = new Set<Deno.Conn>();

  constructor(connect: () => Promise<Deno.Conn>) {
    this.#connect = connect;
  }

  /** A connection that says something; undefined: it could not be had. */
  async say(text: string | Uint8Array<ArrayBuffer>): Promise<Deno.Conn | undefined> {
    try {
      const connection = await this.#connect();
      this.so.opened++;
      this.#open.add(connection);
      const bytes = typeof text === "string" ? encoder.encode(text) : text;
      if (bytes.length > 0) await connection.write(bytes).catch(() => {});
      return connection;
    } catch {
      this.so.failed++;
      await pause(20); // A full backlog, most likely.
    }
  }

  /** A connection that says nothing, however long it takes. */
  async connected(): Promise<Deno.Conn | undefined> {
    let connection: Deno.Conn | undefined;
    while (!this.over && !connection) connection = await this.say("");
    return connection;
  }

  close(connection: Deno.Conn | undefined): void {
    if (!connection || !this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // It is closed.
    }
  }

  closeAll(): void {
    for (const connection of [...this.#open]) this.close(connection);
  }

  /** Holds a connection until the other side ends it, and gives it back. */
  async hold(
    connection: Deno.Conn | undefined,
    more?: string,
  ): Promise<Deno.Conn | undefined> {
    if (!connection) return;
    let ended = false;
    const ending = connection.read(new Uint8Array(1)).catch(() => null).then(() => ended = true);
    while (more !== undefined && !ended && !this.over) {
      await Promise.race([ending, pause(3000)]);
      if (!ended) await connection.write(encoder.encode(more)).catch(() => ended = true);
    }
    await ending;
    this.so.ended++;
    return connection;
  }

  /** Asks, reads nothing, and asks again until it is thrown out. */
  async unread(request: string): Promise<void> {
    const connection = await this.say(request);
    if (!connection) return;
    try {
      while (!this.over) {
        await pause(2000);
        await Promise.race([connection.write(encoder.encode(request)), pause(60_000)]);
      }
    } catch {
      this.so.ended++;
    }
    this.close(connection);
  }
}

/** Says what is no HTTP, and counts the answers. */
async function malformed(all: Connections): Promise<void> {
  const { answers } = all.so;
  for (let i = 0; !all.over; i++) {
    const connection = await all.say(nonsense[i % nonsense.length]!);
    if (!connection) continue;
    const buffer = new Uint8Array(2048);
    const length = await Promise.race([connection.read(buffer).catch(() => 0), pause(1000)]);
    const text = new TextDecoder().decode(buffer.subarray(0, Number(length ?? 0)));
    const status = /^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? "none";
    answers[status] = (answers[status] ?? 0) + 1;
    all.close(connection);
    await pause(20);
  }
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
