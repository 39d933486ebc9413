/** A datapath and an operating system in memory, for tests of the appliance: they keep the real ones' rules. @module */

import type { FrameType } from "../../core/pseudowire.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { TapOptions } from "../../plugins/plugin.ts";
import type { SessionSpec } from "../../wasm/mod.ts";
import {
  type Datapath,
  DatapathError,
  type DatapathTunnel,
  type SocketId,
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
  /** What was called, by name, in order. */
  readonly calls: string[];
  /** Makes the next call of a method fail. */
  refuse: { readonly method: keyof Datapath; readonly code: DatapathError["code"] } | undefined;
  /** Makes the device of a descriptor vanish. */
  vanish(fd: number): void;
}

/** An operating system without sockets and devices. */
export interface MemorySystem extends System {
  /** Open descriptors, and what they are. */
  readonly open: ReadonlyMap<number, { readonly options: SocketOptions | TapOptions }>;
  readonly devices: ReadonlyMap<
    string,
    { mtu: number; mac: string; addresses: string[]; carrier: boolean }
  >;
  mtu: number | undefined;
  /** Addresses that `openSocket` refuses to bind. */
  readonly refused: Set<string>;
  /** Another program opens a device, and lets go of it. */
  occupy(device: string): void;
  free(device: string): void;
}

