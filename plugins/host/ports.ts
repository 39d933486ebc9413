/**
 * Ports as plugins have them, on those of the datapath: who is joined with whom, who takes the frames of a port that is
 * joined with nobody, and who breaks when a port goes.
 *
 * @module
 */

import type { FrameType } from "../../core/pseudowire.ts";
import { asError, Failure } from "../failure.ts";
import type { Port, PuntedFrame } from "../ports.ts";
import type { DatapathLeaf, PortId } from "./leaves.ts";
import type { Had, Life } from "./life.ts";

/** A port, and its end. */
export interface OwnedPort {
  readonly port: Port;
  /** The port goes: whoever joined it breaks. Its removal from the datapath is the caller's. */
  end(): void;
}

/** All ports of a host. */
export interface Ports {
  /** @param name for messages (`TAP office0`) */
  make(name: string, id: PortId, frames: FrameType, frameMtu: () => number): OwnedPort;
  /** {@linkcode Scope.connect}. */
  connect(life: Life, a: Port, b: Port): Promise<void>;
  /** The datapath's number of a port that a life builds upon: where the port goes, the life fails. @throws {Failure} */
  uses(life: Life, port: Port): { readonly id: PortId; done(): void };
  /** {@linkcode Scope.receive}. */
  receive(life: Life, port: Port, take: (batch: readonly PuntedFrame[]) => void): void;
}

interface Receiver {
  take(frames: readonly Uint8Array[]): void;
  /** The datapath's end of it, once it is there. */
  host: PortId | undefined;
  /** What was sent before that. */
  readonly early: Uint8Array[];
}

/** How many frames may be sent before the datapath is ready for them. */
const MAX_EARLY = 64;

interface State {
  readonly name: string;
  readonly id: PortId;
  readonly frames: FrameType;
  /** The last work on this port; works of one port follow each other. */
  busy: Promise<unknown>;
  joined: State | undefined;
  receiver: Receiver | undefined;
  gone: boolean;
  /** Whom its end breaks. */
  readonly users: Set<Life>;
}

export function makePorts(datapath: DatapathLeaf): Ports {
  return new HostPorts(datapath);
}

class HostPorts implements Ports {
  readonly #datapath: DatapathLeaf;
  readonly #states = new WeakMap<Port, State>();

  constructor(datapath: DatapathLeaf) {
    this.#datapath = datapath;
  }

  make(name: string, id: PortId, frames: FrameType, frameMtu: () => number): OwnedPort {
    const state: State = {
      name,
      id,
      frames,
      busy: Promise.resolve(),
      joined: undefined,
      receiver: undefined,
      gone: false,
      users: new Set(),
    };
    const port = this.#portOf(state, frameMtu);
    this.#states.set(port, state);
    return {
      port,
      end() {
        if (state.gone) return;
        state.gone = true;
        for (const life of state.users) {
          life.fail(new Failure("unavailable", `${name} is gone`));
        }
      },
    };
  }

