/** Ports as plugins have them: where frames enter and leave the datapath. @module */

import type { FrameType } from "../core/pseudowire.ts";

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
  /** What the datapath has counted at a session's port so far; of others, and of a port that is gone, it knows nothing. */
  statistics(): Promise<Statistics | undefined>;
}

/** A port's counters, by the names that the kernel's L2TP has for them (`rx-packets`, `tx-bytes`, `rx-seq-discards`). */
export type Statistics = Readonly<Record<string, number>>;

/** A frame handed to TypeScript. A view: valid until the function that got it returns. */
export interface PuntedFrame {
  /** From its link header on. */
  readonly bytes: Uint8Array;
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
  /** Take frames that are for other stations, too; so it is where absent. */
  readonly promiscuous?: boolean;
  /** Whether checksums and segments may be left to be done, both ways. */
  readonly offload?: Pick<Offload, "vnet">;
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
export type DeviceChange = Omit<TapOptions, "name" | "netns" | "offload">;
