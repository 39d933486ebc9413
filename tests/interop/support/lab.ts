/** A real Linux kernel to talk to: a guest of lab.sh and the namespace at the host's end of its wire. @module */

import { labFolder } from "./programs.ts";
import { type Background, type Outcome, output, run, type RunOptions, start } from "./process.ts";

/** The addresses of the wire's two ends. */
export const wire = {
  here: { ip4: "10.77.0.1", ip6: "fd77::1" },
  guest: { ip4: "10.77.0.2", ip6: "fd77::2" },
} as const;

/** A running guest; disposal shuts it down and removes its namespace. */
export interface Lab extends AsyncDisposable {
  /** The network namespace at the host's end. */
  readonly namespace: string;
  /** The tap that is the wire, in that namespace. */
  readonly tap: string;
  /** A scratch folder of this machine. */
  readonly folder: string;
  /** The folder that the guest sees as `/lab`. */
  readonly shared: string;
  /** Runs a bash script in the guest. @throws when it fails */
  guest(script: string, ...args: string[]): Promise<string>;
  /** Runs a bash script in the guest, whatever its exit status. */
  tryGuest(script: string, ...args: string[]): Promise<Outcome>;
  /** Runs a program in the namespace. @throws when it fails */
  here(...argv: string[]): Promise<string>;
  /** Runs a program in the namespace, whatever its exit status. */
  tryHere(argv: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Starts a program in the namespace; its output goes to a file of the scratch folder named after `name`. */
  background(name: string, ...argv: string[]): Background;
}

let guests = 0;

/** Boots a guest (0.2 s). */
export async function bootLab(): Promise<Lab> {
  const name = `isthmus-${Deno.pid}-${++guests}`;
  const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
  const env = { LAB_RUN: `${folder}/lab` };
  const lab = `${labFolder}/lab.sh`;
  const namespace = `lab-${name}`;
  const inside = ["ip", "netns", "exec", namespace];
  const said = await output([lab, "up", name], { env });
  const tap = /\btap=(\S+)/.exec(said)![1]!;
  const tryGuest = (script: string, ...args: string[]) =>
    run([lab, "exec", name, "-c", script, ...args], { env, timeoutMs: 130_000 });
  let programs = 0;
  return {
    namespace,
    tap,
    folder,
    shared: `${env.LAB_RUN}/${name}`,
    tryGuest,
    async guest(script, ...args) {
      const { code, stdout, stderr } = await tryGuest(script, ...args);
      if (code !== 0) {
        throw new Error(`in the guest: exit status ${code}\n${script}\n${stdout}${stderr}`);
      }
      return stdout;
    },
    here: (...argv) => output([...inside, ...argv]),
    tryHere: (argv, options) => run([...inside, ...argv], options),
    background: (title, ...argv) =>
      start([...inside, ...argv], `${folder}/${title}-${++programs}.log`),
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
