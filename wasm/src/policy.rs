//! What a session's frames are held to beside its own header: rates, sources, and TCP's segment size. A third cache line,
//! which is looked at only where [`Receiving::guard`] or [`Sending::guarded`] says so.
//!
//! [`Receiving::guard`]: crate::session::Receiving::guard
//! [`Sending::guarded`]: crate::session::Sending::guarded

use crate::checksum;
use crate::core::Core;
use crate::counters::{Reason, at};
use crate::frame::{About, Frame};
use crate::headers::{Headers, link_of, network_of};
use crate::port::{Forwarder, FrameType, Port};

/// A token bucket (RFC 2475 §2.3.3.3): frames of so many octets a second on the average, and of so many at once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Kilobits a second; 0: no limit.
    pub rate: u32,
    /// Octets that may pass at once. A full bucket lets any one frame pass.
    pub burst: u32,
    /// When it will be full again, in nanoseconds.
    full_at: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: u32, burst: u32) -> Self {
        Self { rate, burst, full_at: 0 }
    }

    /// Whether `octets` may pass at `now`, in microseconds; if so, they are taken out.
    pub fn take(&mut self, octets: usize, now: u64) -> bool {
        if self.rate == 0 {
            return true;
        }
        let now = now * 1000;
        let time = |octets: u64| octets * 8_000_000 / u64::from(self.rate);
        let (cost, depth) = (time(octets as u64), time(self.burst.into()));
        let full_at = self.full_at.max(now);
        if full_at > now && full_at + cost > now + depth {
            return false;
        }
        self.full_at = full_at + cost;
        true
    }
}

/// Whose frames a session may send. What is not set is not looked at.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Source {
    /// The source of Ethernet frames.
    pub mac: Option<[u8; 6]>,
    /// The source of IPv4 packets and the sender of ARP ones. Where only the other family's is set, there may be none.
    pub v4: Option<[u8; 4]>,
    /// The prefix that the sources of IPv6 packets are in, and its bits. Link-local ones and `::` are in all.
    pub v6: Option<([u8; 16], u8)>,
}

impl Source {
    /// Whether a frame may come from where it says.
    pub fn allows(&self, frame_type: FrameType, frame: &[u8]) -> bool {
        let mac =
            frame_type != FrameType::Ethernet || self.mac.is_none_or(|mac| frame.get(6..12) == Some(&mac));
        mac && (self.v4.is_none() && self.v6.is_none() || self.allows_packet(frame_type, frame))
    }

    fn allows_packet(&self, frame_type: FrameType, frame: &[u8]) -> bool {
        let Some(network) = network_of(frame_type, frame) else {
            let arp = if frame_type == FrameType::Ethernet { link_of(frame) } else { None };
            return match arp {
                // RFC 826: the sender's protocol address lies 14 octets into the packet.
                Some((at, 0x0806)) => self.is_v4(frame.get(at + 14..at + 18)),
                _ => true,
            };
        };
        match frame.get(network).map(|first| first >> 4) {
            Some(4) => self.is_v4(frame.get(network + 12..network + 16)),
            Some(6) => self.is_v6(frame.get(network + 8..network + 24)),
            _ => false,
        }
    }

    fn is_v4(&self, source: Option<&[u8]>) -> bool {
        // Nobody's address is what a host without one sends from (DHCP, ARP probes).
        self.v4.is_some_and(|v4| source.is_some_and(|source| source == v4 || source == [0; 4]))
    }

    fn is_v6(&self, source: Option<&[u8]>) -> bool {
        let (Some((prefix, bits)), Some(source)) = (self.v6, source.and_then(<[u8]>::first_chunk)) else {
            return false;
        };
        let [source, prefix] = [*source, prefix].map(u128::from_be_bytes);
        let differ = (source ^ prefix).checked_shr(128 - u32::from(bits)).unwrap_or(0);
        differ == 0 || source == 0 || source >> 118 == 0xfe80 >> 6
    }
}

/// What TCP is told of the largest segment, where it asks for a larger one (RFC 9293 §3.7.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Clamp {
    /// Nothing.
    #[default]
    Off,
    /// So many octets.
    Fixed(u16),
    /// What fits frames of so many octets.
    Frame(u16),
    /// What fits IP packets of so many octets.
    Packet(u16),
}

impl Clamp {
    /// The largest segment for a frame with these headers.
    fn largest(self, headers: &Headers) -> Option<u16> {
        match self {
            Self::Off => None,
            Self::Fixed(size) => Some(size),
            Self::Frame(length) => Some(Self::behind(length, headers.network, headers)),
            Self::Packet(length) => Some(Self::behind(length, 0, headers)),
        }
    }

