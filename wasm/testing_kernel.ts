/** Plays the kernel for tests of the datapath: carries out ops and fills receive arrays, with a base of 0. @module */

import type { SocketIx, SocketKind, WasmDatapath } from "./mod.ts";

/** What a datapath sent: one message. */
export interface Sent {
  readonly fd: number;
  /** `sockaddr_in` or `sockaddr_in6`. */
  readonly name: Uint8Array;
  readonly control: Uint8Array;
  /** The datagrams that the kernel makes of it. */
  readonly datagrams: readonly Uint8Array[];
}

/** Everything that a datapath put out. */
export interface Output {
  readonly sent: Sent[];
  readonly written: { fd: number; frame: Uint8Array }[];
}

/** How datagrams reach a socket. */
export interface Arrival {
  /** The sender's address: 4 bytes or 16. */
  readonly from: Uint8Array;
  readonly port?: number;
  /** The address that they were sent to, told by IP_PKTINFO or IPV6_PKTINFO. */
  readonly to?: Uint8Array;
  /** Join them into one super-datagram of segments of this length. */
  readonly gro?: number;
  readonly flags?: number;
}

const mmsghdrSize = 64;
const iovecSize = 16;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/** Pumps until nothing is left. `refuse` may give a reason to drop a message for. */
export function run(
  datapath: WasmDatapath,
  refuse: (fd: number) => string | undefined = () => undefined,
): Output {
  const { layout, memory } = datapath;
  const output: Output = { sent: [], written: [] };
  for (let count = datapath.pump(); count > 0; count = datapath.pump()) {
    for (let op = 0; op < count; op++) {
      const [kind, fd, first, length] = new Int32Array(memory.buffer, layout.txOps + 16 * op, 4);
      if (kind === 1) {
        const frame = gather(memory, layout.txIovecs + iovecSize * first!, length!);
        output.written.push({ fd: fd!, frame });
        continue;
      }
      for (let at = first!; at < first! + length!; at++) {
        const reason = refuse(fd!);
        if (reason === undefined) {
          output.sent.push(readMessage(memory, fd!, layout.txMessages + mmsghdrSize * at));
        } else datapath.messageDropped(at, reason);
      }
    }
  }
  return output;
}

/** Lets datagrams arrive at a socket, as one batch. */
export function arrive(
  datapath: WasmDatapath,
  socket: SocketIx,
  kind: SocketKind,
  datagrams: readonly Uint8Array[],
  arrival: Arrival,
  now = 0,
): void {
  const messages = arrival.gro === undefined ? datagrams : [concat(...datagrams)];
  messages.forEach((datagram, at) => {
    const bytes = kind === "ip4" ? concat(ipv4Header(arrival), datagram) : datagram;
    fillMessage(datapath, at, kind, bytes, arrival);
  });
  datapath.receiveDatagrams(socket, messages.length, now);
}

/** Bytes one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Bytes of hexadecimal digits; blanks are for the eye. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

function readMessage(memory: WebAssembly.Memory, fd: number, at: number): Sent {
  const view = new DataView(memory.buffer, at, mmsghdrSize);
  const field = (offset: number) => Number(view.getBigUint64(offset, true));
  const bytes = (from: number, length: number) =>
    new Uint8Array(memory.buffer).slice(from, from + length);
  const control = bytes(field(32), field(40));
  const whole = gather(memory, field(16), field(24));
  const segment = findControl(control, SOL_UDP, UDP_SEGMENT);
  const size = segment ? segment[0]! | segment[1]! << 8 : Math.max(whole.length, 1);
  const datagrams = Array.from(
    { length: Math.ceil(whole.length / size) },
    (_, i) => whole.slice(i * size, (i + 1) * size),
  );
  return { fd, name: bytes(field(0), view.getUint32(8, true)), control, datagrams };
}

/** The data of a control message of a level and type, if there is one. */
export function findControl(
  control: Uint8Array,
  level: number,
  type: number,
): Uint8Array | undefined {
  for (let at = 0; at + 16 <= control.length;) {
    const view = new DataView(control.buffer, control.byteOffset + at);
    const length = Number(view.getBigUint64(0, true));
    if (view.getInt32(8, true) === level && view.getInt32(12, true) === type) {
      return control.slice(at + 16, at + length);
    }
    at += Math.ceil(length / 8) * 8;
  }
  return undefined;
}

function gather(memory: WebAssembly.Memory, at: number, count: number): Uint8Array {
  const view = new DataView(memory.buffer);
  const parts = Array.from({ length: count }, (_, i) => {
    const from = Number(view.getBigUint64(at + iovecSize * i, true));
    const length = Number(view.getBigUint64(at + iovecSize * i + 8, true));
    return new Uint8Array(memory.buffer).slice(from, from + length);
  });
  return concat(...parts);
}

function fillMessage(
  datapath: WasmDatapath,
  at: number,
  kind: SocketKind,
  bytes: Uint8Array,
  arrival: Arrival,
): void {
  const { layout, memory } = datapath;
  const all = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer, layout.rxMessages + mmsghdrSize * at, mmsghdrSize);
  const name = sockaddr(kind, arrival);
  const control = controlOf(kind, arrival);
  if (view.getUint32(8, true) < name.length || view.getBigUint64(40, true) < control.length) {
    throw new Error(`message ${at} has no room for its name or control messages`);
  }
  all.set(bytes, layout.rxSlots[at]!);
  all.set(name, Number(view.getBigUint64(0, true)));
  all.set(control, Number(view.getBigUint64(32, true)));
  view.setUint32(8, name.length, true);
  view.setBigUint64(40, BigInt(control.length), true);
  view.setUint32(48, arrival.flags ?? 0, true);
  view.setUint32(56, bytes.length, true);
}

function sockaddr(kind: SocketKind, { from, port = 1701 }: Arrival): Uint8Array {
  const number = kind.startsWith("udp") ? port : 0;
  const portBytes = Uint8Array.of(number >> 8, number & 0xff);
  return kind.endsWith("4")
    ? concat(Uint8Array.of(2, 0), portBytes, from, new Uint8Array(8))
    : concat(Uint8Array.of(10, 0), portBytes, new Uint8Array(4), from, new Uint8Array(4));
}

function controlOf(kind: SocketKind, { to, gro }: Arrival): Uint8Array {
  const parts: Uint8Array[] = [];
  if (to && kind.endsWith("4")) {
    parts.push(controlMessage(0, 8, concat(new Uint8Array(4), to, to)));
  } else if (to) {
    parts.push(controlMessage(41, 50, concat(to, new Uint8Array(4))));
  }
  if (gro !== undefined) {
    parts.push(controlMessage(SOL_UDP, UDP_GRO, Uint8Array.of(gro & 0xff, gro >> 8, 0, 0)));
  }
  return concat(...parts);
}

function controlMessage(level: number, type: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((16 + data.length) / 8) * 8);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(16 + data.length), true);
  view.setInt32(8, level, true);
  view.setInt32(12, type, true);
  bytes.set(data, 16);
  return bytes;
}

/** What a raw socket gets before the datagram: with options, so that its length has to be read. */
function ipv4Header({ from, to = Uint8Array.of(127, 0, 0, 1) }: Arrival): Uint8Array {
  const fixed = hex("46 00 0000 0000 0000 40 73 0000");
  return concat(fixed, from, to, hex("01010101"));
}
