/** The far end of a static L2TPv3 tunnel that pings the probe at the near one. @module */

import { createSocket, type Socket } from "node:dgram";

/** Pings until disposal. */
export interface Pinging extends AsyncDisposable {
  /** The UDP port of the appliance that is pinged, on 127.0.0.1. */
  readonly port: number;
  /** The file's lines for the tunnel, from its name on. */
  readonly tunnel: string;
  /** Resolves once the first answer has come. */
  answered(): Promise<void>;
  /** Milliseconds that pings since the last time took; those that are on their way, so far. */
  take(): number[];
}

const PING_MS = 5;
const ID = 0x6974;
const SESSION = 4_000_000_001;

/** Pings an appliance on loopback every 5 ms. */
export async function pinging(): Promise<Pinging> {
  const socket = await bound();
  const own = socket.address().port;
  const free = await bound();
  const { port } = free.address();
  free.close();
  const sent = new Map<number, number>();
  const first = Promise.withResolvers<void>();
  let took: number[] = [];
  let next = 0;
  const timer = setInterval(() => {
    const seq = next++ & 0xffff;
    sent.set(seq, performance.now());
    socket.send(echoRequest(seq), port, "127.0.0.1");
  }, PING_MS);
  socket.on("message", (data) => {
    const seq = sequenceOf(data);
    const at = seq === undefined ? undefined : sent.get(seq);
    if (at === undefined) return;
    sent.delete(seq!);
    took.push(performance.now() - at);
    first.resolve();
  });
  socket.on("error", () => {});
  return {
    port,
    tunnel: `
  bench-pings:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    encap: udp
    local: 127.0.0.1:${port}
    remote: 127.0.0.1:${own}
    sessions:
      probe:
        session-id: ${SESSION}
        peer-session-id: ${SESSION}
        l2spec-type: none
        circuit: { probe: { address: 10.255.0.1/24, mac: "02:00:00:00:00:01" } }`,
    async answered() {
      await first.promise;
      sent.clear();
    },
    take() {
      const now = performance.now();
      const all = [...took, ...Array.from(sent.values(), (at) => now - at)];
      took = [];
      // Those that are lost are lost once.
      sent.clear();
      return all;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", () => resolve(socket));
  });
}

/** L2TPv3 over UDP (RFC 3931 §4.1.2), Ethernet, IPv4, ICMP. */
function echoRequest(seq: number): Uint8Array<ArrayBuffer> {
  const icmp = Uint8Array.of(8, 0, 0, 0, ID >> 8, ID & 255, seq >> 8, seq & 255);
  const ip = Uint8Array.of(0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 255, 0, 2, 10, 255, 0, 1);
  sum(icmp, 2);
  sum(ip, 10);
  const header = new Uint8Array(8 + 14);
  const view = new DataView(header.buffer);
  view.setUint16(0, 3);
  view.setUint32(4, SESSION);
  header.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0], 8);
  return Uint8Array.of(...header, ...ip, ...icmp);
}

/** The sequence number of an echo reply; undefined: it is something else. */
function sequenceOf(data: Uint8Array): number | undefined {
  const icmp = data.subarray(8 + 14 + 20);
  return icmp.length >= 8 && icmp[0] === 0 && icmp[4]! << 8 === (ID & 0xff00)
    ? icmp[6]! << 8 | icmp[7]!
    : undefined;
}

/** Writes the Internet checksum (RFC 1071) of `bytes` into them. */
function sum(bytes: Uint8Array, at: number): void {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += bytes[i]! << 8 | bytes[i + 1]!;
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  bytes[at] = ~total >> 8 & 255;
  bytes[at + 1] = ~total & 255;
}
