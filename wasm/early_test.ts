import assert from "node:assert/strict";
import { arrive, run } from "./testing_kernel.ts";
import {
  addresses,
  drainFrames,
  ethernet,
  makeEnd,
  moved,
  refusal,
  sessionSpec,
} from "./testing_ends.ts";

/** Two ends of which the one has no session yet. */
function bench() {
  const [near, far] = [
    makeEnd("udp4", 0),
    makeEnd("udp4", 1, { sessionId: 12, peerSessionId: 21 }),
  ];
  const [from, to] = addresses("udp4").toReversed() as [Uint8Array, Uint8Array];
  const send = (mark: number, source = from) => {
    far.datapath.inject(far.host, ethernet(60, mark), 0);
    const datagrams = run(far.datapath).sent.flatMap((sent) => sent.datagrams);
    arrive(near.datapath, near.socket, "udp4", datagrams, { from: source, to });
    run(near.datapath);
  };
  const add = () =>
    near.datapath.addSession(near.tunnel, sessionSpec({ sessionId: 21, peerSessionId: 12 }));
  const stop = () => [near, far].forEach((end) => end[Symbol.dispose]());
  return { ...near, near, send, add, [Symbol.dispose]: stop };
}

Deno.test("what comes before a session that is expected goes to its first receiver, in order, and nothing of strangers", () => {
  using end = bench();
  const { add, datapath, near, send, tunnel } = end;
  send(9);
  assert.deepEqual(moved(datapath.drops()), { "unknown-session": 1 });
  datapath.expectSession(tunnel, 21);
  send(1);
  send(2);
  send(8, Uint8Array.of(10, 77, 0, 9));
  assert.deepEqual(moved(datapath.drops()), { "unknown-session": 1, "wrong-source": 1 });
  const session = add();
  send(3);
  run(datapath);
  assert.deepEqual(drainFrames(near), []);
  const host = datapath.addHostPort("ethernet");
  datapath.setReceiver(session, host);
  run(datapath);
  send(4);
  assert.deepEqual(drainFrames(near), [1, 2, 3, 4].map((mark) => ethernet(60, mark)));
  assert.equal(datapath.sessionCounters(session)["rx-packets"], 4);
});

Deno.test("what is kept for a session is bounded, given up with it, and not held up by a hold", () => {
  using end = bench();
  const { add, datapath, near, send, tunnel } = end;
  datapath.expectSession(tunnel, 21);
  for (let i = 0; i < 20; i++) send(i);
  assert.deepEqual(moved(datapath.drops()), { "hold-full": 4 });
  datapath.expectSession(tunnel, 21, false);
  assert.deepEqual(moved(datapath.drops()), { "hold-full": 4, "unknown-session": 16 });
  datapath.expectSession(tunnel, 21);
  send(1);
  const session = add();
  datapath.hold(session, 8);
  const host = datapath.addHostPort("ethernet");
  datapath.setReceiver(session, host);
  run(datapath);
  assert.deepEqual(drainFrames(near), [], "it was asked to be held");
  datapath.release(session);
  run(datapath);
  assert.deepEqual(drainFrames(near), [ethernet(60, 1)]);
  assert.throws(() => datapath.expectSession(tunnel, 2 ** 32), refusal("invalid"));
});
