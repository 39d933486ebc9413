import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type { Plugin, Port, Scope, Session } from "../plugin.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import { MAX_WAITING } from "./circuit.ts";
import { inOrder } from "./host.ts";
import { FIRST_PAUSE_MS } from "./keeper.ts";

const { Ethernet, Ppp } = PseudowireType;
const anything = {
  safeParse: (value: unknown) => ({ success: true as const, data: value as object }),
};

/** A plugin whose steps a test sets and sees. */
function scripted(name: string, changes: Partial<Plugin> = {}) {
  const seen = {
    scopes: { service: [] as Scope[], circuit: [] as Scope[], session: [] as Scope[] },
    sections: [] as object[],
    options: [] as object[],
  };
  /** What each step does besides. */
  const steps: {
    start?: () => unknown;
    provision?: (scope: Scope) => unknown;
    attach?: (session: Session, scope: Scope) => unknown;
    reconfigure?: (section: object) => boolean;
    change?: (options: object) => boolean;
  } = {};
  const plugin: Plugin = {
    name,
    summary: "a test's",
    pseudowireTypes: [Ethernet, Ppp],
    options: anything,
    async start(scope, section) {
      seen.scopes.service.push(scope);
      seen.sections.push(section);
      await steps.start?.();
      return {
        shared: `${name}'s`,
        async provision(scope) {
          seen.scopes.circuit.push(scope);
          await steps.provision?.(scope);
          return {
            async attach(session, scope) {
              seen.scopes.session.push(scope);
              return await steps.attach?.(session, scope) as object ?? {};
            },
            reconfigure(options) {
              seen.options.push(options);
              return steps.change?.(options) ?? true;
            },
          };
        },
        reconfigure(section) {
          seen.sections.push(section);
          return steps.reconfigure?.(section) ?? true;
        },
      };
    },
    ...changes,
  };
  return { plugin, seen, steps };
}

async function bench(steps: ReturnType<typeof scripted>["steps"] = {}) {
  const one = scripted("one");
  Object.assign(one.steps, steps);
  const { host, world } = await startPlugins([one.plugin]);
  const circuit = host.circuit("one", "circuit lan", {});
  await circuit.first;
  const session = makeSession(world, host, { pseudowireType: Ethernet, request: "ICRQ" });
  return { ...one, circuit, host, session, world };
}

Deno.test("plugins start after those that they use", () => {
  const plugins = [
    scripted("pppoe", { uses: ["ppp"] }),
    scripted("ppp", { uses: ["radius"] }),
    scripted("radius"),
  ].map(({ plugin }) => plugin);
  assert.deepEqual(inOrder(plugins), ["radius", "ppp", "pppoe"]);
  assert.throws(() => inOrder([scripted("a", { uses: ["b"] }).plugin]), /a uses b, which is not/);
  assert.throws(
    () => inOrder([scripted("a", { uses: ["b"] }).plugin, scripted("b", { uses: ["a"] }).plugin]),
    /circle: a, b/,
  );
});

Deno.test("hasView() and hasWord() know what some plugin has, and nothing else", async () => {
  const views = [{ name: "ports", help: "ports", columns: [] }];
  const words = [{ word: "flush", help: "forgets", given: anything }];
  const { host } = await startPlugins([
    scripted("a").plugin,
    scripted("b", { views, words }).plugin,
  ]);
  assert.deepEqual([host.hasView("ports"), host.hasView("flush")], [true, false]);
  assert.deepEqual([host.hasWord("flush"), host.hasWord("ports")], [true, false]);
});

