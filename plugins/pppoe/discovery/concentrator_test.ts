import assert from "node:assert/strict";
import type { VlanTag } from "../../ports.ts";
import { type Client, Concentrator, type ConcentratorRules } from "./concentrator.ts";
import { BROADCAST, Code, emitFrame, EtherType, parseFrame, vlanKey } from "./frame.ts";
import { SessionCounts } from "./limits.ts";
import { emitTags, parseTags, type Tags } from "./tags.ts";

const own = Uint8Array.of(2, 0, 0, 0, 0, 1);
const host = Uint8Array.of(2, 0, 0, 0, 0, 7);
const bytes = (text: string) => new TextEncoder().encode(text);

const usual: ConcentratorRules = {
  acName: "isthmus",
  services: { names: ["internet"], blank: true, any: false },
  macs: { allow: [], deny: [] },
  limits: {},
  delays: [],
  askingPerMac: 1000,
  asking: 10_000,
  idRestMs: 1000,
};

interface Sent {
  readonly code: number;
  readonly sessionId: number;
  readonly tags: Tags;
  readonly to: string;
  readonly vlans: string;
  readonly delayMs: number;
}

class Scene {
  readonly sent: Sent[] = [];
  readonly begun: Client[] = [];
  readonly ended: Client[] = [];
  readonly counted: Record<string, number> = {};
  readonly counts = new SessionCounts();
  readonly concentrator: Concentrator;
  now = 0;
  busy = false;

  constructor(rules: Partial<ConcentratorRules> = {}, mtu = 1500) {
    let seed = 9;
    const random = (length: number) =>
      Uint8Array.from({ length }, () => (seed = Math.imul(seed, 69_069) + 1) >>> 24);
    const at = { name: "eth1", mac: "02:00:00:00:00:01", mtu };
    this.concentrator = new Concentrator(at, { ...usual, ...rules }, this.counts, random, {
      send: (octets, delayMs) => {
        const frame = parseFrame(octets);
        assert.ok(typeof frame === "object");
        const { code, destination, payload, sessionId, vlans } = frame;
        const tags = parseTags(payload)!;
        const to = destination.toHex();
        this.sent.push({ code, sessionId, tags, to, vlans: vlanKey(vlans), delayMs });
      },
      begun: (client) => void this.begun.push(client),
      ended: (client) => void this.ended.push(client),
      busy: () => this.busy,
      count: (what) => void (this.counted[what] = (this.counted[what] ?? 0) + 1),
    });
  }

  say(code: number, tags: Tags, more: {
    readonly mac?: Uint8Array;
    readonly to?: Uint8Array;
    readonly vlans?: readonly VlanTag[];
    readonly sessionId?: number;
    readonly data?: true;
  } = {}): Sent | undefined {
    const { mac = host, sessionId = 0, vlans = [], to = code === Code.Padi ? BROADCAST : own } =
      more;
    const etherType = more.data ? EtherType.Session : EtherType.Discovery;
    const payload = emitTags(tags);
    const before = this.sent.length;
    const frame = { destination: to, source: mac, vlans, etherType, code, sessionId, payload };
    this.concentrator.input(emitFrame(frame), this.now);
    return this.sent.length > before ? this.sent.at(-1) : undefined;
  }

  /** A session, from PADI to PADS. */
  dial(tags: Tags = {}, more: Parameters<Scene["say"]>[2] = {}): Client {
    const serviceNames = tags.serviceNames ?? [new Uint8Array()];
    const { tags: { acCookie } } = this.say(Code.Padi, { ...tags, serviceNames }, more)!;
    this.say(Code.Padr, { ...tags, serviceNames, acCookie: acCookie! }, more);
    const client = this.begun.at(-1)!;
    this.concentrator.confirm(client);
    return client;
  }
}

