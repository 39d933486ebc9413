import assert from "node:assert/strict";
import { dialects, messageOf } from "../../core/dialect.ts";
import { emitMessage } from "../../core/wire/header.ts";
import { emitBody } from "../../core/wire/message.ts";
import type { ConnectionState, LcceEvent } from "../../core/events.ts";
import { Lcce } from "../../core/lcce.ts";
import { seeded, testSettings } from "../../core/testing.ts";
import { systemClock } from "../io/clock.ts";
import type { ControlDatagram, Datapath, SocketId } from "../datapath/datapath.ts";
import { makeLog } from "../log/log.ts";
import type { PeerSettings } from "../../core/settings.ts";
import { type Driver, startDriver } from "./driver.ts";
import { type Traced, Tracer } from "./trace.ts";

type Wire = Pick<Datapath, "onControl" | "sendControl">;

interface End extends Disposable {
  readonly driver: Driver;
  readonly events: LcceEvent[];
  readonly wire: Wire;
  readonly lines: string[];
  readonly tracer: Tracer;
}

function end(
  seed: number,
  send: (batch: readonly ControlDatagram[]) => boolean,
  changes: Partial<PeerSettings> = {},
): End {
  const settings = testSettings({ version: 3, retransmitMs: 20, ...changes });
  const lcce = new Lcce({
    policy: () => ({ kind: "accept", settings }),
    random: seeded(seed).bytes,
    limits: { halfOpen: 10, halfOpenPerAddress: 10, requestsPerSecond: 100 },
  });
  const events: LcceEvent[] = [];
  const lines: string[] = [];
  const wire: Wire = { onControl: undefined, sendControl: send };
  const tracer = new Tracer({
    whose: (data, path, direction) => lcce.whose(data, path, direction),
    tunnelOf: ({ handle }) => `tunnel${handle}`,
    drops: () => lcce.drops(),
    wallClock: () => 0,
    clock: systemClock,
    log: { particular: false, debugs: () => false, debug() {} },
  });
  const driver = startDriver({
    lcce,
    datapath: wire,
    clock: systemClock,
    encapOf: (socket) => socket === path.socket ? "udp" : undefined,
    log: makeLog({ level: "debug", format: "text" }, { write: (line) => void lines.push(line) }),
    onEvent: (event) => void events.push(event),
    tracer,
  });
  return { driver, events, tracer, wire, lines, [Symbol.dispose]: () => driver[Symbol.dispose]() };
}

/** Two ends whose datagrams reach each other at once, all but the first `lost`. */
function pair(lost = 0, changes: Partial<PeerSettings> = {}): [End, End] {
  const carry = (from: () => End, address: string) => (batch: readonly ControlDatagram[]) => {
    const arriving = batch.filter(() => lost-- <= 0).map((datagram) => ({
      ...datagram,
      remote: { address, port: 1701 },
      local: datagram.remote.address,
    }));
    queueMicrotask(() => from().wire.onControl?.(arriving));
    return true;
  };
  const a: End = end(1, carry(() => b, "10.0.0.1"), changes);
  const b: End = end(2, carry(() => a, "10.0.0.2"), changes);
  return [a, b];
}

async function reached({ events }: End, state: ConnectionState): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (events.some((event) => event.type === "connection-state" && event.state === state)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`not ${state}`);
}

const path = {
  encap: "udp",
  local: "10.0.0.1",
  remote: { address: "10.0.0.2", port: 1701 },
  mark: 0,
  socket: 1 as SocketId,
} as const;

Deno.test("the driver carries a connection up and down, over loss", async () => {
  const [a, b] = pair(3);
  using _a = a;
  using _b = b;
  const settings = testSettings({ version: 3, retransmitMs: 20, retransmitCapMs: 40 });
  const handle = a.driver.act((lcce, now) => lcce.dial(settings, path, now));
  await reached(a, "established");
  await reached(b, "established");
  a.driver.act((lcce, now) => lcce.closeConnection(handle, { result: 6 }, now));
  await reached(b, "closed");
  await reached(a, "closed");
});

