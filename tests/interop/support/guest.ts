/** An appliance inside a guest of the lab: for devices that this machine's kernel does not have (VLANs, VRFs). @module */

import { root } from "./appliance.ts";
import type { Lab } from "./lab.ts";
import { until } from "./process.ts";

/** Megabytes of a guest that an appliance runs in. */
export const guestMemory = 1500;

/** An appliance in a guest, which ends with it. */
export interface GuestAppliance {
  /** An answer of the admin endpoint. */
  get<T>(path: string): Promise<T>;
  log(): Promise<string>;
}

/** Starts an appliance in a guest. `text`: its configuration, but for `admin`. */
export async function startInGuest(lab: Lab, text: string): Promise<GuestAppliance> {
  const socket = "/tmp/isthmus.sock";
  const config = `admin: { listen: "unix:${socket}" }\n${text}`;
  await Deno.writeTextFile(`${lab.shared}/isthmus.yaml`, config);
  const deno = `${Deno.execPath()} run -q -P=appliance --allow-write=/tmp edge/main.ts`;
  await lab.guest(`cd ${root}
    setsid ${deno} run --config /lab/isthmus.yaml > /lab/isthmus.log 2>&1 < /dev/null &`);
  const log = () => Deno.readTextFile(`${lab.shared}/isthmus.log`);
  const appliance: GuestAppliance = {
    log,
    async get(path) {
      const curl = `curl -sS --fail-with-body --unix-socket ${socket}`;
      return JSON.parse(await lab.guest(`${curl} http://localhost${path}`));
    },
  };
  try {
    await until(
      "the appliance in the guest answers",
      () => appliance.get("/healthz").then(() => true, () => false),
    );
  } catch (error) {
    throw new Error(`${error}\n${await log()}`);
  }
  return appliance;
}
