/** A host's side of PPPoE: a session that is dialed, and dialed again, and whose PPP frames somebody takes. @module */

import { PseudowireType } from "../../core/pseudowire.ts";
import { asError } from "../failure.ts";
import type { CallEnd, Circuit, Port, Scope } from "../plugin.ts";
import { type DialedSession, Dialer } from "./discovery/dialer.ts";
import { EtherType } from "./discovery/frame.ts";
import { parseVlan, type PppoeOptions } from "./options.ts";

/** The concentrator ended it. */
const PADT: CallEnd = {
  result: 1,
  message: "the access concentrator ended the PPPoE session (PADT)",
  ppp: { code: 3, protocol: 0, direction: 1 },
};

/** CDN 7: there is no carrier (RFC 2661 §4.4.2). */
const NO_CARRIER = { result: 7 };
/** Frames of an L2TP session that are kept while its PPPoE session is dialed. */
const HELD_FRAMES = 64;

/** A session that is up. */
export interface Dialed {
  readonly session: DialedSession;
  readonly port: Port;
}

/**
 * Dials, in a life: resolves when there is a session, and rejects where there is none. The session ends with the life, by
 * a PADT; where the concentrator ends it, `ended` is called.
 */
export async function dial(
  scope: Scope,
  options: PppoeOptions,
  ended: (why: CallEnd) => void,
): Promise<Dialed> {
  const { interface: name, netns, vlan } = options;
  const vlans = vlan === undefined ? [] : parseVlan(vlan)!;
  const [outer, inner] = vlans.map(({ vid }) => [vid, vid] as const);
  const wire = await scope.open("packet", {
    name,
    ...(netns !== undefined && { netns }),
    vlans: [{ ...(outer && { outer }), ...(inner && { inner }) }],
    protocols: [EtherType.Discovery, EtherType.Session],
    promiscuous: false,
    offload: { vnet: false },
  });
  const { promise, reject, resolve } = Promise.withResolvers<DialedSession>();
  const dialer = new Dialer(
    wire.mac,
    {
      vlans,
      serviceName: options["service-name"] ?? "",
      ...(options["ac-name"] !== undefined && { acName: options["ac-name"] }),
      ...(options["ac-mac"] !== undefined && { acMac: options["ac-mac"] }),
      ...(options["max-payload"] !== undefined && { maxPayload: options["max-payload"] }),
      retryMs: 1000 * options.retry,
      attempts: options.attempts,
    },
    scope.random,
    {
      send: (frame) => void wire.send([frame]),
      up: resolve,
      ended: () => ended(PADT),
      failed: (reason) => reject(scope.failure("unavailable", reason)),
    },
  );
  let timer: { cancel(): void } | undefined;
  const run = (work: (now: number) => void) => {
    work(scope.now());
    timer?.cancel();
    const { deadline } = dialer;
    timer = deadline === undefined
      ? undefined
      : scope.timer(deadline, () => run((now) => dialer.timeout(now)));
  };
  scope.receive(wire, (batch) =>
    run((now) => {
      for (const { bytes } of batch) dialer.input(bytes, now);
    }));
  scope.signal.addEventListener("abort", () => reject(scope.failure("unavailable", "given up")));
  run((now) => dialer.start(now));
  const session = await promise;
  // Only now: the receiver, which sending needs, is there, and goes after PADT has left.
  scope.defer(() => dialer.end());
  const { mac, maxPayload, sessionId } = session;
  const port = await scope.open("pppoe", { on: wire, vlans, mac, sessionId, maxPayload });
  scope.log("info", "a PPPoE session is up", { ac: session.acName, mac, id: sessionId });
  return { session, port };
}

/** Keeps a session up and hands it to a circuit, for as long as the scope lives. */
export function keepDialed(
  scope: Scope,
  name: string,
  { circuit, ...options }: PppoeOptions & { readonly circuit: string },
  shown: Map<string, DialedSession>,
): { end(why: CallEnd): Promise<void> } {
  return scope.keep(`client ${name}`, async (life) => {
    const broken = (why: CallEnd) =>
      life.fail(life.failure("unavailable", why.message ?? "the session ended"));
    const { port, session } = await dial(life, options, broken);
    shown.set(name, session);
    life.defer(() => void shown.delete(name));
    const said = { calledNumber: session.acName };
    const channel = { name: `pppoe/${name}`, pseudowireType: PseudowireType.Ppp, said, port };
    const joined = await life.attach(circuit, channel, broken);
    if ("refuse" in joined) {
      throw life.failure("unavailable", joined.refuse.message ?? "the circuit refuses");
    }
  });
}

/**
 * The circuit `pppoe`: the PPP frames of an L2TP session are those of a PPPoE session that is dialed for it. What comes
 * meanwhile is held; a session that nobody answers ends.
 */
export function makeCircuit(options: PppoeOptions): Circuit<PppoeOptions> {
  return {
    sessions: 1,
    attach(session, life) {
      let dialed: Dialed | undefined;
      life.hold(session.port, HELD_FRAMES);
      const answered = (async () => {
        dialed = await dial(life, options, (why) => session.end(why));
        await life.connect(session.port, dialed.port);
        return {};
      })();
      answered.catch((error) => {
        if (!life.signal.aborted) session.end({ ...NO_CARRIER, message: asError(error).message });
      });
      return {
        ifname: options.interface,
        answered,
        get mtu() {
          return Math.min(dialed?.session.maxPayload ?? 1492, session.port.frameMtu - 4);
        },
        show: () => ({
          ac: dialed?.session.acName ?? null,
          "ac-mac": dialed?.session.mac ?? null,
          "session-id": dialed?.session.sessionId ?? null,
        }),
      };
    },
  };
}
