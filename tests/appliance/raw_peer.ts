/** A peer made of an LCCE of our own and one UDP socket: it sends frames when it likes, which an appliance never would. @module */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { LcceEvent } from "../../core/events.ts";
import { Lcce } from "../../core/lcce.ts";
import type { Path, PeerSettings, SessionParameters } from "../../core/settings.ts";
import { generous } from "../netsim/support.ts";

export interface RawPeer extends AsyncDisposable {
  readonly lcce: Lcce;
  readonly events: LcceEvent[];
  /** Data messages that came, whole. */
  readonly frames: Uint8Array[];
  /** How long a datagram is under way to it, in milliseconds; 0 at first. */
  lag: number;
  /** Called with each control message that comes. */
  heard: ((message: Uint8Array) => void) | undefined;
  /** Called for each event as it comes; may act on the LCCE. */
  onEvent: ((event: LcceEvent) => void) | undefined;
  now(): number;
  path(): Path;
  /** Sends a frame of a session, behind all that the LCCE has to send. */
  send(session: SessionParameters, payload: Uint8Array): void;
  /** Has the LCCE do something, and sends what comes of it. */
  act<T>(work: (lcce: Lcce, now: number) => T): T;
}

/** Binds `local` to a port (1701) and talks to `remote`'s port 1701, on loopback. */
export async function startRawPeer(
  local: string,
  remote: string,
  settings: PeerSettings,
  port = 1701,
): Promise<RawPeer> {
  const socket = createSocket("udp4");
  socket.bind(port, local);
  await once(socket, "listening");
  socket.connect(1701, remote);
  await once(socket, "connect");
  socket.setRecvBufferSize(4 << 20);
  // An address that nobody listens on yet is no fault of ours.
  socket.on("error", () => {});

  const now = () => performance.now();
  const path = (): Path => ({
    encap: "udp",
    local,
    remote: { address: remote, port: 1701 },
    mark: 0,
    socket: 0,
  });
  const lcce = new Lcce({
    policy: () => ({ kind: "accept", settings }),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    limits: generous,
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  const drain = () => {
    for (let output = lcce.poll(); output; output = lcce.poll()) {
      if (output.type === "transmit") socket.send(output.data);
      else {
        peer.events.push(output.event);
        peer.onEvent?.(output.event);
      }
    }
    clearTimeout(timer);
    const at = lcce.deadline();
    if (at === undefined || closed) return;
    timer = setTimeout(() => {
      lcce.timeout(now());
      drain();
    }, Math.max(1, at - now()));
  };
  socket.on("message", (message) => {
    const data = Uint8Array.from(message);
    if ((data[0]! & 0x80) === 0) return void peer.frames.push(data);
    const take = () => {
      if (closed) return;
      peer.heard?.(data);
      lcce.receive(data, path(), now());
      drain();
    };
    if (peer.lag === 0) take();
    else setTimeout(take, peer.lag);
  });

  const peer: RawPeer = {
    lcce,
    events: [],
    frames: [],
    lag: 0,
    heard: undefined,
    onEvent: undefined,
    now,
    path,
    send(session, payload) {
      drain();
      socket.send(dataMessage(session, lcce, payload));
    },
    act(work) {
      const result = work(lcce, now());
      drain();
      return result;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      socket.close();
      await once(socket, "close");
    },
  };
  return peer;
}

/** A data message (RFC 2661 §3.1; RFC 3931 §4.1.2.1): v2 without optional fields, v3 with what was agreed on. */
function dataMessage(session: SessionParameters, lcce: Lcce, payload: Uint8Array): Uint8Array {
  const { remoteSessionId, sendCookie, sendL2spec, version } = session;
  if (version === 3) {
    const sublayer = new Uint8Array(sendL2spec === "default" ? 4 : 0);
    const head = new Uint8Array(8);
    const view = new DataView(head.buffer);
    view.setUint16(0, 3);
    view.setUint32(4, remoteSessionId);
    return Uint8Array.of(...head, ...sendCookie, ...sublayer, ...payload);
  }
  const head = new Uint8Array(6);
  const view = new DataView(head.buffer);
  view.setUint16(0, 2);
  view.setUint16(2, [...lcce.connections()][0]!.peerId);
  view.setUint16(4, remoteSessionId);
  return Uint8Array.of(...head, ...payload);
}