Deno.test("a service that is used is had by those that say so, and takes them with it", async () => {
  const ppp = scripted("ppp");
  const pppoe = scripted("pppoe", { uses: ["ppp"] });
  const { host, world } = await startPlugins([pppoe.plugin, ppp.plugin]);
  const circuit = host.circuit("pppoe", "circuit access", {});
  await circuit.first;
  const [scope] = pppoe.seen.scopes.service;
  assert.equal(scope!.service("ppp"), "ppp's");
  assert.throws(() => scope!.service("radius"), { code: "invalid" });
  ppp.seen.scopes.service[0]!.fail(new Failure("unavailable", "the database is gone"));
  assert.equal(circuit.up, false);
  assert.match(circuit.reason!, /the plugin ppp is down: the database is gone/);
  await world.advance(FIRST_PAUSE_MS);
  assert.ok(circuit.up);
  assert.equal(ppp.seen.sections.length, 2);
  assert.ok(scope!.signal.aborted);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a service that cannot start refuses calls with CDN 4, and its circuits come up with it", async () => {
  const one = scripted("one");
  one.steps.start = () => Promise.reject(new Failure("unavailable", "no RADIUS server answers"));
  const { failures, host, world } = await startPlugins([one.plugin]);
  assert.equal(failures.get("one")?.message, "no RADIUS server answers");
  const circuit = host.circuit("one", "circuit lan", {});
  assert.equal((await circuit.first)?.message, "no RADIUS server answers");
  assert.deepEqual(circuit.refusal(), {
    refuse: { result: 4, message: "the one circuit is down: no RADIUS server answers" },
  });
  assert.deepEqual(host.down().map(({ what, reason }) => [what, reason]), [
    ["one", "no RADIUS server answers"],
  ]);
  delete one.steps.start;
  await world.advance(FIRST_PAUSE_MS);
  assert.equal(circuit.refusal(), undefined);
  assert.deepEqual(host.down(), []);
  await host.end(WHY);
});

Deno.test("a refusal reaches the peer as it was said, and all is undone", async () => {
  const refuse = { result: 2, error: 4, message: "unknown line" };
  const { circuit, host, session, world } = await bench({
    async attach({ port }, scope) {
      scope.receive(port, () => {});
      await settle();
      return { refuse };
    },
  });
  const before = world.leftovers();
  assert.deepEqual(await circuit.attach(session.facts, {}, () => {}), { refuse });
  assert.deepEqual(world.leftovers(), before);
  assert.equal(circuit.sessions, 0);
  await host.end(WHY);
});

Deno.test("session.end() ends one session for its reason, before and after it is joined", async () => {
  const why = { result: 3, message: "Disconnect-Request" };
  let live: Session | undefined;
  const { circuit, host, session } = await bench({ attach: (session) => void (live = session) });
  await session.attach(circuit);
  live!.end(why);
  live!.end({ result: 1 });
  assert.deepEqual(session.ended, why);
  await settle();
  assert.equal(circuit.sessions, 0);
  await host.end(WHY);

  const early = await bench({
    attach(session) {
      session.end(why);
      return new Promise(() => {});
    },
  });
  assert.deepEqual(await early.circuit.attach(early.session.facts, {}, () => {}), { refuse: why });
  await early.host.end(WHY);
});

Deno.test("who ends a session is not told that it ended", async () => {
  const { circuit, host, session } = await bench();
  await session.attach(circuit);
  await session.end();
  assert.equal(session.ended, undefined);
  assert.equal(circuit.sessions, 0);
  await host.end(WHY);
});

Deno.test("a fault in attach rejects, and one afterwards ends the session with CDN 2, error 6", async () => {
  const { circuit, host, seen, session, steps } = await bench({
    attach: () => Promise.reject(new Failure("limit", "the pool is empty")),
  });
  await assert.rejects(session.attach(circuit), { code: "limit", message: "the pool is empty" });
  delete steps.attach;
  await session.attach(circuit);
  seen.scopes.session[1]!.fail(new Error("LCP has a defect"));
  assert.deepEqual(session.ended, { result: 2, error: 6, message: "LCP has a defect" });
  await host.end(WHY);
});

