/** Devices as ports: changed as a whole or not at all, and missed when they vanish. @module */

import { asError, Failure } from "../failure.ts";
import type { DeviceChange, DevicePort, TapOptions } from "../ports.ts";
import type { DeviceLeaf, Leaves } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** The bytes of an Ethernet header, which a device's MTU leaves out. */
const ETHERNET_HEADER = 14;

/** Opens a TAP in a life. @throws {Failure} */
export function openTap(
  life: Life,
  { openTap }: Leaves,
  ports: Ports,
  options: TapOptions,
): Promise<DevicePort> {
  const name = options.netns === undefined
    ? `TAP ${options.name}`
    : `TAP ${options.name}@${options.netns}`;
  return life.own(async () => {
    let gone = () => {};
    const leaf = await openTap(options, () => gone());
    const { port, end } = ports.make(
      name,
      leaf.port,
      "ethernet",
      () => leaf.mtu() + ETHERNET_HEADER,
    );
    let present = true;
    gone = () => {
      present = false;
      // First the reason that matters: who joined it breaks for that one too.
      life.fail(new Failure("unavailable", `${name} vanished`));
      end();
    };
    const undo = async () => {
      end();
      gone = () => {};
      await leaf.close();
    };
    return { value: devicePort(port, leaf, options, life, () => present), undo };
  });
}

function devicePort(
  port: DevicePort | Pick<DevicePort, "frames" | "frameMtu" | "send" | "statistics">,
  leaf: DeviceLeaf,
  first: TapOptions,
  life: Life,
  present: () => boolean,
): DevicePort {
  let addresses = first.addresses ?? [];
  const change = (options: DeviceChange) => {
    if (!present()) throw new Failure("unavailable", `TAP ${leaf.name} is gone`);
    const before = {
      ...(options.mtu !== undefined && { mtu: leaf.mtu() }),
      ...(options.mac !== undefined && { mac: leaf.mac() }),
      ...(options.addresses !== undefined && { addresses }),
    };
    try {
      leaf.change(options);
    } catch (error) {
      try {
        leaf.change(before);
      } catch (error) {
        life.log.error("cannot put a device back", { error: asError(error).message });
      }
      throw error;
    }
    addresses = options.addresses ?? addresses;
  };
  // The port itself is what the host knows: it is made a device's, not copied.
  return Object.defineProperties(port, {
    name: { value: leaf.name },
    adopted: { value: leaf.adopted },
    mac: { get: leaf.mac },
    mtu: { get: leaf.mtu },
    // deno-lint-ignore require-await
    change: { value: async (options: DeviceChange) => change(options) },
    carrier: {
      value: (up: boolean) => {
        if (present()) leaf.setCarrier(up);
      },
    },
  }) as DevicePort;
}
