/**
 * Managed tunnels and the calls that we place in them: dialed, and dialed again when they end. Peers are tried in the
 * order of preference; once all have failed, a pause follows that doubles each time.
 *
 * @module
 */

import { type Endpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
import type { PeerSettings } from "../../core/settings.ts";
import type { Circuits } from "../circuits/circuits.ts";
import type { Logger } from "../log.ts";
import type { ManagedTunnelConfig } from "../config/model.ts";
import type { SocketLease, Sockets } from "../sessions/sockets.ts";
import type { Driver, Due } from "./driver.ts";
import type { Link, LinkCall } from "./link.ts";
import { callParameters } from "./parameters.ts";
import { pickRemotes } from "./peers.ts";
import { isBroken, provision, type Stanza } from "./stanza.ts";

/** The first and the longest pause before something is tried again, in milliseconds. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** What was up for so long has not failed: the pauses begin anew. */
const STEADY_MS = 10_000;

/** A managed tunnel of the configuration. */
export interface Slot extends Due {
  readonly config: ManagedTunnelConfig;
  readonly settings: PeerSettings;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** By the name of the call. */
  readonly placements: Map<string, Placement>;
  /** Its control connection, in whatever state. */
  link: Link | undefined;
  /** The tunnel of its last connection, on its way out of the datapath; the next one has the same name. */
  leaving: Promise<void> | undefined;
  /** A socket is being opened for it. */
  dialing: boolean;
  /** Whom to try next, in this round. */
  left: ManagedTunnelConfig["remotes"][number][];
  /** Rounds in a row in which nobody was reached. */
  failures: number;
  /** Monotonic milliseconds. */
  redialAt: number | undefined;
  /** An operator ended it: it stays down until a reload. */
  held: boolean;
  /** It is not in the configuration any more. */
  gone: boolean;
  /** Why the last connection ended. */
  reason: string | undefined;
}

/** A call that we place. */
export interface Placement extends Due {
  readonly slot: Slot;
  readonly stanza: Stanza;
  call: LinkCall | undefined;
  failures: number;
  retryAt: number | undefined;
  held: boolean;
  gone: boolean;
}

export interface DialerDependencies {
  readonly driver: Driver;
  readonly circuits: Circuits;
  readonly log: Logger;
  readonly sockets: Sockets;
  random(length: number): Uint8Array;
  wallClock(): number;
  /** A connection was dialed. */
  dialed(slot: Slot, handle: number, lease: SocketLease): Link;
  /** A call was placed. */
  placed(placement: Placement, link: Link, localSessionId: number): LinkCall;
  /** A stanza's circuit broke. */
  broken(stanza: Stanza, reason: string): void;
}

export interface Dialer {
  makeSlot(config: ManagedTunnelConfig, settings: PeerSettings): Slot;
  makePlacement(slot: Slot, stanza: Stanza): Placement;
  /** Dials, if the tunnel wants to be dialed and nothing is under way. */
  dial(slot: Slot): void;
  /** A slot's connection came up: its calls are placed. */
  up(slot: Slot): void;
  /** A slot's connection ended; it may be dialed again. After a tie, the peer's connection gets time to come up first. */
  down(slot: Slot, link: Link, tie: boolean): void;
  /** Places a call, if it is wanted and its tunnel is up. */
  place(placement: Placement): void;
  /** A placed call ended; it may be placed again. Where its connection ended, too, the next one places it at once. */
  ended(placement: Placement, call: LinkCall, withConnection: boolean): void;
}

/** Whether a managed tunnel is to be up. */
export function isWanted({ config, gone, held, placements }: Slot): boolean {
  if (gone || held || config.mode === "passive") return false;
  if (config.mode === "persistent") return true;
  // On demand: while one of its calls is wanted.
  for (const placement of placements.values()) if (!placement.held) return true;
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

  const dialNext = async (slot: Slot) => {
    const { config, settings } = slot;
    if (slot.left.length === 0) slot.left = [...pickRemotes(config.remotes, fraction)];
    const remote = slot.left.shift()?.endpoint;
    if (!remote) return;
    slot.dialing = true;
    slot.redialAt = undefined;
    try {
      const lease = await sockets.dial(config.encap, sameFamily(config.local, remote));
      slot.dialing = false;
      // The peer may have been faster, or the configuration changed.
      if (slot.link || !isWanted(slot)) return await lease[Symbol.asyncDispose]();
      const { address: local } = lease.local;
      const path = { encap: config.encap, local, remote, mark: 0, socket: lease.socket };
      const handle = driver.act((lcce, now) => lcce.dial(settings, path, now));
      slot.link = dependencies.dialed(slot, handle, lease);
    } catch (error) {
      slot.dialing = false;
      slot.reason = error instanceof Error ? error.message : String(error);
      log.warn("cannot dial", { path: `tunnels/${config.name}`, reason: slot.reason });
      failed(slot);
    }
  };
  const dial = (slot: Slot) => {
    if (isWanted(slot) && !slot.link && !slot.dialing) void dialNext(slot);
  };
  /** The next of this round at once; after the last one, a pause. */
  const failed = (slot: Slot) => {
    if (!isWanted(slot)) return;
    const pause = slot.left.length > 0 ? 0 : pauseMs(slot.failures++, fraction());
    slot.redialAt = driver.now() + pause;
    driver.schedule(slot, slot.redialAt);
  };

  const retry = (placement: Placement) => {
    if (placement.gone || placement.held) return;
    placement.retryAt = driver.now() + pauseMs(placement.failures++, fraction());
    driver.schedule(placement, placement.retryAt);
  };
  /** The first failure in a row is news. */
  const complain = ({ failures, slot, stanza: { call } }: Placement, reason: string) => {
    const path = `tunnels/${slot.config.name}/sessions/${call.name}`;
    log[failures === 0 ? "warn" : "debug"]("cannot place a call", { path, reason });
  };
  /** A circuit that broke, or was taken, gets another chance before the call. */
  const repair = async (placement: Placement) => {
    const { stanza } = placement;
    try {
      await provision(
        stanza,
        circuits,
        ({ message }) => dependencies.broken(stanza, message),
      );
      place(placement);
    } catch (error) {
      complain(placement, error instanceof Error ? error.message : String(error));
      retry(placement);
    }
  };
  const place = (placement: Placement) => {
    const { slot, stanza } = placement;
    const { link } = slot;
    if (placement.call || placement.gone || placement.held || !link?.established) return;
    placement.retryAt = undefined;
    // Its last session is still on its way out, or the peer's call has the name.
    if (link.names.has(stanza.call.name)) return retry(placement);
    if (isBroken(stanza)) return void repair(placement);
    const { call } = stanza;
    const admission = stanza.circuit?.admit({
      pseudowireType: call.pseudowireType,
      version: link.version,
      tunnel: link.name,
      name: call.name,
    });
    if (admission?.accept === false) {
      complain(placement, admission.message);
      return retry(placement);
    }
    try {
      const parameters = callParameters(call, link.version, random);
      const { localSessionId } = driver.act((lcce, now) =>
        lcce.placeCall(link.handle, "incoming-caller", parameters, now)
      );
      placement.call = dependencies.placed(placement, link, localSessionId);
    } catch (error) {
      complain(placement, error instanceof Error ? error.message : String(error));
      retry(placement);
    }
  };

  return {
    makeSlot(config, settings) {
      const slot: Slot = {
        config,
        settings,
        createdAt: dependencies.wallClock(),
        placements: new Map(),
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
          if (slot.redialAt === undefined) return;
          if (slot.redialAt > now) driver.schedule(slot, slot.redialAt);
          else dial(slot);
        },
      };
      return slot;
    },
    makePlacement(slot, stanza) {
      const placement: Placement = {
        slot,
        stanza,
        call: undefined,
        failures: 0,
        retryAt: undefined,
        held: false,
        gone: false,
        due(now) {
          if (placement.retryAt === undefined) return;
          if (placement.retryAt > now) driver.schedule(placement, placement.retryAt);
          else place(placement);
        },
      };
      return placement;
    },
    dial,
    up(slot) {
      slot.redialAt = undefined;
      slot.held = false;
      slot.reason = undefined;
      for (const placement of slot.placements.values()) driver.defer(() => place(placement));
    },
    down(slot, link, tie) {
      if (slot.link !== link) return;
      if (tie) slot.left = [];
      slot.link = undefined;
      slot.reason = link.reason;
      if (link.upSince !== undefined && driver.now() - link.upSince >= STEADY_MS) {
        slot.failures = 0;
        slot.left = [];
      }
      failed(slot);
    },
    place,
    ended(placement, call, withConnection) {
      if (placement.call !== call) return;
      placement.call = undefined;
      const steady = call.upSince !== undefined && driver.now() - call.upSince >= STEADY_MS;
      if (steady) placement.failures = 0;
      if (!withConnection) retry(placement);
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
