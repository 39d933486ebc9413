import assert from "node:assert/strict";
import fc from "fast-check";
import type { CallConfig, Config, Listener, SessionConfig, TunnelConfig } from "./model.ts";
import { diffConfig, type Operation, summarizeDiff } from "./diff.ts";
import { configArbitrary, goodText, parse } from "./testing.ts";

/** Carries out steps one by one, refusing what a running appliance would: an id, name or address that is taken. */
function apply(config: Config, operations: readonly Operation[]): Config {
  let { admin, log } = config;
  let identity: Pick<Config, "hostName" | "routerId"> = config;
  const peers = new Map(config.peers.map((peer) => [peer.name, peer]));
  let peerOrder: readonly string[] | undefined;
  const managed = new Map(config.managed.map((tunnel) => [tunnel.name, tunnel]));
  const listeners = new Map(config.listen.map((listener) => [listenerKey(listener), listener]));
  const tunnels = new Map(config.tunnels.map((tunnel) => [tunnel.name, tunnel]));
  const setCalls = (name: string, change: (calls: Map<string, CallConfig>) => void) => {
    const tunnel = managed.get(name)!;
    const calls = new Map(tunnel.calls.map((call) => [call.name, call]));
    change(calls);
    managed.set(name, { ...tunnel, calls: [...calls.values()] });
  };
  const put = (tunnel: TunnelConfig) => {
    assert.ok(!managed.has(tunnel.name), "the name is taken");
    for (const { name, tunnelId } of tunnels.values()) {
      assert.ok(name === tunnel.name || tunnelId !== tunnel.tunnelId, "tunnel-id is taken");
    }
    tunnels.set(tunnel.name, tunnel);
  };
  const putSession = (name: string, session: SessionConfig) => {
    const tunnel = tunnels.get(name)!;
    const others = tunnel.sessions.filter((other) => other.name !== session.name);
    assert.ok(
      others.every((other) => other.sessionId !== session.sessionId),
      "session-id is taken",
    );
    tunnels.set(name, { ...tunnel, sessions: [...others, session] });
  };
  for (const operation of operations) {
    switch (operation.kind) {
      case "remove-session": {
        const tunnel = tunnels.get(operation.tunnel.name)!;
        const sessions = tunnel.sessions.filter(({ name }) => name !== operation.session.name);
        assert.equal(sessions.length, tunnel.sessions.length - 1);
        tunnels.set(tunnel.name, { ...tunnel, sessions });
        break;
      }
      case "remove-tunnel":
        assert.ok(tunnels.delete(operation.tunnel.name));
        break;
      case "remove-listener":
        assert.ok(listeners.delete(listenerKey(operation.listener)));
        break;
      case "add-listener":
        assert.ok(!listeners.has(listenerKey(operation.listener)));
        listeners.set(listenerKey(operation.listener), operation.listener);
        break;
      case "change-log":
        log = operation.log;
        break;
      case "change-admin":
        admin = operation.admin;
        break;
      case "add-tunnel":
        assert.ok(!tunnels.has(operation.tunnel.name));
        put(operation.tunnel);
        break;
      case "change-tunnel": {
        const before = tunnels.get(operation.tunnel.name)!;
        put(pick(before, operation.tunnel, operation.changed));
        break;
      }
      case "add-session":
        putSession(operation.tunnel.name, operation.session);
        break;
      case "change-session": {
        const { tunnel, session, changed } = operation;
        const before = tunnels.get(tunnel.name)!.sessions.find(({ name }) => name === session.name);
        putSession(tunnel.name, pick(before!, session, changed));
        break;
      }
      case "change-identity":
        identity = operation.identity;
        break;
      case "add-peer":
        assert.ok(!peers.has(operation.peer.name));
        peers.set(operation.peer.name, operation.peer);
        break;
      case "change-peer": {
        const { peer, changed } = operation;
        peers.set(peer.name, pick(peers.get(peer.name)!, peer, changed));
        break;
      }
      case "remove-peer":
        assert.ok(peers.delete(operation.peer.name));
        break;
      case "change-peer-order":
        peerOrder = operation.names;
        break;
      case "add-managed-tunnel": {
        const { tunnel } = operation;
        assert.ok(!managed.has(tunnel.name) && !tunnels.has(tunnel.name), "the name is taken");
        assert.ok(peers.has(tunnel.peer), "there is no such peer");
        managed.set(tunnel.name, tunnel);
        break;
      }
      case "change-managed-tunnel": {
        const { tunnel, changed } = operation;
        managed.set(tunnel.name, pick(managed.get(tunnel.name)!, tunnel, changed));
        break;
      }
      case "remove-managed-tunnel":
        assert.ok(peers.has(operation.tunnel.peer), "the peer went first");
        assert.ok(managed.delete(operation.tunnel.name));
        break;
      case "add-call":
        setCalls(operation.tunnel.name, (calls) => {
          assert.ok(!calls.has(operation.call.name));
          calls.set(operation.call.name, operation.call);
        });
        break;
      case "change-call":
        setCalls(operation.tunnel.name, (calls) => {
          const { call, changed } = operation;
          calls.set(call.name, pick(calls.get(call.name)!, call, changed));
        });
        break;
      case "remove-call":
        setCalls(
          operation.tunnel.name,
          (calls) => assert.ok(calls.delete(operation.call.name)),
        );
        break;
    }
  }
  return {
    admin,
    log,
    hostName: identity.hostName,
    routerId: identity.routerId,
    peers: (peerOrder ?? [...peers.keys()]).map((name) => peers.get(name)!),
    listen: [...listeners.values()],
    tunnels: [...tunnels.values()],
    managed: [...managed.values()],
  };
}

