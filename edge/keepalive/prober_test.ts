import assert from "node:assert/strict";
import fc from "fast-check";
import { parseIp } from "../../core/endpoint.ts";
import { parseMac } from "../../plugins/mac.ts";
import { linkLocalOf } from "../../plugins/probe/wire6.ts";
import { noCounts, Prober, type ProbeSettings } from "./prober.ts";
import { farHost, farMac } from "./testing.ts";
import { insertTag, untagged } from "./tags.ts";

const mac = parseMac("02:00:00:00:00:09");
const ip = (text: string) => parseIp(text)!;
const hex = (text: string) => Uint8Array.fromHex(text.replace(/\s/g, ""));

const arpOnly: ProbeSettings = {
  mac,
  target: ip("10.0.0.2"),
  anyVlan: false,
  lost: 3,
  restore: 2,
};
const ping4: ProbeSettings = { ...arpOnly, source: ip("10.0.0.3") };
const ping6: ProbeSettings = { ...arpOnly, target: ip("fd00:1::2"), source: linkLocalOf(mac) };
const hosts = new Map([[arpOnly, "10.0.0.2"], [ping4, "10.0.0.2"], [ping6, "fd00:1::2"]]);

/** Identifier 1234, then the token. */
const random = (length: number) => hex("1234 a0a1a2a3a4a5a6a7").subarray(0, length);

function probe(settings: ProbeSettings, state: "waiting" | "up" = "waiting") {
  const totals = noCounts();
  const prober = new Prober(settings, state, random, totals);
  let now = 0;
  const edges: string[] = [];
  /** Hands frames to and fro until nobody has anything to say. */
  const talk = (
    frames: readonly Uint8Array[],
    far?: (frame: Uint8Array) => Uint8Array | undefined,
  ) => {
    const said: Uint8Array[] = [...frames];
    for (let i = 0; i < said.length; i++) {
      const answer = far?.(said[i]!);
      if (!answer) continue;
      const { edge, send } = prober.receive(answer, now);
      if (edge) edges.push(edge);
      said.push(...send);
    }
    return said;
  };
  return {
    prober,
    totals,
    edges,
    talk,
    /** One interval passes. */
    tick(far?: (frame: Uint8Array) => Uint8Array | undefined) {
      now += 1000;
      const { edge, send } = prober.tick(now);
      if (edge) edges.push(edge);
      now += 3;
      return talk(send, far);
    },
    take: (frame: Uint8Array) => prober.receive(frame, now),
  };
}

Deno.test("without a source it asks by ARP alone, with no sender's address (RFC 5227 §1.1)", () => {
  const one = probe(arpOnly);
  const [asked] = one.tick();
  assert.equal(
    asked!.toHex(),
    hex(`ffffffffffff 020000000009 0806 0001 0800 06 04 0001
      020000000009 00000000 000000000000 0a000002 ${"00".repeat(18)}`).toHex(),
  );
  one.take(hex(`020000000009 020000000002 0806 0001 0800 06 04 0002
    020000000002 0a000002 020000000009 00000000 ${"00".repeat(18)}`));
  const { counts, lastRttMs, state } = one.prober.figures();
  assert.deepEqual([state, counts.sent, counts.answered, lastRttMs], ["up", 1, 1, 3]);
  const [again] = one.tick();
  assert.equal(again!.subarray(0, 6).toHex(), "020000000002", "who is known is asked alone");
});

Deno.test("with a source it asks where the target is, then pings it", () => {
  const one = probe(ping4);
  const [asked, pinged, ...more] = one.tick(farHost("10.0.0.2"));
  assert.equal(asked!.subarray(22, 32).toHex(), "0200000000090a000003");
  // RFC 791 and RFC 792: identifier 1234, sequence number 1, the token, then zeros.
  assert.equal(
    pinged!.toHex(),
    hex(`020000000002 020000000009 0800
      45 00 003c 0000 4000 40 01 26bd 0a000003 0a000002
      08 00 5738 1234 0001 a0a1a2a3a4a5a6a7 ${"00".repeat(24)}`).toHex(),
  );
  assert.deepEqual([more.length, one.prober.state, one.edges], [0, "up", ["up"]]);
  assert.equal(one.tick(farHost("10.0.0.2")).length, 1, "ARP is asked once");
});

