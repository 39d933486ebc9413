/** What goes on beside the pings: changes, reloads, kills, and clients of all kinds. @module */

import { checkedFetch } from "../../../edge/admin/promised.ts";
import assert from "node:assert/strict";
import type { Appliance } from "../../interop/support/appliance.ts";
import { attack } from "../../interop/support/hostile.ts";
import { type Outcome, sleep, until } from "../../interop/support/process.ts";
import type { Mortal, Scene } from "./scene.ts";
import { edgeText } from "./texts.ts";
import { scrape } from "./vitals.ts";

/** What was done, by a word, and what went wrong. */
export class Record {
  readonly #counts = new Map<string, number>();
  readonly faults: string[] = [];

  done(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  fault(what: string): void {
    this.faults.push(what);
  }

  /** What was done, as `word count`. */
  get summary(): string {
    return [...this.#counts].map(([what, count]) => `${what} ${count}`).join(", ");
  }
}

/** The admin endpoint with any method. */
type Ask = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ status: number; text: string }>;

function asking({ adminSocket }: Appliance): Ask {
  const ask: Ask = async (method, path, body) => {
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path: adminSocket } });
    const response = await checkedFetch(`http://localhost${path}`, {
      client,
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
    return { status: response.status, text: await response.text() };
  };
  // Clients that behave badly take the endpoint's connections: one may be refused, and comes again.
  return async (...request) => {
    for (let attempt = 1;; attempt++) {
      try {
        return await ask(...request);
      } catch (error) {
        if (attempt === 10 || !lostConnection.test(String(error))) throw error;
        await sleep(300);
      }
    }
  };
}

const lostConnection =
  /error sending request|fetch failed|connection (closed|error|reset)|ECONN|EPIPE/;

/** Runs all of it until `signal` says that it is over, and then waits until nothing is under way. */
export async function churn(scene: Scene, record: Record, over: AbortSignal): Promise<void> {
  const go = async (name: string, everyMs: number, step: (round: number) => Promise<void>) => {
    for (let round = 0; !over.aborted; round++) {
      try {
        await step(round);
        record.done(name);
      } catch (error) {
        if (lostConnection.test(String(error))) record.done(`${name} (connection lost)`);
        else record.fault(`${name}, round ${round}: ${error}`);
      }
      await rest(everyMs, over);
    }
  };
  const { edge, steady } = scene;
  const ask = asking(edge);
  await Promise.all([
    go("API changes", 500, (round) => changeByApi(ask, round)),
    go("CLI changes", 5000, (round) => changeByCli(edge, round)),
    go("reloads", 4000, (round) => reload(scene, round)),
    go("scrapes", 5000, async () => void await Promise.all([scrape(edge), scrape(steady)])),
    go("lists", 3000, () => listAll(ask)),
    go("subscribers thrown out", 9000, (round) => throwOut(ask, round)),
    go("streams", 1000, (round) => follow(edge, round)),
    go("attacks", 10_000, () => misbehave(edge, over)),
    ...scene.mortals.map((mortal, i) =>
      go(`${mortal.name} killed`, 20_000 + 7000 * i, (round) => killAndStart(mortal, round, over))
    ),
  ]);
}

/** Waits, but not beyond the end. */
function rest(ms: number, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      over.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    over.addEventListener("abort", end);
    if (over.aborted) end();
  });
}

