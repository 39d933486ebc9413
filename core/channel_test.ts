import assert from "node:assert/strict";
import {
  type ChannelOptions,
  distance,
  ReliableChannel,
  retransmissionCycle,
  type Transmission,
} from "./channel.ts";
import { ApiMisuse } from "./errors.ts";
import { seeded } from "./testing.ts";

type Channel = ReliableChannel<number, number>;

function channel(changes: Partial<ChannelOptions> = {}): Channel {
  return new ReliableChannel({
    receiveWindow: 16,
    retransmitMs: 1000,
    retransmitCapMs: 8000,
    attempts: 5,
    queueLimit: 1000,
    ...changes,
  });
}

/** All that a channel wants transmitted now. */
function drain(one: Channel, now: number): Transmission<number>[] {
  const sent: Transmission<number>[] = [];
  for (let next = one.poll(now); next; next = one.poll(now)) sent.push(next);
  return sent;
}

const numbers = (sent: readonly Transmission<number>[]) => sent.map(({ ns }) => ns);

/** A channel that has sent and had acknowledged `count` messages: its Ns and its window have grown. */
function warm(count: number, peerWindow = 64, changes: Partial<ChannelOptions> = {}): Channel {
  const one = channel(changes);
  one.peerWindow = peerWindow;
  for (let i = 0; i < count; i++) {
    one.send(i);
    const [sent] = drain(one, 0);
    one.receive(0, sent!.ns + 1 & 0xffff, undefined, 0);
  }
  return one;
}

Deno.test("ReliableChannel delivers everything once and in order over a lossy, reordering, duplicating link, past 65535", () => {
  for (let seed = 0; seed < 8; seed++) {
    const random = seeded(seed);
    const count = seed === 0 ? 66_000 : 2_000;
    const options = { attempts: 100, receiveWindow: 32, queueLimit: count };
    const ends = [channel(options), channel(options)] as const;
    for (const end of ends) end.peerWindow = 32;
    const received: [number, number] = [0, 0];
    for (let i = 0; i < count; i++) ends[0].send(i);
    for (let i = 0; i < count / 10; i++) ends[1].send(i);
    /** What is on the link, by the time at which it arrives. */
    const flights = new Map<number, { to: 0 | 1; what: Transmission<number> }[]>();
    let now = 0;
    while (received[0] < count / 10 || received[1] < count) {
      for (const from of [0, 1] as const) {
        for (const what of drain(ends[from], now)) {
          for (let copies = random.fraction() < 0.05 ? 2 : 1; copies > 0; copies--) {
            if (random.fraction() < (seed === 0 ? 0.002 : 0.1)) continue;
            const at = now + 1 + Math.floor(5 * random.fraction());
            const arriving = flights.get(at) ?? [];
            flights.set(at, [...arriving, { to: from === 0 ? 1 : 0, what }]);
          }
        }
      }
      now = flights.size > 0
        ? Math.min(...flights.keys())
        : Math.min(...ends.map((end) => end.deadline() ?? Infinity));
      const due = flights.get(now) ?? [];
      flights.delete(now);
      for (const { to, what: { ns, nr, payload } } of due) {
        for (const delivered of ends[to].receive(ns, nr, payload, now)) {
          assert.equal(delivered, received[to], `seed ${seed}`);
          received[to]++;
        }
      }
      for (const end of ends) assert.ok(end.timeout(now), "never gives up");
    }
    assert.equal(ends[1].nr, count & 0xffff, "Nr went past 65535");
  }
});

Deno.test("ReliableChannel starts slowly: one message, then twice as many each round trip, up to the peer's window", () => {
  const one = channel();
  one.peerWindow = 8;
  for (let i = 0; i < 40; i++) one.send(i);
  const rounds: number[] = [];
  for (let round = 0; round < 6; round++) {
    const sent = drain(one, round);
    rounds.push(sent.length);
    one.receive(0, sent.at(-1)!.ns + 1, undefined, round);
  }
  assert.deepEqual(rounds, [1, 2, 4, 8, 8, 8]);
});

Deno.test("ReliableChannel halves its threshold after a loss, and grows by one a round trip from there", () => {
  const one = warm(20, 16);
  assert.equal(one.window, 16);
  for (let i = 0; i < 200; i++) one.send(i);
  let sent = drain(one, 0);
  assert.equal(sent.length, 16);
  assert.ok(one.timeout(1000));
  const rounds: number[] = [];
  for (let round = 0; round < 8; round++) {
    sent = drain(one, 1000 + round);
    rounds.push(sent.length);
    one.receive(0, sent.at(-1)!.ns + 1 & 0xffff, undefined, 1000 + round);
  }
  assert.deepEqual(rounds, [1, 2, 4, 8, 9, 10, 11, 12]);
});

Deno.test("ReliableChannel keeps to a peer's window of 1, and takes a new message into the place of an acknowledged one", () => {
  const one = channel();
  one.peerWindow = 1;
  for (let i = 0; i < 3; i++) one.send(i);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(numbers(drain(one, i)), [i]);
    one.receive(0, i + 1, undefined, i);
  }
  assert.equal(one.outstanding, 0);
  assert.equal(one.deadline(), undefined);
});

