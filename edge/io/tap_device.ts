/**
 * TAP devices as the appliance has them: opened, made what options say, and watched. One rtnetlink socket serves all of a
 * namespace.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { PacketOptions, TapOptions } from "../../plugins/plugin.ts";
import type { VnetSpec } from "../../wasm/mod.ts";
import { Errno, IoError } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { canonicalPrefix, openRtnetlink, type Rtnetlink } from "./rtnetlink.ts";
import { followLink, type LinkWatch, makeLinkWatch } from "./link_watch.ts";
import { openPacketSocket, packetDrops } from "./packet.ts";
import { openReadiness, type Readiness } from "./readiness.ts";
import { openTap, resetOffloads, setTapCarrier, type Tap } from "./tap.ts";

/** What may change in a TAP. */
export type TapChange = Omit<TapOptions, "name" | "netns" | "vrf" | "offload">;

/** A TAP device and its descriptor. */
export interface TapDevice {
  readonly fd: number;
  readonly name: string;
  readonly adopted: boolean;
  /** What may be written behind a `virtio_net_hdr`; absent: frames come and go without one. */
  readonly vnet?: VnetSpec;
  /** Called once if the device's namespace loses its name: it lives on until its descriptor is closed, but nobody finds it. */
  onLost: (() => void) | undefined;
  mac(): string;
  mtu(): number;
  change(options: TapChange): void;
  setCarrier(up: boolean): void;
  /** Tells whether an operator has it up, now and whenever that changes, until the result is called. @throws {IoError} */
  follow(told: (running: boolean) => void): () => Promise<void>;
  /** Lets go of all but the descriptor, which is someone else's to close; `restore` removes the addresses we added. */
  release(restore: boolean): void;
}

/** An interface that is there, and its packet socket. */
export interface PacketDevice {
  readonly fd: number;
  readonly vnet?: VnetSpec;
  /** As for a TAP. */
  onLost: (() => void) | undefined;
  /** Whether the interface is still there, up or not. */
  exists(): boolean;
  /** What the interface has, or had last. */
  mac(): string;
  mtu(): number;
  /** As for a TAP; it must have a carrier, too. @throws {IoError} */
  follow(told: (running: boolean) => void): () => Promise<void>;
  /** Lets go of all but the descriptor, which is someone else's to close. */
  release(): void;
}

/** All TAPs of the appliance. */
export interface Taps extends Disposable {
  /** Opens a TAP or TUN and makes it what the options say, up and running. @throws {IoError} */
  open(
    options: TapOptions & { readonly routes?: readonly string[] },
    kind?: "tap" | "tun",
  ): TapDevice;
  /** Opens an interface that is there. @throws {IoError} */
  openPacket(options: PacketOptions): PacketDevice;
  /** Frames that found a device's queue full since the start; of very many devices the figures of a part are fresh. */
  queueDrops(): number;
}

/** A namespace by its name, while it has that name, and the devices in it. */
interface Space {
  readonly netns: string | undefined;
  /** What its name stands for: another file, another namespace. */
  readonly identity: string | undefined;
  readonly netlink: Rtnetlink;
  readonly watch: LinkWatch;
  readonly devices: Set<Watched>;
}

interface Watched {
  readonly device: { onLost: (() => void) | undefined };
  /** Frames that it has dropped so far, as the kernel counts them. */
  count(): number;
  drops: number;
}

/**
 * Frames that may wait at a device for us. A burst of small datagrams that comes while others have the processor fits; of
 * TCP's super-frames of 64 KiB it is 16 MiB at the worst, where the kernel's own 500 are 32. Shorter super-frames for a
 * longer queue (`gso_max_size`) cost more than they bring: a fifth of TCP's rate at 32 KiB, a half at 16 KiB.
 */
const superFrameQueue = 256;
/** How often named namespaces are looked for while devices are in some: a `stat` each. */
const lookMs = 2000;
/** Devices that are asked for their drops at a time: some microseconds each. */
const askedAtOnce = 512;

/** No devices yet. */
export function openTaps(libc: Libc, readiness = openReadiness(libc)): Taps {
  return new DeviceTable(libc, readiness);
}

class DeviceTable implements Taps {
  readonly #libc: Libc;
  readonly #readiness: Readiness;
  readonly #spaces = new Set<Space>();
  #closedDrops = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #asked = 0;

  constructor(libc: Libc, readiness: Readiness) {
    this.#libc = libc;
    this.#readiness = readiness;
  }

