/** Tells that links, addresses or routes of this network namespace changed (rtnetlink(7)); not what did. @module */

import { Errno } from "./errno.ts";
import { type Buffer, configured, type Libc } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 0o2004003;
/** RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE. */
const groups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/** A socket that has input whenever something changed. The caller closes it. @throws {IoError} */
export function openNetworkWatch(libc: Libc): number {
  const what = "watch the network's links, addresses and routes";
  const fd = libc.check(libc.call.socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, 0), "socket", what);
  return configured(libc, fd, () => {
    const name: Buffer = new Uint8Array(12); // sockaddr_nl: family 2 | 0 2 | port 4 | groups 4
    const view = new DataView(name.buffer);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, groups, true);
    libc.check(libc.call.bind(fd, name, name.length), "bind", what);
  });
}

/** Takes what is told, of very much a part; whether there was something. What was lost, as there was too much, counts as told. */
export function takeNetworkChanges(libc: Libc, fd: number, room: Buffer): boolean {
  let changed = false;
  for (let message = 0; message < 64; message++) {
    const length = libc.call.recv(fd, room, BigInt(room.length), 0);
    if (length < 0) {
      const errno = libc.errno();
      if (errno === Errno.EINTR) continue;
      return changed || errno === Errno.ENOBUFS;
    }
    changed = true;
  }
  return changed;
}
