/* tslint:disable */
/* eslint-disable */

/**
 * The datapath.
 */
export class Raw {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * `vnet`: 0 without IFF_VNET_HDR; else 1, and 2, 4 and 8 for what it takes: checksums, TCP, UDP super-frames.
     * `tag`: TPID and tag control information; 0: none.
     */
    add_device(fd: number, frame: number, vnet: number, tag: number): number;
    add_host_port(frame: number): number;
    /**
     * `tags`: TPID and tag control information of each, the outer one first.
     */
    add_pppoe(device: number, peer: Uint8Array, own: Uint8Array, tags: Uint32Array, session_id: number): number;
    add_session(tunnel: number, spec: RawSession): number;
    add_socket(fd: number, kind: number): number;
    add_tunnel(tunnel: RawTunnel): number;
    age(now: number): void;
    change_session(session: number, spec: RawSession): void;
    change_tunnel(tunnel: number, spec: RawTunnel): void;
    clear_punts(): void;
    /**
     * Those of `handles` that are of live sessions and tunnels, then the counters of each.
     */
    counters(handles: Float64Array): Float64Array;
    cross_connect(a: number, b: number): void;
    disconnect(a: number): void;
    drops(): Float64Array;
    /**
     * The length that message `index` is grouped by; 0: it is no group.
     */
    grouped_by(index: number): number;
    hold(port: number, frames: number): void;
    hold_first(port: number, frame: Uint8Array): void;
    inject(port: number, frame: Uint8Array): boolean;
    io(): Float64Array;
    /**
     * When the last valid data message of each tunnel came, in milliseconds; NaN: none has yet, or there is no tunnel.
     */
    last_heard(tunnels: Float64Array): Float64Array;
    /**
     * `code: message` of the last refusal by `receive_datagrams` or `receive_frames`.
     */
    last_refusal(): string;
    layout(): RawLayout;
    limit(port: number, rx: number, tx: number, burst: number): void;
    limit_grouping(tunnel: number, longest: number): void;
    /**
     * `reason` is a place in `drop_names`.
     */
    message_dropped(index: number, reason: number): void;
    constructor(max_sessions: number, reorder_frames: number, reorder_bytes: number, punt_bytes: number);
    next_deadline(): number | undefined;
    pump(): number;
    /**
     * Where the first entry's data lies.
     */
    punt_bytes(): number;
    /**
     * Where the first entry's record lies.
     */
    punt_records(): number;
    /**
     * How many entries wait.
     */
    punts(): number;
    /**
     * False: refused, `last_refusal` says why. A `Result` would cost the packet path an array made for JS.
     */
    receive_datagrams(socket: number, count: number, now: number): boolean;
    /**
     * As `receive_datagrams`.
     */
    receive_frames(port: number, count: number, now: number): boolean;
    /**
     * As `receive_datagrams`.
     */
    receive_packets(port: number, count: number, now: number): boolean;
    release(port: number): void;
    remove_port(port: number): void;
    remove_socket(socket: number): void;
    remove_tunnel(tunnel: number): void;
    send_control(socket: number, remote: Uint8Array, port: number, scope: number, local: Uint8Array, mark: number, data: Uint8Array): boolean;
    /**
     * The session as it is now.
     */
    session(session: number): RawSession;
    /**
     * The sessions in `count` slots from `from` on: their handles, then the counters of each.
     */
    session_slice(from: number, count: number): Float64Array;
    /**
     * How many slots there are that sessions may be in.
     */
    session_slots(): number;
    set_base(base: bigint): void;
    set_policy(session: number, spec: RawPolicy): void;
    set_receiver(port: number, host: number): void;
    split_message(index: number): number;
    tell_marks(socket: number, on: boolean): void;
    /**
     * The tunnel of message `index`; -1: none.
     */
    tunnel_of_message(index: number): number;
    /**
     * The tunnels in `count` slots from `from` on: their handles, then the counters of each.
     */
    tunnel_slice(from: number, count: number): Float64Array;
    /**
     * How many slots there are that tunnels may be in.
     */
    tunnel_slots(): number;
    /**
     * As `message_dropped`.
     */
    write_dropped(op: number, reason: number): void;
}

/**
 * `Layout` of `mod.ts`.
 */
export class RawLayout {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    events: number;
    first_slot: number;
    rx_lengths: number;
    rx_messages: number;
    scratch: number;
    slot_size: number;
    slot_stride: number;
    tx_iovec_count: number;
    tx_iovecs: number;
    tx_message_count: number;
    tx_messages: number;
    tx_ops: number;
    tx_split: number;
}

/**
 * `SessionPolicy` of `mod.ts`.
 */
export class RawPolicy {
    free(): void;
    [Symbol.dispose](): void;
    constructor();
    burst: number;
    /**
     * Empty: any.
     */
    mac: Uint8Array;
    /**
     * 0: as it is.
     */
    mss_for_frame: number;
    /**
     * 0: as it is.
     */
    mss: number;
    /**
     * Kilobits a second; 0: no limit.
     */
    rx_rate: number;
    tx_rate: number;
    v4: Uint8Array;
    v6_bits: number;
    v6: Uint8Array;
}

/**
 * `SessionSpec` of `mod.ts`.
 */
export class RawSession {
    free(): void;
    [Symbol.dispose](): void;
    constructor();
    cookie: Uint8Array;
    frame_type: number;
    /**
     * 0: as it comes; 1: with FF 03; 2: without.
     */
    framing: number;
    l2spec: boolean;
    lns_mode: boolean;
    peer_cookie: Uint8Array;
    peer_l2spec: boolean;
    peer_session_id: number;
    recv_seq: boolean;
    reorder_timeout_ms: number;
    restart_after_ms: number;
    restart_run: number;
    send_seq: boolean;
    session_id: number;
}

/**
 * `TunnelSpec` of `mod.ts`.
 */
export class RawTunnel {
    free(): void;
    [Symbol.dispose](): void;
    constructor();
    encap: number;
    /**
     * Empty: none.
     */
    local: Uint8Array;
    /**
     * 0: not known.
     */
    longest: number;
    mark: number;
    peer_tunnel_id: number;
    port: number;
    remote: Uint8Array;
    scope: number;
    segment: boolean;
    socket: number;
    source_check: number;
    /**
     * DSCP and ECN; -1: the kernel's choice; -2: each frame's own DSCP.
     */
    tos: number;
    /**
     * 0: the kernel's choice.
     */
    ttl: number;
    tunnel_id: number;
    version: number;
}

/**
 * The names of `Raw::drops`, joined by spaces.
 */
export function drop_names(): string;

/**
 * The names of `Raw::io`, joined by spaces.
 */
export function io_names(): string;
