/** Random configurations under traffic, faults at a chosen step, and what an appliance is like between two changes. @module */

import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import { seeded } from "../../core/testing.ts";
import { type Appliance, startAppliance } from "../../edge/appliance/appliance.ts";
import { parseConfig } from "../../edge/config/mod.ts";
import { textFile } from "../../edge/testing/document.ts";
import type { Config } from "../../edge/config/model.ts";
import type { ControlEvent } from "../../edge/control/mod.ts";
import { startDatapath } from "../../edge/datapath/client.ts";
import { type Datapath, DatapathError } from "../../edge/datapath/datapath.ts";
import { IoError } from "../../edge/io/errno.ts";
import { openSystem, type System } from "../../edge/io/system.ts";
import { makeLog } from "../../edge/log/log.ts";
import { Failure } from "../../plugins/failure.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { sink } from "../../plugins/sink/mod.ts";
import { type FrameEnd, framesPlugin } from "./support.ts";

/** Makes the nth step from now on fail. */
export interface Faults {
  arm(step: number): void;
  /** Whether the step was reached. */
  disarm(): boolean;
  /** Called at each step. @param error what goes wrong there */
  step(error: () => Error): void;
}

export function makeFaults(): Faults {
  let left = 0;
  let hit = false;
  return {
    arm(step) {
      [left, hit] = [step, false];
    },
    disarm() {
      left = 0;
      return hit;
    },
    step(error) {
      if (left === 0 || --left > 0) return;
      hit = true;
      throw error();
    },
  };
}

/** A circuit that can refuse, and whose devices are numbered as inodes are: `stage: { name, mode }`. */
export function stagePlugin(faults: Faults) {
  const devices = new Map<string, number>();
  let last = 0;
  const refuse = () =>
    faults.step(() => new Failure(last % 2 === 0 ? "invalid" : "not-permitted", "not today"));
  const plugin: Plugin<{ name: string; mode: number }> = {
    name: "stage",
    summary: "circuits of a test that can refuse",
    pseudowireTypes: [PseudowireType.Ethernet],
    options: z.strictObject({ name: z.string(), mode: z.number() }),
    claims: ({ name }) => [`stage ${name}`],
    start: () => ({
      provision(scope, { name }) {
        refuse();
        const device = ++last;
        devices.set(name, device);
        scope.defer(() => {
          if (devices.get(name) === device) devices.delete(name);
        });
        return {
          attach({ port }, scope) {
            refuse();
            scope.receive(port, () => {});
            return {};
          },
          reconfigure(next) {
            if (next.name !== name) return false;
            refuse();
            return true;
          },
        };
      },
    }),
  };
  return { plugin, devices };
}

const datapathSteps = ["addSocket", "addTunnel", "changeTunnel", "addSession", "changeSession"];

/** A datapath whose commands can fail. */
function faultyDatapath(real: Datapath, faults: Faults): Datapath {
  return new Proxy(real, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      if (!datapathSteps.includes(String(key))) return value.bind(target);
      return async (...args: unknown[]) => {
        faults.step(() => new DatapathError("limit", `no room for ${String(key)}`));
        return await value.apply(target, args);
      };
    },
    set: (target, key, value) => Reflect.set(target, key, value),
  });
}

/** A system that may lose its privileges. */
function faultySystem(real: System, faults: Faults): System {
  return new Proxy(real, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (key !== "openSocket") return typeof value === "function" ? value.bind(target) : value;
      return (...args: unknown[]) => {
        faults.step(() => new IoError("bind", 1, "bind a socket"));
        return value.apply(target, args);
      };
    },
  });
}

/** An appliance to be changed. */
export interface Subject extends AsyncDisposable {
  readonly appliance: Appliance;
  readonly ends: ReadonlyMap<string, FrameEnd>;
  /** Numbers of the devices that there are, by name. */
  readonly devices: ReadonlyMap<string, number>;
  readonly events: ControlEvent[];
  /** Log lines of errors: there are to be none. */
  readonly lines: readonly string[];
  text: string;
  parse(text: string): Config;
}

/** Starts an appliance. Nothing in it was ever created at the same time as anything else. */
export async function startSubject(first: string, faults: Faults): Promise<Subject> {
  const frames = framesPlugin();
  const stage = stagePlugin(faults);
  const plugins: readonly Plugin[] = [frames.plugin, stage.plugin, sink];
  const parse = (text: string) =>
    parseConfig(text, { file: "test.yaml", plugins, defaults: { hostName: "test" } });
  const system = openSystem();
  let instant = 0;
  const lines: string[] = [];
  const file = textFile(first, plugins);
  const { config, commit } = await file.document.load();
  commit();
  const appliance = await startAppliance({
    config,
    plugins,
    document: file.document,
    log: makeLog({ level: "error", format: "text" }, { write: (line) => void lines.push(line) }),
    wallClock: () => ++instant,
    system: faultySystem(system, faults),
    startDatapath: async () => faultyDatapath(await startDatapath(), faults),
  });
  const events: ControlEvent[] = [];
  const subscription = appliance.events();
  const listening = (async () => {
    for (;;) {
      const event = await subscription.next();
      if (event === undefined || event === "slow") return;
      if (event.type !== "plugin") events.push(event);
    }
  })();
  const subject: Subject = {
    appliance,
    ends: frames.ends,
    devices: stage.devices,
    events,
    lines,
    get text() {
      return file.text;
    },
    set text(text) {
      file.text = text;
    },
    parse,
    async [Symbol.asyncDispose]() {
      await appliance[Symbol.asyncDispose]();
      await listening;
      system[Symbol.dispose]();
    },
  };
  return subject;
}

