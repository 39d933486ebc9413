/** Tunnels with `peer:`: those with a control connection. @module */

import { type Endpoint, ipVersion } from "../../core/endpoint.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import type { ManagedTunnelConfig, PeerConfig } from "./model.ts";
import { wayOptions } from "./attributes.ts";
import { remoteOptions } from "./peer_attributes.ts";
import { l2tpPort } from "./build.ts";
import { readPlacedCalls } from "./calls.ts";
import { localAddressProblems, portProblems, remoteAddressProblems } from "./checks.ts";
import type { PlacedCall } from "./conflicts.ts";
import { managedTunnelSchema, remoteSchema } from "./control_schema.ts";
import { isName, parseNamed } from "./dns_name.ts";
import { inNetwork } from "./network.ts";
import { readOptions } from "./option.ts";
import type { ReadPeer } from "./peers.ts";
import type { Path } from "./problem.ts";
import { asObject, endpointOf, type ParseOptions } from "./reading.ts";
import type { Report } from "./report.ts";
import { remoteEndpoint } from "./schema.ts";
import { hint } from "./suggest.ts";

/** A remote of the file, and where its address stands. */
interface PlacedRemote {
  readonly path: Path;
  readonly remote: ManagedTunnelConfig["remotes"][number];
}

/** Reads one entry of `tunnels:` with `peer:`; its calls also where the rest is wrong. */
export function readManagedTunnel(
  name: string,
  entry: unknown,
  path: Path,
  peers: ReadonlyMap<string, ReadPeer> | undefined,
  options: ParseOptions,
  report: Report,
): { readonly tunnel?: ManagedTunnelConfig; readonly placed: readonly PlacedCall[] } {
  const raw = asObject(entry) ?? {};
  const encap = raw["encap"] === "ip" ? "ip" : "udp";
  const peer = typeof raw["peer"] === "string" ? peers?.get(raw["peer"]) : undefined;
  const remotes = readRemotes(raw["remote"], encap, [...path, "remote"], report);
  const placed = readPlacedCalls(
    raw["sessions"],
    peer?.version,
    [...path, "sessions"],
    options,
    report,
  );
  const file = report.check(managedTunnelSchema, entry, path);
  if (!file) return { placed };
  if (peers && !peer) report.add([...path, "peer"], unknownPeer(file.peer, peers));
  if (file.encap === "ip" && peer?.version === 2) {
    report.add(
      [...path, "encap"],
      "L2TPv2 travels over udp only (RFC 2661 §8.1); use a peer of proto-version 3 for ip",
    );
  }
  checkMode(file.mode, raw, path, report);
  const local = readLocal(file.local, file.encap, remotes, path, report);
  if (peer?.config) checkPolicy(peer.config, remotes, placed, path, report);
  const tunnel = {
    name,
    peer: file.peer,
    mode: file.mode,
    encap: file.encap,
    local,
    freshPort: file.encap === "udp" &&
      (file.local === undefined || endpointOf(file.local).port === undefined),
    remotes: remotes.map(({ remote }) => remote),
    ...readOptions(wayOptions, 3, file).fields,
    calls: placed.map(({ session }) => session),
  };
  return { tunnel, placed };
}

function unknownPeer(name: string, peers: ReadonlyMap<string, ReadPeer>): string {
  return peers.size === 0
    ? "no such peer; expected it under peers"
    : `no such peer${hint(name, peers.keys())}`;
}

function checkMode(
  mode: ManagedTunnelConfig["mode"],
  raw: Readonly<Record<string, unknown>>,
  path: Path,
  report: Report,
): void {
  const has = (key: string) => raw[key] !== undefined && raw[key] !== null;
  const given = has("remote");
  if (mode === "passive" && given) {
    report.add([...path, "remote"], "a passive tunnel dials nobody; leave it out");
  } else if (mode !== "passive" && !given) {
    report.add([...path, "remote"], "missing; expected whom to dial, or mode passive");
  }
  for (const key of mode === "passive" ? Object.keys(wayOptions).filter(has) : []) {
    const message = "a passive tunnel goes by the listener that its peer calls; leave it out";
    report.add([...path, key], message, "key");
  }
}

