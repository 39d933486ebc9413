/** The switches of an appliance, and their ports: those of the file, and those of sessions. @module */

import { isDeepStrictEqual } from "node:util";
import { ETHERNET_HEADER } from "../mac.ts";
import type {
  CallEnd,
  DevicePort,
  Endable,
  Member,
  PacketOptions,
  PacketPort,
  Port,
  Scope,
  SwitchFigures,
  SwitchForwarder,
  SwitchPortOptions,
} from "../plugin.ts";
import {
  type Declared,
  type LocalPort,
  memberOptions,
  type PortOptions,
  type Section,
  switchOptions,
} from "./options.ts";

const RELOAD: CallEnd = { result: 3, message: "the configuration has another" };

/** A port of a switch that is joined now. */
export interface Joined {
  /** Takes other options. */
  change(options: PortOptions): Promise<void>;
  /** The path or the device changed. */
  refit(): Promise<void>;
}

/** What a port is, for people. */
interface Row {
  readonly kind: string;
  options(): PortOptions;
  up(): boolean;
}

/** What is to be joined. */
interface PortOf {
  readonly name: string;
  readonly kind: string;
  readonly options: PortOptions;
  up?(): boolean;
  /** Is told whether frames can flow beyond it: it is not blocked and, where the switch has `autostate`, not alone. */
  carrier?(up: boolean): void;
}

/** A switch that is there. */
export interface Running {
  readonly name: string;
  readonly forwarder: SwitchForwarder;
  declared(): Declared;
  /** What its ports are, by name. */
  readonly rows: ReadonlyMap<string, Row>;
  /**
   * Joins a port for as long as a scope lasts.
   * @param mtu octets of the largest packet that leaves by it whole
   * @param of `up`: whether anything is behind it; absent: something is
   */
  join(
    life: Scope,
    port: Port,
    of: PortOf,
    mtu: () => number | undefined,
  ): Promise<Joined>;
  figures(): Promise<SwitchFigures>;
}

/** All of them. */
export interface Switches {
  readonly all: ReadonlyMap<string, Running>;
  /** Makes, changes and ends switches and ports, as the file has them now. */
  bring(section: Section): Promise<void>;
}

/** No switches yet. */
export function makeSwitches(scope: Scope): Switches {
  const all = new Map<string, OneSwitch>();
  const patches = new Map<string, Endable>();
  return {
    all,
    async bring(section) {
      for (const [name, one] of all) if (!(name in section)) await one.end();
      for (const [name, declared] of Object.entries(section)) {
        const there = all.get(name);
        if (there) await there.change(declared);
        else all.set(name, await OneSwitch.open(scope, name, declared, () => all.delete(name)));
      }
      await bringPatches(scope, all, patches, section);
    },
  };
}

/** Patches join what both of their ends name. */
async function bringPatches(
  scope: Scope,
  all: ReadonlyMap<string, Running>,
  patches: Map<string, Endable>,
  section: Section,
): Promise<void> {
  const wanted = new Map(patchesOf(section).map((ends) => [JSON.stringify(ends), ends]));
  for (const [key, patch] of patches) {
    if (wanted.has(key)) continue;
    patches.delete(key);
    await patch.end(RELOAD);
  }
  for (const [key, ends] of wanted) {
    if (patches.has(key)) continue;
    const begin = async (life: Scope) => {
      const ports = await life.open("patch");
      for (const [at, { at: of, name, options }] of ends.entries()) {
        const running = all.get(of);
        if (!running) throw life.failure("unavailable", `switch ${of} is down`);
        await running.join(life, ports[at]!, { name, kind: "patch", options }, () => undefined);
      }
    };
    patches.set(key, scope.keep(`patch ${ends.map(({ at, name }) => `${at}/${name}`)}`, begin));
  }
}

