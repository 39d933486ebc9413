/** Network devices and their addresses by rtnetlink (RFC 3549 §3): what `ip link` and `ip address` do. @module */

import { formatMac, parseMac as readMac } from "../../plugins/mac.ts";
import { formatIp, parseIp } from "../../core/endpoint.ts";
import { Errno, IoError } from "./errno.ts";
import { type Buffer, configured, type Libc } from "./libc.ts";
import {
  type Attribute,
  emitNetlink,
  parseAttributes,
  parseNetlink,
  readText,
  readU32,
  u32,
} from "./netlink_message.ts";
import { inNetns } from "./netns.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

/** What a device's flags say. */
export interface LinkFlags {
  readonly index: number;
  /** Set up by an operator (IFF_UP). */
  readonly up: boolean;
  /** The driver has a carrier (IFF_LOWER_UP). */
  readonly carrier: boolean;
}

/** A network device. */
export interface Link extends LinkFlags {
  readonly name: string;
  readonly mtu: number;
  /** `02:00:…`; empty where the device has none. */
  readonly mac: string;
  /** Frames that the device could not take: of a TAP or TUN, as its reader was too slow. */
  readonly txDropped: number;
  /** The device that it is a member of, by its index; 0: none. */
  readonly master: number;
  /** The table that routes by it belong into, where it is in a VRF. */
  readonly vrfTable?: number;
}

/** What may change in a device. */
export interface LinkChange {
  readonly mtu?: number;
  readonly mac?: string;
  /** Frames that may wait to be sent. */
  readonly queueLength?: number;
  /** The device to be a member of, by its index; 0: none. */
  readonly master?: number;
  readonly up?: boolean;
}

/** A route to a network by a device. */
export interface KernelRoute {
  /** `10.0.0.0/8`, `::/0`. */
  readonly prefix: string;
  /** The next hop. */
  readonly via?: string;
  /** 254, main, where absent. */
  readonly table?: number;
  /** Its priority; absent: the kernel's choice. */
  readonly metric?: number;
}

/** An rtnetlink socket. Requests are answered before they return. Errors are {@linkcode IoError}s with the kernel's words. */
export interface Rtnetlink extends Disposable {
  /** The device of a name, or undefined. */
  link(name: string): Link | undefined;
  /** @throws {IoError} `EINVAL` for an MTU beyond the device's bounds, `ENODEV` where the device is gone */
  setLink(index: number, change: LinkChange): void;
  /** A device's addresses, `192.168.7.1/24`, IPv4 first. */
  addresses(index: number): string[];
  /** @throws {IoError} `EEXIST` where the device has it already */
  addAddress(index: number, address: string): void;
  /** Routes a network to a device. @throws {IoError} `EEXIST` where its table has such a route */
  addRoute(index: number, route: KernelRoute): void;
  /** @throws {IoError} `ESRCH` where there is no such route */
  removeRoute(index: number, route: KernelRoute): void;
  /** Whether there is exactly such a route to the device. */
  hasRoute(index: number, route: KernelRoute): boolean;
  /** @throws {IoError} `EADDRNOTAVAIL` where the device has it not */
  removeAddress(index: number, address: string): void;
}

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0o2000003;
const MSG_DONTWAIT = 0x40;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_TABLE = 15;

const NLM_F_REQUEST_ACK = 0x05;
const NLM_F_DUMP = 0x300;
const NLM_F_CREATE_EXCL = 0x600;

const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_LINKINFO = 18;
const IFLA_STATS64 = 23;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_VRF_PORT_TABLE = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;

/** `ifinfomsg`: family 1, 0 1, type 2 | index 4 | flags 4 | change mask 4. */
const ifinfomsgLength = 16;
/** `ifaddrmsg`: family 1, prefix length 1, flags 1, scope 1 | index 4. */
const ifaddrmsgLength = 8;

