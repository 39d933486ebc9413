import assert from "node:assert/strict";
import type { Attachment, CallEnd, Plugin, Refusal, Session } from "../plugin.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import type { PortId } from "../host/leaves.ts";
import { settle, type World } from "../testing/world.ts";
import { testPlugin } from "../testing/contract.ts";
import type { Answer, Asked } from "../ppp/aaa/authenticator.ts";
import type { CallFacts } from "../ppp/aaa/call.ts";
import { emitPapRequest } from "../ppp/link/pap.ts";
import { makeLink } from "../ppp/link/link.ts";
import { seededOctets } from "../ppp/link/testing.ts";
import { emitFrame as emitPpp, emitPacket, Protocol } from "../ppp/link/wire.ts";
import { type Client, Concentrator, type ConcentratorRules } from "./discovery/concentrator.ts";
import { SessionCounts } from "./discovery/limits.ts";
import { type DialedSession, Dialer } from "./discovery/dialer.ts";
import { Code, parseFrame } from "./discovery/frame.ts";
import { parseTags } from "./discovery/tags.ts";
// Loaded by now: virtual time does not wait for files.
import "./access.ts";
import "./lac.ts";
import { pppoe } from "./mod.ts";
import { parseVlan, parseVlans, pppoeSection } from "./options.ts";
import { answerOf } from "./replay.ts";

/** What subscribers were asked for, and what is answered. */
const aaa = {
  asked: [] as { asked: Asked; call: CallFacts }[],
  accounts: [] as string[],
  answer: { kind: "accept", grant: { user: "somebody" } } as Answer,
  /** Answers later. */
  pending: undefined as (() => Promise<Answer>) | undefined,
};

const ppp: Plugin = {
  name: "ppp",
  summary: "answers what the test says",
  pseudowireTypes: [],
  start: () => ({
    shared: {
      check(asked: Asked, call: CallFacts) {
        aaa.asked.push({ asked, call });
        return aaa.pending?.() ?? Promise.resolve(aaa.answer);
      },
      account: ({ call }: { call: CallFacts }) => {
        aaa.accounts.push(`start ${call.tunnel?.assignmentId}`);
        return { changed() {}, stop: (cause: string) => void aaa.accounts.push(`stop ${cause}`) };
      },
    },
  }),
};

testPlugin({
  plugin: pppoe,
  options: { interface: "eth1", retry: 60, attempts: 20 },
  others: [ppp],
  section: pppoeSection.parse({}),
  changedSection: pppoeSection.parse({
    access: { street: { interface: "eth2", lac: { servers: [{ peer: "lns" }] } } },
  }),
  words: { "drop-pppoe": { mac: "02:00:00:00:00:07" } },
});

/** A circuit that keeps its sessions, or refuses them. */
function keeper() {
  const sessions: { session: Session; ended: CallEnd | undefined }[] = [];
  const state: { refuse?: CallEnd } = {};
  const plugin: Plugin = {
    name: "home",
    summary: "keeps sessions",
    pseudowireTypes: [7],
    start: () => ({
      provision: () => ({
        attach(session, life): Attachment | Refusal {
          if (state.refuse) return { refuse: state.refuse };
          const one = { session, ended: undefined as CallEnd | undefined };
          sessions.push(one);
          life.defer((why) => void (one.ended = why));
          return {};
        },
      }),
    }),
  };
  return { plugin, sessions, state };
}

