//! A session: what is looked at for each frame lies in one cache line a direction.

use crate::counters::{Counters, SESSION_COUNTERS};
use crate::header::{Cookie, Encap, Shape, Template, V2_NUMBERS, V3_NUMBERS, Version};
use crate::port::{Forwarder, FrameType};
use crate::reorder::Queue;
use crate::sequence::Sequence;

/// The end of a chain of v3 sessions with one id.
pub const NONE: u32 = u32::MAX;

/// What a change may not change.
#[derive(Clone, Copy, Default)]
pub struct Identity {
    /// Our id: what the peer sends to.
    pub session_id: u32,
    /// The peer's id.
    pub peer_session_id: u32,
    /// The tunnel, by its index.
    pub tunnel: u32,
}

/// What may change while the session runs.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Whether the default L2-Specific Sublayer is there (v3).
    pub l2spec: bool,
    /// Numbers what is sent.
    pub send_seq: bool,
    /// Drops what comes without a number.
    pub recv_seq: bool,
    /// Decides about numbering instead of following the peer.
    pub lns_mode: bool,
    /// Sent in each frame.
    pub cookie: Cookie,
    /// Expected in each frame.
    pub peer_cookie: Cookie,
    /// Microseconds that an early frame waits; 0: none is queued.
    pub reorder_timeout: u64,
}

/// The receiving side: the first cache line.
#[derive(Default)]
#[repr(align(64))]
pub struct Receiving {
    /// Frames delivered.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// The tunnel, by its index.
    pub tunnel: u32,
    /// The next session with this id in another tunnel, or [`NONE`].
    pub next_same_id: u32,
    /// Where frames go.
    pub forwarder: Forwarder,
    /// Numbers of what comes.
    pub sequence: Sequence,
    /// What every frame must carry.
    pub cookie: Cookie,
    /// Whether the L2-Specific Sublayer is there.
    pub l2spec: bool,
    /// What the frames are.
    pub frame_type: FrameType,
    /// See [`Options::recv_seq`].
    pub recv_seq: bool,
    /// Whether what is sent is numbered now.
    pub send_seq: bool,
    /// See [`Options::lns_mode`].
    pub lns_mode: bool,
    /// Whether early frames are queued.
    pub reorders: bool,
    /// Whether frames wait in the reorder queue.
    pub waiting: bool,
}

/// The sending side: the second cache line.
#[derive(Default)]
#[repr(align(64))]
pub struct Sending {
    /// Frames sent.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// The tunnel, by its index.
    pub tunnel: u32,
    /// The number of the next frame.
    pub ns: u32,
    /// The transmit group that the last frame went into.
    pub last_group: u32,
    /// What stands before each frame.
    pub template: Template,
}

/// What is seldom looked at.
#[derive(Default)]
pub struct Rare {
    /// See [`Identity`].
    pub identity: Identity,
    /// As configured, but that `send_seq` follows the peer unless in `lns_mode`.
    pub options: Options,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Frames of this session that were dropped on receipt, for whatever reason.
    pub rx_errors: u64,
    /// Frames dropped because of their number, or for want of one.
    pub seq_discards: u64,
    /// Frames that came after a later one and were put back in order.
    pub oos_packets: u64,
    /// Frames with another cookie.
    pub cookie_discards: u64,
    /// Malformed frames.
    pub invalid: u64,
    /// Frames that wait for those before them.
    pub queue: Option<Box<Queue>>,
}

/// One session.
#[derive(Default)]
pub struct Session {
    /// Read for each frame that comes.
    pub rx: Receiving,
    /// Read for each frame that goes.
    pub tx: Sending,
    /// The rest.
    pub rare: Rare,
}

impl Session {
    /// A session that is joined to nothing.
    pub fn new(identity: Identity, frame_type: FrameType) -> Self {
        let mut session = Self::default();
        session.rare.identity = identity;
        session.rx.tunnel = identity.tunnel;
        session.rx.next_same_id = NONE;
        session.rx.frame_type = frame_type;
        session.tx.tunnel = identity.tunnel;
        session
    }

    /// Takes options over into what the packet path reads.
    pub fn configure(&mut self, options: Options, tunnel: &TunnelShape) {
        self.rare.options = options;
        self.rx.cookie = options.peer_cookie;
        self.rx.l2spec = options.l2spec;
        self.rx.recv_seq = options.recv_seq;
        self.rx.send_seq = options.send_seq;
        self.rx.lns_mode = options.lns_mode;
        self.rx.reorders = options.reorder_timeout > 0;
        self.tx.template = Template::new(&Shape {
            version: tunnel.version,
            encap: tunnel.encap,
            tunnel_id: tunnel.peer_tunnel_id as u16,
            session_id: self.rare.identity.peer_session_id,
            cookie: &options.cookie,
            l2spec: options.l2spec,
            numbered: options.send_seq,
        });
    }

    /// The counters, in the order of `sessionCounters` in `mod.ts`.
    pub fn counters(&self) -> Counters {
        let Self { rx, tx, rare } = self;
        [
            tx.packets,
            tx.bytes,
            rare.tx_errors,
            rx.packets,
            rx.bytes,
            rare.rx_errors,
            rare.seq_discards,
            rare.oos_packets,
            rare.cookie_discards,
            rare.invalid,
        ]
    }
}

/// Adds one set of counters to another.
pub fn add_counters(sum: &mut Counters, counters: &Counters) {
    for at in 0..SESSION_COUNTERS {
        sum[at] += counters[at];
    }
}

/// What of a tunnel its sessions' headers depend on.
#[derive(Clone, Copy, Default)]
pub struct TunnelShape {
    /// Its version.
    pub version: Version,
    /// Its encapsulation.
    pub encap: Encap,
    /// The peer's tunnel id.
    pub peer_tunnel_id: u32,
}

impl TunnelShape {
    /// The largest sequence number.
    #[inline]
    pub fn numbers(&self) -> u32 {
        match self.version {
            Version::V2 => V2_NUMBERS,
            Version::V3 => V3_NUMBERS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::size_of;

    #[test]
    fn each_direction_fits_a_cache_line() {
        assert_eq!((size_of::<Receiving>(), size_of::<Sending>()), (64, 64));
        assert!(size_of::<Session>() <= 320, "{}", size_of::<Session>());
    }
}
