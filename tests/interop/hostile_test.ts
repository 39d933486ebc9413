/**
 * Clients that do all that clients should not: idle connections in their thousands, headers and bodies that never end,
 * nonsense, answers and streams that nobody reads; over TCP and over the Unix socket. Tunnels run meanwhile, are
 * reloaded, and are stopped: nothing is lost, the peer is told, the exit status is 0. `deno task soak`: 30,000 of them.
 */

import assert from "node:assert/strict";
import { root, startAppliance } from "./support/appliance.ts";
import type { Attacked, Attackers } from "./support/hostile.ts";
import { quickTimers } from "./support/managed.ts";
import { makePair, type Pair } from "./support/place.ts";
import { type Background, sleep, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";

const soaking = Deno.env.get("ISTHMUS_SOAK") !== undefined;
/** Each program of attackers has a process's descriptors to itself. */
const programs = soaking ? 2 : 1;
const attackers: Attackers = {
  idle: soaking ? 15_000 : 1500,
  headers: 20,
  bodies: 40,
  malformed: 5,
  unread: 10,
  events: 30,
  traces: 30,
};
/** How long they go on before the tunnels are stopped, in milliseconds. */
const attackMs = soaking ? 60_000 : 4000;

const token = "a-token-of-the-tests";

function text(end: 1 | 2, listen: string, seq = "none"): string {
  const peer = 3 - end;
  return `
listen: [{ udp: "10.77.0.${end}:1701" }]
admin: { listen: "${listen}"${end === 1 ? `, token: ${token}` : ""} }
host-name: end${end}
peers:
  other:
    address: 10.77.0.${peer}
    ${quickTimers.replaceAll(", ", "\n    ")}
${
    end === 1
      ? ""
      : "    accept: [{ circuit: { tap: { name: managed0, addresses: [10.91.0.2/24] } } }]\n"
  }\
tunnels:
  static:
    static: { tunnel-id: ${end}, peer-tunnel-id: ${peer} }
    local: "10.77.0.${end}:1711"
    remote: "10.77.0.${peer}:1711"
    sessions:
      s: { session-id: ${end}, peer-session-id: ${peer}, circuit: { tap: { name: static0, addresses: [10.90.0.${end}/24] } } }
      varied: { session-id: 1${end}, peer-session-id: 1${peer}, seq: ${seq}, circuit: { sink: {} } }
${
    end === 2 ? "" : `  managed:
    peer: other
    local: "10.77.0.1:1701"
    remote: "10.77.0.2:1701"
    sessions: { m: { circuit: { tap: { name: managed0, addresses: [10.91.0.1/24] } } } }
`
  }`;
}

const { test } = suite<Pair>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "curl"],
  async (stack) => stack.use(await makePair()),
);

/** The appliance that is attacked. */
interface Near {
  readonly process: Background;
  readonly file: string;
  /** Where its admin endpoint is, as a configuration says it. */
  readonly listen: string;
}

async function startNear({ here }: Pair, tcp: boolean): Promise<Near> {
  const file = await Deno.makeTempFile({ dir: here.folder, suffix: ".yaml" });
  const listen = tcp ? "10.77.0.1:8701" : `unix:${file.replace(/yaml$/, "sock")}`;
  await Deno.writeTextFile(file, text(1, listen));
  const isthmus = [
    ...[Deno.execPath(), "run", "-q", "-P=appliance", `--allow-write=${here.folder}`],
    ...[`${root}edge/main.ts`, "run", file],
  ];
  return { process: here.background("isthmus", ...isthmus), file, listen };
}

/** Whether a client who behaves gets an answer within some seconds. */
async function answers({ here }: Pair, { listen }: Near): Promise<boolean> {
  const where = listen.startsWith("unix:")
    ? ["--unix-socket", listen.slice(5), "http://localhost/v1/tunnels"]
    : [`http://${listen}/v1/tunnels`];
  const auth = ["-H", `Authorization: Bearer ${token}`];
  const format = ["-o", "/dev/null", "-w", "%{http_code}"];
  const { stdout } = await here.tryHere(["curl", "-s", "-m", "5", ...auth, ...format, ...where]);
  return stdout === "200";
}

