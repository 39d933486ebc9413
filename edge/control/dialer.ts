/**
 * Managed tunnels: dialed, and dialed again when they end. Peers are tried in the order of preference; once all have
 * failed, a pause follows that doubles each time. What is placed in them is in `placed_calls.ts`.
 *
 * @module
 */

import { type Endpoint, formatEndpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
import { type Result, StopResult } from "../../core/errors.ts";
import type { Cause } from "../../core/events.ts";
import type { PeerSettings } from "../../core/settings.ts";
import type { ManagedTunnelConfig } from "../config/model.ts";
import { makePace } from "../slices.ts";
import type { SocketLease, Sockets } from "../sessions/sockets.ts";
import type {
  CallTemplate,
  Dialer,
  ManagedCall,
  ManagedConnection,
  ManagedTunnel,
  PlacedCall,
  Target,
} from "./context.ts";
import { makePlacedCalls, type PlacedCallDependencies, type PlacedCalls } from "./placed_calls.ts";
import { deny, hasOther, isRefusal, nextTarget, type TargetDependencies } from "./targets.ts";

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
/** After a tunnel that was up for so long, remotes are tried from the first preference again. */
const STEADY_MS = 10_000;
/** A tunnel that was up for so long was of use: the pauses of its dialing begin anew. */
const USEFUL_MS = 1000;

export interface DialerDependencies
  extends
    Pick<TargetDependencies, "addressesOf" | "lookUp">,
    Omit<PlacedCallDependencies, "pauseMs" | "goElsewhere"> {
  readonly sockets: Sockets;
  wallClock(): number;
  /** A connection was dialed. */
  dialed(managed: ManagedTunnel, handle: number, lease: SocketLease): ManagedConnection;
}

/** Whether a managed tunnel is to be up. */
export function isWanted({ callers, config, gone, held, placedCalls }: ManagedTunnel): boolean {
  if (gone || held || config.mode === "passive") return false;
  if (config.mode === "persistent" || callers > 0) return true;
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
  return new TunnelDialer(dependencies);
}

class TunnelDialer implements Dialer {
  readonly #dependencies: DialerDependencies;
  readonly #calls: PlacedCalls;
  readonly #pace = makePace();

  constructor(dependencies: DialerDependencies) {
    this.#dependencies = dependencies;
    this.#calls = makePlacedCalls({
      ...dependencies,
      pauseMs: (failures, temporary) => pauseMs(failures, this.#fraction(), temporary),
      goElsewhere: (managed, cause) => this.#goElsewhere(managed, cause),
    });
  }

  makeManagedTunnel(config: ManagedTunnelConfig, settings: PeerSettings): ManagedTunnel {
    const managed: ManagedTunnel = {
      config,
      settings,
      createdAt: this.#dependencies.wallClock(),
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
      callers: 0,
      waiting: new Set(),
      due: (now) => this.#due(managed, now),
    };
    return managed;
  }

  makePlacedCall(managed: ManagedTunnel, template: CallTemplate): PlacedCall {
    return this.#calls.makePlacedCall(managed, template);
  }

  isWanted(managed: ManagedTunnel): boolean {
    return isWanted(managed);
  }

  dial(managed: ManagedTunnel): void {
    if (isWanted(managed) && !managed.link && !managed.dialing) void this.#dialNext(managed);
  }

  up(managed: ManagedTunnel): void {
    managed.redialAt = undefined;
    managed.answerBy = undefined;
    managed.again = undefined;
    managed.lost = true;
    managed.held = false;
    managed.reason = undefined;
    // Who answers a call may send at once, so the datapath has to have the tunnel before any is placed. It has so once the
    // names and circuits of the last connection's calls are free.
    const { link } = managed;
    void link?.opening?.then((entry) => {
      if (!entry || managed.link !== link || !link.established) return;
      for (const placed of managed.placedCalls.values()) {
        this.#dependencies.driver.defer(() => this.place(placed));
      }
      for (const waiter of [...managed.waiting]) waiter.up(link);
    });
  }

  down(managed: ManagedTunnel, link: ManagedConnection, cause: Cause | undefined): void {
    if (managed.link !== link) return;
    const { driver } = this.#dependencies;
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
    this.#failed(managed, cause);
  }

  place(placed: PlacedCall): void {
    this.#calls.place(placed);
  }

  ended(placed: PlacedCall, call: ManagedCall, cause: Cause | undefined): void {
    this.#calls.ended(placed, call, cause);
  }

  #due(managed: ManagedTunnel, now: number): void {
    if (managed.answerBy !== undefined && managed.answerBy <= now) this.#tryFreshPort(managed);
    if (managed.redialAt !== undefined && managed.redialAt <= now) this.dial(managed);
    for (const at of [managed.answerBy, managed.redialAt]) {
      if (at !== undefined && at > now) this.#dependencies.driver.schedule(managed, at);
    }
  }

  async #dialNext(managed: ManagedTunnel): Promise<void> {
    const { dialed, driver, log, sockets } = this.#dependencies;
    const { again, config, settings } = managed;
    managed.again = undefined;
    managed.dialing = true;
    managed.redialAt = undefined;
    let target = again;
    try {
      await this.#turn();
      target ??= await this.#nextTarget(managed);
      if (!target) return void (managed.dialing = false);
      managed.target = target;
      await this.#turn();
      const { endpoint: remote } = target;
      const from = sameFamily(config.local, remote);
      const lease = await sockets.dial(config.encap, again ? { ...from, port: 0 } : from, config);
      managed.dialing = false;
      // The peer may have been faster, or the configuration changed.
      if (managed.link || !isWanted(managed)) return await lease[Symbol.asyncDispose]();
      const { address: local } = lease.local;
      const { encap, mark = 0 } = config;
      const path = { encap, local, remote, mark, socket: lease.socket };
      const handle = driver.act((lcce, now) => lcce.dial(settings, path, now));
      managed.link = dialed(managed, handle, lease);
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
      this.#failed(managed);
    }
  }

  /** Very many may be dialed at one time, which mostly waits for nothing: others have their turn between. */
  async #turn(): Promise<void> {
    while (this.#pace.over) await this.#pace.rest();
  }

  #nextTarget(managed: ManagedTunnel): Promise<Target | undefined> {
    const { driver } = this.#dependencies;
    const fraction = () => this.#fraction();
    return nextTarget({ ...this.#dependencies, fraction }, managed, driver.now());
  }

  /**
   * The answer may have gone to a socket that the peer still has from before, connected to our port 1701: a fresh port
   * is another peer to it. What the SCCRQ led to otherwise comes in its own time.
   */
  #tryFreshPort(managed: ManagedTunnel): void {
    const { link } = managed;
    managed.answerBy = undefined;
    if (!link) return;
    this.#dependencies.driver.act((lcce, now) => {
      const connection = lcce.connection(link.handle);
      if (connection?.state !== "wait-ctl-reply" || connection.window.outstanding === 0) return;
      managed.again = managed.target;
      lcce.giveUp(link.handle, UNANSWERED, now);
    });
  }

  /** The same from a fresh port, or the next of this round, at once; after the last one, a pause. */
  #failed(managed: ManagedTunnel, cause?: Cause): void {
    const refuse = () => {
      for (const waiter of [...managed.waiting]) waiter.failed(managed.reason ?? "nobody answers");
    };
    if (!isWanted(managed)) return refuse();
    const { driver } = this.#dependencies;
    const atOnce = managed.again || managed.left.length > 0 || managed.elsewhere;
    managed.elsewhere = false;
    // After a tie it is the peer's connection that comes up.
    if (!atOnce && cause?.by !== "tie") refuse();
    const pause = atOnce
      ? 0
      : managed.lost && managed.failures === 0 && cause?.by !== "tie"
      ? (managed.failures++, QUICK_PAUSE_MS * (0.5 + this.#fraction()))
      : pauseMs(managed.failures++, this.#fraction(), isTemporary(cause));
    managed.redialAt = driver.now() + pause;
    driver.schedule(managed, managed.redialAt);
  }

  /** A call was refused: the tunnel goes to another remote, unless other calls of it are up here. */
  #goElsewhere(managed: ManagedTunnel, cause: Cause): boolean {
    const { driver, log } = this.#dependencies;
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
  }

  /** By chance, at least 0 and below 1. */
  #fraction(): number {
    const { random } = this.#dependencies;
    return new DataView(random(4).buffer).getUint32(0) / 2 ** 32;
  }
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
