import assert from "node:assert/strict";
import type { Asked } from "../aaa/authenticator.ts";
import type { AuthMethod } from "./lcp.ts";
import { authenticatorResponse, ntPasswordHash, parseResponse } from "./mschapv2.ts";
import {
  addNetworks,
  client,
  frameOf,
  Line,
  refused,
  seeded,
  server,
  type TestEnd,
} from "./testing.ts";
import { Code, emitFrame, emitOptions, parseFrame, parsePacket, Protocol, u16 } from "./wire.ts";

const begin = (line: Line) => {
  for (const { link } of line.ends) link.open(line.now);
};
const count = ({ happened }: TestEnd, what: string) =>
  happened.filter((one) => one === what).length;
const sentCodes = ({ sent }: TestEnd, protocol: number) =>
  sent.map((frame) => parseFrame(frame)!).filter((frame) => frame.protocol === protocol)
    .map(({ payload }) => parsePacket(payload)!.code);

for (const method of ["pap", "chap-md5", "mschapv2"] as const) {
  Deno.test(`${method}: the link comes up, with addresses of both families`, () => {
    const line = new Line();
    const lns = line.add(server({ authenticate: [method] }), ({ link }, asked) => {
      link.accept(asked.kind === "mschapv2" ? proofOf(asked) : "welcome", line.now);
    });
    const peer = line.add(client());
    const { given, got, ids } = addNetworks(lns, peer);
    begin(line);
    line.pass(1000);
    assert.deepEqual(lns.asked.map(({ kind, name }) => [kind, new TextDecoder().decode(name)]), [
      [method, "bob"],
    ]);
    assert.equal(count(lns, "ipcp up"), 1);
    assert.equal(count(peer, "ipcp up"), 1);
    assert.deepEqual(got.got, {
      address: Uint8Array.of(10, 0, 0, 2),
      peer: Uint8Array.of(10, 0, 0, 1),
      dns: [Uint8Array.of(10, 0, 0, 53)],
    });
    assert.deepEqual(given.client, Uint8Array.of(10, 0, 0, 2));
    assert.deepEqual(ids[0].peer, ids[1].own);
    assert.deepEqual(ids[1].peer, ids[0].own);
    assert.deepEqual(
      [lns, peer].flatMap(({ happened }) => happened.filter((one) => one.startsWith("ignored"))),
      [],
    );
  });
}

Deno.test("a client that has only another method says so, and is asked by that one", () => {
  const line = new Line();
  const methods: AuthMethod[] = ["mschapv2", "chap-md5", "pap"];
  const lns = line.add(server({ authenticate: methods }));
  const peer = line.add(client({ answer: ["pap"] }));
  begin(line);
  line.pass(1000);
  assert.deepEqual(lns.asked.map(({ kind }) => kind), ["pap"]);
  assert.equal(count(peer, "authenticated"), 1);
});

Deno.test("a client that refuses every method ends the link, and the cause says so", () => {
  const line = new Line();
  const lns = line.add(server({ authenticate: ["mschapv2"] }));
  line.add(client({ answer: [] }));
  begin(line);
  line.pass(5000);
  assert.match(lns.ended!.reason, /refuses to authenticate/);
  assert.deepEqual(lns.asked, []);
});

Deno.test("a client that is refused is told, and the link ends by LCP", () => {
  const line = new Line();
  const lns = line.add(server(), ({ link }) => link.reject("go away", refused, line.now));
  const peer = line.add(client());
  begin(line);
  line.pass(3000);
  assert.equal(lns.ended, refused);
  assert.match(peer.ended!.reason, /refuses our name or secret: go away/);
  assert.deepEqual(peer.ended!.cause, { code: 16, protocol: Protocol.Chap, direction: 2 });
});

Deno.test("MS-CHAPv2: a server that does not know the secret is not believed", () => {
  const line = new Line();
  line.add(server({ authenticate: ["mschapv2"] }), ({ link }) => {
    link.accept(`S=${"0".repeat(40)} M=hello`, line.now);
  });
  const peer = line.add(client());
  begin(line);
  line.pass(3000);
  assert.match(peer.ended!.reason, /cannot prove/);
});

Deno.test("either end hangs up, and the other knows why", () => {
  for (const first of [0, 1]) {
    const line = new Line();
    const ends = [line.add(server()), line.add(client())];
    addNetworks(ends[0]!, ends[1]!);
    begin(line);
    line.pass(1000);
    ends[first]!.link.terminate({ ...refused, by: "us", reason: "good night" }, line.now);
    line.pass(2000);
    assert.equal(ends[first]!.ended!.reason, "good night");
    assert.equal(ends[1 - first]!.ended!.by, "peer");
    assert.deepEqual(ends[1 - first]!.ended!.cause, { code: 3, protocol: 0, direction: 1 });
    assert.equal(count(ends[1 - first]!, "ipcp down"), 1);
  }
});