Deno.test("from PADI to PADS: what was said comes again, and the session has an id", () => {
  const scene = new Scene();
  const echo = { hostUniq: Uint8Array.of(0, 1, 2, 0xff), relaySessionId: Uint8Array.of(9) };
  const vlans = [{ tpid: 0x88a8 as const, vid: 100 }, { tpid: 0x8100 as const, vid: 100 }];
  const offer = scene.say(Code.Padi, { serviceNames: [new Uint8Array()], ...echo }, { vlans })!;
  assert.deepEqual([offer.code, offer.sessionId, offer.to, offer.vlans, offer.delayMs], [
    Code.Pado,
    0,
    host.toHex(),
    "88a8:100.8100:100",
    0,
  ]);
  const { acCookie, ...tags } = offer.tags;
  assert.deepEqual(tags, {
    serviceNames: [new Uint8Array(), bytes("internet")],
    acNames: [bytes("isthmus")],
    ...echo,
  });
  assert.deepEqual([scene.counts.all, [...scene.concentrator.clients]], [0, []], "nobody is kept");
  const padr = { serviceNames: [bytes("internet")], acCookie: acCookie!, ...echo };
  assert.equal(scene.say(Code.Padr, padr, { vlans }), undefined);
  const [client] = scene.begun;
  assert.ok(client && client.sessionId > 0 && client.sessionId < 0xffff);
  assert.deepEqual([client.mac, client.serviceName, client.maxPayload], [
    "02:00:00:00:00:07",
    bytes("internet"),
    1484,
  ]);
  assert.equal(
    scene.say(Code.Padr, padr, { vlans }),
    undefined,
    "no answer before there is a session",
  );
  scene.concentrator.confirm(client);
  const answer = scene.sent.at(-1)!;
  assert.deepEqual([answer.code, answer.sessionId, answer.vlans], [
    Code.Pads,
    client.sessionId,
    offer.vlans,
  ]);
  assert.deepEqual(answer.tags, { serviceNames: [bytes("internet")], ...echo });
  assert.deepEqual(
    scene.say(Code.Padr, padr, { vlans }),
    answer,
    "a repeated PADR gets the same PADS",
  );
  assert.equal(scene.begun.length, 1);
  const other = { ...padr, hostUniq: Uint8Array.of(1) };
  scene.say(Code.Padr, other, { vlans });
  assert.equal(scene.begun.length, 2, "another Host-Uniq asks for another session");
});

Deno.test("a PADR without our cookie is nobody's, and leaves nothing", () => {
  const scene = new Scene();
  const { acCookie } = scene.say(Code.Padi, {})!.tags;
  const padr = { serviceNames: [new Uint8Array()] };
  assert.equal(scene.say(Code.Padr, padr), undefined);
  assert.equal(scene.say(Code.Padr, { ...padr, acCookie: new Uint8Array(17) }), undefined);
  const stolen = { ...padr, acCookie: acCookie! };
  assert.equal(scene.say(Code.Padr, stolen, { mac: Uint8Array.of(2, 0, 0, 0, 0, 8) }), undefined);
  assert.equal(scene.say(Code.Padr, stolen, { vlans: [{ vid: 7 }] }), undefined);
  scene.now = 121_000;
  assert.equal(scene.say(Code.Padr, stolen), undefined);
  assert.deepEqual([scene.begun.length, scene.counts.all, scene.counted["bad-cookie"]], [0, 0, 5]);
});

Deno.test("a PADT is believed only where VLANs, MAC and id all agree", () => {
  const scene = new Scene();
  const client = scene.dial({}, { vlans: [{ vid: 7 }] });
  const { sessionId } = client;
  const wrong = [
    { sessionId, vlans: [{ vid: 8 }] },
    { sessionId },
    { sessionId, vlans: [{ tpid: 0x88a8 as const, vid: 7 }] },
    { sessionId: sessionId ^ 1, vlans: [{ vid: 7 }] },
    { sessionId, vlans: [{ vid: 7 }], mac: Uint8Array.of(2, 0, 0, 0, 0, 8) },
  ];
  for (const more of wrong) scene.say(Code.Padt, {}, more);
  assert.deepEqual([scene.ended, scene.counted["foreign-padt"], scene.counts.all], [[], 5, 1]);
  scene.say(Code.Padt, {}, { sessionId, vlans: [{ vid: 7 }], to: Uint8Array.of(2, 0, 0, 0, 0, 9) });
  assert.deepEqual([scene.ended, scene.counted["foreign"]], [[], 1]);
  scene.say(Code.Padt, {}, { sessionId, vlans: [{ vid: 7 }] });
  assert.deepEqual([scene.ended, scene.counts.all], [[client], 0]);
  scene.concentrator.end(client, 0);
  assert.equal(scene.counted["padt-sent"], undefined, "it knows");
});

Deno.test("data of a session that is not there is answered by PADT, to whoever sent it", () => {
  const scene = new Scene({ askingPerMac: 3 });
  const client = scene.dial();
  scene.now = 1000;
  assert.equal(scene.say(0, {}, { data: true, sessionId: client.sessionId }), undefined);
  const other = Uint8Array.of(2, 0, 0, 0, 0, 8);
  const told = scene.say(0, {}, { data: true, sessionId: client.sessionId, mac: other })!;
  assert.deepEqual([told.code, told.sessionId, told.to], [
    Code.Padt,
    client.sessionId,
    other.toHex(),
  ]);
  for (let i = 0; i < 10; i++) scene.say(0, {}, { data: true, sessionId: 9, mac: other });
  assert.deepEqual([scene.counted["padt-sent"], scene.counted["unknown-session"]], [3, 11]);
  assert.deepEqual([[...scene.concentrator.clients], scene.ended], [[client], []]);
});

