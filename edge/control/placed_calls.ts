/** The calls that we place in managed tunnels: placed, and placed again when they end. @module */

import { CdnResult } from "../../core/errors.ts";
import type { Cause } from "../../core/events.ts";
import type { Circuits } from "../circuits/circuits.ts";
import type { Logger } from "../log/log.ts";
import { isBroken, provision } from "./call_template.ts";
import type {
  CallTemplate,
  Dialer,
  ManagedCall,
  ManagedConnection,
  ManagedTunnel,
  PlacedCall,
} from "./context.ts";
import type { Driver } from "./driver.ts";
import { callParameters } from "./parameters.ts";

/** A call that was up for so long has not failed: the pauses begin anew, in milliseconds. */
const STEADY_MS = 10_000;

export interface PlacedCallDependencies {
  readonly driver: Driver;
  readonly circuits: Circuits;
  readonly log: Logger;
  random(length: number): Uint8Array;
  /** A call was placed. */
  placed(placed: PlacedCall, link: ManagedConnection, localSessionId: number): ManagedCall;
  /** A template's circuit broke. */
  broken(template: CallTemplate, reason: string): void;
  /** The pause after so many failures in a row. @param temporary the peer said that it cannot now */
  pauseMs(failures: number, temporary: boolean): number;
  /** A call was refused: has its tunnel dial another remote, if it may. False: it stays where it is. */
  goElsewhere(managed: ManagedTunnel, cause: Cause): boolean;
}

/** The part of a {@linkcode Dialer} that places calls. */
export type PlacedCalls = Pick<Dialer, "makePlacedCall" | "place" | "ended">;

export function makePlacedCalls(dependencies: PlacedCallDependencies): PlacedCalls {
  return new Placing(dependencies);
}

class Placing implements PlacedCalls {
  readonly #dependencies: PlacedCallDependencies;

  constructor(dependencies: PlacedCallDependencies) {
    this.#dependencies = dependencies;
  }

  makePlacedCall(managed: ManagedTunnel, template: CallTemplate): PlacedCall {
    const placed: PlacedCall = {
      managed,
      template,
      call: undefined,
      failures: 0,
      retryAt: undefined,
      held: false,
      gone: false,
      due: (now) => {
        if (placed.retryAt === undefined) return;
        if (placed.retryAt > now) this.#dependencies.driver.schedule(placed, placed.retryAt);
        else this.place(placed);
      },
    };
    return placed;
  }

  place(placed: PlacedCall): void {
    const { driver, random } = this.#dependencies;
    const { managed, template } = placed;
    const { link } = managed;
    // What is not there yet places its calls when it is.
    if (placed.call || placed.gone || placed.held || !link?.established || !link.entry) return;
    placed.retryAt = undefined;
    // Its last session is still on its way out, or the peer's call has the name.
    if (link.names.has(template.call.name)) return this.#retry(placed);
    if (isBroken(template)) return void this.#repair(placed);
    const { call } = template;
    const full = template.circuit?.refusal();
    if (full) {
      this.#complain(placed, full.message ?? "the circuit refuses it");
      return this.#retry(placed);
    }
    try {
      const parameters = callParameters(call, link.version, random);
      const role = call.direction === "outgoing" ? "outgoing-caller" : "incoming-caller";
      const { localSessionId } = driver.act((lcce, now) =>
        lcce.placeCall(link.handle, role, parameters, now)
      );
      placed.call = this.#dependencies.placed(placed, link, localSessionId);
    } catch (error) {
      this.#complain(placed, error instanceof Error ? error.message : String(error));
      this.#retry(placed);
    }
  }

  ended(placed: PlacedCall, call: ManagedCall, cause: Cause | undefined): void {
    const { driver, goElsewhere } = this.#dependencies;
    if (placed.call !== call) return;
    placed.call = undefined;
    const steady = call.upSince !== undefined && driver.now() - call.upSince >= STEADY_MS;
    if (steady) placed.failures = 0;
    if (cause?.by === "connection") return;
    if (call.upSince === undefined && cause && goElsewhere(placed.managed, cause)) return;
    this.#retry(placed, cause);
  }

  #retry(placed: PlacedCall, cause?: Cause): void {
    const { driver, pauseMs } = this.#dependencies;
    if (placed.gone || placed.held) return;
    const temporary = cause?.by === "peer" && cause.result.result === CdnResult.NoFacilitiesNow;
    placed.retryAt = driver.now() + pauseMs(placed.failures++, temporary);
    driver.schedule(placed, placed.retryAt);
  }

  /** The first failure in a row is news. */
  #complain({ failures, managed, template: { call } }: PlacedCall, reason: string): void {
    const path = `tunnels/${managed.config.name}/sessions/${call.name}`;
    const { log } = this.#dependencies;
    log[failures === 0 ? "warn" : "debug"]("cannot place a call", { path, reason });
  }

  /** A circuit that broke, or was taken, gets another chance before the call. */
  async #repair(placed: PlacedCall): Promise<void> {
    const { broken, circuits } = this.#dependencies;
    const { template } = placed;
    try {
      await provision(template, circuits, ({ message }) => broken(template, message));
      this.place(placed);
    } catch (error) {
      this.#complain(placed, error instanceof Error ? error.message : String(error));
      this.#retry(placed);
    }
  }
}
