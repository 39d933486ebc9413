/** Ethernet pseudowires (type 5) on a TAP device: the `tap` circuit. @module */

import { PseudowireType } from "../../core/pseudowire.ts";
import { ETHERNET_HEADER } from "../mac.ts";
import type { Circuit, DeviceChange, Plugin, Scope, Session } from "../plugin.ts";
import { type EthernetOptions, ethernetOptions, MAX_MTU, MIN_MTU } from "./options.ts";

/** The plugin. */
export const ethernet: Plugin<EthernetOptions> = {
  name: "tap",
  summary: "an Ethernet pseudowire on a TAP device",
  pseudowireTypes: [PseudowireType.Ethernet],
  options: ethernetOptions,
  columns: [{ name: "mac", help: "the device's MAC address" }],
  claims: ({ name, netns }) => [netns === undefined ? `TAP ${name}` : `TAP ${name}@${netns}`],
  start: () => ({ provision }),
};

async function provision(scope: Scope, first: EthernetOptions): Promise<Circuit<EthernetOptions>> {
  let options = first;
  let session: Session | undefined;
  const tap = await scope.open("tap", options);
  tap.carrier(false);

  /** The MTU that `wanted` and the path ask for; undefined: leave it. */
  const mtuFor = (wanted: EthernetOptions) => {
    if (wanted.mtu !== undefined || !session) return wanted.mtu;
    const mtu = Math.min(session.port.frameMtu - ETHERNET_HEADER, MAX_MTU);
    if (mtu >= MIN_MTU) return mtu;
    const message = `the path leaves ${mtu} bytes for a frame's payload; a device needs ${MIN_MTU}`;
    throw scope.failure("invalid", message, "mtu");
  };
  const fit = async () => {
    const mtu = mtuFor(options);
    if (mtu !== undefined && mtu !== tap.mtu) await tap.change({ mtu });
  };

  return {
    sessions: 1,
    async attach(joining, life) {
      session = joining;
      // First had, last undone: the carrier falls when frames flow no more.
      life.defer(() => {
        session = undefined;
        tap.carrier(false);
      });
      await fit();
      await life.connect(joining.port, tap);
      tap.carrier(joining.up);
      await life.follow(tap, joining.carrier);
      return {
        ifname: tap.name,
        get mtu() {
          return tap.mtu;
        },
        async changed() {
          tap.carrier(joining.up);
          await fit();
        },
        show: () => ({ mac: tap.mac, adopted: tap.adopted, netns: options.netns ?? null }),
      };
    },
    async reconfigure(next) {
      const same = ["name", "netns", "vrf"] as const;
      if (same.some((key) => next[key] !== options[key])) return false;
      if (tricks(next) !== tricks(options)) return false;
      await tap.change(changes(next, mtuFor(next)));
      options = next;
      return true;
    },
  };
}

/** The offloads as they will be, to be compared: they are settled when a device is opened. */
function tricks(
  { offload: { vnet = true, gso = true, gro = true } = {} }: EthernetOptions,
): string {
  return `${vnet} ${vnet && gso} ${vnet && gro}`;
}

/** What the device shall be; addresses that are no longer listed go, a MAC address or MTU no longer given stays. */
function changes({ mac, addresses = [] }: EthernetOptions, mtu: number | undefined): DeviceChange {
  return {
    addresses,
    ...(mac === undefined ? {} : { mac }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}
