/** The connections of an LCCE, by all that one can be looked for: its handle, our id, where the peer is and its id. @module */

import type { Connection } from "./connection.ts";
import { dialects } from "./dialect.ts";
import type { ConnectionHandle } from "./events.ts";
import { IdPool } from "./ids_pool.ts";
import type { Glance } from "./wire/glance.ts";
import { parseBody } from "./wire/message.ts";
import { mayAnswer, pathKey } from "./path.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { Path, PeerSettings } from "./settings.ts";

/** The connections by one path. */
interface Peers {
  readonly byId: Map<number, Connection>;
  /** What their peers may hide an id with. Mostly they share a secret. */
  readonly keys: Set<Uint8Array>;
}

export class ConnectionRegistry {
  readonly #all = new Map<ConnectionHandle, Connection>();
  readonly #byId: Readonly<Record<ProtoVersion, Map<number, Connection>>> = {
    2: new Map(),
    3: new Map(),
  };
  /** By version and path. */
  readonly #byPeer = new Map<string, Peers>();
  /** Connections of ours that the peer has not answered, by the address that was dialed, then by whom it is to be. */
  readonly #dialing = new Map<string, Map<string, Set<Connection>>>();
  readonly #ids: Readonly<Record<ProtoVersion, IdPool>>;
  #nextHandle: ConnectionHandle = 1;

  constructor(random: (length: number) => Uint8Array) {
    this.#ids = { 2: new IdPool(2, random), 3: new IdPool(3, random) };
  }

  /** An id for a new connection; undefined where none is free. */
  allocateId(version: ProtoVersion): number | undefined {
    return this.#ids[version].allocate(this.#byId[version]);
  }

  /** An id to name in a refusal, where none is kept of it: a free one, if there is any. */
  idToRefuseWith(version: ProtoVersion): number {
    return this.allocateId(version) ?? this.#ids[version].any();
  }

  nextHandle(): ConnectionHandle {
    return this.#nextHandle++;
  }

  /** Whether a connection of this handle existed, now or before. */
  existed(handle: ConnectionHandle): boolean {
    return handle > 0 && handle < this.#nextHandle;
  }

  get(handle: ConnectionHandle): Connection | undefined {
    return this.#all.get(handle);
  }

  byId(version: ProtoVersion, id: number): Connection | undefined {
    return this.#byId[version].get(id);
  }

  values(): IterableIterator<Connection> {
    return this.#all.values();
  }

  /** The connections that we dial to a peer at an address, and that it has not answered. */
  *dialing(path: Path, settings: PeerSettings): Generator<Connection> {
    for (const one of this.#dialing.get(addressKey(path))?.get(peerKey(settings)) ?? []) {
      if (mayAnswer(one.path, path)) yield one;
    }
  }

  add(connection: Connection): void {
    this.#all.set(connection.handle, connection);
    for (const version of [2, 3] as const) {
      const id = connection.ids[version];
      if (id !== undefined) this.#byId[version].set(id, connection);
    }
    if (!connection.initiator) return;
    const [address, peer] = [addressKey(connection.path), peerKey(connection.settings)];
    const there = this.#dialing.get(address) ?? new Map<string, Set<Connection>>();
    this.#dialing.set(address, there);
    there.set(peer, (there.get(peer) ?? new Set()).add(connection));
  }

  /** Says that a connection may have been answered, or given up: then it has one id, and perhaps its peer's. */
  update(connection: Connection, now: number): void {
    if (connection.state === "wait-ctl-reply" || !this.#dialed(connection)) return;
    this.#releaseId(connection, connection.settings.version === 2 ? 3 : 2, now);
    this.meet(connection);
  }

  /** Makes a connection be found by its peer's id; one that was found by the same before is not any more. */
  meet(connection: Connection): void {
    const { hidingKey, settings, path, peerId } = connection;
    if (peerId === 0) return;
    const key = versionKey(settings.version, path);
    let peers = this.#byPeer.get(key);
    if (!peers) this.#byPeer.set(key, peers = { byId: new Map(), keys: new Set() });
    peers.byId.set(peerId, connection);
    if (hidingKey) peers.keys.add(hidingKey);
  }

  /**
   * The connection that an SCCRQ or StopCCN to id 0 is for, by the id that the peer says is its own; it may be hidden.
   * A StopCCN may also be all that a peer answers to our SCCRQ.
   */
  addressed(
    version: ProtoVersion,
    path: Path,
    { assignedId }: Glance,
    body: Uint8Array,
  ): Connection | undefined {
    const peers = this.#byPeer.get(versionKey(version, path));
    const said = assignedId[version];
    if (!peers || said === undefined) return undefined;
    if (said !== "hidden") return peers.byId.get(said);
    for (const hidingKey of peers.keys) {
      const found = peers.byId.get(unhiddenId(version, body, hidingKey) ?? 0);
      if (found?.hidingKey === hidingKey) return found;
    }
    return undefined;
  }

  /** The connection whose peer, there, is to be called by an id. */
  byPeerId(version: ProtoVersion, path: Path, peerId: number): Connection | undefined {
    return this.#byPeer.get(versionKey(version, path))?.byId.get(peerId);
  }

  /** The one connection that we dial at an address; undefined where there is none, or several. */
  onlyDialed(version: ProtoVersion, path: Path): Connection | undefined {
    let found: Connection | undefined;
    for (const connections of this.#dialing.get(addressKey(path))?.values() ?? []) {
      for (const one of connections) {
        if (one.ids[version] === undefined || !mayAnswer(one.path, path)) continue;
        if (found) return undefined;
        found = one;
      }
    }
    return found;
  }

  remove(connection: Connection, now: number): void {
    const { settings, handle, path, peerId } = connection;
    this.#all.delete(handle);
    this.#releaseId(connection, settings.version, now);
    this.#dialed(connection);
    const key = versionKey(settings.version, path);
    const peers = this.#byPeer.get(key);
    if (peers?.byId.get(peerId) !== connection) return;
    peers.byId.delete(peerId);
    if (peers.byId.size === 0) this.#byPeer.delete(key);
  }

  /** A connection is dialed no more; false: it was not. */
  #dialed(connection: Connection): boolean {
    if (!connection.initiator) return false;
    const { ids, path, settings } = connection;
    const address = addressKey(path);
    const there = this.#dialing.get(address);
    // One that fell back was dialed in version 3.
    const peer = peerKey({ name: settings.name, version: ids[3] === undefined ? 2 : 3 });
    const connections = there?.get(peer);
    if (!there || !connections?.delete(connection)) return false;
    if (connections.size === 0) there.delete(peer);
    if (there.size === 0) this.#dialing.delete(address);
    return true;
  }

  #releaseId({ ids }: Connection, version: ProtoVersion, now: number): void {
    const id = ids[version];
    if (id === undefined) return;
    this.#byId[version].delete(id);
    this.#ids[version].release(id, now);
  }
}

/** The id that a body says its sender is to be called by, as far as it can be read with a key. */
export function unhiddenId(
  version: ProtoVersion,
  body: Uint8Array,
  hidingKey: Uint8Array | undefined,
): number | undefined {
  if (!hidingKey) return undefined;
  const parsed = parseBody(body, { version, hidingKey });
  if (parsed.kind === "message") return dialects[version].assignedId(parsed.message.avps);
  return parsed.kind === "refused" ? dialects[version].assignedId(parsed.avps) : undefined;
}

/** What an answer has in common with what was dialed, whatever port it comes from: see {@linkcode mayAnswer}. */
function addressKey({ encap, mark, remote }: Path): string {
  return `${encap} ${remote.address} ${mark}`;
}

function peerKey({ name, version }: Pick<PeerSettings, "name" | "version">): string {
  return `${version} ${name}`;
}

function versionKey(version: ProtoVersion, path: Path): string {
  return `${version} ${pathKey(path)}`;
}
