/**
 * The paths to peers while tunnels run: their MTUs are followed, and what ICMP says of them is counted for the tunnels
 * that use them. ICMP may be forged: it makes us look again, and changes nothing by itself.
 *
 * @module
 */

import type { Endpoint } from "../../core/endpoint.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { Datapath, PathError, PathTrouble, SocketId } from "../datapath/datapath.ts";
import type { System } from "../io/system.ts";
import type { Logger } from "../log.ts";
import type { TunnelEntry } from "./table.ts";

/** What paths are followed with. */
export interface PathDependencies {
  readonly clock: Clock;
  readonly datapath: Datapath;
  readonly log: Logger;
  readonly system: System;
  /** The tunnels that run. */
  readonly tunnels: { readonly all: ReadonlyMap<string, TunnelEntry> };
  /** Looks at a tunnel's path MTU again, in the tunnel's queue, and tells its sessions. */
  follow(tunnel: TunnelEntry): Promise<void>;
}

/** All paths. Disposal stops following them. */
export interface Paths extends Disposable {
  /** Called with every error that says that a peer cannot be reached: a hint, which may be forged. */
  onUnreachable: ((errors: readonly PathError[]) => void) | undefined;
  /** How many ICMP errors came, by what they said; those of peers without a tunnel among them. */
  errors(): Readonly<Record<PathTrouble, number>>;
}

/** After a hint, for more of them to come, in milliseconds. */
const SETTLE_MS = 20;
/** How often a path is looked at that carried more before: the kernel tells nobody when it forgets what ICMP said. */
const NARROW_MS = 5000;
/** Tunnels that are looked at in one turn. */
const SLICE = 64;
/** How long we believe that an address is ours, or not. */
const OWN_ADDRESS_MS = 1000;

/** What says that a peer is not there. */
const unreachable: ReadonlySet<PathTrouble> = new Set<PathTrouble>([
  "port-unreachable",
  "protocol-unreachable",
  "host-unreachable",
  "net-unreachable",
  "neighbour-unresolved",
  "prohibited",
]);

/** Follows the paths of all tunnels. */
export function followPaths(dependencies: PathDependencies): Paths {
  const { clock, datapath, log, system, tunnels } = dependencies;
  const totals: Record<PathTrouble, number> = {
    "port-unreachable": 0,
    "protocol-unreachable": 0,
    "host-unreachable": 0,
    "net-unreachable": 0,
    "neighbour-unresolved": 0,
    prohibited: 0,
    "too-big": 0,
    "time-exceeded": 0,
    "parameter-problem": 0,
    other: 0,
  };
  /** Tunnels to look at. */
  const due = new Set<TunnelEntry>();
  /** Tunnels whose paths carried more once, in bytes of IP. */
  const narrow = new Map<TunnelEntry, number>();
  let timer: Disposable | undefined;
  let narrowTimer: Disposable | undefined;
  let own: { readonly addresses: Map<string, boolean>; readonly until: number } | undefined;
  let stopped = false;

  const lookSoon = () => {
    if (!stopped && due.size > 0) timer ??= clock.timer(clock.now() + SETTLE_MS, look);
  };
  const look = () => {
    timer = undefined;
    const slice = [...due].slice(0, SLICE);
    for (const tunnel of slice) due.delete(tunnel);
    void Promise.all(slice.map(followOne)).then(lookSoon);
  };
  const followOne = async (tunnel: TunnelEntry) => {
    const { name } = tunnel.config;
    if (stopped || tunnels.all.get(name) !== tunnel) return;
    const before = tunnel.pathMtu;
    try {
      await dependencies.follow(tunnel);
    } catch (error) {
      log.warn("cannot follow the path's MTU", { path: `tunnels/${name}`, error: String(error) });
    }
    const after = tunnel.pathMtu;
    if (before === after || before === undefined || after === undefined) return;
    log.info("the path's MTU changed", { path: `tunnels/${name}`, before, after });
    const widest = Math.max(before, narrow.get(tunnel) ?? 0);
    if (after < widest) narrow.set(tunnel, widest);
    else narrow.delete(tunnel);
    lookAtNarrow();
  };
  const lookAtNarrow = () => {
    if (stopped || narrow.size === 0) return;
    narrowTimer ??= clock.timer(clock.now() + NARROW_MS, () => {
      narrowTimer = undefined;
      for (const tunnel of narrow.keys()) {
        if (tunnels.all.get(tunnel.config.name) === tunnel) due.add(tunnel);
        else narrow.delete(tunnel);
      }
      lookSoon();
      lookAtNarrow();
    });
  };

  const isOurs = (address: string): boolean => {
    if (!own || clock.now() >= own.until) {
      own = { addresses: new Map(), until: clock.now() + OWN_ADDRESS_MS };
    }
    const known = own.addresses.get(address);
    if (known !== undefined) return known;
    const ours = system.ownsAddress(address);
    own.addresses.set(address, ours);
    return ours;
  };
  /** The kernel reports a neighbour that does not answer as a router would, in its own name. */
  const named = (error: PathError): PathError => {
    const { reporter, trouble } = error;
    return trouble === "host-unreachable" && reporter !== undefined && isOurs(reporter)
      ? { ...error, trouble: "neighbour-unresolved" }
      : error;
  };

  const paths: Paths = {
    onUnreachable: undefined,
    errors: () => totals,
    [Symbol.dispose]() {
      stopped = true;
      timer?.[Symbol.dispose]();
      narrowTimer?.[Symbol.dispose]();
      due.clear();
    },
  };

  datapath.onPathErrors = (told) => {
    const errors = told.map(named);
    const users = new Map<string, TunnelEntry[]>();
    for (const { socket, remote } of errors) users.set(pathKey(socket, remote), []);
    for (const tunnel of tunnels.all.values()) {
      users.get(pathKey(tunnel.lease.socket, tunnel.config.remote))?.push(tunnel);
    }
    for (const { count, remote, socket, trouble } of errors) {
      totals[trouble] += count;
      for (const tunnel of users.get(pathKey(socket, remote)) ?? []) {
        tunnel.pathErrors[trouble] = (tunnel.pathErrors[trouble] ?? 0) + count;
        if (trouble === "too-big") due.add(tunnel);
      }
    }
    lookSoon();
    const hints = errors.filter(({ trouble }) => unreachable.has(trouble));
    if (hints.length > 0) paths.onUnreachable?.(hints);
  };
  datapath.onNetworkChange = () => {
    own = undefined;
    for (const tunnel of tunnels.all.values()) due.add(tunnel);
    lookSoon();
  };
  return paths;
}

/** A path, as an ICMP error names it; a link-local address's zone may be a name here and a number there. */
function pathKey(socket: SocketId, { address, port }: Endpoint): string {
  return `${socket} ${address.replace(/%.*/, "")} ${port}`;
}
