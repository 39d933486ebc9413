/** What tests of the datapath share: LCCEs on loopback with host ports at their ends. @module */

import assert from "node:assert/strict";
import type { Endpoint } from "../../core/endpoint.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { SessionSpec } from "../../wasm/mod.ts";
import { openLibc } from "../io/libc.ts";
import { openUdpSocket, type SocketOptions } from "../io/sockets.ts";
import { startDatapath } from "./client.ts";
import type { Datapath, DatapathTunnel, SocketId, TunnelHandle } from "./datapath.ts";
import type { DatapathLimits } from "./protocol.ts";

/** A datapath with one UDP socket. */
export interface Lcce extends AsyncDisposable {
  readonly datapath: Datapath;
  readonly socket: SocketId;
  readonly local: Endpoint;
}

/** Starts an LCCE on loopback, at a port that the kernel chooses. */
export async function startLcce(
  options: Partial<SocketOptions> = {},
  limits: DatapathLimits = {},
): Promise<Lcce> {
  const datapath = await startDatapath(limits);
  using libc = openLibc();
  const { fd, kind, local } = openUdpSocket(libc, {
    local: { address: "127.0.0.1", port: 0 },
    ...options,
  });
  const socket = await datapath.addSocket(fd, kind);
  return { datapath, socket, local, [Symbol.asyncDispose]: () => datapath[Symbol.asyncDispose]() };
}

/** A static L2TPv3 tunnel from one LCCE to another, with the same id both ways. */
export function addTunnel(
  from: Lcce,
  to: Pick<Lcce, "local">,
  tunnelId: number,
  options: Partial<DatapathTunnel> = {},
): Promise<TunnelHandle> {
  return from.datapath.addTunnel({
    version: 3,
    encap: "udp",
    tunnelId,
    peerTunnelId: tunnelId,
    socket: from.socket,
    remote: to.local,
    sourceCheck: "none",
    segment: true,
    ...options,
  });
}

/** An Ethernet session with the same id both ways. */
export function sessionSpec(sessionId: number, options: Partial<SessionSpec> = {}): SessionSpec {
  return {
    sessionId,
    peerSessionId: sessionId,
    frameType: "ethernet",
    l2spec: "default",
    cookie: new Uint8Array(),
    peerCookie: new Uint8Array(),
    sendSeq: false,
    recvSeq: false,
    lnsMode: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
    ...options,
  };
}

/** A host port that collects copies of what it receives. */
export interface Collector {
  readonly port: PortId;
  readonly frames: Uint8Array[];
  /** Waits until so many frames came in all. */
  received(frames: number): Promise<void>;
}

/** Opens a collecting host port, cross-connected to `peer`. */
export async function collectAt(datapath: Datapath, peer: PortId): Promise<Collector> {
  const frames: Uint8Array[] = [];
  const port = await datapath.addHostPort("ethernet", (batch) => {
    for (const frame of batch) frames.push(frame.slice());
  });
  await datapath.crossConnect(port, peer);
  return {
    port,
    frames,
    received: (count) => until(() => frames.length >= count, () => `${frames.length}/${count}`),
  };
}

/** Waits for a condition, a few seconds at most. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  state: () => string = () => "",
): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `not within 30 s: ${condition} ${state()}`);
    await sleep(2);
  }
}

/** Real time passes. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** An Ethernet frame of `length` bytes that tells its number. */
export function frameOf(number: number, length: number): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set([0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  for (let i = 18; i < length; i++) frame[i] = number + i;
  new DataView(frame.buffer).setUint32(14, number);
  return frame;
}

/** The number in a frame of {@linkcode frameOf}. */
export function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(14);
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
