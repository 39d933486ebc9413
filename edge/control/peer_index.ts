/**
 * Whom the peers of a configuration fit, looked up at a cost that does not grow with their number: strangers ask. Made
 * once a configuration. Pure.
 *
 * Peers are found by their addresses, one table for each length of prefix that is configured, and among those of one
 * network by what their Host Name glob begins or ends with. Only globs that begin and end alike are tried one by one.
 *
 * @module
 */

import { readU32 } from "../../core/wire/bytes.ts";
import { parseIp } from "../../core/endpoint.ts";
import type { Expected } from "../../core/limits.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { PeerConfig } from "../config/model.ts";
import { globMatches } from "../../plugins/glob.ts";
import { atOnce, each, type Slices } from "../slices.ts";

/** Somebody who asks for a control connection. */
export interface Caller {
  readonly address: string;
  /** Its Host Name AVP. */
  readonly hostName: string;
  readonly version: ProtoVersion;
}

/** The peers of one configuration. */
export interface PeerIndex {
  /** Who may be at an address, whatever it says. */
  expects(address: string): Expected;
  /**
   * The first peer whose addresses, host name and version fit. Where one fits but for the version, it is that one: the
   * LCCE then tells the caller which version is spoken here (RFC 2661 §4.4.2, Result Code 5). Undefined: a stranger.
   */
  match(caller: Caller): PeerConfig | undefined;
}

/** The shortest prefixes of networks that are no more open than an address. */
const SMALL_4 = 24;
const SMALL_6 = 64;

/** The first peer that speaks each version, by its place in the configuration. */
type Firsts = { [Version in ProtoVersion]?: number };

/** A glob that is no mere beginning or end. */
interface Glob {
  readonly glob: string;
  readonly firsts: Firsts;
}

/** Makes the index. */
export function indexPeers(peers: readonly PeerConfig[]): PeerIndex {
  return atOnce(indexing(peers));
}

/** As {@linkcode indexPeers}, in slices. */
export function* indexing(peers: readonly PeerConfig[]): Slices<PeerIndex> {
  const anywhere = new HostNames();
  const networks = new Networks();
  yield* each(peers.entries(), ([place, { addresses, hostName, settings }]) => {
    const where = addresses.length === 0 ? [anywhere] : addresses.map((one) => networks.at(one));
    for (const names of where) names.add(hostName, settings.version, place);
  });
  const isOpen = peers.some(({ addresses }) => addresses.length === 0);
  return {
    expects(address) {
      const covering = networks.covering(address);
      if (covering.length === 0) return isOpen ? "anybody" : "nobody";
      const small = address.includes(":") ? SMALL_6 : SMALL_4;
      return covering.some(({ length }) => length >= small) ? "named" : "anybody";
    },
    match({ address, hostName, version }) {
      const found: Firsts = {};
      anywhere.find(hostName, found);
      for (const { names } of networks.covering(address)) names.find(hostName, found);
      const other = version === 2 ? 3 : 2;
      return peers[found[version] ?? found[other] ?? -1];
    },
  };
}

/** A network and the host names expected in it. */
interface Network {
  /** Bits of its prefix. */
  readonly length: number;
  readonly names: HostNames;
}

