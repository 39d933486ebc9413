/**
 * Ports as plugins have them, on those of the datapath: who is joined with whom, who takes the frames of a port that is
 * joined with nobody, what is held for the next join, and who breaks when a port goes.
 *
 * @module
 */

import type { FrameType } from "../../core/pseudowire.ts";
import { asError, Failure } from "../failure.ts";
import type { Port, PortRate, PuntedFrame, Statistics, VlanTranslation } from "../ports.ts";
import type { DatapathLeaf, Leaves, PortId } from "./leaves.ts";
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
  /** {@linkcode Scope.hold}. */
  hold(life: Life, port: Port, frames: number): void;
  /**
   * Gives a port that is joined to no other to `to`, for as long as the life lasts; what is held goes on first.
   */
  join(life: Life, port: Port, to: JoinTarget): Promise<void>;
  /** A port that is joined to no other is taken by a forwarder that has it from the start. */
  use(life: Life, port: Port, name: string): Promise<void>;
  /** What the datapath calls a port. @throws {Failure} */
  idOf(port: Port): PortId;
}

/** What a port is joined to. */
export interface JoinTarget {
  /** For messages. */
  readonly name: string;
  readonly frames: FrameType;
  /** Joins it in the datapath. */
  join(port: PortId): Promise<void>;
  /** The port was parted, or is gone. */
  parted(port: PortId): void;
}

/** Who takes a port's frames: also while its life ends, until that is undone: a farewell may wait for its answer. */
class Receiver {
  readonly #take: (batch: readonly PuntedFrame[]) => void;
  /** The datapath's end of it, once it is there. */
  host: PortId | undefined;
  /** What was sent before that. */
  early: Uint8Array[] | undefined;

  constructor(take: (batch: readonly PuntedFrame[]) => void) {
    this.#take = take;
  }

  take(frames: readonly Uint8Array[]): void {
    this.#take(frames.map((bytes) => ({ bytes })));
  }
}

/** What is kept of a port's frames here: those that were on their way to its receiver when holding began. */
interface Holding {
  readonly limit: number;
  readonly frames: Uint8Array[];
  /** The port was joined. */
  over: boolean;
}

/** How many frames may be sent before the datapath is ready for them. */
const MAX_EARLY = 64;

/** A port's life. */
class State implements OwnedPort {
  readonly name: string;
  readonly id: PortId;
  readonly frames: FrameType;
  readonly port: HostPort;
  /** The last work on this port; works of one port follow each other. */
  busy: Promise<unknown> = IDLE;
  /** What it is joined with, and whom its end breaks for that. */
  joined: Joined | undefined;
  receiver: Receiver | undefined;
  holding: Holding | undefined;
  rate: Required<PortRate> = UNLIMITED;
  gone = false;
  /** Who builds upon it, though not joined. */
  users: Set<Life> | undefined;

  constructor(
    ports: HostPorts,
    name: string,
    id: PortId,
    frames: FrameType,
    frameMtu: () => number,
  ) {
    this.name = name;
    this.id = id;
    this.frames = frames;
    this.port = new HostPort(this, ports, frameMtu);
  }

  end(): void {
    if (this.gone) return;
    this.gone = true;
    for (const life of [...this.users ?? [], ...this.joined ? [this.joined.life] : []]) {
      life.fail(new Failure("unavailable", `${this.name} is gone`));
    }
  }
}

interface Joined {
  readonly name: string;
  readonly punts: boolean;
  readonly life: Life;
}

const IDLE = Promise.resolve();
const UNLIMITED: Required<PortRate> = { in: null, out: null, burst: 0 };

/** A port as plugins have it; those who open devices add to it. */
class HostPort implements Port {
  readonly frames: FrameType;
  readonly #state: State;
  readonly #ports: HostPorts;
  readonly #frameMtu: () => number;

  constructor(state: State, ports: HostPorts, frameMtu: () => number) {
    this.frames = state.frames;
    this.#state = state;
    this.#ports = ports;
    this.#frameMtu = frameMtu;
  }

  /** What the host knows of a port. @throws {Failure} */
  static stateOf(port: Port): State {
    if (#state in port) return port.#state;
    throw new Failure("invalid", "this is no port of the host");
  }

  get frameMtu(): number {
    return this.#frameMtu();
  }

  send(batch: readonly Uint8Array[]): number {
    return this.#ports.send(this.#state, batch);
  }

  limit(rate: PortRate): void {
    this.#ports.limit(this.#state, rate);
  }

  translate(rule: VlanTranslation | null): void {
    this.#ports.translate(this.#state, rule);
  }

  statistics(): Promise<Statistics | undefined> {
    return this.#ports.statistics(this.#state);
  }
}

export function makePorts(leaves: Pick<Leaves, "datapath" | "log">): Ports {
  return new HostPorts(leaves);
}

class HostPorts implements Ports {
  readonly #datapath: DatapathLeaf;
  readonly #log: Leaves["log"];

