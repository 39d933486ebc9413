//! ICMP errors that say how large a packet may be.
//!
//! ```text
//! IPv4 (RFC 792, RFC 1191 §4): type 3 | code 4 | checksum 2 | 0 2 | MTU 2 | the packet, 576 octets in all at most
//! IPv6 (RFC 4443 §3.2):        type 2 | code 0 | checksum 2 | MTU 4       | the packet, 1280 octets in all at most
//! ```

use crate::checksum::{finish, half, sum};
use crate::headers::Headers;
use crate::port::FrameType;
use crate::ppp::upstream::{address6, word};

/// Octets of an error about an IPv4 packet (RFC 1812 §4.3.2.3) and about an IPv6 packet (RFC 4443 §2.4).
const LONGEST4: usize = 576;
const LONGEST6: usize = 1280;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Internetwork control (RFC 1812 §4.3.2.5), and Don't Fragment: such a packet needs no identification (RFC 6864 §4.1).
const HEADER4: [u8; 12] = [0x45, 0xc0, 0, 0, 0, 0, 0x40, 0, 64, ICMP, 0, 0];

/// The error about an IPv4 packet that may not be fragmented. `None`: of such a packet nobody is told (RFC 1122 §3.2.2).
pub fn too_big4(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0;
    let header = usize::from(packet[0] & 0x0f) * 4;
    let error = packet[9] == ICMP && packet.get(header).is_none_or(|kind| !is_query4(*kind));
    let [source, to] = [word(packet, 12), word(packet, 16)];
    // Neither one host's: this network, loopback, groups and what is reserved, broadcast.
    let several = |address: u32| matches!(address >> 24, 0 | 127 | 224..);
    if fragment || error || several(source) || several(to) {
        return None;
    }
    let quote = &packet[..packet.len().min(LONGEST4 - 28)];
    let mut bytes =
        [&HEADER4, &packet[16..20], &packet[12..16], &[3, 4, 0, 0, 0, 0], &mtu.to_be_bytes(), quote].concat();
    let total = bytes.len() as u16;
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    let checksum = finish(sum(&bytes[..20]));
    bytes[10..12].copy_from_slice(&checksum);
    let checksum = finish(sum(&bytes[20..]));
    bytes[22..24].copy_from_slice(&checksum);
    Some(bytes)
}

/// Those ICMP messages that are no errors: an answer to what is not known to be one could be answered in its turn.
fn is_query4(kind: u8) -> bool {
    matches!(kind, 0 | 8 | 9 | 10 | 13..=18)
}

/// The error about an IPv6 packet. `None`: of such a packet nobody is told (RFC 4443 §2.4 (e)).
pub fn too_big6(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let headers = Headers::read(FrameType::Ip, packet);
    let error = headers.is_some_and(|headers| {
        let kind = packet.get(headers.transport).copied().unwrap_or(0);
        headers.protocol == ICMPV6 && (kind < 128 || kind == 137)
    });
    let source = address6(packet, 8);
    if error || source <= 1 || source >> 120 == 0xff {
        return None;
    }
    let quote = &packet[..packet.len().min(LONGEST6 - 48)];
    let message = [&[2, 0, 0, 0, 0, 0], &mtu.to_be_bytes()[..], quote].concat();
    let length = (message.len() as u16).to_be_bytes();
    let mut bytes =
        [&[0x6c, 0, 0, 0][..], &length, &[ICMPV6, 64], &packet[24..40], &packet[8..24], &message].concat();
    let pseudo = sum(&bytes[8..40]) + half(message.len() as u16) + half(ICMPV6.into());
    let checksum = finish(pseudo + sum(&bytes[40..]));
    bytes[42..44].copy_from_slice(&checksum);
    Some(bytes)
}
