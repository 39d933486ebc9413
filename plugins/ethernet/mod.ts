/** Ethernet pseudowires (type 5) on a TAP device: the `tap` circuit. @module */

import { PseudowireType } from "../../core/pseudowire.ts";
import { ETHERNET_HEADER } from "../mac.ts";
import { oneSession } from "../one_session.ts";
import {
  type Attachment,
  type Circuit,
  CircuitError,
  type Host,
  type Plugin,
  type Session,
  type TapPort,
} from "../plugin.ts";
import { type EthernetOptions, ethernetOptions, MAX_MTU, MIN_MTU } from "./options.ts";

/** The plugin. */
export const ethernet: Plugin<EthernetOptions> = {
  name: "tap",
  summary: "an Ethernet pseudowire on a TAP device",
  pseudowireTypes: [PseudowireType.Ethernet],
  options: ethernetOptions,
  claims: ({ name, netns }) => [netns === undefined ? `TAP ${name}` : `TAP ${name}@${netns}`],
  provision,
};

async function provision(host: Host, first: EthernetOptions): Promise<Circuit<EthernetOptions>> {
  let options = first;
  const tap = await host.datapath.openTap(options);
  tap.setCarrier(false);
  tap.onGone = () => host.fail(new CircuitError("unavailable", `TAP ${tap.name} vanished`));
  const place = oneSession(`TAP ${tap.name}`);
  let attached: { frameMtu: number; attachment: Attachment } | undefined;

  /** The MTU that `wanted` and the path ask for; undefined: leave it. */
  const mtuFor = (wanted: EthernetOptions, frameMtu = attached?.frameMtu) =>
    wanted.mtu ?? (frameMtu === undefined ? undefined : mtuOf(frameMtu));

  async function attach(session: Session): Promise<Attachment> {
    const taken = place.take();
    try {
      const mtu = mtuFor(options, session.frameMtu);
      if (mtu !== undefined && mtu !== tap.mtu()) tap.change({ mtu });
      const join = await host.datapath.crossConnect(session.port, tap.port);
      tap.setCarrier(session.up);
      let disposed: Promise<void> | undefined;
      const attachment: Attachment = {
        ifname: tap.name,
        get mtu() {
          return tap.mtu();
        },
        onStatus: (up) => tap.setCarrier(up),
        onFrameMtu(frameMtu) {
          const next = mtuFor(options, frameMtu)!;
          if (next !== tap.mtu()) tap.change({ mtu: next });
          attached = { frameMtu, attachment };
        },
        describe: () => options.netns === undefined ? tap.name : `${tap.name}@${options.netns}`,
        details: () => ({ mac: tap.mac, adopted: tap.adopted, netns: options.netns ?? null }),
        [Symbol.asyncDispose]: () => disposed ??= detach(),
      };
      const detach = async () => {
        tap.setCarrier(false);
        await join[Symbol.asyncDispose]();
        attached = undefined;
        taken[Symbol.dispose]();
      };
      attached = { frameMtu: session.frameMtu, attachment };
      return attachment;
    } catch (error) {
      taken[Symbol.dispose]();
      throw error;
    }
  }

  return {
    admit: () => place.admit(),
    attach,
    reconfigure(next) {
      if (next.name !== options.name || next.netns !== options.netns) return false;
      if (tricks(next) !== tricks(options)) return false;
      change(tap, changes(next, mtuFor(next)), changes(options, mtuFor(options)));
      options = next;
      return true;
    },
    async [Symbol.asyncDispose]() {
      tap.onGone = undefined;
      await attached?.attachment[Symbol.asyncDispose]();
      await tap[Symbol.asyncDispose]();
    },
  };
}

/** The device's MTU for frames of at most `frameMtu` bytes. @throws {CircuitError} where no device can have it */
function mtuOf(frameMtu: number): number {
  const mtu = Math.min(frameMtu - ETHERNET_HEADER, MAX_MTU);
  if (mtu >= MIN_MTU) return mtu;
  throw new CircuitError(
    "invalid",
    `the path leaves ${mtu} bytes for a frame's payload; a device needs ${MIN_MTU}`,
    { option: "mtu" },
  );
}

/** The offloads as they will be, to be compared: they are settled when a device is opened. */
function tricks(
  { offload: { vnet = true, gso = true, gro = true } = {} }: EthernetOptions,
): string {
  return `${vnet} ${vnet && gso} ${vnet && gro}`;
}

type TapChange = Parameters<TapPort["change"]>[0];

/** What the device shall be; addresses that are no longer listed go, a MAC address or MTU no longer given stays. */
function changes({ mac, addresses = [] }: EthernetOptions, mtu: number | undefined): TapChange {
  return {
    addresses,
    ...(mac === undefined ? {} : { mac }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

/** Applies `next`; where that fails, the device is put back to `previous`. */
function change(tap: TapPort, next: TapChange, previous: TapChange): void {
  try {
    tap.change(next);
  } catch (error) {
    tap.change(previous);
    throw error;
  }
}