/** One address, or a list of entries. */
function readRemotes(
  value: unknown,
  encap: EncapType,
  path: Path,
  report: Report,
): PlacedRemote[] {
  if (value === undefined || value === null) return [];
  const remotes = Array.isArray(value)
    ? readRemoteList(value, encap, path, report)
    : readRemote(value, encap, path, report);
  const seen = new Map<string, Path>();
  const family = familyOf(remotes);
  for (const { path: own, remote: { endpoint: { address, port } } } of remotes) {
    if (!isName({ address }) && ipVersion(address) !== family) {
      report.add(own, `the first remote is IPv${family}; expected an IPv${family} address here`);
    }
    const key = `${address} ${port}`;
    if (seen.has(key)) report.add(own, "listed before; expected each remote once");
    seen.set(key, own);
    for (const message of isName({ address }) ? [] : remoteAddressProblems(address)) {
      report.add(own, message);
    }
    for (const message of portProblems(port, encap)) report.add(own, message);
  }
  return remotes;
}

function readRemote(
  value: unknown,
  encap: EncapType,
  path: Path,
  report: Report,
): PlacedRemote[] {
  const text = report.check(remoteEndpoint, value, path);
  if (text === undefined) return [];
  const { fields } = readOptions(remoteOptions, 3, {});
  return [{ path, remote: { endpoint: remoteWithPort(text, encap), ...fields } }];
}

function readRemoteList(
  list: readonly unknown[],
  encap: EncapType,
  path: Path,
  report: Report,
): PlacedRemote[] {
  if (list.length === 0) report.add(path, "an empty list; expected at least one remote");
  return list.flatMap((entry, index) => {
    const own = [...path, index];
    const file = report.check(remoteSchema, entry, own);
    if (!file) return [];
    const { fields } = readOptions(remoteOptions, 3, file);
    const remote = { endpoint: remoteWithPort(file.address, encap), ...fields };
    return [{ path: [...own, "address"], remote }];
  });
}

/** The address that we send from; not given, the wildcard of the remotes' family, port 1701. */
function readLocal(
  text: string | undefined,
  encap: EncapType,
  remotes: readonly PlacedRemote[],
  tunnel: Path,
  report: Report,
): Endpoint {
  const family = familyOf(remotes);
  const local = withPort(text ?? (family === 6 ? "::" : "0.0.0.0"), encap);
  const path = [...tunnel, "local"];
  if (family !== undefined && ipVersion(local.address) !== family) {
    report.add(
      path,
      `the remote address is IPv${family}; expected an IPv${family} address here`,
    );
  }
  for (const message of localAddressProblems(local.address)) report.add(path, message);
  if (encap === "ip") {
    for (const message of portProblems(local.port, encap)) report.add(path, message);
  }
  return local;
}

/** What the peer's own entry does not allow. */
function checkPolicy(
  { name, addresses, settings: { callLimit } }: PeerConfig,
  remotes: readonly PlacedRemote[],
  calls: readonly PlacedCall[],
  path: Path,
  report: Report,
): void {
  for (const { path: own, remote: { endpoint: { address } } } of remotes) {
    // A name is looked up when it is dialed, and what it stands for is looked at then.
    if (isName({ address })) continue;
    if (addresses.length > 0 && !addresses.some((each) => inNetwork(address, each))) {
      report.add(own, `not among the addresses of peers.${name}; expected one of them`);
    }
  }
  if (calls.length > callLimit) {
    report.add(
      [...path, "sessions"],
      `${calls.length} sessions, and the session-limit of peers.${name} is ${callLimit}; expected no more`,
      "key",
    );
  }
}

/** Tunnels beyond the `tunnel-limit` of their peer are told at the first that is too many. */
export function checkTunnelLimits(
  tunnels: readonly ManagedTunnelConfig[],
  peers: ReadonlyMap<string, ReadPeer> | undefined,
  report: Report,
): void {
  const counts = new Map<string, number>();
  for (const { name, peer } of tunnels) {
    const limit = peers?.get(peer)?.config?.tunnelLimit ?? Infinity;
    const count = (counts.get(peer) ?? 0) + 1;
    counts.set(peer, count);
    if (count !== limit + 1) continue;
    report.add(
      ["tunnels", name, "peer"],
      `the tunnel-limit of peers.${peer} is ${limit}; expected no more tunnels`,
    );
  }
}

/** The family of all addresses; undefined where there are names only. */
function familyOf(remotes: readonly PlacedRemote[]): 4 | 6 | undefined {
  const first = remotes.find(({ remote }) => !isName(remote.endpoint));
  return first && ipVersion(first.remote.endpoint.address);
}

function remoteWithPort(text: string, encap: EncapType): Endpoint {
  const named = parseNamed(text);
  if (!named) return withPort(text, encap);
  return { address: named.address, port: named.port ?? (encap === "udp" ? l2tpPort : 0) };
}

function withPort(text: string, encap: EncapType): Endpoint {
  const { address, port } = endpointOf(text);
  return { address, port: port ?? (encap === "udp" ? l2tpPort : 0) };
}
