/** A datapath and an operating system in memory, for tests of the appliance: they keep the real ones' rules. @module */

import type { FrameType } from "../../core/pseudowire.ts";
import type { ForwarderId, ForwarderLeaf, PortId } from "../../plugins/host/leaves.ts";
import type { TapOptions } from "../../plugins/plugin.ts";
import type { SessionSpec } from "../../wasm/mod.ts";
import {
  type Datapath,
  type DatapathCounters,
  DatapathError,
  type DatapathStats,
  type DatapathTotals,
  type DatapathTunnel,
  type DeviceSpec,
  type InsideSpec,
  type SessionChange,
  type SocketId,
  type StatsOf,
  type TunnelHandle,
} from "../datapath/datapath.ts";
import { IoError } from "../io/errno.ts";
import type { SocketOptions } from "../io/sockets.ts";
import type { System, TapDevice } from "../io/system.ts";

/** A datapath that forwards nothing. */
export interface MemoryDatapath extends Datapath {
  readonly sockets: ReadonlyMap<SocketId, number>;
  readonly tunnels: ReadonlyMap<TunnelHandle, DatapathTunnel>;
  readonly sessions: ReadonlyMap<PortId, SessionSpec & { readonly tunnel: TunnelHandle }>;
  /** Ports other than sessions, and what they are joined with. */
  readonly ports: ReadonlyMap<PortId, FrameType>;
  readonly joins: ReadonlyMap<PortId, PortId>;
  /** Hosts inside sessions, by their ports, and what was sent by them. */
  readonly insides: ReadonlyMap<PortId, MemoryInside>;
  /** What was called, by name, in order. */
  readonly calls: string[];
  /** Makes the next call of a method fail. */
  refuse: { readonly method: keyof Datapath; readonly code: DatapathError["code"] } | undefined;
  /** Makes the device of a descriptor vanish. */
  vanish(fd: number): void;
}

/** A host inside a session. */
export interface MemoryInside {
  readonly session: PortId;
  readonly host: InsideSpec;
  readonly sent: Uint8Array[];
  receive(frames: readonly Uint8Array[]): void;
}

/** A device that is in memory only. */
export interface MemoryDevice {
  mtu: number;
  mac: string;
  addresses: string[];
  carrier: boolean;
  readonly followers: Set<(running: boolean) => void>;
}

function follow({ followers }: MemoryDevice, told: (running: boolean) => void) {
  followers.add(told);
  told(true);
  // deno-lint-ignore require-await
  return async () => void followers.delete(told);
}

/** An operating system without sockets and devices. */
export interface MemorySystem extends System {
  /** Open descriptors, and what they are. */
  readonly open: ReadonlyMap<number, { readonly options: SocketOptions | TapOptions }>;
  readonly devices: ReadonlyMap<string, MemoryDevice>;
  mtu: number | undefined;
  /** Addresses that `openSocket` refuses to bind. */
  readonly refused: Set<string>;
  /** Another program opens a device, and lets go of it. */
  occupy(device: string): void;
  free(device: string): void;
}

/** A datapath without anything in it; it closes descriptors at `system`. */
export function memoryDatapath(system: System): MemoryDatapath {
  return new DatapathInMemory(system);
}

class DatapathInMemory implements MemoryDatapath {
  readonly sockets = new Map<SocketId, number>();
  readonly tunnels = new Map<TunnelHandle, DatapathTunnel>();
  readonly sessions = new Map<PortId, SessionSpec & { tunnel: TunnelHandle }>();
  readonly ports = new Map<PortId, FrameType>();
  readonly joins = new Map<PortId, PortId>();
  readonly insides = new Map<PortId, MemoryInside>();
  readonly calls: string[] = [];
  refuse: MemoryDatapath["refuse"];
  onControl: Datapath["onControl"];
  onPathErrors: Datapath["onPathErrors"];
  onNetworkChange: Datapath["onNetworkChange"];
  onSocketFailure: Datapath["onSocketFailure"];
  onResponsive: Datapath["onResponsive"];
  readonly responsive = true;
  readonly forwarders = memoryForwarders();
  onFailure: Datapath["onFailure"];
  readonly #system: System;
  readonly #devices = new Map<PortId, { fd: number; gone: () => void }>();
  #last = 0;