Deno.test("LCP negotiated anew on an open link brings all layers down and up again", () => {
  const line = new Line();
  const lns = line.add(server());
  const first = line.add(client());
  addNetworks(lns, first);
  begin(line);
  line.pass(10_000);
  // The client begins anew (a modem that was reset): same line, another program.
  line.ends.pop();
  const second = line.add(client());
  addNetworks({ ...lns, link: { addNetwork() {} } as unknown as typeof lns.link }, second);
  second.link.open(line.now);
  line.pass(10_000);
  assert.equal(count(lns, "restarted"), 1);
  assert.equal(count(lns, "ipcp up"), 2);
  assert.equal(lns.asked.length, 2);
  assert.equal(count(second, "ipcp up"), 1);
  assert.equal(lns.ended, undefined);
});

Deno.test("two ends on a bad line come to the same end, or give up", () => {
  let up = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const line = new Line({ seed, loss: 0.2, double: 0.2, delayMs: 400 });
    const lns = line.add(server({ authenticate: ["chap-md5", "pap"] }));
    const peer = line.add(client({ answer: seed % 2 ? ["pap"] : ["chap-md5"] }));
    const { got } = addNetworks(lns, peer);
    begin(line);
    line.pass(200_000);
    if (lns.ended || peer.ended) {
      assert.ok(lns.ended && peer.ended, `seed ${seed}: one end thinks that the link is there`);
      continue;
    }
    up++;
    for (const { happened } of [lns, peer]) {
      const about = happened.filter((one) => /^ipcp/.test(one));
      assert.equal(about.at(-1), "ipcp up", `seed ${seed}: ${happened}`);
    }
    assert.deepEqual(got.got.address, Uint8Array.of(10, 0, 0, 2), `seed ${seed}`);
  }
  assert.ok(up >= 135, `${up} of 150 came up`);
});

Deno.test("a client that loops Configure-Requests is given up, and gets no more than it sends", () => {
  const line = new Line();
  const lns = line.add(server());
  lns.link.open(0);
  for (let i = 0; i < 1000; i++) {
    const data = emitOptions([{ type: 1, value: u16(i % 2 ? 1400 : 64) }]);
    lns.link.input(frameOf(Protocol.Lcp, Code.ConfigureRequest, i & 0xff, data), i);
  }
  line.pass(10_000);
  assert.match(lns.ended!.reason, /without end/);
  assert.ok(lns.sent.length < 150, `${lns.sent.length} frames`);
});

Deno.test("an open link that is negotiated anew without end is given up", () => {
  const line = new Line();
  const lns = line.add(server({ authenticate: [] }));
  lns.link.open(0);
  for (let i = 0; i < 200 && !lns.ended; i++) openByHand(lns, i * 100, i);
  line.pass(60_000);
  assert.match(lns.ended!.reason, /without end/);
});

Deno.test("floods of echo and of unknown protocols are answered up to a bound, and counted", () => {
  const line = new Line();
  const { lns } = opened(line);
  const before = lns.sent.length;
  for (let i = 0; i < 1000; i++) {
    lns.link.input(frameOf(Protocol.Lcp, Code.EchoRequest, 1, new Uint8Array(4)), line.now);
    lns.link.input(emitFrame(Protocol.Ccp, Uint8Array.of(1, 1, 0, 4)), line.now);
    lns.link.input(frameOf(Protocol.Lcp, 99, 1, new Uint8Array(4)), line.now);
    lns.link.input(frameOf(Protocol.Ipcp, Code.TerminateRequest, 1, new Uint8Array()), line.now);
  }
  assert.ok(lns.sent.length - before <= 25, `${lns.sent.length - before} answers`);
  assert.ok(count(lns, "ignored one more than is answered") > 3900);
});

Deno.test("an Echo-Reply carries our number and as much of the request as the peer takes", () => {
  const line = new Line();
  const { lns } = opened(line, 200);
  const data = Uint8Array.from({ length: 1400 }, (_, i) => i < 4 ? 0 : i);
  lns.link.input(frameOf(Protocol.Lcp, Code.EchoRequest, 77, data), line.now);
  const reply = parseFrame(lns.sent.at(-1)!)!.payload;
  assert.equal(reply.length, 200);
  assert.deepEqual([...reply.subarray(0, 4)], [Code.EchoReply, 77, 0, 200]);
  assert.deepEqual(reply.subarray(8), data.subarray(4, 196));
});

