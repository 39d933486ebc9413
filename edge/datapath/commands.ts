/** Carries out main's commands on the WASM datapath and the worker's sources. @module */

import { type CounterTable, type TunnelIx, type WasmDatapath, WasmError } from "../../wasm/mod.ts";
import { IoError } from "../io/errno.ts";
import type { DatapathMemory } from "./datapath.ts";
import type { Grouping } from "./grouping.ts";
import {
  addCounts,
  type CommandName,
  type CommandTable,
  type Reply,
  type Request,
  sliceSlots,
  type TunnelTable,
} from "./protocol.ts";
import type { Sources } from "./sources.ts";

/** One function a command. */
export type Commands = {
  readonly [Name in CommandName]: (args: CommandTable[Name][0]) => CommandTable[Name][1];
};

/** The commands on a datapath. `figures` are the worker's own drops and counts of system calls. */
export function createCommands(
  datapath: WasmDatapath,
  sources: Sources,
  grouping: Grouping<TunnelIx>,
  figures: () => { drops: Record<string, number>; io: Record<string, number> },
): Commands {
  /** The clock of batches and that of main have different origins: only how long ago means the same to both. */
  const ofTunnels = <Table extends CounterTable>(table: Table): Table & TunnelTable => {
    const now = performance.now();
    const heardAgoMs = datapath.lastHeard(table.handles).map((heard) => now - heard);
    const handles = Array.from(table.handles, (handle) => handle as TunnelIx);
    return { ...table, heardAgoMs, grouping: grouping.limits(now, handles) };
  };
  return {
    addSocket({ fd, kind }) {
      const socket = datapath.addSocket(fd, kind);
      return orUndo(
        socket,
        () => sources.addSocket(fd, socket),
        () => datapath.removeSocket(socket),
      );
    },
    removeSocket({ socket }) {
      datapath.removeSocket(socket);
      sources.removeSocket(socket);
    },
    tellMarks: ({ socket }) => datapath.tellMarks(socket),
    rewatchSocket({ fd, socket }) {
      sources.removeSocket(socket);
      sources.addSocket(fd, socket);
    },
    addTunnel: ({ spec }) => datapath.addTunnel(spec),
    changeTunnel({ tunnel, spec }) {
      datapath.changeTunnel(tunnel, spec);
      grouping.forget(tunnel);
    },
    removeTunnel({ tunnel }) {
      datapath.removeTunnel(tunnel);
      grouping.forget(tunnel);
    },
    addSession: ({ tunnel, spec }) => datapath.addSession(tunnel, spec),
    expectSession: ({ tunnel, sessionId, on }) => datapath.expectSession(tunnel, sessionId, on),
    changeSession: ({ session, change }) => datapath.changeSession(session, change),
    addDevice({ fd, device: { frames, packets = false, tag, vnet } }) {
      const port = datapath.addDevice(fd, frames, vnet, tag);
      const kind = packets ? "packets" : "device";
      return orUndo(
        port,
        () => {
          if (packets) datapath.sendInMessages(port);
          sources.addDevice(kind, fd, port, vnet !== undefined);
        },
        () => datapath.removePort(port),
      );
    },
    addPppoe: ({ device, spec }) => datapath.addPppoe(device, spec),
    addHostPort: ({ frameType }) => datapath.addHostPort(frameType),
    removePort({ port }) {
      datapath.removePort(port);
      sources.removeDevice(port);
    },
    crossConnect: ({ a, b }) => datapath.crossConnect(a, b),
    disconnect: ({ port }) => datapath.disconnect(port),
    ...receiverCommands(datapath),
    limit: ({ port, limit }) => datapath.limit(port, limit),
    translate: ({ port, translation }) => datapath.translate(port, translation),
    addPatch: () => datapath.addPatch(),
    ...forwarderCommands(datapath),
    sessionStatistics({ session }) {
      if (datapath.counters([session]).handles.length === 0) return undefined;
      return { ...datapath.sessionCounters(session), ...datapath.familyCounters(session) };
    },
    totals() {
      const { drops, io } = figures();
      return {
        drops: addCounts(datapath.drops(), drops),
        io: addCounts(datapath.io(), io),
        memory: memoryOf(datapath),
      };
    },
    counters: ({ sessions, tunnels }) => ({
      sessions: datapath.counters(sessions),
      tunnels: ofTunnels(datapath.counters(tunnels)),
    }),
    sessionSlice: ({ from }) => datapath.sessionSlice(from, sliceSlots),
    tunnelSlice: ({ from }) => ofTunnels(datapath.tunnelSlice(from, sliceSlots)),
  };
}

function memoryOf({ memory }: WasmDatapath): DatapathMemory {
  return { wasm: memory.buffer.byteLength, heap: Deno.memoryUsage().heapUsed };
}

/** Those of who has a port's frames beside its forwarder. */
function receiverCommands(
  datapath: WasmDatapath,
): Pick<Commands, "addReceiver" | "addInside" | "hold" | "holdFirst" | "release"> {
  return {
    addReceiver({ port, frameType }) {
      const host = datapath.addHostPort(frameType);
      return orUndo(
        host,
        () => datapath.setReceiver(port, host),
        () => datapath.removePort(host),
      );
    },
    addInside({ session, host }) {
      const port = datapath.addHostPort("ethernet");
      return orUndo(
        port,
        () => datapath.putInside(session, port, host),
        () => datapath.removePort(port),
      );
    },
    hold: ({ port, frames }) => datapath.hold(port, frames),
    holdFirst({ port, frames }) {
      for (const frame of frames.toReversed()) datapath.holdFirst(port, frame);
    },
    release: ({ port }) => datapath.release(port),
  };
}

/** Those of forwarders, which each kind carries out in its own way. */
function forwarderCommands(
  { forwarders }: WasmDatapath,
): Pick<Commands, Extract<CommandName, `${string}Forwarder` | "changeMember">> {
  return {
    addForwarder: ({ kind, ports, options }) => forwarders[kind].add(ports, options),
    changeForwarder: ({ kind, forwarder, options }) => forwarders[kind].change(forwarder, options),
    removeForwarder: ({ kind, forwarder }) => forwarders[kind].remove(forwarder),
    joinForwarder: ({ kind, forwarder, port, options }) =>
      forwarders[kind].join(forwarder, port, options),
    changeMember: ({ kind, forwarder, port, options }) =>
      forwarders[kind].changeMember(forwarder, port, options),
    askForwarder: ({ kind, forwarder, question, given }) =>
      forwarders[kind].ask(forwarder, question, given),
  };
}

/** Carries out one request. What is not a refusal of it is a defect, and thrown. */
export function reply(commands: Commands, request: Request): Reply {
  try {
    const execute = commands[request.name] as (args: Request["args"]) => unknown;
    return { id: request.id, ok: true, result: execute(request.args) };
  } catch (error) {
    if (error instanceof WasmError) {
      return { id: request.id, ok: false, code: error.code, message: error.message };
    }
    if (error instanceof IoError) {
      return { id: request.id, ok: false, code: "invalid", message: error.message };
    }
    throw error;
  }
}

/** What of a result moves to main instead of being copied. */
export function transferOf(request: Request, reply: Reply): ArrayBuffer[] {
  if (!reply.ok || (request.name !== "sessionSlice" && request.name !== "tunnelSlice")) return [];
  const { handles, values } = reply.result as CounterTable;
  return [handles, values].map(({ buffer }) => buffer as ArrayBuffer);
}

function orUndo<T>(result: T, next: () => void, undo: () => void): T {
  try {
    next();
    return result;
  } catch (error) {
    undo();
    throw error;
  }
}
