import assert from "node:assert/strict";
import fc from "fast-check";
import { type Event, events, isTimed, type State, transition } from "./automaton.ts";
import { Negotiation, type OptionPolicy } from "./negotiation.ts";
import { Code, emitOptions, type Option, parsePacket } from "./wire.ts";

const states: State[] = [
  "initial",
  "starting",
  "closed",
  "stopped",
  "closing",
  "stopping",
  "req-sent",
  "ack-rcvd",
  "ack-sent",
  "opened",
];

Deno.test("RFC 1661 §4.1: some cells, as printed", () => {
  const cell = (state: State, event: Event) => {
    const found = transition(state, event);
    return found && `${found.actions.join()}/${found.next}`;
  };
  assert.equal(cell("starting", "up"), "irc,scr/req-sent");
  assert.equal(cell("stopped", "RCR+"), "irc,scr,sca/ack-sent");
  assert.equal(cell("stopped", "RCR-"), "irc,scr,scn/req-sent");
  assert.equal(cell("ack-rcvd", "RCR+"), "sca,tlu/opened");
  assert.equal(cell("ack-sent", "RCA"), "irc,tlu/opened");
  assert.equal(cell("opened", "RTR"), "tld,zrc,sta/stopping");
  assert.equal(cell("opened", "RXJ-"), "tld,irc,str/stopping");
  assert.equal(cell("ack-rcvd", "TO+"), "scr/req-sent");
  assert.equal(cell("opened", "TO+"), undefined);
  assert.equal(cell("initial", "RCR+"), undefined);
});

Deno.test("RFC 1661 §4.2: the timer runs where there are TO events, and what follows is a state", () => {
  for (const state of states) {
    assert.equal(isTimed(state), transition(state, "TO+") !== undefined, state);
    for (const event of events) {
      const found = transition(state, event);
      if (found) assert.ok(states.includes(found.next), `${state} ${event}`);
    }
  }
});

/** Takes all but type 9, wants type 8 to be 1, and asks for type 7. */
const policy = (): OptionPolicy => {
  let asks: Option[] = [{ type: 7, value: Uint8Array.of(1) }];
  return {
    reset: () => void (asks = [{ type: 7, value: Uint8Array.of(1) }]),
    request: () => asks,
    judge(options) {
      const rejects = options.filter(({ type }) => type === 9);
      if (rejects.length > 0) return { kind: "reject", options: rejects };
      const naks = options.filter(({ type, value }) => type === 8 && value[0] !== 1);
      return naks.length > 0 ? { kind: "nak", options: naks } : { kind: "ack" };
    },
    acknowledged() {},
    naked: () => undefined,
    rejected: () => void (asks = []),
  };
};

const option = fc.record({
  type: fc.integer({ min: 6, max: 10 }),
  value: fc.uint8Array({ maxLength: 3 }),
});

