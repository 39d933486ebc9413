/** The {@linkcode Scope} of plugins: a life, and what can be had from it. @module */

import type { DatabaseSync } from "node:sqlite";
import { asError, Failure } from "../failure.ts";
import type {
  Member,
  PacketOptions,
  Port,
  PppoeOptions,
  PppOptions,
  PppPortOptions,
  SwitchEvent,
  SwitchPortOptions,
  TapOptions,
  TunOptions,
} from "../ports.ts";
import type { Endable, Scope, UnixStream } from "../scope.ts";
import { attachChannel, placeCall } from "./calls.ts";
import { followDevice, openPacket, openPppoe, openTap, openTun } from "./devices.ts";
import type { OpenForwarder } from "./forwarders.ts";
import { keep, type Listing } from "./keeper.ts";
import type { Clock, Leaves } from "./leaves.ts";
import type { Life, Undoable } from "./life.ts";
import type { Ports } from "./ports.ts";
import { joinPpp, openPpp } from "./ppp_forwarder.ts";
import { joinSwitch, openPatch, openSwitch } from "./switch_forwarder.ts";

/** Runs a plugin's callback. */
type Guard = (callback: () => void) => void;

/** What the scopes of one plugin are made with. */
export interface ScopeSetting {
  readonly plugin: string;
  readonly leaves: Leaves;
  readonly ports: Ports;
  readonly listing: Listing;
  /** The forwarders of all scopes. */
  readonly opened: WeakMap<object, OpenForwarder>;
  /** @throws {Failure} */
  service(plugin: string): unknown;
  /** @throws {Failure} */
  store(): DatabaseSync;
}

/** The scope of a life. */
export function makeScope(life: Life, setting: ScopeSetting): Scope & Endable {
  return new OwnScope(life, setting);
}

/**
 * A scope. There is one of each session, so what it has is made as it is asked for: each property is a getter of the
 * class, which gives a function that needs no `this`.
 */
class OwnScope implements Scope, Endable {
  readonly #life: Life;
  readonly #setting: ScopeSetting;

  constructor(life: Life, setting: ScopeSetting) {
    this.#life = life;
    this.#setting = setting;
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  get ending(): boolean {
    return this.#life.ending !== undefined;
  }

  get end(): Endable["end"] {
    return (why) => this.#life.end(why);
  }

  get child(): Scope["child"] {
    return (label) => makeScope(this.#life.child(`${this.#life.label}/${label}`), this.#setting);
  }

  get keep(): Scope["keep"] {
    return (label, begin) => {
      const life = this.#life;
      const { leaves: { clock }, listing } = this.#setting;
      life.refuseEnded();
      const whole = `${life.label}/${label}`;
      return keep(
        life,
        { clock, listing },
        whole,
        (inner) => begin(makeScope(inner, this.#setting)),
      );
    };
  }

  get service(): Scope["service"] {
    return (name) => {
      this.#life.refuseEnded();
      return this.#setting.service(name);
    };
  }

  get defer(): Scope["defer"] {
    return (undo) => this.#life.defer(undo);
  }

  get fail(): Scope["fail"] {
    return (failure) => this.#life.fail(failure);
  }

  get failure(): Scope["failure"] {
    return failureOf;
  }

  get open(): Scope["open"] {
    return opener(this.#life, this.#setting, this.#guard);
  }

  get join(): Scope["join"] {
    return joiner(this.#life, this.#setting) as Scope["join"];
  }

  get connect(): Scope["connect"] {
    return (a, b) => this.#setting.ports.connect(this.#life, a, b);
  }

  get hold(): Scope["hold"] {
    return (port, frames) => this.#setting.ports.hold(this.#life, port, frames);
  }

  get follow(): Scope["follow"] {
    return (device, told) =>
      followDevice(this.#life, device, (running) => guarded(this.#life, () => told(running)));
  }

  get receive(): Scope["receive"] {
    return (port, take) => {
      const life = this.#life;
      this.#setting.ports.receive(life, port, (batch) => guarded(life, () => take(batch)));
    };
  }

  get place(): Scope["place"] {
    return (target, say, options) =>
      placeCall(this.#life, this.#setting.leaves, this.#guard, target, say, options);
  }

  get attach(): Scope["attach"] {
    return (circuit, channel, ended) =>
      attachChannel(this.#life, this.#setting.leaves, this.#guard, circuit, channel, ended);
  }

  get udp(): Scope["udp"] {
    return (options, received) =>
      this.#life.own(async () => {
        const { close, ...socket } = await this.#setting.leaves.openUdp(
          options,
          (datagram, from) => guarded(this.#life, () => received(datagram, from)),
        );
        return { value: socket, undo: close };
      });
  }

  get route(): Scope["route"] {
    return (route) =>
      this.#life.own(async () => ({
        value: undefined,
        undo: await this.#setting.leaves.addRoute(route),
      }));
  }

  get addToSet(): Scope["addToSet"] {
    return (set, address, netns) =>
      this.#life.own(async () => ({
        value: undefined,
        undo: await this.#setting.leaves.addToSet(set, address, netns),
      }));
  }

  get unix(): Scope["unix"] {
    return (path, received) =>
      this.#life.own(async () => {
        const stream = await this.#setting.leaves.openUnix(
          path,
          (bytes) => guarded(this.#life, () => received(bytes)),
        );
        const value: UnixStream = { write: stream.write };
        return { value, undo: () => stream.close() };
      });
  }

  get readText(): Scope["readText"] {
    return this.#setting.leaves.readText;
  }

  get hook(): Scope["hook"] {
    return (event, environment) => this.#setting.leaves.hook(event, environment);
  }

  get store(): Scope["store"] {
    return () => {
      this.#life.refuseEnded();
      return this.#setting.store();
    };
  }

  get now(): Scope["now"] {
    return this.#setting.leaves.clock.now;
  }

  get date(): Scope["date"] {
    return this.#setting.leaves.date;
  }

  get timer(): Scope["timer"] {
    return (at, due) => new ScopeTimer(this.#life, this.#setting.leaves.clock, at, due);
  }

  get random(): Scope["random"] {
    return this.#setting.leaves.random;
  }

  get log(): Scope["log"] {
    return (level, message, fields) =>
      this.#life.log[level](message, { of: this.#life.label, ...fields });
  }

  get event(): Scope["event"] {
    return (name, fields) => this.#setting.leaves.event(`${this.#setting.plugin}-${name}`, fields);
  }

  get counter(): Scope["counter"] {
    const { leaves: { meters }, plugin } = this.#setting;
    return (name, help) => meters.counter(plugin, name, help);
  }

  get gauge(): Scope["gauge"] {
    return (name, help, read) => {
      const { leaves: { meters }, plugin } = this.#setting;
      this.#life.refuseEnded();
      const gauge = meters.gauge(plugin, name, help, read);
      this.#life.push(() => gauge[Symbol.dispose]());
    };
  }

  get #guard(): Guard {
    return (callback) => guarded(this.#life, callback);
  }
}