async function bench(access: object, more: object = {}) {
  const { plugin, sessions, state } = keeper();
  const section = pppoeSection.parse({
    access: { street: { interface: "eth1", ...access } },
    ...more,
  });
  const { host, world } = await startPlugins([ppp, plugin, pppoe], { pppoe: section });
  const circuit = host.circuit("home", "circuit home", {});
  await circuit.first;
  world.circuits.set("home", circuit);
  world.placed = () => {}; // LNSes answer when the test says so
  await settle();
  const wire = () => [...world.ports].find(([, { tap }]) => tap?.options.name === "eth1")?.[0];
  const sessionPort = () => [...world.ports].find(([, { kind }]) => kind === "pppoe")?.[0];
  const told: (DialedSession | string)[] = [];
  const dialer = new Dialer(
    "02:00:00:00:00:07",
    {
      vlans: [],
      serviceName: "",
      retryMs: 1000,
      attempts: 3,
    },
    seededOctets(3),
    {
      send: (frame) => void out.push(frame),
      up: (session) => void told.push(session),
      ended: () => void told.push("ended"),
      failed: (reason) => void told.push(reason),
    },
  );
  const out: Uint8Array[] = [];
  let taken = 0;
  /** Lets discovery go to and fro. */
  const talk = async () => {
    for (let quiet = 0; quiet < 2;) {
      await settle();
      const leaves = out.splice(0);
      if (leaves.length > 0) world.deliver(wire()!, ...leaves);
      await settle();
      const sent = world.ports.get(wire()!)?.sent ?? [];
      const came = sent.slice(taken);
      taken = sent.length;
      for (const frame of came) dialer.input(frame, world.now);
      quiet = leaves.length + came.length === 0 ? quiet + 1 : 0;
    }
  };
  const dial = async () => {
    dialer.start(world.now);
    await talk();
  };
  const lastSent = () => {
    const frame = parseFrame(world.ports.get(wire()!)!.sent.at(-1)!);
    assert.ok(typeof frame === "object");
    return { ...frame, tags: parseTags(frame.payload)! };
  };
  return { dial, dialer, host, lastSent, sessionPort, sessions, state, talk, told, wire, world };
}

