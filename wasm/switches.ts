/** Switches of Ethernet ports, in Open vSwitch's words: one kind of forwarder. @module */

import { type Raw, RawSwitch, RawSwitchPort, switch_count_names } from "./pkg/isthmus_datapath.js";
import { refusing, WasmError } from "./error.ts";
import type { ForwarderDoor, ForwarderEvent, ForwarderIx } from "./door.ts";
import type { PortIx } from "./spec.ts";

/** The numbers that stand for these names in the module. */
const vlanModes = {
  access: 0,
  trunk: 1,
  "native-tagged": 2,
  "native-untagged": 3,
  "dot1q-tunnel": 4,
} as const;
const priorityTags = { never: 0, "if-nonzero": 1, always: 2 } as const;
const ethertypes = { "802.1q": 0x8100, "802.1ad": 0x88a8 } as const;
const happenings = ["learnt", "moved", "limit", "loop", "loop-over"] as const;

/** Slots of a table that one question looks at. */
const sliceSlots = 16_384;

/** How a switch is. What is absent is as Open vSwitch has it. */
export interface SwitchSpec {
  /** Seconds after which a station that was not heard is forgotten; 300. */
  readonly macAgingTime?: number;
  /** Stations that are known at once, 10 to 1,000,000; 8192. */
  readonly macTableSize?: number;
  /** VLANs in which nothing is learnt, and all is flooded. */
  readonly floodVlans?: readonly number[];
  /** Whether frames to 01:80:C2:00:00:00 to 0F are passed on, but for PAUSE (01). */
  readonly forwardBpdu?: boolean;
  /** The last octets of those of them that are passed on anyway. */
  readonly forwardReserved?: readonly number[];
  /** When a port is blocked because of a loop. */
  readonly loop?: LoopSpec;
}

/** A station that moves between two ports so many times is in a loop. */
export interface LoopSpec {
  /** Moves; 0: no port is ever blocked. 5. */
  readonly moves?: number;
  /** Within so many milliseconds; 1000. */
  readonly withinMs?: number;
  /** Milliseconds for which the port is blocked, of the two, where the station was not learnt first; 10,000. */
  readonly blockMs?: number;
}

/** How a port of a switch is: columns of Open vSwitch's Port table, and what it does not have. */
export interface SwitchPortSpec {
  /** Unique in the switch. */
  readonly name: string;
  /** Absent: access with a tag, trunk without. */
  readonly vlanMode?: "access" | "trunk" | "native-tagged" | "native-untagged" | "dot1q-tunnel";
  /** The port's own VLAN, 0 to 4095. */
  readonly tag?: number;
  /** VLANs that it carries with their tags; none or absent: all. */
  readonly trunks?: readonly number[];
  /** VLANs that a tunnel port takes from its customer; none or absent: all. */
  readonly cvlans?: readonly number[];
  /** The tag that a tunnel port puts before all others; 802.1ad. */
  readonly qinqEthtype?: "802.1q" | "802.1ad";
  /** Whether frames of VLAN 0 leave with a tag that says their priority; never. */
  readonly priorityTags?: "never" | "if-nonzero" | "always";
  /** Tags that are looked at, and that a tunnel port makes no more of: the innermost is deleted. 2; 0: as many as there are. */
  readonly vlanLimit?: number;
  /** Ports of one group send each other nothing; absent: in none. */
  readonly splitHorizonGroup?: string;
  /** Protected ports send each other nothing. */
  readonly protected?: boolean;
  /** Frames a second that may come in at it; absent or 0: any number. */
  readonly storm?: {
    readonly broadcast?: number;
    readonly multicast?: number;
    readonly unknownUnicast?: number;
  };
  /** Stations that may be learnt at it; absent or 0: any number. */
  readonly macTableSize?: number;
  /** Octets of the largest packet that leaves by it whole, without Ethernet header and tags; absent or 0: not known. */
  readonly mtu?: number;
  /** Nothing is behind it now: it neither takes nor gets frames, and its stations are forgotten. False. */
  readonly down?: boolean;
}

