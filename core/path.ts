/** Paths: what tells one peer from another. Pure. @module */

import { formatIp, ipVersion, isWildcard, parseIp } from "./endpoint.ts";
import type { Path } from "./settings.ts";

/** Whether two paths are one and the same; which socket they are on does not count. */
export function samePath(a: Path, b: Path): boolean {
  return a.encap === b.encap && a.mark === b.mark && a.local === b.local &&
    a.remote.port === b.remote.port && a.remote.address === b.remote.address;
}

/** A text that is equal for paths that are the same, and for no others. */
export function pathKey({ encap, local, mark, remote }: Path): string {
  return `${encap} ${local} ${remote.address} ${remote.port} ${mark}`;
}

/** Whether what comes `from` somewhere may answer what was sent to `dialed`: from any port (RFC 2661 §8.1). */
export function mayAnswer(dialed: Path, from: Path): boolean {
  return dialed.encap === from.encap && dialed.mark === from.mark &&
    dialed.remote.address === from.remote.address &&
    (dialed.local === from.local || isWildcard(dialed.local));
}

/** Whether two paths lead to one host, as far as addresses tell: its ports may differ. */
export function sameHost(a: Path, b: Path): boolean {
  return a.mark === b.mark && a.remote.address === b.remote.address;
}

/** What one site can send from, as a key: an IPv4 address or an IPv6 /64, with the mark of its way here. */
export function siteKey({ mark, remote: { address } }: Path): string {
  const bytes = ipVersion(address) === 6 ? parseIp(address) : undefined;
  const network = bytes ? formatIp(bytes.fill(0, 8)) : address;
  return mark === 0 ? network : `${network} ${mark}`;
}
