/** What peers are talked to with, which of their calls are accepted, and in what order addresses are tried. Pure. @module */

import { PseudowireType } from "../../core/pseudowire.ts";
import type { PeerSettings } from "../../core/settings.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { inNetwork } from "../config/network.ts";
import type { CallConfig, Config, ManagedTunnelConfig, PeerConfig } from "../config/model.ts";
import { globMatches } from "../../plugins/glob.ts";

/** Our Vendor Name (RFC 2661 §4.4.3). */
const vendorName = "isthmus";
/** The pseudowire types that a session of the file can be of. */
const possible: readonly number[] = Object.values(PseudowireType);

/** What is offered to peers (RFC 3931 §5.4.3): what the circuits of some plugin can carry. */
export function offered(plugins: readonly Pick<Plugin, "pseudowireTypes">[]): readonly number[] {
  return possible.filter((type) =>
    plugins.some(({ pseudowireTypes }) => pseudowireTypes.includes(type))
  );
}

/** Whether somebody may be a peer, whatever version is spoken. */
export function fitsPeer(
  peer: PeerConfig,
  { address, hostName }: { readonly address: string; readonly hostName: string },
): boolean {
  return (peer.addresses.length === 0 ||
    peer.addresses.some((each) => inNetwork(address, each))) &&
    (peer.hostName === undefined || globMatches(peer.hostName, hostName));
}

/** All that a control connection with `peer` is set up with. */
export function settingsFor(
  config: Pick<Config, "hostName" | "routerId">,
  peer: PeerConfig,
  pseudowires: readonly number[],
): PeerSettings {
  const { name, settings, localHostName: hostName = config.hostName } = peer;
  return { ...settings, name, hostName, vendorName, routerId: config.routerId, pseudowires };
}

/**
 * How a call that a peer places is accepted; undefined: not at all.
 *
 * @param call the Remote End ID or Called Number, and the pseudowire type (v2: PPP)
 */
export function matchCall(
  accept: readonly CallConfig[],
  call: { readonly name: string; readonly pseudowireType: number },
): CallConfig | undefined {
  return accept.find(({ name, pseudowireType }) =>
    pseudowireType === call.pseudowireType && globMatches(name, call.name)
  );
}

/**
 * The order in which to dial: the lowest preference first; among equals each turn is drawn, with chances in proportion
 * to the weights.
 *
 * @param random a fraction, at least 0 and below 1
 */
export function pickRemotes(
  remotes: ManagedTunnelConfig["remotes"],
  random: () => number,
): ManagedTunnelConfig["remotes"] {
  const byPreference = Map.groupBy(remotes, ({ preference }) => preference);
  return [...byPreference].sort(([a], [b]) => a - b)
    .flatMap(([, equals]) => weightedShuffle(equals, random));
}

function weightedShuffle<T extends { readonly weight: number }>(
  items: readonly T[],
  random: () => number,
): T[] {
  const left = [...items];
  const drawn: T[] = [];
  while (left.length > 0) {
    let ticket = random() * left.reduce((sum, { weight }) => sum + weight, 0);
    const at = left.findIndex(({ weight }) => (ticket -= weight) < 0);
    drawn.push(...left.splice(at, 1));
  }
  return drawn;
}
