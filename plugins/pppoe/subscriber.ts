/** A subscriber behind an interface, as others are told of it. @module */

import { lineAttributes, lineAvps, lineSpeeds, lineText, textOf } from "../line.ts";
import type { CallAvps } from "../session.ts";
import type { CallFacts } from "../ppp/aaa/call.ts";
import type { Client } from "./discovery/concentrator.ts";
import { fillTemplate, realmOf, type TemplateValues } from "./template.ts";

/** NAS-Port-Type (RFC 4603, IANA): PPPoE over Ethernet, over a VLAN, over two. */
const PORT_TYPES = [32, 33, 34] as const;
/** Framing Type: synchronous (RFC 2661 §4.4.4). */
const SYNCHRONOUS = 1;

/** What is known of a client before it says who it is. */
export function templateValues(
  { line, mac, serviceName, sessionId, vlans }: Client,
  device: string,
  user?: string,
): TemplateValues {
  const [outer, inner] = vlans.map(({ vid }) => String(vid));
  const circuitId = lineText(line, "circuitId");
  const remoteId = lineText(line, "remoteId");
  const realm = user === undefined ? undefined : realmOf(user);
  return {
    mac,
    interface: device,
    vlan: vlans.map(({ vid }) => vid).join("."),
    "service-name": textOf(serviceName),
    "session-id": String(sessionId),
    ...(outer !== undefined && { "outer-vlan": outer }),
    ...(inner !== undefined && { "inner-vlan": inner }),
    ...(circuitId !== undefined && { "circuit-id": circuitId }),
    ...(remoteId !== undefined && { "remote-id": remoteId }),
    ...(user !== undefined && { user }),
    ...(realm !== undefined && { realm }),
  };
}

/** How an LNS, or a termination here, is told of a client. */
export function saidOf(
  client: Client,
  values: TemplateValues,
  how: { readonly calling: string; readonly called: string; readonly line: boolean },
): CallAvps {
  const calling = fillTemplate(how.calling, values);
  const called = fillTemplate(how.called, values);
  const others = how.line ? lineAvps(client.line) : [];
  const { down, up } = lineSpeeds(client.line);
  return {
    framingType: SYNCHRONOUS,
    ...(calling !== "" && { callingNumber: calling }),
    ...(called !== "" && { calledNumber: called }),
    ...(down !== undefined && { txConnectSpeed: down }),
    ...(up !== undefined && { rxConnectSpeed: up }),
    ...(others.length > 0 && { others }),
  };
}

/** How an authenticator is told of it. */
export function factsOf(
  client: Client,
  of: { readonly id: string; readonly name: string; readonly device: string },
  said: CallAvps,
): CallFacts {
  const vids = client.vlans.map(({ vid }) => vid);
  const { callingNumber, calledNumber, rxConnectSpeed, txConnectSpeed } = said;
  return {
    id: of.id,
    name: of.name,
    portType: PORT_TYPES[vids.length] ?? PORT_TYPES[0],
    port: client.sessionId,
    portId: [of.device, ...vids].join("."),
    mac: client.mac,
    vlans: vids,
    serviceName: textOf(client.serviceName),
    ...(callingNumber !== undefined && { callingNumber }),
    ...(calledNumber !== undefined && { calledNumber }),
    ...(txConnectSpeed !== undefined && { txSpeed: txConnectSpeed }),
    ...(rxConnectSpeed !== undefined && { rxSpeed: rxConnectSpeed }),
    ...(client.line.length > 0 && { line: lineAttributes(client.line) }),
  };
}
