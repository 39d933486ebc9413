/**
 * Forwarders as plugins have them: what joins many ports. What the kinds have in common is here; what each one's options
 * and answers are, in a file of its own (`ppp_forwarder.ts`, `switch_forwarder.ts`).
 *
 * @module
 */

import type { FrameType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type { Member, Port } from "../ports.ts";
import type { DatapathLeaf, ForwarderId, ForwarderKind, ForwarderNews, PortId } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** A forwarder that was opened in a life. */
export interface OpenForwarder {
  readonly kind: ForwarderKind;
  /** Takes changed options as a whole. */
  change(options: object): Promise<void>;
  /** Asks in the kind's own words. */
  ask(question: string, given: object): Promise<unknown>;
  /**
   * Joins a port for as long as a life lasts.
   * @param options plain data
   * @param happened is told what its kind tells of this member; absent: who opened the forwarder is told that, too
   */
  join(
    life: Life,
    port: Port,
    options: object,
    happened?: (event: ForwarderNews) => void,
  ): Promise<Member<object>>;
}

/** What a forwarder is to be. */
export interface ForwarderSpec {
  readonly kind: ForwarderKind;
  /** For messages (`the switch`). */
  readonly name: string;
  /** What its members' frames are. */
  readonly frames: FrameType;
  /** Ports that it has from the start, and whose end fails the life. */
  readonly ports: readonly Port[];
  /** Plain data. */
  readonly options: object;
  /** Is told what its kind tells of no member. */
  readonly happened?: ((event: ForwarderNews) => void) | undefined;
}

/** Opens a forwarder in a life. @throws {Failure} */
export async function openForwarder(
  life: Life,
  datapath: DatapathLeaf,
  ports: Ports,
  spec: ForwarderSpec,
): Promise<OpenForwarder> {
  const { forwarders } = datapath;
  const members = new Map<PortId, (event: ForwarderNews) => void>();
  const users = new Set<Life>();
  const happened = (event: ForwarderNews) => {
    if (event.port === undefined) spec.happened?.(event);
    else (members.get(event.port) ?? spec.happened)?.(event);
  };
  let gone = false;
  for (const port of spec.ports) await ports.use(life, port, spec.name);
  const id = await life.own(async () => {
    const own = spec.ports.map((port) => ports.idOf(port));
    const id = await forwarders.add(spec.kind, own, spec.options, happened);
    const undo = async () => {
      gone = true;
      for (const user of users) user.fail(new Failure("unavailable", `${spec.name} is gone`));
      await forwarders.remove(id);
    };
    return { value: id, undo };
  });
  const there = (): ForwarderId => {
    if (gone) throw new Failure("unavailable", `${spec.name} is gone`);
    return id;
  };
  return {
    kind: spec.kind,
    change: async (options) => await forwarders.change(there(), options),
    ask: async (question, given) => await forwarders.ask(there(), question, given),
    async join(life, port, options, tell) {
      const id = ports.idOf(port);
      await ports.join(life, port, {
        name: spec.name,
        frames: spec.frames,
        async join(port) {
          if (tell) members.set(port, tell);
          try {
            await forwarders.join(there(), port, options);
          } catch (error) {
            members.delete(port);
            throw error;
          }
          users.add(life);
        },
        parted(port) {
          members.delete(port);
          users.delete(life);
        },
      });
      return memberOf(id);
    },
  };

  function memberOf(id: PortId): Member<object> {
    return { change: async (options) => await forwarders.changeMember(there(), id, options) };
  }
}
