/**
 * The sockets that tunnels travel on. A tunnel uses the listener that covers its local address and port; where none
 * does, or where its UDP checksums differ from a listener's, it gets a connected socket of its own, as the kernel
 * gives each tunnel. Tunnels between the same two endpoints share theirs.
 *
 * @module
 */

import { type Endpoint, formatEndpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { SocketKind } from "../../wasm/mod.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import type { Datapath, SocketId } from "../datapath/datapath.ts";
import type { Listener, TunnelConfig } from "../config/model.ts";
import type { SocketOptions } from "../io/sockets.ts";
import type { System } from "../io/system.ts";
import type { Logger } from "../log/log.ts";

/** What of a tunnel decides about its socket. */
export type TunnelPath =
  & Pick<TunnelConfig, "encap" | "local" | "remote" | "checksum">
  & Way;

/** The way that a tunnel's datagrams take out of this host. */
export type Way = { readonly [Field in "df" | "device" | "mark"]?: TunnelConfig[Field] };

/** The use of a socket until it is disposed of. */
export interface SocketLease extends AsyncDisposable {
  readonly socket: SocketId;
  /** Where it is bound, with the port that the kernel chose. */
  readonly local: Endpoint;
  /** Disposal for a tunnel that lives on with another socket: datagrams that wait in this one are not lost. */
  retire(): Promise<void>;
}

/** All open sockets. */
export interface Sockets {
  /** Opens a listener, which new leases then use. @throws {ApplianceError} */
  open(listener: Listener): Promise<void>;
  /** New leases no longer use the listener; undefined: it is not open. */
  withdraw(listener: Listener): WithdrawnListener | undefined;
  /** Whether a lease taken now would be of another socket than `lease`. */
  moved(path: TunnelPath, lease: SocketLease): boolean;
  /** @throws {ApplianceError} */
  lease(path: TunnelPath): Promise<SocketLease>;
  /**
   * A socket to dial from: the listener that covers `local`, or else one that takes what comes from anywhere, for the
   * peer may answer from another port (RFC 2661 §8.1). Port 0: one of its own. What is dialed with a mark is answered
   * with it. @throws {ApplianceError}
   */
  dial(encap: EncapType, local: Endpoint, way?: Way): Promise<SocketLease>;
  /** How datagrams of an open socket travel; undefined where it is not open any more. */
  encapOf(socket: SocketId): EncapType | undefined;
  /** Another lease of an open socket; undefined where it is not open any more. */
  hold(socket: SocketId): SocketLease | undefined;
}

/** A listener that takes no new leases. */
export interface WithdrawnListener {
  /** Takes it back. */
  restore(): void;
  /** It is closed when its last lease is disposed of. */
  close(): Promise<void>;
  /** The same for one whose tunnels live on: datagrams that wait in it are not lost. */
  retire(): Promise<void>;
}

interface OpenSocket {
  readonly id: SocketId;
  readonly fd: number;
  readonly kind: SocketKind;
  /** Where it is bound, with the port that the kernel chose. */
  readonly local: Endpoint;
}

/** How long the datapath may take to read what waits in a socket that takes no more, in milliseconds. */
const DRAIN_MS = 50;
/** Between two attempts to open a socket that failed anew, in milliseconds. */
const REOPEN_MS = 5000;

/** An open socket, or one being opened. */
interface Entry {
  readonly encap: EncapType;
  readonly local: Endpoint;
  readonly remote?: Endpoint;
  readonly options: SocketOptions;
  readonly socket: Promise<OpenSocket>;
  users: number;
  marks?: Promise<void>;
  /** A listener that takes no new leases. */
  closing?: boolean;
}

/** No sockets yet. */
export function makeSockets(
  system: System,
  datapath: Datapath,
  clock: Clock,
  log: Logger,
): Sockets {
  return new OpenSockets({ system, datapath, clock, log });
}

interface SocketsOptions {
  readonly system: System;
  readonly datapath: Datapath;
  readonly clock: Clock;
  readonly log: Logger;
}

class OpenSockets implements Sockets {
  readonly #options: SocketsOptions;
  /** Listeners in use by new leases, by {@linkcode listenerKey}; their entries count as one user. */
  readonly #listeners = new Map<string, Entry>();
  readonly #connected = new Map<string, Entry>();
  /** Sockets to dial from that are no listeners, by {@linkcode listenerKey}; those of ephemeral ports are not here. */
  readonly #dialing = new Map<string, Entry>();
  readonly #byId = new Map<SocketId, { readonly entry: Entry; readonly socket: OpenSocket }>();
  /** All entries, those of closed listeners with leases left too. */
  readonly #entries = new Set<Entry>();
  readonly #leases = new WeakMap<SocketLease, Entry>();

  constructor(options: SocketsOptions) {
    this.#options = options;
    options.datapath.onSocketFailure = (id, error) => void this.#reopen(id, error);
  }

  async open(listener: Listener): Promise<void> {
    const key = listenerKey(listener.encap, listener, listener.device);
    if (this.#listeners.has(key)) {
      throw new ApplianceError("exists", "listen", `${formatEndpoint(listener)} is open already`);
    }
    // One that closes while tunnels move away from it is taken back.
    const closing = [...this.#entries].find((entry) =>
      entry.closing && !entry.remote &&
      listenerKey(entry.encap, entry.local, entry.options.device) === key
    );
    const entry = closing ?? this.#open(listener.encap, listener, deviceOf(listener));
    entry.closing = false;
    this.#listeners.set(key, entry);
    const socket = await this.#use(entry);
    if (listener.marks) await this.#tellMarks(entry, socket);
  }

  withdraw(listener: Listener): WithdrawnListener | undefined {
    const key = listenerKey(listener.encap, listener, listener.device);
    const entry = this.#listeners.get(key);
    if (!entry) return undefined;
    this.#listeners.delete(key);
    entry.closing = true;
    return {
      restore: () => {
        entry.closing = false;
        this.#listeners.set(key, entry);
      },
      close: () => this.#release(entry),
      retire: () => this.#release(entry, true),
    };
  }

  moved(path: TunnelPath, lease: SocketLease): boolean {
    return this.#leases.get(lease) !== this.#entryFor(path);
  }

  async lease(path: TunnelPath): Promise<SocketLease> {
    let entry = this.#entryFor(path);
    if (!entry) {
      this.#refuseOverlap(path.encap, path.local, path.remote);
      entry = this.#open(path.encap, path.local, path);
      this.#connected.set(connectedKey(path), entry);
    }
    const lease = this.#leaseOf(entry, await this.#use(entry));
    return await this.#marked(lease, entry, path);
  }

  /** A lease for a path whose mark, if it has one, the socket tells; disposed of where it cannot. */
  async #marked(lease: SocketLease, entry: Entry, { mark }: Way): Promise<SocketLease> {
    if (mark === undefined) return lease;
    try {
      await this.#tellMarks(entry, await entry.socket);
      return lease;
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
  }

  async dial(encap: EncapType, local: Endpoint, way: Way = {}): Promise<SocketLease> {
    const checksum = { udp: true, zero6Tx: false, zero6Rx: false };
    const fixed = encap === "ip" || local.port !== 0;
    const key = `${listenerKey(encap, local, way.device)} ${way.df ?? ""}`;
    const known = fixed
      ? this.#covering({ encap, local, remote: local, checksum, ...way }) ?? this.#dialing.get(key)
      : undefined;
    if (!known) this.#refuseOverlap(encap, local);
    const entry = known ?? this.#open(encap, local, way);
    if (!known && fixed) this.#dialing.set(key, entry);
    const used = await asApplianceErrors("local", () => this.#use(entry));
    return await this.#marked(this.#leaseOf(entry, used), entry, way);
  }

  encapOf(id: SocketId): EncapType | undefined {
    return this.#byId.get(id)?.entry.encap;
  }

  hold(id: SocketId): SocketLease | undefined {
    const found = this.#byId.get(id);
    if (!found) return undefined;
    found.entry.users++;
    return this.#leaseOf(found.entry, found.socket);
  }

  #open(
    encap: EncapType,
    local: Endpoint,
    way: Way & Partial<Pick<TunnelPath, "remote" | "checksum">> = {},
  ): Entry {
    const { checksum, df, device, remote } = way;
    // Beside sockets of ours; alone, it must find out that another program holds the address.
    const shared = local.port !== 0 &&
      [...this.#entries].some((entry) =>
        entry.encap === encap && entry.local.port === local.port &&
        overlap(entry.local.address, local.address)
      );
    const options: SocketOptions = {
      local,
      shared,
      ...(remote && { remote }),
      ...(checksum && encap === "udp" && { checksum }),
      ...(df !== undefined && { df }),
      ...(device !== undefined && { device }),
    };
    const entry: Entry = {
      encap,
      local,
      ...(remote && { remote }),
      options,
      socket: openSocket(this.#options.system, this.#options.datapath, encap, options),
      users: 0,
    };
    this.#entries.add(entry);
    return entry;
  }

  async #use(entry: Entry): Promise<OpenSocket> {
    entry.users++;
    try {
      const socket = await entry.socket;
      this.#byId.set(socket.id, { entry, socket });
      return socket;
    } catch (error) {
      await this.#release(entry);
      throw error;
    }
  }

  async #release(entry: Entry, drain = false): Promise<void> {
    if (--entry.users > 0) return;
    const { clock, datapath, system } = this.#options;
    this.#entries.delete(entry);
    for (const map of [this.#listeners, this.#connected, this.#dialing]) {
      for (const [key, value] of map) if (value === entry) map.delete(key);
    }
    const socket = await entry.socket.catch(() => undefined);
    if (!socket) return;
    this.#byId.delete(socket.id);
    if (drain) {
      system.stopReceiving(socket.fd, socket.kind);
      await new Promise<void>((resolve) => clock.timer(clock.now() + DRAIN_MS, resolve));
    }
    await datapath.removeSocket(socket.id);
  }

  /** A lease of a socket whose user was counted. */
  #leaseOf(entry: Entry, { id, local }: OpenSocket): SocketLease {
    let released: Promise<void> | undefined;
    const lease: SocketLease = {
      socket: id,
      local,
      retire: () => released ??= this.#release(entry, true),
      [Symbol.asyncDispose]: () => released ??= this.#release(entry),
    };
    this.#leases.set(lease, entry);
    return lease;
  }

  /** Has an entry's socket tell the kernel's marks, from the first on that asks for it. */
  async #tellMarks(entry: Entry, { id }: OpenSocket): Promise<void> {
    entry.marks ??= this.#options.datapath.tellMarks(id);
    await entry.marks;
  }

  #entryFor(path: TunnelPath): Entry | undefined {
    return this.#covering(path) ?? this.#connected.get(connectedKey(path));
  }

  #covering(path: TunnelPath): Entry | undefined {
    if (!hasDefaultChecksum(path) || path.df !== undefined) return undefined;
    const at = (address: string) =>
      [...this.#listeners.values()].find(({ encap, local, options }) =>
        encap === path.encap && local.port === path.local.port && local.address === address &&
        (path.device === undefined || path.device === options.device)
      );
    return at(path.local.address) ?? at(ipVersion(path.local.address) === 4 ? "0.0.0.0" : "::");
  }

  /** Raw sockets each get a copy of a packet, so that two which match one tunnel would deliver its frames twice. */
  #refuseOverlap(encap: EncapType, local: Endpoint, remote?: Endpoint): void {
    if (encap !== "ip") return;
    for (const entry of this.#entries) {
      if (entry.encap !== "ip" || entry.closing || !overlap(entry.local.address, local.address)) {
        continue;
      }
      if (entry.remote && remote && entry.remote.address !== remote.address) continue;
      throw new ApplianceError(
        "in-use",
        ipVersion(local.address) === 4 ? "ip-saddr" : "ip6-saddr",
        `IP protocol 115 at ${local.address} overlaps with the socket at ${entry.local.address}`,
      );
    }
  }

  /** Opens a socket anew that failed for good, under the same id; until that succeeds, every few seconds. */
  async #reopen(id: SocketId, error: string): Promise<void> {
    const found = this.#byId.get(id);
    if (!found) return;
    const { clock, datapath, log, system } = this.#options;
    const { entry, socket } = found;
    const local = formatEndpoint(socket.local);
    log.warn("a socket failed, and is opened anew", { local, error });
    try {
      system.reopenSocket(socket.fd, entry.encap, { ...entry.options, local: socket.local });
      if (entry.marks) await datapath.tellMarks(id);
      await datapath.rewatchSocket(id);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      clock.timer(clock.now() + REOPEN_MS, () => void this.#reopen(id, reason));
    }
  }
}