/** A datapath without anything in it; it closes descriptors at `system`. */
export function memoryDatapath(system: System): MemoryDatapath {
  const sockets = new Map<SocketId, number>();
  const tunnels = new Map<TunnelHandle, DatapathTunnel>();
  const sessions = new Map<PortId, SessionSpec & { tunnel: TunnelHandle }>();
  const ports = new Map<PortId, FrameType>();
  const devices = new Map<PortId, { fd: number; gone: () => void }>();
  const joins = new Map<PortId, PortId>();
  const calls: string[] = [];
  let last = 0;

  const fail = (code: DatapathError["code"]): never => {
    throw new DatapathError(code, code);
  };
  /** Every command takes a turn of the event loop, as a message to a worker does. */
  const command = async <T>(method: keyof Datapath, work: () => T): Promise<T> => {
    calls.push(method as string);
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    if (datapath.refuse?.method === method) {
      const { code } = datapath.refuse;
      datapath.refuse = undefined;
      fail(code);
    }
    return work();
  };
  const frameType = (port: PortId) =>
    sessions.get(port)?.frameType ?? ports.get(port) ?? fail("no-such-port");
  const part = (port: PortId) => {
    const other = joins.get(port);
    joins.delete(port);
    if (other !== undefined) joins.delete(other);
  };

  const datapath: MemoryDatapath = {
    sockets,
    tunnels,
    sessions,
    ports,
    joins,
    calls,
    refuse: undefined,
    onControl: undefined,
    onPathErrors: undefined,
    onNetworkChange: undefined,
    onSocketFailure: undefined,
    onResponsive: undefined,
    responsive: true,
    onFailure: undefined,
    vanish(fd) {
      for (const device of devices.values()) if (device.fd === fd) device.gone();
    },
    addSocket: (fd) =>
      command("addSocket", () => {
        const id = ++last as SocketId;
        sockets.set(id, fd);
        return id;
      }),
    removeSocket: (socket) =>
      command("removeSocket", () => {
        if ([...tunnels.values()].some((tunnel) => tunnel.socket === socket)) fail("socket-busy");
        system.close(sockets.get(socket) ?? fail("no-such-socket"));
        sockets.delete(socket);
      }),
    tellMarks: (socket) =>
      command("tellMarks", () => void (sockets.has(socket) || fail("no-such-socket"))),
    rewatchSocket: (socket) =>
      command("rewatchSocket", () => void (sockets.has(socket) || fail("no-such-socket"))),
    addTunnel: (tunnel) =>
      command("addTunnel", () => {
        if (!sockets.has(tunnel.socket)) fail("no-such-socket");
        const id = ++last as TunnelHandle;
        tunnels.set(id, tunnel);
        return id;
      }),
    changeTunnel: (tunnel, change) =>
      command("changeTunnel", () => {
        const before = tunnels.get(tunnel) ?? fail("no-such-tunnel");
        if (!sockets.has(change.socket)) fail("no-such-socket");
        if (before.peerTunnelId !== change.peerTunnelId) fail("invalid");
        tunnels.set(tunnel, change);
      }),
    removeTunnel: (tunnel) =>
      command("removeTunnel", () => {
        if ([...sessions.values()].some((session) => session.tunnel === tunnel)) {
          fail("tunnel-busy");
        }
        if (!tunnels.delete(tunnel)) fail("no-such-tunnel");
      }),
    addSession: (tunnel, spec) =>
      command("addSession", () => {
        if (!tunnels.has(tunnel)) fail("no-such-tunnel");
        for (const session of sessions.values()) {
          if (session.tunnel === tunnel && session.sessionId === spec.sessionId) {
            fail("session-exists");
          }
        }
        const id = ++last as PortId;
        sessions.set(id, { ...spec, tunnel });
        return id;
      }),
    changeSession: (session, change) =>
      command("changeSession", () => {
        sessions.set(session, { ...sessions.get(session) ?? fail("no-such-port"), ...change });
      }),
    addDevice: (fd, { frames }, gone) =>
      command("addDevice", () => {
        const id = ++last as PortId;
        ports.set(id, frames);
        devices.set(id, { fd, gone });
        return id;
      }),
    addHostPort: (frameType) =>
      command("addHostPort", () => {
        const id = ++last as PortId;
        ports.set(id, frameType);
        return id;
      }),
    inject: (port) => ports.has(port),
    removePort: (port) =>
      command("removePort", () => {
        if (!sessions.delete(port) && !ports.delete(port)) fail("no-such-port");
        part(port);
        const device = devices.get(port);
        devices.delete(port);
        if (device) system.close(device.fd);
      }),
    crossConnect: (a, b) =>
      command("crossConnect", () => {
        if (frameType(a) !== frameType(b)) fail("frame-type-mismatch");
        if (joins.has(a) || joins.has(b)) fail("port-joined");
        joins.set(a, b);
        joins.set(b, a);
      }),
    disconnect: (port) => command("disconnect", () => part(port)),
    sendControl: () => true,
    stats: () =>
      command("stats", () => ({
        sessions: new Map(),
        tunnels: new Map(),
        grouping: new Map(),
        socketDrops: new Map(),
        heardAgoMs: new Map(),
        drops: {},
        io: {},
      })),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return datapath;
}

/** An operating system with nothing open. */
export function memorySystem(): MemorySystem {
  const open = new Map<number, { options: SocketOptions | TapOptions; device?: string }>();
  const devices = new Map<
    string,
    { mtu: number; mac: string; addresses: string[]; carrier: boolean }
  >();
  let last = 100;
  const refused = new Set<string>();
  const occupied = new Set<string>();

  const openTap = ({ name, netns: _, ...options }: TapOptions): TapDevice => {
    if (devices.has(name) || occupied.has(name)) {
      throw new IoError("ioctl(TUNSETIFF)", 16, `open the TAP ${name}`);
    }
    const device = {
      mtu: 1500,
      mac: "02:00:00:00:00:01",
      addresses: [] as string[],
      carrier: true,
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
      onLost: undefined,
      release() {},
    };
  };

  const system: MemorySystem = {
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
    stopReceiving() {},
    reopenSocket(fd, _encap, options) {
      const { address } = options.local;
      if (refused.has(address)) throw new IoError("bind", 99, `bind ${address}`);
      if (!open.has(fd)) throw new Error(`descriptor ${fd} is not open`);
      open.set(fd, { options });
    },
    pathMtu: () => system.mtu,
    ownsAddress: () => false,
    deviceQueueDrops: () => 0,
    openTap,
    openTun: ({ routes: _, ...options }) => openTap(options),
    openPacket: ({ name }) => {
      const fd = ++last;
      open.set(fd, { options: { name } });
      const [mac, mtu] = ["02:00:00:00:00:02", 1500];
      return {
        ...{ fd, onLost: undefined, exists: () => true, mac: () => mac, mtu: () => mtu },
        release() {},
      };
    },
    setOffload() {},
    close(fd) {
      const { device } = open.get(fd) ?? {};
      if (!open.delete(fd)) throw new Error(`descriptor ${fd} is not open`);
      if (device !== undefined) devices.delete(device);
    },
    notify() {},
    [Symbol.dispose]() {},
  };
  return system;
}
