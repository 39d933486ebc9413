/** A circuit in the hands of one session: attached to it, told of it, and let go of. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import { CdnResult } from "../../core/errors.ts";
import { isDeepStrictEqual } from "node:util";
import { Failure } from "../../plugins/failure.ts";
import type { Attached } from "../../plugins/host/attachment.ts";
import type { HostedCircuit } from "../../plugins/host/circuit.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import type { Attachment, Plugin, Row } from "../../plugins/plugin.ts";
import { isRefusal } from "../../plugins/session.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import type { CircuitConfig } from "../config/model.ts";
import { type CircuitSession, type LiveSession, liveSession } from "./live_session.ts";

export type { CallFacts, CircuitSession } from "./live_session.ts";

/** A circuit in the hands of one session. Disposal lets go of everything; it never fails, but may log. */
export interface RunningCircuit extends AsyncDisposable {
  readonly plugin: string;
  /** What the plugin tells of the session, while it is attached. */
  readonly attachment: Attachment | undefined;
  /** @throws {CircuitRefusal} where the circuit refuses the session, {@linkcode ApplianceError} where it cannot be attached */
  attach(session: CircuitSession): Promise<void>;
  detach(why?: CallEnd): Promise<void>;
  /** Tells the plugin of a changed path. @throws {ApplianceError} where it cannot follow; it stays as it was then */
  setFrameMtu(bytes: number): Promise<void>;
  /** Tells the plugin whether frames can flow. */
  setUp(up: boolean): void;
  /** Tells the plugin what the peer said. */
  hear(message: CallMessage, said: CallAvps): void;
  /** Takes changed options; false: they need a new circuit. @throws {ApplianceError} and stays as it was */
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

/** A circuit will not have a session. */
export class CircuitRefusal extends ApplianceError {
  constructor(attribute: string, /** What a peer is told. */ readonly end: CallEnd) {
    super("in-use", attribute, end.message ?? `refused with result ${end.result}`);
  }
}

/** What a session is told that ends because its circuit is let go of. */
export const LET_GO: CallEnd = {
  result: CdnResult.Administrative,
  message: "the circuit was let go of",
};

/** What a session's circuit is made from. */
export interface AttachableOptions {
  readonly circuit: HostedCircuit;
  readonly config: CircuitConfig;
  readonly host: PluginHost;
  readonly plugin: Plugin;
  /** The circuit ended the session. */
  ended(why: CallEnd, failure: Error | undefined): void;
  /** An id for a session. */
  nextId(): string;
  /** Takes changed options of the circuit itself. */
  reconfigure(config: CircuitConfig): Promise<boolean>;
  /** Lets go of the circuit itself. */
  dispose(): Promise<void>;
}

/** A circuit for one session to attach to. */
export function attachable(options: AttachableOptions): RunningCircuit {
  return new AttachableCircuit(options);
}

class AttachableCircuit implements RunningCircuit {
  readonly #options: AttachableOptions;
  #portOptions: Row;
  #session: LiveSession | undefined;
  #attached: Attached | undefined;
  /** Calls off the attaching that is under way. */
  #asking: AbortController | undefined;
  #disposed: Promise<void> | undefined;
  /** What is being undone: whoever asks for it again waits for it, too. */
  #leaving: Promise<void> = Promise.resolve();

  constructor(options: AttachableOptions) {
    this.#options = options;
    this.#portOptions = portOptionsOf(options.config);
  }

  get plugin(): string {
    return this.#options.plugin.name;
  }

  get attachment(): Attachment | undefined {
    return this.#attached?.attachment;
  }

  attach(given: CircuitSession): Promise<void> {
    return asApplianceErrors(`circuit.${this.plugin}`, () => this.#attach(given));
  }

  detach(why: CallEnd = LET_GO): Promise<void> {
    return this.#leaving = this.#letGo(this.#leaving, why);
  }

  async setFrameMtu(bytes: number): Promise<void> {
    if (!this.#session || this.#session.state.frameMtu === bytes) return;
    const { state } = this.#session;
    const before = state.frameMtu;
    state.frameMtu = bytes;
    try {
      await asApplianceErrors(
        `circuit.${this.plugin}`,
        async () => await this.#attached?.changed(),
      );
    } catch (error) {
      state.frameMtu = before;
      await this.#tellChanged();
      throw error;
    }
  }

  setUp(up: boolean): void {
    if (!this.#session || this.#session.state.up === up) return;
    this.#session.state.up = up;
    void this.#tellChanged();
  }

  hear(message: CallMessage, said: CallAvps): void {
    if (!this.#session) return;
    const { ended, state } = this.#session;
    state.said = { ...state.said, ...said };
    if (message === "ICCN" || message === "OCCN") ended.resolve(state.said);
    this.#attached?.heard(message, said);
  }

  async reconfigure(next: CircuitConfig): Promise<boolean> {
    if (!await this.#options.reconfigure(next)) return false;
    const wanted = portOptionsOf(next);
    if (!this.#attached || isDeepStrictEqual(wanted, this.#portOptions)) return true;
    const taken = await asApplianceErrors(
      "circuit",
      async () => await this.#attached?.reconfigure(wanted) ?? false,
    );
    if (taken) this.#portOptions = wanted;
    return taken;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= (async () => {
      await this.detach();
      await this.#options.dispose();
    })();
  }

  async #attach(given: CircuitSession): Promise<void> {
    const { circuit, ended, host, nextId, plugin } = this.#options;
    if (!plugin.pseudowireTypes.includes(given.pseudowireType)) {
      const message = `${plugin.name} does not carry pseudowire type ${given.pseudowireType}`;
      throw new ApplianceError("invalid", "circuit", message);
    }
    const its = liveSession(host, given, nextId());
    this.#session = its;
    const calling = new AbortController();
    this.#asking = calling;
    try {
      const answer = await circuit.attach(its.facts, this.#portOptions, ended, calling.signal);
      if (isRefusal(answer)) throw new CircuitRefusal("circuit", answer.refuse);
      if (this.#session !== its) await answer.end(LET_GO);
      else this.#attached = answer;
    } catch (error) {
      if (this.#session === its) this.#session = undefined;
      its.port.end();
      throw error;
    } finally {
      if (this.#asking === calling) this.#asking = undefined;
    }
  }

  /** Tells the plugin that something of its session is another; where it cannot follow, the session ends. */
  async #tellChanged(): Promise<void> {
    const attached = this.#attached;
    await attached?.changed().catch((error) => attached.fail(error));
  }

  async #letGo(before: Promise<void>, why: CallEnd): Promise<void> {
    const [former, its] = [this.#attached, this.#session];
    this.#attached = undefined;
    this.#session = undefined;
    this.#asking?.abort();
    its?.ended.reject(new Failure("unavailable", why.message ?? "the session has ended"));
    await former?.end(why);
    its?.port.end();
    await before;
  }
}

/** What a session says beside a circuit's name. */
function portOptionsOf({ name, options }: CircuitConfig): Row {
  return name === undefined ? {} : options;
}
