//! Fragmenting IPv4 packets (RFC 791 §3.2).
//!
//! Every fragment can be made without those before it: where in a packet an egress has got to is one number.

use crate::checksum::{finish, sum};
use crate::frame::Frame;
use crate::ppp::Link;

/// More fragments follow.
const MORE: u16 = 0x2000;
/// The octet of an option's type that says that every fragment has it.
const COPIED: u8 = 0x80;
/// The longest IPv4 header.
const LONGEST: usize = 60;
/// Bytes of the longest header of a fragment: PPP's and IPv4's.
pub const LONGEST_HEADER: usize = Link::MAX + LONGEST;
/// Fragments begin at multiples of it.
const UNIT: usize = 8;

/// A packet behind PPP's header, as the fragments that it becomes.
pub struct Fragments<'a> {
    /// PPP's header.
    link: &'a [u8],
    header: &'a [u8],
    payload: &'a [u8],
    /// Octets of payload in each fragment but the last.
    size: usize,
}

impl<'a> Fragments<'a> {
    /// Whether fragments of a packet that is perhaps a fragment itself have places that can be told.
    pub fn fit(packet: &[u8]) -> bool {
        let offset = usize::from(u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff);
        let header = usize::from(packet[0] & 0x0f) * 4;
        offset * UNIT + (packet.len() - header) <= usize::from(u16::MAX)
    }

    /// The fragments of a frame that says so itself.
    pub fn new(frame: &'a Frame) -> Self {
        let (link, packet) = frame.bytes().split_at(frame.about.link.into());
        let (header, payload) = packet.split_at(usize::from(frame.about.offload.header) - link.len());
        Self { link, header, payload, size: frame.about.offload.size.into() }
    }

    /// How many there are.
    pub fn pieces(&self) -> u32 {
        self.payload.len().div_ceil(self.size) as u32
    }

    /// Writes the headers of fragment `at` to the beginning of `to`. Gives how many octets they are, and the payload.
    pub fn write(&self, at: u32, to: &mut [u8; LONGEST_HEADER]) -> (usize, &'a [u8]) {
        let from = at as usize * self.size;
        let payload = &self.payload[from..self.payload.len().min(from + self.size)];
        let (link, ip) = to.split_at_mut(self.link.len());
        link.copy_from_slice(self.link);
        let mut length = self.header.len();
        if at == 0 {
            ip[..length].copy_from_slice(self.header);
        } else {
            ip[..20].copy_from_slice(&self.header[..20]);
            length = 20 + copy_options(&self.header[20..], &mut ip[20..]);
        }
        let ip = &mut ip[..length];
        ip[0] = 0x40 | (length / 4) as u8;
        ip[2..4].copy_from_slice(&((length + payload.len()) as u16).to_be_bytes());
        // A fragment of a fragment that is not the last has others behind it, too.
        let place = u16::from_be_bytes([ip[6], ip[7]]);
        let more = if from + payload.len() < self.payload.len() { MORE } else { place & MORE };
        let offset = (place & 0x1fff) + (from / UNIT) as u16;
        ip[6..8].copy_from_slice(&(place & 0x8000 | more | offset).to_be_bytes());
        ip[10..12].fill(0);
        let checksum = finish(sum(ip));
        ip[10..12].copy_from_slice(&checksum);
        (self.link.len() + length, payload)
    }
}

/// Copies those options that every fragment has, up to one that is none; gives their octets, in whole words.
fn copy_options(options: &[u8], to: &mut [u8]) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < options.len() {
        let option = match options[at..] {
            [0, ..] => break,
            [1, ..] => 1,
            [_, len, ..] if len >= 2 && at + usize::from(len) <= options.len() => usize::from(len),
            _ => break,
        };
        if options[at] & COPIED != 0 {
            to[length..length + option].copy_from_slice(&options[at..at + option]);
            length += option;
        }
        at += option;
    }
    let padded = length.next_multiple_of(4);
    to[length..padded].fill(0);
    padded
}
