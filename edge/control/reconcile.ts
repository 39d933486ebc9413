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
import type {
  ControlContext,
  ManagedConnection,
  ManagedTunnel,
  PeerEntry,
  PlacedCall,
} from "./context.ts";
import { indexPeers } from "./peer_index.ts";
import { settingsFor } from "./peers.ts";
import { type CallTemplate, makeCallTemplate, provision, release } from "./call_template.ts";

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
  const endConnections = async (which: (link: ManagedConnection) => boolean) => {
    const ending = [...state.links.values()].filter((link) => which(link) && !link.closing);
    driver.act((lcce, now) => {
      for (const { handle } of ending) lcce.closeConnection(handle, ENDED, now);
    });
    await Promise.all(
      ending.filter(({ established }) => established).map(({ gone }) => gone.promise),
    );
  };

  const dropTemplate = async (template: CallTemplate) => {
    endCalls(template, CALL_ENDED);
    await release(template);
  };

  const dropPlacedCall = async (managed: ManagedTunnel, placed: PlacedCall) => {
    placed.gone = true;
    managed.placedCalls.delete(placed.template.call.name);
    const { call, template } = placed;
    if (call) driver.act((lcce, now) => lcce.closeCall(call.handle, CALL_ENDED, now));
    await release(template);
  };

  const dropManagedTunnel = async (managed: ManagedTunnel) => {
    managed.gone = true;
    state.managedTunnels.delete(managed.config.name);
    const { link } = managed;
    if (link) await endConnections((other) => other === link);
    await forEach(
      [...managed.placedCalls.values()],
      WIDTH,
      (each) => dropPlacedCall(managed, each),
    );
  };

  const open = async (template: CallTemplate, strict: boolean) => {
    const broken = ({ message }: Error) =>
      endCalls(template, { result: CdnResult.LossOfCarrier, message });
    try {
      await located(template.path, () => provision(template, circuits, broken));
    } catch (error) {
      if (strict) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn("a circuit cannot be", { path: template.path, reason });
    }
  };

  return {
    async retire(next) {
      for (const [name, peer] of [...state.peers]) {
        const wanted = next.peers.find((config) => config.name === name);
        if (!wanted || !samePeer(peer, settingsFor(next, wanted), wanted)) {
          state.peers.delete(name);
          for (const managed of [...state.managedTunnels.values()]) {
            if (managed.config.peer !== name) continue;
            await dropManagedTunnel(managed);
          }
          await endConnections((link) => link.peer === name);
          await forEach([...peer.templates.values()], WIDTH, dropTemplate);
          continue;
        }
        for (const [call, template] of [...peer.templates]) {
          if (wanted.accept.some((each) => isDeepStrictEqual(each, call))) continue;
          peer.templates.delete(call);
          await dropTemplate(template);
        }
      }
      for (const managed of [...state.managedTunnels.values()]) {
        const wanted = next.managed.find(({ name }) => name === managed.config.name);
        if (!wanted || !sameTunnel(managed.config, wanted)) {
          await dropManagedTunnel(managed);
          continue;
        }
        const calls = new Map(wanted.calls.map((call) => [call.name, call]));
        for (const placed of [...managed.placedCalls.values()]) {
          const { call } = placed.template;
          if (isDeepStrictEqual(calls.get(call.name), call)) continue;
          await dropPlacedCall(managed, placed);
        }
      }
    },

    async apply(config, strict) {
      const templates: CallTemplate[] = [];
      const fresh = (path: string, call: CallConfig) => {
        const template = makeCallTemplate(path, call);
        templates.push(template);
        return template;
      };
      for (const peer of config.peers) {
        const known = state.peers.get(peer.name);
        const entry = known ??
          { config: peer, settings: settingsFor(config, peer), templates: new Map() };
        state.peers.set(peer.name, entry);
        // The templates that stay keep their circuits under the new configuration's keys.
        const before = [...entry.templates];
        entry.templates.clear();
        for (const [i, call] of peer.accept.entries()) {
          const same = before.findIndex(([each]) => isDeepStrictEqual(each, call));
          const kept = same < 0 ? undefined : before.splice(same, 1)[0]![1];
          entry.templates.set(call, kept ?? fresh(`peers/${peer.name}/accept/${i}`, call));
        }
        entry.config = peer;
      }
      const begun: PlacedCall[] = [];
      for (const tunnel of config.managed) {
        const known = state.managedTunnels.get(tunnel.name);
        const peer = state.peers.get(tunnel.peer);
        if (!peer) continue;
        const managed = known ?? dialer.makeManagedTunnel(tunnel, peer.settings);
        state.managedTunnels.set(tunnel.name, managed);
        managed.held = false;
        for (const call of tunnel.calls) {
          const there = managed.placedCalls.get(call.name);
          if (there) there.held = false;
          const placed = there ??
            dialer.makePlacedCall(managed, fresh(callPath(tunnel.name, call), call));
          managed.placedCalls.set(call.name, placed);
          if (!placed.call) begun.push(placed);
        }
      }
      state.config = config;
      state.index = indexPeers(config.peers);
      await forEach(templates, WIDTH, (template) => open(template, strict));
      for (const managed of state.managedTunnels.values()) {
        if (managed.redialAt === undefined) driver.defer(() => dialer.dial(managed));
      }
      for (const placed of begun) driver.defer(() => dialer.place(placed));
    },

    async releaseAll() {
      const all = [
        ...[...state.peers.values()].flatMap(({ templates }) => [...templates.values()]),
        ...[...state.managedTunnels.values()].flatMap(({ placedCalls }) =>
          [...placedCalls.values()].map(({ template }) => template)
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
