/** Why the kernel refuses a datagram with EINVAL, which it does for more than one reason. @module */

import { isLinkLocal } from "../../core/endpoint.ts";
import type { WasmDatapath } from "../../wasm/mod.ts";
import { Errno } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";
import { AF_INET, AF_INET6, emitSockaddr, parseSockaddr } from "../io/sockaddr.ts";
import { socketName } from "../io/sockets.ts";
import { onSend, type SendDrop } from "./outcome.ts";

const mmsghdrSize = 64;
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_IPV6 = 41;
const IP_PKTINFO = 8;
const SO_MARK = 36;
const IPV6_PKTINFO = 50;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
/** How long an answer holds, and for how many peers at most. */
const freshMs = 1000;
const maxAnswers = 256;

/** What a refused message tells beside its error. */
export interface Look {
  /** Why it was refused with EINVAL: tries its source address and its route without sending anything. */
  look(fd: number, message: number): SendDrop;
  /** The kernel's mark that it was to have; 0: none. */
  markOf(fd: number, message: number): number;
}

/** Looks at messages that the kernel refused. */
export function createLook(
  libc: Libc,
  datapath: WasmDatapath,
  base: bigint,
): Look {
  const answers = new Map<string, { readonly reason: SendDrop; readonly at: number }>();

  /** What the control messages say: the source address that the message is sent from, and its mark. */
  const toldBy = (fd: number, control: Uint8Array) => {
    const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
    let source: Uint8Array | undefined;
    let mark = 0;
    for (let at = 0; at + 16 <= control.length;) {
      const length = Number(view.getBigUint64(at, true));
      if (length < 16 || at + length > control.length) break;
      const [level, type] = [view.getInt32(at + 8, true), view.getInt32(at + 12, true)];
      if (level === SOL_IP && type === IP_PKTINFO) source = control.slice(at + 20, at + 24);
      if (level === SOL_IPV6 && type === IPV6_PKTINFO) source = control.slice(at + 16, at + 32);
      if (level === SOL_SOCKET && type === SO_MARK) mark = view.getUint32(at + 16, true);
      at += Math.ceil(length / 8) * 8;
    }
    return { source: source ?? socketName(libc, fd)?.address, mark };
  };

  const look = (peer: Uint8Array, source: Uint8Array | undefined, mark: number): SendDrop => {
    const to = parseSockaddr(peer);
    if (!to) return "transmit-failed";
    const family = to.address.length === 4 ? AF_INET : AF_INET6;
    const probe = libc.call.socket(family, SOCK_DGRAM_CLOEXEC, 0);
    if (probe < 0) return "transmit-failed";
    try {
      if (mark !== 0) libc.call.setsockopt(probe, SOL_SOCKET, SO_MARK, Int32Array.of(mark), 4);
      const set = source?.length === to.address.length && source.some((byte) => byte !== 0);
      if (set && !isLinkLocal(source!)) {
        const from = emitSockaddr({ address: source!, port: 0 });
        if (libc.call.bind(probe, from, from.length) < 0) {
          return libc.errno() === Errno.EADDRNOTAVAIL ? "no-source-address" : "transmit-failed";
        }
      }
      const name = emitSockaddr({ ...to, port: to.port || 9 });
      if (libc.call.connect(probe, name, name.length) === 0) return "transmit-failed";
      const errno = libc.errno();
      if (errno === Errno.EINVAL) return "route-blackhole";
      const outcome = onSend(errno, "datagram", mark);
      return isDrop(outcome) ? outcome : "transmit-failed";
    } finally {
      libc.call.close(probe);
    }
  };

  const readMessage = (message: number) => {
    const { buffer } = datapath.memory;
    const header = datapath.layout.txMessages + message * mmsghdrSize;
    const view = new DataView(buffer, header, mmsghdrSize);
    const bytes = (pointer: number, length: number) =>
      new Uint8Array(buffer).slice(pointer, pointer + length);
    const at = (offset: number) => Number(view.getBigUint64(offset, true) - base);
    const peer = bytes(at(0), view.getUint32(8, true));
    const control = bytes(at(32), Number(view.getBigUint64(40, true)));
    return { peer, control };
  };

  return {
    markOf: (fd, message) => toldBy(fd, readMessage(message).control).mark,
    look(fd, message) {
      const { peer, control } = readMessage(message);
      const { source, mark } = toldBy(fd, control);
      const key = `${peer} ${source} ${mark}`;
      const now = performance.now();
      const known = answers.get(key);
      if (known && now - known.at < freshMs) return known.reason;
      if (answers.size >= maxAnswers) answers.clear();
      const reason = look(peer, source, mark);
      answers.set(key, { reason, at: now });
      return reason;
    },
  };
}

function isDrop(outcome: ReturnType<typeof onSend>): outcome is SendDrop {
  return outcome !== "again" && outcome !== "wait" && outcome !== "split" && outcome !== "look";
}