Deno.test("RFC 1570: Identification, Time-Remaining and Discard-Request are taken without a word", () => {
  const line = new Line();
  const { lns } = opened(line);
  const before = lns.sent.length;
  for (
    const code of [Code.DiscardRequest, Code.Identification, Code.TimeRemaining, Code.EchoReply]
  ) {
    lns.link.input(frameOf(Protocol.Lcp, code, 1, new Uint8Array(8)), line.now);
  }
  assert.equal(lns.sent.length, before);
  lns.link.input(frameOf(Protocol.Lcp, 14, 1, new Uint8Array(8)), line.now);
  assert.equal(parsePacket(parseFrame(lns.sent.at(-1)!)!.payload)!.code, Code.CodeReject);
});

Deno.test("CCP, EAP and what else is not spoken is rejected by its protocol, and IPCP goes on", () => {
  const line = new Line();
  const { lns } = opened(line);
  for (const protocol of [Protocol.Ccp, Protocol.Ecp, Protocol.Eap, 0x8031]) {
    lns.link.input(emitFrame(protocol, Uint8Array.of(1, 9, 0, 4)), line.now);
    const reject = parsePacket(parseFrame(lns.sent.at(-1)!)!.payload)!;
    assert.equal(reject.code, Code.ProtocolReject);
    assert.deepEqual([...reject.data], [protocol >> 8, protocol & 0xff, 1, 9, 0, 4]);
  }
  assert.equal(count(lns, "ipcp down"), 0);
});

Deno.test("a Configure-Request that crossed its Ack is acknowledged again; one with another number begins anew", () => {
  for (const more of [0, 1]) {
    const line = new Line();
    const { lns, peer } = opened(line);
    const request = peer.sent.map((frame) => parseFrame(frame)!)
      .filter(({ protocol }) => protocol === Protocol.Lcp)
      .map(({ payload }) => parsePacket(payload)!)
      .findLast(({ code }) => code === Code.ConfigureRequest)!;
    const before = sentCodes(lns, Protocol.Lcp).length;
    const id = (request.id + more) & 0xff;
    lns.link.input(frameOf(Protocol.Lcp, request.code, id, request.data), line.now);
    const answers = sentCodes(lns, Protocol.Lcp).slice(before);
    assert.ok(answers.includes(Code.ConfigureAck));
    assert.equal(answers.includes(Code.ConfigureRequest), more > 0);
    assert.equal(count(lns, "restarted"), more);
  }
});

Deno.test("an answer to a login that was lost is given again until a network is up; then the login is forgotten", () => {
  for (const method of ["pap", "chap-md5"] as const) {
    const protocol = method === "pap" ? Protocol.Pap : Protocol.Chap;
    const line = new Line();
    const lns = line.add(server({ authenticate: [method] }));
    const peer = line.add(client());
    const { given } = addNetworks(lns, peer);
    begin(line);
    while (lns.asked.length === 0) line.pass(1);
    const own = parseFrame(
      peer.sent.findLast((frame) => parseFrame(frame)!.protocol === protocol)!,
    )!;
    const again = () => {
      const before = lns.sent.length;
      lns.link.input(emitFrame(protocol, own.payload), line.now);
      return lns.sent.slice(before).map((frame) => parseFrame(frame)!.protocol);
    };
    assert.deepEqual(again(), [], `${method}: it is not decided yet`);
    line.pass(6);
    assert.equal(given.client, undefined);
    assert.deepEqual(again(), [protocol], `${method}: the answer may be lost`);
    line.pass(1000);
    assert.equal(count(lns, "ipcp up"), 1);
    assert.deepEqual(again(), [], `${method}: neither answered nor rejected`);
    assert.ok(lns.happened.includes("ignored an authentication packet that nobody waits for"));
    assert.deepEqual(lns.link.said, { proxyLcp: {}, proxyAuth: undefined });
    assert.equal(lns.asked.length, 1);
  }
});

Deno.test("IPCP comes up while the peer's CCP is still in flight", () => {
  const line = new Line();
  const lns = line.add(server({ authenticate: [] }));
  const peer = line.add(client());
  addNetworks(lns, peer);
  begin(line);
  for (let i = 0; i < 10; i++) {
    line.pass(4);
    lns.link.input(
      emitFrame(Protocol.Ccp, Uint8Array.of(1, i, 0, 10, 18, 6, 1, 0, 0, 0x60)),
      line.now,
    );
  }
  line.pass(1000);
  assert.equal(count(lns, "ipcp up"), 1);
  assert.equal(count(lns, "ipcp down"), 0);
  assert.ok(sentCodes(lns, Protocol.Lcp).includes(Code.ProtocolReject));
});

