//! A host of ours inside a session's Ethernet: what comes for it goes to TypeScript, all else where the session's frames
//! go. What it sends leaves by the session, whatever that is joined to.

use crate::core::Core;
use crate::counters::{Io, Reason};
use crate::frame::Frame;
use crate::manage::Refusal;
use crate::policy::Bucket;
use crate::port::{Forwarder, FrameType, Port};
use crate::pppoe::Link;
use crate::slab::Handle;

const BROADCAST: [u8; 6] = [0xff; 6];
/// Ethernet, IPv4, 6 and 4 octets of address (RFC 826).
const ARP_FORM: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_LENGTH: usize = 28;
/// Where the target's addresses stand in an ARP packet.
const ARP_TARGET_MAC: usize = 18;
const ARP_TARGET_IP: usize = 24;
/// IPv6's header, and a Neighbor Solicitation (RFC 4861 §4.3) without options.
const SOLICITATION: usize = 40 + 24;
const ICMPV6: u8 = 58;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// Bytes that a frame counts for: frames are counted, not bytes.
const FRAME: usize = 125;
/// Kilobits a second and bytes at once: 32 frames a second and 64 at once, of answers and of all others each, so that
/// nobody's questions keep an answer away.
const ALLOWANCE: (u32, u32) = (32, 64 * FRAME as u32);

/// The VLAN that the host is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    /// None: its frames have no tag, or one that says a priority only.
    Untagged,
    /// This one.
    Vlan(u16),
    /// Whichever VLAN the pseudowire is of (RFC 4719): both ends may number it differently.
    Any,
}

/// Who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its MAC address, which nobody else has.
    pub mac: [u8; 6],
    /// Its VLAN.
    pub vlan: Where,
    /// Its IPv4 address, that ARP asks for.
    pub v4: Option<[u8; 4]>,
    /// Its IPv6 address, that Neighbor Solicitations ask for.
    pub v6: Option<[u8; 16]>,
}

/// Whom a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum For {
    /// Nobody of ours.
    Others,
    /// The host alone.
    Us,
    /// The host, and others too.
    All,
}

impl Identity {
    /// Whom a frame from the peer is for.
    pub fn takes(&self, frame: &[u8]) -> For {
        let Some((destination, _)) = frame.split_first_chunk::<6>() else { return For::Others };
        if *destination == self.mac {
            return For::Us;
        }
        // Most frames are to one station.
        if destination[0] & 1 == 0 {
            return For::Others;
        }
        let Some(link) = Link::read(frame, None) else { return For::Others };
        let packet = &frame[link.payload..];
        match link.kind {
            [0x08, 0x06] if *destination == BROADCAST => self.takes_arp(packet, &link),
            [0x86, 0xdd] if self.solicits(packet) && self.is_in(&link) => For::Us,
            _ => For::Others,
        }
    }

    fn takes_arp(&self, packet: &[u8], link: &Link) -> For {
        let Some(packet) = packet.first_chunk::<ARP_LENGTH>() else { return For::Others };
        if !packet.starts_with(&ARP_FORM) {
            return For::Others;
        }
        match packet[6..8] {
            [0, 1] if self.v4.is_some_and(|v4| packet[ARP_TARGET_IP..] == v4) && self.is_in(link) => For::Us,
            // Hosts with a link-local address answer all (RFC 3927 §2.5).
            [0, 2] if packet[ARP_TARGET_MAC..ARP_TARGET_IP] == self.mac => For::All,
            _ => For::Others,
        }
    }

    fn solicits(&self, packet: &[u8]) -> bool {
        packet.len() >= SOLICITATION
            && packet[0] >> 4 == 6
            && packet[6] == ICMPV6
            && packet[40] == NEIGHBOR_SOLICITATION
            && self.v6.is_some_and(|v6| packet[48..64] == v6)
    }

    fn is_in(&self, link: &Link) -> bool {
        match self.vlan {
            Where::Any => true,
            Where::Untagged => link.vlans.number() == 0,
            Where::Vlan(vid) => link.vlans.number() == u32::from(vid),
        }
    }
}

/// Whether a frame answers something, if it is for us at all.
fn answers(frame: &[u8]) -> bool {
    let Some(link) = Link::read(frame, None) else { return false };
    let packet = &frame[link.payload..];
    match link.kind {
        [0x08, 0x06] => packet.get(6..8) == Some(&[0, 2]),
        [0x08, 0x00] => {
            let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
            packet.get(9) == Some(&1) && packet.get(header) == Some(&0)
        }
        [0x86, 0xdd] => {
            packet.get(6) == Some(&ICMPV6) && matches!(packet.get(40), Some(&(129 | NEIGHBOR_ADVERTISEMENT)))
        }
        _ => false,
    }
}