/** Each pair of ports that name each other, once. */
function patchesOf(section: Section) {
  const end = (path: string) => {
    const [at = "", name = ""] = path.split("/");
    const port = section[at]?.ports?.[name];
    const { patch, tap: _tap, interface: _device, ...options } = port ?? {};
    return { at, name, patch, options };
  };
  return Object.entries(section).flatMap(([at, { ports = {} }]) =>
    Object.entries(ports).flatMap(([name, { patch }]) => {
      const path = `${at}/${name}`;
      return patch !== undefined && path < patch && end(patch).patch === path
        ? [[end(path), end(patch)]]
        : [];
    })
  );
}

/** What is wrong with the patches of a section. */
export function patchProblems(section: Section): string[] {
  return Object.entries(section).flatMap(([at, { ports = {} }]) =>
    Object.entries(ports).flatMap(([name, { patch }]) => {
      if (patch === undefined) return [];
      const [other = "", far = ""] = patch.split("/");
      if (section[other]?.ports?.[far]?.patch === `${at}/${name}`) return [];
      return [`port ${at}/${name} is patched to ${patch}, which is not patched to it`];
    })
  );
}

interface Entry extends Row {
  readonly member: Member<SwitchPortOptions>;
  /** Says anew what its datapath's member is to be. */
  refit(): Promise<void>;
  /** The device whose MTU follows that of the others. */
  readonly follows: DevicePort | undefined;
  mtu(): number | undefined;
  readonly carrier: ((up: boolean) => void) | undefined;
  blocked: boolean;
}

class OneSwitch implements Running {
  readonly rows = new Map<string, Entry>();
  readonly #life: Scope & Endable;
  readonly #local = new Map<string, { readonly life: Endable; was: LocalPort; joined?: Joined }>();
  #declared: Declared;

  private constructor(
    readonly name: string,
    life: Scope & Endable,
    readonly forwarder: SwitchForwarder,
    declared: Declared,
  ) {
    this.#life = life;
    this.#declared = declared;
  }

  static async open(
    scope: Scope,
    name: string,
    declared: Declared,
    ended: () => void,
  ): Promise<OneSwitch> {
    const life = scope.child(name);
    const made: { running?: OneSwitch } = {};
    const forwarder = await life.open("switch", switchOptions(declared), (event) => {
      const { what, ...detail } = event;
      life.event(what, { switch: name, ...detail });
      if (what === "loop") {
        const message = "a port is blocked: a station is heard at it and at another in turn";
        life.log("warn", message, { switch: name, ...detail });
      }
      if (what === "loop" || what === "loop-over") {
        made.running?.block(event.port, what === "loop");
      }
    });
    life.defer(ended);
    made.running = new OneSwitch(name, life, forwarder, declared);
    await made.running.#bringPorts(declared);
    return made.running;
  }

  declared(): Declared {
    return this.#declared;
  }

  figures(): Promise<SwitchFigures> {
    return this.forwarder.figures();
  }

  async end(): Promise<void> {
    await this.#life.end(RELOAD);
  }

