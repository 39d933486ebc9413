/** The hooks of tunnels and sessions: `tunnel-up`, `tunnel-down`, `session-up`, `session-down`. @module */

import { formatEndpoint } from "../../core/endpoint.ts";
import { pseudowireTypeNames } from "../config/attributes.ts";
import type { SessionEntry, TunnelEntry } from "../sessions/table.ts";
import type { Hooks } from "./hooks.ts";

/** What is told of tunnels and sessions. */
export interface Lifecycle {
  tunnelUp(tunnel: TunnelEntry): void;
  tunnelDown(tunnel: TunnelEntry): void;
  /** A session may have come up or gone down; `gone`: it is about to be removed. */
  session(tunnel: TunnelEntry, session: SessionEntry, gone?: boolean): void;
}

export function makeLifecycle({ run }: Pick<Hooks, "run">): Lifecycle {
  /** Since when they are up, by a clock that nobody sets. */
  const up = new WeakMap<SessionEntry, number>();
  return {
    tunnelUp: (tunnel) => run("tunnel-up", () => ofTunnel(tunnel)),
    tunnelDown: (tunnel) => run("tunnel-down", () => ofTunnel(tunnel)),
    session(tunnel, session, gone = false) {
      const isUp = !gone && session.reason === undefined &&
        session.circuit?.attachment !== undefined;
      const since = up.get(session);
      if (isUp === (since !== undefined)) return;
      if (isUp) up.set(session, performance.now());
      else up.delete(session);
      const seconds = since === undefined ? undefined : (performance.now() - since) / 1000;
      run(isUp ? "session-up" : "session-down", () => ({
        ...ofTunnel(tunnel),
        ...ofSession(session),
        ...(seconds !== undefined && { CONNECT_TIME: String(Math.round(seconds)) }),
      }));
    },
  };
}

function ofTunnel({ config }: TunnelEntry): Record<string, string> {
  return {
    TUNNEL: config.name,
    TUNNEL_ID: String(config.tunnelId),
    PEER_TUNNEL_ID: String(config.peerTunnelId),
    PROTO_VERSION: String(config.version),
    LOCAL: formatEndpoint(config.local),
    REMOTE: formatEndpoint(config.remote),
  };
}

function ofSession({ circuit, config, reason }: SessionEntry): Record<string, string> {
  const { ifname, mtu } = circuit?.attachment ?? {};
  return {
    SESSION: config.name,
    SESSION_ID: String(config.sessionId),
    PEER_SESSION_ID: String(config.peerSessionId),
    PW_TYPE: pseudowireTypeNames[config.pseudowireType],
    ...(ifname !== undefined && { IFNAME: ifname }),
    ...(mtu !== undefined && { MTU: String(mtu) }),
    ...(reason !== undefined && { REASON: reason }),
  };
}
