/** A {@linkcode Config} in the file's own shape, for operators to look at. Pure. @module */

import { type Endpoint, formatEndpoint, formatIp } from "../../core/endpoint.ts";
import type { Json } from "../../plugins/plugin.ts";
import type {
  CallConfig,
  Config,
  ManagedTunnelConfig,
  PeerConfig,
  SessionConfig,
  TunnelConfig,
} from "./model.ts";
import { callOptions, sessionOptions, tunnelOptions, wayOptions } from "./attributes.ts";
import { connectionOptions, peerOptions, remoteOptions } from "./peer_attributes.ts";
import { showOptions } from "./option.ts";
import { describeAdmin } from "./admin.ts";
import { describeCircuit } from "./circuit.ts";
import { hidden, maskSecrets } from "./secrets.ts";

/**
 * What is in effect, defaults included, as {@linkcode parseConfig} would read it, with every secret shown as
 * `<hidden>`. Cookies are not secrets: they keep stray packets out, and cross the wire in the clear.
 */
export function describeConfig(config: Config): Record<string, Json> {
  const { maps, rest } = describeInParts(config);
  return {
    ...rest,
    ...Object.fromEntries(
      Object.entries(maps).map(([key, entries]) => [key, Object.fromEntries(entries())]),
    ),
  };
}

/** A configuration in the file's own shape: maps that may have very many entries, and all the rest. */
export interface DescribedConfig {
  readonly rest: Record<string, Json>;
  /** Each entry is described when it is asked for. */
  readonly maps: Readonly<Record<"peers" | "tunnels", () => Iterable<readonly [string, Json]>>>;
}

/** As {@linkcode describeConfig}, for who cannot do all of it at once. */
export function describeInParts(config: Config): DescribedConfig {
  const { listen, admin, log, offload, hostName, routerId, peers, tunnels, managed } = config;
  const rest = {
    listen: listen.map(({ encap, device, marks, ...endpoint }) => ({
      [encap]: formatEndpoint(endpoint),
      ...(device !== undefined && { device }),
      ...(marks && { marks }),
    })),
    admin: describeAdmin(admin),
    log: { ...log },
    ...(offload && { offload: { ...offload } as Json }),
    "host-name": hostName,
    "router-id": describeRouterId(routerId),
    ...(config.plugins.length > 0 && { plugins: config.plugins }),
    ...Object.fromEntries(
      Object.values(config.sections).map(({ key, value }) => [key, maskSecrets(value)]),
    ),
    ...(config.circuits.length > 0 && {
      circuits: Object.fromEntries(
        config.circuits.map(({ name, options, plugin }) => [
          name,
          describeCircuit({ options, plugin }),
        ]),
      ),
    }),
    ...(Object.keys(config.hooks).length > 0 && { hooks: config.hooks }),
    "state-folder": config.stateFolder,
  };
  return {
    rest,
    maps: {
      *peers() {
        for (const peer of peers) yield [peer.name, describePeer(peer)];
      },
      *tunnels() {
        for (const tunnel of tunnels) yield [tunnel.name, describeTunnel(tunnel)];
        for (const tunnel of managed) yield [tunnel.name, describeManagedTunnel(tunnel)];
      },
    },
  };
}

/** A static tunnel in the file's own shape. */
export function describeTunnel(tunnel: TunnelConfig): Json {
  const {
    "tunnel-id": tunnelId,
    "peer-tunnel-id": peerTunnelId,
    "encap-type": encap,
    ...others
  } = showOptions(tunnelOptions, tunnel);
  return {
    static: { "tunnel-id": tunnelId, "peer-tunnel-id": peerTunnelId },
    ...others,
    encap,
    local: formatEndpoint(tunnel.local),
    remote: formatEndpoint({
      ...tunnel.remote,
      ...(tunnel.named && { address: tunnel.named.name }),
    }),
    ...(tunnel.named && { "resolve-interval": tunnel.named.resolveMs / 1000 }),
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
    ...describePayload(showOptions(sessionOptions, session)),
    ...circuitOf(session.circuit),
  };
}

/** As the address that Router IDs mostly are. */
function describeRouterId(routerId: number): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, routerId);
  return formatIp(bytes);
}

/** A peer in the file's own shape, secrets hidden. */
export function describePeer(peer: PeerConfig): Json {
  const { addresses, settings, accept } = peer;
  const { digest, ...connection } = showOptions(connectionOptions, settings);
  const signed = settings.version === 3 && settings.secret !== undefined &&
    settings.authentication !== "challenge";
  return {
    ...(addresses.length > 0 && { address: addresses }),
    ...showOptions(peerOptions, peer),
    ...(settings.secret && { secret: hidden }),
    ...(settings.otherSecret && { "other-secret": hidden }),
    ...(signed && { digest }),
    ...connection,
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
    ...showOptions(wayOptions, tunnel),
    ...(remotes.length > 0 && {
      remote: remotes.map((remote) => ({
        address: formatEndpoint(remote.endpoint),
        ...showOptions(remoteOptions, remote),
      })),
    }),
    sessions: Object.fromEntries(
      calls.map((call) => [
        call.name,
        {
          "remote-end-id": call.remoteEndId,
          ...(call.direction && { direction: call.direction }),
          ...describeCall(call),
        },
      ]),
    ),
  };
}

function describeCall(call: CallConfig): { readonly [key: string]: Json } {
  return { ...describePayload(showOptions(callOptions, call)), ...circuitOf(call.circuit) };
}

/** Options as the file has them: `seq` says both directions. */
function describePayload<T extends { "send-seq": boolean; "recv-seq": boolean }>(shown: T) {
  const { "send-seq": send, "recv-seq": recv, ...others } = shown;
  return { ...others, seq: send ? recv ? "both" : "send" : recv ? "recv" : "none" };
}

function circuitOf(circuit: SessionConfig["circuit"]): { readonly circuit?: Json } {
  return circuit ? { circuit: describeCircuit(circuit) } : {};
}

/** With its port even where that is 0, which stands for any. */
function describeLocal({ local, encap, freshPort }: ManagedTunnelConfig): string {
  return encap === "udp" && !freshPort ? withPort(local) : local.address;
}

function withPort({ address, port }: Endpoint): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}