    fn behind(length: u16, before: usize, headers: &Headers) -> u16 {
        let ip = if headers.v6 { 40 } else { 20 };
        usize::from(length).saturating_sub(before + ip + 20) as u16
    }

    /// Where a SYN asks for larger segments than it may, and what it is to ask for. `None`: it stays as it is.
    pub fn find(self, frame_type: FrameType, frame: &[u8]) -> Option<Lower> {
        if self == Self::Off {
            return None;
        }
        let headers =
            Headers::read(frame_type, frame).filter(|headers| headers.is_tcp() && !headers.fragment)?;
        let payload = headers.payload(frame)?;
        if frame[headers.transport + 13] & 0x02 == 0 {
            return None;
        }
        let largest = self.largest(&headers)?;
        let mut at = headers.transport + 20;
        while at + 4 <= payload {
            match frame[at..] {
                [0, ..] => return None,
                [1, ..] => at += 1,
                [2, 4, high, low, ..] => {
                    let lower = Lower { at: at + 2, transport: headers.transport, header: payload, largest };
                    return (u16::from_be_bytes([high, low]) > largest).then_some(lower);
                }
                [_, length, ..] if length >= 2 => at += usize::from(length),
                _ => return None,
            }
        }
        None
    }
}

/// A segment size to be lowered.
#[derive(Clone, Copy, Debug)]
pub struct Lower {
    at: usize,
    transport: usize,
    /// Bytes up to the end of TCP's header.
    pub header: usize,
    largest: u16,
}

impl Lower {
    /// Lowers it in a frame, or in its headers.
    pub fn apply(&self, frame: &mut [u8]) {
        let old = u16::from_be_bytes([frame[self.at], frame[self.at + 1]]);
        frame[self.at..self.at + 2].copy_from_slice(&self.largest.to_be_bytes());
        let sum = self.transport + 16;
        // At an odd place the two octets are parts of two words: it is as if they were swapped.
        let odd = (self.at - self.transport) % 2 == 1;
        let [old, new] = [old, self.largest].map(|size| if odd { size.swap_bytes() } else { size });
        let checksum = checksum::update([frame[sum], frame[sum + 1]], old, new);
        frame[sum..sum + 2].copy_from_slice(&checksum);
    }
}

/// What one session's frames are held to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(align(64))]
pub struct Policy {
    /// The rate of what comes from the peer.
    pub rx: Bucket,
    /// The rate of what goes to the peer.
    pub tx: Bucket,
    /// Whose frames may come from the peer.
    pub source: Source,
    /// TCP's segment size, both ways.
    pub clamp: Clamp,
    /// Whether the rates were set by [`Core::limit`]: no other ones count then.
    pub limited: bool,
}

impl Policy {
    /// Whether frames from the peer need a look at it.
    pub fn guards_rx(&self) -> bool {
        self.rx.rate > 0 || self.clamp != Clamp::Off || self.source != Source::default()
    }

    /// Whether frames to the peer need a look at it.
    pub fn guards_tx(&self) -> bool {
        self.tx.rate > 0 || self.clamp != Clamp::Off
    }
}

impl Core {
    /// Whether a frame that came from a session's peer may go on; what may not is counted.
    #[cold]
    pub fn admit(&mut self, session: u32, frame: &mut Frame) -> bool {
        let Some(policy) = self.sessions.policy_mut(session) else { return true };
        let (frame_type, now, length) = (frame.about.frame_type, frame.about.now, frame.len());
        if !policy.source.allows(frame_type, frame.bytes()) {
            self.refuse(session, Reason::SourceMismatch);
            return false;
        }
        if !policy.rx.take(length, now) {
            self.refuse(session, Reason::RateLimited);
            return false;
        }
        if let Some(lower) = policy.clamp.find(frame_type, frame.bytes()) {
            lower.apply(frame.bytes_mut());
        }
        true
    }