/** `before` with the attributes of `changed` as in `after`, absent ones left out. */
function pick<T extends object>(before: T, after: T, changed: ReadonlySet<keyof T>): T {
  const result = { ...before };
  for (const key of changed) {
    if (Object.hasOwn(after, key)) result[key] = after[key];
    else delete result[key];
  }
  return result;
}

function listenerKey({ encap, address, port }: Listener): string {
  return `${encap} ${address} ${port}`;
}

/** The same configuration in an order that does not depend on the file's. */
function sorted(config: Config): Config {
  const byName = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
  return {
    ...config,
    listen: config.listen.toSorted((a, b) => listenerKey(a) < listenerKey(b) ? -1 : 1),
    tunnels: config.tunnels
      .map((tunnel) => ({ ...tunnel, sessions: tunnel.sessions.toSorted(byName) }))
      .toSorted(byName),
    managed: config.managed
      .map((tunnel) => ({ ...tunnel, calls: tunnel.calls.toSorted(byName) }))
      .toSorted(byName),
  };
}

function resources({ listen, peers, tunnels, managed }: Config): number {
  const parts = [...tunnels.map(({ sessions }) => sessions), ...managed.map(({ calls }) => calls)];
  return parts.reduce((sum, { length }) => sum + 1 + length, listen.length + peers.length);
}

/** What a summary tells of that is no resource. */
const settings = ["log", "admin", "host-name", "router-id", "peers"];

Deno.test("diffConfig() is empty between equal configurations", () => {
  fc.assert(fc.property(configArbitrary, (config) => {
    const { operations, unchanged } = diffConfig(config, structuredClone(config));
    assert.deepEqual(operations, []);
    assert.equal(unchanged, resources(config));
  }));
});

Deno.test("diffConfig() leads from any configuration to any other, never over a taken id", () => {
  fc.assert(
    fc.property(configArbitrary, configArbitrary, (before, after) => {
      const { operations } = diffConfig(before, after);
      assert.deepEqual(sorted(apply(before, operations)), sorted(after));
    }),
    { numRuns: 500 },
  );
});

Deno.test("summarizeDiff() counts every resource of the new configuration once", () => {
  fc.assert(fc.property(configArbitrary, configArbitrary, (before, after) => {
    const { added, changed, removed, unchanged } = summarizeDiff(diffConfig(before, after));
    const kept = changed.filter((path) => !settings.includes(path));
    assert.equal(added.length + kept.length + unchanged, resources(after));
    assert.equal(removed.length + kept.length + unchanged, resources(before));
    assert.equal(
      new Set([...added, ...changed, ...removed]).size,
      added.length + changed.length + removed.length,
    );
  }));
});

