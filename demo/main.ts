/**
 * `deno task demo`: two real appliances, joined by L2TPv3 pseudowires over loopback, and a subscriber of one of them.
 *
 * As root (with `ip`, `ping` and /dev/net/tun) the pseudowires end on TAPs in two network namespaces and a ping
 * crosses them; and a third appliance dials PPPoE to the left one, a LAC, which carries it to the right one, its LNS.
 * Otherwise they end on `probe` circuits, which send real ARP and ICMP frames from TypeScript.
 * Runs until Ctrl-C, or for `--seconds N`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Namespaces, namespaces } from "./namespaces.ts";
import { configs, type DemoConfigs, USERS } from "./configs.ts";
import { isthmus, type RunningAppliance, startAppliance } from "./appliance.ts";

const seconds = readSeconds();
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort());
}

await using stack = new AsyncDisposableStack();
const directory = await Deno.makeTempDir({ prefix: "isthmus-demo-" });
stack.defer(() => Deno.remove(directory, { recursive: true }));
const spaces = stack.use(await namespaces());
const demo = configs(spaces, directory);
await Deno.writeTextFile(`${directory}/users.yaml`, USERS, { mode: 0o600 });

say(
  spaces.available
    ? `TAPs in the namespaces ${spaces.left} and ${spaces.right}, joined by L2TPv3 over UDP and over IP protocol 115`
    : `probe circuits joined by L2TPv3 over UDP (${spaces.reason}: no TAPs)`,
);
const left = stack.use(await startAppliance("left", demo.left, directory));
stack.use(await startAppliance("right", demo.right, directory));
if (demo.home !== undefined) stack.use(await startAppliance("home", demo.home, directory));
say(`two appliances are up; the left one's admin endpoint is ${left.url}`);

await traffic(spaces, demo);
await tables(left);
say("a second later");
await sleep(1000);
await traffic(spaces, demo);
await tables(left);

say(
  `the admin endpoint stays up ${seconds ? `for ${seconds} s in all` : "until Ctrl-C"}:\n` +
    `  curl --unix-socket ${left.url.slice(5)} http://localhost/v1/tunnels\n  curl --unix-socket ${
      left.url.slice(5)
    } http://localhost/metrics\n` +
    `  deno run -P=appliance --allow-write=${directory} edge/main.ts --url ${left.url} show session`,
);
await sleep(Math.max(0, seconds * 1000 - performance.now()) || (seconds ? 0 : 2 ** 31 - 1));
say("stopping");

/** Sends pings through every pseudowire; the probes do so by themselves. */
async function traffic(spaces: Namespaces, { targets }: DemoConfigs): Promise<void> {
  if (!spaces.available) return await sleep(1500);
  for (const { name, address } of targets) {
    const ping = ["netns", "exec", spaces.left, "ping", "-W", "1"];
    // A subscriber's link takes a moment to come up.
    for (let tries = 0; tries < 100 && !await answers([...ping, "-c", "1", address]); tries++) {
      await sleep(100);
    }
    say(`ping through ${name}`);
    await run("ip", [...ping, "-c", "3", "-i", "0.2", address]);
  }
}

/** What an operator would look at. */
async function tables(appliance: RunningAppliance): Promise<void> {
  const subscribers = spaces.available ? [["show", "view", "pppoe"]] : [];
  for (const args of [["show", "tunnel"], ["show", "session"], ...subscribers]) {
    say(`isthmus ${args.join(" ")}`);
    await run(Deno.execPath(), [...isthmus(directory), "--url", appliance.url, ...args]);
  }
}

async function answers(args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command("ip", { args, stdout: "null", stderr: "null" })
    .output();
  return success || stop.signal.aborted;
}

async function run(program: string, args: string[]): Promise<void> {
  const { success } = await new Deno.Command(program, {
    args,
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success && !stop.signal.aborted) throw new Error(`${program} ${args.join(" ")} failed`);
}

/** Waits `ms`, or until a signal. */
function sleep(ms: number): Promise<void> {
  if (stop.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop.signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** The value of `--seconds`, 0 when absent. */
function readSeconds(): number {
  const { values } = parseArgs({
    args: Deno.args,
    options: { seconds: { type: "string", default: "0" } },
  });
  const seconds = Number(values.seconds);
  if (Number.isFinite(seconds) && seconds >= 0) return seconds;
  say(`--seconds ${values.seconds}: not a number of seconds`);
  Deno.exit(2);
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`\n▸ ${text}\n`));
}
