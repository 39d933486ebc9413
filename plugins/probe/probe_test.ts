import assert from "node:assert/strict";
import fc from "fast-check";
import { type TestHost, testHost, type TestPort } from "../testing.ts";
import type { ProbeFigures } from "./host.ts";
import { probe } from "./mod.ts";
import { parseMac } from "../mac.ts";
import { ECHO_TIMEOUT_MS } from "./pinger.ts";
import { type Arp, type Echo, emitArp, emitEcho, parseFrame } from "./wire.ts";

const peerMac = parseMac("02:00:00:00:00:02");
const peerIp = 0x0a000002;
const myIp = 0x0a000001;
const options = { address: "10.0.0.1/24", mac: "02:00:00:00:00:01" };
const myMac = parseMac(options.mac);

async function attached(host: TestHost, extra: Record<string, unknown> = {}) {
  const circuit = await probe.provision(host, probe.options.parse({ ...options, ...extra }));
  const attachment = await circuit.attach(host.session());
  const port = [...host.ports.values()].find(({ kind }) => kind === "host")!;
  const figures = () => attachment.details!() as unknown as ProbeFigures & Record<string, number>;
  return { circuit, port, figures };
}

/** What the probe has sent since the last look, as its peer reads it. */
const sent = (port: TestPort) => port.sent.splice(0).map((frame) => parseFrame(frame, peerMac));

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
  const { circuit, port, figures } = await attached(testHost());
  port.receive!([arpFromPeer("request"), echoFromPeer()]);
  const [arp, echo] = sent(port) as [Arp, Echo];
  assert.deepEqual([arp.operation, arp.senderIp, arp.senderMac], ["reply", myIp, myMac]);
  assert.deepEqual([echo.operation, echo.source, echo.sequence], ["reply", myIp, 1]);
  assert.deepEqual(echo.data, Uint8Array.of(1, 2, 3));
  assert.equal(figures().answered, 2);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("probe answers nothing that is malformed or for another address, and counts it", async () => {
  const host = testHost();
  const { circuit, port, figures } = await attached(host);
  const broken = echoFromPeer();
  broken[50]! ^= 1;
  port.receive!([broken.subarray(0, 44), Uint8Array.of(1), echoFromPeer({ destination: 9 })]);
  assert.deepEqual(sent(port), []);
  assert.equal(figures().malformed, 2);
  assert.equal(host.meters.get("malformed_frames"), 2);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("probe asks for its target by ARP, then pings every interval", async () => {
  const host = testHost();
  const { circuit, port, figures } = await attached(host, {
    ping: "10.0.0.2",
    "interval-ms": 100,
  });
  const [request] = port.sent.splice(0).map((frame) => parseFrame(frame, myMac)) as [Arp];
  assert.deepEqual([request.operation, request.targetIp], ["request", peerIp]);
  host.advance(5);
  port.receive!([arpFromPeer("reply")]);
  const [ping] = sent(port) as [Echo];
  assert.deepEqual([ping.operation, ping.destination, ping.sequence], ["request", peerIp, 1]);
  host.advance(7);
  const { identifier, data } = ping;
  port.receive!([echoFromPeer({ operation: "reply", identifier, sequence: 1, data })]);
  port.receive!([echoFromPeer({ operation: "reply", identifier, sequence: 1, data })]);
  assert.equal(figures().received, 1);
  assert.equal(figures()["last-rtt-ms"], 7);
  host.advance(100);
  assert.equal((sent(port)[0] as Echo).sequence, 2);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("probe counts what is not answered as lost, and asks by ARP again", async () => {
  const host = testHost();
  const { circuit, port, figures } = await attached(host, { ping: "10.0.0.2" });
  port.receive!([arpFromPeer("reply")]);
  sent(port);
  host.advance(ECHO_TIMEOUT_MS);
  assert.equal(figures().lost, 1);
  const kinds = port.sent.splice(0).map((frame) => parseFrame(frame, myMac).kind);
  assert.ok(kinds.includes("arp"));
  await circuit[Symbol.asyncDispose]();
});

Deno.test("probe is quiet while its session is down", async () => {
  const host = testHost();
  const circuit = await probe.provision(host, { ...options, ping: "10.0.0.2" });
  const attachment = await circuit.attach({ ...host.session(), up: false });
  const port = [...host.ports.values()].find(({ kind }) => kind === "host")!;
  host.advance(10_000);
  assert.equal(port.sent.length, 0);
  attachment.onStatus!(true);
  assert.equal(port.sent.length, 1);
  attachment.onStatus!(false);
  host.advance(10_000);
  assert.equal(port.sent.length, 1);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("probe survives any frames, with bounded tables", async () => {
  const host = testHost();
  const { circuit, port, figures } = await attached(host, { ping: "10.0.0.2", "interval-ms": 10 });
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 }), (frames) => {
    port.receive!(frames);
    host.advance(10);
  }));
  port.receive!([arpFromPeer("reply")]);
  host.advance(60_000);
  assert.ok(figures().sent - figures().lost - figures().received <= 256);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("probe's schema says which option is wrong", () => {
  const issue = (extra: Record<string, unknown>) =>
    probe.options.safeParse({ ...options, ...extra }).error?.issues[0]?.path.join(".");
  assert.equal(issue({ address: "10.0.0.1" }), "address");
  assert.equal(issue({ address: "fd00::1/64" }), "address");
  assert.equal(issue({ mac: "01:00:00:00:00:01" }), "mac");
  assert.equal(issue({ ping: "10.0.1.2" }), "ping");
  assert.equal(issue({ ping: "10.0.0.1" }), "ping");
  assert.equal(issue({ "interval-ms": 1 }), "interval-ms");
  assert.equal(issue({ ping: "10.0.0.9" }), undefined);
});
