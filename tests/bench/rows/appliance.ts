/** The rows of the real appliance (docs/performance.md): how soon it listens, and what it uses when nothing happens. @module */

import { openLibc } from "../../../edge/io/libc.ts";
import { openUdpSocket } from "../../../edge/io/sockets.ts";
import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { cpuTime, sleep, spread } from "../measure.ts";

const root = new URL("../../../", import.meta.url).pathname;

/** A running appliance with a listener and a static tunnel, no devices. */
interface Appliance extends AsyncDisposable {
  readonly pid: number;
  /** Milliseconds from its start to when both the tunnel's and the admin's port were open. */
  readonly startedIn: number;
}

async function startAppliance(): Promise<Appliance> {
  const dir = await Deno.makeTempDir({ prefix: "isthmus-bench-" });
  const udp = freeUdpPort(), admin = freeTcpPort();
  await Deno.writeTextFile(
    `${dir}/isthmus.yaml`,
    `listen: [{ udp: "127.0.0.1:${udp}" }]
admin: { listen: "127.0.0.1:${admin}", token: a-token-for-benches }
tunnels:
  bench:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    encap: udp
    local: 127.0.0.1:${udp}
    remote: 127.0.0.2:${udp}
    sessions:
      one: { session-id: 11, peer-session-id: 12 }
`,
  );
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=appliance", "edge/main.ts", "run", "--config", `${dir}/isthmus.yaml`],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  let ended = false;
  child.status.then(() => ended = true);
  const stop = async () => {
    if (!ended) child.kill("SIGTERM");
    await child.status;
    await said;
    await Deno.remove(dir, { recursive: true });
  };
  while (!(isUdpPortOpen(udp) && await isTcpPortOpen(admin))) {
    if (ended || performance.now() - start > 20_000) {
      await stop();
      throw new Error(`the appliance did not start: ${await said}`);
    }
    await sleep(1);
  }
  return { pid: child.pid, startedIn: performance.now() - start, [Symbol.asyncDispose]: stop };
}

/** Milliseconds from `deno run` to listening, with everything in Deno's cache. */
export async function start({ rounds }: Effort): Promise<Figure[]> {
  const times: number[] = [], floor: number[] = [];
  for (let round = -1; round < rounds; round++) { // one to fill the caches
    await using appliance = await startAppliance();
    const empty = await emptyProgram();
    if (round < 0) continue;
    times.push(appliance.startedIn);
    floor.push(empty);
  }
  return [{
    row: "start",
    what: "start of the appliance to listening",
    unit: "ms",
    value: spread(times),
    bar: { at: "most", limit: 150 },
    note: `Deno with an empty program: ${spread(floor).median.toFixed(0)} ms`,
    detail: { times, floor },
  }];
}

/** Percent of a core that an idle appliance uses. */
export async function idle({ scale }: Effort): Promise<Figure[]> {
  await using appliance = await startAppliance();
  await sleep(2000);
  const ms = 5000 * scale, parts: number[] = [];
  for (let part = 0; part < 3; part++) {
    const before = cpuTime(appliance.pid);
    await sleep(ms / 3);
    parts.push((cpuTime(appliance.pid) - before) / (ms / 3 * 1e6) * 100);
  }
  return [{
    row: "idle",
    what: "CPU of an idle appliance, of one core",
    unit: "%",
    value: spread(parts),
    bar: { at: "most", limit: 0.1 },
    detail: { parts },
  }];
}

async function emptyProgram(): Promise<number> {
  const start = performance.now();
  await new Deno.Command(Deno.execPath(), { args: ["eval", ""], cwd: root }).output();
  return performance.now() - start;
}

function freeUdpPort(): number {
  using libc = openLibc();
  const { fd, local } = openUdpSocket(libc, { local: { address: "127.0.0.1", port: 0 } });
  libc.call.close(fd);
  return local.port;
}

function freeTcpPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Whether someone has bound a UDP port (`/proc/net/udp`). */
function isUdpPortOpen(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return Deno.readTextFileSync("/proc/net/udp").includes(`0100007F:${hex} `);
}

async function isTcpPortOpen(port: number): Promise<boolean> {
  try {
    using _ = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}
