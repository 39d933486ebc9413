/** Forwarders of many ports in the datapath, as the main isolate has them: by way of one worker. @module */

import type {
  ForwarderId,
  ForwarderKind,
  ForwarderLeaf,
  ForwarderNews,
  PortId,
} from "../../plugins/host/leaves.ts";
import type { ForwarderEvent, ForwarderIx } from "../../wasm/mod.ts";
import { DatapathError } from "./datapath.ts";
import { toId, toIx } from "./translate.ts";
import type { WorkerLink } from "./worker_link.ts";

/** A worker's forwarders. */
export interface WorkerForwarders extends ForwarderLeaf {
  /** What the worker tells. */
  tell(events: readonly ForwarderEvent[]): void;
}

interface Known {
  readonly kind: ForwarderKind;
  readonly happened: (event: ForwarderNews) => void;
}

/** The forwarders of the worker that `link` gives. */
export function workerForwarders(link: () => Pick<WorkerLink, "request">): WorkerForwarders {
  const known = new Map<ForwarderId, Known>();
  /** The worker's words for a forwarder. */
  const named = (id: ForwarderId) => {
    const found = known.get(id);
    if (!found) throw new DatapathError("invalid", "there is no such forwarder");
    return { kind: found.kind, forwarder: id as number as ForwarderIx };
  };
  return {
    async add(kind, ports, options, happened) {
      const asked = { kind, ports: ports.map(toIx), options };
      const id = await link().request("addForwarder", asked) as number as ForwarderId;
      known.set(id, { kind, happened });
      return id;
    },
    change: async (id, options) =>
      await link().request("changeForwarder", { ...named(id), options }),
    async remove(id) {
      if (!known.has(id)) return;
      const of = named(id);
      known.delete(id);
      await link().request("removeForwarder", of);
    },
    join: async (id, port, options) =>
      await link().request("joinForwarder", { ...named(id), port: toIx(port), options }),
    changeMember: async (id, port, options) =>
      await link().request("changeMember", { ...named(id), port: toIx(port), options }),
    ask: async (id, question, given) =>
      await link().request("askForwarder", { ...named(id), question, given }),
    tell(events) {
      for (const { forwarder, port, ...rest } of events) {
        const event = { ...rest, ...(port !== undefined && { port: toId(port) as PortId }) };
        known.get(forwarder as number as ForwarderId)?.happened(event);
      }
    },
  };
}
