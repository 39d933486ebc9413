/** What the datapath hears of peers, for the control plane: data is a sign of life too (RFC 2661 §5.5). @module */

import type { ConnectionHandle } from "../../core/events.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { Datapath, PathError, TunnelHandle } from "../datapath/datapath.ts";
import type { ControlState } from "./context.ts";
import type { Driver } from "./driver.ts";

/** For so long questions are gathered, so that the datapath is asked once for many tunnels, in milliseconds. */
const GATHER_MS = 20;
/** So many connections are looked at in one go. */
const AT_ONCE = 256;

export interface Hearing {
  /** The LCCE wants to know when a connection was last heard. */
  silent(handle: ConnectionHandle): void;
  /** ICMP says that peers cannot be reached. */
  unreachable(errors: readonly PathError[]): void;
}

export function makeHearing(
  { clock, datapath, driver, state }: {
    readonly clock: Clock;
    readonly datapath: Datapath;
    readonly driver: Driver;
    readonly state: ControlState;
  },
): Hearing {
  let asked = new Map<ConnectionHandle, TunnelHandle>();
  let timer: Disposable | undefined;

  const answer = async () => {
    timer = undefined;
    const tunnels = asked;
    asked = new Map();
    const { heardAgoMs } = await datapath.counters({ sessions: [], tunnels: tunnels.values() });
    driver.act((lcce, now) => {
      for (const [handle, tunnel] of tunnels) {
        const ago = heardAgoMs.get(tunnel);
        lcce.heard(handle, ago === undefined ? undefined : now - ago, now);
      }
    });
  };

  return {
    silent(handle) {
      const tunnel = state.links.get(handle)?.entry?.handle;
      if (tunnel === undefined) {
        return driver.defer((lcce, now) => lcce.heard(handle, undefined, now));
      }
      asked.set(handle, tunnel);
      // Where the datapath has stopped, the LCCE goes on without an answer.
      timer ??= clock.timer(clock.now() + GATHER_MS, () => void answer().catch(() => {}));
    },
    unreachable(errors) {
      const addresses = new Set(errors.map(({ remote }) => remote.address));
      const said = new Set(errors.map(({ remote, socket }) => peerKey(socket, remote)));
      const all = driver.act((lcce) => [...lcce.connections()]);
      // A job for some of them, of which there may be very many: the driver has others between.
      for (let at = 0; at < all.length; at += AT_ONCE) {
        driver.defer((lcce, now) => {
          for (const { handle, path } of all.slice(at, at + AT_ONCE)) {
            const { address } = path.remote;
            if (!addresses.has(address) || !said.has(peerKey(path.socket, path.remote))) continue;
            lcce.unreachable(handle, now);
          }
        });
      }
    },
  };
}

/** A peer, as an ICMP error names it. */
function peerKey(socket: number, { address, port }: Endpoint): string {
  return `${socket} ${address} ${port}`;
}
