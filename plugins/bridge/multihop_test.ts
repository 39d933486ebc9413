import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Plugin } from "../plugin.ts";
import type { Asked, CallFacts } from "../ppp/aaa/authenticator.ts";
import { isRefusal } from "../session.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession, type TestSessionOptions } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import { outgoing, passable, realmOf, ruleFor } from "./avps.ts";
import { bridge } from "./mod.ts";
import { type BridgeOptions, bridgeOptions } from "./options.ts";

const { Ppp } = PseudowireType;
const BUSY = { result: 8, message: "busy", q931: { code: 17, message: 3, advisory: "" } };
const bytes = (text: string) => new TextEncoder().encode(text);
const to = { peer: "lns" };

/** A multihop with a call on its way in. */
async function bench(options: BridgeOptions, session: Partial<TestSessionOptions> = {}) {
  const { host, world } = await startPlugins([bridge]);
  const circuit = host.circuit("bridge", "circuit hop", options);
  await circuit.first;
  const near = makeSession(world, host, {
    pseudowireType: Ppp,
    request: "ICRQ",
    said: { calledNumber: "77", callSerialNumber: 5 },
    ...session,
  });
  return { circuit, host, near, world };
}

Deno.test("ICRP waits for the far one; what the peers say passes; frames behind ICCN are not lost", async () => {
  const { circuit: hop, host, near, world } = await bench({ rules: [{ to }] });
  world.placed = (call) => call.agree({ physicalChannelId: 9 });
  const { attachment } = await near.attach(hop);
  const [far] = world.calls;
  assert.deepEqual([far!.target, far!.say], [to, { calledNumber: "77" }]);
  assert.deepEqual(attachment.say, { physicalChannelId: 9 });
  const proceeded = () => far!.proceeded;
  assert.equal(proceeded(), undefined);
  near.receive(Uint8Array.of(1));
  world.deliver(far!.port!, Uint8Array.of(9));
  await near.connect({
    txConnectSpeed: 1n,
    others: [{ vendorId: 0, type: 99, mandatory: false, value: bytes("x") }],
  });
  await settle();
  assert.deepEqual(proceeded()?.txConnectSpeed, 1n);
  assert.equal(proceeded()?.others?.length, 1);
  near.receive(Uint8Array.of(2));
  const out = world.ports.get(far!.port!)!.sent;
  assert.deepEqual(out.map(([n]) => n), [1, 2]);
  assert.deepEqual(near.sent.map(([n]) => n), [9]);
  near.hear("SLI", { accm: { send: 1, receive: 2 } });
  far!.hear("WEN", { callErrors: { crcErrors: 1 } as never });
  assert.deepEqual([far!.told.length, near.told.length], [1, 1]);
  const circuit = (active: boolean) => ({ circuitStatus: { active, new: false } });
  near.hear("SLI", circuit(false));
  far!.hear("SLI", circuit(false));
  assert.deepEqual([far!.carriers, near.carriers], [[false], [false]], "each leg tells the other");
  await world.advance(1000);
  near.hear("SLI", circuit(true));
  far!.hear("SLI", circuit(true));
  assert.deepEqual([far!.carriers, near.carriers], [[false, true], [false, true]]);
  assert.deepEqual([far!.told.length, near.told.length], [1, 1]);
  assert.match(String(attachment.show!()["far"]), /^far\/call-/);
  await near.end(BUSY);
  assert.deepEqual(far!.ended, BUSY);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a refusal and an end of the far leg are the near one's, cause and all", async () => {
  for (const agrees of [false, true]) {
    const { circuit, host, near, world } = await bench({ rules: [{ to }] });
    world.placed = (call) => agrees ? call.agree() : call.refuse(BUSY);
    const answer = await circuit.attach(near.facts, {}, (why) => near.ended = why);
    if (agrees) {
      world.calls[0]!.end(BUSY);
      await settle();
      assert.deepEqual(near.ended, BUSY);
    } else assert.deepEqual(isRefusal(answer) && answer.refuse, BUSY);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});

Deno.test("by the realm of ICCN a call is placed on after ICRP left, with all that was said", async () => {
  const { circuit, host, near, world } = await bench({
    rules: [{ realm: "example.net", to: { tunnel: "one" } }, { realm: "", to: { tunnel: "two" } }],
  });
  const { attachment } = await near.attach(circuit);
  assert.deepEqual([world.calls.length, attachment.say], [0, undefined]);
  near.receive(Uint8Array.of(1));
  const proxyAuth = { type: 2, name: bytes("bob@Example.NET") };
  await near.connect({ proxyAuth });
  await settle();
  const [far] = world.calls;
  assert.deepEqual(far!.target, { tunnel: "one" });
  assert.deepEqual(far!.proceeded?.proxyAuth, proxyAuth);
  assert.deepEqual(world.ports.get(far!.port!)!.sent.map(([n]) => n), [1]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);

  const other = await bench({ rules: [{ realm: "example.net", to }] });
  await other.near.attach(other.circuit);
  await other.near.connect({});
  await settle();
  assert.equal(other.near.ended?.result, 6);
  await other.host.end(WHY);
});

Deno.test("an outgoing call is answered when the far LAC has it, and frames behind its OCCN follow", async () => {
  const { circuit, host, near, world } = await bench({ rules: [{ to }] }, { request: "OCRQ" });
  const { attachment } = await near.attach(circuit);
  const [far] = world.calls;
  assert.equal(far!.request, "OCRQ");
  let answered: unknown;
  attachment.answered!.then((said) => answered = said);
  world.deliver(far!.port!, Uint8Array.of(7));
  await settle();
  assert.equal(answered, undefined);
  far!.hear("OCCN", { txConnectSpeed: 5n });
  await settle();
  assert.deepEqual(answered, { txConnectSpeed: 5n });
  assert.deepEqual(near.sent.map(([n]) => n), [7]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("targets are tried in their order, and a call does not go back or round", async () => {
  const { circuit, host, near, world } = await bench({
    rules: [{ to: [{ peer: "one" }, { peer: "two" }] }],
    "hop-count": { "vendor-id": 99, type: 1, limit: 2 },
  });
  world.placed = (call) =>
    "peer" in call.target && call.target.peer === "one" ? call.refuse(BUSY) : call.agree();
  await near.attach(circuit);
  assert.equal(world.calls.length, 2);
  const [hop] = world.calls[1]!.say.others!;
  assert.deepEqual(hop, { vendorId: 99, type: 1, mandatory: false, value: Uint8Array.of(0, 1) });
  const tired = makeSession(world, host, {
    name: "t/2",
    pseudowireType: Ppp,
    request: "ICRQ",
    said: { others: [{ ...hop!, value: Uint8Array.of(0, 2) }] },
  });
  const refused = await circuit.attach(tired.facts, {}, () => {});
  assert.equal(isRefusal(refused) && refused.refuse.result, 4);
  assert.equal(world.calls.length, 2, "nobody is called any more");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("whatever of a hop is refused, the near call ends and nothing is left", async () => {
  for (let operations = 0;; operations++) {
    const { circuit, host, near, world } = await bench({ rules: [{ to }] });
    world.refuseAfter(operations);
    await near.attach(circuit).then(() => near.connect({}), () => {});
    await settle();
    const { refused } = world;
    if (refused) assert.ok(!near.answer || isRefusal(near.answer) || near.ended, `${operations}`);
    world.refuseAfter(Infinity);
    await near.end();
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), [], `after refusal ${operations}`);
    if (!refused) break;
  }
});

Deno.test("rules match what is known of a call, the first that fits", () => {
  const session = {
    tunnel: {
      name: "lac-7",
      version: 2 as const,
      peer: "10.0.0.1",
      local: "10.77.0.1",
      hostName: "LAC",
      localHostName: "us",
      peerName: "lac",
    },
  };
  const of = (rule: object, said: object) =>
    ruleFor(bridgeOptions.parse({ rules: [{ ...rule, to }] }).rules!, session, said) !== undefined;
  assert.ok(of({ "called-number": "7*" }, { calledNumber: "77" }));
  assert.ok(!of({ "called-number": "7*" }, { calledNumber: "87" }));
  assert.ok(of({ "called-number": "7*" }, { remoteEndId: bytes("77") }));
  assert.ok(of({ peer: "lac", "host-name": "L?C" }, {}));
  assert.ok(!of({ peer: "lac", "host-name": "lac" }, {}));
  assert.ok(!of({ realm: "*" }, {}));
  assert.equal(realmOf({ proxyAuth: { type: 3, name: bytes("bob") } }), "");
  assert.equal(realmOf({ proxyAuth: { type: 3, name: Uint8Array.of(0xff) } }), undefined);
});

Deno.test("AVPs pass, are rewritten and left out by rule; what a receiver would have to know never passes", () => {
  const stranger = { vendorId: 0, type: 99, mandatory: false, value: bytes("x") };
  const said = {
    calledNumber: "77",
    callingNumber: "12",
    callSerialNumber: 3,
    proxyAuth: { type: 4 },
    others: [stranger, { ...stranger, type: 98, mandatory: true }],
  };
  const [rule] = bridgeOptions.parse({ rules: [{ to }] }).rules!;
  assert.deepEqual(outgoing(said, rule!), {
    calledNumber: "77",
    callingNumber: "12",
    proxyAuth: { type: 4 },
    others: [stranger],
  });
  const [other] = bridgeOptions.parse({
    rules: [{
      to,
      set: {
        "called-number": "5",
        "private-group-id": "g",
        avps: [{ "vendor-id": 7, type: 1, value: "0aff" }],
      },
      remove: ["unknown-avps", "proxy-auth"],
    }],
  }).rules!;
  assert.deepEqual(outgoing(said, other!), {
    calledNumber: "5",
    remoteEndId: bytes("5"),
    callingNumber: "12",
    privateGroupId: bytes("g"),
    others: [{ vendorId: 7, type: 1, mandatory: false, value: Uint8Array.of(10, 255) }],
  });
  assert.deepEqual(passable({ remoteEndId: bytes("hq") }), {
    remoteEndId: bytes("hq"),
    calledNumber: "hq",
  });
});

Deno.test("a call does not go back to its caller, nor to ourselves", async () => {
  for (const hostName of ["us", "peer"]) {
    const { circuit, host, near, world } = await bench({
      rules: [{ to: [to, { peer: "other" }] }],
    });
    const { tunnel } = near.facts;
    world.placed = (call) => {
      const first = world.calls.length === 1;
      call.agree({}, first ? hostName : "far");
    };
    Object.assign(tunnel!, { peer: "10.77.0.9" });
    await near.attach(circuit);
    assert.equal(world.calls.length, 2, `${hostName} is passed over`);
    assert.equal(world.calls[0]!.ended?.result, 4);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});

/** An authenticator that answers what the test says. */
function answering(answer: { kind: string; [key: string]: unknown } | undefined) {
  const asked: { asked: Asked; calledNumber: string | undefined }[] = [];
  const plugin: Plugin = {
    name: "ppp",
    summary: "answers what the test says",
    pseudowireTypes: [],
    start: () => ({
      shared: {
        check(given: Asked, { calledNumber }: CallFacts) {
          asked.push({ asked: given, calledNumber });
          return Promise.resolve(answer);
        },
      },
    }),
  };
  return { asked, plugin };
}

async function asking(
  options: BridgeOptions,
  answer: { kind: string; [key: string]: unknown } | undefined,
) {
  const { asked, plugin } = answering(answer);
  const { host, world } = await startPlugins(answer ? [plugin, bridge] : [bridge]);
  const circuit = host.circuit("bridge", "circuit hop", options);
  await circuit.first;
  const near = makeSession(world, host, {
    pseudowireType: Ppp,
    request: "ICRQ",
    said: { calledNumber: "77" },
  });
  return { asked, circuit, host, near, world };
}

const tunnels = [
  {
    tag: 1,
    type: 3,
    server: "10.9.9.9",
    password: bytes("hush"),
    assignmentId: "gold",
    clientAuthId: "us",
  },
  { tag: 2, type: 3, server: "10.9.9.8", privateGroupId: bytes("blue") },
];

/** Who is asked is loaded when somebody asks: by the clock on the wall. */
async function until(done: () => boolean) {
  for (let turn = 0; turn < 1000 && !done(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("a rule that asks places a call where the answer says, in its order, by what the LAC heard", async () => {
  const { asked, circuit, host, near, world } = await asking(
    { rules: [{ ask: "proxy-auth", to }] },
    { kind: "accept", grant: { user: "bob", tunnels } },
  );
  world.placed = (call) => world.calls.length === 1 ? call.refuse({ result: 4 }) : call.agree();
  await near.attach(circuit);
  assert.equal(world.calls.length, 0, "who it is, ICCN says");
  const response = new Uint8Array(16).fill(7);
  const challenge = bytes("challenge");
  await near.connect({
    proxyAuth: { type: 2, name: bytes("bob@isp"), id: 9, challenge, response },
  });
  await until(() => world.calls.length === 2);
  assert.deepEqual(asked, [{
    asked: { kind: "chap-md5", name: bytes("bob@isp"), id: 9, challenge, response },
    calledNumber: "77",
  }]);
  assert.deepEqual(world.calls.map(({ target }) => target), [
    {
      server: "10.9.9.9",
      version: 2,
      share: "gold\0" + "10.9.9.9\0us",
      secret: "hush",
      hostName: "us",
    },
    { server: "10.9.9.8", version: 2, share: "\0" + "10.9.9.8\0" },
  ]);
  const [first, second] = world.calls;
  assert.equal(first!.say.privateGroupId, undefined);
  assert.deepEqual(second!.say.privateGroupId, bytes("blue"));
  assert.ok(second!.proceeded?.proxyAuth, "the LNS hears it, too");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("by the called number a call is asked for before its ICRP; without a name there, the file's own count", async () => {
  for (const named of [true, false]) {
    const { asked, circuit, host, near, world } = await asking(
      { rules: [{ ask: "called-number", to }] },
      { kind: "accept", grant: { user: "77", ...(named && { tunnels }) } },
    );
    await near.attach(circuit);
    assert.deepEqual(asked[0]!.asked, { kind: "none", name: bytes("77") });
    const [{ target } = {}] = world.calls;
    assert.deepEqual(named ? "server" in target! : target, named ? true : to);
    await host.end(WHY);
  }
});

Deno.test("a call is refused where the answer is no, where nobody answers or names an LNS, and where nobody is there", async () => {
  const ask = "called-number";
  for (
    const [answer, options, expected] of [
      [{ kind: "reject", reason: "no such number" }, { rules: [{ ask, to }] }, [
        3,
        "no such number",
      ]],
      [{ kind: "unreachable", reason: "nobody" }, { rules: [{ ask, to }] }, [4, "nobody"]],
      [{ kind: "accept", grant: { user: "77" } }, { rules: [{ ask }] }, [
        6,
        "no LNS is named for this call",
      ]],
      [undefined, { rules: [{ ask, to }] }, [4, "nobody can be asked: there is no plugin ppp"]],
    ] as const
  ) {
    const { circuit, host, near, world } = await asking(
      options as unknown as BridgeOptions,
      answer,
    );
    const refusal = await circuit.attach(near.facts, {}, () => {});
    assert.ok(isRefusal(refusal));
    assert.deepEqual([refusal.refuse.result, refusal.refuse.message], expected);
    assert.equal(world.calls.length, 0);
    await host.end(WHY);
  }
});

Deno.test("a caller that did not say who it is gets a CDN where that is asked for", async () => {
  const { asked, circuit, host, near } = await asking(
    { rules: [{ ask: "proxy-auth" }] },
    { kind: "accept", grant: { user: "bob", tunnels } },
  );
  await near.attach(circuit);
  await near.connect({ proxyAuth: { type: 4 } });
  await until(() => near.ended !== undefined);
  assert.deepEqual([near.ended?.result, asked.length], [4, 0]);
  await host.end(WHY);
});
