//! The headers inside a frame, as far as super-frames, MSS clamping and source checks need to know them.

use crate::port::FrameType;

/// TCP's number.
pub const TCP: u8 = 6;
/// UDP's number.
pub const UDP: u8 = 17;
const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;
/// VLAN tags that are looked behind: a service and a customer tag.
const MAX_TAGS: usize = 2;
/// IPv6 extension headers that are looked behind.
const MAX_EXTENSIONS: usize = 4;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// PPP's numbers of the two (RFC 1332, RFC 5072).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// Where what lies in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    /// The IP header.
    pub network: usize,
    /// The header behind it and behind IPv6's extension headers.
    pub transport: usize,
    /// The byte after the IP packet's last: Ethernet frames may be padded.
    pub end: usize,
    /// Whether it is IPv6.
    pub v6: bool,
    /// What is in the IP packet.
    pub protocol: u8,
    /// Whether it is but a fragment of one.
    pub fragment: bool,
}

/// Where the payload of an Ethernet frame starts, and its EtherType, behind up to two VLAN tags.
#[inline]
pub fn link_of(frame: &[u8]) -> Option<(usize, u16)> {
    let mut at = ETHERNET;
    let mut kind = half(frame, at - 2)?;
    for _ in 0..MAX_TAGS {
        if !is_tag(kind) {
            break;
        }
        at += VLAN_TAG;
        kind = half(frame, at - 2)?;
    }
    Some((at, kind))
}

/// Where the IP packet in a frame starts.
#[inline]
pub fn network_of(frame_type: FrameType, frame: &[u8]) -> Option<usize> {
    let (at, kind) = match frame_type {
        FrameType::Ip => return Some(0),
        FrameType::Ethernet => link_of(frame)?,
        FrameType::Ppp => {
            let at = if frame.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
            let first = *frame.get(at)?;
            // An odd first octet is a whole number (RFC 1661 §6.5).
            if first & 1 == 1 { (at + 1, u16::from(first)) } else { (at + 2, half(frame, at)?) }
        }
    };
    let is_ip = match frame_type {
        FrameType::Ppp => matches!(kind, PPP_IPV4 | PPP_IPV6),
        _ => matches!(kind, IPV4 | IPV6),
    };
    is_ip.then_some(at)
}

/// The DSCP of the IP packet in a frame, where it lies in the octet of IPv4's TOS and IPv6's Traffic Class (RFC 2474 §3);
/// ECN is left out. 0 where there is no IP.
pub fn dscp_of(frame_type: FrameType, frame: &[u8]) -> u8 {
    let octets = network_of(frame_type, frame).and_then(|at| half(frame, at));
    match octets.map(u16::to_be_bytes) {
        Some([first, second]) if first >> 4 == 4 => second & 0xfc,
        Some([first, second]) if first >> 4 == 6 => (first << 4 | second >> 4) & 0xfc,
        _ => 0,
    }
}

/// Whether an EtherType says that a VLAN tag follows: 802.1Q, 802.1ad, and what was used for the outer tag before it.
pub fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

impl Headers {
    /// The headers of an IPv4 or IPv6 packet in a frame; `None` where there is none or it is cut.
    pub fn read(frame_type: FrameType, frame: &[u8]) -> Option<Self> {
        let network = network_of(frame_type, frame)?;
        match frame.get(network)? >> 4 {
            4 => Self::read_v4(frame, network),
            6 => Self::read_v6(frame, network),
            _ => None,
        }
    }

    fn read_v4(frame: &[u8], network: usize) -> Option<Self> {
        let header: &[u8; 20] = frame.get(network..)?.first_chunk()?;
        let length = usize::from(header[0] & 0x0f) * 4;
        let end = network + usize::from(u16::from_be_bytes([header[2], header[3]]));
        let transport = network + length;
        if length < 20 || end < transport || end > frame.len() {
            return None;
        }
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        Some(Self { network, transport, end, v6: false, protocol: header[9], fragment })
    }

    fn read_v6(frame: &[u8], network: usize) -> Option<Self> {
        let header: &[u8; 40] = frame.get(network..)?.first_chunk()?;
        let mut transport = network + 40;
        let end = transport + usize::from(u16::from_be_bytes([header[4], header[5]]));
        if end > frame.len() {
            return None;
        }
        let mut protocol = header[6];
        let mut fragment = false;
        for _ in 0..MAX_EXTENSIONS {
            let length = match protocol {
                0 | 43 | 60 => (usize::from(*frame.get(transport + 1)?) + 1) * 8,
                44 => {
                    fragment = true;
                    8
                }
                _ => break,
            };
            protocol = *frame.get(transport)?;
            transport += length;
        }
        (transport <= end).then_some(Self { network, transport, end, v6: true, protocol, fragment })
    }

    /// Whether TCP is inside.
    #[inline]
    pub fn is_tcp(&self) -> bool {
        self.protocol == TCP
    }

    /// Whether UDP is inside.
    #[inline]
    pub fn is_udp(&self) -> bool {
        self.protocol == UDP
    }

    /// Where TCP's or UDP's checksum stands in its header.
    #[inline]
    pub fn checksum(&self) -> usize {
        if self.is_tcp() { 16 } else { 6 }
    }

    /// Where TCP's or UDP's payload starts, if the packet reaches that far.
    #[inline]
    pub fn payload(&self, frame: &[u8]) -> Option<usize> {
        let length = match self.protocol {
            TCP => usize::from(*frame.get(self.transport + 12)? >> 4) * 4,
            UDP => 8,
            _ => return None,
        };
        let least = if self.is_tcp() { 20 } else { 8 };
        (length >= least && self.transport + length <= self.end).then_some(self.transport + length)
    }

    /// The addresses, source first.
    #[inline]
    pub fn addresses<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        if self.v6 {
            &frame[self.network + 8..self.network + 40]
        } else {
            &frame[self.network + 12..self.network + 20]
        }
    }
}

#[inline]
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
