/**
 * TCP of one subscriber through an LNS (docs/performance.md): isthmus as the subscriber's client, a kernel behind its TUN and
 * one behind the LNS's, where super-frames are made and cut; beside l2tpns with the same client.
 *
 * @module
 */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import type { Lab, Underlay } from "../lab.ts";
import { cpuTime, sleep, spread } from "../measure.ts";
import {
  prepare,
  type Running,
  server,
  startAppliance,
  startLns,
  startRadius,
  until,
  type Way,
} from "../lns.ts";
import { peerAddress, subjectAddress } from "../plan.ts";
import { run } from "../programs.ts";

const flows = [1, 8];
const directions = ["up", "down"] as const;
const warmUpSeconds = 2;
type Direction = typeof directions[number];

/** What one run came to. */
interface Result {
  readonly megabits: number;
  /** Nanoseconds of the LNS's CPU a kilobyte. */
  readonly cpu: number;
  readonly retransmitted: number;
}

/** One and eight connections each way; super-packets cross the wire whole, and split. */
export async function lnsTcp({ rounds, scale }: Effort, lab: Lab): Promise<Figure[]> {
  const ways = await prepare(lab);
  const results = new Map<string, Result[]>();
  const seconds = Math.max(1, Math.round(3 * scale));
  for (let round = 0; round < Math.ceil(rounds / 3); round++) {
    for (const way of ways) {
      await using subscriber = await connect(way, lab);
      // Until V8 has compiled what runs, as before all rows.
      for (const direction of way === "ours" ? directions : []) {
        await measure(lab, subscriber.lns, direction, flows.at(-1)!, warmUpSeconds);
      }
      for (const underlay of ["whole", "split"] as const) {
        await lab.setSubjectUnderlay(underlay);
        await lab.setPeersUnderlay(underlay);
        for (const count of flows) {
          for (const direction of directions) {
            const key = [way, underlay, count, direction].join(" ");
            const result = await measure(lab, subscriber.lns, direction, count, seconds);
            results.set(key, [...results.get(key) ?? [], result]);
          }
        }
      }
    }
  }
  return (["whole", "split"] as const).flatMap((underlay) =>
    flows.flatMap((count) =>
      directions.map((direction) => figure(results, underlay, count, direction))
    )
  );
}

/** A subscriber of an LNS. */
interface Subscriber extends AsyncDisposable {
  readonly lns: Running;
}

async function connect(way: Way, lab: Lab): Promise<Subscriber> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "isthmus-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  stack.use(await startRadius(lab));
  const lns = stack.use(await startLns(way, lab, `${folder}/lns`));
  const client = `listen: [{ udp: "${peerAddress}:1701" }]
admin: { listen: "unix:${folder}/client.sock" }
circuits:
  wan:
    ppp:
      client:
        tun: { name: wan0 }
        user: bench
        secret: secret
        authenticate: [pap]
        ipv6: false
        mru: 1400
        routes: [${server}/32]
peers: { lns: { proto-version: 2 } }
tunnels:
  up: { peer: lns, remote: "${subjectAddress}:1701", sessions: { link: { circuit: wan } } }
`;
  stack.use(await startAppliance(lab.asPeers, `${folder}/client`, client));
  const route = async () => (await run("ip", ...inPeers(lab, ["ip", "route"]))).includes(server);
  await until(route, "the subscriber has no route to the server");
  const parts = stack.move();
  return { lns, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
}

function inPeers(lab: Lab, command: readonly string[]): string[] {
  return lab.asPeers(command).slice(1);
}

let port = 5400;

async function measure(
  lab: Lab,
  lns: Running,
  direction: Direction,
  count: number,
  seconds: number,
): Promise<Result> {
  const own = ["-p", String(++port)];
  const inside = ["netns", "exec", lab.subjectNetns, "taskset", "-c", "1"];
  const listening = new Deno.Command("ip", {
    args: [...inside, "iperf3", "-s", "-1", ...own],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await sleep(300);
    // l2tpns drops what fills the MRU that it agreed to.
    const options = ["-J", "-c", server, "-t", String(seconds), "-P", String(count), "-M", "1200"];
    if (direction === "down") options.push("-R");
    const before = cpuTime(lns.pid);
    const said = await run("ip", ...inPeers(lab, ["iperf3", ...own, ...options]));
    await sleep(5);
    const cpu = cpuTime(lns.pid) - before;
    const { end } = JSON.parse(said) as {
      end: {
        sum_sent: { retransmits?: number };
        sum_received: { bytes: number; bits_per_second: number };
      };
    };
    const { bytes, bits_per_second: bits } = end.sum_received;
    return {
      megabits: bits / 1e6,
      cpu: cpu / (bytes / 1000),
      retransmitted: end.sum_sent.retransmits ?? 0,
    };
  } finally {
    try {
      listening.kill("SIGKILL");
    } catch {
      // It has served its one client.
    }
    await listening.status;
  }
}

function figure(
  results: ReadonlyMap<string, readonly Result[]>,
  underlay: Underlay,
  count: number,
  direction: Direction,
): Figure {
  const of = (way: Way) => results.get([way, underlay, count, direction].join(" ")) ?? [];
  const [ours, theirs] = [of("ours"), of("l2tpns")];
  const median = (all: readonly Result[], what: (result: Result) => number) =>
    spread(all.map(what)).median;
  const said = (all: readonly Result[]) =>
    `${median(all, (r) => r.cpu).toFixed(0)} ns CPU a kilobyte, ${
      median(all, (r) => r.megabits).toFixed(0)
    } Mbit/s, ${median(all, (r) => r.retransmitted)} retransmitted`;
  return {
    row: "lns-tcp",
    what: `TCP ${direction}, ${count} flow${count > 1 ? "s" : ""}, super-packets ${
      underlay === "whole" ? "whole" : "split"
    }: l2tpns's CPU an octet divided by ours`,
    unit: "×",
    value: theirs.length > 0
      ? spread(ours.map((each, i) => theirs[i]!.cpu / each.cpu))
      : { median: NaN, min: NaN, max: NaN },
    bar: { at: "least", limit: underlay === "whole" ? 9 : 3 },
    note: [said(ours), ...(theirs.length > 0 ? [`l2tpns ${said(theirs)}`] : [])].join("; "),
    detail: { ours, theirs },
  };
}
