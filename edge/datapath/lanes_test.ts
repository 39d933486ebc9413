import assert from "node:assert/strict";
import type { PortIx } from "../../wasm/mod.ts";
import { openLane } from "./lanes.ts";
import { type FromWorker, lanes } from "./protocol.ts";
import { frameRecordSize } from "./records.ts";

/** A lane of frames that counts what it posts. */
function lane() {
  const posted: FromWorker[] = [];
  const sender = openLane("frames", (message) => posted.push(message));
  const put = (length: number) =>
    sender.put((packer) => packer.frame(7 as PortIx, new Uint8Array(length)));
  return { ...sender, posted, put };
}

Deno.test("flush() posts what was put in one batch, and nothing where there is nothing", () => {
  const { posted, put, flush } = lane();
  flush();
  assert.equal(posted.length, 0);
  assert.ok(put(10) && put(20));
  flush();
  flush();
  assert.equal(posted.length, 1);
});

Deno.test("put() refuses when all credits are used and a batch is full, until main has handled one", () => {
  const { posted, put, flush, handled } = lane();
  const { credits, batchBytes } = lanes.frames;
  const length = batchBytes / 2 - 100;
  let taken = 0;
  while (put(length)) taken++;
  assert.equal(posted.length, credits);
  assert.equal(taken, 2 * (credits + 1));
  flush();
  assert.equal(posted.length, credits);
  handled(1);
  assert.ok(put(length));
  assert.equal(posted.length, credits + 1);
});

Deno.test("put() takes a record as long as a batch, and refuses a longer one without losing others", () => {
  const { posted, put, flush } = lane();
  const most = lanes.frames.batchBytes - frameRecordSize(0);
  assert.ok(put(10));
  assert.ok(put(most));
  assert.equal(posted.length, 1);
  assert.ok(!put(most + 1));
  flush();
  assert.equal(posted.length, 2);
});
