/** A termination, as its sessions see it. @module */

import type { DevicePort, PppForwarder, Scope } from "../plugin.ts";
import type { Authenticator } from "./aaa/authenticator.ts";
import type { LinkSettings } from "./link/link.ts";
import type { TerminateOptions } from "./options.ts";
import type { Subscribers } from "./service.ts";

/** A termination. */
export interface Termination {
  /** Its TUN's name. */
  readonly name: string;
  /** As they are now. */
  readonly options: TerminateOptions;
  readonly tun: DevicePort;
  readonly forwarder: PppForwarder;
  readonly authenticator: Authenticator;
  readonly subscribers: Subscribers;
  /** How links are now, of sessions that so many octets of a packet pass whole; shared by all of these. */
  linkSettings(pathMtu: number): LinkSettings;
  /** Our end's IPv4 address: 4 octets. */
  readonly own: Uint8Array;
  /** Routes an address or network to the TUN until the scope ends, where no network that is routed there has it. */
  routeTo(scope: Scope, what: string): Promise<void>;
}
