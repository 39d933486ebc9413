/** The plugins that are built in. To build in another one, add it to the list. @module */

import { bridge } from "../plugins/bridge/mod.ts";
import { ethernet } from "../plugins/ethernet/mod.ts";
import { networkInterface } from "../plugins/interface/mod.ts";
import { ovs } from "../plugins/ovs/mod.ts";
import { ppp } from "../plugins/ppp/mod.ts";
import { pppoe } from "../plugins/pppoe/mod.ts";
import { probe } from "../plugins/probe/mod.ts";
import { sink } from "../plugins/sink/mod.ts";
import { vswitch } from "../plugins/vswitch/mod.ts";
import type { Plugin } from "../plugins/plugin.ts";

/** What is built in; others are loaded by their paths. */
export const builtIn: readonly Plugin[] = [
  bridge,
  ethernet,
  networkInterface,
  ovs,
  ppp,
  pppoe,
  probe,
  sink,
  vswitch,
];
