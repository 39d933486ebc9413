/** The {@linkcode Host} of real circuits: each circuit's own, so that all that it opened can be closed for it. @module */

import {
  CircuitError,
  type Clock,
  type Host,
  type HostDatapath,
  type HostPort,
  type Log,
  type Meter,
  type PortId,
  type TapPort,
} from "../../plugins/plugin.ts";
import { type Datapath, DatapathError } from "../datapath/datapath.ts";
import { circuitError } from "../appliance/errors.ts";
import { IoError } from "../io/errno.ts";
import type { System, TapDevice } from "../io/system.ts";

/** What hosts are made from. */
export interface HostDependencies {
  readonly datapath: Datapath;
  readonly system: System;
  readonly clock: Clock;
  random(length: number): Uint8Array;
}

/** One circuit's host. Disposal closes what the circuit left open; the host is of no use afterwards. */
export interface ScopedHost extends AsyncDisposable {
  readonly host: Host;
}

/** A host for one circuit. `failed` is called once, if the circuit says that it broke. */
export function scopedHost(
  dependencies: HostDependencies,
  log: Log,
  meter: Meter,
  failed: (reason: CircuitError) => void,
): ScopedHost {
  const { clock, datapath, random, system } = dependencies;
  /** What is open, oldest first. */
  const open = new Set<AsyncDisposable>();
  let closed = false;

  /** Remembers what was opened until it is disposed of, by the circuit or by us. */
  const own = <T extends object>(opened: T, close: () => Promise<void>): T & AsyncDisposable => {
    let done: Promise<void> | undefined;
    const dispose = () => {
      open.delete(owned);
      return done ??= close();
    };
    const owned = Object.defineProperty(opened, Symbol.asyncDispose, { value: dispose }) as
      & T
      & AsyncDisposable;
    open.add(owned);
    return owned;
  };
  const refuseClosed = () => {
    if (closed) throw new CircuitError("unavailable", "the circuit is gone");
  };

  const hostDatapath: HostDatapath = {
    async openTap(options) {
      refuseClosed();
      const device = guarded("name", () => system.openTap(options));
      const tap = await openTapPort(device, dependencies);
      return own(tap.port, tap.close);
    },
    async openHostPort(frameType, receive) {
      refuseClosed();
      const safely = (frames: readonly Uint8Array[]) => guardPlugin(log, () => receive(frames));
      const port = await guardedAsync(() => datapath.addHostPort(frameType, safely));
      const hostPort: Omit<HostPort, keyof AsyncDisposable> = {
        port,
        send: (frames) => datapath.inject(port, frames),
      };
      return own(hostPort, () => removed(datapath.removePort(port)));
    },
    async crossConnect(a: PortId, b: PortId) {
      refuseClosed();
      await guardedAsync(() => datapath.crossConnect(a, b));
      return own({}, () => removed(datapath.disconnect(a)));
    },
  };

  let broken = false;
  const host: Host = {
    datapath: hostDatapath,
    log,
    meter: {
      counter: meter.counter,
      gauge(name, help, read) {
        const gauge = meter.gauge(name, help, read);
        const owned = own({}, () => Promise.resolve(gauge[Symbol.dispose]()));
        return { [Symbol.dispose]: () => void owned[Symbol.asyncDispose]() };
      },
    },
    clock: {
      now: clock.now,
      timer(at, callback) {
        const timer = clock.timer(at, () => {
          dispose();
          guardPlugin(log, callback);
        });
        const owned = own({}, () => Promise.resolve(timer[Symbol.dispose]()));
        const dispose = () => void owned[Symbol.asyncDispose]();
        return { [Symbol.dispose]: dispose };
      },
    },
    random,
    fail(reason) {
      if (broken || closed) return;
      broken = true;
      failed(reason);
    },
  };

  return {
    host,
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const resource of [...open].reverse()) {
        try {
          await resource[Symbol.asyncDispose]();
        } catch (error) {
          log.error("cannot close what a circuit left open", { error: String(error) });
        }
      }
    },
  };
}

/** Runs a plugin's callback: a defect in one plugin is logged and ends nothing else. */
function guardPlugin(log: Log, callback: () => void): void {
  try {
    callback();
  } catch (error) {
    log.error("a plugin failed in a callback", { error: String(error) });
  }
}

/** A device in the datapath, as plugins see it. */
async function openTapPort(
  device: TapDevice,
  { datapath, system }: HostDependencies,
): Promise<{ port: Omit<TapPort, keyof AsyncDisposable>; close: () => Promise<void> }> {
  /** Whether the device is still there. */
  let present = true;
  const gone = () => {
    present = false;
    port.onGone?.();
  };
  device.onLost = gone;
  let id: PortId;
  try {
    id = await datapath.addTap(device.fd, gone, device.vnet);
  } catch (error) {
    device.release(device.adopted);
    system.close(device.fd);
    throw circuitError(error);
  }
  let mtu = device.mtu();
  let mac = device.mac();
  const port: Omit<TapPort, keyof AsyncDisposable> = {
    port: id,
    name: device.name,
    adopted: device.adopted,
    get mac() {
      return mac;
    },
    mtu: () => mtu,
    change(options) {
      if (!present) throw new CircuitError("unavailable", `TAP ${device.name} is gone`);
      guarded(undefined, () => device.change(options));
      mtu = device.mtu();
      mac = device.mac();
    },
    setCarrier(up) {
      // A device that vanished a moment ago has no carrier to lose.
      if (present) tolerateGone(() => device.setCarrier(up));
    },
    onGone: undefined,
  };
  const close = async () => {
    const there = present;
    present = false;
    try {
      if (there && device.adopted) tolerateGone(() => device.setCarrier(true));
      tolerateGone(() => device.release(there && device.adopted));
    } finally {
      await removed(datapath.removePort(id));
    }
  };
  return { port, close };
}

/** Waits for a removal; what is gone already is no error. */
async function removed(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const gone = error instanceof DatapathError &&
      (error.code === "no-such-port" || error.code === "stopped");
    if (!gone) throw error;
  }
}

/** Runs `work` on a device that may have vanished, which is then no error. */
function tolerateGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof IoError && goneCodes.has(error.code))) throw circuitError(error);
  }
}

const goneCodes: ReadonlySet<string> = new Set(["EBADFD", "ENODEV", "ENXIO", "EIO"]);

function guarded<T>(option: string | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw circuitError(error, option);
  }
}

async function guardedAsync<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw circuitError(error);
  }
}
