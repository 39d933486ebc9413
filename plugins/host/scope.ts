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
import type { Leaves } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";
import { joinPpp, openPpp } from "./ppp_forwarder.ts";
import { joinSwitch, openPatch, openSwitch } from "./switch_forwarder.ts";

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
  const { leaves, plugin, ports } = setting;
  const { clock } = leaves;
  /** Runs a plugin's callback: a defect in one plugin is logged and ends nothing else. */
  const guard = (callback: () => void) => {
    try {
      callback();
    } catch (error) {
      life.log.error("the plugin failed in a callback", {
        of: life.label,
        error: asError(error).message,
      });
    }
  };

  const scope: Scope & Endable = {
    get signal() {
      return life.signal;
    },
    end: life.end,
    child: (label) => makeScope(life.child(`${life.label}/${label}`), setting),
    keep(label, begin) {
      life.refuseEnded();
      return keep(
        life,
        { clock, listing: setting.listing },
        `${life.label}/${label}`,
        (inner) => begin(makeScope(inner, setting)),
      );
    },
    service(name) {
      life.refuseEnded();
      return setting.service(name);
    },
    defer: life.defer,
    fail: life.fail,
    failure: (code, message, option) =>
      new Failure(code, message, option === undefined ? {} : { option }),
    open: opener(life, setting, guard),
    join: joiner(life, setting) as Scope["join"],
    connect: (a, b) => ports.connect(life, a, b),
    hold: (port, frames) => ports.hold(life, port, frames),
    follow: (device, told) => followDevice(life, device, (running) => guard(() => told(running))),
    receive: (port, take) => ports.receive(life, port, (batch) => guard(() => take(batch))),
    place: (target, say, options) => placeCall(life, leaves, guard, target, say, options),
    attach: (circuit, channel, ended) =>
      attachChannel(life, leaves, guard, circuit, channel, ended),
    ...outsideOf(life, leaves, guard),
    store() {
      life.refuseEnded();
      return setting.store();
    },
    now: clock.now,
    date: leaves.date,
    timer(at, due) {
      const timers: Disposable[] = [];
      const stop = () => timers.pop()?.[Symbol.dispose]();
      const forget = life.push(stop);
      timers.push(clock.timer(at, () => {
        forget();
        guard(due);
      }));
      return {
        cancel() {
          forget();
          stop();
        },
      };
    },
    random: leaves.random,
    log: (level, message, fields) => life.log[level](message, { of: life.label, ...fields }),
    event: (name, fields) => leaves.event(`${plugin}-${name}`, fields),
    counter: (name, help) => leaves.meters.counter(plugin, name, help),
    gauge(name, help, read) {
      life.refuseEnded();
      const gauge = leaves.meters.gauge(plugin, name, help, read);
      life.push(() => gauge[Symbol.dispose]());
    },
  };
  return scope;
}

/** What a scope has of the operating system beside ports. */
function outsideOf(
  life: Life,
  leaves: Leaves,
  guard: (callback: () => void) => void,
): Pick<Scope, "udp" | "route" | "addToSet" | "unix" | "readText" | "hook"> {
  return {
    udp: (options, received) =>
      life.own(async () => {
        const { close, ...socket } = await leaves.openUdp(
          options,
          (datagram, from) => guard(() => received(datagram, from)),
        );
        return { value: socket, undo: close };
      }),
    route: (route) =>
      life.own(async () => ({ value: undefined, undo: await leaves.addRoute(route) })),
    addToSet: (set, address, netns) =>
      life.own(async () => ({
        value: undefined,
        undo: await leaves.addToSet(set, address, netns),
      })),
    unix: (path, received) =>
      life.own(async () => {
        const stream = await leaves.openUnix(path, (bytes) => guard(() => received(bytes)));
        const value: UnixStream = { write: stream.write };
        return { value, undo: () => stream.close() };
      }),
    readText: leaves.readText,
    hook: (event, environment) => leaves.hook(event, environment),
  };
}

/** How each kind of port and forwarder is opened. */
function opener(
  life: Life,
  { leaves, opened, ports }: ScopeSetting,
  guard: (callback: () => void) => void,
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
