/** The connections of an LCCE, by all that one can be looked for: its handle, our id, where the peer is and its id. @module */

import type { Connection } from "./connection.ts";
import { dialects } from "./dialect.ts";
import type { ConnectionHandle } from "./events.ts";
import { IdPool } from "./ids_pool.ts";
import { parseBody } from "./message.ts";
import { mayAnswer, pathKey } from "./path.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { Path } from "./settings.ts";

export class ConnectionRegistry {
  readonly #all = new Map<ConnectionHandle, Connection>();
  readonly #byId: Readonly<Record<ProtoVersion, Map<number, Connection>>> = {
    2: new Map(),
    3: new Map(),
  };
  /** By version and path, then by the peer's id. */
  readonly #byPeer = new Map<string, Map<number, Connection>>();
  /** Connections of ours that the peer has not answered. */
  readonly #dialing = new Set<Connection>();
  readonly #ids: Readonly<Record<ProtoVersion, IdPool>>;
  #nextHandle: ConnectionHandle = 1;

  constructor(random: (length: number) => Uint8Array) {
    this.#ids = { 2: new IdPool(2, random), 3: new IdPool(3, random) };
  }

  /** An id for a new connection; undefined where none is free. */
  allocateId(version: ProtoVersion): number | undefined {
    return this.#ids[version].allocate((id) => this.#byId[version].has(id));
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

  dialing(): IterableIterator<Connection> {
    return this.#dialing.values();
  }

  add(connection: Connection): void {
    this.#all.set(connection.handle, connection);
    for (const version of [2, 3] as const) {
      const id = connection.ids[version];
      if (id !== undefined) this.#byId[version].set(id, connection);
    }
    if (connection.initiator) this.#dialing.add(connection);
  }

  /** Says that a connection may have been answered, or given up: then it has one id, and perhaps its peer's. */
  update(connection: Connection, now: number): void {
    if (connection.state === "wait-ctl-reply" || !this.#dialing.delete(connection)) return;
    this.#releaseId(connection, connection.settings.version === 2 ? 3 : 2, now);
    this.meet(connection);
  }

  /** Makes a connection be found by its peer's id; one that was found by the same before is not any more. */
  meet(connection: Connection): void {
    const { settings, path, peerId } = connection;
    if (peerId === 0) return;
    const key = peerKey(settings.version, path);
    const known = this.#byPeer.get(key);
    if (known) known.set(peerId, connection);
    else this.#byPeer.set(key, new Map([[peerId, connection]]));
  }

  /**
   * The connection that an SCCRQ or StopCCN to id 0 is for, by the id that the peer says is its own; it may be hidden.
   * A StopCCN may also be all that a peer answers to our SCCRQ.
   */
  addressed(version: ProtoVersion, path: Path, body: Uint8Array): Connection | undefined {
    const peers = this.#byPeer.get(peerKey(version, path));
    if (!peers) return undefined;
    const open = assignedId(version, body);
    if (open !== undefined) return peers.get(open);
    // Connections with one peer mostly share a secret: each key is tried once.
    const tried = new Set<Uint8Array>();
    for (const { hidingKey } of peers.values()) {
      if (!hidingKey || tried.has(hidingKey)) continue;
      tried.add(hidingKey);
      const hidden = assignedId(version, body, hidingKey);
      const found = hidden === undefined ? undefined : peers.get(hidden);
      if (found?.hidingKey === hidingKey) return found;
    }
    return undefined;
  }

  /** The one connection that we dial at an address; undefined where there is none, or several. */
  onlyDialed(version: ProtoVersion, path: Path): Connection | undefined {
    let found: Connection | undefined;
    for (const one of this.#dialing) {
      if (one.ids[version] === undefined || !mayAnswer(one.path, path)) continue;
      if (found) return undefined;
      found = one;
    }
    return found;
  }

  /** The connections that go by a path, and those that we dial there. */
  reachedBy(path: Path): Connection[] {
    const found = [...this.#dialing].filter((one) => mayAnswer(one.path, path));
    for (const version of [2, 3] as const) {
      found.push(...this.#byPeer.get(peerKey(version, path))?.values() ?? []);
    }
    return found;
  }

  remove(connection: Connection, now: number): void {
    const { settings, handle, path, peerId } = connection;
    this.#all.delete(handle);
    this.#releaseId(connection, settings.version, now);
    this.#dialing.delete(connection);
    const key = peerKey(settings.version, path);
    const peers = this.#byPeer.get(key);
    if (peers?.get(peerId) !== connection) return;
    peers.delete(peerId);
    if (peers.size === 0) this.#byPeer.delete(key);
  }

  #releaseId({ ids }: Connection, version: ProtoVersion, now: number): void {
    const id = ids[version];
    if (id === undefined) return;
    this.#byId[version].delete(id);
    this.#ids[version].release(id, now);
  }
}

/** The id that a body says its sender is to be called by, as far as it can be read. */
export function assignedId(
  version: ProtoVersion,
  body: Uint8Array,
  hidingKey?: Uint8Array,
): number | undefined {
  const parsed = parseBody(body, { version, ...(hidingKey && { hidingKey }) });
  if (parsed.kind === "message") return dialects[version].assignedId(parsed.message.avps);
  return parsed.kind === "refused" ? dialects[version].assignedId(parsed.avps) : undefined;
}

function peerKey(version: ProtoVersion, path: Path): string {
  return `${version} ${pathKey(path)}`;
}
