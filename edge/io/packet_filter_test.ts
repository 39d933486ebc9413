import assert from "node:assert/strict";
import fc from "fast-check";
import { parseIp } from "../../core/endpoint.ts";
import {
  type Instruction,
  oursOf,
  packetFilter,
  vlanFilter,
  type VlanRange,
} from "./packet_filter.ts";
import { betweenUsAnd } from "./wiretap.ts";

/** What the kernel knows of a frame beside its bytes. */
interface Beside {
  /** The tag that it took off: its tag control information. */
  readonly tag?: number;
  /** 0 is ours, 3 another station's. */
  readonly type?: number;
}

/** Runs a program as the kernel does: a load beyond the frame lets nothing in. Gives how many bytes are let in. */
function run(
  program: readonly Instruction[],
  frame: Uint8Array,
  { tag, type = 0 }: Beside,
): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const memory = new Uint32Array(16);
  let [a, x] = [0, 0];
  const beside = new Map([[4, type], [44, tag ?? 0], [48, tag === undefined ? 0 : 1]]);
  for (let at = 0;;) {
    const [code, yes, no, k] = program[at++]!;
    const jump = (when: boolean) => at += when ? yes : no;
    switch (code) {
      case 0x00:
        a = k;
        break;
      case 0x20:
        if (k < 0xfffff000 && k + 4 > frame.length) return 0;
        a = beside.get(k - 0xfffff000) ?? view.getUint32(k);
        break;
      case 0x30:
        if (k >= frame.length) return 0;
        a = view.getUint8(k);
        break;
      case 0x28:
      case 0x48: {
        const from = k + (code === 0x48 ? x : 0);
        if (from + 2 > frame.length) return 0;
        a = view.getUint16(from);
        break;
      }
      case 0x60:
        a = memory[k]!;
        break;
      case 0x61:
        x = memory[k]!;
        break;
      case 0x02:
        memory[k] = a;
        break;
      case 0x04:
        a = (a + k) >>> 0;
        break;
      case 0x4c:
        a = (a | x) >>> 0;
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x64:
        a = (a << k) >>> 0;
        break;
      case 0x74:
        a >>>= k;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        jump(a === k);
        break;
      case 0x25:
        jump(a > k);
        break;
      case 0x35:
        jump(a >= k);
        break;
      case 0x06:
        return k;
      default:
        assert.fail(`no such instruction: ${code}`);
    }
  }
}

const lets = (program: readonly Instruction[], frame: Uint8Array, beside: Beside = {}) =>
  run(program, frame, beside) > 0;

/** A frame with tags of `[TPID, tag control information]` in it. */
function frame(tags: readonly (readonly [number, number])[], kind: number): Uint8Array {
  const words = [...tags.flat(), kind, 0, 0];
  return Uint8Array.from([
    ...new Uint8Array(12),
    ...words.flatMap((word) => [word >> 8, word & 0xff]),
  ]);
}

const pppoe = [0x8863, 0x8864];

Deno.test("a wiretap takes UDP and protocol 115 from and to its addresses alone", () => {
  const program = betweenUsAnd(["10.0.0.2", "fd00:1::2", "10.0.0.3"]);
  const packet = (protocol: number, source: string, destination: string) => {
    const ends = [parseIp(source)!, parseIp(destination)!];
    const v6 = ends[0]!.length === 16;
    const head = new Uint8Array(v6 ? 8 : 12);
    head[0] = v6 ? 0x60 : 0x45;
    head[v6 ? 6 : 9] = protocol;
    return Uint8Array.from([...head, ...ends[0]!, ...ends[1]!, 0, 0]);
  };
  const cases: [boolean, number, string, string][] = [
    [true, 17, "10.0.0.2", "10.0.0.1"],
    [true, 17, "10.0.0.1", "10.0.0.2"],
    [true, 115, "10.0.0.1", "10.0.0.3"],
    [true, 17, "fd00:1::2", "fd00:1::1"],
    [true, 115, "fd00:1::1", "fd00:1::2"],
    [false, 6, "10.0.0.2", "10.0.0.1"],
    [false, 17, "10.0.0.1", "10.0.0.4"],
    [false, 58, "fd00:1::2", "fd00:1::1"],
    [false, 17, "fd00:1::3", "fd00:1::1"],
    [false, 17, "fd00:2::2", "fd00:1::1"],
  ];
  for (const [taken, protocol, source, destination] of cases) {
    const what = `${protocol} ${source} > ${destination}`;
    assert.equal(lets(program, packet(protocol, source, destination)), taken, what);
  }
  assert.equal(lets(program, new Uint8Array(0)), false);
  assert.equal(lets(program, Uint8Array.of(0x55)), false);
});

