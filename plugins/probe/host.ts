/**
 * An Ethernet host that answers ARP (RFC 826) and ICMP echo (RFC 792), and pings when asked. Sans-I/O: frames and
 * time go in, frames come out.
 *
 * @module
 */

import { equalBytes } from "../../core/wire/bytes.ts";
import { isUnicast, type Mac } from "../mac.ts";
import { makePinger, type PingFigures } from "./pinger.ts";
import { type Arp, BROADCAST, type Echo, emitArp, emitEcho, type Ip4, parseFrame } from "./wire.ts";

/** The most neighbours that are remembered; the oldest is forgotten for the next. */
const MAX_NEIGHBOURS = 64;
/** What a ping carries, in bytes, as ping(8) does by default. */
const PING_BYTES = 56;
const NO_MAC: Mac = new Uint8Array(6);

/** Who the host is, and whom it pings. */
export interface Identity {
  readonly mac: Mac;
  readonly address: Ip4;
  readonly ping?: Ip4;
}

/** What the host has seen and done. */
export interface ProbeFigures extends PingFigures {
  /** ARP and echo requests answered. */
  readonly answered: number;
  /** Frames with a wrong length, checksum or field. */
  readonly malformed: number;
  /** Frames for others, or of no interest. */
  readonly ignored: number;
}

/** The host. */
export interface ProbeHost {
  /** Takes a frame in; the answer, if there is one, is a new array. Never throws. */
  receive(frame: Uint8Array, now: number): Uint8Array | undefined;
  /** Time to ping: an echo request, or the ARP request that must come first; nothing without a target. */
  ping(now: number): Uint8Array | undefined;
  /** Becomes another; neighbours are forgotten, figures stay. */
  become(identity: Identity): void;
  figures(): ProbeFigures;
}

/** A host that nobody talked to yet; `identifier` marks its echo requests. */
export function makeProbeHost(first: Identity, identifier: number): ProbeHost {
  let me = first;
  const neighbours = new Map<Ip4, Mac>();
  const pinger = makePinger();
  let [answered, malformed, ignored] = [0, 0, 0];

  const learn = (address: Ip4, mac: Mac) => {
    neighbours.delete(address);
    if (neighbours.size >= MAX_NEIGHBOURS) neighbours.delete(neighbours.keys().next().value!);
    neighbours.set(address, mac.slice());
  };

  const arp = (operation: Arp["operation"], mac: Mac, address: Ip4) =>
    emitArp(operation === "request" ? BROADCAST : mac, me.mac, {
      operation,
      senderMac: me.mac,
      senderIp: me.address,
      targetMac: mac,
      targetIp: address,
    });

  const echo = (mac: Mac, message: Omit<Echo, "kind" | "sourceMac" | "source">) =>
    emitEcho(mac, { ...message, sourceMac: me.mac, source: me.address });

  const echoRequest = (mac: Mac, destination: Ip4, now: number) =>
    echo(mac, {
      operation: "request",
      destination,
      identifier,
      sequence: pinger.send(now),
      data: Uint8Array.from({ length: PING_BYTES }, (_, i) => i),
    });

  /** RFC 826, "Packet Reception": what is known is updated, what is meant for us is learnt and answered. */
  const receiveArp = ({ operation, senderIp, senderMac, targetIp }: Arp, now: number) => {
    const forMe = targetIp === me.address;
    if (!isUnicast(senderMac) || equalBytes(senderMac, me.mac) || senderIp === me.address) return;
    const known = neighbours.has(senderIp);
    if (known || (forMe && senderIp !== 0)) learn(senderIp, senderMac);
    if (forMe && operation === "request") return arp("reply", senderMac, senderIp);
    return !known && forMe && senderIp === me.ping
      ? echoRequest(senderMac, senderIp, now)
      : undefined;
  };

  const receiveEcho = (message: Echo, now: number) => {
    if (message.destination !== me.address) return;
    if (message.operation === "reply") {
      if (message.identifier === identifier && message.source === me.ping) {
        pinger.receive(message.sequence, now);
      }
      return;
    }
    if (!isUnicast(message.sourceMac)) return;
    return echo(message.sourceMac, {
      operation: "reply",
      destination: message.source,
      identifier: message.identifier,
      sequence: message.sequence,
      data: message.data,
    });
  };

  return {
    receive(frame, now) {
      const parsed = parseFrame(frame, me.mac);
      if (parsed.kind === "malformed") malformed++;
      if (parsed.kind === "other") ignored++;
      if (parsed.kind === "arp") {
        const answer = receiveArp(parsed, now);
        if (answer && parsed.operation === "request") answered++;
        return answer;
      }
      if (parsed.kind === "echo") {
        const answer = receiveEcho(parsed, now);
        if (answer) answered++;
        return answer;
      }
    },
    ping(now) {
      const target = me.ping;
      // A neighbour that stopped answering may have become another: ask for it again.
      if (pinger.expire(now) > 0 && target !== undefined) neighbours.delete(target);
      if (target === undefined) return;
      const mac = neighbours.get(target);
      return mac ? echoRequest(mac, target, now) : arp("request", NO_MAC, target);
    },
    become(identity) {
      me = identity;
      neighbours.clear();
    },
    figures: () => ({ ...pinger.figures(), answered, malformed, ignored }),
  };
}
