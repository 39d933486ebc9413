import assert from "node:assert/strict";
import { addresses, sessionSpec, tunnelSpec } from "./testing_ends.ts";
import { arrive, concat, hex, run } from "./testing_kernel.ts";
import { WasmDatapath } from "./mod.ts";

/** A session joined to a device with IFF_VNET_HDR. */
function makeEnd(end: 0 | 1) {
  const datapath = new WasmDatapath();
  const socket = datapath.addSocket(3, "udp4");
  const tunnel = datapath.addTunnel(tunnelSpec("udp4", socket, end));
  const ids = { sessionId: 11 + end, peerSessionId: 12 - end };
  const session = datapath.addSession(tunnel, sessionSpec(ids));
  const device = datapath.addDevice(9, "ethernet", { checksum: true, tcp: true, udp: true });
  datapath.crossConnect(session, device);
  return { datapath, socket, device };
}

/** The Internet checksum's sum, by its definition (RFC 1071 §1). */
function ones(...parts: readonly Uint8Array[]): number {
  const bytes = concat(...parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! << 8 | (bytes[i + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

const link = hex("020000000001 020000000002 0800");
const half = (value: number) => Uint8Array.of(value >> 8, value & 0xff);

/** A super-frame of TCP over IPv4 as a device gives it (RFC 791 §3.1, RFC 9293 §3.1), behind its `virtio_net_hdr`. */
function superFrame(payload: Uint8Array, mss: number): Uint8Array {
  const ip = concat(
    hex("4500"),
    half(40 + payload.length),
    hex("0001 4000 4006 0000 0a090001 0a090002"),
  );
  ip.set(half(~ones(ip) & 0xffff), 10);
  const pseudo = ones(ip.subarray(12), hex("0006"), half(20 + payload.length));
  const tcp = concat(hex("1f90 0050 00000000 00000001 5018 0100"), half(pseudo), hex("0000"));
  const vnet = concat(hex("01 01 3600"), Uint8Array.of(mss & 0xff, mss >> 8), hex("2200 1000"));
  return concat(vnet, link, ip, tcp, payload);
}

Deno.test("a super-frame leaves as segments with right checksums, and is whole again at the other end", () => {
  const near = makeEnd(0), far = makeEnd(1);
  for (
    const [length, mss, fill] of [[3001, 1000, 7], [40_000, 1448, 0xff], [60_017, 8999, 3]] as const
  ) {
    const payload = new Uint8Array(length).map((_, i) => fill === 0xff ? 0xff : i * fill);
    const given = superFrame(payload, mss);
    const { layout, memory } = near.datapath;
    new Uint8Array(memory.buffer).set(given, layout.rxSlots[0]!);
    new Int32Array(memory.buffer, layout.rxLengths, 1)[0] = given.length;
    near.datapath.receiveFrames(near.device, 1, 0);
    const datagrams = run(near.datapath).sent.flatMap((sent) => sent.datagrams);
    assert.equal(datagrams.length, Math.ceil(length / mss));
    for (const datagram of datagrams) {
      const ip = datagram.subarray(8 + 14, 8 + 34), tcp = datagram.subarray(8 + 34);
      assert.equal(ones(ip), 0xffff);
      assert.equal(ones(ip.subarray(12), hex("0006"), half(tcp.length), tcp), 0xffff);
    }
    const [from, to] = addresses("udp4");
    arrive(far.datapath, far.socket, "udp4", datagrams, { from, to });
    const { written } = run(far.datapath);
    assert.equal(written.length, 1);
    assert.deepEqual(written[0]!.frame, given);
  }
  near.datapath.free();
  far.datapath.free();
});