Deno.test("over IPv6 it solicits from its link-local address, then pings", () => {
  const one = probe(ping6);
  const [asked, pinged] = one.tick(farHost("fd00:1::2"));
  assert.equal(asked!.subarray(0, 6).toHex(), "3333ff000002");
  assert.equal(asked![54], 135);
  assert.equal(pinged!.subarray(22, 38).toHex(), "fe8000000000000000000" + "0fffe000009");
  assert.deepEqual([pinged![54], one.prober.state], [128, "up"]);
});

Deno.test("the path is lost after so many probes in a row, and back after so many answers", () => {
  for (const [settings, host] of hosts) {
    const one = probe(settings);
    const far = farHost(host);
    const states = [far, far, undefined, undefined, far, undefined, undefined, undefined, undefined]
      .map((answers) => {
        one.tick(answers);
        return one.prober.state;
      });
    // The last probe of a row is judged when the next one is due.
    assert.deepEqual(states, ["up", "up", "up", "up", "up", "up", "up", "up", "lost"]);
    assert.deepEqual(one.edges, ["up", "lost"]);
    one.tick(far);
    assert.equal(one.prober.state, "lost", "one answer is not enough");
    one.tick();
    one.tick(far);
    assert.equal(one.prober.state, "lost", "they are counted in a row");
    one.tick(far);
    assert.deepEqual(one.edges, ["up", "lost", "up"]);
    const { answered, lost, sent } = one.prober.figures().counts;
    assert.deepEqual([sent, answered, lost], [13, 6, 7]);
    assert.deepEqual(one.totals, one.prober.figures().counts);
  }
});

Deno.test("one that nobody ever answered is lost in the end, and has been down all the time", () => {
  const one = probe(ping4);
  for (let i = 0; i < 9; i++) one.tick();
  assert.deepEqual(one.edges, ["lost"]);
});

Deno.test("one that begins while its session is up leaves it so", () => {
  const one = probe(ping4, "up");
  one.tick(farHost("10.0.0.2"));
  assert.deepEqual([one.edges, one.prober.state], [[], "up"]);
});

Deno.test("after a loss it asks anew where the target is: another router may have taken over", () => {
  const one = probe(ping4);
  one.tick(farHost("10.0.0.2"));
  one.tick();
  const other = parseMac("02:00:00:00:00:0a");
  const [asked, pinged] = one.tick(farHost("10.0.0.2", other));
  assert.equal(asked!.subarray(0, 6).toHex(), "ffffffffffff");
  assert.deepEqual(pinged!.subarray(0, 6), other);
  assert.equal(one.prober.figures().missed, 0);
});

Deno.test("it answers whoever asks for its address: ARP, pings, solicitations", () => {
  const four = probe(ping4);
  const [arp] = four.take(hex(`ffffffffffff 020000000002 0806 0001 0800 06 04 0001
    020000000002 0a000002 000000000000 0a000003`)).send;
  assert.equal(
    arp!.subarray(0, 42).toHex(),
    hex(`020000000002 020000000009 0806 0001 0800 06 04 0002
      020000000009 0a000003 020000000002 0a000002`).toHex(),
  );
  const far = probe({ ...ping4, mac: farMac, source: ip("10.0.0.2"), target: ip("10.0.0.3") });
  const said = far.tick((frame) => four.take(frame).send[0]);
  assert.deepEqual([said.length, far.prober.state], [2, "up"], "two keepalives answer each other");
  const six = probe(ping6);
  const other = probe({
    ...ping6,
    mac: farMac,
    source: linkLocalOf(farMac),
    target: linkLocalOf(mac),
  });
  other.tick((frame) => six.take(frame).send[0]);
  assert.equal(other.prober.state, "up");
  assert.equal(six.prober.figures().counts.stray, 0);
});

Deno.test("late and strange answers are counted and change nothing", () => {
  const one = probe(ping4);
  const far = farHost("10.0.0.2");
  const [, first] = one.tick(far);
  one.tick();
  const late = far(first!)!;
  one.take(late);
  assert.equal(one.prober.figures().counts.late, 1);
  one.tick();
  const [, pinged] = one.talk(one.tick(), far);
  const reply = far(pinged ?? first!)!;
  const changed = (at: number, to: number, sum: number) => {
    const frame = reply.slice();
    frame[at] = to;
    frame[sum] = frame[sum]! ^ 0;
    return frame;
  };
  const before = one.prober.figures().counts;
  one.take(changed(36, 0xff, 36)); // the checksum is wrong
  assert.equal(one.prober.figures().counts.malformed, before.malformed + 1);
  one.take(hex("020000000009 020000000002 88b5 0102"));
  one.take(hex("020000000009"));
  one.take(insertTag(reply, 7));
  assert.deepEqual(
    [one.prober.figures().counts.stray, one.prober.figures().counts.malformed],
    [before.stray + 2, before.malformed + 2],
  );
});

