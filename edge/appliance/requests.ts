/** What requests do to tunnels and sessions: one change at a time for each tunnel, all of it or nothing. @module */

import { CdnResult, type Result, StopResult } from "../../core/errors.ts";
import type { SessionConfig, TunnelConfig } from "../config/model.ts";
import { findSession, findTunnel, sessionPath } from "../sessions/table.ts";
import type { ApplianceApi, SessionPatch, TunnelPatch } from "./api.ts";
import type { ApplianceContext } from "./context.ts";
import { ApplianceError } from "./errors.ts";
import { type Transaction, transaction } from "./transaction.ts";

type Requests = Pick<
  ApplianceApi,
  | "createTunnel"
  | "changeTunnel"
  | "deleteTunnel"
  | "createSession"
  | "changeSession"
  | "deleteSession"
>;

/** The name of the tunnel that a request means by its name or tunnel id. */
export function tunnelName({ down, tunnels }: ApplianceContext, tunnel: string): string {
  if (tunnels.all.has(tunnel)) return tunnel;
  const tunnelId = /^[1-9]\d*$/.test(tunnel) ? Number(tunnel) : 0;
  const found = tunnels.all.byId(tunnelId) ?? down.tunnel({ tunnelId })?.tunnel;
  return found?.config.name ?? tunnel;
}

/** @throws {ApplianceError} */
export function refuseStopped({ state }: ApplianceContext): void {
  if (state.running) return;
  throw new ApplianceError("unavailable", undefined, "the appliance has stopped");
}

/** @param queries tell how a tunnel or session is after a change */
export function makeRequests(
  context: ApplianceContext,
  queries: Pick<ApplianceApi, "summary" | "session">,
): Requests {
  const changes = makeChanges(context);
  return {
    ...tunnelRequests(context, changes, queries.summary),
    ...sessionRequests(context, changes, queries.session),
  };
}

type Changes = ReturnType<typeof makeChanges>;

function makeChanges(context: ApplianceContext) {
  const { control, down, log, queues } = context;
  return {
    /** Makes one change to a tunnel, after those before it. */
    change(tunnel: string, work: (name: string, tx: Transaction) => Promise<void>) {
      const name = tunnelName(context, tunnel);
      return queues.run(name, async () => {
        refuseStopped(context);
        await transaction(log, (tx) => work(name, tx));
        return name;
      });
    },
    /** Refuses to change what a control connection decides on, or what is not there yet. */
    refuseFixed(tunnel: string) {
      const name = tunnelName(context, tunnel);
      if (control.owns(name)) {
        const message = "its control connection decides on this; change the configuration file";
        throw new ApplianceError("invalid", undefined, message);
      }
      const waiting = down.get(`tunnels/${name}`);
      if (!waiting?.tunnel) return;
      const message = `${name} is down and can only be deleted: ${waiting.reason}`;
      throw new ApplianceError("unavailable", undefined, message);
    },
    refuseResult(result: Result | undefined) {
      if (!result) return;
      const message = "there is no control connection that could tell the peer";
      throw new ApplianceError("invalid", "result", message);
    },
  };
}

function tunnelRequests(
  context: ApplianceContext,
  { change, refuseFixed, refuseResult }: Changes,
  show: ApplianceApi["summary"],
) {
  const { control, down, log, queues, tunnels } = context;
  /** Names and ids of tunnels that are down are not free. */
  const refuseTaken = ({ name, tunnelId }: TunnelConfig) => {
    if (control.owns(name)) {
      throw new ApplianceError("exists", "name", `there is a tunnel ${name} already`);
    }
    if (down.tunnel({ name })) {
      throw new ApplianceError("exists", "name", `there is a tunnel ${name} already`);
    }
    const other = down.tunnel({ tunnelId });
    if (!other) return;
    const message = `${tunnelId} is the tunnel-id of ${other.tunnel.config.name} already`;
    throw new ApplianceError("exists", "tunnel-id", message);
  };
  return {
    async createTunnel(config: TunnelConfig) {
      refuseTaken(config);
      const owned = config.sessions.map((config) => ({ config, origin: "api" as const }));
      await change(config.name, (_, tx) => tunnels.add(config, "api", owned, tx));
      log.info("tunnel created", { path: `tunnels/${config.name}` });
      return await show(config.name);
    },
    async changeTunnel(tunnel: string, patch: TunnelPatch) {
      refuseFixed(tunnel);
      const name = await change(tunnel, async (name, tx) => {
        const entry = findTunnel(tunnels.all, name);
        const { named, ...config } = entry.config;
        // An address that is asked for takes the name's place.
        const kept = named && patch.remote === undefined ? { named } : {};
        await tunnels.change(entry, { ...config, ...kept, ...patch }, tx);
      });
      log.info("tunnel changed", { path: `tunnels/${name}`, attributes: Object.keys(patch) });
      return await show(name);
    },
    async deleteTunnel(tunnel: string, result?: Result) {
      refuseStopped(context);
      const owned = tunnelName(context, tunnel);
      if (control.owns(owned)) {
        // After a reload under way, which would have it dialed again.
        const said = result ?? { result: StopResult.Clear };
        return await queues.run(owned, () => control.closeTunnel(owned, said));
      }
      refuseResult(result);
      const name = await change(tunnel, async (name) => {
        const path = `tunnels/${name}`;
        if (!down.get(path)?.tunnel) await tunnels.remove(findTunnel(tunnels.all, name));
        down.deleteAll(path);
      });
      log.info("tunnel deleted", { path: `tunnels/${name}` });
    },
  };
}

function sessionRequests(
  context: ApplianceContext,
  { change, refuseFixed, refuseResult }: Changes,
  show: ApplianceApi["session"],
) {
  const { control, down, log, queues, sessions, tunnels } = context;
  return {
    async createSession(tunnel: string, config: SessionConfig) {
      refuseFixed(tunnel);
      const name = await change(
        tunnel,
        (name, tx) => sessions.add(findTunnel(tunnels.all, name), config, "api", tx),
      );
      log.info("session created", { path: `tunnels/${name}/sessions/${config.name}` });
      return await show(name, config.name);
    },
    async changeSession(tunnel: string, session: string, patch: SessionPatch) {
      refuseFixed(tunnel);
      let path = "";
      const name = await change(tunnel, async (name, tx) => {
        const owner = findTunnel(tunnels.all, name);
        const entry = findSession(owner, session);
        const next = { ...entry.config, ...patch };
        path = sessionPath(owner.config, next);
        sessions.check(owner.config, next);
        await sessions.change(owner, entry, next, tx);
      });
      log.info("session changed", { path, attributes: Object.keys(patch) });
      return await show(name, session);
    },
    async deleteSession(tunnel: string, session: string, result?: Result) {
      refuseStopped(context);
      const owned = tunnelName(context, tunnel);
      if (control.owns(owned)) {
        const said = result ?? { result: CdnResult.Administrative };
        if (await queues.run(owned, () => control.closeSession(owned, session, said))) return;
        const message = `the tunnel ${owned} has no session ${session}`;
        throw new ApplianceError("not-found", undefined, message);
      }
      refuseResult(result);
      refuseFixed(tunnel);
      let path = "";
      await change(tunnel, async (name) => {
        const owner = findTunnel(tunnels.all, name);
        const entry = findSession(owner, session);
        path = sessionPath(owner.config, entry.config);
        await sessions.remove(owner, entry);
        down.delete(path);
      });
      log.info("session deleted", { path });
    },
  };
}
