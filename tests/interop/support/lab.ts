/** A real Linux kernel to talk to: a guest of lab.sh and the namespace at the host's end of its wire. @module */

import { labFolder } from "./programs.ts";
import { type Place, placeIn } from "./place.ts";
import { type Outcome, output, run } from "./process.ts";

/** The addresses of the wire's two ends. */
export const wire = {
  here: { ip4: "10.77.0.1", ip6: "fd77::1" },
  guest: { ip4: "10.77.0.2", ip6: "fd77::2" },
} as const;

/** A running guest, and the namespace at the host's end of its wire; disposal shuts it down and removes both. */
export interface Lab extends Place, AsyncDisposable {
  /** The tap that is the wire, in that namespace. */
  readonly tap: string;
  /** The folder that the guest sees as `/lab`. */
  readonly shared: string;
  /** Runs a bash script in the guest. @throws when it fails */
  guest(script: string, ...args: string[]): Promise<string>;
  /** Runs a bash script in the guest, whatever its exit status. */
  tryGuest(script: string, ...args: string[]): Promise<Outcome>;
}

/** How a guest shall be. */
export interface LabOptions {
  /** Megabytes; an appliance inside needs 1500. */
  readonly memory?: number;
  /** The namespace at the host's end, which others may share: all on one bridge; absent: one of its own. */
  readonly namespace?: string;
  /** The guest's host number on the wire; absent: 2. */
  readonly host?: number;
}

let guests = 0;

/** Boots a guest (0.2 s). */
export async function bootLab({ host = 2, memory, ...shared }: LabOptions = {}): Promise<Lab> {
  const name = `isthmus-${Deno.pid}-${++guests}`;
  const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
  const env = { LAB_RUN: `${folder}/lab` };
  const lab = `${labFolder}/lab.sh`;
  const namespace = shared.namespace ?? `lab-${name}`;
  const options = [
    ...(memory === undefined ? [] : ["-m", `${memory}`]),
    ...(shared.namespace === undefined ? [] : ["-n", namespace, "-b", "lan"]),
    ...["-4", `10.77.0.1/24,10.77.0.${host}/24`, "-6", `fd77::1/64,fd77::${host}/64`],
  ];
  const said = await output([lab, ...options, "up", name], { env });
  const tap = /\btap=(\S+)/.exec(said)![1]!;
  const tryGuest = (script: string, ...args: string[]) =>
    run([lab, "exec", name, "-c", script, ...args], { env, timeoutMs: 130_000 });
  return {
    ...placeIn(namespace, folder),
    tap,
    shared: `${env.LAB_RUN}/${name}`,
    tryGuest,
    async guest(script, ...args) {
      const { code, stdout, stderr } = await tryGuest(script, ...args);
      if (code !== 0) {
        throw new Error(`in the guest: exit status ${code}\n${script}\n${stdout}${stderr}`);
      }
      return stdout;
    },
    async [Symbol.asyncDispose]() {
      await output([lab, "down", name], { env });
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/**
 * Switches IPv6 off on devices made from now on, in the guest and in the namespace: no router solicitations and no
 * reports, so that only what a test sends takes sequence numbers and counts.
 */
export async function withoutIpv6(lab: Lab): Promise<void> {
  const script = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
  await lab.here("sh", "-c", script);
  await lab.guest(script);
}
