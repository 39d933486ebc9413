/** Ends of tunnels for tests of the datapath: a session joined to a host port each. @module */

import assert from "node:assert/strict";
import {
  type PortIx,
  type SessionSpec,
  type SocketIx,
  type SocketKind,
  type TunnelIx,
  type TunnelSpec,
  WasmDatapath,
  WasmError,
} from "./mod.ts";
import { arrive, hex, run } from "./testing_kernel.ts";

/** All kinds of sockets. */
export const kinds: readonly SocketKind[] = ["udp4", "udp6", "ip4", "ip6"];
const noCookie = new Uint8Array(0);

/** Two addresses for a kind of socket. */
export function addresses(kind: SocketKind): [Uint8Array, Uint8Array] {
  return kind.endsWith("4")
    ? [hex("0a4d0001"), hex("0a4d0002")]
    : [hex("fd77".padEnd(31, "0") + "1"), hex("fd77".padEnd(31, "0") + "2")];
}

/** A v3 tunnel's end, but for what `spec` says. */
export function tunnelSpec(
  kind: SocketKind,
  socket: SocketIx,
  end: 0 | 1,
  spec: Partial<TunnelSpec> = {},
): TunnelSpec {
  const [local, remote] = end === 0
    ? addresses(kind)
    : addresses(kind).toReversed() as [Uint8Array, Uint8Array];
  const udp = kind.startsWith("udp");
  return {
    version: 3,
    encap: udp ? "udp" : "ip",
    tunnelId: 1 + end,
    peerTunnelId: 2 - end,
    socket,
    remote: { address: remote, port: udp ? 1701 : 0 },
    local,
    sourceCheck: "endpoint",
    segment: udp,
    ...spec,
  };
}

/** An Ethernet session, but for what `spec` says. */
export function sessionSpec(spec: Partial<SessionSpec> = {}): SessionSpec {
  return {
    sessionId: 11,
    peerSessionId: 12,
    frameType: "ethernet",
    l2spec: "none",
    cookie: noCookie,
    peerCookie: noCookie,
    sendSeq: false,
    recvSeq: false,
    lnsMode: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
    ...spec,
  };
}

/** One end of a tunnel: a session joined to a host port. */
export interface End extends Disposable {
  readonly datapath: WasmDatapath;
  readonly kind: SocketKind;
  readonly side: 0 | 1;
  readonly socket: SocketIx;
  readonly tunnel: TunnelIx;
  readonly session: PortIx;
  readonly host: PortIx;
}

/** An {@linkcode End} of its own datapath. */
export function makeEnd(
  kind: SocketKind,
  end: 0 | 1,
  spec: Partial<SessionSpec> = {},
  tunnelChange: Partial<TunnelSpec> = {},
): End {
  const datapath = new WasmDatapath();
  const socket = datapath.addSocket(10 + end, kind);
  const tunnel = datapath.addTunnel(tunnelSpec(kind, socket, end, tunnelChange));
  const session = datapath.addSession(
    tunnel,
    sessionSpec({ sessionId: 11 + end, peerSessionId: 12 - end, ...spec }),
  );
  const host = datapath.addHostPort(spec.frameType ?? "ethernet");
  datapath.crossConnect(session, host);
  return {
    datapath,
    kind,
    side: end,
    socket,
    tunnel,
    session,
    host,
    [Symbol.dispose]: () => datapath.free(),
  };
}

/** Sends frames in at the host port of `a`; gives what arrives at the host port of `b`. */
export function cross(a: End, b: End, frames: readonly Uint8Array[], gro = false): Uint8Array[] {
  for (const frame of frames) assert(a.datapath.inject(a.host, frame, 0));
  const datagrams = run(a.datapath).sent.flatMap((sent) => sent.datagrams);
  const [from, to] = [addresses(a.kind)[a.side], addresses(b.kind)[b.side]];
  const arrival = { from, to };
  if (gro) {
    arrive(b.datapath, b.socket, b.kind, datagrams, { ...arrival, gro: datagrams[0]!.length });
  } else arrive(b.datapath, b.socket, b.kind, datagrams, arrival);
  run(b.datapath);
  return drainFrames(b);
}

/** The frames that wait at host ports. */
export function drainFrames({ datapath }: End): Uint8Array[] {
  const frames: Uint8Array[] = [];
  datapath.drainPunts((punt) => {
    assert.equal(punt.kind, "frame");
    frames.push(punt.data.slice());
  });
  return frames;
}

/** An Ethernet frame of so many bytes. */
export function ethernet(length: number, mark = 0): Uint8Array {
  return new Uint8Array(length).map((_, i) => i * 7 + mark);
}

/** All counters that are not 0. */
export function moved(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

/** Whether an error is a refusal with a code. */
export function refusal(code: string): (error: unknown) => boolean {
  return (error) => error instanceof WasmError && error.code === code;
}
