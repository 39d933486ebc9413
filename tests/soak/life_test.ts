/**
 * An hour of an appliance's life, or as many minutes as `ISTHMUS_SOAK_MINUTES` says: tunnels and subscribers come and go,
 * peers are killed, packets are lost, files are reloaded, clients misbehave. What is not being changed carries each ping
 * once, and what the process holds does not grow. `deno task soak:life`; `ISTHMUS_SOAK_LOGS=FOLDER` keeps the logs.
 */

import assert from "node:assert/strict";
import type { Appliance } from "../interop/support/appliance.ts";
import { type Background, sleep, until } from "../interop/support/process.ts";
import { say, suite } from "../interop/support/suite.ts";
import { churn, putBack, Record } from "./life/churn.ts";
import { dialed, makeScene, placed, type Scene } from "./life/scene.ts";
import { homes, rashUsers, statics } from "./life/texts.ts";
import { unexpected } from "./life/log.ts";
import { descriptorsOf, floorsLine, risen, type Sample, sampleOf, table } from "./life/vitals.ts";

const minutes = Number(Deno.env.get("ISTHMUS_SOAK_MINUTES") ?? 60);

const { test } = suite<Scene>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "nft", "ping"],
  makeScene,
);

test(
  `${minutes} minutes with churn, reloads and kills: floors are level, and nothing else is felt`,
  async (scene) => {
    const { edge, steady } = scene;
    await untilAllUp(scene);
    const quiet = descriptorsOf(edge);
    const pings = startPings(scene);
    const record = new Record();
    const over = new AbortController();
    const samples: { edge: Sample[]; steady: Sample[] } = { edge: [], steady: [] };
    const began = performance.now();
    const at = () => (performance.now() - began) / 1000;
    const churning = churn(scene, record, over.signal);
    let told = 0;
    while (at() < minutes * 60) {
      try {
        samples.edge.push(await sampleOf(edge, at()));
        samples.steady.push(await sampleOf(steady, at()));
      } catch (error) {
        record.done(`no sample: ${String(error).slice(0, 60)}`);
      }
      assert.equal(edge.process.exitCode(), undefined, `it ended: ${await tail(edge)}`);
      if (at() / 60 > told + 1) say(`minute ${++told}: ${floorsLine("edge", samples.edge)}`);
      await sleep(2000);
    }
    over.abort();
    await churning;
    say(`done: ${record.summary}`);
    for (const fault of record.faults) say(`WRONG: ${fault}`);
    await putBack(scene);
    await untilAllUp(scene);
    const lost = await endPings(pings);

    const after = await quietAgain(edge, quiet);
    const logs = [...await unexpected("edge", edge), ...await unexpected("steady", steady)];
    for (const who of ["edge", "steady"] as const) {
      say(`${who}, the least of each minute, MiB:\n${table(samples[who])}`);
      say(floorsLine(who, judged(samples[who])));
    }
    say(`descriptors before ${JSON.stringify(quiet)}\n       and after ${JSON.stringify(after)}`);
    say(`drops: ${JSON.stringify(await dropsOf(edge))}`);
    const wrong = [
      ...new Set(record.faults),
      ...lost,
      ...risen("edge", judged(samples.edge)),
      ...risen("steady", judged(samples.steady)),
      ...logs,
    ];
    if (JSON.stringify(after) !== JSON.stringify(quiet)) wrong.push("descriptors are others");
    assert.deepEqual(wrong, []);
    edge.process.kill("SIGTERM");
    assert.equal(await edge.process.ended, 0, await tail(edge));
  },
  false,
);

/** The samples without the first tenth, which is for warming up. */
function judged(all: readonly Sample[]): readonly Sample[] {
  return all.slice(Math.floor(all.length / 10));
}

async function tail({ process }: Appliance): Promise<string> {
  return (await process.log()).slice(-3000);
}

async function dropsOf(edge: Appliance): Promise<unknown> {
  const { drops } = await edge.datapath();
  return Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0));
}

interface Tunnel {
  readonly name: string;
  readonly status?: string;
  readonly sessions: number;
  readonly control?: { readonly peer: string; readonly state: string };
}

/** Waits until all that the first configuration says is up, and all subscribers are. */
async function untilAllUp(scene: Scene): Promise<void> {
  const { edge, steady } = scene;
  let missing: string[] = [];
  await until("all is up", async () => {
    missing = [...await missingAtEdge(scene), ...await notUp("steady", steady)];
    const rash = scene.rash();
    if (rash) missing.push(...await notUp("rash", rash));
    return missing.length === 0;
  }, 120_000).catch(async (error) => {
    throw new Error(`${error}: ${missing.join("; ")}\n${await tail(edge)}`);
  });
}

