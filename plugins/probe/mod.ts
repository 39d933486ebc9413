/**
 * An Ethernet host inside isthmus: the `probe` circuit. It answers ARP and ping through its pseudowire and pings the
 * other end if asked, so that a pseudowire can be tried without any device or privilege.
 *
 * @module
 */

import { PseudowireType } from "../../core/pseudowire.ts";
import { ETHERNET_HEADER, formatMac, locallyAdministered, type Mac, parseMac } from "../mac.ts";
import { oneSession } from "../one_session.ts";
import type { Attachment, Circuit, Host, Plugin, Session } from "../plugin.ts";
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
  provision,
};

async function provision(host: Host, first: ProbeOptions): Promise<Circuit<ProbeOptions>> {
  const { clock, datapath, meter } = host;
  let options = first;
  const ownMac = locallyAdministered(host.random(6));
  const identifier = new DataView(host.random(2).slice().buffer).getUint16(0);
  const self = makeProbeHost(identityOf(options, ownMac), identifier);
  const malformed = meter.counter("malformed_frames", "Frames that a probe could not read");
  const unsent = meter.counter("unsent_frames", "Frames of a probe that found the queue full");
  const place = oneSession("the probe");
  let attachment: Attachment | undefined;

  const send = (frames: readonly Uint8Array[]) => {
    if (frames.length > 0 && !port.send(frames)) unsent.add(frames.length);
  };

  const port = await datapath.openHostPort("ethernet", (frames) => {
    const [now, before] = [clock.now(), self.figures().malformed];
    send(frames.map((frame) => self.receive(frame, now)).filter((answer) => answer !== undefined));
    malformed.add(self.figures().malformed - before);
  });

  let running = false;
  let timer: Disposable | undefined;
  const stop = () => {
    running = false;
    timer?.[Symbol.dispose]();
  };
  /** Pings now, and again every interval. */
  const start = () => {
    stop();
    running = true;
    if (options.ping === undefined) return;
    const now = clock.now();
    const frame = self.ping(now);
    if (frame) send([frame]);
    timer = clock.timer(now + (options["interval-ms"] ?? DEFAULT_INTERVAL_MS), start);
  };

  async function attach(session: Session): Promise<Attachment> {
    const taken = place.take();
    try {
      const join = await datapath.crossConnect(session.port, port.port);
      let frameMtu = session.frameMtu;
      let disposed: Promise<void> | undefined;
      const detach = async () => {
        stop();
        await join[Symbol.asyncDispose]();
        attachment = undefined;
        taken[Symbol.dispose]();
      };
      if (session.up) start();
      return attachment = {
        get mtu() {
          return frameMtu - ETHERNET_HEADER;
        },
        onStatus: (up) => up ? start() : stop(),
        onFrameMtu: (next) => void (frameMtu = next),
        describe: () => summaryOf(options, self.figures()),
        details: () => ({
          mac: formatMac(identityOf(options, ownMac).mac),
          address: options.address,
          ping: options.ping ?? null,
          ...detailsOf(self.figures()),
        }),
        [Symbol.asyncDispose]: () => disposed ??= detach(),
      };
    } catch (error) {
      taken[Symbol.dispose]();
      throw error;
    }
  }

  return {
    admit: () => place.admit(),
    attach,
    reconfigure(next) {
      options = next;
      self.become(identityOf(next, ownMac));
      if (running) start();
      return true;
    },
    async [Symbol.asyncDispose]() {
      await attachment?.[Symbol.asyncDispose]();
      stop();
      await port[Symbol.asyncDispose]();
    },
  };
}

function identityOf(options: ProbeOptions, ownMac: Mac): Identity {
  return {
    mac: options.mac === undefined ? ownMac : parseMac(options.mac),
    address: parseCidr4(options.address)!.address,
    ...(options.ping !== undefined && { ping: parseIp4(options.ping)! }),
  };
}

type Figures = ReturnType<ReturnType<typeof makeProbeHost>["figures"]>;

function summaryOf(
  { address, ping }: ProbeOptions,
  { sent, received, lastRttMs }: Figures,
): string {
  if (ping === undefined) return address;
  const rtt = lastRttMs === undefined ? "" : `, ${lastRttMs.toFixed(2)} ms`;
  return `${address} pings ${ping}: ${received}/${sent}${rtt}`;
}

function detailsOf(figures: Figures): Record<string, number | null> {
  const { lastRttMs, averageRttMs, ...counts } = figures;
  const round = (ms?: number) => ms === undefined ? null : Math.round(ms * 1000) / 1000;
  return { ...counts, "last-rtt-ms": round(lastRttMs), "average-rtt-ms": round(averageRttMs) };
}
