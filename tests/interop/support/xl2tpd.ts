/**
 * xl2tpd on this machine. Where no kernel has PPP devices, a stand-in for pppd keeps each call up for as long as the
 * test wants: it sends one LCP Configure-Request at once, says nothing more and goes when told to.
 *
 * @module
 */

import type { Peer } from "./peer.ts";
import { launch, type Place, programsIn, tell, withMounts } from "./place.ts";
import { until } from "./process.ts";

/** What xl2tpd is to do. */
export interface Xl2tpdOptions {
  readonly role: "lac" | "lns";
  /** Absent: nobody is challenged. */
  readonly secret?: string;
  /** As a LAC: how many tunnels with a call each it dials; 1 by default. */
  readonly tunnels?: number;
}

/** A running xl2tpd. */
export interface Xl2tpd extends Peer {
  /** Says a line to it, as `xl2tpd-control` does. */
  command(line: string): Promise<void>;
  /** The process ids of the stand-ins for pppd: one for each call that is up. */
  standIns(): Promise<number[]>;
}

/** The configuration of either role; the LAC dials by itself, again a second after it lost its tunnel. */
export function xl2tpdConfig(
  { role, secret, tunnels = 1 }: Xl2tpdOptions,
  folder: string,
  pppOptions: string,
): string {
  const common = [
    `pppoptfile = ${pppOptions}`,
    "length bit = yes",
    `challenge = ${secret === undefined ? "no" : "yes"}`,
  ];
  return [
    "[global]",
    "port = 1701",
    `auth file = ${folder}/xl2tpd.secrets`,
    // As a LAC it has to see soon that we are gone; as an LNS it may be patient with a busy machine.
    `max retries = ${role === "lac" ? 2 : 10}`,
    "debug tunnel = yes",
    "debug state = yes",
    ...(role === "lns"
      ? [
        "[lns default]",
        "ip range = 10.6.0.10-10.6.3.200",
        "local ip = 10.6.0.1",
        "refuse authentication = yes",
        "name = lns",
        ...common,
      ]
      : Array.from({ length: tunnels }, (_, i) => [
        `[lac t${i + 1}]`,
        "lns = 10.77.0.1",
        "require authentication = no",
        "autodial = yes",
        "redial = yes",
        "redial timeout = 1",
        "max redials = 1000",
        ...common,
      ]).flat()),
    "",
  ].join("\n");
}

/** Ends as pppd does when its line hangs up: xl2tpd does not dial again for one that a signal ended. */
const standIn = `#!/usr/bin/perl
$SIG{TERM} = sub { exit 16 };
# LCP Configure-Request without options, in HDLC's asynchronous framing (RFC 1662 §4).
syswrite(STDOUT, pack("H*", "7eff7d23c0217d217d217d207d24d1b57e"));
# A signal just before it falls asleep wakes nobody up.
sleep 1 while 1;
`;

let runs = 0;

/** Starts it, and waits until it listens. */
export async function startXl2tpd(place: Place, options: Xl2tpdOptions): Promise<Xl2tpd> {
  const { folder } = place;
  const own = `${folder}/xl2tpd-${++runs}`;
  const control = `${own}.control`;
  await Deno.writeTextFile(`${folder}/pppd`, standIn, { mode: 0o755 });
  await Deno.writeTextFile(`${folder}/ppp.options`, "");
  // Whatever follows the second name is the secret, blanks and all.
  await Deno.writeTextFile(`${folder}/xl2tpd.secrets`, `* * ${options.secret ?? ""}\n`, {
    mode: 0o600,
  });
  await Deno.writeTextFile(
    `${folder}/xl2tpd.conf`,
    xl2tpdConfig(options, folder, `${folder}/ppp.options`),
  );
  const log = await launch(place, "xl2tpd", [
    ...withMounts([[`${folder}/pppd`, "/usr/sbin/pppd"]], "xl2tpd", "-D"),
    ...["-c", `${folder}/xl2tpd.conf`, "-s", `${folder}/xl2tpd.secrets`],
    ...["-p", `${own}.pid`, "-C", control],
  ]);
  await until("xl2tpd listens", async () => (await log()).includes("Listening on"));
  const standIns = async () => {
    const pids = await programsIn(place.namespace);
    return pids.filter((pid) => nameOf(pid) === "pppd");
  };
  // Its control pipe takes one command at a time.
  const command = async (line: string) => {
    await place.here("sh", "-c", 'printf "%s" "$1" > "$2"', "sh", line, control);
  };
  const tunnel = async () => {
    let id: string | undefined;
    await until("xl2tpd has a tunnel", async () => {
      id = [...(await log()).matchAll(/Connection established to .* Local: (\d+)/g)].at(-1)?.[1];
      return id !== undefined;
    });
    return id!;
  };
  return {
    log,
    calls: async () => (await standIns()).length,
    async endCalls() {
      let pid: number | undefined;
      await until("a stand-in for pppd minds signals", async () => {
        pid = (await standIns()).find(mindsTerm);
        return pid !== undefined;
      });
      tell(pid!, "SIGTERM");
    },
    async endTunnels() {
      await command(`d ${await tunnel()}`);
      return "running";
    },
    command,
    standIns,
  };
}

function nameOf(pid: number): string {
  return about(pid, "comm").trim();
}

/** Whether a program has a handler of its own for SIGTERM. */
function mindsTerm(pid: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(about(pid, "status"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & 1n << 14n) !== 0n;
}

/** What the kernel tells of a program; nothing once it is gone. */
function about(pid: number, file: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return "";
  }
}
