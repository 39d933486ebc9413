/** Open vSwitch with its userspace datapath, in a namespace. @module */

import type { Place } from "./place.ts";
import { until } from "./process.ts";

/** A running Open vSwitch; disposal ends it. */
export interface OpenVSwitch extends AsyncDisposable {
  /** Where its database listens. */
  readonly socket: string;
  /** `ovs-vsctl`. */
  vsctl(...args: string[]): Promise<string>;
  /** Ends and starts the switch; the database goes on. */
  restart(): Promise<void>;
  /** Ends both, and starts them with an empty database. */
  startAnew(): Promise<void>;
}

/** Starts one in a place. */
export async function startOvs(place: Place): Promise<OpenVSwitch> {
  const folder = `${place.folder}/ovs`;
  const socket = `${folder}/db.sock`;
  const env = ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"].map((name) =>
    `${name}=${folder}`
  );
  const here = (...argv: string[]) => place.here("env", ...env, ...argv);
  const vsctl = (...args: string[]) =>
    here("ovs-vsctl", `--db=unix:${socket}`, "--timeout=10", ...args);
  const detached = (name: string) => [
    `--pidfile=${folder}/${name}.pid`,
    `--log-file=${folder}/${name}.log`,
    `--unixctl=${folder}/${name}.ctl`,
    ...["--detach", "--no-chdir"],
  ];
  const startDatabase = async () => {
    await Deno.remove(`${folder}/conf.db`).catch(() => {});
    await here(
      "ovsdb-tool",
      "create",
      `${folder}/conf.db`,
      "/usr/share/openvswitch/vswitch.ovsschema",
    );
    await here(
      "ovsdb-server",
      `${folder}/conf.db`,
      `--remote=punix:${socket}`,
      ...detached("ovsdb"),
    );
    await vsctl("--no-wait", "init");
  };
  const startSwitch = () =>
    here("ovs-vswitchd", `unix:${socket}`, ...detached("vswitchd"), "--disable-system");
  const end = async (name: string) => {
    const pid = await Deno.readTextFile(`${folder}/${name}.pid`).catch(() => "");
    if (pid === "") return;
    Deno.kill(Number(pid), "SIGTERM");
    const runs = () => Deno.stat(`/proc/${pid.trim()}`).then(() => true, () => false);
    await until(`${name} has ended`, async () => !await runs());
  };
  await Deno.mkdir(folder);
  await startDatabase();
  await startSwitch();
  return {
    socket,
    vsctl,
    async restart() {
      await end("vswitchd");
      await startSwitch();
    },
    async startAnew() {
      await end("vswitchd");
      await end("ovsdb");
      await startDatabase();
      await startSwitch();
    },
    async [Symbol.asyncDispose]() {
      await end("vswitchd");
      await end("ovsdb");
    },
  };
}