/** What a port, whatever it is joined to, does with tags of frames that come in. Where frames leave, it undoes that. */
export type Translation =
  | null
  /** The outermost tags are of the VLANs `pop`, outermost first, and become tags of `push`; two of each at most. */
  | { readonly pop: readonly number[]; readonly push: readonly number[] }
  /** It carries one VLAN (RFC 4719): frames have a tag, whose VLAN is this one inside, where it is a number. */
  | { readonly vlan: number | null };

/** A station that a switch knows. */
interface FdbEntry {
  /** The name of its port. */
  readonly port: string;
  readonly vlan: number;
  /** `02:00:…` notation. */
  readonly mac: string;
  /** Seconds since it was heard; absent: an operator said where it is. */
  readonly age?: number;
}

/** A switch, and its ports by name. */
interface Known {
  readonly ports: Map<string, PortIx>;
  readonly groups: Map<string, number>;
}

/** The switches of a datapath. */
export class SwitchDoor implements ForwarderDoor {
  readonly #raw: Raw;
  readonly #known = new Map<ForwarderIx, Known>();
  /** Where each port is, and under which name. */
  readonly #ports = new Map<PortIx, { readonly of: ForwarderIx; readonly name: string }>();

  /** On the module's exports. */
  constructor(raw: Raw) {
    this.#raw = raw;
  }