  constructor({ datapath, log }: Pick<Leaves, "datapath" | "log">) {
    this.#datapath = datapath;
    this.#log = log;
  }

  make(name: string, id: PortId, frames: FrameType, frameMtu: () => number): OwnedPort {
    return new State(this, name, id, frames, frameMtu);
  }

  idOf(port: Port): PortId {
    return HostPort.stateOf(port).id;
  }

  connect(life: Life, a: Port, b: Port): Promise<void> {
    const [first, second] = [HostPort.stateOf(a), HostPort.stateOf(b)];
    return life.own(() => inTurn([first, second], () => this.#connect(life, first, second)));
  }

  join(life: Life, port: Port, to: JoinTarget): Promise<void> {
    const state = HostPort.stateOf(port);
    return life.own(() => inTurn([state], () => this.#join(life, state, to)));
  }

  use(life: Life, port: Port, name: string): Promise<void> {
    const state = HostPort.stateOf(port);
    // deno-lint-ignore require-await
    return life.own(async () => {
      refuseJoined(state);
      state.joined = { name, punts: true, life };
      return { value: undefined, undo: () => state.joined = undefined };
    });
  }

  uses(life: Life, port: Port): { readonly id: PortId; done(): void } {
    const state = HostPort.stateOf(port);
    if (state.gone) throw new Failure("unavailable", `${state.name} is gone`);
    const users = state.users ??= new Set();
    users.add(life);
    return { id: state.id, done: () => void users.delete(life) };
  }

  receive(life: Life, port: Port, take: (batch: readonly PuntedFrame[]) => void): void {
    life.refuseEnded();
    const state = HostPort.stateOf(port);
    if (state.receiver) throw new Failure("in-use", `${state.name} has a receiver already`);
    const receiver = new Receiver(take);
    state.receiver = receiver;
    life.own(() => inTurn([state], () => this.#listen(state, receiver))).catch((error) => {
      if (state.receiver === receiver) state.receiver = undefined;
      life.fail(asError(error));
    });
  }

  hold(life: Life, port: Port, frames: number): void {
    life.refuseEnded();
    const state = HostPort.stateOf(port);
    refuseJoined(state);
    if (!Number.isInteger(frames) || frames < 1 || frames > 1024) {
      throw new Failure("invalid", `${state.name} may hold 1 to 1024 frames, not ${frames}`);
    }
    if (state.holding) throw new Failure("in-use", `${state.name} holds frames already`);
    const holding: Holding = { limit: frames, frames: [], over: false };
    state.holding = holding;
    life.own(() => inTurn([state], () => this.#hold(state, holding))).catch((error) => {
      if (state.holding === holding) state.holding = undefined;
      life.fail(asError(error));
    });
  }

  send({ gone, receiver }: State, batch: readonly Uint8Array[]): number {
    if (batch.length === 0 || !receiver || gone) return 0;
    if (receiver.host !== undefined) {
      return this.#datapath.inject(receiver.host, batch) ? batch.length : 0;
    }
    receiver.early ??= [];
    const taken = batch.slice(0, MAX_EARLY - receiver.early.length);
    receiver.early.push(...taken.map((frame) => frame.slice()));
    return taken.length;
  }

  statistics({ gone, id }: State): Promise<Statistics | undefined> {
    return gone ? Promise.resolve(undefined) : this.#datapath.statistics(id);
  }

  limit(state: State, rate: PortRate): void {
    state.rate = { ...state.rate, ...rate };
    const [rx, tx] = [kilobits(state, state.rate.in), kilobits(state, state.rate.out)];
    const burst = state.rate.burst || Math.max(16_384, Math.round(Math.max(rx, tx) * 100 / 8));
    if (state.gone) return;
    this.#datapath.limit(state.id, { rx, tx, burst }).catch((error) => {
      if (state.gone) return;
      this.#log.error("cannot limit a port", { port: state.name, error: asError(error).message });
    });
  }

  translate(state: State, rule: VlanTranslation | null): void {
    const { gone, id, name } = state;
    const vids = [...rule?.pop ?? [], ...rule?.push ?? []];
    const few = (rule?.pop.length ?? 0) <= 2 && (rule?.push.length ?? 0) <= 2;
    if (!few || vids.some((vid) => !Number.isInteger(vid) || vid < 0 || vid > 4095)) {
      throw new Failure("invalid", `${name} translates at most two tags, of VLANs 0 to 4095`);
    }
    if (state.frames !== "ethernet") {
      throw new Failure("invalid", `${name} has ${state.frames} frames, which have no VLAN tags`);
    }
    if (gone) return;
    this.#datapath.translate(id, rule).catch((error) => {
      if (state.gone) return;
      this.#log.error("cannot translate VLANs", { port: name, error: asError(error).message });
    });
  }

