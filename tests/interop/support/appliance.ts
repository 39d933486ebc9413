/** An appliance as its user runs it, and its admin endpoint. @module */

import assert from "node:assert/strict";
import { checkedFetch } from "../../../edge/admin/promised.ts";
import type { Place } from "./place.ts";
import { type Background, type Outcome, until } from "./process.ts";

/** The folder of the project. */
export const root = new URL("../../../", import.meta.url).pathname;

/** A running appliance; disposal stops it by SIGTERM. */
export interface Appliance extends AsyncDisposable {
  readonly process: Background;
  /** Its configuration file. */
  readonly file: string;
  readonly adminSocket: string;
  /** Asks the admin endpoint and expects success. @throws with the problem's text */
  get<T>(path: string): Promise<T>;
  /** Runs the command line's client with the admin endpoint of this appliance. */
  cli(...args: string[]): Promise<Outcome>;
  /** One session's counters and state. */
  session(tunnel: string, session?: string): Promise<SessionView>;
  /** Frames dropped, by reason, and the datapath's own figures. */
  datapath(): Promise<DatapathView>;
}

/** The part of a session's view that tests look at. */
export interface SessionView {
  readonly mtu?: number;
  readonly ifname?: string;
  readonly status: string;
  readonly "circuit-state"?: Readonly<Record<string, unknown>>;
  readonly statistics: Readonly<Record<string, number>>;
}

/** What the admin endpoint tells of the datapath. */
export interface DatapathView {
  readonly drops: Readonly<Record<string, number>>;
  readonly io: Readonly<Record<string, number>>;
}

/** The longest that an appliance may take to answer, in milliseconds. */
const startLimitMs = 60_000;

/** Starts an appliance in a place with the configuration that `text` makes of its admin socket's path. */
export async function startAppliance(
  place: Place,
  text: (adminSocket: string) => string,
): Promise<Appliance> {
  const file = await Deno.makeTempFile({ dir: place.folder, suffix: ".yaml" });
  const adminSocket = file.replace(/yaml$/, "sock");
  await Deno.writeTextFile(file, text(adminSocket));
  const isthmus = [
    ...[Deno.execPath(), "run", "-q", "-P=appliance"],
    `--allow-write=${place.folder}`, // the admin socket's
    `${root}edge/main.ts`,
  ];
  const process = place.background("isthmus", ...isthmus, "run", "--config", file);
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: adminSocket } });
  const get = async <T>(path: string): Promise<T> => {
    const ask = () => checkedFetch(`http://localhost${path}`, { client });
    // A connection that was idle for as long as the appliance keeps one may be closed just as it is asked by.
    const response = await ask().catch((error) => {
      if (error instanceof TypeError) return ask();
      throw error;
    });
    const body = await response.text();
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${body}`);
    return JSON.parse(body) as T;
  };
  const appliance: Appliance = {
    process,
    file,
    adminSocket,
    get,
    cli: (...args) => place.tryHere([...isthmus, "--url", `unix:${adminSocket}`, ...args]),
    session: (tunnel, session = "s") => get(`/v1/tunnels/${tunnel}/sessions/${session}`),
    datapath: () => get("/v1/datapath"),
    async [Symbol.asyncDispose]() {
      client.close();
      await process[Symbol.asyncDispose]();
    },
  };
  try {
    await until("the appliance answers", async () => {
      assert.equal(process.exitCode(), undefined, "the appliance ended");
      return await get("/healthz").then(() => true, () => false);
    }, startLimitMs);
  } catch (error) {
    await appliance[Symbol.asyncDispose]();
    throw new Error(`${error}\n${await process.log()}`);
  }
  return appliance;
}

/** Asserts that an appliance still runs, and shows its log where it does not. */
export async function assertRuns(appliance: Appliance): Promise<void> {
  assert.equal(appliance.process.exitCode(), undefined, await appliance.process.log());
  await appliance.get("/healthz");
}