/// The host inside a session.
pub struct Inside {
    /// The host port that its frames go to and come from.
    pub host: u32,
    identity: Identity,
    /// What may still go to TypeScript: answers, all others.
    budgets: [Bucket; 2],
}

impl Inside {
    /// The last octet of its MAC address.
    pub fn last_octet(&self) -> u8 {
        self.identity.mac[5]
    }
}

impl Core {
    /// Puts a host inside a session of Ethernet frames: a host port that gets what comes for it, and whose frames leave
    /// by the session. It goes with either.
    pub fn put_inside(&mut self, session: Handle, host: Handle, identity: Identity) -> Result<(), Refusal> {
        let port = self.port(session).ok_or(Refusal::no_such_port())?;
        let Some(Port::Host(at)) = self.port(host) else { return Err(Refusal::no_such_port()) };
        let Port::Session(inside) = port else { return Err(Refusal::invalid("the port is no session")) };
        if [port, Port::Host(at)].iter().any(|port| self.frame_type(*port) != FrameType::Ethernet) {
            return Err(Refusal::new("frame-type-mismatch", "a host is inside Ethernet only"));
        }
        if self.hosts[at].forwarder != Forwarder::None || self.sessions.rare(inside).inside.is_some() {
            return Err(Refusal::new("port-joined", "the session has a host inside already"));
        }
        self.hosts[at].of = Some(port);
        self.hosts[at].forwarder = Forwarder::CrossConnect(port);
        let (rate, burst) = ALLOWANCE;
        let budgets = [Bucket::new(rate, burst); 2];
        self.sessions.set_inside(inside, Some(Box::new(Inside { host: at, identity, budgets })));
        Ok(())
    }

    /// The session or host port goes: so does what they had of each other.
    pub fn take_out(&mut self, port: Port) {
        match port {
            Port::Session(at) => {
                let Some(inside) = self.sessions.set_inside(at, None) else { return };
                self.hosts[inside.host].of = None;
                self.hosts[inside.host].forwarder = Forwarder::None;
            }
            Port::Host(host) => {
                if let Some(session) = self.session_around(host) {
                    self.sessions.set_inside(session, None);
                }
            }
            _ => {}
        }
    }

    /// The session that a host port is inside of.
    pub fn session_around(&self, host: u32) -> Option<u32> {
        match self.hosts[host].of {
            Some(Port::Session(at)) => {
                self.sessions.rare(at).inside.as_ref().is_some_and(|inside| inside.host == host).then_some(at)
            }
            _ => None,
        }
    }

