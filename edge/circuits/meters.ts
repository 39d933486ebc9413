/** Plugins' numbers: counters that last as long as the appliance, and gauges that circuits add up to. @module */

import type { Meter } from "../../plugins/plugin.ts";

/** One number for `/metrics`. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly value: number;
}

/** All plugins' numbers. */
export interface Meters {
  /** The meter of a plugin's circuits; a name that is already something else is a `TypeError`. */
  of(plugin: string): Meter;
  read(): readonly Metric[];
}

interface Entry {
  readonly help: string;
  readonly type: Metric["type"];
  count: number;
  readonly reads: Set<() => number>;
}

/** No numbers yet. */
export function makeMeters(): Meters {
  const entries = new Map<string, Entry>();

  const entry = (name: string, help: string, type: Metric["type"]): Entry => {
    const known = entries.get(name);
    if (known && known.type !== type) throw new TypeError(`${name} is a ${known.type} already`);
    const entry = known ?? { help, type, count: 0, reads: new Set() };
    entries.set(name, entry);
    return entry;
  };

  return {
    of(plugin) {
      const nameOf = (name: string) => `isthmus_${plugin.replaceAll("-", "_")}_${name}`;
      return {
        counter(name, help) {
          const counter = entry(`${nameOf(name).replace(/_total$/, "")}_total`, help, "counter");
          return { add: (value = 1) => void (counter.count += Math.max(0, value)) };
        },
        gauge(name, help, read) {
          const { reads } = entry(nameOf(name), help, "gauge");
          // A wrapper of its own, so that one function may be given twice.
          const own = () => read();
          reads.add(own);
          return { [Symbol.dispose]: () => void reads.delete(own) };
        },
      };
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