  open(
    options: TapOptions & { readonly routes?: readonly string[] },
    kind: "tap" | "tun" = "tap",
  ): TapDevice {
    return this.#openIn(options.netns, (space) => {
      const tap = openTap(this.#libc, options.name, options.netns, options.offload, kind);
      try {
        const watched = configure(this.#libc, space, tap, options, kind, (restored) => {
          this.#forget(space, watched);
          try {
            restored();
          } finally {
            this.#leave(space);
          }
        });
        this.#keep(space, watched);
        return watched.device;
      } catch (error) {
        this.#libc.call.close(tap.fd);
        throw error;
      }
    });
  }

  openPacket(options: PacketOptions): PacketDevice {
    return this.#openIn(options.netns, (space) => {
      const watched = watchPacket(this.#libc, space, options, () => {
        this.#forget(space, watched);
        this.#leave(space);
      });
      this.#keep(space, watched);
      return watched.device;
    });
  }

  /** A field, as it is handed on without its object. */
  readonly queueDrops = (): number => {
    const all = [...this.#spaces].flatMap(({ devices }) => [...devices]);
    for (let i = 0; i < Math.min(askedAtOnce, all.length); i++) {
      dropsOf(all[this.#asked++ % all.length]!);
    }
    return all.reduce((sum, { drops }) => sum + drops, this.#closedDrops);
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { netlink } of this.#spaces) netlink[Symbol.dispose]();
    this.#spaces.clear();
  }

  /** Opens a device in a namespace, which is left where that fails. */
  #openIn<Device>(netns: string | undefined, open: (space: Space) => Device): Device {
    const space = this.#enter(netns);
    try {
      return open(space);
    } catch (error) {
      this.#leave(space);
      throw error;
    }
  }

  #enter(netns: string | undefined): Space {
    const identity = identityOf(netns);
    for (const space of this.#spaces) {
      if (space.netns === netns && space.identity === identity) return space;
    }
    const netlink = openRtnetlink(this.#libc, netns);
    const watch = makeLinkWatch(this.#libc, this.#readiness, netns);
    const space: Space = { netns, identity, netlink, watch, devices: new Set() };
    this.#spaces.add(space);
    return space;
  }

  /** Closes what no device is in any more: a socket in a namespace keeps it alive. */
  #leave(space: Space): void {
    if (space.devices.size > 0 || !this.#spaces.delete(space)) return;
    space.netlink[Symbol.dispose]();
    this.#watch();
  }

  #keep(space: Space, watched: Watched): void {
    space.devices.add(watched);
    this.#watch();
  }

  #forget(space: Space, watched: Watched): void {
    this.#closedDrops += dropsOf(watched);
    space.devices.delete(watched);
  }

  #watch(): void {
    const named = [...this.#spaces].some(({ netns }) => netns !== undefined);
    if (named) this.#timer ??= setInterval(() => this.#look(), lookMs);
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #look(): void {
    for (const { netns, identity, devices } of [...this.#spaces]) {
      if (netns === undefined || identityOf(netns) === identity) continue;
      for (const { device } of [...devices]) {
        const lost = device.onLost;
        device.onLost = undefined;
        lost?.();
      }
    }
  }
}

function dropsOf(watched: Watched): number {
  try {
    watched.drops = watched.count();
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
  }
  return watched.drops;
}

function watchPacket(
  libc: Libc,
  { netlink, watch }: Space,
  options: PacketOptions,
  release: () => void,
): Watched & { readonly device: PacketDevice } {
  const { offload, promiscuous = true, ...same } = options;
  const vnet = offload?.vnet !== false;
  const { fd, index, vnet: spec } = openPacketSocket(libc, { ...same, promiscuous, vnet });
  let known: ReturnType<Rtnetlink["link"]>;
  try {
    known = netlink.link(options.name);
  } catch (error) {
    libc.call.close(fd);
    throw error;
  }
  const link = () => {
    const found = netlink.link(options.name);
    return known = found?.index === index ? found : known;
  };
  const device: PacketDevice = {
    fd,
    ...(spec && { vnet: spec }),
    onLost: undefined,
    exists: () => netlink.link(options.name)?.index === index,
    mac: () => link()?.mac ?? "",
    mtu: () => link()?.mtu ?? 0,
    follow: (told) => followLink(watch, index, ({ carrier, up }) => up && carrier, link, told),
    release,
  };
  let drops = 0;
  return { device, count: () => drops += packetDrops(libc, fd), drops: 0 };
}

function configure(
  libc: Libc,
  { netlink, watch }: Space,
  { fd, name, adopted, vnet }: Tap,
  options: TapOptions & { readonly routes?: readonly string[] },
  kind: "tap" | "tun",
  released: (restore: () => void) => void,
): Watched & { readonly device: TapDevice } {
  const link = () => {
    const found = netlink.link(name);
    if (!found) throw new IoError("rtnetlink", Errno.ENODEV, `find the device ${name}`);
    return found;
  };
  const { index, master } = link();
  /** Addresses that we gave the device, canonical. */
  const ours = new Set<string>();

  const setAddresses = (wanted: readonly string[]) => {
    const canonical = new Set(wanted.map((address) => canonicalPrefix(address) ?? address));
    for (const address of ours) {
      if (canonical.has(address)) continue;
      ours.delete(address);
      tolerate("EADDRNOTAVAIL", () => netlink.removeAddress(index, address));
    }
    for (const address of canonical) {
      if (ours.has(address)) continue;
      if (tolerate("EEXIST", () => netlink.addAddress(index, address))) ours.add(address);
    }
  };
  const change = ({ mtu, mac, addresses }: TapChange) => {
    if (mtu !== undefined || mac !== undefined) {
      netlink.setLink(index, {
        ...(mtu !== undefined && { mtu }),
        ...(mac !== undefined && { mac }),
      });
    }
    if (addresses) setAddresses(addresses);
  };

  // First of all: a device that becomes a member of a VRF loses its IPv6 addresses.
  if (options.vrf !== undefined) {
    const vrf = netlink.link(options.vrf);
    if (!vrf) {
      throw new IoError("rtnetlink", Errno.ENODEV, `find the VRF ${options.vrf} for ${name}`);
    }
    if (vrf.index !== master) netlink.setLink(index, { master: vrf.index });
  }
  // Neighbours know a device by its MAC: one that we make gets the same each time.
  change({
    ...(!adopted && kind === "tap" && { mac: derivedMac(options.netns, name) }),
    ...options,
  });
  const queueLength = vnet && options.offload?.gso !== false && !adopted
    ? { queueLength: superFrameQueue }
    : {};
  netlink.setLink(index, { up: true, ...queueLength });
  const { vrfTable: table } = link();
  for (const prefix of options.routes ?? []) {
    tolerate(
      "EEXIST",
      () => netlink.addRoute(index, { prefix, ...(table !== undefined && { table }) }),
    );
  }
  const device: TapDevice = {
    fd,
    name,
    adopted,
    ...(vnet && { vnet }),
    onLost: undefined,
    mac: () => link().mac,
    mtu: () => link().mtu,
    change,
    setCarrier: (up) => setTapCarrier(libc, fd, up),
    // Its carrier is ours to say.
    follow: (told) => followLink(watch, index, ({ up }) => up, link, told),
    release(restore) {
      released(() => {
        if (!restore) return;
        resetOffloads(libc, fd);
        setAddresses([]);
        if (options.vrf !== undefined) netlink.setLink(index, { master });
      });
    },
  };
  return { device, count: () => link().txDropped, drops: 0 };
}

/** A locally administered MAC (IEEE 802 §8.4) that depends on this host, the namespace and the name, and on nothing else. */
export function derivedMac(netns: string | undefined, name: string): string {
  const seed = [machineId(), netns ?? "", name].join("\0");
  const bytes = createHash("sha256").update(seed).digest().subarray(0, 6);
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

let knownMachineId: string | undefined;

/** What tells this host from others: machine-id(5), or else its name. */
function machineId(): string {
  if (knownMachineId !== undefined) return knownMachineId;
  try {
    knownMachineId = Deno.readTextFileSync("/etc/machine-id").trim();
  } catch {
    knownMachineId = "";
  }
  return knownMachineId ||= Deno.hostname();
}

/** What a namespace's name stands for now; undefined where there is none of that name. */
function identityOf(netns: string | undefined): string | undefined {
  if (netns === undefined) return undefined;
  try {
    const { dev, ino } = Deno.statSync(`/run/netns/${netns}`);
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}

/** Runs `work`; false where it failed with the error `code`, which is no harm. */
function tolerate(code: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof IoError && error.code === code) return false;
    throw error;
  }
}
