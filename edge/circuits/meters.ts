/** Plugins' numbers: counters that last as long as the appliance, and gauges that circuits add up to. @module */

import type { Meters } from "../../plugins/host/leaves.ts";

/** One number for `/metrics`. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly value: number;
}

/** All plugins' numbers; a name that is already something else is a `TypeError`. */
export interface PluginMeters extends Meters {
  read(): readonly Metric[];
}

interface Entry {
  readonly help: string;
  readonly type: Metric["type"];
  count: number;
  readonly reads: Set<() => number>;
}

/** No numbers yet. */
export function makeMeters(): PluginMeters {
  const entries = new Map<string, Entry>();

  const entry = (name: string, help: string, type: Metric["type"]): Entry => {
    const known = entries.get(name);
    if (known && known.type !== type) throw new TypeError(`${name} is a ${known.type} already`);
    const entry = known ?? { help, type, count: 0, reads: new Set() };
    entries.set(name, entry);
    return entry;
  };

  const nameOf = (plugin: string, name: string) => `isthmus_${plugin.replaceAll("-", "_")}_${name}`;

  return {
    counter(plugin, name, help) {
      const own = `${nameOf(plugin, name).replace(/_total$/, "")}_total`;
      const counter = entry(own, help, "counter");
      return { add: (by = 1) => void (counter.count += Math.max(0, by)) };
    },
    gauge(plugin, name, help, read) {
      const { reads } = entry(nameOf(plugin, name), help, "gauge");
      // A wrapper of its own, so that one function may be given twice.
      const own = () => read();
      reads.add(own);
      return { [Symbol.dispose]: () => void reads.delete(own) };
    },
    read: () =>
      [...entries].map(([name, { help, type, count, reads }]) => ({
        name,
        help,
        type,
        value: type === "counter" ? count : [...reads].reduce((sum, read) => sum + read(), 0),
      })),
  };
}