  constructor(system: System) {
    this.#system = system;
  }

  vanish(fd: number): void {
    for (const device of this.#devices.values()) if (device.fd === fd) device.gone();
  }

  addSocket(fd: number): Promise<SocketId> {
    return this.#command("addSocket", () => {
      const id = ++this.#last as SocketId;
      this.sockets.set(id, fd);
      return id;
    });
  }

  removeSocket(socket: SocketId): Promise<void> {
    return this.#command("removeSocket", () => {
      if ([...this.tunnels.values()].some((tunnel) => tunnel.socket === socket)) {
        fail("socket-busy");
      }
      this.#system.close(this.sockets.get(socket) ?? fail("no-such-socket"));
      this.sockets.delete(socket);
    });
  }

  tellMarks(socket: SocketId): Promise<void> {
    return this.#command(
      "tellMarks",
      () => void (this.sockets.has(socket) || fail("no-such-socket")),
    );
  }

  rewatchSocket(socket: SocketId): Promise<void> {
    return this.#command(
      "rewatchSocket",
      () => void (this.sockets.has(socket) || fail("no-such-socket")),
    );
  }

  addTunnel(tunnel: DatapathTunnel): Promise<TunnelHandle> {
    return this.#command("addTunnel", () => {
      if (!this.sockets.has(tunnel.socket)) fail("no-such-socket");
      const id = ++this.#last as TunnelHandle;
      this.tunnels.set(id, tunnel);
      return id;
    });
  }

  changeTunnel(tunnel: TunnelHandle, change: DatapathTunnel): Promise<void> {
    return this.#command("changeTunnel", () => {
      const before = this.tunnels.get(tunnel) ?? fail("no-such-tunnel");
      if (!this.sockets.has(change.socket)) fail("no-such-socket");
      if (before.peerTunnelId !== change.peerTunnelId) fail("invalid");
      this.tunnels.set(tunnel, change);
    });
  }

  removeTunnel(tunnel: TunnelHandle): Promise<void> {
    return this.#command("removeTunnel", () => {
      if ([...this.sessions.values()].some((session) => session.tunnel === tunnel)) {
        fail("tunnel-busy");
      }
      if (!this.tunnels.delete(tunnel)) fail("no-such-tunnel");
    });
  }

  addSession(tunnel: TunnelHandle, spec: SessionSpec): Promise<PortId> {
    return this.#command("addSession", () => {
      if (!this.tunnels.has(tunnel)) fail("no-such-tunnel");
      for (const session of this.sessions.values()) {
        if (session.tunnel === tunnel && session.sessionId === spec.sessionId) {
          fail("session-exists");
        }
      }
      const id = ++this.#last as PortId;
      this.sessions.set(id, { ...spec, tunnel });
      return id;
    });
  }

  expectSession(tunnel: TunnelHandle): Promise<void> {
    return this.#command(
      "expectSession",
      () => void (this.tunnels.has(tunnel) || fail("no-such-tunnel")),
    );
  }

  changeSession(session: PortId, change: SessionChange): Promise<void> {
    return this.#command("changeSession", () => {
      const before = this.sessions.get(session) ?? fail("no-such-port");
      this.sessions.set(session, { ...before, ...change });
    });
  }

  addDevice(fd: number, { frames }: DeviceSpec, gone: () => void): Promise<PortId> {
    return this.#command("addDevice", () => {
      const id = ++this.#last as PortId;
      this.ports.set(id, frames);
      this.#devices.set(id, { fd, gone });
      return id;
    });
  }

  addPppoe(device: PortId): Promise<PortId> {
    return this.#command("addPppoe", () => {
      if (!this.#devices.has(device)) fail("no-such-port");
      const id = ++this.#last as PortId;
      this.ports.set(id, "ppp");
      return id;
    });
  }

  addHostPort(frameType: FrameType): Promise<PortId> {
    return this.#command("addHostPort", () => {
      const id = ++this.#last as PortId;
      this.ports.set(id, frameType);
      return id;
    });
  }

  readonly inject = (port: PortId, frames: readonly Uint8Array[]): boolean => {
    this.insides.get(port)?.sent.push(...frames);
    return this.ports.has(port);
  };

  removePort(port: PortId): Promise<void> {
    return this.#command("removePort", () => {
      if (!this.sessions.delete(port) && !this.ports.delete(port)) fail("no-such-port");
      this.#part(port);
      this.insides.delete(port);
      const device = this.#devices.get(port);
      this.#devices.delete(port);
      if (device) this.#system.close(device.fd);
    });
  }

  crossConnect(a: PortId, b: PortId): Promise<void> {
    return this.#command("crossConnect", () => {
      if (this.#frameType(a) !== this.#frameType(b)) fail("frame-type-mismatch");
      if (this.joins.has(a) || this.joins.has(b)) fail("port-joined");
      this.joins.set(a, b);
      this.joins.set(b, a);
    });
  }

  disconnect(port: PortId): Promise<void> {
    return this.#command("disconnect", () => this.#part(port));
  }

  addReceiver(port: PortId, frameType: FrameType): Promise<PortId> {
    return this.#command("addReceiver", () => {
      if (this.#frameType(port) !== frameType) fail("frame-type-mismatch");
      const id = ++this.#last as PortId;
      this.ports.set(id, frameType);
      return id;
    });
  }

  addInside(
    session: PortId,
    host: InsideSpec,
    receive: (frames: readonly Uint8Array[]) => void,
  ): Promise<PortId> {
    return this.#command("addInside", () => {
      if (this.#frameType(session) !== "ethernet") fail("frame-type-mismatch");
      const id = ++this.#last as PortId;
      this.ports.set(id, "ethernet");
      this.insides.set(id, { session, host, receive, sent: [] });
      return id;
    });
  }

  hold(port: PortId): Promise<void> {
    return this.#command("hold", () => void this.#frameType(port));
  }

  holdFirst(port: PortId): Promise<void> {
    return this.#command("holdFirst", () => void this.#frameType(port));
  }

  release(port: PortId): Promise<void> {
    return this.#command("release", () => void this.#frameType(port));
  }

  limit(port: PortId): Promise<void> {
    return this.#command("limit", () => void this.#frameType(port));
  }

  translate(port: PortId): Promise<void> {
    return this.#command("translate", () => void this.#frameType(port));
  }

  addPatch(): Promise<readonly [PortId, PortId]> {
    return Promise.reject(new DatapathError("limit", "too many patches"));
  }

  sessionStatistics(session: PortId): Promise<undefined> {
    return this.#command("sessionStatistics", () => void this.#frameType(session));
  }

  sendControl(): boolean {
    return true;
  }

  counters(_of: StatsOf): Promise<DatapathCounters> {
    return this.#command("counters", () => ({
      sessions: new Map(),
      tunnels: new Map(),
      grouping: new Map(),
      socketDrops: new Map(),
      heardAgoMs: new Map(),
    }));
  }

  totals(): Promise<DatapathTotals> {
    return this.#command("totals", () => ({ drops: {}, io: {}, memory: { wasm: 0, heap: 0 } }));
  }

  async stats(): Promise<DatapathStats> {
    return { ...await this.totals(), ...await this.counters({ sessions: [], tunnels: [] }) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Every command takes a turn of the event loop, as a message to a worker does. */
  async #command<T>(method: keyof Datapath, work: () => T): Promise<T> {
    this.calls.push(method as string);
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    if (this.refuse?.method === method) {
      const { code } = this.refuse;
      this.refuse = undefined;
      fail(code);
    }
    return work();
  }

  #frameType(port: PortId): FrameType {
    return this.sessions.get(port)?.frameType ?? this.ports.get(port) ?? fail("no-such-port");
  }

  #part(port: PortId): void {
    const other = this.joins.get(port);
    this.joins.delete(port);
    if (other !== undefined) this.joins.delete(other);
  }
}

