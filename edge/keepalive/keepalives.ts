/**
 * Keepalives of static sessions: each puts a probe inside its pseudowire, beside whatever the session is joined to, and
 * says whether the path is there. Nothing else of a session depends on them: they neither start nor end one.
 *
 * @module
 */

import { formatIp, parseIp } from "../../core/endpoint.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Clock, PortId } from "../../plugins/host/leaves.ts";
import { formatMac, locallyAdministered, type Mac, parseMac } from "../../plugins/mac.ts";
import { linkLocalOf } from "../../plugins/probe/wire6.ts";
import { same } from "../config/same.ts";
import type { KeepaliveConfig } from "../config/keepalive.ts";
import type { SessionConfig } from "../config/model.ts";
import type { Datapath, InsideSpec } from "../datapath/datapath.ts";
import type { Logger } from "../log/log.ts";
import {
  type KeepaliveView,
  noCounts,
  type Outcome,
  type ProbeCounts,
  Prober,
  type ProbeSettings,
  type ProbeState,
} from "./prober.ts";
import { Wheel } from "./wheel.ts";
import { each, type Slices } from "../slices.ts";

/** What keepalives are made with. */
export interface KeepaliveDependencies {
  readonly clock: Clock;
  readonly datapath: Pick<Datapath, "addInside" | "inject" | "removePort">;
  readonly log: Logger;
  random(length: number): Uint8Array;
  /** Unix milliseconds. */
  wallClock(): number;
}

/** The keepalive of one session. */
export interface Keepalive {
  /** Why the session is to be down; undefined: it is not. */
  readonly silence: string | undefined;
  readonly view: KeepaliveView;
}

/** Where a session is in the datapath and in reports, and whom to tell. */
export interface Place {
  /** `tunnels/branch/sessions/office`. */
  readonly path: string;
  /** Its port, as it is now. */
  port(): PortId;
  /** {@linkcode Keepalive.silence} has changed. */
  changed(): void;
}

/** All of them. */
export interface Keepalives {
  /** A keepalive that is not in the datapath yet. @param up the session is up now, and stays so until the path is lost */
  make(config: SessionConfig, place: Place, up: boolean): RunningKeepalive;
  /** How many sessions are in each state. */
  states(): Slices<Readonly<Record<ProbeState, number>>>;
  /** What all have counted since the start. */
  counts(): Readonly<ProbeCounts>;
  /** Those whose sessions are to be down. */
  silent(): Iterable<{ readonly path: string; readonly reason: string; readonly since: number }>;
}

/** A keepalive in the hands of its session; every function is to be called in the tunnel's queue. */
export interface RunningKeepalive extends Keepalive {
  /** Puts its probe into the datapath, where its session's port is by now. @throws {DatapathError} */
  enter(): Promise<void>;
  /** Takes it out again, as the session's port goes; what it knows of the path stays. Never fails. */
  leave(): Promise<void>;
  /** Takes other settings, without restarting anything. @throws {DatapathError} */
  change(config: SessionConfig): Promise<void>;
  /** Takes it out for good. Never fails. */
  end(): Promise<void>;
}

/** The part of an interval by which two probes may be nearer to or farther from each other. */
const JITTER = 0.1;

export function makeKeepalives(dependencies: KeepaliveDependencies): Keepalives {
  const wheel = new Wheel(dependencies.clock);
  const all = new Set<Running>();
  const totals = noCounts();
  return {
    make(config, place, up) {
      const running = new Running({ ...dependencies, wheel, totals, all }, config, place, up);
      all.add(running);
      return running;
    },
    *states() {
      const states = { waiting: 0, up: 0, lost: 0 };
      yield* each(all, ({ state }) => void states[state]++);
      return states;
    },
    counts: () => ({ ...totals }),
    *silent() {
      for (const { path, silence, since } of all) {
        if (silence !== undefined) yield { path, reason: silence, since };
      }
    },
  };
}

interface Shared extends KeepaliveDependencies {
  readonly wheel: Wheel;
  readonly totals: ProbeCounts;
  readonly all: Set<Running>;
}

class Running implements RunningKeepalive {
  readonly #shared: Shared;
  readonly #place: Place;
  readonly #ownMac: Mac;
  readonly #prober: Prober;
  #config: KeepaliveConfig;
  #settings: ProbeSettings;
  /** Its port in the datapath, while it is there. */
  #host: PortId | undefined;
  #since: number;

