import assert from "node:assert/strict";
import { run, type Sent } from "./testing_kernel.ts";
import { drainFrames, ethernet, makeEnd, moved, refusal } from "./testing_ends.ts";
import type { PortIx, WasmDatapath } from "./mod.ts";

/** A session and a device, joined with nothing. */
function bench() {
  const end = makeEnd("udp4", 0);
  const { datapath, host } = end;
  datapath.removePort(host);
  const device = datapath.addDevice(20, "ethernet");
  return { ...end, device, [Symbol.dispose]: () => end[Symbol.dispose]() };
}

const frame = (n: number) => ethernet(60).fill(n, 59);

/** What leaves by the session, by the last octets. */
const sent = (datapath: WasmDatapath) =>
  [...waiting.splice(0), ...run(datapath).sent]
    .flatMap(({ datagrams }) => datagrams.map((bytes) => bytes.at(-1)));

/** Frames are read from a device: all that has to go before has left. */
function enter(datapath: WasmDatapath, device: PortIx, ...numbers: number[]): void {
  const { memory, layout } = datapath;
  for (const [i, number] of numbers.entries()) {
    new Uint8Array(memory.buffer, layout.rxSlots[i], 60).set(frame(number));
    new DataView(memory.buffer).setInt32(layout.rxLengths + 4 * i, 60, true);
  }
  datapath.receiveFrames(device, numbers.length, 0);
  waiting.push(...run(datapath).sent);
}

const waiting: Sent[] = [];

Deno.test("a port's receiver has its frames while it has no forwarder, and sends by it whatever it is joined to", () => {
  using end = bench();
  const { datapath, device, session } = end;
  const host = datapath.addHostPort("ethernet");
  datapath.setReceiver(device, host);
  enter(datapath, device, 1);
  assert.deepEqual(drainFrames(end).map((data) => data.at(-1)), [1]);
  const sessionHost = datapath.addHostPort("ethernet");
  datapath.setReceiver(session, sessionHost);
  datapath.crossConnect(device, session);
  enter(datapath, device, 2);
  datapath.inject(sessionHost, frame(3), 0);
  assert.deepEqual(sent(datapath).sort(), [2, 3]);
  assert.deepEqual(drainFrames(end), []);
  assert.throws(
    () => datapath.setReceiver(device, datapath.addHostPort("ethernet")),
    refusal("port-joined"),
  );
  assert.throws(() => datapath.crossConnect(device, host), refusal("port-joined"));
  datapath.disconnect(device);
  enter(datapath, device, 4);
  assert.deepEqual(drainFrames(end).map((data) => data.at(-1)), [4]);
  datapath.removePort(host);
  enter(datapath, device, 5);
  assert.deepEqual(moved(datapath.drops()), { "no-forwarder": 1 });
});

Deno.test("what a port holds goes first to its next forwarder, in order, and no more than it may hold", () => {
  using end = bench();
  const { datapath, device, session } = end;
  const host = datapath.addHostPort("ethernet");
  datapath.setReceiver(device, host);
  datapath.hold(device, 3);
  enter(datapath, device, 3, 4, 5, 6);
  datapath.holdFirst(device, frame(2));
  datapath.holdFirst(device, frame(1));
  assert.deepEqual(drainFrames(end), []);
  assert.deepEqual(moved(datapath.drops()), { "hold-full": 1 });
  datapath.crossConnect(device, session);
  assert.deepEqual(sent(datapath), [1, 2, 3, 4, 5]);
  enter(datapath, device, 7);
  datapath.holdFirst(device, frame(8));
  assert.deepEqual(sent(datapath), [7, 8].toSorted());
});

Deno.test("what is held goes to the receiver when holding ends, and is counted when its port goes", () => {
  using end = bench();
  const { datapath, device, session } = end;
  const host = datapath.addHostPort("ethernet");
  datapath.setReceiver(device, host);
  datapath.hold(device, 8);
  enter(datapath, device, 1, 2);
  datapath.release(device);
  run(datapath);
  assert.deepEqual(drainFrames(end).map((data) => data.at(-1)), [1, 2]);
  datapath.hold(device, 8);
  enter(datapath, device, 3, 4);
  datapath.removePort(device);
  run(datapath);
  assert.deepEqual(moved(datapath.drops()), { "port-removed": 2 });
  assert.throws(() => datapath.hold(session, 0), refusal("invalid"));
  assert.throws(() => datapath.hold(session, 1025), refusal("invalid"));
});

Deno.test("a device and a session are as fast as they may be, and a session's own policy does not undo that", () => {
  using end = bench();
  const { datapath, device, session } = end;
  datapath.crossConnect(device, session);
  datapath.limit(device, { rx: 8, tx: 0, burst: 120 });
  enter(datapath, device, 1, 2, 3);
  assert.deepEqual(sent(datapath), [1, 2]);
  datapath.limit(device, { rx: 0, tx: 0, burst: 0 });
  datapath.limit(session, { rx: 0, tx: 8, burst: 60 });
  datapath.changeSession(session, { policy: {} });
  enter(datapath, device, 4, 5);
  assert.deepEqual(sent(datapath), [4]);
  assert.deepEqual(moved(datapath.drops()), { "rate-limited": 2 });
});
