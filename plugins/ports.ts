/** Ports as plugins have them: where frames enter and leave the datapath. @module */

import type { FrameType } from "../core/pseudowire.ts";
import type { MemberOptions, SwitchPortSpec, SwitchSpec } from "../wasm/mod.ts";

/** Where frames enter and leave the datapath: a session's end, or a device. */
export interface Port {
  /** What its frames are: two joined ports have the same. */
  readonly frames: FrameType;
  /**
   * The largest frame, in bytes, that leaves unfragmented: for a session the path's MTU less all headers of the tunnel,
   * for a device the largest that it takes. It may change; {@linkcode SessionEvents.changed} tells.
   */
  readonly frameMtu: number;
  /**
   * Sends frames out at this port; they are copied before it returns. Nobody waits: how many were taken, from the first
   * on; the rest are dropped and counted.
   */
  send(frames: readonly Uint8Array[]): number;
  /**
   * Token buckets, each way, in bits a second; null: none. What is absent stays. May be called at any time; what a bucket
   * drops is counted as `rate-exceeded`.
   */
  limit(rate: PortRate): void;
  /** Ethernet: VLAN tags taken off and put on where frames enter, and the reverse where they leave; null: none. */
  translate(rule: VlanTranslation | null): void;
  /** What the datapath has counted at a session's port so far; of others, and of a port that is gone, it knows nothing. */
  statistics(): Promise<Statistics | undefined>;
}

/**
 * A port's counters, by the names that the kernel's L2TP has for them (`rx-packets`, `tx-bytes`, `rx-seq-discards`). One that
 * was ever in a PPP termination has those of its IP packets too, all of one instant: `rx-ipv4-packets`, `rx-ipv4-bytes`,
 * `tx-ipv4-packets`, `tx-ipv4-bytes`, and the same with `ipv6`; bytes are counted from the IP header on.
 */
export type Statistics = Readonly<Record<string, number>>;

/** A frame handed to TypeScript. A view: valid until the function that got it returns. */
export interface PuntedFrame {
  /** From its link header on. */
  readonly bytes: Uint8Array;
}

/** How fast a port may be. */
export interface PortRate {
  /** Of what enters the datapath there (from the subscriber), in bits a second. */
  readonly in?: number | null;
  /** Of what leaves the datapath there (to the subscriber), in bits a second. */
  readonly out?: number | null;
  /** How many bytes may come at once; absent: 100 ms worth of the rate, 16 KiB at least. */
  readonly burst?: number;
}

/** VLAN tags that a port's frames have outside and others inside: as many are taken off as `pop` names, `push` put on. */
export interface VlanTranslation {
  /** VLAN ids, outer first, that a frame must have to enter; others are dropped as `vlan-foreign`. */
  readonly pop: readonly number[];
  /** VLAN ids, outer first, that it gets. */
  readonly push: readonly number[];
}

/** A network device that is a port. */
export interface DevicePort extends Port {
  /** As `ip link` shows it. */
  readonly name: string;
  /** `02:00:…` notation. */
  readonly mac: string;
  /** Whether the device was there before us; it then outlives us. */
  readonly adopted: boolean;
  /** Bytes of the largest packet; an Ethernet header is not counted. */
  readonly mtu: number;
  /** Changes the device: all of it or nothing. What is absent stays as it is. Rejects with a {@linkcode Failure}. */
  change(options: DeviceChange): Promise<void>;
  /** Switches the carrier; of a device that is gone, nothing happens. */
  carrier(up: boolean): void;
}

/** How a TAP device shall be. What is absent stays as the kernel has it. */
export interface TapOptions {
  /** At most 15 bytes; an existing TAP of this name is adopted and outlives us. */
  readonly name: string;
  /** Bytes of the largest packet, the Ethernet header not counted. */
  readonly mtu?: number;
  /** `02:00:…` notation. */
  readonly mac?: string;
  /** `192.168.7.1/24`, `fd00:7::1/64`. */
  readonly addresses?: readonly string[];
  /** The named network namespace (`ip netns`) that the device lives in. */
  readonly netns?: string;
  /** The VRF device whose routing tables count for it. Fixed once the device is open. */
  readonly vrf?: string;
  /** Fixed once the device is open. */
  readonly offload?: Offload;
}

/** How a TUN device shall be: one of IP packets of both families. */
export interface TunOptions extends Omit<TapOptions, "mac"> {
  /** Networks that are routed to it: `10.0.0.0/8`, `::/0`. Those that are routed already stay as they are. */
  readonly routes?: readonly string[];
}

/** An interface that is there, whose Ethernet frames come and go by a packet socket. */
export interface PacketOptions {
  /** As `ip link` shows it. */
  readonly name: string;
  /** The named network namespace that it is in. */
  readonly netns?: string;
  /** One VLAN of it, 1 to 4094: its tag is taken off, and put on. Absent: all frames, tags and all. */
  readonly vlan?: number;
  /** How the tag is put on; all are taken. */
  readonly tpid?: 0x8100 | 0x88a8 | 0x9100;
  /** Frames of these VLANs only, which keep their tags; not with `vlan`. Absent: of all. */
  readonly vlans?: readonly VlanRange[];
  /** Frames of these EtherTypes only, behind all tags; not with `vlan`. Absent: of all. */
  readonly protocols?: readonly number[];
  /** Take frames that are for other stations, too; so it is where absent. */
  readonly promiscuous?: boolean;
  /** Whether checksums and segments may be left to be done, both ways. */
  readonly offload?: Pick<Offload, "vnet">;
}

