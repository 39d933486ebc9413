/** The termination of subscribers' links on one TUN: the `terminate` kind of the ppp circuit. @module */

import { isDeepStrictEqual } from "node:util";
import type { Circuit, Refusal, Scope, Session } from "../plugin.ts";
import type { Authenticator } from "./aaa/authenticator.ts";
import {
  contains,
  type Network,
  octetsOfAddress,
  parseAddress,
  parseNetwork,
} from "./addresses.ts";
import type { LinkSettings } from "./link/link.ts";
import type { PppOptions, TerminateOptions } from "./options.ts";
import { networksOfRange } from "./pools.ts";
import type { Subscribers } from "./service.ts";
import { SubscriberSession } from "./subscriber.ts";
import type { Termination } from "./termination.ts";
import { noFacilities } from "./why.ts";

/** Makes a termination. */
export async function terminate(
  scope: Scope,
  first: TerminateOptions,
  subscribers: Subscribers,
  authenticator: Authenticator,
): Promise<Circuit<PppOptions>> {
  let options = first;
  const { mtu = 1500, name, netns, vrf } = first.tun;
  const routed = networksOf(first, subscribers);
  scope.defer(subscribers.pools.reserve(first.address));
  const tun = await scope.open("tun", {
    name,
    mtu,
    addresses: [`${first.address}/32`],
    routes: routed,
    ...(netns !== undefined && { netns }),
    ...(vrf !== undefined && { vrf }),
  });
  const forwarder = await scope.open("ppp", { tun });
  const networks = routed.map((text) => parseNetwork(text)!);
  const peers = new NewByPeer();
  const own = octetsOfAddress(first.address);
  let settings = new Map<number, LinkSettings>();
  let sessions = 0;
  const termination: Termination = {
    name: tun.name,
    get options() {
      return options;
    },
    tun,
    forwarder,
    authenticator,
    subscribers,
    own,
    linkSettings(pathMtu) {
      const mru = Math.min(options.mru, pathMtu);
      const known = settings.get(mru) ?? linkSettingsOf(options, mru);
      settings.set(mru, known);
      return known;
    },
    async routeTo(life, what) {
      if (isRouted(networks, what.split("/")[0]!)) return;
      const prefix = what.includes("/") ? what : `${what}/${what.includes(":") ? 128 : 32}`;
      await life.route({ prefix, device: tun.name, ...(netns !== undefined && { netns }) });
    },
  };
  const refusalOf = (session: Session, now: number): string | undefined => {
    const own = options["max-sessions"];
    if (own !== undefined && sessions >= own) return "as many sessions as the termination may have";
    const rate = options["max-new-per-second"];
    const peer = session.tunnel?.peer ?? session.name;
    if (rate !== undefined && !peers.mayBegin(peer, rate, now)) {
      return "as many new sessions of one peer as there may be in a second";
    }
    return subscribers.refusal();
  };
  return {
    attach(session, life) {
      const refusal = refusalOf(session, life.now());
      if (refusal !== undefined) {
        subscribers.counters.refused.add();
        return { refuse: noFacilities(refusal) } satisfies Refusal;
      }
      sessions++;
      life.defer(() => void sessions--);
      const one = new SubscriberSession(session, life, termination);
      // The call is told to go on before it is connected: nobody waits for this here.
      one.begin().catch((error) => life.ending || life.fail(error));
      return one;
    },
    reconfigure(next) {
      if (!next.terminate || !isDeepStrictEqual(deviceOf(next.terminate), deviceOf(options))) {
        return false;
      }
      options = next.terminate;
      settings = new Map();
      return true;
    },
  };
}

/** @param mru the largest information field that we take */
function linkSettingsOf(options: TerminateOptions, mru: number): LinkSettings {
  const { authenticate, name } = options;
  return {
    lcp: { mru, largestMru: options.mru, authenticate, answer: [] },
    name,
    againMs: options["chap-interval"] * 1000,
    echo: { intervalMs: options["echo-interval"] * 1000, failures: options["echo-failures"] },
  };
}

/** What cannot change while sessions live. Networks of other pools get routes as their first subscribers come. */
function deviceOf({ address, tun }: TerminateOptions) {
  return { address, tun };
}

/** All networks that subscribers' addresses may be of. */
function networksOf(options: TerminateOptions, { section }: Subscribers): string[] {
  const routed = new Set(options.tun.routes ?? []);
  const profiles = [options, ...Object.values(section.profiles)];
  const names = new Set(profiles.flatMap((profile) => [
    ...profile.pools ?? [],
    profile["ipv6-pool"],
    profile["ipv6-address-pool"],
    profile["delegated-pool"],
  ]));
  for (const name of names) {
    for (let at = name; at !== undefined;) {
      const pool: PoolOf | undefined = section.pools[at];
      for (const range of pool?.ranges ?? []) {
        for (const network of networksOfRange(range)) routed.add(network);
      }
      at = pool?.then === name ? undefined : pool?.then;
    }
  }
  return [...routed];
}
type PoolOf = Subscribers["section"]["pools"][string];

function isRouted(networks: readonly Network[], address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && networks.some((network) => contains(network, parsed));
}

/** How many began in this second, by peer. */
class NewByPeer {
  #second = 0;
  readonly #count = new Map<string, number>();

  mayBegin(peer: string, rate: number, now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count.clear();
    }
    const count = (this.#count.get(peer) ?? 0) + 1;
    this.#count.set(peer, count);
    return count <= rate;
  }
}