Deno.test("sessions that cannot be had are refused by a PADS of id 0 that says why", () => {
  const scene = new Scene({ limits: { mac: 1 } });
  const { acCookie } = scene.say(Code.Padi, {})!.tags;
  const refused = scene.say(Code.Padr, { serviceNames: [bytes("tv")], acCookie: acCookie! })!;
  assert.deepEqual([refused.code, refused.sessionId, refused.tags.serviceNames], [Code.Pads, 0, [
    bytes("tv"),
  ]]);
  assert.ok(refused.tags.serviceNameError);
  scene.say(Code.Padr, { serviceNames: [bytes("internet")], acCookie: acCookie! });
  scene.concentrator.refuse(scene.begun[0]!, "no LNS", 0);
  const told = scene.sent.at(-1)!;
  assert.deepEqual([told.sessionId, told.tags.acSystemError], [0, bytes("no LNS")]);
  assert.equal(scene.counts.all, 0);
  scene.dial();
  assert.equal(scene.say(Code.Padi, {}), undefined);
  const more = scene.say(Code.Padr, { acCookie: acCookie!, hostUniq: bytes("2") })!;
  assert.deepEqual([more.sessionId, more.tags.acSystemError], [0, bytes("no more sessions")]);
  assert.equal(scene.counted["refused-limit"], 2);
});

Deno.test("PPP-Max-Payload comes again only where the interface carries more than 1492", () => {
  const offered = (mtu: number, maxPayload: number) =>
    new Scene({}, mtu).say(Code.Padi, { maxPayload })!.tags.maxPayload;
  assert.deepEqual([
    offered(1500, 1500),
    offered(1508, 1500),
    offered(1508, 1492),
    offered(9000, 9000),
  ], [undefined, 1500, undefined, 9000]);
  const largest = (mtu: number, tags: Tags, vlans: readonly VlanTag[] = []) =>
    new Scene({}, mtu).dial(tags, { vlans }).maxPayload;
  assert.equal(largest(1508, { maxPayload: 1500 }), 1500);
  assert.equal(largest(1504, { maxPayload: 1500 }), 1496);
  assert.equal(largest(1508, {}), 1492);
  assert.equal(largest(1508, { maxPayload: 1500 }, [{ vid: 1 }, { vid: 2 }]), 1496);
  assert.equal(largest(1400, {}), 1392);
});

Deno.test("lists, rates, load and services decide who gets an offer", () => {
  const padi = (rules: Partial<ConcentratorRules>, tags: Tags = {}, times = 1) => {
    const scene = new Scene(rules);
    for (let i = 0; i < times; i++) scene.say(Code.Padi, tags);
    return [scene.sent.map(({ delayMs }) => delayMs), Object.keys(scene.counted)];
  };
  assert.deepEqual(padi({ macs: { allow: [], deny: ["02:00:00"] } }), [[], [
    "padi",
    "refused-mac",
  ]]);
  assert.deepEqual(padi({}, { serviceNames: [bytes("tv")] }), [[], ["padi", "refused-service"]]);
  assert.deepEqual(padi({ delays: [{ sessions: 0, delayMs: 250 }] }), [[250], ["padi", "pado"]]);
  assert.deepEqual(padi({ delays: [{ sessions: 0, delayMs: -1 }] }), [[], [
    "padi",
    "refused-load",
  ]]);
  assert.deepEqual(padi({ askingPerMac: 2 }, {}, 4), [[0, 0], ["padi", "pado", "rate"]]);
});

Deno.test("while as many sessions begin as may, nobody is offered one, and who has an offer asks again", () => {
  const scene = new Scene();
  const { acCookie } = scene.say(Code.Padi, {})!.tags;
  scene.busy = true;
  assert.equal(scene.say(Code.Padi, {}), undefined);
  scene.say(Code.Padr, { acCookie: acCookie! });
  assert.deepEqual([scene.begun.length, scene.counted["refused-load"]], [0, 2]);
  scene.busy = false;
  scene.say(Code.Padr, { acCookie: acCookie! });
  assert.equal(scene.begun.length, 1);
});

Deno.test("ten thousand PADIs leave nothing, and who is up stays up", () => {
  const scene = new Scene();
  const client = scene.dial();
  for (let i = 0; i < 10_000; i++) {
    if (i % 1000 === 0) scene.now += 100;
    scene.say(Code.Padi, {}, { mac: Uint8Array.of(6, 0, 1, i >> 16, i >> 8, i) });
    scene.sent.length = 0;
  }
  assert.deepEqual([[...scene.concentrator.clients], scene.counts.all], [[client], 1]);
});
