/** How much a client, a VLAN, an interface and all together may have, and how often anybody may ask. @module */

import type { VlanTag } from "../../ports.ts";

/** Sessions at once; absent: any number. */
export interface SessionLimits {
  readonly mac?: number;
  readonly vlan?: number;
  readonly interface?: number;
  /** On all interfaces. */
  readonly all?: number;
}

/** Whose session it is. */
export interface SessionOwner {
  readonly interface: string;
  readonly vlans: string;
  readonly mac: string;
}

/** Which limit is reached, as it is counted. */
export type LimitReached = "mac" | "vlan" | "interface" | "all";

/** Counts sessions by what they have in common. What has none takes no room. */
export class SessionCounts {
  readonly #counts = new Map<string, number>();
  #all = 0;

  /** Of all interfaces. */
  get all(): number {
    return this.#all;
  }

  /** Sessions of one interface. */
  of(name: string): number {
    return this.#counts.get(`interface ${name}`) ?? 0;
  }

  /** The limit that one more session of `owner` would exceed. */
  reached(owner: SessionOwner, limits: SessionLimits): LimitReached | undefined {
    if (this.#all >= (limits.all ?? Infinity)) return "all";
    const keys = keysOf(owner);
    return (["interface", "vlan", "mac"] as const).find((what) =>
      (this.#counts.get(keys[what]) ?? 0) >= (limits[what] ?? Infinity)
    );
  }

  /** One more (1) or one less (-1). */
  count(owner: SessionOwner, change: 1 | -1): void {
    this.#all += change;
    for (const key of Object.values(keysOf(owner))) {
      const count = (this.#counts.get(key) ?? 0) + change;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }
}

/** A client is known by its MAC in its VLAN: another VLAN's has a MAC of its own, even one that is written alike. */
function keysOf({ interface: name, mac, vlans }: SessionOwner) {
  return {
    interface: `interface ${name}`,
    vlan: `vlan ${name} ${vlans}`,
    mac: `mac ${name} ${vlans} ${mac}`,
  };
}

/** How many clients' rates are told apart: of more, some share one. */
const CELLS = 4096;

/**
 * Rates of PADIs and PADRs: of one MAC in its VLANs, and of an interface as a whole. The memory is fixed, however many there
 * are: they are counted in cells, a second at a time.
 */
export class AskingRates {
  readonly #perMac: number;
  readonly #perInterface: number;
  readonly #seed: number;
  readonly #cells = new Uint16Array(CELLS);
  #second = -1;
  #count = 0;

  /** @param seed any number: who shares a cell is not to be foreseen */
  constructor(perMac: number, perInterface: number, seed: number) {
    this.#perMac = perMac;
    this.#perInterface = perInterface;
    this.#seed = seed | 1;
  }

  /** Whether one more from that MAC in those VLANs is within the rates; it is counted. */
  allows(mac: Uint8Array, vlans: readonly VlanTag[], now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
      this.#cells.fill(0);
    }
    if (this.#count >= this.#perInterface) return false;
    const cell = this.#cellOf(mac, vlans);
    if (this.#cells[cell]! >= this.#perMac) return false;
    this.#cells[cell]!++;
    this.#count++;
    return true;
  }

  #cellOf(mac: Uint8Array, vlans: readonly VlanTag[]): number {
    let hash = this.#seed;
    const mix = (value: number) => hash = Math.imul(hash ^ value ^ hash >>> 15, 0x9e37_79b1);
    for (const octet of mac) mix(octet);
    for (const { vid } of vlans) mix(vid);
    return (hash ^ hash >>> 15) >>> 0 & CELLS - 1;
  }
}