  connect(life: Life, a: Port, b: Port): Promise<void> {
    const [first, second] = [this.#stateOf(a), this.#stateOf(b)];
    return life.own(() => inTurn([first, second], () => this.#join(life, first, second)));
  }

  uses(life: Life, port: Port): { readonly id: PortId; done(): void } {
    const { gone, id, name, users } = this.#stateOf(port);
    if (gone) throw new Failure("unavailable", `${name} is gone`);
    users.add(life);
    return { id, done: () => void users.delete(life) };
  }

  receive(life: Life, port: Port, take: (batch: readonly PuntedFrame[]) => void): void {
    life.refuseEnded();
    const state = this.#stateOf(port);
    if (state.receiver) throw new Failure("in-use", `${state.name} has a receiver already`);
    const receiver: Receiver = {
      // Also while the life ends, until this is undone: a farewell may wait for its answer.
      take: (frames) => take(frames.map((bytes) => ({ bytes }))),
      host: undefined,
      early: [],
    };
    state.receiver = receiver;
    life.own(() => inTurn([state], () => this.#listen(state, receiver))).catch((error) => {
      if (state.receiver === receiver) state.receiver = undefined;
      life.fail(asError(error));
    });
  }

  #stateOf(port: Port): State {
    const state = this.#states.get(port);
    if (state) return state;
    throw new Failure("invalid", "this is no port of the host");
  }

  #portOf(state: State, frameMtu: () => number): Port {
    const datapath = this.#datapath;
    return {
      frames: state.frames,
      get frameMtu() {
        return frameMtu();
      },
      send(batch) {
        const { gone, joined, receiver } = state;
        if (batch.length === 0 || !receiver || joined || gone) return 0;
        if (receiver.host !== undefined) {
          return datapath.inject(receiver.host, batch) ? batch.length : 0;
        }
        const taken = batch.slice(0, MAX_EARLY - receiver.early.length);
        receiver.early.push(...taken.map((frame) => frame.slice()));
        return taken.length;
      },
      limit() {
        throw new Failure("invalid", "limiting a port is not built yet");
      },
      translate() {
        throw new Failure("invalid", "translating VLANs is not built yet");
      },
      statistics: () => state.gone ? Promise.resolve(undefined) : datapath.statistics(state.id),
    };
  }

  async #join(life: Life, a: State, b: State): Promise<Had<void>> {
    refuseUnjoinable(a, b);
    const both = [a, b];
    for (const port of both) await this.#fromReceiver(port);
    try {
      await this.#datapath.crossConnect(a.id, b.id);
    } catch (error) {
      for (const port of both) await this.#toReceiver(port);
      throw error;
    }
    [a.joined, b.joined] = [b, a];
    for (const port of both) port.users.add(life);
    const part = async () => {
      for (const port of both) {
        port.joined = undefined;
        port.users.delete(life);
      }
      if (!a.gone && !b.gone) await this.#datapath.disconnect(a.id);
      for (const port of both) await this.#toReceiver(port);
    };
    return { value: undefined, undo: () => inTurn(both, part) };
  }

  async #listen(port: State, receiver: Receiver): Promise<Had<void>> {
    if (port.gone) throw new Failure("unavailable", `${port.name} is gone`);
    const host = await this.#datapath.addHostPort(port.frames, receiver.take);
    receiver.host = host;
    const stop = async () => {
      await this.#fromReceiver(port);
      port.receiver = undefined;
      await this.#datapath.removePort(host);
    };
    try {
      await this.#toReceiver(port);
    } catch (error) {
      await stop();
      throw error;
    }
    const early = receiver.early.splice(0);
    if (early.length > 0 && !port.joined) this.#datapath.inject(host, early);
    return { value: undefined, undo: () => inTurn([port], stop) };
  }

  async #toReceiver({ gone, id, joined, receiver }: State): Promise<void> {
    if (receiver?.host !== undefined && !gone && !joined) {
      await this.#datapath.crossConnect(id, receiver.host);
    }
  }

  async #fromReceiver({ gone, id, joined, receiver }: State): Promise<void> {
    if (receiver?.host !== undefined && !gone && !joined) await this.#datapath.disconnect(id);
  }
}

/** Work on ports, after all earlier work on any of them. */
function inTurn<T>(ports: readonly State[], work: () => Promise<T>): Promise<T> {
  const turn = Promise.all(ports.map(({ busy }) => busy)).then(work);
  const settled = turn.then(() => {}, () => {});
  for (const port of ports) port.busy = settled;
  return turn;
}

function refuseUnjoinable(a: State, b: State): void {
  for (const { gone, joined, name } of [a, b]) {
    if (gone) throw new Failure("unavailable", `${name} is gone`);
    if (joined) throw new Failure("in-use", `${name} is joined with ${joined.name} already`);
  }
  if (a === b) throw new Failure("invalid", `${a.name} cannot be joined with itself`);
  if (a.frames !== b.frames) {
    const message = `${a.name} has ${a.frames} frames, ${b.name} has ${b.frames}`;
    throw new Failure("invalid", message);
  }
}
