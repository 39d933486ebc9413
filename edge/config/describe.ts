/** A {@linkcode Config} in the file's own shape, for operators to look at. Pure. @module */

import { formatEndpoint } from "../../core/endpoint.ts";
import type { Json } from "../../plugins/plugin.ts";
import type { AdminConfig, Config, SessionConfig, TunnelConfig } from "../model.ts";
import { pseudowireTypeNames } from "./attributes.ts";
import { hidden, maskSecrets } from "./secrets.ts";

/**
 * What is in effect, defaults included, as {@linkcode parseConfig} would read it, with every secret shown as
 * `<hidden>`. Cookies are not secrets: they keep stray packets out, and cross the wire in the clear.
 */
export function describeConfig({ listen, admin, log, tunnels }: Config): Record<string, Json> {
  return {
    listen: listen.map((listener) => ({ [listener.encap]: formatEndpoint(listener) })),
    admin: describeAdmin(admin),
    log: { ...log },
    tunnels: Object.fromEntries(tunnels.map((tunnel) => [tunnel.name, describeTunnel(tunnel)])),
  };
}

function describeAdmin({ listen, token }: AdminConfig): Json {
  return {
    listen: "path" in listen
      ? `unix:${listen.path}`
      : `${listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${listen.port}`,
    ...(token !== undefined && { token: hidden }),
  };
}

function describeTunnel(tunnel: TunnelConfig): Json {
  return {
    static: { "tunnel-id": tunnel.tunnelId, "peer-tunnel-id": tunnel.peerTunnelId },
    "proto-version": tunnel.version,
    encap: tunnel.encap,
    local: formatEndpoint(tunnel.local),
    remote: formatEndpoint(tunnel.remote),
    ...(tunnel.encap === "udp" && {
      "udp-csum": tunnel.checksum.udp,
      "udp-zero-csum6-tx": tunnel.checksum.zero6Tx,
      "udp-zero-csum6-rx": tunnel.checksum.zero6Rx,
    }),
    sessions: Object.fromEntries(
      tunnel.sessions.map((session) => [session.name, describeSession(session)]),
    ),
  };
}

function describeSession(session: SessionConfig): Json {
  const { sendSeq, recvSeq, circuit } = session;
  return {
    "session-id": session.sessionId,
    "peer-session-id": session.peerSessionId,
    "pw-type": pseudowireTypeNames[session.pseudowireType],
    "l2spec-type": session.l2spec,
    cookie: session.cookie,
    "peer-cookie": session.peerCookie,
    seq: sendSeq ? recvSeq ? "both" : "send" : recvSeq ? "recv" : "none",
    "lns-mode": session.lnsMode,
    "reorder-timeout": session.reorderTimeoutMs,
    ...(session.mtu !== undefined && { mtu: session.mtu }),
    ...(circuit && { circuit: { [circuit.plugin]: maskSecrets(circuit.options) } }),
  };
}