Deno.test("an echo reply counts once, from the target, with the identifier and content that were sent", () => {
  const far = farHost("10.0.0.2");
  const stranger = new Prober(ping4, "waiting", () => hex("4321 a0a1a2a3a4a5a6a7"), noCounts());
  const other = new Prober(ping4, "waiting", () => hex("1234 b0a1a2a3a4a5a6a7"), noCounts());
  for (const theirs of [stranger, other]) {
    const one = probe(ping4);
    const [arp] = theirs.tick(0).send;
    const [echo] = theirs.receive(far(arp!)!, 0).send;
    one.tick((frame) => frame[12] === 8 && frame[13] === 6 ? far(frame) : undefined);
    one.take(far(echo!)!);
    assert.deepEqual([one.prober.state, one.prober.figures().counts.stray], ["waiting", 1]);
  }
  const one = probe(ping4);
  const elsewhere = farHost("10.0.0.7");
  const [, echo] = one.tick((frame) => frame[13] === 6 ? far(frame) : undefined);
  const moved = echo!.slice();
  moved.set([7], 33); // to 10.0.0.7, which answers from there
  moved.set([0x26, 0xb8], 24);
  one.take(elsewhere(moved)!);
  assert.equal(one.prober.figures().counts.stray, 1);
  one.take(far(echo!)!);
  one.take(far(echo!)!);
  const { answered, late } = one.prober.figures().counts;
  assert.deepEqual([answered, late], [1, 1]);
});

Deno.test("questions and answers about others are strays, and answered by nobody", () => {
  const arp = (operation: number, sender: string, target: string) =>
    hex(`020000000009 020000000002 0806 0001 0800 06 04 000${operation}
      020000000002 ${sender} 020000000009 ${target}`);
  const alone = probe(arpOnly);
  alone.tick();
  alone.take(arp(2, "0a000007", "00000000"));
  alone.take(arp(1, "0a000002", "0a000003"));
  assert.deepEqual([alone.prober.state, alone.prober.figures().counts.stray], ["waiting", 2]);
  const four = probe(ping4);
  assert.deepEqual(four.take(arp(1, "0a000002", "0a000004")).send, []);
  const six = probe(ping6);
  const from = { ...ping6, mac: farMac, source: linkLocalOf(farMac) };
  const [asked] = probe({ ...from, target: ip("fe80::77") }).tick();
  assert.deepEqual(six.take(asked!).send, []);
  const [, pinged] = probe({ ...from, target: ip("fe80::77") }).tick(farHost("fe80::77"));
  assert.deepEqual(six.take(pinged!).send, [], "a ping to another address");
  assert.equal(six.prober.figures().counts.stray, 2);
  const claimed = farHost("fe80::ff:fe00:9")(
    probe({ ...from, target: linkLocalOf(mac) }).tick()[0]!,
  );
  six.take(claimed!);
  const { conflicts, stray } = six.prober.figures().counts;
  assert.deepEqual([conflicts, stray], [1, 3], "an advertisement of our own address");
});

Deno.test("where ARP is all, the second answer to a question is late", () => {
  const one = probe(arpOnly);
  const [asked] = one.tick(farHost("10.0.0.2"));
  one.take(farHost("10.0.0.2")(asked!)!);
  const { answered, late } = one.prober.figures().counts;
  assert.deepEqual([answered, late], [1, 1]);
});

Deno.test("a tag has all twelve bits of its VLAN", () => {
  const tagged = insertTag(hex("020000000009 020000000002 0806 0102"), 0xabc);
  assert.equal(tagged.toHex(), "020000000009020000000002" + "81000abc" + "08060102");
  assert.equal(untagged(tagged).vid, 0xabc);
  assert.equal(untagged(hex("020000000009 020000000002 8100 f00a 0806")).vid, 10, "but priority");
});