/** What may happen to a negotiation. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("packet" as const),
      code: fc.integer({ min: 0, max: 15 }),
      id: fc.integer({ min: 0, max: 4 }),
      options: fc.array(option, { maxLength: 3 }),
      ours: fc.boolean(),
    }),
  },
  fc.record({
    kind: fc.constantFrom(
      "open" as const,
      "close" as const,
      "up" as const,
      "down" as const,
      "rejected" as const,
    ),
  }),
  fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 0, max: 5000 }) }),
);

Deno.test("under random events a negotiation keeps to the table, and to its bounds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      let now = 0;
      let up = false;
      let sent = 0;
      let last: Uint8Array | undefined;
      const one = new Negotiation(policy(), {
        send(packet) {
          sent++;
          assert.ok(parsePacket(packet));
          if (packet[0] === Code.ConfigureRequest) last = packet;
        },
        up() {
          assert.equal(up, false, "up twice");
          assert.equal(one.state, "opened");
          up = true;
        },
        down() {
          assert.equal(up, true, "down twice");
          up = false;
        },
        finished() {},
        ignored() {},
        mayAnswer: () => true,
        mru: () => 1500,
      });
      for (const each of steps) {
        const before = one.state;
        sent = 0;
        switch (each.kind) {
          case "packet": {
            const asked = each.ours && last ? parsePacket(last)! : undefined;
            const data = asked?.data ?? emitOptions(each.options);
            one.input({ code: each.code, id: asked?.id ?? each.id, data }, now);
            break;
          }
          case "open":
            one.open(now);
            break;
          case "close":
            one.close("", now);
            break;
          case "up":
          case "down":
            one.lower(each.kind === "up", now);
            break;
          case "rejected":
            one.protocolRejected(now);
            break;
          case "time":
            now += each.ms;
            one.timeout(now);
        }
        assert.ok(sent <= 2, `${sent} packets at once`);
        assert.equal(one.state === "opened", up, `${before} to ${one.state}`);
        assert.equal(one.deadline !== undefined, isTimed(one.state), one.state);
        assert.ok(
          before === one.state || events.some((event) =>
            transition(before, event)?.next === one.state
          ) ||
            // Whoever negotiates without end is closed, within one event.
            one.state === "closing" || one.state === "closed",
          `${before} to ${one.state}`,
        );
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("a request that nobody answers is repeated ten times under one identifier, and then it is over", () => {
  const sent: Uint8Array[] = [];
  let reason: string | undefined;
  const one = new Negotiation(policy(), {
    send: (packet) => void sent.push(packet),
    up() {},
    down() {},
    finished: (why) => void (reason = why),
    ignored() {},
    mayAnswer: () => true,
    mru: () => 1500,
  });
  one.open(0);
  one.lower(true, 0);
  for (let now = 0; now < 60_000; now += 1000) one.timeout(now);
  assert.equal(sent.length, 10);
  assert.ok(sent.every((packet) => packet[1] === sent[0]![1]));
  assert.equal(reason, "no answer");
  assert.equal(one.state, "stopped");
  // And a request that comes later begins it anew (§4.2, Stopped).
  one.input({ code: Code.ConfigureRequest, id: 1, data: new Uint8Array() }, 60_000);
  assert.equal(one.state, "ack-sent");
});

Deno.test("how a layer came to its end is told with why", () => {
  const request = { id: 7, data: new Uint8Array() };
  const cases: [(one: Negotiation) => void, string, string][] = [
    [() => {}, "no-answer", "no answer"],
    [
      (one) => one.input({ code: Code.TerminateRequest, ...request }, 0),
      "terminated",
      "the peer terminates it",
    ],
    [(one) => one.protocolRejected(0), "rejected", "the peer rejects the protocol"],
    [(one) => one.close("we will not", 0), "not-agreed", "we will not"],
    // Why we closed it counts, whatever the peer says to that.
    [
      (one) => {
        one.close("we will not", 0);
        one.input({ code: Code.TerminateRequest, ...request }, 0);
      },
      "not-agreed",
      "we will not",
    ],
  ];
  for (const [work, how, why] of cases) {
    let end: readonly string[] = [];
    const one = new Negotiation(policy(), {
      send() {},
      up() {},
      down() {},
      finished: (why, how) => void (end = [how, why]),
      ignored() {},
      mayAnswer: () => true,
      mru: () => 1500,
    });
    one.open(0);
    one.lower(true, 0);
    work(one);
    for (let now = 0; now < 60_000; now += 1000) one.timeout(now);
    assert.deepEqual(end, [how, why]);
  }
});

Deno.test("an answer to another request, or to another text of it, counts for nothing", () => {
  const ignored: string[] = [];
  const one = new Negotiation(policy(), {
    send() {},
    up() {},
    down() {},
    finished() {},
    ignored: (what) => void ignored.push(what),
    mayAnswer: () => true,
    mru: () => 1500,
  });
  one.open(0);
  one.lower(true, 0);
  const right = emitOptions([{ type: 7, value: Uint8Array.of(1) }]);
  const wrong = emitOptions([{ type: 7, value: Uint8Array.of(2) }]);
  one.input({ code: Code.ConfigureAck, id: 2, data: right }, 0);
  one.input({ code: Code.ConfigureAck, id: 1, data: wrong }, 0);
  one.input({ code: Code.ConfigureReject, id: 1, data: wrong }, 0);
  one.input({ code: Code.ConfigureReject, id: 1, data: new Uint8Array() }, 0);
  assert.equal(one.state, "req-sent");
  assert.equal(ignored.length, 4);
  one.input({ code: Code.ConfigureAck, id: 1, data: right }, 0);
  assert.equal(one.state, "ack-rcvd");
});

/** A negotiation that is open, and what happened to it. */
function open() {
  const happened: string[] = [];
  const one = new Negotiation(policy(), {
    send: (packet) => void happened.push(`sent ${packet[0]}`),
    up: () => void happened.push("up"),
    down: () => void happened.push("down"),
    finished() {},
    ignored: () => void happened.push("ignored"),
    mayAnswer: () => true,
    mru: () => 1500,
  });
  const ack = {
    code: Code.ConfigureAck,
    id: 1,
    data: emitOptions([{ type: 7, value: Uint8Array.of(1) }]),
  };
  const request = { code: Code.ConfigureRequest, id: 9, data: new Uint8Array() };
  one.open(0);
  one.lower(true, 0);
  one.input(request, 0);
  one.input(ack, 0);
  assert.deepEqual(happened, ["sent 1", "sent 2", "up"]);
  happened.length = 0;
  return { ack, happened, one, request };
}

Deno.test("an answer that the network doubled does not end an open layer", () => {
  const { ack, happened, one } = open();
  one.input(ack, 1);
  assert.deepEqual(happened, ["ignored"]);
  assert.equal(one.state, "opened");
});

Deno.test("a request that comes again at once is acknowledged again, once; then, and later, it means to begin anew", () => {
  const { happened, one, request } = open();
  one.input(request, 1);
  assert.deepEqual(happened, ["sent 2"]);
  one.input(request, 2);
  assert.deepEqual(happened.slice(1), ["down", "sent 1", "sent 2"]);
  const later = open();
  later.one.input(later.request, 5000);
  assert.deepEqual(later.happened, ["down", "sent 1", "sent 2"]);
});
