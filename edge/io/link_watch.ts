/**
 * Follows network devices of one namespace: whether an operator has set them up, and whether they have a carrier
 * (rtnetlink(7), RTMGRP_LINK). The socket is there while somebody follows a device.
 *
 * @module
 */

import { Errno, IoError } from "./errno.ts";
import { type Buffer, configured, type Libc } from "./libc.ts";
import { parseNetlink } from "./netlink_message.ts";
import { inNetns } from "./netns.ts";
import type { Readiness } from "./readiness.ts";
import { type LinkFlags, linkFlags } from "./rtnetlink.ts";

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 0o2004003;
const RTMGRP_LINK = 0x1;
const RTM_NEWLINK = 16;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
/** Bytes of kernel memory: what thousands of devices say while they are opened fits. */
const receiveBuffer = 4 << 20;
/** Messages that are taken until others have their turn. */
const inTurn = 64;

/** Told of a device; undefined: something was not heard, so ask. */
export type LinkChanged = (flags: LinkFlags | undefined) => void;

/** The devices of a namespace. */
export interface LinkWatch {
  /** Tells of each message about a device, by its index, until the result is called. @throws {IoError} */
  follow(index: number, changed: LinkChanged): () => Promise<void>;
}

/** Nobody is followed yet. */
export function makeLinkWatch(
  libc: Libc,
  readiness: Readiness,
  netns: string | undefined,
): LinkWatch {
  const followers = new Map<number, Set<LinkChanged>>();
  let close: (() => Promise<void>) | undefined;

  const take = (fd: number, room: Buffer) => {
    for (let message = 0; message < inTurn; message++) {
      const length = libc.call.recv(fd, room, BigInt(room.length), 0);
      if (length >= 0) {
        tell(followers, room.subarray(0, length));
        continue;
      }
      const errno = libc.errno();
      if (errno === Errno.EINTR) continue;
      if (errno !== Errno.ENOBUFS) return;
      for (const some of [...followers.values()]) {
        for (const changed of [...some]) changed(undefined);
      }
    }
  };

  const open = () => {
    const fd = inNetns(libc, netns, () => openSocket(libc));
    const room: Buffer = new Uint8Array(64 * 1024);
    let stop = () => Promise.resolve();
    configured(libc, fd, () => {
      stop = readiness.watch(fd, () => take(fd, room));
    });
    return async () => {
      const over = stop();
      libc.call.close(fd);
      await over;
    };
  };

  return {
    follow(index, changed) {
      close ??= open();
      const some = followers.get(index) ?? new Set();
      followers.set(index, some.add(changed));
      return async () => {
        if (!some.delete(changed)) return;
        if (some.size === 0) followers.delete(index);
        if (followers.size > 0) return;
        const closing = close;
        close = undefined;
        await closing?.();
      };
    },
  };
}

/**
 * Tells whether a device can carry frames, now and whenever that changes, until the result is called.
 * @param ask the device as it is; undefined: it is gone @throws {IoError}
 */
export function followLink(
  watch: LinkWatch,
  index: number,
  isRunning: (flags: LinkFlags) => boolean,
  ask: () => LinkFlags | undefined,
  told: (running: boolean) => void,
): () => Promise<void> {
  let known: boolean | undefined;
  const note = (flags: LinkFlags | undefined) => {
    const running = flags && isRunning(flags);
    if (running === undefined || running === known) return;
    known = running;
    told(running);
  };
  const stop = watch.follow(index, (flags) => note(flags ?? askOrGone(ask)));
  note(askOrGone(ask));
  return stop;
}

/** That a device is gone, others tell. */
function askOrGone(ask: () => LinkFlags | undefined): LinkFlags | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof IoError) return undefined;
    throw error;
  }
}

function openSocket(libc: Libc): number {
  const what = "follow network devices";
  const fd = libc.check(libc.call.socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, 0), "socket", what);
  return configured(libc, fd, () => {
    // Where that is not permitted, more is missed, and asked for.
    libc.call.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, Int32Array.of(receiveBuffer), 4);
    const name: Buffer = new Uint8Array(12); // sockaddr_nl: family 2 | 0 2 | port 4 | groups 4
    const view = new DataView(name.buffer);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, RTMGRP_LINK, true);
    libc.check(libc.call.bind(fd, name, name.length), "bind", what);
  });
}

function tell(followers: ReadonlyMap<number, ReadonlySet<LinkChanged>>, bytes: Uint8Array): void {
  for (const message of parseNetlink(bytes)) {
    if (message.kind !== "data" || message.type !== RTM_NEWLINK) continue;
    const found = linkFlags(message.body);
    const some = found && followers.get(found.index);
    for (const changed of [...some ?? []]) changed(found);
  }
}
