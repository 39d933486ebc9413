/** The calls of one connection, by all that one can be looked for: our session id, the peer's, and v3's name. @module */

import type { Call, CallRole } from "./call.ts";
import { dialects } from "./dialect.ts";
import { IdPool } from "./ids_pool.ts";
import type { CallParameters, PeerSettings } from "./settings.ts";
import type { CallSnapshot } from "./snapshot.ts";

/** Where session ids and tie breakers come from. */
export interface CallTableHost {
  random(length: number): Uint8Array;
  /** v3's session ids are the LCCE's. @param narrow One that would do in v2 as well. */
  allocateSessionId(narrow: boolean): number | undefined;
  releaseSessionId(id: number, now: number): void;
  /** Takes an id that was given out before; false: it is in use. */
  claimSessionId(id: number): boolean;
}

export class CallTable {
  #settings: PeerSettings;
  readonly #host: CallTableHost;
  /** The version may still become 2: ids must be such as it can carry. */
  readonly #narrow: boolean;
  readonly #calls = new Map<number, Call>();
  readonly #byRemoteId = new Map<number, Call>();
  /** v3: calls of ours that are not up yet, by name: what a request of the peer may tie with. */
  readonly #requested = new Map<string, Call>();
  /** v2: session ids are the tunnel's own (RFC 2661 §3.1). */
  readonly #ids: IdPool;
  /** Call Serial Number of the last call. */
  serial = 0;

  constructor(settings: PeerSettings, host: CallTableHost, narrow: boolean) {
    this.#settings = settings;
    this.#host = host;
    this.#narrow = narrow;
    this.#ids = new IdPool(2, (length) => host.random(length));
  }

  get size(): number {
    return this.#calls.size;
  }

  get(localId: number): Call | undefined {
    return this.#calls.get(localId);
  }

  /** The call that the peer knows by an id of its own. */
  byRemoteId(remoteId: number): Call | undefined {
    return this.#byRemoteId.get(remoteId);
  }

  /** v3: the call of ours by a name that is not up yet. */
  requested(name: string): Call | undefined {
    return this.#requested.get(name);
  }

  values(): IterableIterator<Call> {
    return this.#calls.values();
  }

  /** A new call, ours where it has parameters; undefined where no session id is free. */
  create(role: CallRole, parameters: CallParameters | undefined): Call | undefined {
    const { version, tieBreaker } = this.#settings;
    const localId = this.allocateId();
    if (localId === undefined) return undefined;
    const call: Call = {
      role,
      localId,
      serial: ++this.serial,
      tieBreaker: version === 3 && tieBreaker && parameters ? this.#host.random(8) : undefined,
      parameters,
      toldActive: false,
      state: "idle",
      remoteId: 0,
      peer: dialects[version].learn(undefined, {}),
      said: {},
      deadline: undefined,
    };
    this.#calls.set(localId, call);
    if (version === 3 && parameters) this.#requested.set(parameters.name, call);
    return call;
  }

  /** Enters a call that is up already; undefined where one of its ids is another's. */
  adopt(saved: CallSnapshot): Call | undefined {
    const { localId, remoteId } = saved;
    if (this.#calls.has(localId) || this.#byRemoteId.has(remoteId)) return undefined;
    if (this.#settings.version === 3 && !this.#host.claimSessionId(localId)) return undefined;
    const call: Call = {
      ...saved,
      tieBreaker: undefined,
      state: "established",
      deadline: undefined,
    };
    this.#calls.set(localId, call);
    this.#byRemoteId.set(remoteId, call);
    return call;
  }

  /** Notes the peer's id of a call. False: another call has it. */
  meet(call: Call, remoteId: number): boolean {
    if (this.#byRemoteId.has(remoteId)) return false;
    call.remoteId = remoteId;
    this.#byRemoteId.set(remoteId, call);
    return true;
  }

  /** A call is up, or ended: no request of the peer ties with it any more. */
  decided(call: Call): void {
    const name = call.parameters?.name;
    if (name !== undefined && this.#requested.get(name) === call) this.#requested.delete(name);
  }

  remove(call: Call, now: number): void {
    this.#calls.delete(call.localId);
    if (this.#byRemoteId.get(call.remoteId) === call) this.#byRemoteId.delete(call.remoteId);
    this.releaseId(call.localId, now);
  }

  /** From here on in v2: ids that were given out are the LCCE's no more, but the connection's. */
  fallBack(settings: PeerSettings, now: number): void {
    for (const id of this.#calls.keys()) this.releaseId(id, now);
    this.#settings = settings;
    this.#requested.clear();
  }

  /** A session id that no call has; undefined where all are in use. */
  allocateId(): number | undefined {
    if (this.#settings.version === 3) return this.#host.allocateSessionId(this.#narrow);
    return this.#ids.allocate(this.#calls);
  }

  /** A session id to name in the refusal of a call that never was: a free one, if there is any. */
  idToRefuseWith(now: number): number {
    const id = this.allocateId();
    if (id !== undefined) this.releaseId(id, now);
    return id ?? this.#ids.any();
  }

  releaseId(id: number, now: number): void {
    if (this.#settings.version === 3) this.#host.releaseSessionId(id, now);
    else this.#ids.release(id, now);
  }
}
