//! Sessions. What is looked at for each frame lies in one cache line a direction, together with the same of others: with
//! many sessions the pages that are touched count too.

use crate::counters::Counters;
use crate::header::{Cookie, Data, Encap, V2_NUMBERS, V3_NUMBERS, Version};
use crate::inside::Inside;
use crate::policy::{Bucket, Policy};
use crate::port::{Forwarder, FrameType};
use crate::ppp::Budget;
use crate::reorder::Queue;
use crate::sequence::{Outsiders, Patience, Sequence};
use crate::slab::{Chunks, Handle, Kind, Slab, Sparse};
use crate::template::{Framing, Shape, Template};

/// No session.
pub const NONE: u32 = crate::table::EMPTY;

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
    /// Whether the default L2-Specific Sublayer is in what is sent (v3).
    pub l2spec: bool,
    /// Whether it is in what comes.
    pub peer_l2spec: bool,
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
    /// When to believe that the peer's numbering began anew.
    pub patience: Patience,
    /// How the PPP frames begin that are sent.
    pub framing: Framing,
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
    /// Whether others have its id, see [`crate::twins`].
    pub next_twin: u32,
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
    /// Whether what is sent is numbered now.
    pub send_seq: bool,
    /// Whether a number was seen yet.
    pub numbered: bool,
    /// Whether frames wait in the reorder queue.
    pub waiting: bool,
    /// Whether frames without a number just pass: none of the above says otherwise.
    pub plain: bool,
    /// Which frames need a look.
    pub guard: Guard,
}

/// Which frames of a session need a look before they go on, in one octet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Guard(u8);

impl Guard {
    const POLICED: u8 = 1;
    const INSIDE: u8 = 2;
    /// Bits of the last octet of a MAC address.
    const STATION: u8 = 0xfc;

    /// `inside`: the last octet of the MAC address of a host inside.
    pub fn new(policed: bool, inside: Option<u8>) -> Self {
        let policed = if policed { Self::POLICED } else { 0 };
        Self(policed | inside.map_or(0, |last| Self::INSIDE | last << 2))
    }

    /// Whether any do.
    #[inline]
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether the session's [`Policy`] is to be asked of all.
    #[inline]
    pub fn policed(self) -> bool {
        self.0 & Self::POLICED != 0
    }

    /// Whether a frame may be for a host inside: most of the others are told from its by a few bits.
    #[inline]
    pub fn may_be_inside(self, frame: &[u8]) -> bool {
        let [first, _, _, _, _, last, ..] = frame else { return false };
        self.0 & Self::INSIDE != 0 && (first & 1 == 1 || (last << 2 ^ self.0) & Self::STATION == 0)
    }
}

impl Receiving {
    /// Bytes before the frame in a data message that asks for nothing optional.
    #[inline]
    pub fn header(&self, data: &Data) -> usize {
        usize::from(data.ids) + self.cookie.bytes().len() + if self.l2spec { 4 } else { 0 }
    }

    /// Counts frames of `len` bytes that are in order.
    #[inline]
    pub fn deliver(&mut self, count: u32, len: usize) {
        self.packets += u64::from(count);
        self.bytes += u64::from(count) * len as u64;
    }
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
    /// Whether the session's [`Policy`] is to be asked, or its packets are counted by family.
    pub guarded: bool,
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
    /// Numbers that came and are far from those expected.
    pub outsiders: Outsiders,
    /// Frames that wait for those before them.
    pub queue: Option<Box<Queue>>,
    /// Frames that a PPP termination may hand to TypeScript.
    pub punts: Budget,
    /// Whether it is a member of a PPP termination.
    pub member: bool,
    /// The host of ours in its Ethernet.
    pub inside: Option<Box<Inside>>,
}

/// All sessions. A session is one index in all three.
pub struct Sessions {
    slab: Slab<Rare>,
    /// Read for each frame that comes.
    pub rx: Chunks<Receiving>,
    /// Read for each frame that goes.
    pub tx: Chunks<Sending>,
    /// Read for frames of those sessions that are guarded.
    policies: Sparse<Policy>,
}

