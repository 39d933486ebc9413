/**
 * From what runs to what a configuration says: what it has no longer, or has differently, is ended; what it has anew is
 * begun; all else stays up.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { CdnResult, type Result, StopResult } from "../../core/errors.ts";
import type { PeerSettings } from "../../core/settings.ts";
import type { CallConfig, Config, ManagedTunnelConfig, PeerConfig } from "../config/model.ts";
import { forEach } from "../appliance/transaction.ts";
import { located } from "../sessions/tunnels.ts";
import type { ControlContext } from "./control.ts";
import type { Placement, Slot } from "./dialer.ts";
import type { Link } from "./link.ts";
import { settingsFor } from "./peers.ts";
import { makeStanza, provision, release, type Stanza } from "./stanza.ts";

/** A peer that runs. */
export interface PeerEntry {
  config: PeerConfig;
  readonly settings: PeerSettings;
  /** By the stanzas of {@linkcode PeerConfig.accept}. */
  readonly stanzas: Map<CallConfig, Stanza>;
}

export interface Reconciler {
  /** Takes down what `config` does not have any more, or has differently. */
  retire(config: Config): Promise<void>;
  /**
   * Makes what `config` has and that does not run yet; tunnels and calls that an operator ended are wanted again.
   * @throws {ApplianceError} with `strict`, where a circuit cannot be had; else its calls are tried again later
   */
  apply(config: Config, strict: boolean): Promise<void>;
  /** Lets go of all circuits. */
  releaseAll(): Promise<void>;
}

/** How many circuits are made or let go of at a time. */
const WIDTH = 16;

const ENDED: Result = { result: StopResult.Clear, message: "the configuration changed" };
const CALL_ENDED: Result = {
  result: CdnResult.Administrative,
  message: "the configuration changed",
};

