/** What of the appliance is to be seen, while it runs. @module */

import type { Config, TunnelConfig, TunnelState } from "../config/model.ts";
import type { StatsOf } from "../datapath/datapath.ts";
import { asWritten } from "../sessions/remote_names.ts";
import { configOf, findTunnel } from "../sessions/table.ts";
import { atOnce, each, inSlices, type Slices } from "../slices.ts";
import type { ApplianceApi } from "./api.ts";
import type { ApplianceContext } from "./context.ts";
import type { Down } from "./down.ts";
import { asApplianceErrors } from "./errors.ts";
import { tunnelName } from "./requests.ts";
import { makePages, type Pages } from "./pages.ts";
import { countersOf, downState, managedState, stateOf } from "./view.ts";

export function makeQueries(
  context: ApplianceContext,
):
  & Pick<ApplianceApi, "config" | "tunnels" | "tunnel" | "datapath" | "keepalives" | "down">
  & {
    /** The configuration in force with its static tunnels as they run. */
    running(): Slices<Config>;
  }
  & Pages {
  const { control, datapath, down, state, tunnels } = context;
  const statistics = (of: StatsOf) => asApplianceErrors(undefined, () => datapath.counters(of));
  const show = async (tunnel: string): Promise<TunnelState> => {
    const name = tunnelName(context, tunnel);
    const waiting = down.tunnel({ name });
    if (waiting) return downState(waiting);
    const stats = await statistics(countersOf(tunnels.all.get(name)));
    const entry = tunnels.all.get(name);
    const managed = control.stateOf(name, entry);
    if (managed && !entry) return managedState(managed);
    const state = stateOf(findTunnel(tunnels.all, name), stats);
    return managed ? { ...state, control: managed.control } : state;
  };

  return {
    config: () => ({
      ...state.inForce,
      // Only for who looks at them: every request looks at something else.
      get tunnels() {
        return atOnce(runningTunnels(context));
      },
    }),
    *running() {
      return { ...state.inForce, tunnels: yield* runningTunnels(context) };
    },
    async tunnels() {
      const stats = await asApplianceErrors(undefined, () => datapath.stats());
      const managed = control.states();
      const there = [...tunnels.all.values()].map((tunnel) => {
        const [state, control] = [stateOf(tunnel, stats), managed.get(tunnel.config.name)];
        return control ? { ...state, control: control.control } : state;
      });
      const others = [...managed.values()].filter(({ config }) => !tunnels.all.has(config.name));
      return [
        ...there,
        ...others.map(managedState),
        ...Array.from(down.tunnels(), downState),
      ];
    },
    tunnel: show,
    ...makePages(context, statistics),
    async datapath() {
      const totals = () => datapath.totals();
      const { drops, io, memory } = await asApplianceErrors(undefined, totals);
      const queued = { "device-queue-full": context.system.deviceQueueDrops() };
      return {
        drops: { ...drops, ...queued, ...control.drops() },
        pathErrors: context.paths.errors(),
        io,
        memory,
      };
    },
    async keepalives() {
      const states = await inSlices(context.keepalives.states());
      return { states, counts: context.keepalives.counts() };
    },
    *down() {
      yield* down.all();
      yield* context.circuitsDown();
      yield* silent(context);
    },
  };
}

/** Static tunnels as they run, those that are down among them. */
function* runningTunnels({ down, tunnels }: ApplianceContext): Slices<TunnelConfig[]> {
  const configs: TunnelConfig[] = [];
  yield* each(tunnels.all.values(), (tunnel) => {
    if (tunnel.origin !== "control") configs.push(asWritten(configOf(tunnel)));
  });
  yield* each(down.tunnels(), (waiting) => void configs.push(downState(waiting).config));
  return configs;
}

/** Sessions that are down because their keepalives are not answered; of others there is a reason in the list already. */
function* silent({ down, keepalives }: ApplianceContext): Iterable<Down> {
  for (const one of keepalives.silent()) if (down.get(one.path) === undefined) yield one;
}
