import assert from "node:assert/strict";
import fc from "fast-check";
import { PseudowireType } from "../../core/pseudowire.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession, type TestSession } from "../testing/session.ts";
import type { ProbeFigures } from "./host.ts";
import { probe } from "./mod.ts";
import { probeOptions } from "./options.ts";
import { parseMac } from "../mac.ts";
import { ECHO_TIMEOUT_MS } from "./pinger.ts";
import { type Arp, type Echo, emitArp, emitEcho, parseFrame } from "./wire.ts";

const peerMac = parseMac("02:00:00:00:00:02");
const peerIp = 0x0a000002;
const myIp = 0x0a000001;
const options = { address: "10.0.0.1/24", mac: "02:00:00:00:00:01" };
const myMac = parseMac(options.mac);

async function attached(extra: Record<string, unknown> = {}, up = true) {
  const { host, world } = await startPlugins([probe]);
  const circuit = host.circuit("probe", "circuit", { ...options, ...extra });
  await circuit.first;
  const session = makeSession(world, host, { pseudowireType: PseudowireType.Ethernet, up });
  const { attachment } = await session.attach(circuit);
  const figures = () => attachment.show!() as unknown as ProbeFigures & Record<string, number>;
  return { host, world, session, figures, end: () => host.end(WHY) };
}

/** What the probe has sent since the last look, as its peer reads it. */
const sent = ({ sent }: TestSession) => sent.splice(0).map((frame) => parseFrame(frame, peerMac));

const arpFromPeer = (operation: Arp["operation"]) =>
  emitArp(myMac, peerMac, {
    operation,
    senderMac: peerMac,
    senderIp: peerIp,
    targetMac: myMac,
    targetIp: myIp,
  });

const echoFromPeer = (changes: Partial<Echo> = {}) =>
  emitEcho(myMac, {
    operation: "request",
    sourceMac: peerMac,
    source: peerIp,
    destination: myIp,
    identifier: 7,
    sequence: 1,
    data: Uint8Array.of(1, 2, 3),
    ...changes,
  });

Deno.test("probe answers ARP and echo requests", async () => {
  const { end, figures, session } = await attached();
  session.receive(arpFromPeer("request"), echoFromPeer());
  const [arp, echo] = sent(session) as [Arp, Echo];
  assert.deepEqual([arp.operation, arp.senderIp, arp.senderMac], ["reply", myIp, myMac]);
  assert.deepEqual([echo.operation, echo.source, echo.sequence], ["reply", myIp, 1]);
  assert.deepEqual(echo.data, Uint8Array.of(1, 2, 3));
  assert.equal(figures().answered, 2);
  await end();
});

Deno.test("probe answers nothing that is malformed or for another address, and counts it", async () => {
  const { end, figures, session, world } = await attached();
  const broken = echoFromPeer();
  broken[50]! ^= 1;
  session.receive(broken.subarray(0, 44), Uint8Array.of(1), echoFromPeer({ destination: 9 }));
  assert.deepEqual(sent(session), []);
  assert.equal(figures().malformed, 2);
  assert.equal(world.meters.get("probe_malformed_frames"), 2);
  await end();
});

Deno.test("probe asks for its target by ARP, then pings every interval", async () => {
  const { end, figures, session, world } = await attached({
    ping: "10.0.0.2",
    "interval-ms": 100,
  });
  const [request] = session.sent.splice(0).map((frame) => parseFrame(frame, myMac)) as [Arp];
  assert.deepEqual([request.operation, request.targetIp], ["request", peerIp]);
  await world.advance(5);
  session.receive(arpFromPeer("reply"));
  const [ping] = sent(session) as [Echo];
  assert.deepEqual([ping.operation, ping.destination, ping.sequence], ["request", peerIp, 1]);
  await world.advance(7);
  const { identifier, data } = ping;
  session.receive(echoFromPeer({ operation: "reply", identifier, sequence: 1, data }));
  session.receive(echoFromPeer({ operation: "reply", identifier, sequence: 1, data }));
  assert.equal(figures().received, 1);
  assert.equal(figures()["last-rtt-ms"], 7);
  await world.advance(100);
  assert.equal((sent(session)[0] as Echo).sequence, 2);
  await end();
});

Deno.test("probe counts what is not answered as lost, and asks by ARP again", async () => {
  const { end, figures, session, world } = await attached({ ping: "10.0.0.2" });
  session.receive(arpFromPeer("reply"));
  sent(session);
  await world.advance(ECHO_TIMEOUT_MS);
  assert.equal(figures().lost, 1);
  const kinds = session.sent.splice(0).map((frame) => parseFrame(frame, myMac).kind);
  assert.ok(kinds.includes("arp"));
  await end();
});

Deno.test("probe is quiet while its session is down", async () => {
  const { end, session, world } = await attached({ ping: "10.0.0.2" }, false);
  await world.advance(10_000);
  assert.equal(session.sent.length, 0);
  await session.set({ up: true });
  assert.equal(session.sent.length, 1);
  await session.set({ up: false });
  await world.advance(10_000);
  assert.equal(session.sent.length, 1);
  await end();
});

Deno.test("probe survives any frames, with bounded tables", async () => {
  const { end, figures, session, world } = await attached({ ping: "10.0.0.2", "interval-ms": 10 });
  const batches = fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 });
  await fc.assert(fc.asyncProperty(batches, async (frames) => {
    session.receive(...frames);
    await world.advance(10);
  }));
  session.receive(arpFromPeer("reply"));
  await world.advance(60_000);
  assert.ok(figures().sent - figures().lost - figures().received <= 256);
  await end();
});

Deno.test("probe's schema says which option is wrong", () => {
  const issue = (extra: Record<string, unknown>) =>
    probeOptions.safeParse({ ...options, ...extra }).error?.issues[0]?.path.join(".");
  assert.equal(issue({ address: "10.0.0.1" }), "address");
  assert.equal(issue({ address: "fd00::1/64" }), "address");
  assert.equal(issue({ mac: "01:00:00:00:00:01" }), "mac");
  assert.equal(issue({ ping: "10.0.1.2" }), "ping");
  assert.equal(issue({ ping: "10.0.0.1" }), "ping");
  assert.equal(issue({ "interval-ms": 1 }), "interval-ms");
  assert.equal(issue({ ping: "10.0.0.9" }), undefined);
});
