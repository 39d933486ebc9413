import assert from "node:assert/strict";
import type { PortId } from "../../plugins/host/leaves.ts";
import { makeLog } from "../log/log.ts";
import { session } from "../testing/appliance.ts";
import { makeKeepalives } from "./keepalives.ts";
import { atOnce } from "../slices.ts";

const port = 7 as PortId;

/** One keepalive that loses its path with the first probe that nobody answers, and a datapath that may be full. */
function bench() {
  let now = 0;
  let due: { at: number; callback: () => void } | undefined;
  const datapath = { full: false, ports: 0, sent: 0 };
  const keepalives = makeKeepalives({
    clock: {
      now: () => now,
      timer(at, callback) {
        const timer = due = { at, callback };
        return {
          [Symbol.dispose]() {
            if (due === timer) due = undefined;
          },
        };
      },
    },
    datapath: {
      addInside: () => Promise.resolve(100 + datapath.ports++ as PortId),
      removePort: () => Promise.reject(new Error("it has gone with its session")),
      inject(_port, frames) {
        if (!datapath.full) datapath.sent += frames.length;
        return !datapath.full;
      },
    },
    log: makeLog({ level: "info", format: "text" }, { write() {} }),
    random: (length) => new Uint8Array(length).fill(0x80),
    wallClock: () => now,
  });
  const config = session(1, {
    keepalive: { target: "10.0.0.2", intervalMs: 1000, lost: 1, restore: 1 },
  });
  const place = { path: "tunnels/t/sessions/s", port: () => port, changed() {} };
  const one = keepalives.make(config, place, true);
  return {
    datapath,
    keepalives,
    one,
    pass(ms: number) {
      const end = now + ms;
      while (due && due.at <= end) {
        now = Math.max(now, due.at);
        due.callback();
      }
      now = end;
    },
    get waits() {
      return due !== undefined;
    },
  };
}

Deno.test("a probe that could not be sent says nothing of the path", async () => {
  const { datapath, keepalives, one, pass } = bench();
  datapath.full = true;
  await one.enter();
  pass(10_000);
  assert.deepEqual([one.silence, atOnce(keepalives.states()).up], [undefined, 1]);
  datapath.full = false;
  pass(3000);
  assert.equal(one.silence, "keepalive: no answer from 10.0.0.2");
});

Deno.test("while it is out of the datapath it sends and loses nothing, and goes on afterwards", async () => {
  const { datapath, one, pass } = bench();
  await one.enter();
  pass(900); // the first probe has left, and is not due to be judged
  assert.equal(datapath.sent, 1);
  await one.leave();
  pass(60_000);
  await one.enter();
  pass(900);
  assert.deepEqual([datapath.sent, one.silence], [2, undefined]);
  pass(2000);
  assert.equal(one.silence, "keepalive: no answer from 10.0.0.2");
});

Deno.test("one that has ended leaves no timer and no count of itself", async () => {
  const all = bench();
  await all.one.enter();
  await all.one.end();
  assert.deepEqual([all.waits, atOnce(all.keepalives.states()).up, [...all.keepalives.silent()]], [
    false,
    0,
    [],
  ]);
});