  async #connect(life: Life, a: State, b: State): Promise<Had<void>> {
    refuseUnjoinable(a, b);
    const both = [a, b];
    await Promise.all([
      ...both.flatMap((port) => this.#kept(port)),
      this.#datapath.crossConnect(a.id, b.id),
    ]);
    for (const [port, other] of [[a, b], [b, a]] as const) {
      port.joined = { name: other.name, punts: false, life };
      this.#goesOn(port);
    }
    const part = async () => {
      for (const port of both) port.joined = undefined;
      if (!a.gone && !b.gone) await this.#datapath.disconnect(a.id);
    };
    return { value: undefined, undo: () => inTurn(both, part) };
  }

  async #join(life: Life, port: State, to: JoinTarget): Promise<Had<void>> {
    refuseJoined(port);
    if (port.frames !== to.frames) {
      const message = `${port.name} has ${port.frames} frames, ${to.name} takes ${to.frames}`;
      throw new Failure("invalid", message);
    }
    await Promise.all([...this.#kept(port), to.join(port.id)]);
    port.joined = { name: to.name, punts: true, life };
    this.#goesOn(port);
    const part = async () => {
      port.joined = undefined;
      to.parted(port.id);
      if (!port.gone) await this.#datapath.disconnect(port.id);
    };
    return { value: undefined, undo: () => inTurn([port], part) };
  }

  async #hold(port: State, holding: Holding): Promise<Had<void>> {
    if (port.gone) throw new Failure("unavailable", `${port.name} is gone`);
    await this.#datapath.hold(port.id, holding.limit);
    const letGo = async () => {
      if (holding.over) return;
      if (port.holding === holding) port.holding = undefined;
      if (holding.frames.length > 0) port.receiver?.take(holding.frames);
      if (!port.gone) await this.#datapath.release(port.id);
    };
    return { value: undefined, undo: () => inTurn([port], letGo) };
  }

  /** Hands what was kept here to the datapath, before what it holds itself. */
  #kept({ holding, id }: State): Promise<void>[] {
    const frames = holding?.frames.splice(0) ?? [];
    return frames.length > 0 ? [this.#datapath.holdFirst(id, frames)] : [];
  }

  /** A port was joined: nothing is held any more. */
  #goesOn(port: State): void {
    const late = port.holding?.frames ?? [];
    if (port.holding) port.holding.over = true;
    port.holding = undefined;
    if (late.length > 0) this.#reenter(port, late);
  }

  /** Frames that were on their way to the receiver when their port was joined go where it leads now. */
  #reenter({ gone, id }: State, frames: readonly Uint8Array[]): void {
    if (!gone) this.#datapath.holdFirst(id, frames).catch(() => {});
  }

  #take(port: State, receiver: Receiver, frames: readonly Uint8Array[]): void {
    const { holding, joined } = port;
    if (holding) {
      const room = holding.limit - holding.frames.length;
      holding.frames.push(...frames.slice(0, room).map((frame) => frame.slice()));
    } else if (joined && !joined.punts) this.#reenter(port, frames);
    else receiver.take(frames);
  }

  async #listen(port: State, receiver: Receiver): Promise<Had<void>> {
    if (port.gone) throw new Failure("unavailable", `${port.name} is gone`);
    const host = await this.#datapath.addReceiver(
      port.id,
      port.frames,
      (frames) => this.#take(port, receiver, frames),
    );
    receiver.host = host;
    const stop = async () => {
      port.receiver = undefined;
      await this.#datapath.removePort(host);
    };
    if (receiver.early) this.#datapath.inject(host, receiver.early);
    receiver.early = undefined;
    return { value: undefined, undo: () => inTurn([port], stop) };
  }
}

const NOTHING = () => {};

/** Work on ports, after all earlier work on any of them. */
function inTurn<T>(ports: readonly State[], work: () => Promise<T>): Promise<T> {
  const [first] = ports;
  const before = ports.length === 1 ? first!.busy : Promise.all(ports.map(({ busy }) => busy));
  const turn = before.then(work);
  const settled = turn.then(NOTHING, NOTHING);
  for (const port of ports) port.busy = settled;
  return turn;
}

function refuseJoined({ gone, joined, name }: State): void {
  if (gone) throw new Failure("unavailable", `${name} is gone`);
  if (joined) throw new Failure("in-use", `${name} is joined with ${joined.name} already`);
}

function refuseUnjoinable(a: State, b: State): void {
  for (const port of [a, b]) refuseJoined(port);
  if (a === b) throw new Failure("invalid", `${a.name} cannot be joined with itself`);
  if (a.frames !== b.frames) {
    const message = `${a.name} has ${a.frames} frames, ${b.name} has ${b.frames}`;
    throw new Failure("invalid", message);
  }
}

/** A rate as the datapath has it. @throws {Failure} */
function kilobits({ name }: State, bits: number | null): number {
  if (bits === null) return 0;
  if (!(bits > 0)) throw new Failure("invalid", `${bits} bits a second is no rate for ${name}`);
  return Math.min(0xffff_ffff, Math.max(1, Math.round(bits / 1000)));
}
