/** Filters of packet sockets, as programs of classic BPF (linux/filter.h): which VLANs' frames come, and of what kind. Pure. @module */

/** An instruction: operation, jumps, operand. */
export type Instruction = readonly [code: number, yes: number, no: number, k: number];

/** VLAN ids from one to another, both included. */
export type Ids = readonly [from: number, to: number];

/** Frames by the VLANs that they are in. */
export interface VlanRange {
  /** Ids of the outer tag; absent: there is none. */
  readonly outer?: Ids;
  /** Ids of the inner tag; absent: there is none. */
  readonly inner?: Ids;
}

const load = 0x00; // BPF_LD | BPF_IMM
const load32 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const load16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
const load16At = 0x48; // BPF_LD | BPF_H | BPF_IND
const recall = 0x60; // BPF_LD | BPF_MEM
const recallIndex = 0x61; // BPF_LDX | BPF_MEM
const store = 0x02; // BPF_ST
const add = 0x04; // BPF_ALU | BPF_ADD | BPF_K
const orIndex = 0x4c; // BPF_ALU | BPF_OR | BPF_X
const and = 0x54; // BPF_ALU | BPF_AND | BPF_K
const shiftLeft = 0x64; // BPF_ALU | BPF_LSH | BPF_K
const shiftRight = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const jump = 0x05; // BPF_JMP | BPF_JA
const jumpIfEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const jumpIfGreater = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const jumpIfAtLeast = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const give = 0x06; // BPF_RET | BPF_K

/** What the kernel knows beside the frame: SKF_AD_OFF and the offsets of the tag that it took off. */
const packetType = 0xfffff000 + 4;
const vlanTag = 0xfffff000 + 44;
const vlanTagPresent = 0xfffff000 + 48;
const PACKET_OTHERHOST = 3;
const everything = 0x40000;
const idBits = 12;
const idMask = 0x0fff;
const ethertype = 12;
/** 802.1Q, 802.1ad, and what was used for outer tags before it. */
const tpids = [0x8100, 0x88a8, 0x9100] as const;

/** Registers of the filter's memory: VLANs found so far, where the next EtherType stands, and one to reckon with. */
const found = 0;
const place = 1;
const scratch = 2;

/** Keeps out what is for other stations, of what `program` lets in: a device that somebody else listens at gives them, too. */
export function oursOf(program: readonly Instruction[]): readonly Instruction[] {
  return [[load32, 0, 0, packetType], [jumpIfEqual, 0, 1, PACKET_OTHERHOST], drop, ...program];
}

/**
 * Lets in frames whose outer tag is that VLAN's: the tag that the kernel took off (802.1Q, 802.1ad), or one that it left
 * in the frame (9100, or any where the device takes off none).
 */
export function vlanFilter(vlan: number): readonly Instruction[] {
  return [
    [load32, 0, 0, vlanTagPresent],
    [jumpIfEqual, 3, 0, 0],
    [load32, 0, 0, vlanTag],
    [and, 0, 0, idMask],
    [jumpIfEqual, 7, 8, vlan],
    [load16, 0, 0, ethertype],
    [jumpIfEqual, 2, 0, tpids[0]],
    [jumpIfEqual, 1, 0, tpids[1]],
    [jumpIfEqual, 0, 4, tpids[2]],
    [load16, 0, 0, ethertype + 2],
    [and, 0, 0, idMask],
    [jumpIfEqual, 0, 1, vlan],
    [give, 0, 0, everything],
    [give, 0, 0, 0],
  ];
}

/**
 * Lets in frames that are in one of the VLANs, behind at most two tags wherever these stand, and of one of the EtherTypes.
 * A tag with id 0 says nothing of a VLAN. What is absent lets all in.
 */
export function packetFilter(
  { vlans, protocols }: {
    readonly vlans?: readonly VlanRange[];
    readonly protocols?: readonly number[];
  },
): readonly Instruction[] {
  return [
    ...findVlans,
    ...(protocols ? kindIsOneOf(protocols) : []),
    ...(vlans ? [...vlans.flatMap(isWithin), drop] : [take]),
  ];
}

const take: Instruction = [give, 0, 0, everything];
const drop: Instruction = [give, 0, 0, 0];

/** Looks at the tag at `place`, if there is one; the VLANs found so far are outer << 12 | inner, none is 0. */
const lookAtTag: readonly Instruction[] = [
  [recallIndex, 0, 0, place],
  [load16At, 0, 0, 0],
  [jumpIfEqual, 2, 0, tpids[0]],
  [jumpIfEqual, 1, 0, tpids[1]],
  [jumpIfEqual, 0, 12, tpids[2]],
  [load16At, 0, 0, 2],
  [and, 0, 0, idMask],
  [jumpIfEqual, 6, 0, 0],
  [store, 0, 0, scratch],
  [recallIndex, 0, 0, scratch],
  [recall, 0, 0, found],
  [shiftLeft, 0, 0, idBits],
  [orIndex, 0, 0, 0],
  [store, 0, 0, found],
  [recall, 0, 0, place],
  [add, 0, 0, 4],
  [store, 0, 0, place],
];

/** A tag that the kernel took off is the outer one; else there may be two in the frame. */
const findVlans: readonly Instruction[] = [
  [load, 0, 0, ethertype],
  [store, 0, 0, place],
  [load, 0, 0, 0],
  [store, 0, 0, found],
  [load32, 0, 0, vlanTagPresent],
  [jumpIfEqual, 4, 0, 0],
  [load32, 0, 0, vlanTag],
  [and, 0, 0, idMask],
  [store, 0, 0, found],
  [jump, 0, 0, lookAtTag.length],
  ...lookAtTag,
  ...lookAtTag,
];

function kindIsOneOf(protocols: readonly number[]): Instruction[] {
  const tests = protocols.map((protocol, at): Instruction => [
    jumpIfEqual,
    protocols.length - at,
    0,
    protocol,
  ]);
  return [[recallIndex, 0, 0, place], [load16At, 0, 0, 0], ...tests, drop];
}

/** Takes frames of a range; others go on behind these instructions. */
function isWithin({ outer, inner }: VlanRange): Instruction[] {
  if (outer === undefined) {
    return [[recall, 0, 0, found], [jumpIfEqual, 0, 1, 0], take];
  }
  if (inner === undefined) {
    return [
      [recall, 0, 0, found],
      [jumpIfAtLeast, 0, 2, least(outer)],
      [jumpIfGreater, 1, 0, outer[1]],
      take,
    ];
  }
  return [
    [recall, 0, 0, found],
    [shiftRight, 0, 0, idBits],
    [jumpIfAtLeast, 0, 6, least(outer)],
    [jumpIfGreater, 5, 0, outer[1]],
    [recall, 0, 0, found],
    [and, 0, 0, idMask],
    [jumpIfAtLeast, 0, 2, least(inner)],
    [jumpIfGreater, 1, 0, inner[1]],
    take,
  ];
}

/** 0 is no VLAN: it stands for a tag that is not there. */
function least([from]: Ids): number {
  return Math.max(1, from);
}
