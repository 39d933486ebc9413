import assert from "node:assert/strict";
import fc from "fast-check";
import type { PortIx, SocketIx } from "../../wasm/mod.ts";
import { type ControlRecord, createPacker, readControl, readFrames } from "./records.ts";

const data = fc.uint8Array({ maxLength: 300 });
const address = fc.constantFrom(4, 16).chain((length) =>
  fc.uint8Array({ minLength: length, maxLength: length })
);

Deno.test("readFrames() gives what frame() packed", () => {
  const frames = fc.array(fc.tuple(fc.maxSafeNat(), data), { maxLength: 50 });
  fc.assert(fc.property(frames, (frames) => {
    const packer = createPacker(1 << 20);
    for (const [port, frame] of frames) assert.ok(packer.frame(port as PortIx, frame));
    const seen: [number, Uint8Array][] = [];
    readFrames(packer.take(), (port, frame) => seen.push([port, frame]));
    assert.deepEqual(seen, frames);
    assert.equal(packer.length, 0);
  }));
});

Deno.test("readControl() gives what control() packed", () => {
  const record = fc.record({
    socket: fc.maxSafeNat(),
    remote: fc.record(
      { address, port: fc.nat(0xffff), scopeId: fc.integer({ min: 1 }) },
      { noNullPrototype: true },
    ),
    local: fc.option(address, { nil: undefined }),
    mark: fc.integer({ min: 0, max: 0xffff_ffff }),
    data,
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.array(record, { maxLength: 20 }), (records) => {
    const packer = createPacker(1 << 20);
    const packed = records as unknown as (ControlRecord & { socket: SocketIx })[];
    for (const record of packed) assert.ok(packer.control(record));
    const seen: ControlRecord[] = [];
    readControl(packer.take(), (record) => seen.push(record));
    assert.deepEqual(seen, packed);
  }));
});

Deno.test("frame() refuses what exceeds the limit, and keeps what it has", () => {
  const packer = createPacker(100);
  assert.ok(packer.frame(1 as PortIx, new Uint8Array(60)));
  assert.ok(!packer.frame(1 as PortIx, new Uint8Array(60)));
  assert.ok(packer.frame(2 as PortIx, new Uint8Array(16)));
  const ports: number[] = [];
  readFrames(packer.take(), (port) => ports.push(port));
  assert.deepEqual(ports, [1, 2]);
});
