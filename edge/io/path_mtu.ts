/** What fits a path unfragmented. @module */

import { type Endpoint, formatEndpoint, isWildcard } from "../../core/endpoint.ts";
import { configured, type Libc } from "./libc.ts";
import { emitSockaddr, familyOf, toSockAddr } from "./sockaddr.ts";
import { bindToDevice } from "./sockets.ts";

const SOCK_DGRAM_CLOEXEC = 0o2000002;
/** [level, option] of the MTU that the kernel knows for a connected socket's route. */
const IP_MTU = [0, 14] as const;
const IPV6_MTU = [41, 24] as const;
/** Discard: the route does not depend on the port, but a connected socket needs one. Nothing is sent. */
const anyPort = 9;

/** Whether an IP address is one of this host's: whether a socket may be bound to it. */
export function ownsAddress(libc: Libc, address: string): boolean {
  const fd = libc.call.socket(familyOf(address), SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return false;
  const name = emitSockaddr(toSockAddr(libc, { address, port: 0 }));
  const bound = libc.call.bind(fd, name, name.length) === 0;
  libc.call.close(fd);
  return bound;
}

/**
 * The path's MTU in bytes of IP from a local address (or the wildcard) to a peer, as the kernel knows it now: the
 * device's or the route's, less once an ICMP "packet too big" has come for this peer.
 * @throws {IoError} `ENETUNREACH` where there is no route, `EADDRNOTAVAIL` where the local address is not ours
 */
export function pathMtu(libc: Libc, local: string, remote: string, device?: string): number {
  const what = `find the path from ${local} to ${remote}`;
  const socket = libc.call.socket(familyOf(remote), SOCK_DGRAM_CLOEXEC, 0);
  const mtu = new Int32Array(1);
  const fd = configured(libc, libc.check(socket, "socket", what), (fd) => {
    if (device !== undefined) bindToDevice(libc, fd, device, "a look at the path");
    if (!isWildcard(local)) {
      const from = emitSockaddr(toSockAddr(libc, { address: local, port: 0 }));
      libc.check(libc.call.bind(fd, from, from.length), "bind", what);
    }
    const peer: Endpoint = { address: remote, port: anyPort };
    const to = emitSockaddr(toSockAddr(libc, peer));
    libc.check(libc.call.connect(fd, to, to.length), "connect", `reach ${formatEndpoint(peer)}`);
    const [level, name] = remote.includes(":") ? IPV6_MTU : IP_MTU;
    const result = libc.call.getsockopt(fd, level, name, mtu, Int32Array.of(4));
    libc.check(result, "getsockopt(IP_MTU)", what);
  });
  libc.call.close(fd);
  return mtu[0]!;
}