/** One thing as it is. */
export interface Thing {
  /** As configured. */
  readonly config: unknown;
  /** Another number: another tunnel or session. */
  readonly made: number;
  /** Another number: another device. */
  readonly device: number | undefined;
  readonly status: string;
}

/** Static tunnels and their sessions, and the sessions of managed tunnels, by their paths. */
export async function thingsOf({ appliance, devices }: Subject): Promise<Map<string, Thing>> {
  const things = new Map<string, Thing>();
  for (const { config, control, createdAt, reason, sessions } of await appliance.tunnels()) {
    const path = `tunnels/${config.name}`;
    if (!control) {
      const status = reason ?? "up";
      things.set(path, {
        config: { ...config, sessions: [] },
        made: createdAt,
        device: undefined,
        status,
      });
    }
    for (const { config, createdAt, status } of sessions) {
      const { options } = config.circuit ?? {};
      const { name } = (options ?? {}) as { name?: string };
      things.set(`${path}/sessions/${config.name}`, {
        config,
        made: createdAt,
        device: devices.get(name ?? ""),
        status,
      });
    }
  }
  return things;
}

/** Draws configurations: what is steady stands in each of them. */
export function drawer(seed: number, [local, remote]: readonly [string, string]) {
  const random = seeded(seed);
  const draw = (n: number) => Math.floor(random.fraction() * n);
  const pick = <T>(...items: readonly T[]): T => items[draw(items.length)]!;
  const maybe = (text: string) => pick(text, "");

  const session = (name: string, stage: string | undefined, id: number) => {
    const circuit = stage ? `, circuit: { stage: { name: ${stage}, mode: ${draw(2)} } }` : "";
    return `${name}: { session-id: ${id + 100 * draw(2)}, peer-session-id: ${pick(5, 6)}, ` +
      `seq: ${pick("none", "both")}, cookie: "${pick("", "00112233")}"${circuit} }`;
  };
  const tunnel = (n: number, stages: string[]) => {
    const sessions = [0, 1].map((i) =>
      session(`s${i}`, pick(stages.pop(), undefined), 1000 + n * 10 + i)
    ).filter(() => draw(4) > 0);
    return `  t${n}:
    static: { tunnel-id: ${n + 10 * pick(1, 2)}, peer-tunnel-id: ${pick(7, 8)} }
    local: "${local}:${pick(1711, 1712, 1713)}"
    remote: "${remote}:${pick(1801, 1802)}"
    sessions: { ${sessions.join(", ")} }
`;
  };
  const call = (name: string, stage: string | undefined) => {
    const circuit = stage
      ? `circuit: { stage: { name: ${stage}, mode: ${draw(2)} } }`
      : "circuit: { sink: {} }";
    return `${name}: { ${circuit}${maybe(", mtu: 1300")}${maybe(", seq: both")} }`;
  };

  return {
    draw,
    next(): string {
      const stages = ["a", "b", "c", "d", "e", "f", "g"]
        .map((name) => ({ name, order: random.fraction() }))
        .sort((a, b) => a.order - b.order).map(({ name }) => name);
      const listeners = [1701, ...[1711, 1712].filter(() => draw(2) > 0)];
      const calls = ["c0", "c1", "c2"].filter(() => draw(3) > 0)
        .map((name) => call(name, pick(stages.pop(), undefined)));
      return `listen: [${listeners.map((port) => `{ udp: "${local}:${port}" }`).join(", ")}]
peers:
${maybe("  spare: { address: 10.9.9.9 }\n")}  hq: { retransmit: 0.1${maybe(", hello: 5")}${
        maybe(", tunnel-limit: 9")
      }${maybe(", session-limit: 99")} }
tunnels:
  steady:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    local: "${local}:1701"
    remote: "${remote}:1702"
    sessions: { one: { session-id: 1, peer-session-id: 2, seq: both, circuit: { frames: { name: steady } } } }
  managed:
    peer: hq
    local: "${local}:1701"
    remote: "${remote}:1701"
    sessions: { ${
        ["live: { seq: both, circuit: { frames: { name: live } } }", ...calls].join(", ")
      } }
${
        [0, 1, 2, 3].filter(() =>
          draw(3) > 0
        ).map((n) =>
          tunnel(n, stages)
        ).join("")
      }`;
    },
  };
}
