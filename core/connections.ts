/**
 * The connections of an LCCE, from the first to the last moment of each: made, settled after every input, timed, and
 * forgotten when they are over.
 *
 * @module
 */

import { Authenticator } from "./authenticator.ts";
import { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { hasEnded } from "./connection_states.ts";
import { ApiMisuse, ErrorCode, StopResult } from "./errors.ts";
import type { ConnectionHandle } from "./events.ts";
import type { ConnectionIds } from "./handshake.ts";
import type { ConnectionRegistry } from "./registry.ts";
import { Schedule } from "./schedule.ts";
import type { Path, PeerSettings } from "./settings.ts";
import type { ConnectionSnapshot } from "./snapshot.ts";
import { Tombstones } from "./unproven.ts";

/** For so many datagrams acknowledgements are held back at most: a peer's window must not stand still meanwhile. */
const HOLD_LIMIT = 64;

/** All connections. */
export class Connections {
  readonly registry: ConnectionRegistry;
  /** What those that ended unproven said last. */
  readonly tombstones = new Tombstones();
  readonly #host: ConnectionHost;
  readonly #decided: (connection: Connection) => void;
  readonly #schedule = new Schedule<Connection>();
  /** A peer that started anew with the id of old: which connection its new one is instead of. */
  readonly #replaces = new WeakMap<Connection, Connection>();
  /** Those whose bare acknowledgements wait for what comes next. */
  readonly #owing = new Set<Connection>();
  #holding = false;
  /** Datagrams taken since acknowledgements were last sent. */
  #held = 0;

  /** None yet. @param decided is told of one that is not on its way up to us any more, perhaps again and again */
  constructor(
    host: ConnectionHost,
    registry: ConnectionRegistry,
    decided: (connection: Connection) => void,
  ) {
    this.#host = host;
    this.registry = registry;
    this.#decided = decided;
  }

  /** The connection of a handle; undefined where it is over. @throws {ApiMisuse} where there never was one */
  owner(handle: ConnectionHandle): Connection | undefined {
    const connection = this.registry.get(handle);
    if (!connection && !this.registry.existed(handle)) {
      throw new ApiMisuse(`there never was a connection ${handle}`);
    }
    return connection;
  }

  /** Does something with a connection, unless it is over. */
  with(handle: ConnectionHandle, now: number, work: (connection: Connection) => void): void {
    const connection = this.registry.get(handle);
    if (!connection) return;
    work(connection);
    this.settle(connection, now);
  }

  /** Makes one that has said nothing yet; undefined where no id is free for it. */
  create(
    settings: PeerSettings,
    path: Path,
    authenticator: Authenticator,
    initiator: boolean,
    now: number,
  ): Connection | undefined {
    const ids = this.#connectionIds(settings, path, initiator);
    if (!ids) return undefined;
    const handle = this.registry.nextHandle();
    const options = { handle, settings, ids, path, authenticator, initiator };
    const connection = new Connection(this.#host, options, now);
    this.registry.add(connection);
    if (authenticator.drawn) this.#host.challenges.add(authenticator.drawn);
    return connection;
  }

  /** Goes on with one of a snapshot; false: its id is in use here. */
  restore(
    saved: ConnectionSnapshot,
    { otherSecret, secret }: Pick<PeerSettings, "secret" | "otherSecret">,
    path: Path,
    now: number,
  ): boolean {
    const { authentication: { nonce }, initiator, localId } = saved;
    const { version } = saved.settings;
    if (this.registry.byId(version, localId)) return false;
    const settings = {
      ...saved.settings,
      ...(secret && { secret }),
      ...(otherSecret && { otherSecret }),
    };
    const authenticator = new Authenticator(settings, path.encap, this.#host.random, nonce);
    const handle = this.registry.nextHandle();
    const ids = { [version]: localId };
    const options = { handle, settings, ids, path, authenticator, initiator };
    const connection = new Connection(this.#host, options, now);
    connection.resume(saved, now);
    this.registry.add(connection);
    this.registry.meet(connection);
    this.settle(connection, now);
    return true;
  }

  /** A datagram is taken. @param more another one will be at once: what is owed for this one can wait for it */
  hold(more: boolean): void {
    this.#holding = more && this.#held < HOLD_LIMIT;
    this.#held++;
  }

  /** The datagram was taken. */
  release(now: number): void {
    if (!this.#holding) this.#acknowledge(now);
    this.#holding = false;
  }

  /** An old connection of the same peer and id is over once this one is up. */
  replace(old: Connection, by: Connection): void {
    if (!hasEnded(old.state)) this.#replaces.set(by, old);
  }

  /** When {@linkcode timeout} is wanted; perhaps too early, never too late. */
  deadline(): number | undefined {
    return this.#schedule.next();
  }

  /** Does what is due, for so many connections at `most`; {@linkcode deadline} is still in the past where more are. */
  timeout(now: number, most = Infinity): void {
    for (let done = 0; done < most; done++) {
      const due = this.#schedule.take(now);
      if (!due) return;
      due.timeout(now);
      this.settle(due, now);
    }
  }

  /** After every input: hand out what can be sent, and note when the connection is next due. */
  settle(connection: Connection, now: number): void {
    connection.flush(now, this.#holding);
    if (this.#holding) this.#owing.add(connection);
    this.registry.update(connection, now);
    if (connection.state !== "wait-ctl-conn") this.#decided(connection);
    if (connection.state === "established") this.#supersede(connection, now);
    const { challenge, finished, lastWord } = connection;
    if (challenge && (connection.proven || finished)) this.#host.challenges.delete(challenge);
    if (finished) {
      if (this.registry.get(connection.handle) !== connection) return;
      this.#schedule.delete(connection);
      this.registry.remove(connection, now);
      if (!lastWord) return;
      const { localId, path, settings } = connection;
      this.tombstones.add(settings.version, localId, path, lastWord, now);
    } else this.#schedule.set(connection, connection.deadline());
  }

  /** A peer that started anew has proved it: what it had before is over, and says nothing to an id that is the new one's. */
  #supersede(connection: Connection, now: number): void {
    const old = this.#replaces.get(connection);
    if (!old) return;
    this.#replaces.delete(connection);
    const result = {
      result: StopResult.Clear,
      error: ErrorCode.None,
      message: "the peer started anew",
    };
    old.discard({ by: "peer", result }, now);
    this.settle(old, now);
  }

  /** Sends the acknowledgements that were held back and that no message has carried since. */
  #acknowledge(now: number): void {
    this.#held = 0;
    for (const connection of this.#owing) {
      if (connection.state === "established") connection.flush(now);
    }
    this.#owing.clear();
  }

  /** Ids for a new connection: in both versions where it is open which one is spoken. Undefined: none is free. */
  #connectionIds(
    { version, fallback }: PeerSettings,
    { encap }: Path,
    initiator: boolean,
  ): ConnectionIds | undefined {
    const id = this.registry.allocateId(version);
    if (id === undefined) return undefined;
    if (version === 2 || !fallback || encap === "ip" || !initiator) return { [version]: id };
    const spare = this.registry.allocateId(2);
    return spare === undefined ? undefined : { 2: spare, 3: id };
  }
}
