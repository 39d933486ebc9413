/**
 * Elements of nftables sets, by netlink (linux/netfilter/nf_tables.h): what `nft add element inet filter walled { … }`
 * does. The sets themselves are the operator's.
 *
 * @module
 */

import { formatIp, parseIp } from "../../core/endpoint.ts";
import { Errno, IoError } from "./errno.ts";
import { type Buffer, type Libc } from "./libc.ts";
import { type Attribute, emitNetlink, parseAttributes, parseNetlink } from "./netlink_message.ts";
import { inNetns } from "./netns.ts";

/** nftables sets. */
export interface AddressSets extends Disposable {
  /**
   * Puts an address or network (`10.0.0.7`, `2001:db8::/56`) into a set (`inet filter walled`); the result takes it out
   * again. What is there already stays there afterwards, and what is put in twice is taken out with the last of both.
   * @throws {IoError} `ENOENT` where there is no such table or set, `EINVAL` where the set holds no such addresses
   */
  add(set: string, address: string, netns?: string): () => void;
}

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0o2000003;
const NETLINK_NETFILTER = 12;
const MSG_DONTWAIT = 0x40;

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFT_MSG_GETSET = NFNL_SUBSYS_NFTABLES << 8 | 10;
const NFT_MSG_NEWSETELEM = NFNL_SUBSYS_NFTABLES << 8 | 12;
const NFT_MSG_DELSETELEM = NFNL_SUBSYS_NFTABLES << 8 | 14;
const NLM_F_REQUEST = 0x01;
const NLM_F_ACK = 0x04;
const NLM_F_CREATE_EXCL = 0x600;
const NLA_F_NESTED = 0x8000;

const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_LEN = 5;
const NFT_SET_INTERVAL = 0x4;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_FLAGS = 3;
const NFTA_DATA_VALUE = 1;
const NFT_SET_ELEM_INTERVAL_END = 1;
/** `nfgenmsg`: family 1 | version 1 | resource 2 (network order). */
const nfgenmsgLength = 4;

const families: Readonly<Record<string, number>> = {
  inet: 1,
  ip: 2,
  arp: 3,
  netdev: 5,
  bridge: 7,
  ip6: 10,
};

interface SetName {
  readonly text: string;
  readonly family: number;
  readonly table: string;
  readonly set: string;
}

/** An address range: its first address, and the one behind its last (undefined: there is none behind). */
interface Range {
  readonly first: Uint8Array;
  readonly behind: Uint8Array | undefined;
  readonly single: boolean;
}

export function openAddressSets(libc: Libc): AddressSets {
  return new Sets(libc);
}

