/** TAP devices (`/dev/net/tun`): Ethernet frames as a descriptor reads and writes them. @module */

import { Errno, IoError } from "./errno.ts";
import { type Buffer, configured, cString, type Libc } from "./libc.ts";
import { inNetns } from "./netns.ts";

/** A TAP device, open. Addresses, MTU, MAC and state are set by rtnetlink. */
export interface Tap {
  /** Non-blocking; one frame a `read` or `write`. A device that we made vanishes when this is closed. */
  readonly fd: number;
  /** The name, which the kernel chose where a pattern (`isthmus%d`) was asked for. */
  readonly name: string;
  /** The device was there before (`ip tuntap add`), and outlives us. */
  readonly adopted: boolean;
}

const O_RDWR_NONBLOCK_CLOEXEC = 0o2004002;
const TUNSETIFF = 0x400454can;
const TUNSETCARRIER = 0x400454e2n;
const IFF_TAP = 0x0002;
/** No packet information before each frame. */
const IFF_NO_PI = 0x1000;
/** Refuse (EBUSY) where the device exists: tells a new one from an adopted one without a race. */
const IFF_TUN_EXCL = 0x8000;

/** `struct ifreq`: name 16 | flags 2 | padding. */
const ifreqLength = 40;
const nameLength = 16;

/**
 * Opens a TAP device in this thread's network namespace or a named one.
 * @throws {IoError} `EBUSY` where another program holds it, `EINVAL` where the name is another device's, `EPERM`
 * without CAP_NET_ADMIN (a device that its maker gave to this user may be adopted)
 */
export function openTap(libc: Libc, name: string, netns?: string): Tap {
  const what = `open the TAP ${name}${netns === undefined ? "" : ` in namespace ${netns}`}`;
  const encoded = cString(name);
  if (encoded.length > nameLength) {
    throw new IoError("ioctl(TUNSETIFF)", Errno.ENAMETOOLONG, what, "at most 15 bytes");
  }
  const opened = inNetns(
    libc,
    netns,
    () =>
      libc.check(
        libc.call.open(cString("/dev/net/tun"), O_RDWR_NONBLOCK_CLOEXEC, 0),
        "open(/dev/net/tun)",
        what,
      ),
  );
  const request: Buffer = new Uint8Array(ifreqLength);
  const attach = (flags: number) => {
    request.fill(0);
    request.set(encoded);
    new DataView(request.buffer).setUint16(nameLength, flags, true);
    return libc.call.ioctl(opened, TUNSETIFF, request);
  };
  let adopted = false;
  const fd = configured(libc, opened, () => {
    if (attach(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL) === 0) return;
    if (libc.errno() !== Errno.EBUSY) libc.check(-1, "ioctl(TUNSETIFF)", what);
    libc.check(attach(IFF_TAP | IFF_NO_PI), "ioctl(TUNSETIFF)", what);
    adopted = true;
  });
  const given = request.subarray(0, request.indexOf(0));
  return { fd, name: new TextDecoder().decode(given), adopted };
}

/** Shows a TAP with or without carrier. @throws {IoError} `EBADFD` where the device is gone */
export function setTapCarrier(libc: Libc, fd: number, up: boolean): void {
  libc.check(
    libc.call.ioctl(fd, TUNSETCARRIER, Int32Array.of(up ? 1 : 0)),
    "ioctl(TUNSETCARRIER)",
    `set the carrier of a TAP ${up ? "up" : "down"}`,
  );
}