Deno.test("a session is live: what the peer says later is there, and told", async () => {
  let live: Session | undefined;
  const heard: unknown[] = [];
  const { circuit, host, session } = await bench({
    attach(session) {
      live = session;
      return { heard: (message: string, said: object) => heard.push(message, said) };
    },
  });
  await session.attach(circuit);
  const connected = live!.connected();
  await session.connect({ calledNumber: "77" });
  assert.deepEqual(await connected, { calledNumber: "77" });
  assert.equal(live!.said.calledNumber, "77");
  assert.deepEqual(heard, ["ICCN", { calledNumber: "77" }]);
  live!.tell("SLI", {});
  assert.deepEqual(session.told, [{ message: "SLI", said: {} }]);
  await host.end(WHY);
});

Deno.test("a section that is taken keeps everything; one that is not begins the service anew", async () => {
  const { circuit, host, seen, session, steps } = await bench();
  await session.attach(circuit);
  assert.equal(await host.reconfigure("one", { servers: 2 }), "changed");
  const ended = () => session.ended;
  assert.equal(ended(), undefined);
  steps.reconfigure = () => false;
  assert.equal(await host.reconfigure("one", { servers: 3 }), "restarted");
  assert.equal(ended()?.message, "the configuration changed");
  await settle();
  assert.ok(circuit.up);
  assert.deepEqual(seen.sections, [{}, { servers: 2 }, { servers: 3 }, { servers: 3 }]);
  await host.end(WHY);
});

Deno.test("what throws in a change gets what it had before", async () => {
  const { circuit, host, seen, steps } = await bench();
  steps.change = (options) => {
    if ("bad" in options) throw new Failure("invalid", "bad", { option: "bad" });
    return true;
  };
  await assert.rejects(circuit.reconfigure({ bad: true }), { code: "invalid", option: "bad" });
  assert.deepEqual(seen.options, [{ bad: true }, {}]);
  steps.reconfigure = (section) => {
    if ("bad" in section) throw new Failure("invalid", "bad");
    return true;
  };
  await assert.rejects(host.reconfigure("one", { bad: true }), { code: "invalid" });
  assert.deepEqual(seen.sections, [{}, { bad: true }, {}]);
  assert.ok(circuit.up);
  await host.end(WHY);
});

Deno.test("a service that will not begin with a changed section goes back to the former one", async () => {
  const { circuit, host, seen, steps } = await bench({ reconfigure: () => false });
  steps.start = () =>
    "bad" in seen.sections.at(-1)! ? Promise.reject(new Failure("invalid", "bad pool")) : undefined;
  await assert.rejects(host.reconfigure("one", { bad: true }), { message: "bad pool" });
  await settle();
  assert.ok(circuit.up);
  assert.deepEqual(seen.sections.at(-1), {});
  await host.end(WHY);
});

Deno.test("a port that goes breaks who joined it, and nobody else", async () => {
  const tap: { port?: Port } = {};
  const { circuit, host, session, world } = await bench({
    async provision(scope) {
      tap.port ??= await scope.open("tap", { name: "a0" });
    },
    attach: ({ port }, scope) => tap.port && scope.connect(port, tap.port),
  });
  const other = host.circuit("one", "circuit other", {});
  await other.first;
  await session.attach(other);
  const away = makeSession(world, host, { name: "t/2", pseudowireType: Ethernet });
  await assert.rejects(away.attach(circuit), { code: "in-use" });
  await circuit.end(WHY);
  assert.equal(session.ended?.message, "TAP a0 is gone");
  assert.ok(other.up);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a receiver that throws is logged, and goes on", async () => {
  let batches = 0;
  const { circuit, host, session, world } = await bench({
    attach({ port }, scope) {
      scope.receive(port, () => {
        batches++;
        throw new Error("a defect");
      });
      assert.throws(() => scope.receive(port, () => {}), { code: "in-use" });
    },
  });
  await session.attach(circuit);
  session.receive(Uint8Array.of(1));
  session.receive(Uint8Array.of(2));
  assert.equal(batches, 2);
  assert.equal(world.lines.filter(({ level }) => level === "error").length, 2);
  await host.end(WHY);
  session.receive(Uint8Array.of(3));
  assert.equal(batches, 2);
});

