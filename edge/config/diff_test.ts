import assert from "node:assert/strict";
import fc from "fast-check";
import type { Config, Listener, SessionConfig, TunnelConfig } from "../model.ts";
import { diffConfig, type Operation, summarizeDiff } from "./diff.ts";
import { configArbitrary, goodText, parse } from "./testing.ts";

/** Carries out steps one by one, refusing what a running appliance would: an id, name or address that is taken. */
function apply(config: Config, operations: readonly Operation[]): Config {
  let { admin, log } = config;
  const listeners = new Map(config.listen.map((listener) => [listenerKey(listener), listener]));
  const tunnels = new Map(config.tunnels.map((tunnel) => [tunnel.name, tunnel]));
  const put = (tunnel: TunnelConfig) => {
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
    }
  }
  return { ...config, admin, log, listen: [...listeners.values()], tunnels: [...tunnels.values()] };
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
  };
}

function resources({ listen, tunnels }: Config): number {
  return tunnels.reduce((sum, { sessions }) => sum + 1 + sessions.length, listen.length);
}

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
    const kept = changed.filter((path) => path !== "log" && path !== "admin");
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
  assert.deepEqual(steps("office0", "office1"), ["change-session circuit"]);
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
});

Deno.test("summarizeDiff() calls what was replaced changed", () => {
  const after = parse(
    goodText.replace("tunnel-id: 1,", "tunnel-id: 3,").replace("  old:", "  new:"),
  );
  assert.deepEqual(summarizeDiff(diffConfig(parse(goodText), after)), {
    added: ["tunnels/new", "tunnels/new/sessions/dial"],
    changed: ["tunnels/branch", "tunnels/branch/sessions/office"],
    removed: ["tunnels/old", "tunnels/old/sessions/dial"],
    unchanged: 4,
  });
});
