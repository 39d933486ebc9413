//! From a subscriber: what its frame is, whether the packet in it may come from where it says, and on to the TUN.

use crate::core::Core;
use crate::counters::Reason;
use crate::frame::Frame;
use crate::headers::{Headers, UDP};
use crate::offload::Segments;
use crate::policy::Clamp;
use crate::port::{FrameType, Port};
use crate::ppp::header::{self, IPV4, IPV6};
use crate::ppp::{Member, Termination};
use crate::session::NONE;

/// Punted frames of a session: so many at once, and one each so many milliseconds.
const PUNTS: u32 = 64;
const PUNT_INTERVAL: u32 = 31;

/// ICMPv6's number, and UDP ports of DHCPv6 clients and servers (RFC 8415 §7.2).
const ICMPV6: u8 = 58;
const DHCPV6: [u16; 2] = [546, 547];
/// Neighbor Discovery without Redirect (RFC 4861 §4), and Echo Request and Reply (RFC 4443 §4).
const FOR_US: [u8; 6] = [128, 129, 133, 134, 135, 136];

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// It goes on.
    Pass,
    /// It is for the other end of the link, and that is TypeScript.
    Punt,
    /// It stays on its link, and nobody here wants it.
    LinkScope,
    /// It is not from where it says.
    Spoofed,
}

impl Core {
    /// Makes a subscriber's packet ready for the TUN.
    #[inline]
    pub(super) fn upstream(&mut self, at: u32, session: u32, frame: &mut Frame) -> Option<Port> {
        match frame.about.offload {
            offload if offload.is_none() => {}
            offload if offload.segments == Segments::None => frame.finish_checksum(),
            _ => return self.no_packet(Reason::BadOffload, frame),
        }
        let Some((protocol, link)) = header::read(frame.bytes()) else {
            return self.no_packet(Reason::PppMalformed, frame);
        };
        let v6 = match protocol {
            IPV4 => false,
            IPV6 => true,
            _ => return self.punt_of(session, frame),
        };
        let Some(member) = self.members.get(session) else {
            return self.no_packet(Reason::NoForwarder, frame);
        };
        if !member.open[usize::from(v6)] {
            return self.no_packet(Reason::PppNotOpen, frame);
        }
        let Some(len) = length(&frame.bytes()[link..], v6) else {
            return self.no_packet(Reason::PppMalformed, frame);
        };
        let termination = &self.terminations[at];
        let packet = &frame.bytes()[link..link + len];
        match if v6 {
            judge6(termination, session, member, packet)
        } else {
            judge4(termination, session, member, packet)
        } {
            Verdict::Pass => {}
            Verdict::Punt => return self.punt_of(session, frame),
            Verdict::LinkScope => return self.no_packet(Reason::LinkScope, frame),
            Verdict::Spoofed => {
                self.refuse(session, Reason::SourceMismatch);
                return None;
            }
        }
        let (tun, clamp, mru, tos) = (termination.tun, member.clamp, member.mru, member.tos);
        if tun == NONE {
            return self.no_packet(Reason::NoForwarder, frame);
        }
        if self.sessions.rx[session].guard.policed() && !self.admit_packet(session, frame) {
            return None;
        }
        frame.place.start += link;
        // What the sender padded a frame with is none of the packet (RFC 1661 §2).
        frame.place.end = frame.place.start + len;
        frame.about.frame_type = FrameType::Ip;
        if clamp && may_be_syn(frame.bytes(), v6) {
            lower_mss(Clamp::Packet(mru), frame);
        }
        if let Some(tos) = tos {
            mark(frame.bytes_mut(), v6, tos);
        }
        self.count_from(session, v6, len);
        Some(Port::Device(tun))
    }

    /// Whether the session's policy lets a packet pass; what the datapath's other sessions are asked for each frame, a
    /// member is asked for its packets only: negotiation never waits for data.
    fn admit_packet(&mut self, session: u32, frame: &mut Frame) -> bool {
        self.admit(session, frame)
    }

    /// Hands a member's frame to TypeScript, unless it had its share.
    #[cold]
    fn punt_of(&mut self, session: u32, frame: &Frame) -> Option<Port> {
        let now = (frame.about.now / 1000) as u32;
        if !self.sessions.rare_mut(session).punts.take(now, PUNT_INTERVAL, PUNTS) {
            return self.no_packet(Reason::PuntBudget, frame);
        }
        self.punt_to_receiver(frame);
        None
    }
}

/// Octets of the packet that `bytes` begin with. `None`: they are no whole packet of the family.
#[inline]
pub(super) fn length(bytes: &[u8], v6: bool) -> Option<usize> {
    let half = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let (least, len) = match (v6, bytes.first()? >> 4) {
        (false, 4) if bytes.len() >= 20 => (usize::from(bytes[0] & 0x0f) * 4, half(2)),
        (true, 6) if bytes.len() >= 40 => (40, 40 + half(4)),
        _ => return None,
    };
    (least >= 20 && (least..=bytes.len()).contains(&len)).then_some(len)
}