  /** Every port stays a member, the file's and sessions'. */
  async change(next: Declared): Promise<void> {
    if (!isDeepStrictEqual(switchOptions(next), switchOptions(this.#declared))) {
      await this.forwarder.change(switchOptions(next));
    }
    this.#declared = next;
    await this.#bringPorts(next);
    this.#tellCarriers();
  }

  async join(
    life: Scope,
    port: Port,
    { carrier, kind, name, options: first, up = () => true }: PortOf,
    mtu: () => number | undefined,
    follows?: DevicePort,
  ): Promise<Joined> {
    let options = first;
    const wanted = () => memberOptions(name, options, mtu(), up());
    if (options.translate) port.translate(options.translate);
    const member = await life.join(this.forwarder, port, wanted());
    let said = wanted();
    const refit = async () => {
      const next = wanted();
      if (isDeepStrictEqual(next, said)) return;
      said = next;
      await member.change(next);
    };
    const entry: Entry = {
      kind,
      options: () => options,
      up,
      member,
      refit,
      follows,
      mtu,
      carrier,
      blocked: false,
    };
    this.rows.set(name, entry);
    life.defer(async () => {
      if (this.rows.get(name) !== entry) return;
      this.rows.delete(name);
      this.#tellCarriers();
      await this.#fit().catch(() => {});
    });
    await this.#fit();
    this.#tellCarriers();
    return {
      change: async (next) => {
        if (!isDeepStrictEqual(next.translate, options.translate)) {
          port.translate(next.translate ?? null);
        }
        options = next;
        await refit();
      },
      refit: async () => {
        await refit();
        await this.#fit();
        this.#tellCarriers();
      },
    };
  }

  /** A port was blocked for a loop, or is so no more. */
  block(name: string, blocked: boolean): void {
    const entry = this.rows.get(name);
    if (!entry) return;
    entry.blocked = blocked;
    this.#tellCarriers();
  }

  /** What is behind a session's end is the rest of the switch. */
  #tellCarriers(): void {
    const entries = [...this.rows.values()];
    const up = entries.filter((entry) => entry.up()).length;
    for (const entry of entries) {
      const alone = this.#declared.autostate === true && up === (entry.up() ? 1 : 0);
      entry.carrier?.(!entry.blocked && !alone);
    }
  }

  /** Gives devices whose MTU nobody said the least of the others'. */
  async #fit(): Promise<void> {
    const entries = [...this.rows.values()];
    const known = entries.flatMap(({ follows, mtu }) => follows ? [] : [mtu() ?? []]).flat();
    if (known.length === 0) return;
    const least = Math.max(68, Math.min(...known));
    for (const { follows } of entries) {
      if (follows && follows.mtu !== least) await follows.change({ mtu: least });
    }
  }

  async #bringPorts({ ports = {} }: Declared): Promise<void> {
    for (const [name, { life, was }] of this.#local) {
      const next = ports[name];
      if (next && sameDevice(next, was)) continue;
      this.#local.delete(name);
      await life.end(RELOAD);
    }
    for (const [name, wanted] of Object.entries(ports)) {
      if (wanted.patch !== undefined) continue;
      const there = this.#local.get(name);
      if (there) {
        there.was = wanted;
        await there.joined?.change(optionsOf(wanted));
      } else this.#keepPort(name, wanted);
    }
  }

  #keepPort(name: string, wanted: LocalPort): void {
    const kept: { life: Endable; was: LocalPort; joined?: Joined } = {
      was: wanted,
      life: this.#life.keep(name, async (life) => {
        life.defer(() => void delete kept.joined);
        const { port, follows, kind } = await openLocal(life, kept.was);
        const mtu = () => follows ? undefined : port.frameMtu - ETHERNET_HEADER;
        const options = optionsOf(kept.was);
        let running = true;
        const up = () => running;
        kept.joined = await this.join(life, port, { name, kind, options, up }, mtu, follows);
        await life.follow(port, (now) => {
          running = now;
          kept.joined?.refit().catch(life.fail);
        });
      }),
    };
    this.#local.set(name, kept);
  }
}

function sameDevice(a: LocalPort, b: LocalPort): boolean {
  return isDeepStrictEqual([a.tap, a.interface, a.patch], [b.tap, b.interface, b.patch]);
}

function optionsOf({ tap: _tap, interface: _device, patch: _patch, ...options }: LocalPort) {
  return options;
}

/** Opens the device of a port. One whose MTU nobody said follows the switch's. */
async function openLocal(
  life: Scope,
  { interface: device, tap }: LocalPort,
): Promise<{ port: DevicePort | PacketPort; kind: string; follows?: DevicePort }> {
  if (tap !== undefined) {
    const options = typeof tap === "string" ? { name: tap } : tap;
    const port = await life.open("tap", options);
    port.carrier(true);
    return { port, kind: `tap ${port.name}`, ...(options.mtu === undefined && { follows: port }) };
  }
  const options = (typeof device === "string" ? { name: device } : device!) as PacketOptions & {
    tpid?: unknown;
  };
  const tpid = { "8100": 0x8100, "88a8": 0x88a8, "9100": 0x9100 }[String(options.tpid ?? "8100")];
  const port = await life.open("packet", { promiscuous: true, ...options, tpid } as PacketOptions);
  return { port, kind: `interface ${port.name}` };
}
