/**
 * Managed tunnels and the calls that we place in them: dialed, and dialed again when they end. Peers are tried in the
 * order of preference; once all have failed, a pause follows that doubles each time.
 *
 * @module
 */

import { type Endpoint, formatEndpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
import { CdnResult, type Result, StopResult } from "../../core/errors.ts";
import type { Cause } from "../../core/events.ts";
import type { Circuits } from "../circuits/circuits.ts";
import type { Logger } from "../log.ts";
import type { SocketLease, Sockets } from "../sessions/sockets.ts";
import type { Driver } from "./driver.ts";
import type {
  Dialer,
  ManagedCall,
  ManagedConnection,
  ManagedTunnel,
  PlacedCall,
} from "./context.ts";
import { callParameters } from "./parameters.ts";
import { deny, hasOther, isRefusal, nextTarget, type TargetDependencies } from "./targets.ts";
import { type CallTemplate, isBroken, provision } from "./call_template.ts";

/** The first and the longest pause before something is tried again, in milliseconds. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** The longest where the peer said that it cannot now. */
const TEMPORARY_PAUSE_MS = 5000;
/** The pause after what was up ended: whoever restarts is back soon. */
const QUICK_PAUSE_MS = 100;
/** How often an SCCRQ is sent to a peer that is expected back, and for how long at most, in milliseconds. */
const EXPECTED_MS = 500;
const EXPECTED_FOR_MS = 5000;
/** What was up for so long has not failed: the pauses begin anew. */
const STEADY_MS = 10_000;
/** A tunnel that was up for so long was of use: the pauses of its dialing begin anew. */
const USEFUL_MS = 1000;

export interface DialerDependencies extends Pick<TargetDependencies, "addressesOf" | "lookUp"> {
  readonly driver: Driver;
  readonly circuits: Circuits;
  readonly log: Logger;
  readonly sockets: Sockets;
  random(length: number): Uint8Array;
  wallClock(): number;
  /** A connection was dialed. */
  dialed(managed: ManagedTunnel, handle: number, lease: SocketLease): ManagedConnection;
  /** A call was placed. */
  placed(placed: PlacedCall, link: ManagedConnection, localSessionId: number): ManagedCall;
  /** A template's circuit broke. */
  broken(template: CallTemplate, reason: string): void;
}

/** Whether a managed tunnel is to be up. */
export function isWanted({ config, gone, held, placedCalls }: ManagedTunnel): boolean {
  if (gone || held || config.mode === "passive") return false;
  if (config.mode === "persistent") return true;
  // On demand: while one of its calls is wanted.
  for (const placed of placedCalls.values()) if (!placed.held) return true;
  return false;
}

/**
 * The pause after so many failures in a row: 1 s, doubled each time, at most 60 s, or 5 s after a refusal that is
 * temporary; a quarter more or less by chance.
 */
export function pauseMs(failures: number, fraction: number, temporary = false): number {
  const longest = temporary ? TEMPORARY_PAUSE_MS : LONGEST_PAUSE_MS;
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, longest);
  return pause * (0.75 + fraction / 2);
}

