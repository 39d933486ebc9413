/** IPv6 of a client: the addresses that it makes of what is announced, and a delegated prefix. @module */

import type { ClientSession } from "./client.ts";
import { Ipv6cpOptions } from "./link/ipv6cp.ts";

/** IPv6 of a client. */
export class Client6 {
  readonly options: Ipv6cpOptions;
  readonly #session: ClientSession;
  addresses: readonly string[] = [];
  delegated: readonly string[] = [];
  dns: readonly string[] = [];

  constructor(session: ClientSession) {
    this.#session = session;
    this.options = new Ipv6cpOptions(session.scope.random);
  }

  up(): void {}

  down(): void {}

  data(_protocol: number, _packet: Uint8Array): void {
    void this.#session;
  }
}
