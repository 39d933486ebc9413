/** A termination, as its sessions see it. @module */

import type { DevicePort, PppForwarder, Scope } from "../plugin.ts";
import type { Authenticator } from "./aaa/authenticator.ts";
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
  /** Routes an address or network to the TUN until the scope ends, where no network that is routed there has it. */
  routeTo(scope: Scope, what: string): Promise<void>;
}