Deno.test("ReliableChannel backs off exponentially up to the cap, then gives up, with Nr up to date each time", () => {
  const one = channel({ attempts: 6 });
  one.send(7);
  let now = 0;
  const times: number[] = [];
  const acknowledged: number[] = [];
  for (;;) {
    for (const { ns, nr, payload } of drain(one, now)) {
      assert.deepEqual([ns, payload], [0, 7]);
      times.push(now);
      acknowledged.push(nr);
    }
    one.receive(times.length - 1, 0, 1, now);
    for (const { ns, payload } of drain(one, now)) assert.deepEqual([ns, payload], [1, undefined]);
    now = one.deadline()!;
    if (!one.timeout(now)) break;
  }
  assert.deepEqual(times, [0, 1000, 3000, 7000, 15_000, 23_000]);
  assert.equal(now, 31_000);
  assert.equal(
    now,
    retransmissionCycle({ attempts: 6, retransmitMs: 1000, retransmitCapMs: 8000 }),
  );
  assert.deepEqual(acknowledged, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([one.counters.sent, one.counters.retransmitted], [1, 5]);
});

Deno.test("ReliableChannel counts attempts from the last progress: resending behind a lost message costs no other its own", () => {
  const one = warm(20, 16, { attempts: 3 });
  for (let i = 0; i < 10; i++) one.send(i);
  let now = 0;
  let base = drain(one, now)[0]!.ns;
  // Each message is lost twice before it gets through: never three times in a row.
  for (let message = 0; message < 10; message++) {
    for (let loss = 0; loss < 2; loss++) {
      now = one.deadline()!;
      assert.ok(one.timeout(now), `message ${message}, loss ${loss}`);
      drain(one, now);
    }
    one.receive(0, ++base, undefined, now);
    drain(one, now);
  }
  assert.equal(one.outstanding, 0);
});

Deno.test("ReliableChannel starts its back-off anew once the peer acknowledges something", () => {
  const one = channel();
  one.send(1);
  drain(one, 0);
  one.timeout(1000);
  drain(one, 1000);
  one.timeout(3000);
  drain(one, 3000);
  one.receive(0, 1, undefined, 4000);
  one.send(2);
  drain(one, 4000);
  assert.equal(one.deadline(), 5000);
});

Deno.test("ReliableChannel acknowledges what came before again, and keeps what comes early", () => {
  const one = channel({ receiveWindow: 4 });
  assert.deepEqual(one.receive(1, 0, 11, 0), []);
  assert.deepEqual(one.receive(2, 0, 12, 0), []);
  assert.deepEqual(drain(one, 0), [], "nothing new to acknowledge");
  assert.deepEqual(one.receive(0, 0, 10, 0), [10, 11, 12]);
  assert.deepEqual(drain(one, 0), [{ ns: 0, nr: 3 }]);
  assert.deepEqual(one.receive(1, 0, 11, 0), []);
  assert.deepEqual(drain(one, 0), [{ ns: 0, nr: 3 }], "a duplicate is acknowledged again");
  assert.deepEqual(one.receive(3 + 4, 0, 99, 0), []);
  assert.deepEqual(one.counters, {
    sent: 0,
    retransmitted: 0,
    acknowledgements: 2,
    received: 3,
    duplicates: 1,
    outOfOrder: 2,
    outsideWindow: 1,
  });
  assert.deepEqual(one.receive(3 - 32_767 & 0xffff, 0, 5, 0), [], "32,767 behind is a duplicate");
  assert.equal(one.counters.duplicates, 2);
  assert.deepEqual(one.receive(3 + 32_767, 0, 5, 0), []);
  assert.equal(one.counters.outsideWindow, 2);
});

Deno.test("ReliableChannel acknowledges with a message where it has one to send", () => {
  const one = channel();
  one.receive(0, 0, 1, 0);
  one.send(5);
  assert.deepEqual(drain(one, 0), [{ ns: 0, nr: 1, payload: 5 }]);
  one.receive(1, 0, 2, 0);
  assert.deepEqual(drain(one, 0), [{ ns: 1, nr: 2 }], "bare, while the window is full");
});

Deno.test("ReliableChannel takes a bare acknowledgement for no message, and answers it with nothing", () => {
  const one = channel();
  assert.deepEqual(one.receive(0, 0, undefined, 0), []);
  assert.deepEqual(drain(one, 0), []);
  assert.deepEqual(one.receive(0, 0, 7, 0), [7], "its Ns is that of the next message");
});

Deno.test("ReliableChannel ignores an Nr of what it never sent, and an old one", () => {
  const one = warm(3);
  one.send(3);
  drain(one, 0);
  one.receive(0, 5, undefined, 0);
  one.receive(0, 0xffff, undefined, 0);
  one.receive(0, 2, undefined, 0);
  assert.equal(one.outstanding, 1);
  one.receive(0, 4, undefined, 0);
  assert.equal(one.outstanding, 0);
});

Deno.test("ReliableChannel takes no more than its queue, and says so", () => {
  const one = channel({ queueLimit: 2 });
  one.send(1);
  one.send(2);
  assert.equal(one.hasRoom, false);
  assert.throws(() => one.send(3), ApiMisuse);
  one.dropWaiting();
  assert.equal(one.hasRoom, true);
  assert.deepEqual(drain(one, 0), []);
});

Deno.test("ReliableChannel that is abandoned still acknowledges, and has no deadline", () => {
  const one = channel();
  one.send(1);
  one.send(2);
  drain(one, 0);
  one.abandon();
  assert.equal(one.deadline(), undefined);
  assert.equal(one.outstanding, 0);
  assert.ok(one.timeout(1e9));
  one.receive(0, 1, 9, 10);
  assert.deepEqual(drain(one, 10), [{ ns: 1, nr: 1 }]);
});

Deno.test("distance() is signed, modulo 65536", () => {
  assert.deepEqual(
    [[1, 0], [0, 1], [0, 0xffff], [0xffff, 0], [0x7fff, 0], [0x8000, 0]].map(([a, b]) =>
      distance(a!, b!)
    ),
    [1, -1, 1, -1, 0x7fff, -0x8000],
  );
});

Deno.test("ReliableChannel never has more than half of the number space under way", () => {
  const one = warm(0x8000, 0xffff);
  assert.equal(one.window, 0x7fff);
});
