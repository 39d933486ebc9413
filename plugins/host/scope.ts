/** The {@linkcode Scope} of plugins: a life, and what can be had from it. @module */

import type { DatabaseSync } from "node:sqlite";
import { asError, Failure } from "../failure.ts";
import type { PacketOptions, PppoeOptions, TapOptions, TunOptions } from "../ports.ts";
import type { Endable, Scope, UnixStream } from "../scope.ts";
import { openPacket, openPppoe, openTap, openTun } from "./devices.ts";
import { keep, type Listing } from "./keeper.ts";
import type { Leaves } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** What the scopes of one plugin are made with. */
export interface ScopeSetting {
  readonly plugin: string;
  readonly leaves: Leaves;
  readonly ports: Ports;
  readonly listing: Listing;
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
    open: opener(life, leaves, ports),
    join: (): Promise<never> => Promise.reject(notBuilt("joining a forwarder")),
    connect: (a, b) => ports.connect(life, a, b),
    hold: () => {
      throw notBuilt("holding frames");
    },
    receive: (port, take) => ports.receive(life, port, (batch) => guard(() => take(batch))),
    place: () => Promise.reject(notBuilt("placing calls")),
    attach: () => Promise.reject(notBuilt("attaching to circuits")),
    udp: () => Promise.reject(notBuilt("a UDP socket")),
    route: () => Promise.reject(notBuilt("routes")),
    addToSet: () => Promise.reject(notBuilt("sets of addresses")),
    unix: (path, received) =>
      life.own(async () => {
        const stream = await leaves.openUnix(path, (bytes) => guard(() => received(bytes)));
        const value: UnixStream = { write: stream.write };
        return { value, undo: () => stream.close() };
      }),
    readText: leaves.readText,
    store() {
      life.refuseEnded();
      return setting.store();
    },
    hook: (event, environment) => leaves.hook(event, environment),
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

function notBuilt(what: string): Failure {
  return new Failure("invalid", `${what} is not built yet`);
}

/** How devices of each kind are opened. */
function opener(life: Life, leaves: Leaves, ports: Ports): Scope["open"] {
  const open = (
    kind: "tap" | "tun" | "packet" | "pppoe" | "patch" | "switch" | "ppp",
    options: object,
  ): Promise<unknown> => {
    switch (kind) {
      case "tap":
        return openTap(life, leaves, ports, options as TapOptions);
      case "tun":
        return openTun(life, leaves, ports, options as TunOptions);
      case "packet":
        return openPacket(life, leaves, ports, options as PacketOptions);
      case "pppoe":
        return openPppoe(life, leaves, ports, options as PppoeOptions);
      case "patch":
      case "switch":
      case "ppp":
        return Promise.reject(notBuilt(`open("${kind}")`));
    }
  };
  return open as Scope["open"];
}
