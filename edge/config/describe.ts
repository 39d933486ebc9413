/** A {@linkcode Config} in the file's own shape, for operators to look at. Pure. @module */

import { type Endpoint, formatEndpoint, formatIp } from "../../core/endpoint.ts";
import type { Json } from "../../plugins/plugin.ts";
import type {
  AdminConfig,
  CallConfig,
  Config,
  ManagedTunnelConfig,
  PeerConfig,
  SessionConfig,
  TunnelConfig,
} from "./model.ts";
import { pseudowireTypeNames } from "./attributes.ts";
import { hidden, maskSecrets } from "./secrets.ts";

/**
 * What is in effect, defaults included, as {@linkcode parseConfig} would read it, with every secret shown as
 * `<hidden>`. Cookies are not secrets: they keep stray packets out, and cross the wire in the clear.
 */
export function describeConfig(config: Config): Record<string, Json> {
  const { listen, admin, log, hostName, routerId, peers, tunnels, managed } = config;
  return {
    listen: listen.map((listener) => ({ [listener.encap]: formatEndpoint(listener) })),
    admin: describeAdmin(admin),
    log: { ...log },
    "host-name": hostName,
    "router-id": describeRouterId(routerId),
    peers: Object.fromEntries(peers.map((peer) => [peer.name, describePeer(peer)])),
    tunnels: Object.fromEntries([
      ...tunnels.map((tunnel) => [tunnel.name, describeTunnel(tunnel)] as const),
      ...managed.map((tunnel) => [tunnel.name, describeManagedTunnel(tunnel)] as const),
    ]),
  };
}

function describeAdmin({ listen, token }: AdminConfig): Json {
  return {
    listen: "path" in listen
      ? `unix:${listen.path}`
      : withPort({ address: listen.host, port: listen.port }),
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
  return {
    "session-id": session.sessionId,
    "peer-session-id": session.peerSessionId,
    "pw-type": pseudowireTypeNames[session.pseudowireType],
    "l2spec-type": session.l2spec,
    cookie: session.cookie,
    "peer-cookie": session.peerCookie,
    seq: describeSeq(session),
    "lns-mode": session.lnsMode,
    "reorder-timeout": session.reorderTimeoutMs,
    ...(session.mtu !== undefined && { mtu: session.mtu }),
    ...describeCircuit(session.circuit),
  };
}

/** As the address that Router IDs mostly are. */
function describeRouterId(routerId: number): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, routerId);
  return formatIp(bytes);
}

function describePeer(peer: PeerConfig): Json {
  const { addresses, hostName, settings, tunnelLimit, accept } = peer;
  const signed = settings.version === 3 && settings.secret !== undefined;
  return {
    "proto-version": settings.version,
    ...(addresses.length > 0 && { address: addresses }),
    ...(hostName !== undefined && { "host-name": hostName }),
    ...(settings.secret && { secret: hidden }),
    ...(settings.otherSecret && { "other-secret": hidden }),
    ...(signed && { digest: settings.digest === 0 ? "md5" : "sha1" }),
    ...(settings.fallback && { fallback: true }),
    "hide-avps": settings.hideAvps,
    "tie-breaker": settings.tieBreaker,
    hello: settings.helloMs / 1000,
    "receive-window": settings.receiveWindow,
    retransmit: settings.retransmitMs / 1000,
    "retransmit-cap": settings.retransmitCapMs / 1000,
    attempts: settings.attempts,
    "establish-timeout": settings.establishMs / 1000,
    "call-timeout": settings.callMs / 1000,
    "session-limit": settings.callLimit,
    "tunnel-limit": tunnelLimit,
    accept: accept.map((call) => ({ name: call.name, ...describeCall(call) })),
  };
}

function describeManagedTunnel(tunnel: ManagedTunnelConfig): Json {
  const { peer, mode, encap, remotes, calls } = tunnel;
  return {
    peer,
    mode,
    encap,
    local: describeLocal(tunnel),
    ...(remotes.length > 0 && {
      remote: remotes.map(({ endpoint, preference, weight }) => ({
        address: formatEndpoint(endpoint),
        preference,
        weight,
      })),
    }),
    sessions: Object.fromEntries(
      calls.map((call) => [
        call.name,
        { "remote-end-id": call.remoteEndId, ...describeCall(call) },
      ]),
    ),
  };
}

function describeCall(call: CallConfig): { readonly [key: string]: Json } {
  return {
    "pw-type": pseudowireTypeNames[call.pseudowireType],
    "cookie-size": call.cookieSize,
    "l2spec-type": call.l2spec,
    seq: describeSeq(call),
    "reorder-timeout": call.reorderTimeoutMs,
    ...(call.mtu !== undefined && { mtu: call.mtu }),
    ...describeCircuit(call.circuit),
  };
}

function describeSeq({ sendSeq, recvSeq }: Pick<SessionConfig, "sendSeq" | "recvSeq">): string {
  return sendSeq ? recvSeq ? "both" : "send" : recvSeq ? "recv" : "none";
}

function describeCircuit(circuit: SessionConfig["circuit"]): { readonly circuit?: Json } {
  return circuit ? { circuit: { [circuit.plugin]: maskSecrets(circuit.options) } } : {};
}

/** With its port even where that is 0, which stands for any. */
function describeLocal({ local, encap, freshPort }: ManagedTunnelConfig): string {
  return encap === "udp" && !freshPort ? withPort(local) : local.address;
}

function withPort({ address, port }: Endpoint): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}
