/**
 * An Ethernet host inside isthmus: the `probe` circuit. It answers ARP and ping through its pseudowire and pings the
 * other end if asked, so that a pseudowire can be tried without any device or privilege.
 *
 * @module
 */

import { PseudowireType } from "../../core/pseudowire.ts";
import { ETHERNET_HEADER, formatMac, locallyAdministered, type Mac, parseMac } from "../mac.ts";
import type { Circuit, Plugin, Scope, Session } from "../plugin.ts";
import { type Identity, makeProbeHost } from "./host.ts";
import {
  DEFAULT_INTERVAL_MS,
  parseCidr4,
  parseIp4,
  type ProbeOptions,
  probeOptions,
} from "./options.ts";

/** The plugin. */
export const probe: Plugin<ProbeOptions> = {
  name: "probe",
  summary: "an Ethernet host that answers ARP and ping, and pings",
  pseudowireTypes: [PseudowireType.Ethernet],
  options: probeOptions,
  columns: [
    { name: "address", help: "the host's own address" },
    { name: "ping", help: "whom it pings" },
    { name: "received", help: "answers that it got" },
    { name: "lost", help: "answers that never came" },
    { name: "average-rtt-ms", help: "smoothed round trip, in milliseconds" },
  ],
  start(scope) {
    const counters = countersOf(scope);
    return { provision: (circuitScope, options) => circuit(circuitScope, counters, options) };
  },
};

function countersOf(scope: Scope) {
  return {
    malformed: scope.counter("malformed_frames", "Frames that a probe could not read"),
    unsent: scope.counter("unsent_frames", "Frames of a probe that found the queue full"),
  };
}

function circuit(
  scope: Scope,
  counters: ReturnType<typeof countersOf>,
  first: ProbeOptions,
): Circuit<ProbeOptions> {
  let options = first;
  const ownMac = locallyAdministered(scope.random(6));
  const identifier = new DataView(scope.random(2).slice().buffer).getUint16(0);
  const self = makeProbeHost(identityOf(options, ownMac), identifier);
  /** While a session is joined. */
  let pings: Pings | undefined;

  /** Answers the frames of a session, and pings while it is up. */
  const pinging = ({ port, up }: Session, life: Scope): Pings => {
    let running = false;
    let timer: { cancel(): void } | undefined;
    const send = (frames: readonly Uint8Array[]) =>
      counters.unsent.add(frames.length - port.send(frames));
    const stop = () => {
      running = false;
      timer?.cancel();
    };
    const start = () => {
      stop();
      running = true;
      if (options.ping === undefined) return;
      const now = life.now();
      const frame = self.ping(now);
      if (frame) send([frame]);
      timer = life.timer(now + (options["interval-ms"] ?? DEFAULT_INTERVAL_MS), start);
    };
    life.receive(port, (batch) => {
      const [now, before] = [life.now(), self.figures().malformed];
      const answers = batch.map(({ bytes }) => self.receive(bytes, now));
      send(answers.filter((answer) => answer !== undefined));
      counters.malformed.add(self.figures().malformed - before);
    });
    if (up) start();
    return { start, stop, again: () => running && start() };
  };

  return {
    sessions: 1,
    attach(session, life) {
      pings = pinging(session, life);
      life.defer(() => void (pings = undefined));
      return {
        get mtu() {
          return session.port.frameMtu - ETHERNET_HEADER;
        },
        changed: () => session.up ? pings?.start() : pings?.stop(),
        show: () => ({
          mac: formatMac(identityOf(options, ownMac).mac),
          address: options.address,
          ping: options.ping ?? null,
          ...detailsOf(self.figures()),
        }),
      };
    },
    reconfigure(next) {
      options = next;
      self.become(identityOf(next, ownMac));
      pings?.again();
      return true;
    },
  };
}

/** The pings of a joined session. */
interface Pings {
  /** Pings now, and again every interval. */
  start(): void;
  stop(): void;
  /** As {@linkcode Pings.start}, where it pings at all. */
  again(): void;
}

function identityOf(options: ProbeOptions, ownMac: Mac): Identity {
  return {
    mac: options.mac === undefined ? ownMac : parseMac(options.mac),
    address: parseCidr4(options.address)!.address,
    ...(options.ping !== undefined && { ping: parseIp4(options.ping)! }),
  };
}

type Figures = ReturnType<ReturnType<typeof makeProbeHost>["figures"]>;

function detailsOf(figures: Figures): Record<string, number | null> {
  const { lastRttMs, averageRttMs, ...counts } = figures;
  const round = (ms?: number) => ms === undefined ? null : Math.round(ms * 1000) / 1000;
  return { ...counts, "last-rtt-ms": round(lastRttMs), "average-rtt-ms": round(averageRttMs) };
}
