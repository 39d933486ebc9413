/** The datapath of a test's world: ports, what they are joined with, and frames that go where the real one's would. @module */

import type { FrameType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type {
  DatapathLeaf,
  ForwarderId,
  ForwarderKind,
  ForwarderLeaf,
  ForwarderNews,
  PortId,
} from "../host/leaves.ts";
import type { TapOptions, VlanTranslation } from "../ports.ts";

/** A port of the world. */
export interface WorldPort {
  readonly frames: FrameType;
  readonly kind: "session" | "tap" | "host" | "pppoe" | "patch";
  /** The port that its frames go to: a cross-connect's other one, or its receiver's host port. */
  joined?: PortId | undefined;
  /** The forwarder that it is a member of. */
  forwarder?: ForwarderId | undefined;
  /** Its receiver's host port. */
  receiver?: PortId | undefined;
  /** What is held for the next join; undefined: nothing shall be. */
  held?: { readonly frames: Uint8Array[]; limit: number } | undefined;
  /** Takes frames that leave the datapath here: host ports only. */
  readonly receive?: (frames: readonly Uint8Array[]) => void;
  /** Frames that were sent out here. */
  readonly sent: Uint8Array[];
  /** Kilobits a second, and bytes at once. */
  limit?: { readonly rx: number; readonly tx: number; readonly burst: number };
  /** What it does with VLAN tags. */
  translation?: VlanTranslation | null;
  /** What no other has: PPPoE sessions only. */
  readonly whose?: string;
  /** The device: TAPs only. */
  readonly tap?: WorldTap;
}

/** A device of the world. */
export interface WorldTap {
  options: TapOptions;
  carrier: boolean;
  /** Sets it up or down (`ip link set`). */
  set(up: boolean): void;
  /** Makes the device vanish (`ip link del`). */
  vanish(): void;
}

/** A forwarder of the world: it forwards nothing, and keeps what enters it. */
export interface WorldForwarder {
  readonly kind: ForwarderKind;
  readonly ports: readonly PortId[];
  options: object;
  /** Its members, and their options. */
  readonly members: Map<PortId, object>;
  /** What came in at its members. */
  readonly entered: { readonly port: PortId; readonly frame: Uint8Array }[];
  /** What it was asked, but for its options. */
  readonly asked: { readonly question: string; readonly given: object }[];
  /** What the next question is answered. */
  answer: unknown;
  /** It tells what happened. */
  happen(event: ForwarderNews): void;
}

/** What a switch that knows nothing answers. */
const nothing: Readonly<Record<string, object>> = {
  figures: { stations: 0, ports: [] },
  fdb: { entries: [] },
};

/** What the world does before each operation: counts it, or refuses it. */
type Operate = (what: string) => Promise<void>;

/** Ports and forwarders. */
export class WorldDatapath {
  readonly ports = new Map<PortId, WorldPort>();
  readonly forwarders = new Map<ForwarderId, WorldForwarder>();
  readonly leaf: DatapathLeaf = this.#makeLeaf();
  readonly #trace: string[];
  readonly #nextId: () => number;
  readonly #operate: Operate;

  constructor(trace: string[], nextId: () => number, operate: Operate) {
    this.#trace = trace;
    this.#nextId = nextId;
    this.#operate = operate;
  }

  open(port: WorldPort): PortId {
    const id = this.#nextId() as PortId;
    this.ports.set(id, port);
    if (port.kind !== "session") this.#trace.push(`+${port.kind}`);
    return id;
  }

  close(id: PortId): void {
    const port = this.ports.get(id);
    if (!port) return;
    this.#part(id);
    this.ports.delete(id);
    for (const other of this.ports.values()) {
      if (other.receiver === id) other.receiver = undefined;
      if (other.joined === id) other.joined = undefined;
    }
    if (port.kind !== "session") this.#trace.push(`-${port.kind}`);
  }

  /** Frames come in at a port. */
  deliver(id: PortId, frames: readonly Uint8Array[]): void {
    const port = this.ports.get(id);
    if (!port) return;
    const { forwarder, held, joined = -1 as PortId } = port;
    if (held) {
      const room = held.limit - held.frames.length;
      held.frames.push(...frames.slice(0, room).map((frame) => frame.slice()));
    } else if (forwarder !== undefined) {
      const { entered } = this.forwarders.get(forwarder)!;
      entered.push(...frames.map((frame) => ({ port: id, frame: frame.slice() })));
    } else if (this.ports.get(joined)?.receive) this.ports.get(joined)!.receive!(frames);
    else this.ports.get(joined)?.sent.push(...frames.map((frame) => frame.slice()));
  }

  /** The forwarder of a port hands frames that came in there to its receiver. */
  punt(id: PortId, frames: readonly Uint8Array[]): void {
    this.ports.get(this.ports.get(id)?.receiver ?? -1 as PortId)?.receive?.(frames);
  }

  #makeLeaf(): DatapathLeaf {
    const { ports } = this;
    const hosts = new Map<PortId, PortId>();
    return {
      inject(id, frames) {
        ports.get(hosts.get(id) ?? -1 as PortId)?.sent.push(
          ...frames.map((frame) => frame.slice()),
        );
        return ports.has(id);
      },
      // deno-lint-ignore require-await
      removePort: async (id) => this.close(id),
      crossConnect: async (a, b) => {
        await this.#operate("crossConnect");
        const [portA, portB] = [this.#free(a), this.#free(b)];
        [portA.joined, portB.joined] = [b, a];
        this.#trace.push("+join");
        for (const id of [a, b]) this.#letGo(id);
      },
      // deno-lint-ignore require-await
      disconnect: async (a) => this.#part(a),
      addPppoe: async (port, _own, { mac, sessionId, vlans }) => {
        await this.#operate("addPppoe");
        this.#there(port);
        const whose = JSON.stringify({ port, mac, sessionId, vlans });
        if ([...ports.values()].some((other) => other.whose === whose)) {
          throw new Failure("in-use", "there is a PPPoE session of this peer, VLAN and id");
        }
        return this.open({ frames: "ppp", kind: "pppoe", sent: [], whose });
      },
      addReceiver: async (id, frames, receive) => {
        await this.#operate("addReceiver");
        const port = this.#there(id);
        const host = this.open({ frames, kind: "host", receive, sent: [] });
        hosts.set(host, id);
        port.receiver = host;
        this.#rest(port);
        return host;
      },
      hold: async (id, limit) => {
        await this.#operate("hold");
        const port = this.#free(id);
        if (port.held) port.held.limit = limit;
        else port.held = { frames: [], limit };
      },
      // deno-lint-ignore require-await
      holdFirst: async (id, frames) => {
        const { held } = this.#there(id);
        if (held) held.frames.unshift(...frames.map((frame) => frame.slice()));
        else this.deliver(id, frames);
      },
      // deno-lint-ignore require-await
      release: async (id) => this.#letGo(id),
      limit: (id, limit) => {
        this.#there(id).limit = limit;
        return Promise.resolve();
      },
      translate: (id, rule) => {
        this.#there(id).translation = rule;
        return Promise.resolve();
      },
      addPatch: async () => {
        await this.#operate("addPatch");
        const end = () => this.open({ frames: "ethernet", kind: "patch", sent: [] });
        return [end(), end()];
      },
      forwarders: this.#makeForwarders(),
      statistics: (id) =>
        Promise.resolve(ports.get(id)?.kind === "session" ? { "rx-packets": 0 } : undefined),
    };
  }

  #makeForwarders(): ForwarderLeaf {
    const there = (id: ForwarderId) => {
      const found = this.forwarders.get(id);
      if (!found) throw new Failure("unavailable", "no such forwarder");
      return found;
    };
    return {
      add: async (kind, ports, options, happen) => {
        await this.#operate(kind);
        const id = this.#nextId() as ForwarderId;
        const [members, entered, asked] = [new Map(), [], []];
        const made = { kind, ports, options, members, entered, asked, answer: null, happen };
        this.forwarders.set(id, made);
        this.#trace.push(`+${kind}`);
        return id;
      },
      change: async (id, options) => {
        await this.#operate("change");
        there(id).options = options;
      },
      // deno-lint-ignore require-await
      remove: async (id) => {
        for (const port of this.forwarders.get(id)?.members.keys() ?? []) this.#part(port);
        if (this.forwarders.has(id)) this.#trace.push(`-${there(id).kind}`);
        this.forwarders.delete(id);
      },
      join: async (id, port, options) => {
        await this.#operate("join");
        const forwarder = there(id);
        const member = this.#free(port);
        forwarder.members.set(port, options);
        [member.forwarder, member.joined] = [id, undefined];
        this.#trace.push("+join");
        this.#letGo(port);
      },
      changeMember: async (id, port, options) => {
        await this.#operate("changeMember");
        there(id).members.set(port, options);
      },
      // deno-lint-ignore require-await
      ask: async (id, question, given) => {
        there(id).asked.push({ question, given });
        return there(id).answer ?? nothing[question] ?? null;
      },
    };
  }

  #there(id: PortId): WorldPort {
    const port = this.ports.get(id);
    if (!port) throw new Failure("unavailable", "no such port");
    return port;
  }

  #free(id: PortId): WorldPort {
    const port = this.#there(id);
    const rests = port.joined === undefined || port.joined === port.receiver;
    if (!rests || port.forwarder !== undefined) {
      throw new Failure("in-use", "the port is joined already");
    }
    return port;
  }

  #rest(port: WorldPort): void {
    if (port.joined === undefined && port.forwarder === undefined) port.joined = port.receiver;
  }

  #letGo(id: PortId): void {
    const port = this.ports.get(id);
    const frames = port?.held?.frames ?? [];
    if (port) port.held = undefined;
    if (frames.length > 0) this.deliver(id, frames);
  }

  #part(id: PortId): void {
    const port = this.ports.get(id);
    if (!port || port.kind === "host") return;
    if (port.forwarder !== undefined) {
      this.forwarders.get(port.forwarder)?.members.delete(id);
      port.forwarder = undefined;
      this.#trace.push("-join");
    } else if (port.joined !== undefined && port.joined !== port.receiver) {
      const other = this.ports.get(port.joined);
      port.joined = undefined;
      if (other) {
        other.joined = undefined;
        this.#rest(other);
      }
      this.#trace.push("-join");
    }
    this.#rest(port);
  }
}
