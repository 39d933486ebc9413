/** An admin endpoint that can move while it answers. @module */

import type { AdminServer } from "./mod.ts";
import type { AdminConfig } from "../config/model.ts";

/** One that listens at one place at a time. Disposal gives requests under way two seconds. */
export interface MovableAdmin extends AsyncDisposable {
  /** Where it listens, in words. */
  url(): string;
  /** @throws {ApplianceError} where the new address cannot be had; it stays where it was then */
  move(to: AdminConfig): Promise<void>;
}

/** One that listens nowhere yet. */
export function movableAdmin(
  serve: (listen: AdminConfig["listen"]) => Promise<AdminServer>,
): MovableAdmin {
  let at: AdminConfig["listen"] | undefined;
  let server: AdminServer | undefined;
  /** Those that listen no more; requests under way, the one for this very reload among them, end by themselves. */
  const retired: AdminServer[] = [];
  const retire = (former: AdminServer | undefined) => {
    if (!former) return;
    former.retire();
    retired.push(former);
  };
  return {
    url: () => server?.url ?? "no address yet",
    async move({ listen: to }) {
      if (JSON.stringify(to) === JSON.stringify(at)) return;
      const [former, from] = [server, at];
      try {
        server = await serve(to);
        retire(former);
      } catch (error) {
        if (!from || !overlap(from, to)) throw error;
        // The former address has to go first, and comes back on failure.
        retire(former);
        server = await serve(to).catch(async (error) => {
          server = await serve(from);
          throw error;
        });
      }
      at = to;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([server, ...retired].map((each) => each?.[Symbol.asyncDispose]()));
    },
  };
}

/** Whether two places can be in each other's way. */
function overlap(a: AdminConfig["listen"], b: AdminConfig["listen"]): boolean {
  return "port" in a && "port" in b && a.port === b.port;
}