    /// Whether a frame of so many octets may go to a session's peer now; if not, it is counted. What TypeScript sends to a
    /// member of a PPP termination, and what a host inside the session sends, waits for nothing.
    #[inline]
    pub fn may_send(&mut self, session: u32, about: &About, octets: usize) -> bool {
        if matches!(about.ingress, Port::Host(host) if self.session_around(host) == Some(session)) {
            return true;
        }
        if about.link == 0 && matches!(self.sessions.rx[session].forwarder, Forwarder::Ppp(_)) {
            return true;
        }
        let policy = self.sessions.policy_mut(session);
        if policy.is_some_and(|policy| !policy.tx.take(octets, about.now)) {
            let rare = self.sessions.rare_mut(session);
            rare.tx_errors += 1;
            self.tunnels[rare.identity.tunnel].counters[at::TX_ERRORS] += 1;
            self.drop_frame(Reason::RateLimited);
            return false;
        }
        if about.link > 0 {
            self.count_to(session, about, octets);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_its_burst_pass_and_then_its_rate() {
        let mut bucket = Bucket::new(8000, 10_000); // an octet a microsecond
        let passed = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(1000, now)).count();
        assert_eq!(passed(&mut bucket, 1_000_000), 10);
        assert_eq!(passed(&mut bucket, 1_000_999), 0);
        assert_eq!(passed(&mut bucket, 1_001_000), 1);
        assert_eq!(passed(&mut bucket, 1_006_500), 5);
        assert_eq!(passed(&mut bucket, 9_000_000), 10, "it holds no more than it holds");
    }

    #[test]
    fn a_full_bucket_lets_a_frame_pass_that_is_longer_than_itself() {
        let mut bucket = Bucket::new(8000, 100);
        assert!(bucket.take(1500, 0) && !bucket.take(1, 1));
        assert!(!bucket.take(1500, 1499) && bucket.take(1500, 1500));
    }

    #[test]
    fn rates_are_kept_over_hours_at_their_extremes() {
        for (rate, octets) in [(1u32, 1500usize), (u32::MAX, 1500)] {
            let mut bucket = Bucket::new(rate, 1500);
            let mut now = 3_600_000_000_000;
            for _ in 0..1000 {
                assert!(bucket.take(octets, now));
                now += (octets as u64 * 8000).div_ceil(u64::from(rate)) + 1;
            }
        }
    }

    #[test]
    fn sources_are_whose_they_are_said_to_be() {
        let source = Source { mac: Some([2, 0, 0, 0, 0, 1]), v4: Some([10, 0, 0, 7]), v6: None };
        let frame = |mac: u8, kind: [u8; 2], packet: &[u8]| {
            [&[0xff; 6][..], &[2, 0, 0, 0, 0, mac], &kind, packet].concat()
        };
        let v4 = |last: u8| {
            let mut packet = [0; 20];
            packet[0] = 0x45;
            packet[12..16].copy_from_slice(&[10, 0, 0, last]);
            packet
        };
        let mut arp = [0; 28];
        arp[14..18].copy_from_slice(&[10, 0, 0, 8]);
        let tagged = [&[0, 5, 8, 0][..], &v4(8)].concat();
        for (frame, allowed) in [
            (frame(1, [8, 0], &v4(7)), true),
            (frame(2, [8, 0], &v4(7)), false),
            (frame(1, [8, 0], &v4(8)), false),
            (frame(1, [0x81, 0], &tagged), false),
            (frame(1, [8, 6], &arp), false),
            (frame(1, [0x86, 0xdd], &[0x60; 40]), false),
            (frame(1, [0x88, 0xcc], &[]), true),
            (frame(1, [8, 0], &[]), false),
        ] {
            assert_eq!(source.allows(FrameType::Ethernet, &frame), allowed, "{frame:?}");
        }
        let mut prefix = [0; 16];
        prefix[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        let v6 = |first: [u8; 5]| {
            let mut packet = vec![0; 40];
            packet[0] = 0x60;
            packet[8..13].copy_from_slice(&first);
            [&[0xff, 3, 0, 0x57][..], &packet].concat()
        };
        for (bits, first, allowed) in [
            (32, [0x20, 1, 0xd, 0xb8, 9], true),
            (40, [0x20, 1, 0xd, 0xb8, 9], false),
            (0, [9; 5], true),
            (64, [0xfe, 0x80, 0, 0, 0], true),
            (64, [0xfe, 0xc0, 0, 0, 0], false),
            (64, [0; 5], true),
        ] {
            let source = Source { v6: Some((prefix, bits)), ..Source::default() };
            assert_eq!(source.allows(FrameType::Ppp, &v6(first)), allowed, "{bits} {first:?}");
        }
        let only_v4 = Source { v4: Some([10, 0, 0, 7]), ..Source::default() };
        assert!(only_v4.allows(FrameType::Ppp, &[0xc0, 0x21, 1, 1, 0, 4]));
        assert!(!only_v4.allows(FrameType::Ppp, &v6([0x20, 1, 0, 0, 0])));
        assert!(only_v4.allows(FrameType::Ppp, &[&[0x21][..], &v4(7)].concat()));
    }

    #[test]
    fn it_fits_a_cache_line_and_a_half() {
        assert!(size_of::<Policy>() <= 128, "{}", size_of::<Policy>());
    }
}
