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
    add_patch(): Float64Array;
    /**
     * `tags`: TPID and tag control information of each, the outer one first.
     */
    add_pppoe(device: number, peer: Uint8Array, own: Uint8Array, tags: Uint32Array, session_id: number): number;
    add_session(tunnel: number, spec: RawSession): number;
    add_socket(fd: number, kind: number): number;
    add_switch(spec: RawSwitch): number;
    add_termination(tun: number): number;
    add_tunnel(tunnel: RawTunnel): number;
    age(now: number): void;
    /**
     * Whether `take_expired` has something.
     */
    any_expired(): boolean;
    change_member(port: number, spec: RawMember): void;
    change_session(session: number, spec: RawSession): void;
    change_switch(_switch: number, spec: RawSwitch): void;
    change_switch_port(port: number, spec: RawSwitchPort): void;
    change_tunnel(tunnel: number, spec: RawTunnel): void;
    clear_punts(): void;
    /**
     * Those of `handles` that are of live sessions and tunnels, then the counters of each.
     */
    counters(handles: Float64Array): Float64Array;
    cross_connect(a: number, b: number): void;
    disconnect(a: number): void;
    drops(): Float64Array;
    expect_session(tunnel: number, session_id: number, on: boolean): void;
    /**
     * Nothing: there is no such session.
     */
    family_counters(port: number): Float64Array;
    fdb_add(port: number, vid: number, mac: Uint8Array): void;
    /**
     * False: it was not there.
     */
    fdb_del(_switch: number, vid: number, mac: Uint8Array): boolean;
    /**
     * Forgets what a switch has learnt, at one port where that is given (not 0).
     */
    fdb_flush(_switch: number, port: number): void;
    /**
     * What is in `count` slots of a switch's table from `from` on: port, VLAN, MAC as a number, age in milliseconds (-1: an
     * operator said so); last, whether there are more.
     * `now` in milliseconds.
     */
    fdb_slice(_switch: number, from: number, count: number, now: number): Float64Array;
    /**
     * The length that message `index` is grouped by; 0: it is no group.
     */
    grouped_by(index: number): number;
    /**
     * Whether `switch_events` has anything to tell now.
     */
    has_switch_events(): boolean;
    hold(port: number, frames: number): void;
    hold_first(port: number, frame: Uint8Array): void;
    inject(port: number, frame: Uint8Array): boolean;
    io(): Float64Array;
    is_switch_port(port: number): boolean;
    join_switch(_switch: number, port: number, spec: RawSwitchPort): void;
    join_termination(termination: number, port: number, spec: RawMember): void;
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
     * `vlan`: -1: untagged, -2: any. `v4`, `v6`: empty: none.
     */
    put_inside(session: number, host: number, mac: Uint8Array, vlan: number, v4: Uint8Array, v6: Uint8Array): void;
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
    remove_switch(_switch: number): void;
    remove_termination(termination: number): void;
    remove_tunnel(tunnel: number): void;
    send_control(socket: number, remote: Uint8Array, port: number, scope: number, local: Uint8Array, mark: number, data: Uint8Array): boolean;
    /**
     * The device is a packet socket.
     */
    send_in_messages(device: number): void;
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
    /**
     * What happened since the last call: what, switch, port, other port (0: none), VLAN, MAC each; last, how much more
     * there was than room for.
     */
    switch_events(): Float64Array;
    /**
     * Stations that are known, and the least MTU of the ports, 0 where none is known.
     */
    switch_figures(_switch: number): Float64Array;
    /**
     * How many ports a switch has.
     */
    switch_port_count(_switch: number): number;
    /**
     * Stations learnt at a port, milliseconds that it is blocked for, then its counters.
     */
    switch_port_figures(port: number, now: number): Float64Array;
    /**
     * A termination's and a session's handle, and 0 to 2 for what is over: idle, session, quota; and the next ones.
     */
    take_expired(): Float64Array;
    tell_marks(socket: number, on: boolean): void;
    /**
     * `kind` 0: none; 1: `outside` and `inside`; 2: one VLAN, which is `inside` where there is any.
     */
    translate(port: number, kind: number, outside: Uint16Array, inside: Uint16Array): void;
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
 * `MemberSpec` of `ppp.ts`.
 */
export class RawMember {
    free(): void;
    [Symbol.dispose](): void;
    constructor();
    address_control: boolean;
    clamp: boolean;
    compress_protocol: boolean;
    /**
     * -1: as it comes.
     */
    dscp: number;
    /**
     * 0: none.
     */
    idle_ms: number;
    /**
     * 0: any.
     */
    interface_id: bigint;
    mru: number;
    /**
     * For each: 4 or 6, its bits, and 16 bytes of address; of an IPv4 one the first four.
     */
    prefixes: Uint8Array;
    quota: bigint;
    session_ms: number;
    source_check: boolean;
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
 * `SwitchSpec` of `switches.ts`.
 */
export class RawSwitch {
    free(): void;
    [Symbol.dispose](): void;
    constructor();
    /**
     * Milliseconds.
     */
    ageing: number;
    flood_vlans: Uint16Array;
    loop_block: number;
    loop_moves: number;
    /**
     * Milliseconds, as the next.
     */
    loop_within: number;
    /**
     * A bit for each reserved address that is passed on.
     */
    reserved: number;
    seed: bigint;
    table: number;
}

/**
 * `SwitchPortSpec` of `switches.ts`.
 */
export class RawSwitchPort {
    free(): void;
    [Symbol.dispose](): void;
    constructor();
    broadcast: number;
    cvlans: Uint16Array;
    down: boolean;
    group: number;
    limit: number;
    mode: number;
    mtu: number;
    multicast: number;
    priority_tags: number;
    protected: boolean;
    qinq_ethertype: number;
    tag: number;
    trunks: Uint16Array;
    unknown: number;
    vlan_limit: number;
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

/**
 * The names of a switch port's counters, joined by spaces.
 */
export function switch_count_names(): string;