/** A timer that its scope's end cancels. */
class ScopeTimer implements Undoable {
  readonly #life: Life;
  readonly #timer: Disposable;

  constructor(life: Life, clock: Clock, at: number, due: () => void) {
    this.#life = life;
    life.add(this);
    this.#timer = clock.timer(at, () => {
      life.drop(this);
      guarded(life, due);
    });
  }

  cancel(): void {
    this.#life.drop(this);
    this.undo();
  }

  undo(): void {
    this.#timer[Symbol.dispose]();
  }
}

/** Runs a plugin's callback: a defect in one plugin is logged and ends nothing else. */
function guarded(life: Life, callback: () => void): void {
  try {
    callback();
  } catch (error) {
    life.log.error("the plugin failed in a callback", {
      of: life.label,
      error: asError(error).message,
    });
  }
}

const failureOf: Scope["failure"] = (code, message, option) =>
  new Failure(code, message, option === undefined ? {} : { option });

/** How each kind of port and forwarder is opened. */
function opener(
  life: Life,
  { leaves, opened, ports }: ScopeSetting,
  guard: Guard,
): Scope["open"] {
  const open = async (
    kind: "tap" | "tun" | "packet" | "pppoe" | "patch" | "switch" | "ppp",
    options: object,
    happened?: (event: SwitchEvent) => void,
  ): Promise<unknown> => {
    switch (kind) {
      case "tap":
        return await openTap(life, leaves, ports, options as TapOptions);
      case "tun":
        return await openTun(life, leaves, ports, options as TunOptions);
      case "packet":
        return await openPacket(life, leaves, ports, options as PacketOptions);
      case "ppp": {
        const [forwarder, its] = await openPpp(
          life,
          leaves.datapath,
          ports,
          options as PppOptions,
        );
        opened.set(forwarder, its);
        return forwarder;
      }
      case "switch": {
        const tell = (event: SwitchEvent) => guard(() => happened?.(event));
        const [forwarder, its] = await openSwitch(life, leaves.datapath, ports, options, tell);
        opened.set(forwarder, its);
        return forwarder;
      }
      case "pppoe":
        return await openPppoe(life, leaves, ports, options as PppoeOptions);
      case "patch":
        return await openPatch(life, leaves.datapath, ports);
    }
  };
  return open as Scope["open"];
}

/** How a port joins a forwarder of each kind. */
function joiner(life: Life, { opened }: ScopeSetting) {
  return async (forwarder: object, port: Port, options: object): Promise<Member<never>> => {
    const open = opened.get(forwarder);
    if (!open) throw new Failure("invalid", "this is no forwarder of the host");
    switch (open.kind) {
      case "ppp":
        return await joinPpp(life, open, port, options as PppPortOptions);
      case "switch":
        return await joinSwitch(life, open, port, options as SwitchPortOptions);
    }
  };
}