export function makeReconciler(
  { circuits, dialer, driver, endCalls, log, state }: ControlContext,
): Reconciler {
  const endLinks = async (which: (link: Link) => boolean) => {
    const ending = [...state.links.values()].filter((link) => which(link) && !link.closing);
    driver.act((lcce, now) => {
      for (const { handle } of ending) lcce.closeConnection(handle, ENDED, now);
    });
    await Promise.all(
      ending.filter(({ established }) => established).map(({ gone }) => gone.promise),
    );
  };

  const dropStanza = async (stanza: Stanza) => {
    endCalls(stanza, CALL_ENDED);
    await release(stanza);
  };

  const dropPlacement = async (slot: Slot, placement: Placement) => {
    placement.gone = true;
    slot.placements.delete(placement.stanza.call.name);
    const { call, stanza } = placement;
    if (call) driver.act((lcce, now) => lcce.closeCall(call.handle, CALL_ENDED, now));
    await release(stanza);
  };

  const dropSlot = async (slot: Slot) => {
    slot.gone = true;
    state.slots.delete(slot.config.name);
    const { link } = slot;
    if (link) await endLinks((other) => other === link);
    await forEach([...slot.placements.values()], WIDTH, (each) => dropPlacement(slot, each));
  };

  const open = async (stanza: Stanza, strict: boolean) => {
    const broken = ({ message }: Error) =>
      endCalls(stanza, { result: CdnResult.LossOfCarrier, message });
    try {
      await located(stanza.path, () => provision(stanza, circuits, broken));
    } catch (error) {
      if (strict) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn("a circuit cannot be", { path: stanza.path, reason });
    }
  };

  return {
    async retire(next) {
      for (const [name, peer] of [...state.peers]) {
        const wanted = next.peers.find((config) => config.name === name);
        if (!wanted || !samePeer(peer, settingsFor(next, wanted), wanted)) {
          state.peers.delete(name);
          for (const slot of [...state.slots.values()]) {
            if (slot.config.peer !== name) continue;
            await dropSlot(slot);
          }
          await endLinks((link) => link.peer === name);
          await forEach([...peer.stanzas.values()], WIDTH, dropStanza);
          continue;
        }
        for (const [call, stanza] of [...peer.stanzas]) {
          if (wanted.accept.some((each) => isDeepStrictEqual(each, call))) continue;
          peer.stanzas.delete(call);
          await dropStanza(stanza);
        }
      }
      for (const slot of [...state.slots.values()]) {
        const wanted = next.managed.find(({ name }) => name === slot.config.name);
        if (!wanted || !sameTunnel(slot.config, wanted)) {
          await dropSlot(slot);
          continue;
        }
        const calls = new Map(wanted.calls.map((call) => [call.name, call]));
        for (const placement of [...slot.placements.values()]) {
          const { call } = placement.stanza;
          if (isDeepStrictEqual(calls.get(call.name), call)) continue;
          await dropPlacement(slot, placement);
        }
      }
    },

    async apply(config, strict) {
      const stanzas: Stanza[] = [];
      const fresh = (path: string, call: CallConfig) => {
        const stanza = makeStanza(path, call);
        stanzas.push(stanza);
        return stanza;
      };
      for (const peer of config.peers) {
        const known = state.peers.get(peer.name);
        const entry = known ??
          { config: peer, settings: settingsFor(config, peer), stanzas: new Map() };
        state.peers.set(peer.name, entry);
        // The stanzas that stay keep their circuits under the new configuration's keys.
        const before = [...entry.stanzas];
        entry.stanzas.clear();
        for (const [i, call] of peer.accept.entries()) {
          const same = before.findIndex(([each]) => isDeepStrictEqual(each, call));
          const kept = same < 0 ? undefined : before.splice(same, 1)[0]![1];
          entry.stanzas.set(call, kept ?? fresh(`peers/${peer.name}/accept/${i}`, call));
        }
        entry.config = peer;
      }
      const begun: Placement[] = [];
      for (const tunnel of config.managed) {
        const known = state.slots.get(tunnel.name);
        const peer = state.peers.get(tunnel.peer);
        if (!peer) continue;
        const slot = known ?? dialer.makeSlot(tunnel, peer.settings);
        state.slots.set(tunnel.name, slot);
        slot.held = false;
        for (const call of tunnel.calls) {
          const there = slot.placements.get(call.name);
          if (there) there.held = false;
          const placement = there ??
            dialer.makePlacement(slot, fresh(callPath(tunnel.name, call), call));
          slot.placements.set(call.name, placement);
          if (!placement.call) begun.push(placement);
        }
      }
      state.config = config;
      await forEach(stanzas, WIDTH, (stanza) => open(stanza, strict));
      for (const slot of state.slots.values()) {
        if (slot.redialAt === undefined) driver.defer(() => dialer.dial(slot));
      }
      for (const placement of begun) driver.defer(() => dialer.place(placement));
    },

    async releaseAll() {
      const all = [
        ...[...state.peers.values()].flatMap(({ stanzas }) => [...stanzas.values()]),
        ...[...state.slots.values()].flatMap(({ placements }) =>
          [...placements.values()].map(({ stanza }) => stanza)
        ),
      ];
      await forEach(all, WIDTH, release);
    },
  };
}

function callPath(tunnel: string, { name }: CallConfig): string {
  return `tunnels/${tunnel}/sessions/${name}`;
}

/** What a connection was set up with, and with whom, is the same; what the peer may call is looked at one by one. */
function samePeer(peer: PeerEntry, settings: PeerSettings, config: PeerConfig): boolean {
  return isDeepStrictEqual(peer.settings, settings) &&
    isDeepStrictEqual({ ...peer.config, accept: [] }, { ...config, accept: [] });
}

function sameTunnel(a: ManagedTunnelConfig, b: ManagedTunnelConfig): boolean {
  return isDeepStrictEqual({ ...a, calls: [] }, { ...b, calls: [] });
}