  /** Makes a switch without ports. */
  add(_ports: readonly PortIx[], options: SwitchSpec): ForwarderIx {
    using raw = rawSwitch(options);
    const of = refusing(() => this.#raw.add_switch(raw)) as ForwarderIx;
    this.#known.set(of, { ports: new Map(), groups: new Map() });
    return of;
  }

  /** Changes a switch in place; what there is no room for any more is forgotten. */
  change(of: ForwarderIx, options: SwitchSpec): void {
    using raw = rawSwitch(options);
    refusing(() => this.#raw.change_switch(of, raw));
  }

  /** Removes a switch; its ports are joined to nothing then. */
  remove(of: ForwarderIx): void {
    refusing(() => this.#raw.remove_switch(of));
    for (const port of this.#known.get(of)?.ports.values() ?? []) this.#ports.delete(port);
    this.#known.delete(of);
  }

  /** Makes a free port a member, whose name no other has. */
  join(of: ForwarderIx, port: PortIx, options: SwitchPortSpec): void {
    const known = this.#of(of);
    this.#refuseTaken(known, options.name, port);
    using raw = rawPort(options, known.groups);
    refusing(() => this.#raw.join_switch(of, port, raw));
    this.#name(of, known, port, options.name);
  }

  /** Changes a member in place. What it learnt is forgotten where its VLANs changed. */
  changeMember(of: ForwarderIx, port: PortIx, options: SwitchPortSpec): void {
    const known = this.#of(of);
    this.#refuseTaken(known, options.name, port);
    using raw = rawPort(options, known.groups);
    refusing(() => this.#raw.change_switch_port(port, raw));
    this.#name(of, known, port, options.name);
  }

  /**
   * - `fdb { from }`: a part of the table, and where the `next` one begins, if any
   * - `fdb-add`, `fdb-del { port, vlan, mac }`: a static entry; any entry
   * - `fdb-flush { port? }`: forgets what was learnt
   * - `figures {}`: `stations`, the least `mtu`, and of each port its `stations`, `blockedMs` and `counters`
   */
  ask(of: ForwarderIx, question: string, given: object): unknown {
    const known = this.#of(of);
    const { from = 0, mac = "", port, vlan = 0 } = given as Partial<FdbEntry> & { from?: number };
    switch (question) {
      case "fdb":
        return this.#fdb(of, from);
      case "fdb-add":
        return refusing(() => this.#raw.fdb_add(this.#port(known, port), vlan, octets(mac)));
      case "fdb-del":
        if (refusing(() => this.#raw.fdb_del(of, vlan, octets(mac)))) return;
        throw new WasmError("invalid", `${mac} is not known in VLAN ${vlan}`);
      case "fdb-flush":
        return refusing(() =>
          this.#raw.fdb_flush(of, port === undefined ? 0 : this.#port(known, port))
        );
      case "figures":
        return this.#figures(of, known);
      default:
        throw new WasmError("invalid", `a switch knows nothing of ${question}`);
    }
  }

  /** What happened, a few times a second at most. */
  events(): readonly ForwarderEvent[] {
    if (!this.#raw.has_switch_events()) return [];
    const numbers = this.#raw.switch_events();
    const lost = numbers.at(-1)!;
    const events = rowsOf(numbers, 6, ([what, of, port, other, vlan, mac]) => {
      const detail = {
        port: this.#ports.get(port as PortIx)?.name ?? "",
        ...(other !== 0 && { other: this.#ports.get(other as PortIx)?.name ?? "" }),
        vlan: vlan!,
        mac: mac === 0 ? "" : text(mac!),
      };
      return { forwarder: of as ForwarderIx, what: happenings[what!]!, detail };
    });
    const last = events.at(-1);
    if (lost > 0 && last) last.detail = { ...last.detail, untold: lost } as typeof last.detail;
    return events;
  }

  #fdb(of: ForwarderIx, from: number): { entries: FdbEntry[]; next?: number } {
    const numbers = refusing(() => this.#raw.fdb_slice(of, from, sliceSlots, performance.now()));
    const entries = rowsOf(numbers, 4, ([port, vlan, mac, age]) => ({
      port: this.#ports.get(port as PortIx)?.name ?? "",
      vlan: vlan!,
      mac: text(mac!),
      ...(age! >= 0 && { age: age! / 1000 }),
    }));
    return { entries, ...(numbers.at(-1) === 1 && { next: from + sliceSlots }) };
  }

  #figures(of: ForwarderIx, known: Known) {
    const [stations, mtu] = refusing(() => this.#raw.switch_figures(of));
    this.#forgetParted(of, known);
    const ports = [...known.ports].map(([name, port]) => {
      const numbers = this.#raw.switch_port_figures(port, performance.now());
      const [stations, blockedMs, ...counts] = numbers;
      countNames ??= switch_count_names().split(" ");
      const counters = Object.fromEntries(countNames.map((name, at) => [name, counts[at]!]));
      return { name, stations: stations!, blockedMs: blockedMs!, counters };
    });
    return { stations: stations!, ...(mtu !== 0 && { mtu: mtu! }), ports };
  }

  #of(of: ForwarderIx): Known {
    const known = this.#known.get(of);
    if (known) return known;
    throw new WasmError("no-such-switch", "no such switch");
  }

  #port(known: Known, name: string | undefined): PortIx {
    const port = known.ports.get(name ?? "");
    if (port !== undefined && this.#isMember(port)) return port;
    throw new WasmError("no-such-port", `the switch has no port ${name}`);
  }

  #refuseTaken(known: Known, name: string, port: PortIx): void {
    const other = known.ports.get(name);
    if (other === undefined || other === port || !this.#isMember(other)) return;
    throw new WasmError("port-joined", `the switch has a port ${name} already`);
  }

  /** Ports part without a word to their switch. */
  #isMember(port: PortIx): boolean {
    return this.#raw.is_switch_port(port);
  }

  #forgetParted(of: ForwarderIx, known: Known): void {
    for (const [name, port] of known.ports) {
      if (this.#isMember(port)) continue;
      known.ports.delete(name);
      if (this.#ports.get(port)?.of === of) this.#ports.delete(port);
    }
  }

  #name(of: ForwarderIx, known: Known, port: PortIx, name: string): void {
    if (known.ports.size > 2 * this.#raw.switch_port_count(of) + 64) this.#forgetParted(of, known);
    const before = this.#ports.get(port);
    if (before) this.#known.get(before.of)?.ports.delete(before.name);
    known.ports.set(name, port);
    this.#ports.set(port, { of, name });
  }
}

/** Says what a port does with tags, whatever it is joined to. */
export function translate(raw: Raw, port: PortIx, translation: Translation): void {
  const [kind, outside, inside] = translation === null
    ? [0, [], []]
    : "vlan" in translation
    ? [2, [], translation.vlan === null ? [] : [translation.vlan]]
    : [1, translation.pop, translation.push];
  refusing(() => raw.translate(port, kind, vids(outside), vids(inside)));
}

let countNames: readonly string[] | undefined;

/** All but the last number, in rows of so many. */
function rowsOf<T>(numbers: Float64Array, width: number, read: (row: Float64Array) => T): T[] {
  const count = Math.floor(numbers.length / width);
  return Array.from(
    { length: count },
    (_, at) => read(numbers.subarray(at * width, (at + 1) * width)),
  );
}

function text(mac: number): string {
  return mac.toString(16).padStart(12, "0").replace(/..(?!$)/g, "$&:");
}

function octets(mac: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw new WasmError("invalid", `${mac} is no MAC address`);
  }
  return Uint8Array.fromHex(mac.replaceAll(":", ""));
}

function rawSwitch(spec: SwitchSpec): RawSwitch {
  const { macAgingTime = 300, macTableSize = 8192, floodVlans = [], loop = {} } = spec;
  const { moves = 5, withinMs = 1000, blockMs = 10_000 } = loop;
  let reserved = spec.forwardBpdu ? 0xffff & ~(1 << 1) : 0;
  for (const last of spec.forwardReserved ?? []) reserved |= 1 << within(last, 15, "last octet");
  return Object.assign(new RawSwitch(), {
    ageing: macAgingTime * 1000,
    table: macTableSize,
    flood_vlans: vids(floodVlans),
    reserved,
    loop_moves: moves,
    loop_within: withinMs,
    loop_block: blockMs,
    seed: crypto.getRandomValues(new BigUint64Array(1))[0]!,
  });
}

function rawPort(spec: SwitchPortSpec, groups: Map<string, number>): RawSwitchPort {
  const { tag = 0, vlanMode = spec.tag === undefined ? "trunk" : "access", storm = {} } = spec;
  return Object.assign(new RawSwitchPort(), {
    mode: vlanModes[vlanMode],
    tag: within(tag, 4095, "VLAN id"),
    trunks: vids(spec.trunks ?? []),
    cvlans: vids(spec.cvlans ?? []),
    qinq_ethertype: ethertypes[spec.qinqEthtype ?? "802.1ad"],
    priority_tags: priorityTags[spec.priorityTags ?? "never"],
    vlan_limit: within(spec.vlanLimit ?? 2, 4, "number of tags"),
    group: groupNumber(groups, spec.splitHorizonGroup),
    protected: spec.protected ?? false,
    broadcast: within(storm.broadcast ?? 0, 30_000_000, "rate"),
    multicast: within(storm.multicast ?? 0, 30_000_000, "rate"),
    unknown: within(storm.unknownUnicast ?? 0, 30_000_000, "rate"),
    limit: within(spec.macTableSize ?? 0, 0xffff_ffff, "number of stations"),
    mtu: within(spec.mtu ?? 0, 65_535, "MTU"),
    down: spec.down ?? false,
  });
}

/** The number of a group's name; 0: no group. */
function groupNumber(groups: Map<string, number>, name: string | undefined): number {
  if (name === undefined) return 0;
  const number = groups.get(name) ?? groups.size + 1;
  groups.set(name, number);
  return number;
}

function vids(list: readonly number[]): Uint16Array {
  return Uint16Array.from(list, (vid) => within(vid, 4095, "VLAN id"));
}

/** A number that the module has room for; it would wrap silently else. */
function within(value: number, most: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new WasmError("invalid", `${value} is no ${what}`);
  }
  return value;
}
