/** TAP and TUN devices (`/dev/net/tun`): Ethernet frames or IP packets as a descriptor reads and writes them. @module */

import type { Offload } from "../../plugins/plugin.ts";
import type { VnetSpec } from "../../wasm/mod.ts";

import { Errno, IoError } from "./errno.ts";
import { type Buffer, configured, cString, type Libc } from "./libc.ts";
import { inNetns } from "./netns.ts";

/** A TAP or TUN device, open. Addresses, MTU, MAC and state are set by rtnetlink. */
export interface Tap {
  /** Non-blocking; one frame a `read` or `write`. A device that we made vanishes when this is closed. */
  readonly fd: number;
  /** The name, which the kernel chose where a pattern (`isthmus%d`) was asked for. */
  readonly name: string;
  /** The device was there before (`ip tuntap add`), and outlives us. */
  readonly adopted: boolean;
  /** A `virtio_net_hdr` of 10 bytes stands before each frame, both ways; what may be written behind it. */
  readonly vnet?: VnetSpec;
}

const O_RDWR_NONBLOCK_CLOEXEC = 0o2004002;
const TUNSETIFF = 0x400454can;
const TUNGETIFF = 0x800454d2n;
const TUNSETOFFLOAD = 0x400454d0n;
const TUNSETVNETHDRSZ = 0x400454d8n;
const TUNSETCARRIER = 0x400454e2n;
const IFF_TUN = 0x0001;
const IFF_TAP = 0x0002;
/** No packet information before each frame. */
const IFF_NO_PI = 0x1000;
/** A `virtio_net_hdr` before each frame. */
const IFF_VNET_HDR = 0x4000;
/** `struct virtio_net_hdr` without `num_buffers`. */
const vnetHeaderLength = 10;
/** What we take from the device beyond plain frames; without TUN_F_CSUM the kernel refuses the others. */
const TUN_F_CSUM = 0x01;
const TUN_F_TSO = 0x02 | 0x04 | 0x08; // both families, ECN
const TUN_F_USO = 0x20 | 0x40; // both families: one of them alone is refused
/** Refuse (EBUSY) where the device exists: tells a new one from an adopted one without a race. */
const IFF_TUN_EXCL = 0x8000;

/** `struct ifreq`: name 16 | flags 2 | padding. */
const ifreqLength = 40;
const nameLength = 16;

/**
 * Opens a TAP device in this thread's network namespace or a named one. Of `offload`, the device gets what the kernel
 * has: UDP and TCP super-frames, TCP super-frames only, unfinished checksums only, or plain frames.
 * @throws {IoError} `EBUSY` where another program holds it, `EINVAL` where the name is another device's, `EPERM`
 * without CAP_NET_ADMIN (a device that its maker gave to this user may be adopted)
 */
export function openTap(
  libc: Libc,
  name: string,
  netns?: string,
  offload: Offload = {},
  kind: "tap" | "tun" = "tap",
): Tap {
  const what = `open the ${kind.toUpperCase()} ${name}${
    netns === undefined ? "" : ` in namespace ${netns}`
  }`;
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
  const flags = new DataView(request.buffer);
  const attach = (wanted: number) => {
    request.fill(0);
    request.set(encoded);
    flags.setUint16(nameLength, wanted, true);
    return libc.call.ioctl(opened, TUNSETIFF, request);
  };
  const plain = (kind === "tap" ? IFF_TAP : IFF_TUN) | IFF_NO_PI;
  const wanted = offload.vnet === false ? plain : plain | IFF_VNET_HDR;
  let adopted = false;
  let vnet: VnetSpec | undefined;
  const fd = configured(libc, opened, () => {
    if (attach(wanted | IFF_TUN_EXCL) !== 0) {
      if (libc.errno() !== Errno.EBUSY) libc.check(-1, "ioctl(TUNSETIFF)", what);
      libc.check(attach(wanted), "ioctl(TUNSETIFF)", what);
      adopted = true;
    }
    // What the device has decides, not what was asked for: header and offloads outlive whoever had it before.
    libc.check(libc.call.ioctl(opened, TUNGETIFF, request), "ioctl(TUNGETIFF)", what);
    const has = flags.getUint16(nameLength, true) & IFF_VNET_HDR;
    if (has === 0) libc.call.ioctlValue(opened, TUNSETOFFLOAD, 0n);
    else vnet = setOffloads(libc, opened, offload, what);
  });
  const given = request.subarray(0, request.indexOf(0));
  return { fd, name: new TextDecoder().decode(given), adopted, ...(vnet && { vnet }) };
}

/** Settles what a device with vnet headers gives and takes, as far as the kernel agrees. */
function setOffloads(libc: Libc, fd: number, offload: Offload, what: string): VnetSpec {
  const { gso = true, gro = true, vnet = true } = offload;
  const length = Int32Array.of(vnetHeaderLength);
  libc.check(libc.call.ioctl(fd, TUNSETVNETHDRSZ, length), "ioctl(TUNSETVNETHDRSZ)", what);
  const accepts = (flags: number) => libc.call.ioctlValue(fd, TUNSETOFFLOAD, BigInt(flags)) === 0;
  const ladder = [TUN_F_CSUM | TUN_F_TSO | TUN_F_USO, TUN_F_CSUM | TUN_F_TSO, TUN_F_CSUM, 0];
  const best = ladder.find(accepts) ?? 0;
  if (!vnet) accepts(0);
  else if (!gso) accepts(best & TUN_F_CSUM);
  return {
    checksum: vnet && (best & TUN_F_CSUM) !== 0,
    tcp: vnet && gro && (best & TUN_F_TSO) !== 0,
    udp: vnet && gro && (best & TUN_F_USO) !== 0,
  };
}

/** Switches off what a device that outlives us would give its next holder unasked. Nothing where it is gone. */
export function resetOffloads(libc: Libc, fd: number): void {
  libc.call.ioctlValue(fd, TUNSETOFFLOAD, 0n);
}

/** Shows a TAP with or without carrier. @throws {IoError} `EBADFD` where the device is gone */
export function setTapCarrier(libc: Libc, fd: number, up: boolean): void {
  libc.check(
    libc.call.ioctl(fd, TUNSETCARRIER, Int32Array.of(up ? 1 : 0)),
    "ioctl(TUNSETCARRIER)",
    `set the carrier of a TAP ${up ? "up" : "down"}`,
  );
}