async function openSocket(
  system: System,
  datapath: Datapath,
  encap: EncapType,
  options: SocketOptions,
): Promise<OpenSocket> {
  const { fd, kind, local: bound } = system.openSocket(encap, options);
  try {
    return { id: await datapath.addSocket(fd, kind), fd, kind, local: bound };
  } catch (error) {
    system.close(fd);
    throw error;
  }
}

function deviceOf({ device }: Listener): Way {
  return device === undefined ? {} : { device };
}

/** Whether UDP checksums are as a listener has them: everywhere. */
function hasDefaultChecksum({ encap, local, checksum }: TunnelPath): boolean {
  if (encap === "ip") return true;
  return ipVersion(local.address) === 4 ? checksum.udp : !checksum.zero6Tx && !checksum.zero6Rx;
}

function listenerKey(encap: EncapType, local: Endpoint, device = ""): string {
  return `${encap} ${formatEndpoint(local)} ${device}`;
}

function connectedKey({ encap, local, remote, checksum, df, device }: TunnelPath): string {
  const { udp, zero6Tx, zero6Rx } = checksum;
  return [encap, formatEndpoint(local), formatEndpoint(remote), udp, zero6Tx, zero6Rx, df, device]
    .join(" ");
}

function overlap(a: string, b: string): boolean {
  return ipVersion(a) === ipVersion(b) && (a === b || isWildcard(a) || isWildcard(b));
}