/** Adds, changes and deletes tunnels, sessions, circuits and peers, and some that are wrong. */
async function changeByApi(ask: Ask, round: number): Promise<void> {
  const want = async (status: number, ...[method, path, body]: Parameters<Ask>) => {
    const answer = await ask(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
  };
  const id = 5000 + round % 100;
  const tunnel = `/v1/tunnels/api${id}`;
  const circuits = [{ tap: { name: `api${id}` } }, { sink: {} }, {
    probe: { address: "10.1.1.1/24" },
  }];
  await clear(ask, `api${id}`, `/v1/peers/peer${id}`);
  await want(201, "POST", "/v1/tunnels", {
    name: `api${id}`,
    "tunnel-id": id,
    "peer-tunnel-id": 1,
    "ip-saddr": "10.77.0.1",
    "ip-daddr": "10.77.0.3",
    "udp-sport": id,
    "udp-dport": 9,
  });
  for (const [i, circuit] of circuits.entries()) {
    await want(201, "POST", `${tunnel}/sessions`, {
      name: `s${i}`,
      "session-id": i + 1,
      "peer-session-id": i + 1,
      circuit,
    });
  }
  await want(200, "PATCH", `${tunnel}/sessions/s1`, {
    "send-seq": true,
    "recv-seq": true,
    "reorder-timeout": 50,
  });
  await want(200, "PATCH", `${tunnel}/sessions/s1`, { circuit: { tap: { name: `late${id}` } } });
  await want(200, "PATCH", tunnel, { "ip-daddr": "10.77.0.2" });
  await want(422, "POST", "/v1/tunnels", { name: "wrong", "tunnel-id": -1 });
  await want(409, "POST", "/v1/tunnels", {
    name: `api${id}`,
    "tunnel-id": id,
    "peer-tunnel-id": 1,
    "ip-daddr": "10.77.0.3",
  });
  await want(201, "POST", "/v1/peers", { name: `peer${id}`, address: ["10.88.0.1"], hello: 7 });
  await want(200, "PATCH", `/v1/peers/peer${id}`, { hello: 9 });
  await want(200, "PATCH", "/v1/config", { circuits: { [`circuit${id}`]: { sink: {} } } });
  await want(200, "PATCH", "/v1/config", { circuits: { [`circuit${id}`]: null } });
  await want(204, "DELETE", `/v1/peers/peer${id}`);
  await want(204, "DELETE", `${tunnel}/sessions/s0`);
  await want(204, "DELETE", tunnel);
}

/** Deletes what a round left that was cut off. */
async function clear(ask: Ask, tunnel: string, ...others: string[]): Promise<void> {
  for (const path of [`/v1/tunnels/${tunnel}`, ...others]) {
    const { status, text } = await ask("DELETE", path);
    assert.ok(status === 204 || status === 404, `DELETE ${path}: ${status} ${text}`);
  }
}

async function changeByCli(edge: Appliance, round: number): Promise<void> {
  const want = async (code: number, ...words: string[]) => {
    const outcome = await cli(edge, ...words);
    assert.equal(outcome.code, code, `isthmus ${words.join(" ")}: ${outcome.stderr}`);
  };
  const id = String(6000 + round % 50);
  await clear(asking(edge), `cli${id}`);
  const ends = ["local", "10.77.0.1", "remote", "10.77.0.3", "udp-sport", id, "udp-dport", id];
  await want(
    0,
    "add",
    "tunnel",
    "name",
    `cli${id}`,
    "tunnel-id",
    id,
    "peer-tunnel-id",
    id,
    ...ends,
  );
  const session = ["tunnel-id", id, "session-id", "1"];
  await want(0, "add", "session", ...session, "peer-session-id", "1", "tap", `cli${id}`);
  await want(0, "set", "session", ...session, "seq", "both");
  await want(0, "show", "session", "tunnel", `cli${id}`, "--details");
  await want(1, "show", "tunnel", "nobody");
  await want(0, "del", "tunnel", "tunnel-id", id);
}

/** The command line; once more where the endpoint had no connection left for it. */
async function cli(edge: Appliance, ...words: string[]): Promise<Outcome> {
  for (let attempt = 1;; attempt++) {
    const outcome = await edge.cli(...words);
    if (attempt === 10 || !/cannot reach|cannot ask|no answer|connection/i.test(outcome.stderr)) {
      return outcome;
    }
    await sleep(300);
  }
}

/** Reloads what is unchanged, changed, and wrong. The first is put back at the end of each four. */
async function reload({ edge, pair, with: present }: Scene, round: number): Promise<void> {
  const text = (variant: number) => edgeText(pair.here.folder, present, variant)(edge.adminSocket);
  const before = edge.file;
  const kind = round % 8;
  const wrong = new Map([
    [3, text(1).replace("peer-tunnel-id", "pear-tunnel-id")],
    [5, text(1).slice(0, text(1).indexOf("tunnels:") + 700)],
    [6, ""],
  ]);
  const [next, good] = [wrong.get(kind) ?? text([0, 1, 0, 0, 2, 0, 0, 0][kind]!), !wrong.has(kind)];
  await Deno.writeTextFile(before, next);
  if (kind === 0 || kind === 4) {
    // As systemd and people do it.
    edge.process.kill("SIGHUP");
    await sleep(1500);
  } else {
    const { code, stderr } = await cli(edge, "reload", ...kind === 2 ? ["--confirm", "60"] : []);
    assert.equal(code, good ? 0 : 1, `reload ${kind}: ${stderr}`);
    if (kind === 2) assert.equal((await cli(edge, "confirm")).code, 0);
  }
}

async function listAll(ask: Ask): Promise<void> {
  const paths = [
    "/v1/tunnels",
    "/v1/sessions?limit=50",
    "/v1/config",
    "/v1/failures",
    "/v1/views/pppoe",
  ];
  for (const path of [...paths, "/v1/down", "/v1/datapath", "/openapi.json", "/"]) {
    const { status, text } = await ask("GET", path);
    assert.equal(status, 200, `${path}: ${text}`);
  }
}

/** Ends sessions of PPP, which come again. */
async function throwOut(ask: Ask, round: number): Promise<void> {
  const [word, of] = [
    ["disconnect", { user: `rash${round % 10}` }],
    ["disconnect", { user: "crowd" }],
  ][round % 2] as [string, unknown];
  const { status, text } = await ask("POST", `/v1/words/${word}`, of);
  assert.ok(status === 200 || status === 404 || status === 422, `${word}: ${status} ${text}`);
}

/** Follows events or traces for a while, and goes: between two of them, or in the midst. */
async function follow({ adminSocket }: Appliance, round: number): Promise<void> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: adminSocket } });
  const paths = [
    "/v1/events",
    "/v1/trace",
    "/v1/trace?of=rash&data=128",
    "/v1/trace?of=udp4&data=64",
  ];
  const path = paths[round % paths.length]!;
  const leave = new AbortController();
  const timer = setTimeout(() => leave.abort(), 2000 + 1000 * (round % 5));
  try {
    const response = await checkedFetch(`http://localhost${path}`, {
      client,
      signal: leave.signal,
    });
    // A peer that is away has no address whose packets could be looked at.
    const away = response.status === 404 && path.includes("of=rash&data");
    if (response.status !== 503 && !away) assert.equal(response.status, 200, path);
    // Once in an hour the signal alone left a stream open on a busy machine: it is let go of by hand as well.
    const reader = response.body!.getReader();
    const letGo = () => void reader.cancel().catch(() => {});
    leave.signal.addEventListener("abort", letGo);
    if (leave.signal.aborted) letGo();
    while (!(await reader.read()).done);
  } catch (error) {
    if (!leave.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function misbehave({ adminSocket }: Appliance, over: AbortSignal): Promise<void> {
  const one = attack(() => Deno.connect({ transport: "unix", path: adminSocket }), "none", {
    idle: 60,
    headers: 5,
    bodies: 10,
    malformed: 2,
    unread: 5,
    events: 4,
    traces: 3,
  });
  await rest(20_000, over);
  await one.stop();
}

/** Kills it for a moment, or for so long that it is missed. */
async function killAndStart(mortal: Mortal, round: number, over: AbortSignal): Promise<void> {
  await rest(15_000, over);
  await mortal.kill();
  await rest(round % 2 === 0 ? 500 : 15_000, over);
  await mortal.start();
}

/** Puts the first configuration back. */
export async function putBack({ edge, pair, with: present }: Scene): Promise<void> {
  await Deno.writeTextFile(edge.file, edgeText(pair.here.folder, present, 0)(edge.adminSocket));
  const { tunnels } = await edge.get<{ tunnels: { name: string }[] }>("/v1/tunnels");
  for (const { name } of tunnels) if (/^(api|cli)\d/.test(name)) await clear(asking(edge), name);
  let last = "";
  await until("the first configuration is in force", async () => {
    const { code, stderr } = await edge.cli("reload", "--force");
    last = stderr;
    return code === 0;
  }, 60_000).catch((error) => {
    throw new Error(`${error}: ${last}`);
  });
}