    /// Hands a frame that is for the host inside a session to TypeScript; true: it is for nobody else.
    #[cold]
    pub fn take_inside(&mut self, session: u32, frame: &Frame) -> bool {
        let Some(inside) = &mut self.sessions.rare_mut(session).inside else { return false };
        let whose = inside.identity.takes(frame.bytes());
        if whose == For::Others {
            return false;
        }
        let (host, kind) = (inside.host, usize::from(!answers(frame.bytes())));
        let may = inside.budgets[kind].take(FRAME, frame.about.now);
        if whose == For::All {
            if may {
                self.io.add(Io::Copies, 1);
                self.punt_frame(host, frame);
            }
            return false;
        }
        self.count_delivered(session, 1, frame.len());
        if may {
            self.punt_frame(host, frame);
        } else {
            self.drop_frame(Reason::PuntLimited);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 9];

    fn us(vlan: Where) -> Identity {
        Identity { mac: MAC, vlan, v4: Some([10, 0, 0, 3]), v6: Some(V6) }
    }

    fn frame(destination: [u8; 6], tags: &[[u8; 4]], kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
        [&destination[..], &[2, 0, 0, 0, 0, 1], tags.as_flattened(), &kind, packet].concat()
    }

    fn arp(operation: u8, target_mac: [u8; 6], target: [u8; 4]) -> Vec<u8> {
        let head = [0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1, 10, 0, 0, 2];
        [&head[..], &target_mac, &target].concat()
    }

    fn solicitation(target: [u8; 16]) -> Vec<u8> {
        let mut packet = vec![0; 72];
        packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 32, 58, 255]);
        packet[40] = 135;
        packet[48..64].copy_from_slice(&target);
        packet
    }

    #[test]
    fn what_is_to_its_address_is_its_own_and_nothing_else() {
        let group = [0x33, 0x33, 0xff, 0, 0, 9];
        let (arp_kind, v6_kind) = ([8, 6], [0x86, 0xdd]);
        let asked = arp(1, [0; 6], [10, 0, 0, 3]);
        let host = us(Where::Untagged);
        for (frame, whose) in [
            (frame(MAC, &[], [0x88, 0xb5], &[]), For::Us),
            (frame(MAC, &[[0x81, 0, 0, 7]], [8, 0], &[]), For::Us),
            (frame([2, 0, 0, 0, 0, 8], &[], arp_kind, &asked), For::Others),
            (frame(BROADCAST, &[], arp_kind, &asked), For::Us),
            (frame(BROADCAST, &[[0x81, 0, 0xe0, 0]], arp_kind, &asked), For::Us),
            (frame(BROADCAST, &[[0x81, 0, 0, 7]], arp_kind, &asked), For::Others),
            (frame(BROADCAST, &[], arp_kind, &asked[..27]), For::Others),
            (frame(BROADCAST, &[], arp_kind, &arp(1, [0; 6], [10, 0, 0, 4])), For::Others),
            (frame(BROADCAST, &[], arp_kind, &arp(2, MAC, [0; 4])), For::All),
            (frame(BROADCAST, &[], arp_kind, &arp(2, [2; 6], [10, 0, 0, 3])), For::Others),
            (frame(BROADCAST, &[], [8, 0], &asked), For::Others),
            (frame(group, &[], v6_kind, &solicitation(V6)), For::Us),
            (frame(group, &[[0x81, 0, 0, 7]], v6_kind, &solicitation(V6)), For::Others),
            (frame(group, &[], v6_kind, &solicitation([1; 16])), For::Others),
            (frame(group, &[], v6_kind, &solicitation(V6)[..63]), For::Others),
            (MAC[..5].to_vec(), For::Others),
            (frame(BROADCAST, &[], arp_kind, &[])[..13].to_vec(), For::Others),
        ] {
            assert_eq!(host.takes(&frame), whose, "{frame:02x?}");
        }
    }

    #[test]
    fn it_is_asked_for_in_its_vlan() {
        let asked = arp(1, [0; 6], [10, 0, 0, 3]);
        let tags = |vid| [[0x81, 0, 0x20, vid]];
        for (vlan, frame, whose) in [
            (Where::Vlan(7), frame(BROADCAST, &tags(7), [8, 6], &asked), For::Us),
            (Where::Vlan(7), frame(BROADCAST, &tags(8), [8, 6], &asked), For::Others),
            (Where::Vlan(7), frame(BROADCAST, &[], [8, 6], &asked), For::Others),
            (Where::Any, frame(BROADCAST, &tags(8), [8, 6], &asked), For::Us),
            (Where::Untagged, frame(BROADCAST, &tags(8), [8, 6], &asked), For::Others),
        ] {
            assert_eq!(us(vlan).takes(&frame), whose, "{vlan:?} {frame:02x?}");
        }
    }

    #[test]
    fn a_host_without_addresses_is_asked_for_by_nobody() {
        let host = Identity { v4: None, v6: None, ..us(Where::Untagged) };
        let asked = arp(1, [0; 6], [10, 0, 0, 3]);
        assert_eq!(host.takes(&frame(BROADCAST, &[], [8, 6], &asked)), For::Others);
        let group = [0x33, 0x33, 0xff, 0, 0, 9];
        assert_eq!(host.takes(&frame(group, &[], [0x86, 0xdd], &solicitation(V6))), For::Others);
        assert_eq!(host.takes(&frame(MAC, &[], [8, 6], &arp(2, MAC, [0; 4]))), For::Us);
    }

    #[test]
    fn answers_are_told_from_questions() {
        let v4 = |kind: u8| [&[0x45][..], &[0; 8], &[1], &[0; 10], &[kind, 0]].concat();
        let v6 = |kind: u8| [&[0x60, 0, 0, 0, 0, 8, 58][..], &[0; 33], &[kind, 0]].concat();
        for (kind, packet, answer) in [
            ([8, 6], arp(1, MAC, [0; 4]), false),
            ([8, 6], arp(2, MAC, [0; 4]), true),
            ([8, 0], v4(8), false),
            ([8, 0], v4(0), true),
            ([0x86, 0xdd], v6(128), false),
            ([0x86, 0xdd], v6(129), true),
            ([0x86, 0xdd], v6(135), false),
            ([0x86, 0xdd], v6(136), true),
            ([8, 0], vec![], false),
        ] {
            assert_eq!(answers(&frame(MAC, &[], kind, &packet)), answer, "{kind:?} {packet:?}");
        }
    }
}
