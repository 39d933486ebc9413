/** Network namespaces of this machine: one for an appliance, and one for a peer that needs no kernel of its own. @module */

import {
  type Background,
  type Outcome,
  output,
  run,
  type RunOptions,
  start,
  until,
} from "./process.ts";

/** A network namespace and a scratch folder. */
export interface Place {
  readonly namespace: string;
  readonly folder: string;
  /** Runs a program in the namespace. @throws when it fails */
  here(...argv: string[]): Promise<string>;
  /** Runs a program in the namespace, whatever its exit status. */
  tryHere(argv: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Starts a program in the namespace; its output goes to a file of the scratch folder named after `name`. */
  background(name: string, ...argv: string[]): Background;
}

/** A namespace that is there already, as a place. */
export function placeIn(namespace: string, folder: string): Place {
  const inside = ["ip", "netns", "exec", namespace];
  let programs = 0;
  return {
    namespace,
    folder,
    here: (...argv) => output([...inside, ...argv]),
    tryHere: (argv, options) => run([...inside, ...argv], options),
    background: (name, ...argv) =>
      start([...inside, ...argv], `${folder}/${name}-${namespace}-${++programs}.log`),
  };
}

/** The device at each end of a pair's wire. */
export const device = "wire";

/** Two namespaces joined by a wire, with the addresses of the lab's; disposal ends what runs in them and removes them. */
export interface Pair extends AsyncDisposable {
  readonly here: Place;
  readonly there: Place;
  /** Cuts the wire, or mends it: what either end sends meanwhile is lost. */
  setWire(state: "up" | "down"): Promise<void>;
}

let pairs = 0;

/** Makes two namespaces and the wire between them. Checksums are finished before a capture sees them. */
export async function makePair(): Promise<Pair> {
  const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
  const name = `isthmus-${Deno.pid}-p${++pairs}`;
  const ends = ["here", "there"] as const;
  const place = (end: typeof ends[number]) => placeIn(`${name}-${end}`, folder);
  const pair: Pair = {
    here: place("here"),
    there: place("there"),
    async setWire(state) {
      await output(["ip", "-n", pair.there.namespace, "link", "set", device, state]);
    },
    async [Symbol.asyncDispose]() {
      for (const end of ends) {
        await killAll(pair[end]);
        await output(["ip", "netns", "del", pair[end].namespace]);
      }
      await Deno.remove(folder, { recursive: true });
    },
  };
  for (const end of ends) {
    await output(["ip", "netns", "add", pair[end].namespace]);
    await pair[end].here("ip", "link", "set", "lo", "up");
  }
  const there = pair.there.namespace;
  await pair.here.here(
    ...["ip", "link", "add", device, "type", "veth", "peer", "name", device, "netns", there],
  );
  for (const [i, end] of ends.entries()) {
    const { here } = pair[end];
    await here("ethtool", "-K", device, "tx", "off");
    await here("ip", "addr", "add", `10.77.0.${i + 1}/24`, "dev", device);
    await here("ip", "addr", "add", `fd77::${i + 1}/64`, "dev", device, "nodad");
    await here("ip", "link", "set", device, "up");
  }
  return pair;
}

/** Ends every program in a place that we made, at once and without a word to anybody: as a power cut would. */
export async function killAll({ namespace }: Place): Promise<void> {
  await until("all programs ended, and their ports are free", async () => {
    const pids = await programsIn(namespace);
    for (const pid of pids) tell(pid, "SIGKILL");
    return pids.length === 0 && await output(["ss", "-N", namespace, "-Hlnu"]) === "";
  });
}

/** Sends a program a signal; it may be gone already. */
export function tell(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The process ids of all programs in a network namespace. */
export async function programsIn(namespace: string): Promise<number[]> {
  const pids = await output(["ip", "netns", "pids", namespace]);
  return pids.split("\n").filter((line) => line !== "").map(Number);
}

/**
 * Starts a program that belongs to its place and not to the test that starts it: {@linkcode killAll} ends it.
 * @returns what it printed so far
 */
export async function launch(
  place: Place,
  name: string,
  argv: readonly string[],
): Promise<() => Promise<string>> {
  const file = `${place.folder}/${name}-${crypto.randomUUID()}.log`;
  await place.here(
    "sh",
    "-c",
    'log=$1; shift; setsid "$@" < /dev/null > "$log" 2>&1 &',
    "sh",
    file,
    ...argv,
  );
  return () => Deno.readTextFile(file).catch(() => "");
}

/** A shell command that runs a program with folders of ours in the place of the machine's (`[ours, theirs]`). */
export function withMounts(
  mounts: readonly (readonly [string, string])[],
  ...argv: string[]
): string[] {
  const bind = mounts.map(([ours, theirs]) => `mount --bind ${ours} ${theirs} && `).join("");
  return ["sh", "-c", `${bind}exec "$@"`, "sh", ...argv];
}
