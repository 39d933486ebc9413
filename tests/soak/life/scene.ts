/**
 * Where the soak lives: namespaces around one appliance that is never ended, with those beside it that are.
 *
 * ```
 * home --street-- here --wire-- there          10.77.0.0/24, fd77::/64
 *  crowd          edge           steady, rash
 *                   |---wire1--- xl2tpd        10.79.1.0/24
 *                   |---wire2--- l2tpns        10.79.2.0/24
 * ```
 *
 * @module
 */

import type { Appliance } from "../../interop/support/appliance.ts";
import { startAppliance } from "../../interop/support/appliance.ts";
import { startL2tpns } from "../../interop/support/l2tpns.ts";
import { killAll, makePair, type Pair, type Place, placeIn } from "../../interop/support/place.ts";
import { output } from "../../interop/support/process.ts";
import { missing } from "../../interop/support/programs.ts";
import { makeStreet } from "../../interop/support/street.ts";
import { say } from "../../interop/support/suite.ts";
import { startXl2tpd } from "../../interop/support/xl2tpd.ts";
import { crowdText, edgeText, rashText, steadyText } from "./texts.ts";

/** How many tunnels xl2tpd dials, and calls l2tpns gets. */
export const [dialed, placed] = [3, 10];

/** Something that is killed and started again. */
export interface Mortal {
  readonly name: string;
  /** Starts it; false where this machine cannot. */
  start(): Promise<void>;
  /** Kills it without a word to anybody. */
  kill(): Promise<void>;
}

/** All of it. */
export interface Scene {
  readonly pair: Pair;
  /** The appliance that is looked at: it lives for as long as the soak. */
  readonly edge: Appliance;
  /** Its peer that lives as long. */
  readonly steady: Appliance;
  /** Those that are killed. */
  readonly mortals: readonly Mortal[];
  /** The peer that is killed, as it is now. */
  rash(): Appliance | undefined;
  /** Whether these programs take part. */
  readonly with: { readonly xl2tpd: boolean; readonly l2tpns: boolean };
}

/** Makes it. */
export async function makeScene(stack: AsyncDisposableStack): Promise<Scene> {
  const pair = stack.use(await makePair());
  const { here, there } = pair;
  const kept = Deno.env.get("ISTHMUS_SOAK_LOGS");
  if (kept) stack.defer(async () => void await output(["cp", "-r", here.folder, kept]));
  await there.here("ip", "addr", "add", "10.77.0.3/24", "dev", "wire");
  await there.here("ip", "addr", "add", "fd77::3/64", "dev", "wire", "nodad");
  await loseSome(there);
  const home = await makeStreet(stack, pair);
  const present = { xl2tpd: here1("xl2tpd"), l2tpns: here1("l2tpns") };
  await Deno.writeTextFile(`${here.folder}/users.yaml`, users(), { mode: 0o600 });
  const edge = stack.use(await startAppliance(here, edgeText(here.folder, present, 0)));
  const steady = stack.use(await startAppliance(there, steadyText));

  let [rash, crowd]: (Appliance | undefined)[] = [];
  const killed = async (appliance: Appliance | undefined) => {
    appliance?.process.kill("SIGKILL");
    await appliance?.process.ended;
    await appliance?.[Symbol.asyncDispose]();
  };
  const mortals: Mortal[] = [{
    name: "rash",
    start: async () => void (rash = await startAppliance(there, rashText)),
    async kill() {
      const last = rash;
      rash = undefined;
      await killed(last);
    },
  }, {
    name: "crowd",
    start: async () => void (crowd = await startAppliance(home, crowdText)),
    async kill() {
      await killed(crowd);
      crowd = undefined;
    },
  }];
  const appliances = [...mortals];
  stack.defer(async () => {
    for (const { kill } of appliances) await kill();
  });
  if (present.xl2tpd) {
    const place = await makeSpoke(stack, here, 1);
    const start = async () => void await startXl2tpd(place, { role: "lac", tunnels: dialed });
    mortals.push({ name: "xl2tpd", start, kill: () => killAll(place) });
  }
  if (present.l2tpns) {
    const place = await makeSpoke(stack, here, 2);
    const start = async () => void await startL2tpns(place, "secret", "10.79.2.2");
    mortals.push({ name: "l2tpns", start, kill: () => killAll(place) });
  }
  await Promise.all(mortals.map(({ start }) => start()));
  return { pair, edge, steady, mortals, rash: () => rash, with: present };
}

function here1(program: string): boolean {
  const lacking = missing([program]);
  if (lacking.length > 0) say(`  without ${program}: ${lacking.join()}`);
  return lacking.length === 0;
}

/** One of twenty packets of the one peer's is lost, either way. */
async function loseSome({ here }: Place): Promise<void> {
  await here("nft", "add table inet loss");
  for (const [hook, which] of [["input", "daddr"], ["output", "saddr"]]) {
    await here(
      "nft",
      `add chain inet loss ${hook} { type filter hook ${hook} priority 0; }
       add rule inet loss ${hook} ip ${which} 10.77.0.2 numgen random mod 100 < 5 drop`,
    );
  }
}

/** A namespace on a wire of its own to the edge. */
async function makeSpoke(
  stack: AsyncDisposableStack,
  hub: Place,
  index: number,
): Promise<Place> {
  const folder = `${hub.folder}/spoke${index}`;
  await Deno.mkdir(folder);
  const spoke = placeIn(`isthmus-${Deno.pid}-spoke${index}`, folder);
  await output(["ip", "netns", "add", spoke.namespace]);
  stack.defer(async () => {
    await killAll(spoke);
    await output(["ip", "netns", "del", spoke.namespace]);
  });
  const device = `wire${index}`;
  const peer = ["peer", "name", "eth0", "netns", spoke.namespace];
  await hub.here("ip", "link", "add", device, "type", "veth", ...peer);
  for (const [place, name, end] of [[hub, device, 1], [spoke, "eth0", 2]] as const) {
    await place.here("ethtool", "-K", name, "tx", "off");
    await place.here("ip", "addr", "add", `10.79.${index}.${end}/24`, "dev", name);
    await place.here("ip", "link", "set", name, "up");
  }
  await spoke.here("ip", "link", "set", "lo", "up");
  await spoke.here("ip", "route", "add", "10.77.0.1", "via", `10.79.${index}.1`);
  return spoke;
}

/** Who may log in. */
function users(): string {
  return "crowd: { password: pass }\nsteady: { password: pass }\n" +
    Array.from({ length: 10 }, (_, i) => `rash${i}: { password: pass }\n`).join("");
}