Deno.test("what is deferred or scheduled runs in its time, and a failing step ends nothing", async () => {
  using one = end(1, () => true);
  const ran: string[] = [];
  one.driver.defer(() => {
    ran.push("first");
    throw new Error("a defect");
  });
  one.driver.defer(() => void ran.push("second"));
  one.driver.schedule({ due: () => void ran.push("third") }, one.driver.now() + 20);
  assert.deepEqual(ran, []);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(ran, ["first", "second", "third"]);
  assert.match(one.lines.join(""), /a defect/);
});

Deno.test("a driver that has stopped runs nothing more, and leaves no turn and no timer behind", () => {
  const one = end(1, () => true);
  const { driver } = one;
  const work = (afterMs: number) => {
    driver.defer(() => assert.fail("a job"));
    driver.schedule({ due: () => assert.fail("an item") }, driver.now() + afterMs);
  };
  work(20);
  one[Symbol.dispose]();
  work(10);
});

/** An SCCRQ of somebody, in v3. */
function sccrq(localId: number): Uint8Array {
  const settings = testSettings({ version: 3 });
  const body = emitBody(messageOf(3, "SCCRQ", dialects[3].introduce({ settings, localId })));
  return emitMessage({ version: 3, connectionId: 0, sessionId: 0, ns: 0, nr: 0 }, body);
}

