import assert from "node:assert/strict";
import { Concentrator } from "./concentrator.ts";
import { type DialedSession, Dialer, type DialerRules } from "./dialer.ts";
import { Code, emitFrame, EtherType, parseFrame } from "./frame.ts";
import { SessionCounts } from "./limits.ts";
import { emitTags, parseTags, type Tags } from "./tags.ts";

const rules: DialerRules = { vlans: [{ vid: 7 }], serviceName: "", retryMs: 1000, attempts: 3 };
const [acMac, ownMac] = ["02:00:00:00:00:01", "02:00:00:00:00:07"];
const octetsOf = (mac: string) => Uint8Array.from(mac.split(":"), (byte) => parseInt(byte, 16));
let seed = 5;
const random = (length: number) =>
  Uint8Array.from({ length }, () => (seed = Math.imul(seed, 69_069) + 1) >>> 24);

function scene(more: Partial<DialerRules> = {}) {
  const sent: Uint8Array[] = [];
  const told: (string | DialedSession)[] = [];
  const dialer = new Dialer(ownMac, { ...rules, ...more }, random, {
    send: (frame) => void sent.push(frame),
    up: (session) => void told.push(session),
    ended: () => void told.push("ended"),
    failed: (reason) => void told.push(reason),
  });
  const take = () =>
    sent.splice(0).map((octets) => {
      const frame = parseFrame(octets);
      assert.ok(typeof frame === "object");
      return { ...frame, tags: parseTags(frame.payload)! };
    });
  const answer = (code: number, tags: Tags, sessionId = 0, source = acMac) =>
    dialer.input(
      emitFrame({
        destination: octetsOf(ownMac),
        source: octetsOf(source),
        vlans: rules.vlans,
        etherType: EtherType.Discovery,
        code,
        sessionId,
        payload: emitTags(tags),
      }),
      0,
    );
  return { answer, dialer, take, told };
}

const name = (text: string) => new TextEncoder().encode(text);

Deno.test("a dialer and a concentrator find each other, and PADT ends what they have", () => {
  const { dialer, take, told } = scene({ maxPayload: 1500 });
  const begun: unknown[] = [];
  const answers: Uint8Array[] = [];
  const ac = new Concentrator(
    { name: "eth1", mac: acMac, mtu: 1512 },
    {
      acName: "isthmus",
      services: { names: ["internet"], blank: true, any: false },
      macs: { allow: [], deny: [] },
      limits: {},
      delays: [],
      askingPerMac: 10,
      asking: 10,
      idRestMs: 0,
    },
    new SessionCounts(),
    random,
    {
      send: (frame) => void answers.push(frame),
      begun: (client) => (begun.push(client), ac.confirm(client)),
      ended: () => void begun.push("ended"),
      count: () => {},
      busy: () => false,
    },
  );
  dialer.start(0);
  for (let i = 0; i < 2; i++) {
    for (const { tags: _, ...frame } of take()) ac.input(emitFrame(frame), 0);
    for (const answer of answers.splice(0)) dialer.input(answer, 0);
  }
  const [session] = told as DialedSession[];
  const [client] = [...ac.clients];
  assert.ok(session && client);
  assert.deepEqual([session.mac, session.acName, session.maxPayload], [acMac, "isthmus", 1500]);
  assert.deepEqual([client.sessionId, client.mac, client.maxPayload], [
    session.sessionId,
    ownMac,
    1500,
  ]);
  assert.equal(dialer.deadline, undefined);
  dialer.end();
  for (const { tags: _, ...frame } of take()) ac.input(emitFrame(frame), 0);
  assert.equal(begun.at(-1), "ended");
});

Deno.test("PADI is repeated with a doubled pause, and given up", () => {
  const { dialer, take, told } = scene();
  dialer.start(0);
  const times = [0];
  for (let now = dialer.deadline; now !== undefined; now = dialer.deadline) {
    times.push(now);
    dialer.timeout(now);
  }
  assert.deepEqual(times, [0, 1000, 3000, 7000]);
  const padis = take();
  assert.deepEqual(padis.map(({ code }) => code), [Code.Padi, Code.Padi, Code.Padi]);
  assert.deepEqual(told, ["no access concentrator offers what is asked for"]);
  assert.deepEqual(padis[0]!.tags.serviceNames, [new Uint8Array()]);
});

Deno.test("offers are taken of whom and for what is asked, and said again as they were", () => {
  const { answer, dialer, take } = scene({ serviceName: "tv", acName: "right" });
  dialer.start(0);
  const hostUniq = take()[0]!.tags.hostUniq!;
  const good = { hostUniq, serviceNames: [name("internet"), name("tv")], acNames: [name("right")] };
  answer(Code.Pado, { ...good, hostUniq: Uint8Array.of(1) });
  answer(Code.Pado, { ...good, serviceNames: [name("internet")] });
  answer(Code.Pado, { ...good, acNames: [name("wrong")] });
  answer(Code.Pado, { ...good, genericError: name("busy") });
  assert.deepEqual(take(), []);
  const [acCookie, relaySessionId] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  answer(Code.Pado, { ...good, acCookie, relaySessionId });
  answer(Code.Pado, { ...good, acCookie: Uint8Array.of(9) }, 0, "02:00:00:00:00:02");
  const padrs = take();
  assert.equal(padrs.length, 1);
  const { code, destination, tags } = padrs[0]!;
  assert.deepEqual([code, destination], [Code.Padr, octetsOf(acMac)]);
  assert.deepEqual(tags, { serviceNames: [name("tv")], hostUniq, acCookie, relaySessionId });
});

Deno.test("a PADS that gives no session fails the attempt, and says why; another's changes nothing", () => {
  const { answer, dialer, take, told } = scene();
  dialer.start(0);
  const hostUniq = take()[0]!.tags.hostUniq!;
  answer(Code.Pado, { hostUniq, acNames: [name("ac")], serviceNames: [new Uint8Array()] });
  answer(Code.Pads, { hostUniq }, 5, "02:00:00:00:00:02");
  assert.deepEqual(told, []);
  answer(Code.Pads, { hostUniq, serviceNameError: name("gone") });
  assert.deepEqual(told, ["ac refuses: gone"]);
  dialer.start(0);
  assert.equal(take().at(-1)!.code, Code.Padi);
});

Deno.test("a PADT ends the session only where its MAC and id agree", () => {
  const { answer, dialer, take, told } = scene();
  dialer.start(0);
  const hostUniq = take()[0]!.tags.hostUniq!;
  answer(Code.Pado, { hostUniq, acNames: [name("ac")], serviceNames: [new Uint8Array()] });
  answer(Code.Pads, { hostUniq }, 5);
  assert.equal((told[0] as DialedSession).maxPayload, 1492);
  answer(Code.Padt, {}, 6);
  answer(Code.Padt, {}, 5, "02:00:00:00:00:02");
  assert.equal(told.length, 1);
  answer(Code.Padt, {}, 5);
  assert.deepEqual(told.slice(1), ["ended"]);
});