export function makeDialer(dependencies: DialerDependencies): Dialer {
  const { circuits, driver, log, random, sockets } = dependencies;
  const fraction = () => new DataView(random(4).buffer).getUint32(0) / 2 ** 32;

  const dialNext = async (managed: ManagedTunnel) => {
    const { again, config, settings } = managed;
    managed.again = undefined;
    managed.dialing = true;
    managed.redialAt = undefined;
    let target = again;
    try {
      target ??= await nextTarget({ ...dependencies, fraction }, managed, driver.now());
      if (!target) return void (managed.dialing = false);
      managed.target = target;
      const { endpoint: remote } = target;
      const from = sameFamily(config.local, remote);
      const lease = await sockets.dial(config.encap, again ? { ...from, port: 0 } : from);
      managed.dialing = false;
      // The peer may have been faster, or the configuration changed.
      if (managed.link || !isWanted(managed)) return await lease[Symbol.asyncDispose]();
      const { address: local } = lease.local;
      const path = { encap: config.encap, local, remote, mark: 0, socket: lease.socket };
      const handle = driver.act((lcce, now) => lcce.dial(settings, path, now));
      managed.link = dependencies.dialed(managed, handle, lease);
      if (managed.lost) {
        driver.act((lcce, now) => lcce.hurry(handle, EXPECTED_MS, EXPECTED_FOR_MS, now));
      }
      if (!again && config.freshPort) {
        managed.answerBy = driver.now() + settings.retransmitMs;
        driver.schedule(managed, managed.answerBy);
      }
    } catch (error) {
      managed.dialing = false;
      if (!again && config.freshPort) managed.again = target;
      managed.reason = error instanceof Error ? error.message : String(error);
      log.warn("cannot dial", { path: `tunnels/${config.name}`, reason: managed.reason });
      failed(managed);
    }
  };
  const dial = (managed: ManagedTunnel) => {
    if (isWanted(managed) && !managed.link && !managed.dialing) void dialNext(managed);
  };
  /**
   * The answer may have gone to a socket that the peer still has from before, connected to our port 1701: a fresh port
   * is another peer to it. What the SCCRQ led to otherwise comes in its own time.
   */
  const tryFreshPort = (managed: ManagedTunnel) => {
    const { link } = managed;
    managed.answerBy = undefined;
    if (!link) return;
    driver.act((lcce, now) => {
      const connection = lcce.connection(link.handle);
      if (connection?.state !== "wait-ctl-reply" || connection.window.outstanding === 0) return;
      managed.again = managed.target;
      lcce.giveUp(link.handle, UNANSWERED, now);
    });
  };
  /** The same from a fresh port, or the next of this round, at once; after the last one, a pause. */
  const failed = (managed: ManagedTunnel, cause?: Cause) => {
    if (!isWanted(managed)) return;
    const atOnce = managed.again || managed.left.length > 0 || managed.elsewhere;
    managed.elsewhere = false;
    const pause = atOnce
      ? 0
      : managed.lost && managed.failures === 0 && cause?.by !== "tie"
      ? (managed.failures++, QUICK_PAUSE_MS * (0.5 + fraction()))
      : pauseMs(managed.failures++, fraction(), isTemporary(cause));
    managed.redialAt = driver.now() + pause;
    driver.schedule(managed, managed.redialAt);
  };

  /** A call was refused: the tunnel goes to another remote, unless other calls of it are up here. */
  const goElsewhere = (managed: ManagedTunnel, cause: Cause): boolean => {
    const { link, target } = managed;
    const now = driver.now();
    if (!link || !target || !isRefusal(target.remote, cause)) return false;
    if ([...link.calls.values()].some(({ upSince }) => upSince !== undefined)) return false;
    if (!hasOther(managed, target.remote, now)) return false;
    deny(managed, target.remote, now);
    managed.left = [];
    managed.elsewhere = true;
    log.info("a call was refused: dialing another remote", {
      path: `tunnels/${managed.config.name}`,
      refused: formatEndpoint(target.endpoint),
      result: cause.result.result,
    });
    driver.act((lcce, now) => lcce.closeConnection(link.handle, ELSEWHERE, now));
    return true;
  };
  const retry = (placed: PlacedCall, cause?: Cause) => {
    if (placed.gone || placed.held) return;
    const temporary = cause?.by === "peer" && cause.result.result === CdnResult.NoFacilitiesNow;
    placed.retryAt = driver.now() + pauseMs(placed.failures++, fraction(), temporary);
    driver.schedule(placed, placed.retryAt);
  };
  /** The first failure in a row is news. */
  const complain = ({ failures, managed, template: { call } }: PlacedCall, reason: string) => {
    const path = `tunnels/${managed.config.name}/sessions/${call.name}`;
    log[failures === 0 ? "warn" : "debug"]("cannot place a call", { path, reason });
  };
  /** A circuit that broke, or was taken, gets another chance before the call. */
  const repair = async (placed: PlacedCall) => {
    const { template } = placed;
    try {
      await provision(
        template,
        circuits,
        ({ message }) => dependencies.broken(template, message),
      );
      place(placed);
    } catch (error) {
      complain(placed, error instanceof Error ? error.message : String(error));
      retry(placed);
    }
  };
  const place = (placed: PlacedCall) => {
    const { managed, template } = placed;
    const { link } = managed;
    if (placed.call || placed.gone || placed.held || !link?.established) return;
    placed.retryAt = undefined;
    // Its last session is still on its way out, or the peer's call has the name.
    if (link.names.has(template.call.name)) return retry(placed);
    if (isBroken(template)) return void repair(placed);
    const { call } = template;
    const full = template.circuit?.refusal();
    if (full) {
      complain(placed, full.message ?? "the circuit refuses it");
      return retry(placed);
    }
    try {
      const parameters = callParameters(call, link.version, random);
      const role = call.direction === "outgoing" ? "outgoing-caller" : "incoming-caller";
      const { localSessionId } = driver.act((lcce, now) =>
        lcce.placeCall(link.handle, role, parameters, now)
      );
      placed.call = dependencies.placed(placed, link, localSessionId);
    } catch (error) {
      complain(placed, error instanceof Error ? error.message : String(error));
      retry(placed);
    }
  };

  return {
    makeManagedTunnel(config, settings) {
      const managed: ManagedTunnel = {
        config,
        settings,
        createdAt: dependencies.wallClock(),
        placedCalls: new Map(),
        link: undefined,
        leaving: undefined,
        dialing: false,
        left: [],
        target: undefined,
        denied: new Map(),
        again: undefined,
        answerBy: undefined,
        lost: false,
        elsewhere: false,
        failures: 0,
        redialAt: undefined,
        held: false,
        gone: false,
        reason: undefined,
        due(now) {
          if (managed.answerBy !== undefined && managed.answerBy <= now) tryFreshPort(managed);
          if (managed.redialAt !== undefined && managed.redialAt <= now) dial(managed);
          for (const at of [managed.answerBy, managed.redialAt]) {
            if (at !== undefined && at > now) driver.schedule(managed, at);
          }
        },
      };
      return managed;
    },
    makePlacedCall(managed, template) {
      const placed: PlacedCall = {
        managed,
        template,
        call: undefined,
        failures: 0,
        retryAt: undefined,
        held: false,
        gone: false,
        due(now) {
          if (placed.retryAt === undefined) return;
          if (placed.retryAt > now) driver.schedule(placed, placed.retryAt);
          else place(placed);
        },
      };
      return placed;
    },
    dial,
    up(managed) {
      managed.redialAt = undefined;
      managed.answerBy = undefined;
      managed.again = undefined;
      managed.lost = true;
      managed.held = false;
      managed.reason = undefined;
      // The names and circuits of the last connection's calls are free once that has left.
      void (managed.leaving ?? Promise.resolve()).then(() => {
        for (const placed of managed.placedCalls.values()) driver.defer(() => place(placed));
      });
    },
    down(managed, link, cause) {
      if (managed.link !== link) return;
      if (cause?.by === "tie") managed.left = [];
      managed.link = undefined;
      managed.answerBy = undefined;
      managed.reason = link.reason;
      const { target } = managed;
      if (link.upSince === undefined && !managed.again && target && cause) {
        if (isRefusal(target.remote, cause)) deny(managed, target.remote, driver.now());
      }
      if (link.upSince === undefined && !managed.again) managed.lost &&= managed.left.length > 0;
      if (link.upSince !== undefined && driver.now() - link.upSince >= STEADY_MS) {
        managed.left = [];
      }
      // One that ends a tunnel as soon as it is up has less and less of us; any other is back soon.
      if (link.upSince !== undefined && driver.now() - link.upSince >= USEFUL_MS) {
        managed.failures = 0;
      }
      failed(managed, cause);
    },
    place,
    ended(placed, call, cause) {
      if (placed.call !== call) return;
      placed.call = undefined;
      const steady = call.upSince !== undefined && driver.now() - call.upSince >= STEADY_MS;
      if (steady) placed.failures = 0;
      if (cause?.by === "connection") return;
      if (call.upSince === undefined && cause && goElsewhere(placed.managed, cause)) return;
      retry(placed, cause);
    },
  };
}

const ELSEWHERE: Result = { result: StopResult.Clear, message: "its call is placed elsewhere" };
const UNANSWERED: Result = { result: StopResult.Clear, message: "dialed anew from another port" };

/** Whether the peer refused for want of something that it may have soon: StopCCN 2, General error. */
function isTemporary(cause: Cause | undefined): boolean {
  return cause?.by === "peer" && cause.result.result === StopResult.GeneralError;
}

/** The wildcard follows the family of whom it is to reach. */
function sameFamily(local: Endpoint, remote: Endpoint): Endpoint {
  if (!isWildcard(local.address) || ipVersion(local.address) === ipVersion(remote.address)) {
    return local;
  }
  return { address: ipVersion(remote.address) === 4 ? "0.0.0.0" : "::", port: local.port };
}
