import assert from "node:assert/strict";
import { testSettings } from "../../core/testing.ts";
import type { CallConfig, ManagedTunnelConfig, PeerConfig } from "../config/model.ts";
import type { Slices } from "../slices.ts";
import { makeCallTemplate } from "./call_template.ts";
import type { ControlState, ManagedTunnel, PeerEntry, PlacedCall } from "./context.ts";
import { indexing } from "./peer_index.ts";
import { planControl } from "./plan.ts";
import { ManagedTunnels } from "./managed_tunnels.ts";

/** The most things that are looked at in one slice. */
const MOST = 64;

function peerOf(i: number): PeerConfig {
  const { name: _n, hostName: _h, vendorName: _v, routerId: _r, pseudowires: _p, ...settings } =
    testSettings({});
  return {
    name: `p${i}`,
    addresses: [`10.0.${i >> 8}.${i & 255}`],
    settings: { fallback: false, ...settings },
    tunnelLimit: 10,
    accept: [],
  };
}

const call = (name: string) => ({ name, remoteEndId: name, recvSeq: false }) as CallConfig;

function tunnelOf(i: number, calls: number): ManagedTunnelConfig {
  return {
    name: `t${i}`,
    peer: `p${i}`,
    mode: "passive",
    encap: "udp",
    local: { address: "0.0.0.0", port: 1701 },
    remotes: [],
    calls: Array.from({ length: calls }, (_, i) => call(`c${i}`)),
  } as unknown as ManagedTunnelConfig;
}

/** What runs, as far as a plan looks at it. */
function stateOf(peers: readonly PeerConfig[], managed: readonly ManagedTunnelConfig[]) {
  const placed = ({ calls, name }: ManagedTunnelConfig) =>
    calls.map((call): [string, PlacedCall] => [
      call.name,
      {
        template: makeCallTemplate(`tunnels/${name}/sessions/${call.name}`, call),
      } as PlacedCall,
    ]);
  return {
    peers: new Map(
      peers.map((
        config,
      ) => [config.name, { config, templates: new Map() } as unknown as PeerEntry]),
    ),
    managedTunnels: new ManagedTunnels(
      managed.map((config) => ({ config, placedCalls: new Map(placed(config)) }) as ManagedTunnel),
    ),
  } satisfies Partial<ControlState>;
}

/** Things that tell which of them was looked into since the last time. */
function watched<T extends object>(items: readonly T[], key: keyof T) {
  const seen = new Set<number>();
  const proxies = items.map((item, i) =>
    new Proxy(item, {
      get(target, name) {
        if (name === key) seen.add(i);
        return Reflect.get(target, name);
      },
    })
  );
  return { proxies, take: () => [seen.size, seen.clear()][0] as number };
}

/** Does all of it; the most things that a slice looked into. */
function most<T>(work: Slices<T>, takes: readonly (() => number)[]): readonly [T, number] {
  let most = 0;
  for (let step = work.next();; step = work.next()) {
    most = Math.max(most, ...takes.map((take) => take()));
    if (step.done) return [step.value, most];
  }
}

Deno.test("peers, tunnels and their calls are planned a few at a time", () => {
  const peers = Array.from({ length: 1000 }, (_, i) => peerOf(i));
  const managed = Array.from({ length: 1000 }, (_, i) => tunnelOf(i, 2));
  const state = stateOf(peers, managed);
  const nextPeers = watched(peers.map((peer) => structuredClone(peer)), "settings");
  const nextTunnels = watched(managed.map((tunnel) => structuredClone(tunnel)), "remotes");
  const [plan, looked] = most(
    planControl(state, { peers: nextPeers.proxies, managed: nextTunnels.proxies }),
    [nextPeers.take, nextTunnels.take],
  );
  assert.equal(plan.kept, 4000);
  assert.ok(looked > 0 && looked <= MOST, `${looked} in one slice`);
});

Deno.test("the calls of one tunnel are planned a few at a time", () => {
  const [tunnel] = [tunnelOf(0, 5000)];
  const state = stateOf([peerOf(0)], [tunnel]);
  const calls = watched(tunnel.calls.map((call) => structuredClone(call)), "recvSeq");
  const next = { ...structuredClone({ ...tunnel, calls: [] }), calls: calls.proxies };
  const [plan, looked] = most(
    planControl(state, { peers: [peerOf(0)], managed: [next] }),
    [calls.take],
  );
  assert.equal(plan.kept, 5002);
  assert.ok(looked > 0 && looked <= MOST, `${looked} in one slice`);
});

Deno.test("peers are indexed a few at a time", () => {
  const peers = watched(Array.from({ length: 1000 }, (_, i) => peerOf(i)), "settings");
  const [index, looked] = most(indexing(peers.proxies), [peers.take]);
  assert.equal(index.match({ address: "10.0.3.7", hostName: "x", version: 3 })?.name, "p775");
  assert.ok(looked > 0 && looked <= MOST, `${looked} in one slice`);
});