/** A program that attacks; disposal, or `end`, has it go. */
function startAttack({ here }: Pair, { listen }: Near) {
  const child = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", here.namespace, "sh", "-c", 'ulimit -n 20000; exec "$0" "$@"'],
      ...[Deno.execPath(), "run", "-q", "-A", `${root}tests/interop/support/hostile.ts`],
      ...[listen, token, ...Object.entries(attackers).map((pair) => pair.join("="))],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  const reading = (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) text += part;
  })();
  return {
    isReady: () => text.includes("ready"),
    async end(): Promise<Attacked> {
      await child.stdin.close();
      await reading;
      await child.status;
      return JSON.parse(/^{.*$/m.exec(text)![0]) as Attacked;
    },
  };
}

/** Reloads by SIGHUP until all is over, changed and unchanged; and asks as a client that behaves. */
async function goOn(pair: Pair, near: Near, over: () => boolean) {
  const counts = { reloads: 0, asked: 0, answered: 0 };
  for (let round = 0; !over(); round++) {
    await Deno.writeTextFile(near.file, text(1, near.listen, round % 3 === 1 ? "both" : "none"));
    near.process.kill("SIGHUP");
    counts.reloads++;
    counts.asked++;
    if (await answers(pair, near)) counts.answered++;
    await sleep(500);
  }
  return counts;
}

/** How the process is. */
async function vitals({ process }: Near): Promise<string> {
  const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
  const fds = [...Deno.readDirSync(`/proc/${process.pid}/fd`)].length;
  return `${fds} descriptors, ${Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024)} MiB`;
}

/** Ends pings; each request must have been answered once. @returns what they say */
async function endPings(pings: readonly Background[]): Promise<string[]> {
  const said: string[] = [];
  for (const ping of pings) {
    ping.kill("SIGINT");
    await ping.ended;
    const log = await ping.log();
    const [, sent, received, doubled] = /(\d+) packets transmitted, (\d+) received(, \+\d+ dup)?/
      .exec(log)!;
    said.push(/\d+ packets.*/.exec(log)![0], /= .*/.exec(log)?.[0] ?? "");
    // The last one may be under way when it ends.
    assert.ok(Number(sent) - Number(received) <= 1 && !doubled, log);
  }
  return said;
}

for (const [over, tcp] of [["TCP", true], ["the Unix socket", false]] as const) {
  test(`${programs * attackers.idle!} idle clients and others over ${over}: tunnels run, are reloaded, and are stopped in order`, async (pair) => {
    await using far = await startAppliance(pair.there, (socket) => text(2, `unix:${socket}`));
    const near = await startNear(pair, tcp);
    await using _process = near.process;
    await until("it answers", () => answers(pair, near));
    const farLog = () => far.process.log();
    await until("the call is up", async () => /call established/.test(await farLog()));
    const pings = ["10.90.0.2", "10.91.0.2"].map((address) =>
      pair.here.background("ping", "ping", "-q", "-n", "-i", "0.05", address)
    );

    const attacks = Array.from({ length: programs }, () => startAttack(pair, near));
    const [began, limit] = [performance.now(), attackMs + 120_000];
    const counts = await goOn(pair, near, () => {
      const ms = performance.now() - began;
      return ms > limit || ms > attackMs && attacks.every(({ isReady }) => isReady());
    });
    const attackedMs = performance.now() - began;
    const figures = await vitals(near);
    const attacked = await Promise.all(attacks.map((each) => each.end()));
    const ended = performance.now();
    await until("HTTP answers again", () => answers(pair, near), 60_000);
    const againMs = performance.now() - ended;
    const afterwards = await vitals(near);
    await sleep(1000);
    const said = await endPings(pings);

    const another = startAttack(pair, near);
    await sleep(Math.min(attackMs, 5000));
    const stopped = performance.now();
    near.process.kill("SIGTERM");
    const code = await near.process.ended;
    const stopMs = performance.now() - stopped;
    await another.end();
    for (const one of attacked) say(`  ${JSON.stringify(one)}`);
    say(
      `  beside them, in ${(attackedMs / 1000).toFixed(1)} s, ${
        JSON.stringify(counts)
      }; ${figures}; afterwards ${afterwards}`,
    );
    say(`  answers ${againMs.toFixed(0)} ms after they went; stopped in ${stopMs.toFixed(0)} ms`);
    say(`  ${said.join("; ")}`);
    const log = await near.process.log();
    assert.equal(code, 0, log.slice(-3000));
    await until("the peer was told", async () => /ended by the peer/.test(await farLog()));
    for (const { opened } of attacked) assert.ok(opened >= attackers.idle!, `${opened} opened`);
    assert.match(log, /configuration reloaded/);
    assert.doesNotMatch(log, / error |a fault in isthmus/);
  });
}
