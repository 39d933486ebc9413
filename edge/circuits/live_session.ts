/** Sessions of tunnels as plugins see them. @module */

import { frameTypeOf, type PseudowireType } from "../../core/pseudowire.ts";
import type { CallAvps } from "../../core/wire/call_avps.ts";
import type { SessionFacts } from "../../plugins/host/attachment.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { OwnedPort } from "../../plugins/host/ports.ts";
import type { TunnelConfig } from "../config/model.ts";

/** What a call knows of itself; a static session knows nothing. */
export interface CallFacts {
  readonly request?: "ICRQ" | "OCRQ";
  /** What the peer calls itself. */
  readonly hostName?: string;
  /** What we call ourselves to it. */
  readonly localHostName?: string;
  /** The peer's name in the configuration. */
  readonly peerName?: string;
  /** What the peer has said so far. */
  readonly said?: CallAvps;
  readonly serial?: number;
  /** Resolves when its tunnel has left. */
  readonly tunnelGone?: Promise<void>;
  /** {@linkcode Session.tell}; absent: there is no peer to tell. */
  readonly tell?: SessionFacts["tell"];
  /** {@linkcode Session.carrier} for the peer. */
  readonly carrier?: SessionFacts["carrier"];
}

/** A session that is to be attached, as it is now. */
export interface CircuitSession extends CallFacts {
  /** `<tunnel>/<session>`. */
  readonly name: string;
  readonly pseudowireType: PseudowireType;
  readonly tunnel: TunnelConfig;
  readonly port: PortId;
  readonly frameMtu: number;
  readonly up: boolean;
}

/** A session as plugins see it, and what changes of it. */
export interface LiveSession {
  readonly facts: SessionFacts;
  readonly port: OwnedPort;
  readonly state: { frameMtu: number; up: boolean; said: CallAvps };
  /** Connected, or ended before that. */
  readonly ended: PromiseWithResolvers<CallAvps>;
}

/** What plugins see of a session. */
export function liveSession(host: PluginHost, given: CircuitSession, id: string): LiveSession {
  const { name, pseudowireType, request, said = {}, tell, tunnel, carrier } = given;
  const state = { frameMtu: given.frameMtu, up: given.up, said };
  const ended = Promise.withResolvers<CallAvps>();
  // Most plugins do not wait for it.
  ended.promise.catch(() => {});
  if (request === undefined) ended.resolve(said);
  const port = host.port(
    `session ${name}`,
    given.port,
    frameTypeOf(pseudowireType),
    () => state.frameMtu,
  );
  const facts: SessionFacts = {
    id,
    name,
    pseudowireType,
    ...(request && { request }),
    ...(given.serial !== undefined && { serial: given.serial }),
    tunnel: {
      name: tunnel.name,
      version: tunnel.version,
      peer: tunnel.remote.address,
      local: tunnel.local.address,
      ...(given.tunnelGone && { gone: given.tunnelGone }),
      hostName: given.hostName ?? "",
      localHostName: given.localHostName ?? "",
      peerName: given.peerName ?? "",
    },
    get said() {
      return state.said;
    },
    port: port.port,
    get up() {
      return state.up;
    },
    connected: () => ended.promise,
    tell: tell ?? (() => {}),
    carrier: carrier ?? (() => {}),
  };
  return { facts, port, state, ended };
}