impl Sessions {
    /// No sessions, and room for `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            slab: Slab::new(Kind::Session, limit),
            rx: Chunks::new(),
            tx: Chunks::new(),
            policies: Sparse::default(),
        }
    }

    /// Adds a session that is joined to nothing; `None` when there is no room. [`Sessions::configure`] comes next.
    pub fn insert(&mut self, identity: Identity, frame_type: FrameType) -> Option<u32> {
        let at = self.slab.insert(Rare { identity, ..Rare::default() })?;
        let tunnel = identity.tunnel;
        self.rx.make_room(at);
        self.tx.make_room(at);
        self.rx[at] = Receiving { tunnel, frame_type, next_twin: NONE, ..Receiving::default() };
        self.tx[at] = Sending { tunnel, ..Sending::default() };
        if let Some(policy) = self.policies.get_mut(at) {
            *policy = Policy::default();
        }
        Some(at)
    }

    /// What a session's frames are held to.
    #[inline]
    pub fn policy(&self, at: u32) -> Policy {
        self.policies.get(at).copied().unwrap_or_default()
    }

    /// As [`Sessions::policy`], to be changed; `None`: to nothing.
    #[inline]
    pub fn policy_mut(&mut self, at: u32) -> Option<&mut Policy> {
        self.policies.get_mut(at)
    }

    /// Holds a session's frames to a policy. A bucket whose rate and burst stay is as full as before.
    pub fn hold_to(&mut self, at: u32, policy: Policy) {
        let before = self.policy(at);
        let kept = |bucket: Bucket, before: Bucket| {
            if (bucket.rate, bucket.burst) == (before.rate, before.burst) { before } else { bucket }
        };
        let policy = match before.limited {
            true => Policy { rx: before.rx, tx: before.tx, limited: true, ..policy },
            false => Policy { rx: kept(policy.rx, before.rx), tx: kept(policy.tx, before.tx), ..policy },
        };
        self.guard(at, policy);
    }

    /// Limits a session's rates, whatever its policy says of them.
    pub fn limit(&mut self, at: u32, rx: Bucket, tx: Bucket) {
        self.guard(at, Policy { rx, tx, limited: true, ..self.policy(at) });
    }

    fn guard(&mut self, at: u32, policy: Policy) {
        self.rx[at].guard = self.guard_of(at, &policy);
        self.tx[at].guarded = policy.guards_tx() || self.slab[at].member;
        if policy != Policy::default() || self.policies.get(at).is_some() {
            *self.policies.make(at) = policy;
        }
    }

    /// Says whether a session is a member of a PPP termination, which counts all that it is sent.
    pub fn set_member(&mut self, at: u32, member: bool) {
        self.slab[at].member = member;
        self.tx[at].guarded = self.policy(at).guards_tx() || member;
    }

    /// Puts a host inside a session, which has a look at each frame that comes then, or takes it out. Gives the former one.
    pub fn set_inside(&mut self, at: u32, inside: Option<Box<Inside>>) -> Option<Box<Inside>> {
        let former = std::mem::replace(&mut self.slab[at].inside, inside);
        self.rx[at].guard = self.guard_of(at, &self.policy(at));
        former
    }

    fn guard_of(&self, at: u32, policy: &Policy) -> Guard {
        Guard::new(policy.guards_rx(), self.slab[at].inside.as_ref().map(|inside| inside.last_octet()))
    }

    /// Removes a session. Gives what may wait in its reorder queue.
    pub fn remove(&mut self, at: u32) -> Option<Box<Queue>> {
        self.slab.remove(at).queue
    }

    /// The session that a handle stands for.
    pub fn find(&self, handle: Handle) -> Option<u32> {
        self.slab.find(handle)
    }

    /// The handle of a live session.
    pub fn handle(&self, at: u32) -> Handle {
        self.slab.handle(at)
    }

    /// Whether there is a session at an index.
    pub fn is_live(&self, at: u32) -> bool {
        self.slab.is_live(at)
    }

    /// How many slots there are that sessions may be in.
    pub fn slots(&self) -> u32 {
        self.slab.slots()
    }

    /// The indices of all sessions.
    pub fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        self.slab.indices()
    }

    /// What is seldom looked at of a session.
    pub fn rare(&self, at: u32) -> &Rare {
        &self.slab[at]
    }

    /// What is seldom looked at of a session.
    pub fn rare_mut(&mut self, at: u32) -> &mut Rare {
        &mut self.slab[at]
    }

    /// Takes options over into what the packet path reads.
    pub fn configure(&mut self, at: u32, options: Options, tunnel: &TunnelShape) {
        let rare = &mut self.slab[at];
        rare.options = options;
        let rx = &mut self.rx[at];
        rx.cookie = options.peer_cookie;
        rx.l2spec = options.peer_l2spec;
        rx.send_seq = options.send_seq;
        rx.plain = !(options.recv_seq || options.send_seq || rx.waiting);
        self.tx[at].template = Template::new(&Shape {
            version: tunnel.version,
            encap: tunnel.encap,
            tunnel_id: tunnel.peer_tunnel_id as u16,
            session_id: rare.identity.peer_session_id,
            cookie: &options.cookie,
            l2spec: options.l2spec,
            numbered: options.send_seq,
            framing: options.framing,
        });
    }

    /// Says whether frames of a session wait for others.
    pub fn set_waiting(&mut self, at: u32, waiting: bool) {
        let rx = &mut self.rx[at];
        rx.waiting = waiting;
        rx.plain = !(self.slab[at].options.recv_seq || rx.send_seq || waiting);
    }

    /// A session's counters, in the order of `sessionCounters` in `mod.ts`.
    pub fn counters(&self, at: u32) -> Counters {
        let (rx, tx, rare) = (&self.rx[at], &self.tx[at], &self.slab[at]);
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
    fn a_guard_passes_over_no_frame_of_a_host_inside() {
        for last in 0..=255 {
            let guard = Guard::new(false, Some(last));
            assert!(guard.any() && !guard.policed());
            for other in 0..=255u8 {
                let frame = [2, 0, 0, 0, 0, other, 0, 0];
                assert_eq!(
                    guard.may_be_inside(&frame),
                    (last ^ other).trailing_zeros() >= 6,
                    "{last} {other}"
                );
                assert!(guard.may_be_inside(&[3, 0, 0, 0, 0, other]), "one to a group");
            }
            assert!(!guard.may_be_inside(&[2, 0, 0, 0, 0]));
        }
        let policed = Guard::new(true, None);
        assert!(policed.any() && policed.policed() && !policed.may_be_inside(&[3; 14]));
        assert!(!Guard::default().any());
    }

    #[test]
    fn each_direction_fits_a_cache_line() {
        assert_eq!((size_of::<Receiving>(), size_of::<Sending>()), (64, 64));
        assert!(size_of::<Rare>() <= 168, "{}", size_of::<Rare>());
    }
}
