/** Why the kernel refuses a datagram with EINVAL, which it does for more than one reason. @module */

import type { WasmDatapath } from "../../wasm/mod.ts";
import { Errno } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";
import { AF_INET, AF_INET6, emitSockaddr, parseSockaddr } from "../io/sockaddr.ts";
import { socketName } from "../io/sockets.ts";
import { onSend, type SendDrop } from "./outcome.ts";

const mmsghdrSize = 64;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
/** How long an answer holds, and for how many peers at most. */
const freshMs = 1000;
const maxAnswers = 256;

/** Looks why a message was refused: tries its source address and its route without sending anything. */
export function createLook(
  libc: Libc,
  datapath: WasmDatapath,
  base: bigint,
): (fd: number, message: number) => SendDrop {
  const answers = new Map<string, { readonly reason: SendDrop; readonly at: number }>();

  const sourceOf = (fd: number, control: Uint8Array): Uint8Array | undefined => {
    // Packet information comes first, and nothing else tells a source.
    const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
    const told = control.length >= 28 ? view.getInt32(8, true) * 256 + view.getInt32(12, true) : -1;
    if (told === 8) return control.slice(20, 24); // SOL_IP, IP_PKTINFO
    if (told === 41 * 256 + 50) return control.slice(16, 32); // SOL_IPV6, IPV6_PKTINFO
    return socketName(libc, fd)?.address;
  };

  const look = (peer: Uint8Array, source: Uint8Array | undefined): SendDrop => {
    const to = parseSockaddr(peer);
    if (!to) return "transmit-failed";
    const family = to.address.length === 4 ? AF_INET : AF_INET6;
    const probe = libc.call.socket(family, SOCK_DGRAM_CLOEXEC, 0);
    if (probe < 0) return "transmit-failed";
    try {
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
      const outcome = onSend(errno, "datagram");
      return isDrop(outcome) ? outcome : "transmit-failed";
    } finally {
      libc.call.close(probe);
    }
  };

  return (fd, message) => {
    const { buffer } = datapath.memory;
    const header = datapath.layout.txMessages + message * mmsghdrSize;
    const view = new DataView(buffer, header, mmsghdrSize);
    const bytes = (pointer: number, length: number) =>
      new Uint8Array(buffer).slice(pointer, pointer + length);
    const at = (offset: number) => Number(view.getBigUint64(offset, true) - base);
    const peer = bytes(at(0), view.getUint32(8, true));
    const control = bytes(at(32), Number(view.getBigUint64(40, true)));
    const source = sourceOf(fd, control);
    const key = `${peer} ${source}`;
    const now = performance.now();
    const known = answers.get(key);
    if (known && now - known.at < freshMs) return known.reason;
    if (answers.size >= maxAnswers) answers.clear();
    const reason = look(peer, source);
    answers.set(key, { reason, at: now });
    return reason;
  };
}

function isDrop(outcome: ReturnType<typeof onSend>): outcome is SendDrop {
  return outcome !== "again" && outcome !== "wait" && outcome !== "split" && outcome !== "look";
}

function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1]! & 0xc0) === 0x80;
}