class Sets implements AddressSets {
  readonly #libc: Libc;
  /** How often each element was put in by us; those that were there before are not counted. */
  readonly #mine = new Map<string, number>();
  #own: number | undefined;
  #sequence = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  add(text: string, address: string, netns?: string): () => void {
    const name = parseName(text);
    const range = parseRange(address);
    const key = `${netns ?? ""} ${text} ${formatIp(range.first)} ${
      range.behind && formatIp(range.behind)
    }`;
    const before = this.#mine.get(key) ?? 0;
    if (before === 0 && !this.#put(name, range, address, netns)) return () => {};
    this.#mine.set(key, before + 1);
    return () => {
      const left = (this.#mine.get(key) ?? 1) - 1;
      if (left > 0) return void this.#mine.set(key, left);
      this.#mine.delete(key);
      this.#take(name, range, address, netns);
    };
  }

  [Symbol.dispose](): void {
    if (this.#own !== undefined) this.#libc.call.close(this.#own);
  }

  /** False: it was there. */
  #put(name: SetName, range: Range, address: string, netns: string | undefined): boolean {
    const what = `add ${address} to the set ${name.text}`;
    return this.#using(netns, what, (fd) => {
      const elements = this.#elements(fd, name, range, what);
      try {
        this.#change(fd, NFT_MSG_NEWSETELEM, NLM_F_CREATE_EXCL, name, elements, what);
        return true;
      } catch (error) {
        if (error instanceof IoError && error.errno === Errno.EEXIST) return false;
        throw error;
      }
    });
  }

  #take(name: SetName, range: Range, address: string, netns: string | undefined): void {
    const what = `take ${address} out of the set ${name.text}`;
    try {
      this.#using(netns, what, (fd) => {
        const elements = this.#elements(fd, name, range, what);
        this.#change(fd, NFT_MSG_DELSETELEM, 0, name, elements, what);
      });
    } catch (error) {
      // The operator was there before us, or the table is gone.
      if (!(error instanceof IoError && error.errno === Errno.ENOENT)) throw error;
    }
  }

  #using<T>(netns: string | undefined, what: string, work: (fd: number) => T): T {
    const libc = this.#libc;
    const open = () =>
      libc.check(
        inNetns(
          libc,
          netns,
          () => libc.call.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER),
        ),
        "socket(NETLINK_NETFILTER)",
        what,
      );
    if (netns === undefined) return work(this.#own ??= open());
    const fd = open();
    try {
      return work(fd);
    } finally {
      libc.call.close(fd);
    }
  }

  /** What the set calls the range: with intervals it is two elements. */
  #elements(fd: number, name: SetName, range: Range, what: string): Attribute[] {
    const { flags, keyLength } = this.#look(fd, name, what);
    const { behind, first, single } = range;
    if (keyLength !== first.length) {
      const kind = first.length === 4 ? "IPv4" : "IPv6";
      throw new IoError("nftables", Errno.EINVAL, what, `it holds no ${kind} addresses`);
    }
    if (!(flags & NFT_SET_INTERVAL)) {
      if (single) return [element(first)];
      throw new IoError("nftables", Errno.EINVAL, what, "it holds no networks (`flags interval`)");
    }
    return [element(first), ...(behind ? [element(behind, NFT_SET_ELEM_INTERVAL_END)] : [])];
  }

  #look(fd: number, { family, set, table }: SetName, what: string) {
    const body = nfgenmsg(family);
    const attributes: Attribute[] = [[NFTA_SET_TABLE, text(table)], [NFTA_SET_NAME, text(set)]];
    const sequence = ++this.#sequence;
    const message = emitNetlink(
      NFT_MSG_GETSET,
      NLM_F_REQUEST | NLM_F_ACK,
      sequence,
      body,
      attributes,
    );
    const [found] = this.#ask(fd, message, sequence, what);
    const known = parseAttributes(found ?? new Uint8Array(nfgenmsgLength), nfgenmsgLength);
    return { flags: be32(known.get(NFTA_SET_FLAGS)), keyLength: be32(known.get(NFTA_SET_KEY_LEN)) };
  }

  #change(
    fd: number,
    type: number,
    flags: number,
    { family, set, table }: SetName,
    elements: readonly Attribute[],
    what: string,
  ): void {
    const batch = (type: number) =>
      emitNetlink(type, NLM_F_REQUEST, ++this.#sequence, nfgenmsg(0, NFNL_SUBSYS_NFTABLES));
    const begin = batch(NFNL_MSG_BATCH_BEGIN);
    const sequence = ++this.#sequence;
    const body = emitNetlink(type, NLM_F_REQUEST | NLM_F_ACK | flags, sequence, nfgenmsg(family), [
      [NFTA_SET_ELEM_LIST_TABLE, text(table)],
      [NFTA_SET_ELEM_LIST_SET, text(set)],
      nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements),
    ]);
    const parts = [begin, body, batch(NFNL_MSG_BATCH_END)];
    const message = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      message.set(part, at);
      at += part.length;
    }
    this.#ask(fd, message, sequence, what);
  }

  /** Sends a request; the kernel has answered when `send` returns. Gives the bodies of the answer. @throws {IoError} */
  #ask(fd: number, message: Buffer, sequence: number, what: string): Uint8Array[] {
    const { call } = this.#libc;
    this.#libc.check(call.send(fd, message, BigInt(message.length), 0), "send(nftables)", what);
    const bodies: Uint8Array[] = [];
    const room: Buffer = new Uint8Array(16_384);
    for (;;) {
      const length = this.#libc.check(
        call.recv(fd, room, BigInt(room.length), MSG_DONTWAIT),
        "recv(nftables)",
        what,
      );
      for (const answer of parseNetlink(room.subarray(0, length))) {
        // Of a request before that failed there may be something left.
        if (answer.sequence < sequence - 1) continue;
        // A batch that is refused as a whole is answered for its beginning.
        if (answer.kind === "end" && answer.errno !== 0) {
          throw new IoError("nftables", answer.errno, what, answer.message);
        }
        if (answer.sequence !== sequence) continue;
        if (answer.kind === "end") return bodies;
        bodies.push(answer.body.slice());
      }
    }
  }
}

function parseName(name: string): SetName {
  const [family, table, set, ...more] = name.trim().split(/\s+/);
  const number = families[family ?? ""];
  if (number === undefined || !table || !set || more.length > 0) {
    const right = "a family, a table and a set: `inet filter walled`";
    throw new IoError("nftables", Errno.EINVAL, `read ${name} as a set`, right);
  }
  return { text: name, family: number, table, set };
}

function parseRange(text: string): Range {
  const [, address, digits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bytes = address === undefined ? undefined : parseIp(address);
  const bits = digits === undefined ? (bytes?.length ?? 0) * 8 : Number(digits);
  if (!bytes || bits > bytes.length * 8) {
    throw new IoError("inet_pton", Errno.EINVAL, `read ${text} as an address or network`);
  }
  const size = BigInt(bytes.length * 8 - bits);
  const first = BigInt(`0x${bytes.toHex()}`) >> size << size;
  const behind = first + (1n << size);
  const toBytes = (value: bigint) =>
    Uint8Array.fromHex(value.toString(16).padStart(bytes.length * 2, "0"));
  return {
    first: toBytes(first),
    behind: behind >> BigInt(bytes.length * 8) === 0n ? toBytes(behind) : undefined,
    single: size === 0n,
  };
}

function element(key: Uint8Array, flags = 0): Attribute {
  const of: Attribute[] = [nested(NFTA_SET_ELEM_KEY, [[NFTA_DATA_VALUE, key]])];
  if (flags) of.push([NFTA_SET_ELEM_FLAGS, Uint8Array.of(0, 0, 0, flags)]);
  return nested(NFTA_LIST_ELEM, of);
}

/** Attributes in an attribute: their own layout without a message's header. */
function nested(type: number, attributes: readonly Attribute[]): Attribute {
  return [type | NLA_F_NESTED, emitNetlink(0, 0, 0, new Uint8Array(), attributes).subarray(16)];
}

function nfgenmsg(family: number, resource = 0): Buffer {
  return Uint8Array.of(family, 0, resource >> 8, resource & 0xff);
}

function be32(value: Uint8Array | undefined): number {
  return value && value.length >= 4 ? new DataView(value.buffer, value.byteOffset).getUint32(0) : 0;
}

function text(value: string): Buffer {
  return new TextEncoder().encode(value + "\0");
}
