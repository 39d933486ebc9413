/** Sessions in the datapath: their ports, and the probes of their keepalives, which come and go with them. @module */

import type { Transaction } from "../appliance/transaction.ts";
import type { SessionConfig } from "../config/model.ts";
import { same } from "../config/same.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Keepalives } from "../keepalive/keepalives.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import { specOf } from "./datapath_words.ts";
import { noteOutage, type SessionEntry, sessionPath, type TunnelEntry } from "./table.ts";

/** The port of a session that is not in the datapath. */
export const NO_PORT = 0 as PortId;

/** What sessions get their ports with. */
export interface SessionPortDependencies {
  readonly datapath: Datapath;
  readonly keepalives: Keepalives;
  /** What a session's keepalive says has changed. */
  silence(tunnel: TunnelEntry, session: SessionEntry): void;
}

export type SessionPorts = ReturnType<typeof makeSessionPorts>;

export function makeSessionPorts(
  { datapath, keepalives, silence }: SessionPortDependencies,
  suffer: (tunnel: TunnelEntry, session: SessionEntry, of: "path", reason?: string) => void,
) {
  const makeKeepalive = (
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    up: boolean,
  ) =>
    keepalives.make(config, {
      path: sessionPath(tunnel.config, config),
      port: () => session.port,
      changed: () => silence(tunnel, session),
    }, up);

  /** Gives a new session the keepalive that it asks for. */
  const watch = (tunnel: TunnelEntry, session: SessionEntry) => {
    if (!session.config.keepalive) return;
    session.keepalive = makeKeepalive(tunnel, session, session.config, false);
    noteOutage(session, "path", session.keepalive.silence);
  };

  /** Puts a session into the datapath, with its keepalive. */
  const enter = async (tunnel: TunnelEntry, session: SessionEntry, config: SessionConfig) => {
    session.port = await datapath.addSession(tunnel.handle, specOf(tunnel, config));
    try {
      await session.keepalive?.enter();
    } catch (error) {
      await datapath.removePort(session.port);
      throw error;
    }
  };

  /** Takes a session out of the datapath; `forGood`: its keepalive ends. */
  const leave = async (session: SessionEntry, forGood = false) => {
    if (forGood) await session.keepalive?.end();
    else await session.keepalive?.leave();
    await datapath.removePort(session.port);
  };

  /** Begins, changes or ends a session's keepalive; a session that is up stays so until its path is lost. */
  const changeKeepalive = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    const { config: before, keepalive: former } = session;
    if (former && next.keepalive) {
      if (same(settled(before), settled(next))) return;
      await former.change(next);
      tx.undo(() => former.change(before));
    } else if (former) {
      await former.leave();
      session.keepalive = undefined;
      tx.undo(async () => {
        session.keepalive = former;
        await former.enter();
      });
      tx.commit(() => former.end());
    } else if (next.keepalive) {
      const fresh = makeKeepalive(tunnel, session, next, session.reason === undefined);
      session.keepalive = fresh;
      tx.undo(async () => {
        session.keepalive = undefined;
        await fresh.end();
      });
      await fresh.enter();
    } else return;
    tx.commit(() => suffer(tunnel, session, "path", session.keepalive?.silence));
  };

  return { changeKeepalive, enter, leave, watch };
}

/** What a probe depends on. */
function settled({ keepalive, pseudowireType, vlanId }: SessionConfig) {
  return [keepalive, pseudowireType, vlanId];
}
