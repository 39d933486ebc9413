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
import type { Logger } from "../log/log.ts";
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
  return new FollowedPaths(dependencies);
}

class FollowedPaths implements Paths {
  onUnreachable: ((errors: readonly PathError[]) => void) | undefined;
  readonly #dependencies: PathDependencies;
  readonly #totals: Record<PathTrouble, number> = {
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
  readonly #due = new Set<TunnelEntry>();
  /** Tunnels whose paths carried more once, in bytes of IP. */
  readonly #narrow = new Map<TunnelEntry, number>();
  #timer: Disposable | undefined;
  #narrowTimer: Disposable | undefined;
  #own: { readonly addresses: Map<string, boolean>; readonly until: number } | undefined;
  #stopped = false;

  constructor(dependencies: PathDependencies) {
    const { datapath, tunnels } = dependencies;
    this.#dependencies = dependencies;
    datapath.onPathErrors = (told) => this.#take(told);
    datapath.onNetworkChange = () => {
      this.#own = undefined;
      for (const tunnel of tunnels.all.values()) this.#due.add(tunnel);
      this.#lookSoon();
    };
  }

  errors(): Readonly<Record<PathTrouble, number>> {
    return this.#totals;
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    this.#narrowTimer?.[Symbol.dispose]();
    this.#due.clear();
  }

  #take(told: readonly PathError[]): void {
    const { tunnels } = this.#dependencies;
    const errors = told.map((error) => this.#named(error));
    const users = new Map<string, TunnelEntry[]>();
    for (const { socket, remote } of errors) users.set(pathKey(socket, remote), []);
    for (const tunnel of tunnels.all.values()) {
      users.get(pathKey(tunnel.lease.socket, tunnel.config.remote))?.push(tunnel);
    }
    for (const { count, remote, socket, trouble } of errors) {
      this.#totals[trouble] += count;
      for (const tunnel of users.get(pathKey(socket, remote)) ?? []) {
        tunnel.pathErrors[trouble] = (tunnel.pathErrors[trouble] ?? 0) + count;
        if (trouble === "too-big") this.#due.add(tunnel);
      }
    }
    this.#lookSoon();
    const hints = errors.filter(({ trouble }) => unreachable.has(trouble));
    if (hints.length > 0) this.onUnreachable?.(hints);
  }

  #lookSoon(): void {
    const { clock } = this.#dependencies;
    if (this.#stopped || this.#due.size === 0) return;
    this.#timer ??= clock.timer(clock.now() + SETTLE_MS, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    const slice = [...this.#due].slice(0, SLICE);
    for (const tunnel of slice) this.#due.delete(tunnel);
    void Promise.all(slice.map((tunnel) => this.#follow(tunnel))).then(() => this.#lookSoon());
  }

  async #follow(tunnel: TunnelEntry): Promise<void> {
    const { follow, log, tunnels } = this.#dependencies;
    const { name } = tunnel.config;
    if (this.#stopped || tunnels.all.get(name) !== tunnel) return;
    const before = tunnel.pathMtu;
    try {
      await follow(tunnel);
    } catch (error) {
      log.warn("cannot follow the path's MTU", { path: `tunnels/${name}`, error: String(error) });
    }
    const after = tunnel.pathMtu;
    if (before === after || before === undefined || after === undefined) return;
    log.info("the path's MTU changed", { path: `tunnels/${name}`, before, after });
    const widest = Math.max(before, this.#narrow.get(tunnel) ?? 0);
    if (after < widest) this.#narrow.set(tunnel, widest);
    else this.#narrow.delete(tunnel);
    this.#lookAtNarrow();
  }

  #lookAtNarrow(): void {
    const { clock, tunnels } = this.#dependencies;
    if (this.#stopped || this.#narrow.size === 0) return;
    this.#narrowTimer ??= clock.timer(clock.now() + NARROW_MS, () => {
      this.#narrowTimer = undefined;
      for (const tunnel of this.#narrow.keys()) {
        if (tunnels.all.get(tunnel.config.name) === tunnel) this.#due.add(tunnel);
        else this.#narrow.delete(tunnel);
      }
      this.#lookSoon();
      this.#lookAtNarrow();
    });
  }

  /** The kernel reports a neighbour that does not answer as a router would, in its own name. */
  #named(error: PathError): PathError {
    const { reporter, trouble } = error;
    return trouble === "host-unreachable" && reporter !== undefined && this.#isOurs(reporter)
      ? { ...error, trouble: "neighbour-unresolved" }
      : error;
  }

  #isOurs(address: string): boolean {
    const { clock, system } = this.#dependencies;
    if (!this.#own || clock.now() >= this.#own.until) {
      this.#own = { addresses: new Map(), until: clock.now() + OWN_ADDRESS_MS };
    }
    const known = this.#own.addresses.get(address);
    if (known !== undefined) return known;
    const ours = system.ownsAddress(address);
    this.#own.addresses.set(address, ours);
    return ours;
  }
}

/** A path, as an ICMP error names it; a link-local address's zone may be a name here and a number there. */
function pathKey(socket: SocketId, { address, port }: Endpoint): string {
  return `${socket} ${address.replace(/%.*/, "")} ${port}`;
}
