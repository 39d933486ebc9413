/**
 * The WASM module by itself, without a system call, in a process of its own (its memory only ever grows).
 * `memory SESSIONS`: says how many bytes its memory has with so many v2 PPP sessions, cross-connected in pairs.
 * `lookup PAIRS PACKETS ROUNDS`: says, a line a round, how many nanoseconds a packet takes, sessions at random.
 *
 * @module
 */

import {
  type PortIx,
  RX_BATCH,
  type SessionSpec,
  type SocketIx,
  type TunnelIx,
  WasmDatapath,
} from "../../wasm/mod.ts";
import { cookieIn, cookieOut, nextRandom, peerSessionId, sessionId } from "./plan.ts";

const peer = Uint8Array.of(10, 99, 0, 2);
const spec = {
  l2spec: "none",
  sendSeq: false,
  recvSeq: false,
  lnsMode: false,
  reorderTimeoutMs: 0,
  restartAfterMs: 1000,
  restartRun: 32,
} as const;

/** Offsets in `struct mmsghdr` of 64-bit Linux. */
const mmsghdr = {
  name: 0,
  nameLength: 8,
  iov: 16,
  controlLength: 40,
  flags: 48,
  length: 56,
  size: 64,
};

const [what, ...numbers] = Deno.args;
const [first = 0, packets = 0, rounds = 0] = numbers.map(Number);
if (what === "memory") memory(first);
else lookup(first, packets, rounds);

function addTunnel(
  datapath: WasmDatapath,
  socket: SocketIx,
  version: 2 | 3,
  id: number,
  port: number,
): TunnelIx {
  return datapath.addTunnel({
    version,
    encap: "udp",
    tunnelId: id,
    peerTunnelId: id,
    socket,
    remote: { address: peer, port },
    sourceCheck: "endpoint",
    segment: true,
  });
}

function memory(sessions: number): void {
  const datapath = new WasmDatapath({ maxSessions: Math.max(sessions, 2) });
  const socket = datapath.addSocket(3, "udp4");
  const empty = datapath.memory.buffer.byteLength;
  const perTunnel = 50_000; // of the 65,535 that v2's ids allow
  let tunnel, waiting: PortIx | undefined;
  for (let i = 0; i < sessions; i++) {
    const id = i % perTunnel + 1;
    if (id === 1) tunnel = addTunnel(datapath, socket, 2, i / perTunnel + 1, 1701);
    const session: SessionSpec = {
      ...spec,
      sessionId: id,
      peerSessionId: id,
      frameType: "ppp",
      cookie: new Uint8Array(0),
      peerCookie: new Uint8Array(0),
    };
    const port = datapath.addSession(tunnel!, session);
    if (waiting === undefined) {
      waiting = port;
    } else {
      datapath.crossConnect(waiting, port);
      waiting = undefined;
    }
  }
  say(`${empty} ${datapath.memory.buffer.byteLength}`);
}

function lookup(pairs: number, packets: number, rounds: number): void {
  const datapath = new WasmDatapath({ maxSessions: 2 * pairs });
  const socket = datapath.addSocket(3, "udp4");
  const sender = addTunnel(datapath, socket, 3, 1, 1701);
  const sinks = [1, 2, 3, 4].map((k) => addTunnel(datapath, socket, 3, 1 + k, 2000 + k));
  const session = (index: number): SessionSpec => ({
    ...spec,
    sessionId: sessionId(index),
    peerSessionId: peerSessionId(index),
    frameType: "ethernet",
    cookie: cookieOut,
    peerCookie: cookieIn,
  });
  const received = [];
  for (let i = 0; i < pairs; i++) {
    const from = datapath.addSession(sender, session(i));
    datapath.crossConnect(from, datapath.addSession(sinks[i % 4]!, session(pairs + i)));
    received.push(from);
  }

  // Where the kernel would have put a batch. Pointers are offsets, as no base was set.
  const { buffer } = datapath.memory;
  const view = new DataView(buffer), words = new Uint32Array(buffer);
  const frame = 64;
  const messages = Array.from({ length: RX_BATCH }, (_, i) => {
    const message = datapath.layout.rxMessages + i * mmsghdr.size;
    const name = view.getUint32(message + mmsghdr.name, true);
    view.setUint16(name, 2, true); // AF_INET
    view.setUint16(name + 2, 1701);
    new Uint8Array(buffer, name + 4, 4).set(peer);
    const iov = view.getUint32(message + mmsghdr.iov, true);
    return { message: message / 4, data: view.getUint32(iov, true) / 4 };
  });
  const cookie = new Uint32Array(cookieIn.slice().buffer);
  // Ids in network order, taken from a list: making them is not what is measured.
  const ids = Uint32Array.from({ length: pairs }, (_, i) => swap(sessionId(i)));
  const state = new Int32Array([1]); // a number beyond 31 bits would be an object in V8
  const fill = () => {
    for (let i = 0; i < RX_BATCH; i++) {
      const { message, data } = messages[i]!;
      words[message + mmsghdr.nameLength / 4] = 16;
      words[message + mmsghdr.controlLength / 4] = 0;
      words[message + mmsghdr.flags / 4] = 0;
      words[message + mmsghdr.length / 4] = 16 + frame;
      const random = nextRandom(state[0]!);
      state[0] = random;
      words[data] = 0x0300; // 00 03 00 00
      words[data + 1] = ids[(random >>> 1) % pairs]!;
      words[data + 2] = cookie[0]!;
      words[data + 3] = cookie[1]!;
    }
  };

  const batches = Math.ceil(packets / RX_BATCH);
  for (let round = -1; round < rounds; round++) { // one to warm up
    const start = performance.now();
    for (let batch = 0; batch < batches; batch++) {
      fill();
      datapath.receiveDatagrams(socket, RX_BATCH, start);
      while (datapath.pump() > 0);
    }
    const middle = performance.now();
    for (let batch = 0; batch < batches; batch++) fill();
    const ns = (2 * middle - start - performance.now()) * 1e6 / batches / RX_BATCH;
    if (round >= 0) say(ns.toFixed(2));
  }
  let forwarded = 0;
  for (const port of received) forwarded += datapath.sessionCounters(port)["rx-packets"];
  const expected = (rounds + 1) * batches * RX_BATCH;
  if (forwarded !== expected) throw new Error(`${forwarded} of ${expected} packets forwarded`);
}

function swap(value: number): number {
  return ((value & 0xff) << 24 | (value & 0xff00) << 8 | value >>> 8 & 0xff00 | value >>> 24) >>> 0;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
