/**
 * Managed tunnels and the calls that we place in them: dialed, and dialed again when they end. Peers are tried in the
 * order of preference; once all have failed, a pause follows that doubles each time.
 *
 * @module
 */

import { type Endpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
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
import { pickRemotes } from "./peers.ts";
import { type CallTemplate, isBroken, provision } from "./call_template.ts";

/** The first and the longest pause before something is tried again, in milliseconds. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** What was up for so long has not failed: the pauses begin anew. */
const STEADY_MS = 10_000;

export interface DialerDependencies {
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

/** The pause after so many failures in a row: 1 s, doubled each time, at most 60 s; a quarter more or less by chance. */
export function pauseMs(failures: number, fraction: number): number {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
  return pause * (0.75 + fraction / 2);
}

export function makeDialer(dependencies: DialerDependencies): Dialer {
  const { circuits, driver, log, random, sockets } = dependencies;
  const fraction = () => new DataView(random(4).buffer).getUint32(0) / 2 ** 32;

  const dialNext = async (managed: ManagedTunnel) => {
    const { config, settings } = managed;
    if (managed.left.length === 0) managed.left = [...pickRemotes(config.remotes, fraction)];
    const remote = managed.left.shift()?.endpoint;
    if (!remote) return;
    managed.dialing = true;
    managed.redialAt = undefined;
    try {
      const lease = await sockets.dial(config.encap, sameFamily(config.local, remote));
      managed.dialing = false;
      // The peer may have been faster, or the configuration changed.
      if (managed.link || !isWanted(managed)) return await lease[Symbol.asyncDispose]();
      const { address: local } = lease.local;
      const path = { encap: config.encap, local, remote, mark: 0, socket: lease.socket };
      const handle = driver.act((lcce, now) => lcce.dial(settings, path, now));
      managed.link = dependencies.dialed(managed, handle, lease);
    } catch (error) {
      managed.dialing = false;
      managed.reason = error instanceof Error ? error.message : String(error);
      log.warn("cannot dial", { path: `tunnels/${config.name}`, reason: managed.reason });
      failed(managed);
    }
  };
  const dial = (managed: ManagedTunnel) => {
    if (isWanted(managed) && !managed.link && !managed.dialing) void dialNext(managed);
  };
  /** The next of this round at once; after the last one, a pause. */
  const failed = (managed: ManagedTunnel) => {
    if (!isWanted(managed)) return;
    const pause = managed.left.length > 0 ? 0 : pauseMs(managed.failures++, fraction());
    managed.redialAt = driver.now() + pause;
    driver.schedule(managed, managed.redialAt);
  };

  const retry = (placed: PlacedCall) => {
    if (placed.gone || placed.held) return;
    placed.retryAt = driver.now() + pauseMs(placed.failures++, fraction());
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
      const { localSessionId } = driver.act((lcce, now) =>
        lcce.placeCall(link.handle, "incoming-caller", parameters, now)
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
        failures: 0,
        redialAt: undefined,
        held: false,
        gone: false,
        reason: undefined,
        due(now) {
          if (managed.redialAt === undefined) return;
          if (managed.redialAt > now) driver.schedule(managed, managed.redialAt);
          else dial(managed);
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
      managed.held = false;
      managed.reason = undefined;
      for (const placed of managed.placedCalls.values()) driver.defer(() => place(placed));
    },
    down(managed, link, tie) {
      if (managed.link !== link) return;
      if (tie) managed.left = [];
      managed.link = undefined;
      managed.reason = link.reason;
      if (link.upSince !== undefined && driver.now() - link.upSince >= STEADY_MS) {
        managed.failures = 0;
        managed.left = [];
      }
      failed(managed);
    },
    place,
    ended(placed, call, withConnection) {
      if (placed.call !== call) return;
      placed.call = undefined;
      const steady = call.upSince !== undefined && driver.now() - call.upSince >= STEADY_MS;
      if (steady) placed.failures = 0;
      if (!withConnection) retry(placed);
    },
  };
}

/** The wildcard follows the family of whom it is to reach. */
function sameFamily(local: Endpoint, remote: Endpoint): Endpoint {
  if (!isWildcard(local.address) || ipVersion(local.address) === ipVersion(remote.address)) {
    return local;
  }
  return { address: ipVersion(remote.address) === 4 ? "0.0.0.0" : "::", port: local.port };
}
