/** How live the main isolate stays while a large configuration is read, changed, shown and saved (docs/performance.md). @module */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { quantile, sleep, spread } from "../measure.ts";
import { pinging } from "../pinging.ts";
import type { Timer } from "../late_timers.ts";
import { type Program, startProgram } from "../programs.ts";

const root = new URL("../../../", import.meta.url).pathname;
const token = "a-token-for-benches";

/** Tunnels of the file, at full scale. */
const TUNNELS = 20_000;

/** How long one request, or one answer of the process, may take, in milliseconds: then the row has failed. */
const LIMIT_MS = 120_000;

/** An appliance with a large configuration, and what is asked of it. */
interface Subject extends AsyncDisposable {
  /** Its timers since the last time. */
  late(): Promise<Timer[]>;
  write(text: string): Promise<void>;
  /** @throws {Error} where the answer has another status */
  ask(method: string, path: string, status?: number, body?: string): Promise<string | undefined>;
}

/** A stage: what is done meanwhile. */
type Stage = readonly [what: string, act: (subject: Subject) => Promise<unknown>];

/** A kind of tunnel. */
interface Kind {
  readonly kind: string;
  /** The file's lines for tunnel `i`, its MTU or window among them. */
  tunnel(i: number, changed: boolean): string;
  readonly peers: string;
}

const kinds: readonly Kind[] = [
  {
    kind: "static",
    peers: "",
    tunnel: (i, changed) => `
  t${i}:
    static: { tunnel-id: ${i + 10}, peer-tunnel-id: ${i + 10} }
    encap: udp
    local: 127.0.0.1:UDP
    remote: 10.${i >> 16 & 255}.${i >> 8 & 255}.${i & 255}:1701
    sessions:
      one:
        session-id: ${i + 10}
        peer-session-id: ${i + 10}
        cookie: "0011223344556677"
        peer-cookie: "8899aabbccddeeff"
        seq: ${changed ? "both" : "none"}`,
  },
  {
    kind: "managed",
    peers: Array.from({ length: 200 }, (_, i) => `
  p${i}: { address: [10.${i}.0.0/16], secret: "a secret of peer ${i}", proto-version: 3 }`)
      .join(""),
    tunnel: (i, changed) => `
  t${i}:
    peer: p${i % 200}
    mode: passive
    encap: udp
    sessions:
      one:
        remote-end-id: "site ${i}"
        seq: ${changed ? "both" : "none"}`,
  },
];

/** Milliseconds that timers of the main isolate come late, and what pings through a probe take. */
export async function reload({ scale }: Effort): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const kind of kinds) figures.push(...await reloads(kind, Math.ceil(TUNNELS * scale)));
  return figures;
}

async function reloads(kind: Kind, count: number): Promise<Figure[]> {
  await using pings = await pinging();
  const admin = freeTcpPort();
  const file = (from: number, changed: (i: number) => boolean) => {
    const tunnels = Array.from({ length: count - from }, (_, i) => i + from)
      .map((i) => kind.tunnel(i, changed(i)).replace("UDP", String(pings.port)));
    return `listen: [{ udp: "127.0.0.1:${pings.port}" }]
admin: { listen: "127.0.0.1:${admin}", token: ${token} }
${kind.peers && `peers:${kind.peers}\n`}tunnels:${pings.tunnel}${tunnels.join("")}\n`;
  };
  const whole = file(0, () => false);
  const reload: Stage[1] = (subject) => subject.ask("POST", "/v1/reload?force=true");
  const reloaded = (text: string): Stage[1] => async (subject) => {
    await subject.write(text);
    await reload(subject);
  };
  const stages: Stage[] = [
    ["unchanged reload", reload],
    ["another", reload],
    ["reload that changes 1 %", reloaded(file(0, (i) => i % 100 === 0))],
    ["dry run that removes half", async (subject) => {
      await subject.write(file(count / 2, () => false));
      await subject.ask("POST", "/v1/reload?dry-run=true");
    }],
    ["reload that removes half", reload],
    ["reload that adds half", reloaded(whole)],
    ["wrong file of 10 MB", async (subject) => {
      await subject.write(wrong(whole));
      await subject.ask("POST", "/v1/reload", 422);
      await subject.write(whole);
    }],
    ["an edit, and its removal", async (subject) => {
      await subject.ask("PATCH", "/v1/config", 200, '{"peers":{"bench":{"proto-version":2}}}');
      await subject.ask("DELETE", "/v1/peers/bench", 204);
    }],
    ["save after an edit", async (subject) => {
      await subject.ask("PATCH", "/v1/config", 200, '{"peers":{"bench":{"proto-version":2}}}');
      await subject.ask("POST", "/v1/config/save");
    }],
    ["POST with 80,000 unknown keys", async (subject) => {
      const keys = Array.from({ length: 80_000 }, (_, i) => `"k${i}":0`);
      await subject.ask("POST", "/v1/tunnels", 413, `{${keys.join(",")}}`);
    }],
    ["GET of all pages of /v1/tunnels", async (subject) => {
      let cursor: string | undefined = "";
      while (cursor !== undefined) {
        cursor = await subject.ask("GET", `/v1/tunnels${cursor && `?cursor=${cursor}`}`);
      }
    }],
    ["GET of /v1/config", (subject) => subject.ask("GET", "/v1/config")],
    ["GET of /metrics, ten times", async (subject) => {
      for (let i = 0; i < 10; i++) await subject.ask("GET", "/metrics");
    }],
  ];
  await using subject = await start(whole, admin);
  await inTime("no ping is answered", pings.answered());
  await sleep(2000);
  const figures: Figure[] = [];
  for (const [what, act] of stages) {
    await subject.late();
    pings.take();
    const begun = performance.now();
    await act(subject);
    const seconds = (performance.now() - begun) / 1000;
    await sleep(100);
    figures.push(...figuresOf(
      `${count} ${kind.kind} tunnels, ${what}`,
      seconds,
      await subject.late(),
      pings.take(),
    ));
  }
  return figures;
}

