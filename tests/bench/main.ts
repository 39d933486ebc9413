/**
 * `deno task bench`: the budgets of docs/performance.md, measured against small C programs that do the same.
 * It measures and never judges: its exit status is 0 whatever the figures are, 1 only where a row could not be run. docs/performance.md says how to read them.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { compare, type Effort } from "./compare.ts";
import { type Figure, formatTable, isMet, type Unmeasured } from "./figure.ts";
import { type Lab, labMissing, openLab } from "./lab.ts";
import { buildPrograms } from "./programs.ts";
import { idle, start } from "./rows/appliance.ts";
import { forwarding } from "./rows/forwarding.ts";
import { lateness } from "./rows/lateness.ts";
import { lns, lnsMany } from "./rows/lns.ts";
import { lnsTcp } from "./rows/lns_tcp.ts";
import { latency, uncoalesced } from "./rows/lone.ts";
import { reload } from "./rows/reload.ts";
import { setupSessions, setupTunnels } from "./rows/setup.ts";
import { strangersCost } from "./rows/strangers.ts";
import { tcp, tcpSwitched, udp } from "./rows/tcp.ts";
import { lookup, memory, twins } from "./rows/wasm.ts";

type Row =
  | { readonly lab: true; measure(effort: Effort, lab: Lab): Promise<Figure[]> }
  | { readonly lab: false; measure(effort: Effort): Promise<Figure[]> };

const rows = new Map<string, Row>([
  ...forwarding.map((comparison): [string, Row] => [
    comparison.row,
    { lab: true, measure: (effort, lab) => compare(lab, comparison, effort) },
  ]),
  ["uncoalesced", { lab: true, measure: (effort, lab) => uncoalesced(lab, effort) }],
  ["latency", { lab: true, measure: (effort, lab) => latency(lab, effort) }],
  ["tcp", { lab: true, measure: tcp }],
  ["tcp-switched", { lab: true, measure: tcpSwitched }],
  ["udp", { lab: true, measure: udp }],
  ["lookup", { lab: false, measure: lookup }],
  ["twins", { lab: false, measure: twins }],
  ["memory", { lab: false, measure: memory }],
  ["lateness", { lab: true, measure: (effort, lab) => lateness(lab, effort) }],
  ["strangers", { lab: false, measure: strangersCost }],
  ["reload", { lab: false, measure: reload }],
  ["start", { lab: false, measure: start }],
  ["idle", { lab: false, measure: idle }],
  ["setup-tunnels", { lab: false, measure: setupTunnels }],
  ["setup-sessions", { lab: false, measure: setupSessions }],
  ["lns", { lab: true, measure: lns }],
  ["lns-tcp", { lab: true, measure: lnsTcp }],
  ["lns-many", { lab: true, measure: lnsMany }],
]);

/** Rows that take minutes. */
const onlyAskedFor = new Set(["lns-many"]);

const usage = `deno task bench [--only ROW[,ROW…]] [--quick] [--json FILE] [--self-check]

  --only        rows to measure: ${[...rows.keys()].join(", ")}
  --quick       fewer and shorter runs: under a minute, rougher figures
  --json FILE   writes all that was measured to FILE too
  --self-check  sets C beside C: the error of the bench itself (rows that compare with C only)
`;

function parse() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      "self-check": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const names = values.only?.flatMap((list) => list.split(",")) ??
    [...rows.keys()].filter((name) => !onlyAskedFor.has(name));
  const unknown = names.find((name) => !rows.has(name));
  if (unknown !== undefined) throw new TypeError(`no row is called ${unknown}`);
  return { ...values, names, selfCheck: values["self-check"] };
}

/** A row that cannot be measured does not keep the others from being measured. */
async function measure(name: string, row: Row, effort: Effort): Promise<(Figure | Unmeasured)[]> {
  const missing = row.lab ? await labMissing() : undefined;
  if (missing !== undefined) return [{ row: name, state: "skipped", reason: missing }];
  try {
    if (!row.lab) return await row.measure(effort);
    await using lab = await openLab();
    return await row.measure(effort, lab);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ row: name, state: "failed", reason }];
  }
}

async function main(): Promise<number> {
  let options;
  try {
    options = parse();
  } catch (error) {
    print(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    print(usage);
    return 0;
  }
  const effort: Effort = {
    rounds: options.quick ? 3 : 7,
    scale: options.quick ? 0.3 : 1,
    selfCheck: options.selfCheck,
  };
  const names = options.selfCheck
    ? options.names.filter((name) => forwarding.some(({ row }) => row === name))
    : options.names;

  await buildPrograms();
  const results: (Figure | Unmeasured)[] = [];
  for (const name of names) {
    print(`measuring ${name} …\n`);
    results.push(...await measure(name, rows.get(name)!, effort));
  }
  print(`\n${formatTable(results)}\n`);
  const failed = results.filter((result) => "state" in result && result.state === "failed").length;
  const below = results.filter((result) => !("state" in result) && isMet(result) === false).length;
  print(`\n${below} figures below their bar, ${failed} rows failed\n`);
  if (options.json) {
    await Deno.writeTextFile(options.json, JSON.stringify(report(results), null, 2));
  }
  return failed ? 1 : 0;
}

function report(results: readonly (Figure | Unmeasured)[]) {
  return {
    at: new Date().toISOString(),
    deno: Deno.version.deno,
    kernel: Deno.osRelease(),
    arch: Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    results: results.map((result) =>
      "state" in result ? result : { ...result, met: isMet(result) }
    ),
  };
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

Deno.exit(await main());