Deno.test("diffConfig() touches only what changed", () => {
  const steps = (from: string, to: string) =>
    diffConfig(parse(goodText), parse(goodText.replace(from, to))).operations.map((operation) =>
      [
        operation.kind,
        ..."changed" in operation ? [...operation.changed] : [],
      ].join(" ")
    );
  assert.deepEqual(steps("lns-mode: true", "lns-mode: false"), ["change-session lnsMode"]);
  assert.deepEqual(steps("mtu: 1400", "mtu: 1300"), ["change-session mtu"]);
  assert.deepEqual(steps("        mtu: 1400\n", ""), ["change-session mtu"]);
  assert.deepEqual(steps("office0", "office7"), ["change-session circuit"]);
  assert.deepEqual(steps("seq: both", "seq: send"), ["change-session recvSeq"]);
  assert.deepEqual(steps("10.77.0.2:1701", "10.77.0.3"), ["change-tunnel remote"]);
  assert.deepEqual(steps("session-id: 11", "session-id: 13"), ["remove-session", "add-session"]);
  assert.deepEqual(steps("tunnel-id: 1,", "tunnel-id: 3,"), ["remove-tunnel", "add-tunnel"]);
  assert.deepEqual(steps('udp: "0.0.0.0:1701"', 'udp: "0.0.0.0:1702"'), [
    "remove-listener",
    "add-listener",
  ]);
  assert.deepEqual(steps("level: debug", "level: warn"), ["change-log"]);
  assert.deepEqual(steps("127.0.0.1:8701", "unix:/run/isthmus.sock"), ["change-admin"]);
  assert.deepEqual(steps("  branch:", "  office:"), ["remove-tunnel", "add-tunnel"]);
  assert.deepEqual(steps("edge1.example", "edge2.example"), ["change-identity hostName"]);
  assert.deepEqual(steps("battery-staple", "battery-pack"), ["change-peer settings"]);
  assert.deepEqual(steps('"hq-*"', "hq"), ["change-peer hostName"]);
  assert.deepEqual(steps("office1", "office2"), ["change-peer accept"]);
  assert.deepEqual(steps("  lac:", "  lns:\n  lac:"), ["add-peer", "change-peer-order"]);
  assert.deepEqual(steps("on-demand", "persistent"), ["change-managed-tunnel mode"]);
  assert.deepEqual(steps("weight: 2", "weight: 3"), ["change-managed-tunnel remotes"]);
  assert.deepEqual(steps("shop-7", "shop-8"), ["change-call remoteEndId"]);
  assert.deepEqual(steps("      shop:", "      shop2:"), ["remove-call", "add-call"]);
  assert.deepEqual(steps("  dialed:", "  dialed-in:"), [
    "remove-managed-tunnel",
    "add-managed-tunnel",
  ]);
});

Deno.test("summarizeDiff() calls what was replaced changed", () => {
  const after = parse(
    goodText.replace("tunnel-id: 1,", "tunnel-id: 3,").replace("  old:", "  new:"),
  );
  assert.deepEqual(summarizeDiff(diffConfig(parse(goodText), after)), {
    added: ["tunnels/new", "tunnels/new/sessions/dial"],
    changed: ["tunnels/branch", "tunnels/branch/sessions/office"],
    removed: ["tunnels/old", "tunnels/old/sessions/dial"],
    unchanged: 9,
  });
});

Deno.test("diffConfig() makes a tunnel that gets a control connection another one", () => {
  const before = parse(goodText);
  const after = parse(goodText.replace("  dialed:", "  x:").replace("  branch:", "  dialed:"));
  assert.deepEqual(diffConfig(before, after).operations.map(({ kind }) => kind), [
    "remove-managed-tunnel",
    "remove-tunnel",
    "add-tunnel",
    "add-managed-tunnel",
  ]);
  const { added, changed, removed } = summarizeDiff(diffConfig(before, after));
  assert.deepEqual(added, ["tunnels/dialed/sessions/office", "tunnels/x"]);
  assert.deepEqual(changed, ["tunnels/dialed"]);
  assert.deepEqual(removed, ["tunnels/branch", "tunnels/branch/sessions/office"]);
});