/** Forwarders that take whatever they are told. */
function memoryForwarders(): ForwarderLeaf {
  let last = 0;
  const taken = () => Promise.resolve();
  return {
    add: () => Promise.resolve(++last as ForwarderId),
    ...{ change: taken, remove: taken, join: taken, changeMember: taken },
    ask: () => Promise.resolve(null),
  };
}

function fail(code: DatapathError["code"]): never {
  throw new DatapathError(code, code);
}

/** What does nothing, and has nothing to tell. */
const silent = {
  stopReceiving() {},
  ownsAddress: () => false,
  deviceQueueDrops: () => 0,
  openWiretap: () => ({ read: () => 0, [Symbol.dispose]() {} }),
  openDatagrams: ({ port = 40_000 }: { readonly port?: number }) => ({
    port,
    send: () => true,
    drops: () => 0,
    close: () => Promise.resolve(),
  }),
  addRoute: () => () => {},
  addToSet: () => () => {},
  setOffload() {},
  notify() {},
  peerCredentials: () => undefined,
  descriptors: () => ({ open: 20, limit: 1024 }),
  [Symbol.dispose]() {},
};

/** An operating system with nothing open. */
export function memorySystem(): MemorySystem {
  const open = new Map<number, { options: SocketOptions | TapOptions; device?: string }>();
  const devices = new Map<string, MemoryDevice>();
  let last = 100;
  const refused = new Set<string>();
  const occupied = new Set<string>();

  const openTap = ({ name, netns: _, ...options }: TapOptions): TapDevice => {
    if (devices.has(name) || occupied.has(name)) {
      throw new IoError("ioctl(TUNSETIFF)", 16, `open the TAP ${name}`);
    }
    const device: MemoryDevice = {
      mtu: 1500,
      mac: "02:00:00:00:00:01",
      addresses: [],
      carrier: true,
      followers: new Set(),
    };
    devices.set(name, device);
    const change = (
      { mtu = device.mtu, mac = device.mac, addresses }: Omit<TapOptions, "name">,
    ) => {
      if (mtu > 9000) throw new IoError("rtnetlink", 22, `set mtu ${mtu}`);
      Object.assign(device, { mtu, mac, addresses: [...addresses ?? device.addresses] });
    };
    change(options);
    const fd = ++last;
    open.set(fd, { options: { name, ...options }, device: name });
    return {
      fd,
      name,
      adopted: false,
      mac: () => device.mac,
      mtu: () => device.mtu,
      change,
      setCarrier: (up) => void (device.carrier = up),
      follow: (told) => follow(device, told),
      onLost: undefined,
      release() {},
    };
  };

  const system: MemorySystem = {
    ...silent,
    open,
    devices,
    mtu: 1500,
    refused,
    occupy: (device) => void occupied.add(device),
    free: (device) => void occupied.delete(device),
    openSocket(encap, options) {
      const { address } = options.local;
      if (refused.has(address)) throw new IoError("bind", 99, `bind ${address}`);
      const fd = ++last;
      open.set(fd, { options });
      const local = { address, port: encap === "udp" ? options.local.port || 40_000 + fd : 0 };
      return { fd, kind: `${encap}${address.includes(":") ? 6 : 4}`, local };
    },
    reopenSocket(fd, _encap, options) {
      const { address } = options.local;
      if (refused.has(address)) throw new IoError("bind", 99, `bind ${address}`);
      if (!open.has(fd)) throw new Error(`descriptor ${fd} is not open`);
      open.set(fd, { options });
    },
    pathMtu: () => system.mtu,
    openTap,
    openTun: ({ routes: _, ...options }) => openTap(options),
    openPacket: ({ name }) => {
      const fd = ++last;
      open.set(fd, { options: { name } });
      const [mac, mtu] = ["02:00:00:00:00:02", 1500];
      return {
        ...{ fd, onLost: undefined, exists: () => true, mac: () => mac, mtu: () => mtu },
        follow(told) {
          told(true);
          return () => Promise.resolve();
        },
        release() {},
      };
    },
    close(fd) {
      const { device } = open.get(fd) ?? {};
      if (!open.delete(fd)) throw new Error(`descriptor ${fd} is not open`);
      if (device !== undefined) devices.delete(device);
    },
  };
  return system;
}
