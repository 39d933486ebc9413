/** Devices as ports: changed as a whole or not at all, and missed when they vanish. @module */

import { asError, Failure } from "../failure.ts";
import type { FrameType } from "../../core/pseudowire.ts";
import type {
  DeviceChange,
  DevicePort,
  PacketOptions,
  PacketPort,
  Port,
  PppoeOptions,
  TapOptions,
  TunOptions,
} from "../ports.ts";
import { tagBytes } from "../mac.ts";
import type { DeviceLeaf, Leaves, PacketLeaf, PortId } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** The bytes of an Ethernet header, which a device's MTU leaves out. */
const ETHERNET_HEADER = 14;
const PPPOE_HEADER = 6;
const PROTOCOL = 2;
const ADDRESS_AND_CONTROL = 2;
/** RFC 2516 §7. */
const DEFAULT_MAX_PAYLOAD = 1492;

/** Opens a TAP in a life. @throws {Failure} */
export function openTap(
  life: Life,
  leaves: Leaves,
  ports: Ports,
  options: TapOptions,
): Promise<DevicePort> {
  return own(life, ports, nameOf("TAP", options), "ethernet", ETHERNET_HEADER, {
    open: (gone) => leaves.openTap(options, gone),
    make: (port, leaf: DeviceLeaf, present) => devicePort(port, leaf, options, life, present),
  });
}

/** Opens a TUN in a life. @throws {Failure} */
export function openTun(
  life: Life,
  leaves: Leaves,
  ports: Ports,
  options: TunOptions,
): Promise<DevicePort> {
  return own(life, ports, nameOf("TUN", options), "ip", 0, {
    open: (gone) => leaves.openTun(options, gone),
    make: (port, leaf: DeviceLeaf, present) => devicePort(port, leaf, options, life, present),
  });
}

/** Opens an interface in a life. @throws {Failure} */
export function openPacket(
  life: Life,
  leaves: Leaves,
  ports: Ports,
  options: PacketOptions,
): Promise<PacketPort> {
  return own(life, ports, nameOf("interface", options), "ethernet", ETHERNET_HEADER, {
    open: (gone) => leaves.openPacket(options, gone),
    make: (port, leaf: PacketLeaf) =>
      Object.defineProperties(port, {
        name: { value: leaf.name },
        mac: { get: leaf.mac },
        mtu: { get: leaf.mtu },
      }) as PacketPort,
  });
}

/** Opens a PPPoE session of an interface in a life. @throws {Failure} */
export function openPppoe(
  life: Life,
  leaves: Leaves,
  ports: Ports,
  { on, maxPayload = DEFAULT_MAX_PAYLOAD, ...session }: PppoeOptions,
): Promise<Port> {
  return life.own(async () => {
    if (on.frames !== "ethernet") {
      throw new Failure(
        "invalid",
        `PPPoE needs a port of Ethernet frames, not of ${on.frames} ones`,
      );
    }
    const below = ports.uses(life, on);
    let id: PortId;
    try {
      id = await leaves.datapath.addPppoe(below.id, on.mac, session);
    } catch (error) {
      below.done();
      throw error;
    }
    const { mac, sessionId, vlans } = session;
    const headers = PPPOE_HEADER + tagBytes(vlans);
    const owned = ports.make(
      `PPPoE session ${sessionId} of ${mac}`,
      id,
      "ppp",
      // What Ethernet carries is a protocol number and a payload; a frame's `FF 03` is taken off.
      () => ADDRESS_AND_CONTROL + Math.min(on.mtu - headers, PROTOCOL + maxPayload),
    );
    const undo = async () => {
      owned.end();
      below.done();
      await leaves.datapath.removePort(id);
    };
    return { value: owned.port, undo };
  });
}

/** What is known of open devices beside their ports. */
const leafOf = new WeakMap<Port, PacketLeaf>();

/** Follows a device for as long as a life lasts. @throws {Failure} */
export function followDevice(
  life: Life,
  device: Port,
  told: (running: boolean) => void,
): Promise<void> {
  // deno-lint-ignore require-await
  return life.own(async () => {
    const leaf = leafOf.get(device);
    if (!leaf) throw new Failure("invalid", "this is no device of the host");
    return { value: undefined, undo: leaf.follow((running) => life.ending || told(running)) };
  });
}

/** A device in the operator's words. */
function nameOf(
  kind: string,
  { name, netns }: { readonly name: string; readonly netns?: string },
): string {
  return netns === undefined ? `${kind} ${name}` : `${kind} ${name}@${netns}`;
}

/** A device that a life has until its end, and misses if it vanishes. */
function own<Leaf extends PacketLeaf, P extends Port>(
  life: Life,
  ports: Ports,
  name: string,
  frames: FrameType,
  header: number,
  { open, make }: {
    open(gone: () => void): Promise<Leaf>;
    make(port: Port, leaf: Leaf, present: () => boolean): P;
  },
): Promise<P> {
  return life.own(async () => {
    let gone = () => {};
    const leaf = await open(() => gone());
    const owned = ports.make(name, leaf.port, frames, () => leaf.mtu() + header);
    leafOf.set(owned.port, leaf);
    let present = true;
    gone = () => {
      present = false;
      // First the reason that matters: who joined it breaks for that one too.
      life.fail(new Failure("unavailable", `${name} vanished`));
      owned.end();
    };
    const undo = async () => {
      owned.end();
      gone = () => {};
      await leaf.close();
    };
    return { value: make(owned.port, leaf, () => present), undo };
  });
}

function devicePort(
  port: Port,
  leaf: DeviceLeaf,
  first: Pick<TapOptions, "addresses">,
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