Deno.test("frames sent before the datapath is ready leave once it is, 64 at most", async () => {
  const taken: number[] = [];
  const { circuit, host, session } = await bench({
    attach({ port }, scope) {
      taken.push(port.send([Uint8Array.of(9)]));
      scope.receive(port, () => {});
      const frames = Array.from({ length: 60 }, (_, n) => Uint8Array.of(n));
      taken.push(port.send(frames), port.send(frames));
      frames[0]![0] = 99;
    },
  });
  await session.attach(circuit);
  assert.deepEqual(taken, [0, 60, 4]);
  assert.deepEqual(
    session.sent.map(([n]) => n),
    [
      ...Array.from({ length: 60 }, (_, n) => n),
      ...[0, 1, 2, 3].map((n) => n === 0 ? 99 : n),
    ].map((n, at) => at === 60 ? 0 : n),
  );
  await host.end(WHY);
});

Deno.test("timers, gauges and streams go with their scope", async () => {
  const { circuit, host, session, world } = await bench({
    async attach(_session, scope) {
      scope.timer(scope.now() + 50, () => scope.log("info", "due"));
      scope.timer(scope.now() + 60_000, () => assert.fail("a timer of a session that is gone"));
      const cancelled = scope.timer(scope.now() + 10, () => assert.fail("it was cancelled"));
      cancelled.cancel();
      scope.gauge("users", "Users", () => 1);
      const stream = await scope.unix("/run/device.sock", () => {});
      await stream.write(Uint8Array.of(1));
    },
  });
  const attached = await session.attach(circuit);
  await world.advance(100);
  assert.deepEqual(world.lines.map(({ message }) => message), ["due"]);
  assert.deepEqual(world.streams[0]?.written, [Uint8Array.of(1)]);
  await attached.end(WHY);
  await world.advance(100_000);
  assert.deepEqual(world.leftovers(), []);
  await host.end(WHY);
});

Deno.test("everything that is had of an ended scope throws", async () => {
  const { circuit, host, seen, session } = await bench();
  const attached = await session.attach(circuit);
  await attached.end(WHY);
  const [scope] = seen.scopes.session;
  const gone = { name: "Failure", code: "unavailable" };
  assert.throws(() => scope!.child("x"), gone);
  assert.throws(() => scope!.keep("x", () => Promise.resolve()), gone);
  assert.throws(() => scope!.receive(session.facts.port, () => {}), gone);
  assert.throws(() => scope!.timer(1, () => {}), gone);
  assert.throws(() => scope!.gauge("x", "x", () => 1), gone);
  assert.throws(() => scope!.store(), gone);
  assert.throws(() => scope!.service("one"), gone);
  await assert.rejects(scope!.open("tap", { name: "x" }), gone);
  await assert.rejects(scope!.unix("/x", () => {}), gone);
  await assert.rejects(scope!.connect(session.facts.port, session.facts.port), gone);
  scope!.fail(new Error("too late"));
  assert.equal(typeof scope!.now(), "number");
  await host.end(WHY);
});

Deno.test("when attach has answered, what it began is there, or it is a fault", async () => {
  const { circuit, host, session, world } = await bench({
    attach: ({ port }, scope) => scope.receive(port, () => {}),
  });
  world.refuseAfter(0);
  await assert.rejects(circuit.attach(session.facts, {}, () => {}), { code: "unavailable" });
  assert.equal(circuit.sessions, 0);
  await circuit.attach(session.facts, {}, () => {});
  assert.notEqual(world.ports.get(session.id)?.joined, undefined);
  await host.end(WHY);
});

