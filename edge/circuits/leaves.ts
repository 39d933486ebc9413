/** The world of plugins' host as it is: the datapath, the operating system, the clock. @module */

import { setImmediate } from "node:timers";
import { asError, Failure } from "../../plugins/failure.ts";
import { isUnicastMac, parseMac } from "../../plugins/mac.ts";
import type {
  Clock,
  DeviceLeaf,
  ForwarderLeaf,
  Leaves,
  Meters,
  PacketLeaf,
  PortId,
  StreamLeaf,
  TakeDatagram,
  UdpLeaf,
} from "../../plugins/host/leaves.ts";
import type { FrameType } from "../../core/pseudowire.ts";
import type { PacketOptions, PppoeOptions, Row, UdpOptions } from "../../plugins/plugin.ts";
import type { PppoeSpec } from "../../wasm/mod.ts";
import { circuitFailure } from "../appliance/errors.ts";
import { type Datapath, DatapathError } from "../datapath/datapath.ts";
import { IoError } from "../io/errno.ts";
import { openUnixStream } from "../io/unix_stream.ts";
import type { System, TapDevice } from "../io/system.ts";
import type { Logger } from "../log/log.ts";
import { readText } from "./files.ts";
import { openStore } from "./store.ts";

/** What the leaves are made from. */
export interface LeafDependencies extends Pick<Leaves, "place" | "attachTo"> {
  readonly clock: Clock;
  readonly datapath: Datapath;
  readonly log: Logger;
  readonly meters: Meters;
  readonly system: System;
  random(length: number): Uint8Array;
  /** Unix milliseconds. */
  wallClock(): number;
  /** Where plugins' databases are. */
  readonly stateFolder: string;
  /** Where files are that the configuration names by relative paths. */
  readonly folder: string;
  hook(event: string, environment: () => Readonly<Record<string, string>>): void;
  event(type: string, fields: Row): void;
}

export function makeLeaves(dependencies: LeafDependencies): Leaves {
  const { clock, datapath, event, hook, log, meters, random, system, wallClock } = dependencies;
  return {
    clock,
    rest: () => new Promise((resolve) => void setImmediate(resolve)),
    date: wallClock,
    random,
    datapath: {
      inject: datapath.inject,
      addPppoe: (port, own, session) =>
        guarded(() => datapath.addPppoe(port, pppoeSpec(own, session))),
      removePort: (port) => removed(() => datapath.removePort(port)),
      crossConnect: (a, b) => guarded(() => datapath.crossConnect(a, b)),
      disconnect: (port) => removed(() => datapath.disconnect(port)),
      addReceiver: (port, frames, receive) =>
        guarded(() => datapath.addReceiver(port, frames, receive)),
      hold: (port, frames) => guarded(() => datapath.hold(port, frames)),
      holdFirst: (port, frames) => removed(() => datapath.holdFirst(port, frames)),
      release: (port) => removed(() => datapath.release(port)),
      limit: (port, limit) => guarded(() => datapath.limit(port, limit)),
      translate: (port, rule) => guarded(() => datapath.translate(port, rule)),
      addPatch: () => guarded(() => datapath.addPatch()),
      forwarders: guardedForwarders(datapath.forwarders),
      statistics: (port) => guarded(() => datapath.sessionStatistics(port)),
    },
    openTap: (options, gone) =>
      openDevice(dependencies, "ethernet", () => system.openTap(options), gone),
    openTun: (options, gone) => openDevice(dependencies, "ip", () => system.openTun(options), gone),
    openPacket: (options, gone) => openPacket(dependencies, options, gone),
    openUnix: (path, received) => openUnix(path, received),
    readText: (path) => readText(dependencies.folder, path),
    openUdp: (options, received) => openUdp(system, options, received),
    // deno-lint-ignore require-await
    addRoute: async (route) => refusing(undefined, () => system.addRoute(route)),
    // deno-lint-ignore require-await
    addToSet: async (set, address, netns) =>
      refusing(undefined, () => system.addToSet(set, address, netns)),
    place: dependencies.place,
    attachTo: dependencies.attachTo,
    openStore: (plugin) => openStore(dependencies.stateFolder, plugin),
    hook,
    event,
    meters,
    log,
  };
}

/** A stream that cannot be had now may be there later. */
async function openUnix(
  path: string,
  received: (bytes: Uint8Array | null) => void,
): Promise<StreamLeaf> {
  try {
    return await openUnixStream(path, received);
  } catch (error) {
    const denied = error instanceof Deno.errors.NotCapable ||
      error instanceof Deno.errors.PermissionDenied;
    const message = `cannot connect to ${path}: ${asError(error).message}`;
    throw new Failure(denied ? "not-permitted" : "unavailable", message, { cause: error });
  }
}