#[inline]
fn judge4(termination: &Termination, session: u32, member: &Member, packet: &[u8]) -> Verdict {
    let source = word(packet, 12);
    // Nobody is known by 0.0.0.0, by a group's or the broadcast address (RFC 1122 §3.2.1.3).
    let anybody = source >> 24 != 0 && source >> 29 != 0b111;
    let mine = source == member.v4 && source != 0 || termination.routes.find4(source) == session;
    if !member.source_check || anybody && mine { Verdict::Pass } else { Verdict::Spoofed }
}

#[inline]
fn judge6(termination: &Termination, session: u32, member: &Member, packet: &[u8]) -> Verdict {
    let [source, to] = [address6(packet, 8), address6(packet, 24)];
    let link_local = is_link_local(source);
    if link_local || source == 0 || is_link_scope(to) {
        return judge_on_link(termination, session, member, packet, [source, to]);
    }
    let mine = source >> 120 != 0xff && termination.routes.find6(source) == session;
    if !member.source_check || mine { Verdict::Pass } else { Verdict::Spoofed }
}

/// A packet that never leaves its link (RFC 4291 §2.5.6), or is from nobody.
#[cold]
fn judge_on_link(
    termination: &Termination,
    session: u32,
    member: &Member,
    packet: &[u8],
    [source, to]: [u128; 2],
) -> Verdict {
    let mine = match source {
        0 => true, // who looks for an address has none (RFC 4862 §5.4.2), and may ask for a router (RFC 4861 §4.1)
        _ if is_link_local(source) => {
            source as u64 != 0 && (member.interface_id == 0 || source as u64 == member.interface_id)
        }
        _ => source >> 120 != 0xff && termination.routes.find6(source) == session,
    };
    if member.source_check && !mine {
        return Verdict::Spoofed;
    }
    if is_link_scope(to) && is_for_us(packet) { Verdict::Punt } else { Verdict::LinkScope }
}

/// Whether it is Neighbor Discovery, an echo, or DHCPv6.
fn is_for_us(packet: &[u8]) -> bool {
    let Some(headers) = Headers::read(FrameType::Ip, packet).filter(|headers| !headers.fragment) else {
        return false;
    };
    let inside = &packet[headers.transport..headers.end];
    match headers.protocol {
        ICMPV6 => inside.first().is_some_and(|kind| FOR_US.contains(kind)),
        UDP if inside.len() >= 8 => DHCPV6.contains(&u16::from_be_bytes([inside[2], inside[3]])),
        _ => false,
    }
}

/// fe80::/64. The 54 bits behind the prefix's ten are 0 (RFC 4291 §2.5.6); with others it is nobody's.
fn is_link_local(address: u128) -> bool {
    address >> 64 == 0xfe80 << 48
}

/// Whether packets to an address never leave their link: fe80::/10, and groups of scope 0 to 2 (RFC 4291 §2.7).
pub(super) fn is_link_scope(address: u128) -> bool {
    address >> 118 == 0xfe80 >> 6 || address >> 120 == 0xff && address >> 112 & 0x0f <= 2
}

/// Whether it is worth a look for TCP's SYN.
#[inline]
pub(super) fn may_be_syn(packet: &[u8], v6: bool) -> bool {
    let (protocol, transport) =
        if v6 { (packet[6], 40) } else { (packet[9], usize::from(packet[0] & 0x0f) * 4) };
    match protocol {
        6 => packet.get(transport + 13).is_some_and(|flags| flags & 0x02 != 0),
        0 | 43 | 60 => v6,
        _ => false,
    }
}

/// Lowers what a SYN says of segments.
#[cold]
pub(super) fn lower_mss(clamp: Clamp, frame: &mut Frame) {
    if let Some(lower) = clamp.find(frame.about.frame_type, frame.bytes()) {
        lower.apply(frame.bytes_mut());
    }
}

/// Writes a DSCP; ECN stays (RFC 3168 §5).
fn mark(packet: &mut [u8], v6: bool, tos: u8) {
    let first = u16::from_be_bytes([packet[0], packet[1]]);
    let marked = if v6 { first & 0xf03f | u16::from(tos) << 4 } else { first & 0xff03 | u16::from(tos) };
    packet[..2].copy_from_slice(&marked.to_be_bytes());
    if !v6 {
        let checksum = crate::checksum::update([packet[10], packet[11]], first, marked);
        packet[10..12].copy_from_slice(&checksum);
    }
}

#[inline]
pub(super) fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[at..].first_chunk().copied().unwrap_or_default())
}

#[inline]
pub(super) fn address6(packet: &[u8], at: usize) -> u128 {
    u128::from_be_bytes(packet[at..].first_chunk().copied().unwrap_or_default())
}
