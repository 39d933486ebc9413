/** Tunnels of the configuration that have a control connection: by name, in order, and by peer. @module */

import { NamedInOrder } from "../sorted.ts";

/** What is known of one. */
interface OfPeer {
  readonly config: { readonly name: string; readonly peer: string };
}

const NONE: ReadonlySet<never> = new Set();

/** They keep their peer for as long as they live: with another, a tunnel is another one. */
export class ManagedTunnels<T extends OfPeer> extends NamedInOrder<T> {
  readonly #byPeer = new Map<string, Set<T>>();

  constructor(tunnels: Iterable<T> = []) {
    super();
    for (const tunnel of tunnels) this.set(tunnel.config.name, tunnel);
  }

  override set(name: string, tunnel: T): this {
    const { peer } = tunnel.config;
    if (this.get(name) !== tunnel) this.#forget(name);
    const others = this.#byPeer.get(peer);
    if (others) others.add(tunnel);
    else this.#byPeer.set(peer, new Set([tunnel]));
    return super.set(name, tunnel);
  }

  override delete(name: string): boolean {
    this.#forget(name);
    return super.delete(name);
  }

  /** Those of one peer, of which all others may have very many. */
  ofPeer(peer: string): ReadonlySet<T> {
    return this.#byPeer.get(peer) ?? NONE;
  }

  #forget(name: string): void {
    const former = this.get(name);
    if (!former) return;
    const { peer } = former.config;
    const others = this.#byPeer.get(peer);
    others?.delete(former);
    if (others?.size === 0) this.#byPeer.delete(peer);
  }
}
