/** What the values of one tunnel or session must agree on, whichever way they came in. Pure. @module */

import {
  canonicalIp,
  ipVersion,
  isLinkLocal,
  isWildcard,
  parseIp,
  zoneOf,
} from "../../core/endpoint.ts";
import { maxId } from "../../core/ids.ts";
import { type EncapType, type ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import type { SessionConfig, TunnelConfig } from "./model.ts";
import { type AttributeName, pseudowireTypeNames } from "./attributes.ts";

/** One thing wrong with a tunnel or session: in which attribute, what is wrong and what would be right. */
export interface Problem {
  readonly attribute: AttributeName;
  readonly message: string;
}

/** All that is wrong with a tunnel by itself; its sessions are not looked at. */
export function checkTunnel(config: Omit<TunnelConfig, "sessions">): Problem[] {
  return [...checkTunnelIds(config), ...checkEndpoints(config), ...checkChecksums(config)];
}

/** All that is wrong with a session by itself, in a tunnel of the given version. */
export function checkSession(config: SessionConfig, version: ProtoVersion): Problem[] {
  const problems: Problem[] = [];
  checkId(config.sessionId, version, "session-id", problems);
  checkId(config.peerSessionId, version, "peer-session-id", problems);
  checkCookie(config.cookie, version, "cookie", problems);
  checkCookie(config.peerCookie, version, "peer-cookie", problems);
  problems.push(...checkPayload(config, version));
  for (const message of checkKeepalive(config)) problems.push({ attribute: "keepalive", message });
  return problems;
}

/** What a session carries, and how. */
export type Payload = Pick<
  SessionConfig,
  | "pseudowireType"
  | "vlanId"
  | "l2spec"
  | "peerL2spec"
  | "sendSeq"
  | "recvSeq"
  | "reorderTimeoutMs"
>;

/** All that is wrong with what a session carries, in a tunnel of the given version. */
export function checkPayload(config: Payload, version: ProtoVersion): Problem[] {
  const problems: Problem[] = [];
  const add = (attribute: AttributeName, message: string) => problems.push({ attribute, message });
  if (config.vlanId !== undefined && config.pseudowireType !== PseudowireType.EthernetVlan) {
    const name = pseudowireTypeNames[config.pseudowireType];
    add("vlan-id", `a pseudowire of type ${name} has no VLAN of its own; use ethernet-vlan`);
  }
  if (version === 2) {
    if (config.pseudowireType !== PseudowireType.Ppp) {
      const name = pseudowireTypeNames[config.pseudowireType];
      add("pw-type", `L2TPv2 carries only ppp, not ${name}; use proto-version 3 for it`);
    }
    if (config.l2spec !== "none") {
      add("l2spec-type", "L2TPv2 has no L2-Specific Sublayer; leave it out");
    }
    if (config.peerL2spec === "default") {
      add("peer-l2spec-type", "L2TPv2 has no L2-Specific Sublayer; leave it out");
    }
    return problems;
  }
  const { l2spec, peerL2spec } = config;
  const message = (attribute: AttributeName) =>
    `sequence numbers need ${attribute} default (RFC 3931 §4.6)`;
  if (config.sendSeq && l2spec === "none") add("send-seq", message("l2spec-type"));
  if ((peerL2spec ?? l2spec) === "none") {
    const received = message(peerL2spec ? "peer-l2spec-type" : "l2spec-type");
    if (config.recvSeq) add("recv-seq", received);
    if (config.reorderTimeoutMs > 0) add("reorder-timeout", received);
  }
  return problems;
}

/** What is wrong between a keepalive and what the session carries, and between it and a device of the circuit. */
function checkKeepalive({ circuit, keepalive, pseudowireType, vlanId }: SessionConfig): string[] {
  if (!keepalive) return [];
  const { mac, source, target, vlan } = keepalive;
  if (pseudowireType === PseudowireType.Ppp) {
    return ["needs Ethernet frames; in a pseudowire of ppp, LCP asks whether the peer is there"];
  }
  if (pseudowireType === PseudowireType.EthernetVlan && (vlan ?? vlanId) === undefined) {
    return ["all frames of an ethernet-vlan pseudowire have a tag; expected vlan here, or vlan-id"];
  }
  const { addresses, mac: deviceMac } = circuit?.options ?? {};
  const own = (Array.isArray(addresses) ? addresses : [])
    .map((text) => canonicalIp(String(text).split("/")[0]!));
  if (own.includes(target)) {
    return [`target ${target} is the circuit's own address; expected one at the far end`];
  }
  const nobodys = "expected one that nobody else has";
  if (source !== undefined && own.includes(source)) {
    return [`source ${source} is the circuit's address, too; ${nobodys}, or, over IPv4, none`];
  }
  if (mac !== undefined && mac === String(deviceMac).toLowerCase()) {
    return [`mac ${mac} is the circuit's, too; ${nobodys}`];
  }
  return [];
}

function checkTunnelIds(config: Omit<TunnelConfig, "sessions">): Problem[] {
  const problems: Problem[] = [];
  checkId(config.tunnelId, config.version, "tunnel-id", problems);
  checkId(config.peerTunnelId, config.version, "peer-tunnel-id", problems);
  if (config.version === 2 && config.encap === "ip") {
    problems.push({
      attribute: "encap-type",
      message: "L2TPv2 travels over udp only (RFC 2661 §8.1); use proto-version 3 for ip",
    });
  }
  return problems;
}

function checkEndpoints({ encap, local, remote }: Omit<TunnelConfig, "sessions">): Problem[] {
  const problems: Problem[] = [];
  const version = ipVersion(remote.address);
  const source = ipVersion(local.address) === 4 ? "ip-saddr" : "ip6-saddr";
  const destination = version === 4 ? "ip-daddr" : "ip6-daddr";
  const add = (attribute: AttributeName, message: string) => problems.push({ attribute, message });
  if (ipVersion(local.address) !== version) {
    add(source, `the remote address is IPv${version}; expected an IPv${version} address here`);
  }
  for (const message of remoteAddressProblems(remote.address)) add(destination, message);
  for (const message of localAddressProblems(local.address)) add(source, message);
  for (const [attribute, { port }] of [["udp-sport", local], ["udp-dport", remote]] as const) {
    for (const message of portProblems(port, encap)) add(attribute, message);
  }
  return problems;
}

/** What is wrong with the address of a peer. */
export function remoteAddressProblems(address: string): string[] {
  if (isWildcard(address)) return ["expected the address of one peer"];
  if (isMulticast(address)) return ["multicast; expected the address of one peer"];
  const bytes = parseIp(address);
  // fe80::/10 means nothing without a zone.
  if (bytes && isLinkLocal(bytes) && zoneOf(address) === undefined) {
    return [`link-local; expected its zone too, such as ${address}%eth0`];
  }
  return zoneProblems(address);
}

/** What is wrong with the zone of an address: a device has one name, and a number that changes. */
export function zoneProblems(address: string): string[] {
  const zone = zoneOf(address);
  if (zone === undefined || !/^\d+$/.test(zone)) return [];
  const [base] = address.split("%");
  return [`a device's number as zone; expected its name, such as ${base}%eth0`];
}

/** What is wrong with an address to send from. */
export function localAddressProblems(address: string): string[] {
  if (isMulticast(address)) return ["multicast; expected an address of this machine"];
  return zoneProblems(address);
}

/** What is wrong with the port of an endpoint, where each port must be known. */
export function portProblems(port: number, encap: EncapType): string[] {
  if (encap === "udp") return port === 0 ? ["expected a UDP port from 1 to 65535"] : [];
  return port === 0 ? [] : ["IP protocol 115 has no ports; leave it out, or use udp"];
}

function checkChecksums({ encap, remote, checksum }: Omit<TunnelConfig, "sessions">): Problem[] {
  const version = ipVersion(remote.address);
  const problems: Problem[] = [];
  const given = [
    ["udp-csum", checksum.udp],
    ["udp-zero-csum6-tx", checksum.zero6Tx],
    ["udp-zero-csum6-rx", checksum.zero6Rx],
  ] as const;
  for (const [attribute, on] of given) {
    if (on && encap === "ip") {
      problems.push({ attribute, message: "IP protocol 115 has no UDP checksum; leave it out" });
    } else if (on && version === 4 && attribute !== "udp-csum") {
      problems.push({ attribute, message: "for IPv6 only; over IPv4, say udp-csum: false" });
    }
  }
  if (encap === "udp" && version === 6 && !checksum.udp) {
    problems.push({
      attribute: "udp-csum",
      message: "for IPv4 only; over IPv6, say udp-zero-csum6-tx: true (RFC 6936)",
    });
  }
  return problems;
}

function checkId(
  id: number,
  version: ProtoVersion,
  attribute: AttributeName,
  problems: Problem[],
): void {
  if (id >= 1 && id <= maxId(version)) return;
  problems.push({
    attribute,
    message: `${id} is no L2TPv${version} id; expected 1 to ${maxId(version)}`,
  });
}

function checkCookie(
  cookie: string,
  version: ProtoVersion,
  attribute: AttributeName,
  problems: Problem[],
): void {
  if (version === 2 && cookie !== "") {
    problems.push({ attribute, message: "L2TPv2 has no cookies; leave it out" });
  }
}

/** 224.0.0.0/4 and the limited broadcast address, ff00::/8. */
function isMulticast(address: string): boolean {
  const bytes = parseIp(address);
  if (!bytes) return false;
  if (bytes.length === 16) return bytes[0] === 0xff;
  return (bytes[0]! & 0xf0) === 0xe0 || bytes.every((byte) => byte === 0xff);
}