async function notUp(who: string, appliance: Appliance): Promise<string[]> {
  const { tunnels } = await appliance.get<{ tunnels: Tunnel[] }>("/v1/tunnels");
  const down = await appliance.get<{ down: { path: string }[] }>("/v1/down");
  const { sessions } = await appliance.get<{ sessions: { name: string; status: string }[] }>(
    "/v1/sessions?limit=10000",
  );
  return [
    ...tunnels.filter(({ control }) => control && control.state !== "established")
      .map(({ name }) => `${who}: tunnel ${name} is down`),
    ...sessions.filter(({ status }) => status !== "up").map(({ name }) =>
      `${who}: session ${name} is down`
    ),
    ...down.down.map(({ path }) => `${who}: ${path} is down`),
  ];
}

async function missingAtEdge({ edge, with: present }: Scene): Promise<string[]> {
  const { tunnels } = await edge.get<{ tunnels: Tunnel[] }>("/v1/tunnels");
  const count = (peer: string) => {
    const its = tunnels.filter(({ control }) => control?.peer === peer);
    return `${its.length} tunnels, ${its.reduce((sum, { sessions }) => sum + sessions, 0)} calls`;
  };
  const { rows } = await edge.get<{ rows: unknown[] }>("/v1/views/pppoe");
  const expected: [string, string, string][] = [
    ["PPPoE", `${rows.length}`, `${homes}`],
    ["steady", count("steady"), "1 tunnels, 1 calls"],
    ["steady3", count("steady3"), "1 tunnels, 1 calls"],
    ["rash", count("rash"), `2 tunnels, ${2 * rashUsers + 2} calls`],
    ["rash-called", count("rash-called"), "1 tunnels, 8 calls"],
    [
      "all",
      `${tunnels.filter(({ control }) => !control).length}`,
      `${Object.keys(statics).length + 1}`,
    ],
  ];
  if (present.xl2tpd) {
    expected.push(["xl2tpd", count("xl2tpd"), `${dialed} tunnels, ${dialed} calls`]);
  }
  if (present.l2tpns) expected.push(["l2tpns", count("l2tpns"), `1 tunnels, ${placed} calls`]);
  return [
    ...expected.filter(([, is, should]) => is !== should)
      .map(([what, is, should]) => `${what}: ${is} instead of ${should}`),
    ...await notUp("edge", edge),
  ];
}

interface Ping {
  readonly name: string;
  readonly process: Background;
  /** Whether each request must be answered once. */
  readonly whole: boolean;
}

/** Pings by all that is not being changed, and by one that loses packets. */
function startPings({ pair: { there } }: Scene): Ping[] {
  const targets: [string, string[]][] = [
    ...Object.keys(statics).flatMap((name, i): [string, string[]][] => [
      [name, [`10.90.${i}.1`]],
      [`${name} switched`, [`10.91.${i}.1`]],
    ]),
    ["managed v3", ["10.92.0.1"]],
    ["PPP v2", ["-I", "wan0", "10.64.0.1"]],
    ["rash", ["10.93.0.1"]],
  ];
  return targets.map(([name, to]) => ({
    name,
    whole: name !== "rash",
    process: there.background("ping", "ping", "-q", "-n", "-i", "0.2", ...to),
  }));
}

/** What was lost or came twice, in words. */
async function endPings(pings: readonly Ping[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const { name, process, whole } of pings) {
    process.kill("SIGINT");
    await process.ended;
    const text = await process.log();
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    const doubled = Number(/\+(\d+) duplicates/.exec(text)?.[1] ?? 0);
    const times = /= ([\d./]+) ms/.exec(text)?.[1];
    say(`pings, ${name}: ${sent} sent, ${received} answered, ${doubled} doubled; ${times} ms`);
    // The last one may be under way when it ends.
    const lost = Number(sent) - Number(received);
    if (whole && !(lost <= 1 && doubled === 0)) {
      wrong.push(`${name}: ${lost} lost, ${doubled} doubled`);
    }
    if (!whole && !(Number(received) > 0)) wrong.push(`${name}: none answered`);
  }
  return wrong;
}

/** The descriptors, when they are as they were; what they are, where that does not come about. */
async function quietAgain(edge: Appliance, before: object): Promise<object> {
  const same = () => JSON.stringify(descriptorsOf(edge)) === JSON.stringify(before);
  await until("descriptors are as before", same, 90_000).catch(() => {});
  return descriptorsOf(edge);
}
