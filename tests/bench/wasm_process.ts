/**
 * The WASM module by itself, without a system call, in a process of its own (its memory only ever grows).
 * `memory SESSIONS`: says how many bytes its memory has with so many v2 PPP sessions, cross-connected in pairs.
 * `lookup PAIRS PACKETS ROUNDS`: says, a line a round, how many nanoseconds a packet takes, sessions at random.
 * `twins TUNNELS PACKETS ROUNDS`: the same where each tunnel has one session, all of one id; then of ids that differ.
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
else if (what === "twins") twins(first, packets, rounds);
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

/** Forwards from sessions of one peer, taken at random, to sessions of four others. */
function lookup(pairs: number, packets: number, rounds: number): void {
  const datapath = new WasmDatapath({ maxSessions: 2 * pairs });
  const socket = datapath.addSocket(3, "udp4");
  const sender = addTunnel(datapath, socket, 3, 1, 1701);
  const sinks = [1, 2, 3, 4].map((k) => addTunnel(datapath, socket, 3, 1 + k, 2000 + k));
  const received = [];
  for (let i = 0; i < pairs; i++) {
    const from = datapath.addSession(sender, session(sessionId(i), peerSessionId(i)));
    const other = pairs + i;
    const to = datapath.addSession(sinks[i % 4]!, session(sessionId(other), peerSessionId(other)));
    datapath.crossConnect(from, to);
    received.push(from);
  }
  const forward = forwarder(datapath, socket, pairs, sessionId, () => 1701);
  for (let round = -1; round < rounds; round++) { // one to warm up
    const ns = forward(packets);
    if (round >= 0) say(ns.toFixed(2));
  }
  checkForwarded(datapath, received, (rounds + 1) * wholeBatches(packets));
}

/** Forwards from sessions of as many peers, one each: all of one id, then each of its own. */
function twins(tunnels: number, packets: number, rounds: number): void {
  const sides = [() => 1, sessionId].map((idOf) => {
    const datapath = new WasmDatapath({ maxSessions: 2 * tunnels });
    const socket = datapath.addSocket(3, "udp4");
    const sinks = [1, 2, 3, 4].map((k) => addTunnel(datapath, socket, 3, k, 1000 + k));
    const portOf = (i: number) => 2000 + i;
    const received = Array.from({ length: tunnels }, (_, i) => {
      const tunnel = addTunnel(datapath, socket, 3, 10 + i, portOf(i));
      const from = datapath.addSession(tunnel, session(idOf(i), peerSessionId(i)));
      const other = tunnels + i;
      const to = datapath.addSession(sinks[i % 4]!, session(sessionId(other), 1));
      datapath.crossConnect(from, to);
      return from;
    });
    const forward = forwarder(datapath, socket, tunnels, idOf, portOf);
    return { datapath, received, forward };
  });
  for (let round = -1; round < rounds; round++) {
    const line = sides.map(({ forward }) => forward(packets).toFixed(2)).join(" ");
    if (round >= 0) say(line);
  }
  for (const { datapath, received } of sides) {
    checkForwarded(datapath, received, (rounds + 1) * wholeBatches(packets));
  }
}

function session(id: number, peerId: number): SessionSpec {
  return {
    ...spec,
    sessionId: id,
    peerSessionId: peerId,
    frameType: "ethernet",
    cookie: cookieOut,
    peerCookie: cookieIn,
  };
}

/**
 * Plays the kernel to a datapath: of `sessions`, the one with the id `idOf(i)` comes from UDP port `portOf(i)` of the peer.
 * Both are worked out for each packet, as C does: a list of them would compete for the cache with what is measured. The
 * function says how many nanoseconds a packet takes, without what putting it there takes.
 */
function forwarder(
  datapath: WasmDatapath,
  socket: SocketIx,
  sessions: number,
  idOf: (i: number) => number,
  portOf: (i: number) => number,
): (packets: number) => number {
  const frame = 64;
  // The memory grows with the datapath, not any more when it forwards.
  const { buffer } = datapath.memory;
  const view = new DataView(buffer), words = new Uint32Array(buffer);
  const messages = Array.from({ length: RX_BATCH }, (_, i) => {
    const message = datapath.layout.rxMessages + i * mmsghdr.size;
    const name = view.getUint32(message + mmsghdr.name, true);
    new Uint8Array(buffer, name + 4, 4).set(peer);
    const iov = view.getUint32(message + mmsghdr.iov, true);
    return { message: message / 4, name: name / 4, data: view.getUint32(iov, true) / 4 };
  });
  const cookie = new Uint32Array(cookieIn.slice().buffer);
  const state = new Int32Array([1]); // a number beyond 31 bits would be an object in V8
  const fill = () => {
    for (let i = 0; i < RX_BATCH; i++) {
      const { message, name, data } = messages[i]!;
      words[message + mmsghdr.nameLength / 4] = 16;
      words[message + mmsghdr.controlLength / 4] = 0;
      words[message + mmsghdr.flags / 4] = 0;
      words[message + mmsghdr.length / 4] = 16 + frame;
      const random = nextRandom(state[0]!);
      state[0] = random;
      const at = (random >>> 1) % sessions;
      const port = portOf(at);
      words[name] = 2 | (port >> 8 | (port & 0xff) << 8) << 16; // AF_INET
      words[data] = 0x0300; // 00 03 00 00
      words[data + 1] = swap(idOf(at));
      words[data + 2] = cookie[0]!;
      words[data + 3] = cookie[1]!;
    }
  };
  return (packets) => {
    const batches = Math.ceil(packets / RX_BATCH);
    const now = performance.now(), start = threadTime();
    for (let batch = 0; batch < batches; batch++) {
      fill();
      datapath.receiveDatagrams(socket, RX_BATCH, now);
      while (datapath.pump() > 0);
    }
    const middle = threadTime();
    for (let batch = 0; batch < batches; batch++) fill();
    return (2 * middle - start - threadTime()) / batches / RX_BATCH;
  };
}

/** Nanoseconds of CPU that this thread has used, to the last timer tick: what others do costs no time of ours. */
function threadTime(): number {
  return Number(Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ")[0]);
}

function wholeBatches(packets: number): number {
  return Math.ceil(packets / RX_BATCH) * RX_BATCH;
}

function checkForwarded(datapath: WasmDatapath, from: readonly PortIx[], expected: number): void {
  let forwarded = 0;
  for (const port of from) forwarded += datapath.sessionCounters(port)["rx-packets"];
  if (forwarded !== expected) throw new Error(`${forwarded} of ${expected} packets forwarded`);
}

function swap(value: number): number {
  return ((value & 0xff) << 24 | (value & 0xff00) << 8 | value >>> 8 & 0xff00 | value >>> 24) >>> 0;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
