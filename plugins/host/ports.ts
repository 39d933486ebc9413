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
import type { Life } from "./life.ts";

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
  const states = new WeakMap<Port, State>();
  const stateOf = (port: Port) => {
    const state = states.get(port);
    if (state) return state;
    throw new Failure("invalid", "this is no port of the host");
  };

  /** Work on ports, after all earlier work on any of them. */
  const inTurn = <T>(ports: readonly State[], work: () => Promise<T>): Promise<T> => {
    const turn = Promise.all(ports.map(({ busy }) => busy)).then(work);
    const settled = turn.then(() => {}, () => {});
    for (const port of ports) port.busy = settled;
    return turn;
  };
  const toReceiver = async ({ gone, id, joined, receiver }: State) => {
    if (receiver?.host !== undefined && !gone && !joined) {
      await datapath.crossConnect(id, receiver.host);
    }
  };
  const fromReceiver = async ({ gone, id, joined, receiver }: State) => {
    if (receiver?.host !== undefined && !gone && !joined) await datapath.disconnect(id);
  };

  const refuseUnjoinable = (a: State, b: State) => {
    for (const { gone, joined, name } of [a, b]) {
      if (gone) throw new Failure("unavailable", `${name} is gone`);
      if (joined) throw new Failure("in-use", `${name} is joined with ${joined.name} already`);
    }
    if (a === b) throw new Failure("invalid", `${a.name} cannot be joined with itself`);
    if (a.frames !== b.frames) {
      const message = `${a.name} has ${a.frames} frames, ${b.name} has ${b.frames}`;
      throw new Failure("invalid", message);
    }
  };

  const join = async (life: Life, a: State, b: State) => {
    refuseUnjoinable(a, b);
    const both = [a, b];
    for (const port of both) await fromReceiver(port);
    try {
      await datapath.crossConnect(a.id, b.id);
    } catch (error) {
      for (const port of both) await toReceiver(port);
      throw error;
    }
    [a.joined, b.joined] = [b, a];
    for (const port of both) port.users.add(life);
    const part = async () => {
      for (const port of both) {
        port.joined = undefined;
        port.users.delete(life);
      }
      if (!a.gone && !b.gone) await datapath.disconnect(a.id);
      for (const port of both) await toReceiver(port);
    };
    return { value: undefined, undo: () => inTurn(both, part) };
  };

  const listen = async (port: State, receiver: Receiver) => {
    if (port.gone) throw new Failure("unavailable", `${port.name} is gone`);
    const host = await datapath.addHostPort(port.frames, receiver.take);
    receiver.host = host;
    const stop = async () => {
      await fromReceiver(port);
      port.receiver = undefined;
      await datapath.removePort(host);
    };
    try {
      await toReceiver(port);
    } catch (error) {
      await stop();
      throw error;
    }
    const early = receiver.early.splice(0);
    if (early.length > 0 && !port.joined) datapath.inject(host, early);
    return { value: undefined, undo: () => inTurn([port], stop) };
  };

  return {
    make(name, id, frames, frameMtu) {
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
      const port: Port = {
        frames,
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
        statistics: () => state.gone ? Promise.resolve(undefined) : datapath.statistics(id),
      };
      states.set(port, state);
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
    },
    connect(life, a, b) {
      const [first, second] = [stateOf(a), stateOf(b)];
      return life.own(() => inTurn([first, second], () => join(life, first, second)));
    },
    receive(life, port, take) {
      life.refuseEnded();
      const state = stateOf(port);
      if (state.receiver) throw new Failure("in-use", `${state.name} has a receiver already`);
      const receiver: Receiver = {
        // Also while the life ends, until this is undone: a farewell may wait for its answer.
        take: (frames) => take(frames.map((bytes) => ({ bytes }))),
        host: undefined,
        early: [],
      };
      state.receiver = receiver;
      life.own(() => inTurn([state], () => listen(state, receiver))).catch((error) => {
        if (state.receiver === receiver) state.receiver = undefined;
        life.fail(asError(error));
      });
    },
  };
}