Deno.test("another station with the probe's address is told of, and given no way", () => {
  const four = probe(ping4);
  const answer = four.take(hex(`ffffffffffff 020000000002 0806 0001 0800 06 04 0001
    020000000002 0a000003 000000000000 0a000003`)).send;
  assert.deepEqual([answer.length, four.prober.figures().counts.conflicts], [1, 1]);
  const six = probe(ping6);
  const dad = probe({ ...ping6, mac: farMac, target: linkLocalOf(mac), source: ip("::") });
  const [asked] = dad.tick();
  const bare = asked!.slice(0, 78);
  bare.set([0, 24], 18);
  // Without its option: an address that is only tried has none (RFC 4861 §4.3).
  bare.set([0x7d, 0x15], 56);
  assert.equal(six.take(bare).send.length, 1);
  assert.equal(six.prober.figures().counts.conflicts, 1);
});

Deno.test("in a VLAN, all frames have its tag, and others are not taken", () => {
  const far = farHost("10.0.0.2");
  const tagged = probe({ ...ping4, vlan: 7 });
  const said = tagged.tick(far);
  assert.deepEqual(said.map((frame) => frame.subarray(12, 16).toHex()), ["81000007", "81000007"]);
  assert.equal(tagged.prober.state, "up");
  const other = probe({ ...ping4, vlan: 7 });
  other.tick((frame) => far(insertTag(untagged(frame).frame, 8)));
  assert.deepEqual([other.prober.state, other.prober.figures().counts.stray], ["waiting", 1]);
  const translated = probe({ ...ping4, vlan: 7, anyVlan: true });
  translated.tick((frame) => far(insertTag(untagged(frame).frame, 8)));
  assert.equal(
    translated.prober.state,
    "up",
    "the ends of a VLAN pseudowire number it as they like",
  );
  const priority = probe(ping4);
  priority.tick((frame) => {
    const answer = far(frame);
    return answer && insertTag(answer, 0);
  });
  assert.equal(priority.prober.state, "up", "VLAN 0 is none");
});

Deno.test("changed settings keep what is known of the path", () => {
  const one = probe(ping4);
  one.tick(farHost("10.0.0.2"));
  one.prober.change({ ...ping4, target: ip("10.0.0.7"), lost: 1 });
  assert.equal(one.prober.state, "up");
  one.tick(farHost("10.0.0.7"));
  assert.deepEqual(one.edges, ["up"]);
  one.tick();
  one.tick();
  assert.deepEqual(one.edges, ["up", "lost"]);
});

Deno.test("what nobody could have answered is not counted as lost", () => {
  const one = probe({ ...ping4, lost: 1 }, "up");
  one.tick();
  one.prober.forgive();
  one.tick(farHost("10.0.0.2"));
  assert.deepEqual([one.prober.state, one.prober.figures().counts.lost], ["up", 0]);
});

Deno.test("whatever is lost on the way, edges alternate and follow the rules", () => {
  const losses = fc.array(fc.boolean(), { minLength: 1, maxLength: 60 });
  const counts = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(
      losses,
      counts,
      counts,
      fc.constantFrom(...hosts),
      (answers, lost, restore, [settings, host]) => {
        const one = probe({ ...settings, lost, restore });
        const far = farHost(host);
        let [state, missed, run, open] = ["waiting", 0, 0, false];
        const expected: string[] = [];
        const enter = (next: string) => expected.push(state = next);
        for (const answer of answers) {
          if (open) {
            [missed, run] = [missed + 1, 0];
            if (missed >= lost && state !== "lost") enter("lost");
          }
          one.tick(answer ? far : undefined);
          open = !answer;
          if (!answer) continue;
          [missed, run] = [0, run + 1];
          if (state === "waiting" || (state === "lost" && run >= restore)) {
            enter("up");
          }
        }
        assert.deepEqual(one.edges, expected);
        assert.equal(one.prober.state, state);
      },
    ),
  );
});

Deno.test("no frames make it throw, or send more than they are", () => {
  const good = [...hosts].flatMap(([settings, host]) => {
    const said = probe(settings).tick(farHost(host));
    return said.flatMap((frame) => farHost(host)(frame) ?? []);
  });
  const mutated = fc.tuple(fc.constantFrom(...good), fc.nat(90), fc.nat(255), fc.nat(110))
    .map(([frame, at, to, cut]) => frame.with(at % frame.length, to).subarray(0, cut));
  const frames = fc.array(fc.oneof(fc.uint8Array({ maxLength: 110 }), mutated), { maxLength: 30 });
  fc.assert(fc.property(fc.constantFrom(...hosts.keys()), frames, (settings, frames) => {
    const one = probe(settings);
    one.tick();
    for (const frame of frames) assert.ok(one.take(frame).send.length <= 1);
  }));
});