Deno.test("a flood is bounded, counted, and leaves timers of others their turns", async () => {
  using one = end(1, () => true);
  const data = sccrq(7);
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  const batch = Array.from({ length: 20_000 }, () => ({ ...path, data, local: "10.0.0.1" }));
  one.wire.onControl?.(batch);
  assert.ok(one.driver.overload >= 20_000 - 4096 - 100, `${one.driver.overload}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  clearInterval(ticking);
  assert.ok(turns > 0);
});

Deno.test("proven peers' messages are taken first, and none of them is lost in a flood of strangers'", async () => {
  const [a, b] = pair();
  using _a = a;
  using _b = b;
  const settings = testSettings({ version: 3, retransmitMs: 2_000 });
  const handle = a.driver.act((lcce, now) => lcce.dial(settings, path, now));
  await reached(b, "established");
  const connection = a.driver.act((lcce) => lcce.connection(handle)!);
  const before = b.events.length;
  const strangers = Array.from({ length: 8_000 }, (_, i) => ({
    ...path,
    remote: { address: `172.16.${i >> 8}.${i & 255}`, port: 1701 },
    local: "10.0.0.2",
    data: sccrq(i + 1),
  }));
  const stop = emitBody(
    messageOf(3, "StopCCN", dialects[3].stop(connection.localId, { result: 1 })),
  );
  const header = {
    version: 3,
    connectionId: connection.peerId,
    sessionId: 0,
    ns: 2,
    nr: 1,
  } as const;
  const known = {
    ...path,
    remote: { address: "10.0.0.1", port: 1701 },
    local: "10.0.0.2",
    data: emitMessage(header, stop),
  };
  b.wire.onControl?.([...strangers, known]);
  await reached(b, "closed");
  const later = b.events.slice(before);
  assert.ok(
    later.findIndex((event) => event.type === "connection-state" && event.state === "closed") < 5,
    "ahead of nearly all strangers",
  );
  assert.ok(b.driver.overload > 3_000);
});

Deno.test("what comes by a socket that is closed is nobody's", () => {
  using one = end(1, () => true);
  one.wire.onControl?.([{ ...path, socket: 99 as SocketId, local: "10.0.0.1", data: sccrq(7) }]);
  assert.deepEqual(one.events, []);
});

Deno.test("what comes and goes is traced with its AVPs, hidden ones too, and what becomes of it", async () => {
  const changes = {
    version: 2,
    name: "hq",
    secret: new TextEncoder().encode("golden-secret"),
    hideAvps: "all",
    // A busy machine has nothing repeated.
    retransmitMs: 8000,
  } as const;
  const [a, b] = pair(0, changes);
  using _a = a;
  using _b = b;
  const all = b.tracer.watch(undefined);
  const named = b.tracer.watch("hq");
  const nobody = b.tracer.watch("nobody");
  assert.equal(a.tracer.watched, false);
  const settings = testSettings({ ...changes });
  a.driver.act((lcce, now) => lcce.dial(settings, path, now));
  await Promise.all([reached(a, "established"), reached(b, "established")]);
  b.wire.onControl?.([{
    socket: path.socket,
    data: Uint8Array.fromHex("c802000c0909000000000000"),
    local: "10.0.0.2",
    remote: { address: "10.0.0.9", port: 5 },
  }]);
  for (const trace of [all, named, nobody]) trace[Symbol.dispose]();
  assert.equal(b.tracer.watched, false);
  const seen = await rest(all);
  assert.deepEqual(
    seen.map((one) =>
      one.kind === "message"
        ? [one.direction, one.message?.type, one.tunnel, one.state, one.dropped]
        : one
    ),
    [
      ["received", "SCCRQ", "tunnel1", "wait-ctl-conn", undefined],
      ["sent", "SCCRP", "tunnel1", "wait-ctl-conn", undefined],
      ["received", "SCCCN", "tunnel1", "established", undefined],
      ["sent", "ZLB", "tunnel1", "established", undefined],
      ["received", "ZLB", undefined, undefined, "unknown-connection"],
    ],
  );
  const [, answer] = seen as [Traced, Traced];
  assert.ok(answer.kind === "message" && answer.message);
  const hidden = answer.message.avps.filter(({ hidden }) => hidden);
  assert.ok(hidden.length > 0, "no AVP is hidden");
  for (const avp of hidden) assert.equal(avp.problem, undefined, avp.name);
  assert.ok(hidden.some(({ name, value }) => name === "assignedTunnelId" && Number(value) > 0));
  assert.ok(hidden.some(({ name, secret }) => name === "challengeResponse" && secret));
  assert.equal((await rest(named)).length, 4);
  assert.equal((await rest(nobody)).length, 0);
});

Deno.test("who looks and does not keep up is told how many messages were lost", async () => {
  const tracer = new Tracer({
    whose: () => undefined,
    tunnelOf: () => undefined,
    drops: () => new Map(),
    wallClock: () => 0,
    clock: systemClock,
    log: { particular: false, debugs: () => false, debug() {} },
  });
  const trace = tracer.watch(undefined);
  for (let i = 0; i < 5000; i++) tracer.sent(new Uint8Array(12), path);
  // What comes while the loss is not told yet is lost as well: it would stand before its time.
  assert.equal((await trace.next())?.kind, "message");
  tracer.sent(new Uint8Array(12), path);
  for (let i = 1; i < 2048; i++) assert.equal((await trace.next())?.kind, "message");
  assert.deepEqual(await trace.next(), { kind: "lost", count: 5001 - 2048 });
  tracer.sent(new Uint8Array(12), path);
  assert.equal((await trace.next())?.kind, "message");
  // Few, and large.
  for (let i = 0; i < 40; i++) tracer.sent(new Uint8Array(65_535), path);
  let kept = 0;
  for (let one = await trace.next(); one?.kind === "message"; one = await trace.next()) kept++;
  assert.equal(kept, 32);
  trace[Symbol.dispose]();
  assert.equal(await trace.next(), undefined);
});

async function rest(trace: { next(): Promise<Traced | undefined> }): Promise<Traced[]> {
  const all: Traced[] = [];
  for (let one = await trace.next(); one; one = await trace.next()) all.push(one);
  return all;
}