/** Networks, and the host names expected in each. */
class Networks {
  /** By family and length of prefix, then by the prefix's bits; zones belong to the address. */
  readonly #tables: {
    readonly octets: number;
    readonly length: number;
    readonly byPrefix: Map<number | string, Network>;
  }[] = [];
  readonly #zoned = new Map<string, Network>();
  /** What was asked last: one SCCRQ asks several times. */
  #last: { readonly address: string; readonly networks: readonly Network[] } | undefined;

  /** The host names of a network in canonical text. */
  at(network: string): HostNames {
    if (network.includes("%")) return namesIn(this.#zoned, network, 128);
    const [base, prefix] = network.split("/", 2) as [string, string?];
    const bytes = parseIp(base)!;
    const octets = bytes.length;
    const length = prefix === undefined ? 8 * octets : Number(prefix);
    let table = this.#tables.find((one) => one.octets === octets && one.length === length);
    if (!table) this.#tables.push(table = { octets, length, byPrefix: new Map() });
    return namesIn(table.byPrefix, prefixOf(bytes, length), length);
  }

  /** The networks that an address lies in. */
  covering(address: string): readonly Network[] {
    if (this.#last?.address === address) return this.#last.networks;
    const networks: Network[] = [];
    const bytes = parseIp(address);
    for (const { byPrefix, length, octets } of bytes ? this.#tables : []) {
      const found = octets === bytes!.length && byPrefix.get(prefixOf(bytes!, length));
      if (found) networks.push(found);
    }
    const zoned = this.#zoned.size > 0 ? this.#zoned.get(address) : undefined;
    if (zoned) networks.push(zoned);
    this.#last = { address, networks };
    return networks;
  }
}

/** The first `length` bits of an address: IPv4's as a number, IPv6's as a text of one character an octet. */
function prefixOf(bytes: Uint8Array, length: number): number | string {
  if (bytes.length === 4) return length === 0 ? 0 : readU32(bytes, 0) >>> (32 - length);
  let text = "";
  for (let i = 0; 8 * i < length; i++) {
    const rest = length - 8 * i;
    text += String.fromCharCode(rest >= 8 ? bytes[i]! : bytes[i]! & 0xff00 >> rest);
  }
  return text;
}

function namesIn<Key>(networks: Map<Key, Network>, key: Key, length: number): HostNames {
  let network = networks.get(key);
  if (!network) networks.set(key, network = { length, names: new HostNames() });
  return network.names;
}

/** Host names that are expected somewhere. */
class HostNames {
  readonly #any: Firsts = {};
  readonly #exact = new Map<string, Firsts>();
  /** By length, then by the text that a name must begin or end with. */
  readonly #beginnings = new Map<number, Map<string, Firsts>>();
  readonly #ends = new Map<number, Map<string, Firsts>>();
  /** All other globs, by what stands before their first wildcard. */
  readonly #globs = new Map<number, Map<string, Glob[]>>();

  /** @param glob absent: any name */
  add(glob: string | undefined, version: ProtoVersion, place: number): void {
    const firsts = glob === undefined || glob === "*" ? this.#any : this.#firstsOf(glob);
    firsts[version] ??= place;
  }

  /** Takes the first peers that a name fits over into `found`, where they come before those. */
  find(name: string, found: Firsts): void {
    note(found, this.#any);
    note(found, this.#exact.get(name));
    for (const [length, byText] of this.#beginnings) {
      if (length <= name.length) note(found, byText.get(name.slice(0, length)));
    }
    for (const [length, byText] of this.#ends) {
      if (length <= name.length) note(found, byText.get(name.slice(name.length - length)));
    }
    for (const [length, byText] of this.#globs) {
      for (const { firsts, glob } of byText.get(name.slice(0, length)) ?? []) {
        if (precedes(firsts, found) && globMatches(glob, name)) note(found, firsts);
      }
    }
  }

  #firstsOf(glob: string): Firsts {
    const wildcard = glob.search(/[*?]/);
    if (wildcard < 0) return firstsIn(this.#exact, glob);
    const text = glob.replace(/^\*|\*$/, "");
    if (!/[*?]/.test(text)) {
      const side = glob.endsWith("*") ? this.#beginnings : this.#ends;
      return firstsIn(mapIn(side, text.length), text);
    }
    const globs = mapIn(this.#globs, wildcard);
    const beginning = glob.slice(0, wildcard);
    const alike = globs.get(beginning) ?? [];
    globs.set(beginning, alike);
    const known = alike.find((one) => one.glob === glob);
    if (known) return known.firsts;
    const firsts: Firsts = {};
    alike.push({ glob, firsts });
    return firsts;
  }
}

/** Whether one of these peers would change what was found. */
function precedes(firsts: Firsts, found: Firsts): boolean {
  return (firsts[2] ?? Infinity) < (found[2] ?? Infinity) ||
    (firsts[3] ?? Infinity) < (found[3] ?? Infinity);
}

function note(found: Firsts, firsts: Firsts | undefined): void {
  if (!firsts) return;
  for (const version of [2, 3] as const) {
    const place = firsts[version];
    if (place !== undefined && place < (found[version] ?? Infinity)) found[version] = place;
  }
}

function firstsIn(map: Map<string, Firsts>, key: string): Firsts {
  let firsts = map.get(key);
  if (!firsts) map.set(key, firsts = {});
  return firsts;
}

function mapIn<T>(maps: Map<number, Map<string, T>>, length: number): Map<string, T> {
  let map = maps.get(length);
  if (!map) maps.set(length, map = new Map());
  return map;
}