Deno.test("a session is handed to its circuit, and PADS leaves when that has it", async () => {
  const { dial, host, sessionPort, sessions, talk, told, dialer, world } = await bench({
    terminate: "home",
  });
  await dial();
  const [session] = told as DialedSession[];
  assert.ok(session?.sessionId);
  assert.equal(sessions.length, 1);
  const { said, port, name, pseudowireType } = sessions[0]!.session;
  assert.deepEqual([said.callingNumber, pseudowireType], ["02:00:00:00:00:07", 7]);
  assert.match(name, /^pppoe\/street\/02:00:00:00:00:07\/\d+$/);
  assert.equal(port.frameMtu, 1496);
  assert.ok(sessionPort());
  const rows = [];
  for await (const row of host.show("pppoe")) rows.push(row);
  assert.deepEqual(rows, [{
    access: "street",
    interface: "eth1",
    mac: "02:00:00:00:00:07",
    vlans: "-",
    id: session.sessionId,
    service: "",
    user: null,
    to: "home",
  }]);
  dialer.end();
  await talk();
  assert.match(sessions[0]!.ended!.message!, /PADT/);
  assert.deepEqual(sessions[0]!.ended!.ppp, { code: 3, protocol: 0, direction: 1 });
  assert.equal(sessionPort(), undefined);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a circuit that refuses is told to the client by a PADS of id 0, and one that ends by PADT", async () => {
  const { dial, dialer, host, sessionPort, sessions, state, talk, told, world } = await bench({
    terminate: "home",
  });
  state.refuse = { result: 4, message: "no addresses left" };
  await dial();
  assert.deepEqual(told, ["isthmus refuses: no addresses left"]);
  assert.equal(sessionPort(), undefined);
  delete state.refuse;
  await dial();
  assert.equal(told.length, 2);
  sessions[0]!.session.end({ result: 3, message: "kicked" });
  await talk();
  assert.equal(told.at(-1), "ended");
  assert.equal(dialer.deadline, undefined);
  assert.equal(sessionPort(), undefined);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("an interface that vanishes takes its sessions with it, and is served again when it is back", async () => {
  const { dial, host, sessions, told, wire, world } = await bench({ terminate: "home" });
  await dial();
  world.ports.get(wire()!)!.tap!.vanish();
  await settle();
  assert.ok(sessions[0]!.ended);
  await world.advance(2000);
  assert.ok(wire());
  assert.equal(told.length, 1);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

/** A PPP client behind the session. */
function client(scene: Awaited<ReturnType<typeof bench>>, user = "bob@isp", seed = 5) {
  const out: Uint8Array[] = [];
  let taken = (scene.world.ports.get(scene.sessionPort()!)?.sent ?? []).length;
  const heard: Uint8Array[] = [];
  const link = makeLink(
    {
      lcp: { mru: 1492, authenticate: [], answer: ["pap"] },
      name: "",
      credentials: { name: user, secret: "pass" },
      echo: { intervalMs: 0, failures: 3 },
    },
    { random: seededOctets(seed), send: (frame) => void out.push(frame) },
    {
      asked() {},
      authenticated() {},
      restarted() {},
      unanswered() {},
      data() {},
      ended() {},
      ignored() {},
    },
  );
  const talk = async () => {
    for (let quiet = 0; quiet < 3;) {
      await settle();
      const port = scene.sessionPort();
      const leaves = out.splice(0);
      if (port !== undefined && leaves.length > 0) scene.world.deliver(port, ...leaves);
      await settle();
      const sent = (port !== undefined && scene.world.ports.get(port)?.sent) || [];
      const came = sent.slice(taken);
      taken = sent.length;
      heard.push(...came);
      for (const frame of came) link.input(frame, scene.world.now);
      quiet = leaves.length + came.length === 0 ? quiet + 1 : 0;
    }
  };
  const open = async () => {
    link.open(scene.world.now);
    await talk();
  };
  return { heard, open };
}

const servers = [{ peer: "one", preference: 1 }, { peer: "two", preference: 2 }];
const octets = (text: string) => new TextEncoder().encode(text);

Deno.test("the LAC hears who the client is, calls its LNS, tells what was said, and joins the two", async () => {
  const scene = await bench({ lac: { servers, authenticate: ["pap"] } });
  const { dial, host, sessionPort, talk, told, world } = scene;
  await dial();
  const subscriber = client(scene);
  await subscriber.open();
  const [call] = world.calls;
  assert.ok(call, "an LNS is called");
  assert.deepEqual([call.target, call.request], [{ peer: "one" }, "ICRQ"]);
  assert.equal(call.say.callingNumber, "02:00:00:00:00:07");
  const late = emitPpp(Protocol.Lcp, emitPacket({ code: 9, id: 7, data: new Uint8Array(4) }));
  world.deliver(sessionPort()!, late);
  call.agree();
  await settle();
  const { proxyAuth, proxyLcp, txConnectSpeed } = call.proceeded!;
  assert.deepEqual([proxyAuth!.type, proxyAuth!.name, proxyAuth!.response], [
    3,
    octets("bob@isp"),
    octets("pass"),
  ]);
  assert.ok(proxyLcp!.initialReceived && proxyLcp!.lastSent && proxyLcp!.lastReceived);
  assert.ok(txConnectSpeed);
  const port = world.ports.get(sessionPort()!)!;
  assert.equal(port.joined, call.port);
  const toLns = world.ports.get(call.port!)!.sent;
  const pap = emitPacket({
    code: 1,
    id: proxyAuth!.id!,
    data: emitPapRequest({ name: octets("bob@isp"), password: octets("pass") }),
  });
  // Its password once more, then what it said meanwhile.
  assert.deepEqual(toLns, [emitPpp(Protocol.Pap, pap), late]);
  call.end({ result: 1, message: "the LNS hung up" });
  await talk();
  assert.equal(told.at(-1), "ended");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("an LNS that refuses is followed by the next, and passed over from then on", async () => {
  const scene = await bench({
    lac: { servers, authenticate: ["pap"], realms: { other: [{ peer: "three" }] } },
  });
  const { dial, dialer, host, talk, world } = scene;
  world.placed = (call) =>
    "peer" in call.target && call.target.peer === "one" ? call.refuse({ result: 4 }) : call.agree();
  const peers = () => world.calls.map(({ target }) => (target as { peer: string }).peer);
  for (let i = 0; i < 2; i++) {
    await dial();
    await client(scene).open();
    dialer.end();
    await talk();
  }
  assert.deepEqual(peers(), ["one", "two", "two"]);
  await world.advance(61_000);
  await dial();
  await client(scene).open();
  dialer.end();
  await talk();
  assert.deepEqual(peers().slice(3), ["one", "two"]);
  await dial();
  await client(scene, "eve@other").open();
  assert.deepEqual(peers().slice(5), ["three"]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("an LNS whose tunnel is lost under a subscriber is passed over when that comes back; one that hangs up is not", async () => {
  for (const lost of [true, false]) {
    const scene = await bench({ lac: { servers, authenticate: ["pap"] } });
    const { dial, host, talk, world } = scene;
    const peers = () => world.calls.map(({ target }) => (target as { peer: string }).peer);
    world.placed = (call) => call.agree();
    await dial();
    await client(scene).open();
    world.calls[0]!.end({ result: 1, message: "its tunnel ended" }, lost);
    await talk();
    await dial();
    await client(scene).open();
    assert.deepEqual(peers(), ["one", lost ? "two" : "one"]);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});

Deno.test("an LNS to which there is no tunnel is passed over, whatever refusals are to do that", async () => {
  for (const noTunnel of [true, false]) {
    const scene = await bench({ lac: { servers, authenticate: ["pap"], "deny-results": [] } });
    const { dial, dialer, host, talk, world } = scene;
    const peers = () => world.calls.map(({ target }) => (target as { peer: string }).peer);
    world.placed = (call) =>
      (call.target as { peer: string }).peer === "one"
        ? call.refuse({ result: 4 }, noTunnel)
        : call.agree();
    for (let i = 0; i < 2; i++) {
      await dial();
      await client(scene).open();
      dialer.end();
      await talk();
    }
    assert.deepEqual(peers(), noTunnel ? ["one", "two", "two"] : ["one", "two", "one", "two"]);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});

Deno.test("where no LNS takes the call the client gets a PADT; attempts are bounded", async () => {
  const many = [..."abcdefg"].map((peer) => ({ peer }));
  const scene = await bench({ lac: { servers: many, authenticate: ["pap"], attempts: 3 } });
  const { dial, host, told, talk, world } = scene;
  world.placed = (call) => call.refuse({ result: 10 });
  await dial();
  await client(scene).open();
  await talk();
  assert.equal(world.calls.length, 3);
  assert.equal(told.at(-1), "ended");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("while as many sessions are on their way up as may be, another one gets no offer", async () => {
  const scene = await bench({ lac: { servers, authenticate: ["pap"] } }, { "max-starting": 1 });
  const { dial, host, told, world, talk } = scene;
  await dial();
  await client(scene).open();
  const another = new Dialer(
    "02:00:00:00:00:08",
    {
      vlans: [],
      serviceName: "",
      retryMs: 1000,
      attempts: 3,
    },
    seededOctets(4),
    { send: (frame) => world.deliver(scene.wire()!, frame), up() {}, ended() {}, failed() {} },
  );
  const offers = () => world.ports.get(scene.wire()!)!.sent.length;
  const before = offers();
  another.start(world.now);
  await settle();
  assert.equal(offers(), before);
  world.calls[0]!.agree();
  await settle();
  another.timeout(world.now + 1000);
  await settle();
  assert.equal(offers(), before + 1);
  assert.equal(told.length, 1);
  await talk();
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a client that is gone before its LNS answers ends the call, for its own reason", async () => {
  const scene = await bench({ lac: { servers, authenticate: ["pap"] } });
  const { dial, dialer, host, talk, world } = scene;
  await dial();
  await client(scene).open();
  const [call] = world.calls;
  assert.equal(call!.proceeded, undefined);
  dialer.end();
  await talk();
  assert.ok(call!.ended);
  assert.equal(call!.proceeded, undefined, "no ICCN");
  assert.equal(world.calls.length, 1, "and no other LNS is called");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("an authenticator is asked for who it is, and its LNSes come before the file's; the account tells the tunnel", async () => {
  const scene = await bench({ lac: { servers, authenticate: ["pap"], ask: true } });
  const { dial, dialer, host, talk, told, world } = scene;
  aaa.asked.length = aaa.accounts.length = 0;
  aaa.answer = { kind: "reject", reason: "no such user", message: "go away" };
  await dial();
  const subscriber = client(scene);
  await subscriber.open();
  const toClient = subscriber.heard.map((frame) => frame.toHex());
  const nak = /^ff03c02303..000c07/; // a PAP Nak with the message
  assert.ok(toClient.some((frame) => nak.test(frame)), toClient.join());
  await world.advance(2000);
  await talk();
  assert.deepEqual([world.calls.length, told.at(-1)], [0, "ended"]);
  const tunnel = {
    tag: 1,
    type: 3,
    server: "10.9.9.9",
    password: octets("tunnel-secret"),
    assignmentId: "gold",
    clientAuthId: "lac7",
    serverAuthId: "lns7",
  };
  aaa.answer = { kind: "accept", grant: { user: "bob@isp", tunnels: [tunnel] } };
  world.placed = (call) => call.agree();
  await dial();
  await client(scene).open();
  const { asked, call } = aaa.asked.at(-1)!;
  assert.equal(asked.kind, "pap");
  assert.deepEqual([call.mac, call.portType, call.vlans], ["02:00:00:00:00:07", 32, []]);
  assert.deepEqual(world.calls[0]!.target, {
    server: "10.9.9.9",
    version: 2,
    share: "gold\0" + "10.9.9.9\0lac7",
    secret: "tunnel-secret",
    hostName: "lac7",
    peerHostName: "lns7",
  });
  assert.deepEqual(aaa.accounts, ["start gold"]);
  dialer.end();
  await talk();
  assert.deepEqual(aaa.accounts, ["start gold", "stop user-request"]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a client that begins LCP anew while it is asked for is asked for again, and only the last answer counts", async () => {
  const scene = await bench({ lac: { servers, authenticate: ["pap"], ask: true } });
  const { dial, host, world } = scene;
  const answers: ((answer: Answer) => void)[] = [];
  aaa.pending = () => new Promise((resolve) => answers.push(resolve));
  await dial();
  await client(scene, "first").open();
  await client(scene, "second", 6).open();
  aaa.pending = undefined;
  assert.equal(answers.length, 2);
  for (const [i, user] of ["first", "second"].entries()) {
    answers[i]!({ kind: "accept", grant: { user } });
    await settle();
  }
  assert.equal(world.calls.length, 1);
  world.calls[0]!.agree();
  await settle();
  const { proxyAuth } = world.calls[0]!.proceeded!;
  assert.deepEqual(proxyAuth!.name, octets("second"));
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

/** An access concentrator behind `eth0` of the world. */
function concentratorAt(world: World) {
  const wire = () => [...world.ports].find(([, { tap }]) => tap?.options.name === "eth0")?.[0];
  const out: Uint8Array[] = [];
  const ended: string[] = [];
  const begun: Client[] = [];
  const at = { name: "far", mac: "02:00:00:00:00:aa", mtu: 1500 };
  const rules: ConcentratorRules = {
    acName: "far",
    services: { names: [], blank: true, any: false },
    macs: { allow: [], deny: [] },
    limits: {},
    delays: [],
    askingPerMac: 100,
    asking: 100,
    idRestMs: 0,
  };
  const ac = new Concentrator(at, rules, new SessionCounts(), seededOctets(9), {
    send: (frame) => void out.push(frame),
    begun: (client) => (begun.push(client), ac.confirm(client)),
    ended: ({ mac }) => void ended.push(mac),
    count() {},
    busy: () => false,
  });
  let taken = 0;
  const talk = async () => {
    for (let quiet = 0; quiet < 3;) {
      await settle();
      const sent = world.ports.get(wire() ?? -1 as PortId)?.sent ?? [];
      const came = sent.slice(taken);
      taken = sent.length;
      for (const frame of came) ac.input(frame, world.now);
      const leaves = out.splice(0);
      if (leaves.length > 0 && wire() !== undefined) world.deliver(wire()!, ...leaves);
      quiet = came.length + leaves.length === 0 ? quiet + 1 : 0;
    }
  };
  return { ac, begun, ended, forget: () => void (taken = 0), talk };
}

Deno.test("a client's session is handed to its circuit, dialed again when it ends, and ended by PADT", async () => {
  const { plugin, sessions } = keeper();
  const clients = { wan: { interface: "eth0", circuit: "home" } };
  const { host, world } = await startPlugins([ppp, plugin, pppoe], {
    pppoe: pppoeSection.parse({ clients }),
  });
  const circuit = host.circuit("home", "circuit home", {});
  await circuit.first;
  world.circuits.set("home", circuit);
  const { ac, begun, ended, forget, talk } = concentratorAt(world);
  await talk();
  assert.deepEqual([begun.length, sessions.length], [1, 1]);
  assert.equal(sessions[0]!.session.port.frameMtu, 1496);
  const shown = async () =>
    (await Array.fromAsync(host.show("pppoe-client"))).map((row) => [row["client"], row["id"]]);
  assert.deepEqual(await shown(), [["wan", begun[0]!.sessionId]]);
  ac.end(begun[0]!, world.now);
  await talk();
  assert.ok(sessions[0]!.ended);
  assert.deepEqual(await shown(), []);
  forget();
  await world.advance(1500);
  await talk();
  assert.deepEqual([begun.length, sessions.length], [2, 2]);
  const port = [...world.ports.values()].find(({ tap }) => tap?.options.name === "eth0")!;
  await host.end(WHY);
  const farewell = parseFrame(port.sent.at(-1)!);
  assert.ok(typeof farewell === "object");
  assert.deepEqual([farewell.code, farewell.sessionId], [Code.Padt, begun[1]!.sessionId]);
  assert.deepEqual([world.leftovers(), ended], [[], []]);
});

Deno.test("an L2TP session at the circuit pppoe goes on over a PPPoE session of its own", async () => {
  const { host, world } = await startPlugins([ppp, pppoe], { pppoe: pppoeSection.parse({}) });
  const options = { interface: "eth0", retry: 1, attempts: 2 };
  const circuit = host.circuit("pppoe", "circuit out", options);
  await circuit.first;
  const { begun, talk } = concentratorAt(world);
  const session = makeSession(world, host, { pseudowireType: 7, request: "ICRQ" });
  await session.attach(circuit);
  const early = Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4);
  session.receive(early);
  await talk();
  assert.equal(begun.length, 1);
  const [id, port] = [...world.ports].find(([, { kind }]) => kind === "pppoe")!;
  assert.equal(world.ports.get(session.id)!.joined, id);
  assert.deepEqual(port.sent, [early], "what came meanwhile was held");
  await session.end();
  await talk();
  const another = makeSession(world, host, { pseudowireType: 7, request: "ICRQ", name: "a/b" });
  await another.attach(circuit);
  await world.advance(10_000);
  assert.deepEqual([another.ended?.result, another.ended?.message], [
    7,
    "no access concentrator offers what is asked for",
  ]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("by its line alone: nothing is negotiated here, and what the client says is kept for the LNS", async () => {
  const scene = await bench({ lac: { servers, "user-name": "{mac}@line", "called-number": "" } });
  const { dial, host, sessionPort, world } = scene;
  await dial();
  await settle();
  const [call] = world.calls;
  assert.ok(call);
  assert.equal(call.say.calledNumber, undefined);
  const first = emitPpp(Protocol.Lcp, emitPacket({ code: 1, id: 1, data: new Uint8Array() }));
  world.deliver(sessionPort()!, first);
  call.agree();
  await settle();
  assert.deepEqual([call.proceeded!.proxyLcp, call.proceeded!.proxyAuth], [undefined, undefined]);
  assert.deepEqual(world.ports.get(call.port!)!.sent, [first]);
  assert.deepEqual(world.ports.get(sessionPort()!)!.sent, [], "not a word to the client");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a reload changes what can be changed under sessions, and ends those of what is another thing", async () => {
  const { dial, host, lastSent, sessions, talk, told, wire, world, dialer } = await bench({
    terminate: "home",
  });
  await dial();
  const next = (more: object) =>
    pppoeSection.parse({ access: { street: { interface: "eth1", terminate: "home", ...more } } });
  assert.equal(await host.reconfigure("pppoe", next({ "ac-name": "another" })), "changed");
  assert.equal(sessions[0]!.ended, undefined);
  assert.equal(told.length, 1);
  dialer.end();
  await talk();
  await dial();
  assert.equal((told.at(-1) as DialedSession).acName, "another");
  const before = wire();
  assert.equal(await host.reconfigure("pppoe", next({ vlans: ["7"] })), "changed");
  await settle();
  assert.ok(sessions[1]!.ended);
  assert.notEqual(wire(), before);
  assert.equal(lastSent.length, 0);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("the section knows VLANs, and that each interface needs either a circuit or an LNS", () => {
  assert.deepEqual(parseVlans("untagged"), {});
  assert.deepEqual(parseVlans("7"), { outer: [7, 7] });
  assert.deepEqual(parseVlans("100-199.1-4094"), { outer: [100, 199], inner: [1, 4094] });
  for (const wrong of ["", "0", "4095", "9-7", "1.2.3", "1-", "a", "1.", ".1", "7 "]) {
    assert.equal(parseVlans(wrong), undefined, wrong);
  }
  assert.deepEqual(parseVlan("100.7"), [{ tpid: 0x88a8, vid: 100 }, { tpid: 0x8100, vid: 7 }]);
  assert.deepEqual([parseVlan("7"), parseVlan("7-8"), parseVlan("untagged")], [
    [{ tpid: 0x8100, vid: 7 }],
    undefined,
    undefined,
  ]);
  const wrong = (access: object) =>
    pppoeSection.safeParse({ access: { a: { interface: "eth1", ...access } } }).error?.issues[0]
      ?.message;
  assert.match(wrong({})!, /either `terminate` or `lac`/);
  assert.match(wrong({ terminate: "x", lac: { servers } })!, /either/);
  assert.match(wrong({ lac: {} })!, /names no LNS/);
  assert.equal(wrong({ lac: { ask: true } }), undefined);
  assert.match(wrong({ lac: { servers, "calling-number": "{x}" } })!, /stands for nothing/);
  assert.match(wrong({ terminate: "x", vlans: ["0"] })!, /must be `untagged`/);
});

Deno.test("what a client said of itself is said once more as it was", () => {
  const chap = answerOf({
    type: 2,
    name: octets("bob"),
    id: 9,
    challenge: Uint8Array.of(1),
    response: Uint8Array.of(7, 8),
  })!;
  assert.equal(chap.toHex(), "ff03c2230209000a020708626f62");
  assert.equal(answerOf({ type: 4, name: octets("bob") }), undefined);
  assert.equal(Code.Padt, 0xa7);
});
