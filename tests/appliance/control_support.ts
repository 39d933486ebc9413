/** What tests of the control plane share: appliances that dial each other over loopback. @module */

import type { FailureEvent, StateEvent } from "../../edge/control/mod.ts";
import { textFile } from "../../edge/testing/document.ts";
import type { ApplianceOptions } from "../../edge/appliance/context.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { makeLog } from "../../edge/log/log.ts";
import type { TunnelState } from "../../edge/config/model.ts";
import { type Appliance, startAppliance } from "../../edge/appliance/appliance.ts";
import { probe } from "../../plugins/probe/mod.ts";
import { bridge } from "../../plugins/bridge/mod.ts";
import { sink } from "../../plugins/sink/mod.ts";

const common = [bridge, probe, sink];

/** An appliance in this process. */
export interface ControlNode extends AsyncDisposable {
  readonly appliance: Appliance;
  readonly lines: string[];
  /** Every change of state so far. */
  readonly events: StateEvent[];
  /** Every failure that was told of so far. */
  readonly failures: FailureEvent[];
  /** What the next reload reads. */
  text: string;
  /** One tunnel as it is; undefined: there is none of that name. */
  tunnel(name: string): Promise<TunnelState | undefined>;
  /** The names of sessions that are up in a tunnel. */
  up(tunnel: string): Promise<string[]>;
}

/** Starts an appliance from the text of a configuration file, with plugins beside those of all tests. */
export async function startControlNode(
  first: string,
  clock?: Clock,
  more: readonly Plugin[] = [],
  startDatapath?: ApplianceOptions["startDatapath"],
): Promise<ControlNode> {
  const plugins = [...common, ...more];
  const lines: string[] = [];
  const events: StateEvent[] = [];
  const failures: FailureEvent[] = [];
  const file = textFile(first, plugins);
  const { config, commit } = await file.document.load();
  commit();
  const appliance = await startAppliance({
    config,
    plugins,
    document: file.document,
    log: makeLog(config.log, { write: (line) => void lines.push(line) }),
    ...(clock && { clock }),
    ...(startDatapath && { startDatapath }),
  });
  const subscription = appliance.events();
  const listening = (async () => {
    for (;;) {
      const event = await subscription.next();
      if (event === undefined || event === "slow") return;
      if (event.type === "failure") failures.push(event);
      else if (event.type !== "plugin" && event.type !== "session-state") events.push(event);
    }
  })();
  const node: ControlNode = {
    appliance,
    lines,
    events,
    failures,
    get text() {
      return file.text;
    },
    set text(text) {
      file.text = text;
    },
    async tunnel(name) {
      return (await appliance.tunnels()).find(({ config }) => config.name === name);
    },
    async up(tunnel) {
      const state = await node.tunnel(tunnel);
      return (state?.sessions ?? []).filter(({ status }) => status === "up")
        .map(({ config }) => config.name).sort();
    },
    async [Symbol.asyncDispose]() {
      await appliance[Symbol.asyncDispose]();
      await listening;
    },
  };
  return node;
}

/** A clock so many times as fast as that on the wall. */
export function fastClock(times: number): Clock {
  const now = () => performance.now() * times;
  return {
    now,
    timer(at, callback) {
      const timer = setTimeout(callback, Math.max(0, at - now()) / times);
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  };
}

/** An appliance in a process of its own, which can be killed without a word to anybody, and started again. */
export async function spawnPeer(text: string) {
  const main = new URL("../../edge/main.ts", import.meta.url).pathname;
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(file, text);
  const spawn = () =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-P=appliance", main, "run", file],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      env: { NO_COLOR: "1" },
    }).spawn();
  let child: Deno.ChildProcess | undefined = spawn();
  const kill = async () => {
    const killed = child;
    child = undefined;
    try {
      killed?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await killed?.status;
  };
  return {
    kill,
    start: () => void (child = spawn()),
    async [Symbol.asyncDispose]() {
      await kill();
      await Deno.remove(file);
    },
  };
}