Deno.test("an attach that nobody waits for any more is called off, and all is undone", async () => {
  const refuse = { result: 3, message: "it was called off" };
  const { circuit, host, seen, session } = await bench({ attach: () => new Promise(() => {}) });
  const calling = new AbortController();
  const answer = circuit.attach(session.facts, {}, () => {}, calling.signal);
  await settle();
  assert.equal(circuit.sessions, 1);
  calling.abort();
  assert.deepEqual(await answer, { refuse });
  assert.ok(seen.scopes.session[0]!.signal.aborted);
  assert.equal(circuit.sessions, 0);
  assert.deepEqual(await circuit.attach(session.facts, {}, () => {}, calling.signal), { refuse });
  await host.end(WHY);
});

Deno.test("so many sessions wait for a circuit's answer, and no more", async () => {
  const { circuit, host, session } = await bench({ attach: () => new Promise(() => {}) });
  const waiting = Array.from(
    { length: MAX_WAITING },
    () => circuit.attach(session.facts, {}, () => {}),
  );
  await settle();
  assert.equal(circuit.refusal()?.refuse.message, `${MAX_WAITING} calls wait for the one circuit`);
  await host.end(WHY);
  await Promise.all(waiting);
});

Deno.test("a session is told when its circuit has other options, and ends alone where it cannot follow", async () => {
  const told: object[] = [];
  let refuses = false;
  const { circuit, host, session } = await bench({
    attach: () => ({
      reconfigure(options: object) {
        told.push(options);
        if (refuses) throw new Error("no such VLAN");
        return true;
      },
    }),
  });
  await session.attach(circuit, { tag: 7 });
  assert.equal(await circuit.reconfigure({ switch: "br1" }), true);
  assert.deepEqual(told, [{ tag: 7 }]);
  refuses = true;
  assert.equal(await circuit.reconfigure({ switch: "br2" }), true);
  assert.equal(session.ended?.message, "no such VLAN");
  await host.end(WHY);
});

Deno.test("who uses a service waits for it, and begins anew with it at once", async () => {
  const ppp = scripted("ppp");
  const pppoe = scripted("pppoe", { uses: ["ppp"] });
  ppp.steps.start = () => Promise.reject(new Failure("invalid", "no server is named"));
  const { failures, host } = await startPlugins([pppoe.plugin, ppp.plugin]);
  assert.match(failures.get("pppoe")!.message, /the plugin ppp is down: no server is named/);
  assert.equal(pppoe.seen.sections.length, 0);
  delete ppp.steps.start;
  await host.reconfigure("ppp", { servers: 1 });
  await settle();
  assert.equal(pppoe.seen.sections.length, 1);
  const circuit = host.circuit("pppoe", "circuit access", {});
  await circuit.first;
  ppp.steps.reconfigure = () => false;
  await host.reconfigure("ppp", { servers: 2 });
  await settle();
  assert.equal(pppoe.seen.sections.length, 2);
  assert.ok(circuit.up);
  await host.end(WHY);
});

Deno.test("who asks a plugin lives on while that is away, and asks again when it is back", async () => {
  const ppp = scripted("ppp");
  const bridge = scripted("bridge", { asks: ["ppp", "absent"] });
  const { host, world } = await startPlugins([bridge.plugin, ppp.plugin]);
  const [scope] = bridge.seen.scopes.service;
  assert.equal(scope!.service("ppp"), "ppp's");
  assert.throws(() => scope!.service("absent"), { code: "unavailable" });
  assert.throws(() => scope!.service("other"), { code: "invalid" });
  ppp.seen.scopes.service[0]!.fail(new Error("it broke"));
  await settle();
  assert.throws(() => scope!.service("ppp"), { code: "unavailable" });
  await world.advance(FIRST_PAUSE_MS);
  assert.equal(scope!.service("ppp"), "ppp's");
  assert.equal(bridge.seen.scopes.service.length, 1, "it was never begun anew");
  await host.end(WHY);
});