/** Opens rtnetlink in this thread's network namespace or a named one; it may be used from outside. @throws {IoError} */
export function openRtnetlink(libc: Libc, netns?: string): Rtnetlink {
  const opened = inNetns(libc, netns, () => libc.call.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, 0));
  const fd = configured(libc, libc.check(opened, "socket", "open rtnetlink"), (fd) => {
    // Both only make answers shorter and errors clearer: an old kernel does without.
    libc.call.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, u32(1), 4);
    libc.call.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, u32(1), 4);
  });
  const request = requester(libc, fd);

  return {
    link(name) {
      try {
        const [found] = request(
          `look up the device ${name}`,
          RTM_GETLINK,
          0,
          ifinfomsg(0, 0, 0),
          [[IFLA_IFNAME, text(name)]],
        );
        return found && parseLink(found);
      } catch (error) {
        if (error instanceof IoError && error.errno === Errno.ENODEV) return undefined;
        throw error;
      }
    },
    setLink(index, change) {
      const { mtu, mac, master, queueLength, up } = change;
      const attributes: Attribute[] = [];
      if (mac !== undefined) attributes.push([IFLA_ADDRESS, parseMac(mac)]);
      if (mtu !== undefined) attributes.push([IFLA_MTU, u32(mtu)]);
      if (queueLength !== undefined) attributes.push([IFLA_TXQLEN, u32(queueLength)]);
      if (master !== undefined) attributes.push([IFLA_MASTER, u32(master)]);
      const body = ifinfomsg(index, up ? IFF_UP : 0, up === undefined ? 0 : IFF_UP);
      const attempted = `set ${describeChange(change)} on device ${index}`;
      request(attempted, RTM_SETLINK, 0, body, attributes);
    },
    addresses(index) {
      const bodies = request(
        `list the addresses of device ${index}`,
        RTM_GETADDR,
        NLM_F_DUMP,
        ifaddrmsg(0, 0, 0),
      );
      return bodies.map((body) => parseAddress(body, index)).filter((found) => found !== undefined);
    },
    addAddress(index, address) {
      const { body, attributes } = emitAddress(index, address);
      request(
        `add ${address} to device ${index}`,
        RTM_NEWADDR,
        NLM_F_CREATE_EXCL,
        body,
        attributes,
      );
    },
    addRoute(index, route) {
      const { body, attributes } = emitRoute(index, route);
      const attempted = `route ${route.prefix} to device ${index}`;
      request(attempted, RTM_NEWROUTE, NLM_F_CREATE_EXCL, body, attributes);
    },
    removeRoute(index, route) {
      const { body, attributes } = emitRoute(index, route);
      const attempted = `route ${route.prefix} to device ${index} no more`;
      request(attempted, RTM_DELROUTE, 0, body, attributes);
    },
    hasRoute(index, route) {
      const { body, attributes } = emitRoute(index, route);
      const all = request(`list routes`, RTM_GETROUTE, NLM_F_DUMP, body.subarray(0, 1));
      return all.some((found) => isRoute(found, body, attributes));
    },
    removeAddress(index, address) {
      const { body, attributes } = emitAddress(index, address);
      request(`remove ${address} from device ${index}`, RTM_DELADDR, 0, body, attributes);
    },
    [Symbol.dispose]: () => void libc.call.close(fd),
  };
}

type Request = (
  attempted: string,
  type: number,
  flags: number,
  body: Uint8Array,
  attributes?: readonly Attribute[],
) => Uint8Array[];

/** One request at a time: sends it and collects its answers up to the acknowledgement, or the end of the dump. */
function requester(libc: Libc, fd: number): Request {
  const room: Buffer = new Uint8Array(64 * 1024);
  let sequence = 0;
  return (attempted, type, flags, body, attributes = []) => {
    sequence++;
    const message = emitNetlink(type, NLM_F_REQUEST_ACK | flags, sequence, body, attributes);
    libc.check(
      libc.call.send(fd, message, BigInt(message.length), 0),
      "send(rtnetlink)",
      attempted,
    );
    const bodies: Uint8Array[] = [];
    for (;;) {
      // The kernel has answered by the time that send returns: nothing is waited for.
      const length = libc.check(
        libc.call.recv(fd, room, BigInt(room.length), MSG_DONTWAIT),
        "recv(rtnetlink)",
        attempted,
      );
      for (const answer of parseNetlink(room.subarray(0, length))) {
        if (answer.sequence !== sequence) continue;
        if (answer.kind === "data") {
          bodies.push(answer.body.slice());
        } else if (answer.errno !== 0) {
          throw new IoError("rtnetlink", answer.errno, attempted, answer.message);
        } else {
          return bodies;
        }
      }
    }
  };
}