function figuresOf(
  what: string,
  seconds: number,
  timers: readonly Timer[],
  pings: readonly number[],
): Figure[] {
  const of = (values: readonly number[], q: number) =>
    quantile(values.toSorted((a, b) => a - b), q);
  // On a machine that does something else, that is no fault of ours.
  const own = timers.map(([late, waited]) => Math.max(0, late - waited));
  const all = timers.map(([late]) => late);
  const note = (q: number) => `, ${of(all, q).toFixed(1)} with what other programs take`;
  const figure = (which: string, q: number, limit: number, more: string): Figure => ({
    row: "reload",
    what: `${what}: ${which} late`,
    unit: "ms",
    value: spread([of(own, q)]),
    bar: { at: "most", limit },
    note: more + note(q),
    detail: { timers: timers.length, seconds },
  });
  const took = `p99 ${of(pings, 0.99).toFixed(1)}, max ${of(pings, 1).toFixed(1)} ms`;
  return [
    figure("timers (p99)", 0.99, 10, `in ${seconds.toFixed(1)} s`),
    figure(
      "the latest timer",
      1,
      50,
      `the most work in one turn ${of(timers.map(([, , worked]) => worked), 1).toFixed(1)} ms; ` +
        `pings through a probe ${took}`,
    ),
  ];
}

/** A file of 10 MB with an unknown key in every tunnel. */
function wrong(text: string): string {
  const bad = text.replaceAll("    encap: udp\n", "    encap: udp\n    encapp: udp\n");
  const more = Math.max(0, 10_000_000 - bad.length);
  const tunnel = (i: number) => `\n  w${i}:\n    encapp: [udp, "and what is no option at all"]`;
  const tunnels: string[] = [];
  for (let i = 0, length = 0; length < more; i++) {
    length += tunnels[tunnels.push(tunnel(i)) - 1]!.length;
  }
  return bad + tunnels.join("") + "\n";
}

async function start(text: string, port: number): Promise<Subject> {
  const dir = await Deno.makeTempDir({ prefix: "isthmus-bench-" });
  const file = `${dir}/isthmus.yaml`;
  await Deno.writeTextFile(file, text);
  const log = `${dir}/log`;
  const command = [
    "/bin/sh",
    "-c",
    'log="$1"; shift; exec "$@" 2>"$log"',
    "sh",
    log,
    Deno.execPath(),
    "run",
    // Not with the appliance's own permissions: timers are looked at by /proc.
    "-A",
    "--preload",
    `${root}tests/bench/late_timers.ts`,
    `${root}edge/main.ts`,
    "run",
    "--config",
    file,
  ];
  let program: Program | undefined;
  try {
    program = await startProgram(command);
    const late = async () =>
      JSON.parse(await inTime("the appliance's timers stand still", program!.ask("late")));
    const ask: Subject["ask"] = async (method, path, status = 200, body) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        signal: AbortSignal.timeout(LIMIT_MS),
        headers: {
          authorization: `Bearer ${token}`,
          ...(method !== "GET" && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body }),
      });
      const said = await response.text();
      if (response.status === status) return /"next":"([^"]+)"/.exec(said.slice(0, 100))?.[1];
      throw new Error(`${method} ${path}: ${response.status} ${said.slice(0, 500)}`);
    };
    await listening(ask, log);
    return {
      late,
      ask,
      write: (text) => Deno.writeTextFile(file, text),
      async [Symbol.asyncDispose]() {
        await program!.stop();
        await Deno.remove(dir, { recursive: true });
      },
    };
  } catch (error) {
    await program?.stop();
    await Deno.remove(dir, { recursive: true });
    throw error;
  }
}

/** What `work` gives. @throws {Error} where that takes too long */
async function inTime<T>(complaint: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${complaint} for ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until it answers, two minutes at most. @throws {Error} with what it said */
async function listening(ask: Subject["ask"], log: string): Promise<void> {
  for (const deadline = performance.now() + LIMIT_MS;;) {
    try {
      return void await ask("GET", "/healthz");
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`${error}: ${(await Deno.readTextFile(log)).slice(-1000)}`);
      }
      await sleep(100);
    }
  }
}

function freeTcpPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
