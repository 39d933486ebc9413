/** IPv6 of a client: the addresses that it makes of what is announced, and a delegated prefix. @module */

import type { Line6 } from "./line6.ts";
import { Ipv6cpOptions } from "./link/ipv6cp.ts";

/** IPv6 of a client. */
export class Client6 {
  readonly options: Ipv6cpOptions;
  readonly #line: Line6;
  addresses: readonly string[] = [];
  delegated: readonly string[] = [];
  dns: readonly string[] = [];

  constructor(line: Line6) {
    this.#line = line;
    this.options = new Ipv6cpOptions(line.scope.random);
  }

  up(): void {}

  down(): void {}

  data(_protocol: number, _packet: Uint8Array): void {
    void this.#line;
  }
}
