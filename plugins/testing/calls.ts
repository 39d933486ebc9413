/** Calls that plugins place in a test's world, and circuits that they attach ports to: what the far ends do, the test does. @module */

import { frameTypeOf, type PseudowireType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type { HostedCircuit } from "../host/circuit.ts";
import type { PluginHost } from "../host/host.ts";
import type {
  AttachedChannel,
  Leaves,
  PlacedLeaf,
  PlaceEvents,
  PortId,
  SessionFacts,
} from "../host/leaves.ts";
import type {
  CallAvps,
  CallEnd,
  CallMessage,
  Channel,
  PlaceOptions,
  Refusal,
  Target,
} from "../session.ts";
import type { WorldDatapath } from "./datapath.ts";

/** A call that a plugin placed: its far end. */
export interface WorldCall {
  readonly target: Target;
  readonly say: CallAvps;
  readonly request: "ICRQ" | "OCRQ";
  /** The session's port, once the peer agreed. */
  readonly port: PortId | undefined;
  /** What `proceed` said, once it was called. */
  readonly proceeded: CallAvps | undefined;
  /** What its SLI and WEN said. */
  readonly told: { readonly message: CallMessage; readonly said: CallAvps }[];
  /** What its placer said of its carrier, each time. */
  readonly carriers: readonly boolean[];
  /** Why our side ended it, once it did. */
  readonly ended: CallEnd | undefined;
  /** The peer agrees (ICRP, OCRP). */
  agree(said?: CallAvps, hostName?: string): void;
  /** The peer refuses, or there is no tunnel to it. */
  refuse(why: CallEnd, noTunnel?: boolean): void;
  /** The peer says more (OCCN, SLI, WEN). */
  hear(message: CallMessage, said: CallAvps): void;
  /** The peer ends it, or its tunnel ends: `lost`. */
  end(why: CallEnd, lost?: boolean): void;
}

/** What calls and circuits of a world need of it. */
export interface CallsWorld {
  readonly datapath: WorldDatapath;
  readonly trace: string[];
  readonly calls: WorldCall[];
  readonly circuits: ReadonlyMap<string, HostedCircuit>;
  /** Called with each new call; where it does nothing, the peer agrees in its time. */
  readonly placed: ((call: WorldCall) => void) | undefined;
  /** Resolved when the tunnel of all calls is gone. */
  readonly tunnelGone: PromiseWithResolvers<void>;
  host(): PluginHost;
  nextId(): number;
  operate(what: string): Promise<void>;
}

/** The leaves. */
export function callLeaves(world: CallsWorld): Pick<Leaves, "place" | "attachTo"> {
  return {
    async place(target, say, options, signal) {
      await world.operate("place");
      const call = new OwnCall(world, target, say, options);
      world.calls.push(call);
      world.trace.push("+call");
      const calledOff = () => call.finish({ result: 3, message: "it was called off" });
      signal.addEventListener("abort", calledOff);
      if (signal.aborted) calledOff();
      else world.placed?.(call);
      return await call.answer.promise;
    },
    async attachTo(name, channel, ended, signal): Promise<AttachedChannel | Refusal> {
      await world.operate("attachTo");
      const circuit = world.circuits.get(name);
      if (!circuit) throw new Failure("invalid", `there is no circuit ${name}`);
      return await circuit.attach(factsOf(world, channel), channel.options ?? {}, ended, signal);
    },
  };
}

function factsOf(world: CallsWorld, { options: _, ...channel }: Channel): SessionFacts {
  return {
    id: `channel-${world.nextId()}`,
    ...channel,
    up: true,
    connected: () => Promise.resolve(channel.said),
    tell: () => {},
    carrier: () => {},
  };
}

class OwnCall implements WorldCall {
  readonly target: Target;
  readonly say: CallAvps;
  readonly request: "ICRQ" | "OCRQ";
  readonly told: { message: CallMessage; said: CallAvps }[] = [];
  readonly carriers: boolean[] = [];
  readonly answer = Promise.withResolvers<PlacedLeaf | Refusal>();
  port: PortId | undefined;
  proceeded: CallAvps | undefined;
  ended: CallEnd | undefined;
  readonly #world: CallsWorld;
  readonly #options: PlaceEvents & Pick<PlaceOptions, "pseudowireType" | "request">;
  readonly #connected = Promise.withResolvers<CallAvps>();
  readonly #tunnelGone: PromiseWithResolvers<void>;
  #said: CallAvps = {};
  #over = false;
  #endPort = () => {};

  constructor(
    world: CallsWorld,
    target: Target,
    say: CallAvps,
    options: PlaceEvents & Pick<PlaceOptions, "pseudowireType" | "request">,
  ) {
    this.#world = world;
    this.#options = options;
    this.target = target;
    this.say = say;
    this.request = options.request ?? "ICRQ";
    this.#connected.promise.catch(() => {});
    this.#tunnelGone = world.tunnelGone;
  }

  agree(said: CallAvps = {}, hostName = "far"): void {
    const { datapath, host, nextId } = this.#world;
    this.#said = said;
    const { pseudowireType } = this.#options;
    const name = `far/call-${nextId()}`;
    const frames = frameTypeOf(pseudowireType as PseudowireType);
    const id = datapath.open({ frames, kind: "session", sent: [] });
    this.port = id;
    const owned = host().port(`session ${name}`, id, frames, () => 1460);
    const { port } = owned;
    this.#endPort = () => {
      owned.end();
      datapath.close(id);
    };
    const says = () => this.#said;
    const facts: SessionFacts = {
      id: name,
      name,
      pseudowireType,
      request: this.request,
      serial: 77,
      tunnel: {
        name: "far",
        version: 2,
        peer: "10.77.0.9",
        local: "10.77.0.1",
        gone: this.#tunnelGone.promise,
        hostName,
        localHostName: "us",
        peerName: "far",
      },
      get said() {
        return says();
      },
      port,
      up: true,
      connected: () => this.#connected.promise,
      tell: (message, said) => void this.told.push({ message, said }),
      carrier: (up) => void this.carriers.push(up),
    };
    this.answer.resolve({
      facts,
      proceed: (say) => this.#proceed(say),
      // deno-lint-ignore require-await
      end: async (why) => this.finish(why),
    });
  }

  refuse(why: CallEnd, noTunnel = false): void {
    this.#over = true;
    this.#world.trace.push("-call");
    this.answer.resolve({ refuse: why, ...(noTunnel && { noTunnel }) });
  }

  hear(message: CallMessage, said: CallAvps): void {
    this.#said = { ...this.#said, ...said };
    if (message === "OCCN") this.#connected.resolve(this.#said);
    this.#options.heard(message, said);
  }

  end(why: CallEnd, lost = false): void {
    if (this.#over) return;
    this.ended = why;
    this.#options.ended(why, lost);
    this.#close();
  }

  /** Our side ends it. */
  finish(why: CallEnd): void {
    if (this.#over) return;
    this.ended = why;
    this.answer.resolve({ refuse: why });
    this.#close();
  }

  get over(): boolean {
    return this.#over;
  }

  // deno-lint-ignore require-await
  async #proceed(say: CallAvps): Promise<Refusal | undefined> {
    if (this.#over) return { refuse: this.ended ?? { result: 1 } };
    this.proceeded = say;
    if (this.request === "ICRQ") this.#connected.resolve(this.#said);
    return undefined;
  }

  #close(): void {
    this.#over = true;
    this.#connected.reject(new Failure("unavailable", "the call has ended"));
    this.#endPort();
    this.#world.trace.push("-call");
  }
}

/** Calls that are not over. */
export function openCalls(calls: readonly WorldCall[]): number {
  return calls.filter((call) => call instanceof OwnCall && !call.over).length;
}