function ifinfomsg(index: number, flags: number, change: number): Buffer {
  const bytes = new Uint8Array(ifinfomsgLength);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

/** The flags in an `ifinfomsg`; undefined: it is cut short. */
export function linkFlags(body: Uint8Array): LinkFlags | undefined {
  if (body.length < ifinfomsgLength) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const flags = view.getUint32(8, true);
  return {
    index: view.getInt32(4, true),
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
  };
}

function parseLink(body: Uint8Array): Link | undefined {
  const flags = linkFlags(body);
  if (!flags) return undefined;
  const attributes = parseAttributes(body, ifinfomsgLength);
  const vrfTable = readVrfTable(attributes.get(IFLA_LINKINFO));
  return {
    ...flags,
    name: readText(attributes.get(IFLA_IFNAME) ?? new Uint8Array()),
    mtu: readU32(attributes.get(IFLA_MTU) ?? new Uint8Array()) ?? 0,
    mac: formatMac(attributes.get(IFLA_ADDRESS) ?? new Uint8Array()),
    txDropped: readTxDropped(attributes.get(IFLA_STATS64)),
    master: readU32(attributes.get(IFLA_MASTER) ?? new Uint8Array()) ?? 0,
    ...(vrfTable !== undefined && { vrfTable }),
  };
}

/** What a VRF says of its member: the table. */
function readVrfTable(info: Uint8Array | undefined): number | undefined {
  const about = info && parseAttributes(info, 0);
  const kind = about?.get(IFLA_INFO_SLAVE_KIND);
  const data = about?.get(IFLA_INFO_SLAVE_DATA);
  if (!kind || readText(kind) !== "vrf" || !data) return undefined;
  return readU32(parseAttributes(data, 0).get(IFLA_VRF_PORT_TABLE) ?? new Uint8Array());
}

/** `rtnl_link_stats64`: packets, bytes, errors and drops, of each what was received and what was sent, 8 bytes each. */
function readTxDropped(stats: Uint8Array | undefined): number {
  if (!stats || stats.length < 64) return 0;
  return Number(new DataView(stats.buffer, stats.byteOffset).getBigUint64(56, true));
}

function ifaddrmsg(family: number, prefixLength: number, index: number): Buffer {
  const bytes = Uint8Array.of(family, prefixLength, 0, 0, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

function emitAddress(index: number, address: string): { body: Buffer; attributes: Attribute[] } {
  const prefix = parsePrefix(address);
  if (!prefix) {
    throw new IoError("inet_pton", Errno.EINVAL, `read ${address} as address/prefix-length`);
  }
  const { bytes, prefixLength } = prefix;
  return {
    body: ifaddrmsg(bytes.length === 4 ? AF_INET : AF_INET6, prefixLength, index),
    attributes: [[IFA_LOCAL, bytes], [IFA_ADDRESS, bytes]],
  };
}

/** `rtmsg`: family 1, destination's and source's prefix lengths 2, TOS 1 | table 1, protocol 1, scope 1, type 1 | flags 4. */
const rtmsgLength = 12;

function emitRoute(
  index: number,
  { metric, prefix: text, table = RT_TABLE_MAIN, via }: KernelRoute,
): { body: Buffer; attributes: Attribute[] } {
  const prefix = parsePrefix(text);
  if (!prefix) throw new IoError("inet_pton", Errno.EINVAL, `read ${text} as a network`);
  const { bytes, prefixLength } = prefix;
  const gateway = via === undefined ? undefined : parseIp(via);
  if (via !== undefined && gateway?.length !== bytes.length) {
    throw new IoError("inet_pton", Errno.EINVAL, `read ${via} as a next hop for ${text}`);
  }
  const family = bytes.length === 4 ? AF_INET : AF_INET6;
  const scope = family === AF_INET && !gateway ? RT_SCOPE_LINK : 0;
  const inHeader = table < 256 ? table : 0;
  const body = Uint8Array.of(
    ...[family, prefixLength, 0, 0, inHeader, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0],
  );
  return {
    body,
    attributes: [
      [RTA_DST, bytes],
      [RTA_OIF, u32(index)],
      ...(gateway ? [[RTA_GATEWAY, gateway] as const] : []),
      ...(metric === undefined ? [] : [[RTA_PRIORITY, u32(metric)] as const]),
      [RTA_TABLE, u32(table)],
    ],
  };
}

/** Whether a route of the kernel's is the one that was asked for. */
function isRoute(found: Uint8Array, body: Uint8Array, attributes: readonly Attribute[]): boolean {
  if (found.length < rtmsgLength || found[0] !== body[0] || found[1] !== body[1]) return false;
  const known = parseAttributes(found, rtmsgLength);
  // The default route has no destination.
  return attributes.every(([type, value]) => {
    const other = known.get(type);
    if (!other) return type === RTA_DST && body[1] === 0;
    return other.length === value.length && other.every((byte, i) => byte === value[i]);
  });
}

/** The address in an answer, if it is of the device `index`; a dump lists all devices. */
function parseAddress(body: Uint8Array, index: number): string | undefined {
  if (body.length < ifaddrmsgLength) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (view.getUint32(4, true) !== index) return undefined;
  const attributes = parseAttributes(body, ifaddrmsgLength);
  // On a point-to-point device IFA_ADDRESS is the peer's.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  return bytes && `${formatIp(bytes)}/${body[1]}`;
}

/** `192.168.7.1/24` and `fd00::1/64` as {@linkcode Rtnetlink.addresses} writes them; undefined where `text` is neither. */
export function canonicalPrefix(text: string): string | undefined {
  const prefix = parsePrefix(text);
  return prefix && `${formatIp(prefix.bytes)}/${prefix.prefixLength}`;
}

function parsePrefix(text: string): { bytes: Uint8Array; prefixLength: number } | undefined {
  const [, address, digits] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  const bytes = address === undefined ? undefined : parseIp(address);
  const prefixLength = Number(digits);
  return bytes && prefixLength <= bytes.length * 8 ? { bytes, prefixLength } : undefined;
}

function parseMac(text: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new IoError("ether_aton", Errno.EINVAL, `read ${text} as a MAC address`);
  }
  return Uint8Array.from(readMac(text));
}

function describeChange({ mtu, mac, queueLength, up }: LinkChange): string {
  const parts = [
    ...(mtu === undefined ? [] : [`MTU ${mtu}`]),
    ...(mac === undefined ? [] : [`MAC ${mac}`]),
    ...(queueLength === undefined ? [] : [`queue length ${queueLength}`]),
    ...(up === undefined ? [] : [up ? "up" : "down"]),
  ];
  return parts.join(", ");
}

function text(value: string): Buffer {
  return new TextEncoder().encode(value + "\0");
}