// deno-lint-ignore require-await
async function openUdp(
  system: System,
  options: UdpOptions,
  received: TakeDatagram,
): Promise<UdpLeaf> {
  const socket = refusing("local", () => system.openDatagrams(options, received));
  return {
    ...socket,
    // What is no address is the caller's defect, not its fault.
    send: (datagram, to) => refusing(undefined, () => socket.send(datagram, to)),
  };
}

/** A device in the datapath. */
async function openDevice(
  { datapath, system }: LeafDependencies,
  frames: FrameType,
  open: () => TapDevice,
  gone: () => void,
): Promise<DeviceLeaf> {
  const device = refusing("name", open);
  /** Whether the device is still there. */
  let present = true;
  let port: PortId;
  try {
    const vanished = () => {
      present = false;
      gone();
    };
    device.onLost = vanished;
    const spec = { frames, ...(device.vnet && { vnet: device.vnet }) };
    port = await datapath.addDevice(device.fd, spec, vanished);
  } catch (error) {
    device.release(device.adopted);
    system.close(device.fd);
    throw circuitFailure(error);
  }
  let [mac, mtu] = [device.mac(), device.mtu()];
  return {
    port,
    name: device.name,
    adopted: device.adopted,
    mac: () => mac,
    mtu: () => mtu,
    change(options) {
      refusing(undefined, () => device.change(options));
      [mac, mtu] = [device.mac(), device.mtu()];
    },
    // A device that vanished a moment ago has no carrier to lose.
    setCarrier: (up) => tolerateGone(() => device.setCarrier(up)),
    follow: (told) => refusing(undefined, () => device.follow(told)),
    async close() {
      const there = present;
      present = false;
      try {
        restore(device, there && device.adopted);
      } finally {
        await removed(() => datapath.removePort(port));
      }
    },
  };
}

/** An interface in the datapath. */
async function openPacket(
  { datapath, system }: LeafDependencies,
  options: PacketOptions,
  gone: () => void,
): Promise<PacketLeaf> {
  const { name, vlan, tpid = 0x8100 } = options;
  if (vlan !== undefined && (options.vlans || options.protocols)) {
    const message = "an interface's port has one `vlan`, or is told `vlans` and `protocols`";
    throw new Failure("invalid", message, { option: "vlan" });
  }
  const device = refusing("name", () => system.openPacket(options));
  let port: PortId;
  try {
    const down = () => {
      if (!device.exists()) gone();
    };
    device.onLost = gone;
    const spec = {
      frames: "ethernet" as const,
      packets: true,
      ...(device.vnet && { vnet: device.vnet }),
      ...(vlan !== undefined && { tag: tpid * 0x10000 + vlan }),
    };
    port = await datapath.addDevice(device.fd, spec, gone, down);
  } catch (error) {
    device.release();
    system.close(device.fd);
    throw circuitFailure(error);
  }
  return {
    port,
    name,
    mac: device.mac,
    mtu: device.mtu,
    follow: (told) => refusing(undefined, () => device.follow(told)),
    async close() {
      device.release();
      await removed(() => datapath.removePort(port));
    },
  };
}

/** A PPPoE session as the datapath takes it. @throws {Failure} */
function pppoeSpec(
  own: string,
  { mac, sessionId, vlans }: Omit<PppoeOptions, "on">,
): PppoeSpec {
  if (!isUnicastMac(mac)) throw new Failure("invalid", `${mac} is no station's MAC address`);
  return {
    peer: parseMac(mac),
    own: parseMac(own),
    tags: vlans.map(({ tpid = 0x8100, vid }) => tpid * 0x10000 + vid),
    sessionId,
  };
}

/** What an adopted device gets back, it gets even where a part of that fails. */
function restore(device: TapDevice, adopted: boolean): void {
  try {
    if (adopted) tolerateGone(() => device.setCarrier(true));
  } finally {
    tolerateGone(() => device.release(adopted));
  }
}

/** Waits for a removal; what is gone already is no error. */
async function removed(remove: () => Promise<void>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    const gone = error instanceof DatapathError &&
      (error.code === "no-such-port" || error.code === "no-such-switch" ||
        error.code === "stopped");
    if (!gone) throw error;
  }
}

/** Runs `work` on a device that may have vanished, which is then no error. */
function tolerateGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof IoError && goneCodes.has(error.code))) throw circuitFailure(error);
  }
}

const goneCodes: ReadonlySet<string> = new Set(["EBADFD", "ENODEV", "ENXIO", "EIO"]);

function refusing<T>(option: string | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw circuitFailure(error, option);
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw circuitFailure(error);
  }
}

function guardedForwarders(forwarders: ForwarderLeaf): ForwarderLeaf {
  return {
    add: (...args) => guarded(() => forwarders.add(...args)),
    change: (...args) => guarded(() => forwarders.change(...args)),
    remove: (id) => removed(() => forwarders.remove(id)),
    join: (...args) => guarded(() => forwarders.join(...args)),
    changeMember: (...args) => guarded(() => forwarders.changeMember(...args)),
    ask: (...args) => guarded(() => forwarders.ask(...args)),
  };
}