Deno.test("a peer that rejects IPv6CP by its protocol keeps IPv4", () => {
  const line = new Line();
  const { lns } = opened(line);
  lns.link.input(
    frameOf(Protocol.Lcp, Code.ProtocolReject, 1, Uint8Array.of(0x80, 0x57, 1, 1, 0, 4)),
    line.now,
  );
  line.pass(10_000);
  assert.equal(count(lns, "ipv6cp down"), 1);
  assert.equal(count(lns, "ipcp down"), 0);
  assert.equal(lns.ended, undefined);
});

Deno.test("a silent peer is noticed, and one whose data come is not", () => {
  const settings = { ...server({ authenticate: [] }), echo: { intervalMs: 10_000, failures: 3 } };
  const line = new Line();
  const lns = line.add(settings);
  line.add(client());
  begin(line);
  line.pass(100_000);
  assert.equal(lns.ended, undefined, "it answers");
  const [, peer] = line.ends.splice(1, 1);
  assert.equal(peer, undefined);
  line.pass(100_000);
  assert.match(lns.ended!.reason, /no Echo-Request/);
  assert.deepEqual(lns.ended!.cause, { code: 8, protocol: Protocol.Lcp, direction: 0 });
});

Deno.test("a line that is looped back is noticed", () => {
  const line = new Line();
  const lns = line.add(server({ authenticate: [] }));
  // What it sends comes back.
  line.ends.push(lns);
  lns.link.open(0);
  line.pass(60_000);
  assert.match(lns.ended!.reason, /looped/);
  assert.equal(lns.ended!.cause.code, 7);
});

Deno.test("whoever says nothing is given up, and the cause tells whether there was any LCP", () => {
  const line = new Line();
  const lns = line.add(server());
  lns.link.open(0);
  line.pass(60_000);
  assert.deepEqual(lns.ended!.cause, { code: 6, protocol: Protocol.Lcp, direction: 0 });
  assert.equal(lns.sent.length, 10);
});

Deno.test("a client that opens LCP and then says nothing is given up", () => {
  for (const method of ["pap", "chap-md5"] as const) {
    const line = new Line();
    const lns = line.add(server({ authenticate: [method] }));
    lns.link.open(0);
    openByHand(lns, 0);
    line.pass(100_000);
    assert.match(lns.ended!.reason, /PAP request|challenge/);
    assert.equal(lns.ended!.cause.code, 13);
    const challenges = sentCodes(lns, Protocol.Chap).length;
    assert.equal(challenges, method === "pap" ? 0 : 10);
  }
});

Deno.test("any octets: no exception, a bounded answer, everything counted", () => {
  const draw = seeded(42);
  const line = new Line();
  const { lns } = opened(line);
  const protocols = [0xc021, 0xc023, 0xc223, 0x8021, 0x8057, 0x80fd, 0x21, 0x57, 0xfd];
  for (let i = 0; i < 20_000; i++) {
    const body = Uint8Array.from(
      { length: Math.floor(draw() * 40) },
      () => Math.floor(draw() * 256),
    );
    if (draw() < 0.8) {
      body[0] = Math.floor(draw() * 16);
      body[2] = 0;
      if (draw() < 0.8) body[3] = body.length;
    }
    const frame = emitFrame(protocols[Math.floor(draw() * protocols.length)]!, body);
    lns.link.input(draw() < 0.1 ? body : frame, line.now + i);
    if (lns.ended) break;
  }
  assert.ok(lns.sent.length < 1000, `${lns.sent.length}`);
});

/** A link that is up. */
function opened(line: Line, peerMru = 1500) {
  const lns = line.add(server({ authenticate: [] }));
  const peer = line.add(client({ mru: peerMru }));
  const networks = addNetworks(lns, peer);
  begin(line);
  line.pass(1000);
  assert.equal(count(lns, "ipcp up"), 1);
  line.ends.pop();
  return { lns, peer, ...networks };
}

function proofOf(asked: Asked & { kind: "mschapv2" }): string {
  const response = parseResponse(asked.response)!;
  return authenticatorResponse(asked.challenge, response, asked.name, ntPasswordHash("pass"));
}

/** Opens LCP by a client without a wish, as far as it has not been opened. */
function openByHand({ link, sent }: TestEnd, now: number, id = 1): void {
  link.input(frameOf(Protocol.Lcp, Code.ConfigureRequest, id, new Uint8Array()), now);
  const ours = sent.findLast((frame) => frame[2] === 0xc0 && frame[4] === Code.ConfigureRequest)!;
  const packet = parsePacket(parseFrame(ours)!.payload)!;
  link.input(frameOf(Protocol.Lcp, Code.ConfigureAck, packet.id, packet.data), now);
}