  constructor(shared: Shared, config: SessionConfig, place: Place, up: boolean) {
    this.#shared = shared;
    this.#place = place;
    this.#ownMac = locallyAdministered(shared.random(6));
    this.#config = config.keepalive!;
    this.#settings = settingsOf(config, this.#ownMac);
    const state = up ? "up" : "waiting";
    this.#prober = new Prober(this.#settings, state, shared.random, shared.totals);
    this.#since = shared.wallClock();
  }

  get path(): string {
    return this.#place.path;
  }

  get state(): ProbeState {
    return this.#prober.state;
  }

  get since(): number {
    return this.#since;
  }

  get silence(): string | undefined {
    const { target } = this.#config;
    const { state } = this.#prober;
    if (state === "up") return undefined;
    return state === "waiting"
      ? `keepalive: waiting for ${target} to answer`
      : `keepalive: no answer from ${target}`;
  }

  get view(): KeepaliveView {
    const { counts, lastRttMs, missed, state } = this.#prober.figures();
    const { mac, source } = this.#settings;
    return {
      state,
      target: this.#config.target,
      ...(source && { source: formatIp(source) }),
      mac: formatMac(mac),
      missed,
      ...(lastRttMs !== undefined && { lastRttMs }),
      since: this.#since,
      ...counts,
    };
  }

  async enter(): Promise<void> {
    const { clock, datapath, random, wheel } = this.#shared;
    const port = this.#place.port();
    this.#host = await datapath.addInside(port, insideOf(this.#settings), this.#receive);
    this.#prober.forgive();
    // Those of one file begin at one time: they are spread over an interval.
    wheel.set(this.#due, clock.now() + this.#config.intervalMs * random(1)[0]! / 256);
  }

  async leave(): Promise<void> {
    const { datapath, log, wheel } = this.#shared;
    wheel.delete(this.#due);
    const host = this.#host;
    this.#host = undefined;
    if (host === undefined) return;
    await datapath.removePort(host).catch((error) =>
      log.debug("cannot remove a probe in order", { path: this.path, error: String(error) })
    );
  }

  async change(config: SessionConfig): Promise<void> {
    const next = settingsOf(config, this.#ownMac);
    const [before, { intervalMs }] = [this.#settings, this.#config];
    this.#config = config.keepalive!;
    this.#settings = next;
    this.#prober.change(next);
    if (this.#host === undefined) return;
    if (same(insideOf(before), insideOf(next)) && intervalMs === this.#config.intervalMs) return;
    await this.leave();
    await this.enter();
  }

  async end(): Promise<void> {
    this.#shared.all.delete(this);
    await this.leave();
  }

  readonly #due = (now: number) => {
    const { random, wheel } = this.#shared;
    const part = 1 + JITTER * (random(1)[0]! / 128 - 1);
    wheel.set(this.#due, now + this.#config.intervalMs * part);
    // What we could not send says nothing of the path.
    if (!this.#carryOut(this.#prober.tick(now))) this.#prober.forgive();
  };

  readonly #receive = (frames: readonly Uint8Array[]) => {
    const now = this.#shared.clock.now();
    for (const frame of frames) {
      if (this.#host === undefined) return;
      this.#carryOut(this.#prober.receive(frame, now));
    }
  };

  /** False: the frames could not be sent. */
  #carryOut({ edge, send }: Outcome): boolean {
    const { datapath } = this.#shared;
    const sent = send.length === 0 ||
      (this.#host !== undefined && datapath.inject(this.#host, send));
    if (edge) {
      this.#since = this.#shared.wallClock();
      this.#place.changed();
    }
    return sent;
  }
}
/** Settings of a session's probe; `mac` is its own where none is given. */
function settingsOf(config: SessionConfig, ownMac: Mac): ProbeSettings {
  const { lost, restore, target, ...given } = config.keepalive!;
  const mac = given.mac === undefined ? ownMac : parseMac(given.mac);
  const to = parseIp(target)!;
  const source = given.source !== undefined
    ? parseIp(given.source)!
    : to.length === 16
    ? linkLocalOf(mac)
    : undefined;
  const ofVlan = config.pseudowireType === PseudowireType.EthernetVlan;
  const vlan = given.vlan ?? (ofVlan ? config.vlanId : undefined);
  return {
    mac,
    target: to,
    ...(source && { source }),
    ...(vlan !== undefined && { vlan }),
    anyVlan: ofVlan,
    lost,
    restore,
  };
}

/** The probe as the datapath knows it. */
function insideOf({ anyVlan, mac, source, vlan }: ProbeSettings): InsideSpec {
  return {
    mac,
    ...(source && (source.length === 4 ? { v4: source } : { v6: source })),
    ...(anyVlan ? { vlan: "any" } : vlan !== undefined && { vlan }),
  };
}
