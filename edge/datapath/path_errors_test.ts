import assert from "node:assert/strict";
import type { SocketIx } from "../../wasm/mod.ts";
import type { KeptError } from "../io/error_queue.ts";
import { createPathErrorSink, type PathErrors } from "./path_errors.ts";

const socket = 1 as SocketIx;
const from = (last: number, trouble: KeptError["trouble"] = "port-unreachable"): KeptError => ({
  trouble,
  local: false,
  peer: { address: Uint8Array.of(10, 0, last >> 8, last & 255), port: 1701 },
});

Deno.test("errors are gathered and told a few times a second", () => {
  const told: (readonly PathErrors[])[] = [];
  const sink = createPathErrorSink((errors) => told.push(errors), () => assert.fail());
  assert.equal(sink.deadline(), undefined);
  sink.note(socket, from(1));
  sink.flush(1000);
  assert.equal(told.length, 1);
  for (let i = 0; i < 1000; i++) sink.note(socket, from(i % 2, i % 4 < 2 ? "prohibited" : "other"));
  sink.flush(1099);
  assert.equal(told.length, 1);
  assert.equal(sink.deadline(), 1100);
  sink.flush(1100);
  assert.deepEqual(told[1]!.map(({ trouble, count }) => [trouble, count]), [
    ["prohibited", 250],
    ["prohibited", 250],
    ["other", 250],
    ["other", 250],
  ]);
});

Deno.test("a flood of forged errors about ever other peers is bounded, and the rest counted", () => {
  let beyond = 0;
  const told: (readonly PathErrors[])[] = [];
  const sink = createPathErrorSink((errors) => told.push(errors), (count) => beyond += count);
  for (let i = 0; i < 10_000; i++) sink.note(socket, from(i));
  sink.flush(0);
  assert.equal(told[0]!.length, 256);
  assert.equal(beyond, 10_000 - 256);
});
