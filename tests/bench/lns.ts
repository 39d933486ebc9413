/** The two LNSs of the bench: isthmus as a user starts it, and l2tpns; and the RADIUS responder that both ask. @module */

import type { Lab } from "./lab.ts";
import { sleep } from "./measure.ts";
import { peerAddress, subjectAddress } from "./plan.ts";
import { type Program, programPath, run, startProgram } from "./programs.ts";

const root = new URL("../../", import.meta.url).pathname;
const secret = "bench";
/** Behind the LNS: where subscribers' packets go, and come from. */
export const server = "10.96.0.1";

/** Which LNS. */
export type Way = "ours" | "l2tpns";

/** A program that runs: an LNS, or an appliance. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
}

/** Makes the server's address, and says which LNSs there are here. */
export async function prepare(lab: Lab): Promise<Way[]> {
  const netns = lab.subjectNetns;
  await run("ip", "-n", netns, "link", "set", "lo", "up");
  await run("ip", "-n", netns, "addr", "replace", `${server}/32`, "dev", "lo");
  return await has("l2tpns") ? ["ours", "l2tpns"] : ["ours"];
}

/** Starts the RADIUS responder: beside the traffic, so that the subject has its core for itself. */
export function startRadius(lab: Lab): Promise<Program> {
  const inside = ["ip", "netns", "exec", lab.subjectNetns, "taskset", "-c", "1"];
  return startProgram([...inside, programPath("radius"), "127.0.0.1", secret]);
}

/** Starts an LNS, and waits until it takes calls. */
export function startLns(way: Way, lab: Lab, folder: string): Promise<Running> {
  return way === "ours" ? startOurs(lab, folder) : startL2tpns(lab, folder);
}

/** Starts an appliance with a configuration. `command`: what runs a command in its place. */
export async function startAppliance(
  command: (argv: readonly string[]) => string[],
  folder: string,
  config: string,
): Promise<Running> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/isthmus.yaml`, config);
  const argv = [
    Deno.execPath(),
    "run",
    "-A",
    `${root}edge/main.ts`,
    "run",
    `${folder}/isthmus.yaml`,
  ];
  const [program, ...args] = command(argv);
  const child = new Deno.Command(program!, {
    args,
    stdout: "null",
    stderr: "null",
    env: { STATE_DIRECTORY: folder },
  }).spawn();
  return running(child);
}

async function startOurs(lab: Lab, folder: string): Promise<Running> {
  const config = `listen: [{ udp: "${subjectAddress}:1701" }]
admin: { listen: "unix:${folder}/isthmus.sock" }
ppp:
  aaa: { authenticate: [radius], account: [radius] }
  radius: { servers: { bench: { address: 127.0.0.1, secret: ${secret} } } }
  pools: { all: { ranges: [100.64.0.0/15] } }
circuits:
  lns:
    ppp:
      terminate:
        tun: { name: tun0, mtu: 1500 }
        address: 100.64.0.1
        authenticate: [pap]
        pools: [all]
        ipv6: false
peers:
  lac: { address: ${peerAddress}, proto-version: 2, session-limit: 65535, accept: [{ circuit: lns }] }
`;
  const lns = await startAppliance(lab.asSubject, folder, config);
  await until(() => listens(lab), "isthmus does not listen");
  return lns;
}

async function startL2tpns(lab: Lab, folder: string): Promise<Running> {
  const settings = [
    "debug 1",
    `log_file "${folder}/log"`,
    'hostname "lns1"',
    "l2tp_mtu 1500",
    "primary_dns 10.0.0.1",
    "primary_radius 127.0.0.1",
    "primary_radius_port 1812",
    `radius_secret "${secret}"`,
    "radius_accounting yes",
    "radius_authtypes pap",
    "radius_authprefer pap",
    `bind_address ${subjectAddress}`,
    "iftun_address 10.255.255.1",
    "tundevicename tun0",
    "cli_bind_address 127.0.0.1",
    "send_garp no",
    "peer_address 10.255.255.1",
    "cluster_interface lo",
    "cluster_hb_timeout 20",
    "packet_limit 0",
  ];
  for (const each of [folder, "/etc/l2tpns"]) await Deno.mkdir(each, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/startup-config`,
    settings.map((line) => `set ${line}\n`).join(""),
  );
  await Deno.writeTextFile(`${folder}/ip_pool`, "100.64.0.0/15\n");
  await Deno.writeTextFile(`${folder}/users`, "");
  const mounted = `mount --bind ${folder} /etc/l2tpns && exec l2tpns`;

  // It ends its whole group.
  const [program, ...args] = lab.asSubject(["setsid", "unshare", "-m", "sh", "-c", mounted]);
  const child = new Deno.Command(program!, { args, stdout: "null", stderr: "null" }).spawn();
  const log = () => Deno.readTextFile(`${folder}/log`).catch(() => "");
  await until(async () => (await log()).includes("the master!"), "l2tpns does not become master");
  return running(child);
}

/** `ip netns exec`, `taskset`, `unshare` and `sh` have become the program. */
function running(child: Deno.ChildProcess): Running {
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const killed = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await child.status;
      clearTimeout(killed);
    },
  };
}

async function listens(lab: Lab): Promise<boolean> {
  const args = ["netns", "exec", lab.subjectNetns, "ss", "-Hlun", "sport", "=", ":1701"];
  return (await run("ip", ...args)).includes(":1701");
}

/** Waits for a condition, half a minute at most. */
export async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await condition()) return;
    await sleep(100);
  }
  throw new Error(what);
}

async function has(program: string): Promise<boolean> {
  return await run("sh", "-c", `command -v ${program}`).then(() => true, () => false);
}