Deno.test("a filter lets in frames of its VLANs and kinds, wherever their tags stand", () => {
  const program = packetFilter({
    vlans: [{}, { outer: [100, 199] }, { outer: [100, 199], inner: [7, 7] }],
    protocols: pppoe,
  });
  const cases: [boolean, [number, number][], number?][] = [
    [true, []],
    [true, [], 0x0000],
    [true, [[0x8100, 0x6000]]],
    [true, [[0x8100, 100]]],
    [true, [[0x88a8, 0xe000 + 199]]],
    [true, [[0x9100, 150]]],
    [true, [], 0x6064],
    [true, [[0x8100, 7]], 100],
    [true, [[0x88a8, 100], [0x8100, 7]]],
    [false, [[0x8100, 99]]],
    [false, [[0x8100, 200]]],
    [false, [], 99],
    [false, [[0x8100, 8]], 100],
    [false, [[0x8100, 7]], 200],
    [false, [[0x88a8, 200], [0x8100, 7]]],
    [false, [[0x88a8, 100], [0x8100, 7], [0x8100, 7]]],
  ];
  for (const [wanted, tags, tag] of cases) {
    const beside = tag === undefined ? {} : { tag };
    const title = `${JSON.stringify(tags)} ${tag}`;
    assert.equal(lets(program, frame(tags, 0x8863), beside), wanted, title);
    assert.equal(lets(program, frame(tags, 0x0800), beside), false, title);
  }
});

Deno.test("what is let in is what a plain reading of the tags says", () => {
  const id = fc.oneof(fc.nat(4095), fc.constantFrom(0, 5, 10, 20));
  const ids = fc.tuple(id, id).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const range: fc.Arbitrary<VlanRange> = fc.oneof(
    fc.constant({}),
    fc.record({ outer: ids }),
    fc.record({ outer: ids, inner: ids }),
  );
  const control = fc.tuple(id, fc.nat(15)).map(([vid, high]) => high << 12 | vid);
  const tag = fc.tuple(fc.constantFrom(0x8100, 0x88a8, 0x9100), control);
  const within = ([from, to]: readonly [number, number], vid: number) => vid >= from && vid <= to;
  fc.assert(fc.property(
    fc.array(range, { maxLength: 40 }),
    fc.array(fc.integer({ min: 0x600, max: 0x9000 }), { maxLength: 5 }),
    fc.array(tag, { maxLength: 3 }),
    fc.option(control, { nil: undefined }),
    fc.integer({ min: 0x600, max: 0x8fff }).filter((kind) => kind !== 0x8100 && kind !== 0x88a8),
    fc.boolean(),
    (vlans, protocols, tags, taken, kind, other) => {
      const looked = tags.slice(0, taken === undefined ? 2 : 1).map(([, tci]) => tci);
      const vids = [...(taken === undefined ? [] : [taken]), ...looked].map((tci) => tci & 0x0fff)
        .filter((vid) => vid !== 0);
      // Of more tags than two, the third is what the frame seems to carry.
      const carried = tags.length > looked.length ? tags[looked.length]![0] : kind;
      const wanted = protocols.includes(carried) &&
        vlans.some(({ outer, inner }) =>
          vids.length === (outer ? inner ? 2 : 1 : 0) &&
          (!outer || within(outer, vids[0]!)) && (!inner || within(inner, vids[1]!))
        );
      const beside = { ...(taken !== undefined && { tag: taken }), type: other ? 3 : 0 };
      const program = packetFilter({ vlans, protocols });
      assert.equal(lets(program, frame(tags, kind), beside), wanted);
      assert.equal(lets(oursOf(program), frame(tags, kind), beside), wanted && !other);
    },
  ));
});

Deno.test("a range that begins with 0 means no frame without a tag", () => {
  const untagged = frame([], 0x8863);
  const tagged = frame([[0x88a8, 3], [0x8100, 3]], 0x8863);
  for (const vlans of [[{ outer: [0, 0], inner: [0, 0] }], [{ outer: [0, 0] }]] as const) {
    assert.equal(lets(packetFilter({ vlans }), untagged), false);
  }
  const both = packetFilter({ vlans: [{ outer: [0, 9], inner: [0, 9] }] });
  assert.deepEqual([lets(both, untagged), lets(both, tagged)], [false, true]);
});

Deno.test("one VLAN's filter looks at the outer tag alone", () => {
  const program = vlanFilter(10);
  assert.ok(lets(program, frame([], 0x0800), { tag: 0x600a }));
  assert.ok(lets(program, frame([[0x9100, 10], [0x8100, 7]], 0x0800)));
  assert.ok(!lets(program, frame([[0x8100, 7], [0x8100, 10]], 0x0800)));
  assert.ok(!lets(program, frame([[0x8100, 10]], 0x0800), { tag: 7 }));
  assert.ok(!lets(program, frame([], 0x0800)));
});