/** Frames by the VLANs that they are in, each from one id to another, 1 to 4094. A tag with id 0 is as if it were not there. */
export interface VlanRange {
  /** Ids of the outer tag; absent: there is none. */
  readonly outer?: readonly [from: number, to: number];
  /** Ids of the inner tag; absent: there is none. */
  readonly inner?: readonly [from: number, to: number];
}

/** An interface as a port. */
export interface PacketPort extends Port {
  /** As `ip link` shows it. */
  readonly name: string;
  /** `02:00:…` notation. */
  readonly mac: string;
  /** Bytes of the largest packet; an Ethernet header and a tag are not counted. */
  readonly mtu: number;
}

/** Which of its tricks a device may use; all where absent, as far as the kernel has them. */
export interface Offload {
  /** Tell checksums and segments in a header before each frame (IFF_VNET_HDR); without it the others are off, too. */
  readonly vnet?: boolean;
  /** Take super-frames of up to 64 KiB from the device, and cut them where they leave. */
  readonly gso?: boolean;
  /** Join segments of one flow to super-frames for the device. */
  readonly gro?: boolean;
}

/** What may change in a device while it is open. */
export type DeviceChange = Omit<TapOptions, "name" | "netns" | "vrf" | "offload">;

/** One PPPoE session on a packet port (RFC 2516): its frames are PPP. */
export interface PppoeOptions {
  /** The packet port that its Ethernet frames come and go by. */
  readonly on: PacketPort;
  /** Its VLAN tags, outer first: at most two. */
  readonly vlans: readonly VlanTag[];
  /** The peer's MAC, `02:00:…` notation. */
  readonly mac: string;
  /** 1 to 65534. */
  readonly sessionId: number;
  /** Bytes of the largest PPP payload, as both ends agreed on (RFC 4638); 1492 where absent, less if the interface carries less. */
  readonly maxPayload?: number;
}

/** A VLAN tag. */
export interface VlanTag {
  /** 0x8100 where absent. */
  readonly tpid?: 0x8100 | 0x88a8 | 0x9100;
  /** VLAN id, 0 to 4094. */
  readonly vid: number;
}

// ── Forwarders ──

/** What joins many ports. It ends with the scope that opened it, and fails the scopes that joined ports to it. */
export interface Forwarder<Options> {
  /** In place, without losing a frame; the whole of its options: what is absent is default again. */
  change(options: Options): Promise<void>;
}

/** A port that is joined to a forwarder. */
export interface Member<Options> {
  /** In place, without losing a frame; the whole of its options: what is absent is default again. */
  change(options: Options): Promise<void>;
}

/** The PPP termination: IP packets go straight between one TUN and many PPP ports; all else of a port goes to its receiver. */
export type PppForwarder = Forwarder<PppOptions> & { readonly kind: "ppp" };

/** Options of a PPP termination. */
export interface PppOptions {
  /** The port of IP packets that all of its members share. It cannot change. */
  readonly tun: Port;
}

/** A PPP port in a termination. Addresses are both where packets go and which sources are believed. */
export interface PppPortOptions extends MemberOptions {
  /** Called once each; the port stays joined. */
  readonly expired?: (what: "idle" | "session" | "quota") => void;
}

/** An Ethernet switch, in Open vSwitch's words. */
export interface SwitchForwarder extends Forwarder<SwitchOptions> {
  /** Tells it from others. */
  readonly kind: "switch";
  /** The MAC table, in slices: not of one instant. */
  fdb(): AsyncIterable<FdbEntry>;
  /** Adds a static entry. */
  add(entry: FdbKey): Promise<void>;
  /** Removes an entry, learnt or static. */
  del(entry: Omit<FdbKey, "port">): Promise<void>;
  /** Forgets what was learnt, at one port where one is named. */
  flush(port?: string): Promise<void>;
  /** How much it knows, and what it counted. */
  figures(): Promise<SwitchFigures>;
}

/** A switch's figures. */
export interface SwitchFigures {
  /** Stations that are known. */
  readonly stations: number;
  /** The least of its ports' `mtu`; absent: none has said one. */
  readonly mtu?: number;
  /** Of each port. */
  readonly ports: readonly SwitchPortFigures[];
}

/** Figures of a switch's port. */
export interface SwitchPortFigures {
  /** The port's. */
  readonly name: string;
  /** Stations that were learnt at it. */
  readonly stations: number;
  /** Milliseconds for which it will be blocked because of a loop; 0: it is not. */
  readonly blockedMs: number;
  /** Frames, bytes, and why frames went no further (`rx-frames`, `tx-split-horizon`). */
  readonly counters: Readonly<Record<string, number>>;
}

/** Options of a switch. */
export type SwitchOptions = SwitchSpec;

/** A port of a switch. */
export type SwitchPortOptions = SwitchPortSpec;

/** What happens in a switch. */
export interface SwitchEvent {
  /** A MAC was learnt or moved; a table is full; a port was blocked for a loop, or unblocked. */
  readonly what: "learnt" | "moved" | "limit" | "loop" | "loop-over";
  /** A port's name. */
  readonly port: string;
  /** Where the MAC was before it moved; the other port of a loop. */
  readonly other?: string;
  /** 0: none. */
  readonly vlan: number;
  /** `02:00:…` notation; empty: none. */
  readonly mac: string;
  /** So many more events there were than could be told. */
  readonly untold?: number;
}

/** Names an entry of a MAC table. */
export interface FdbKey {
  /** A port's name. */
  readonly port: string;
  /** 0: untagged. */
  readonly vlan: number;
  /** `02:00:…` notation. */
  readonly mac: string;
}

/** An entry of a MAC table. */
export interface FdbEntry extends FdbKey {
  /** Seconds since it was last seen; a static one has none. */
  readonly age?: number;
}
