//! Cutting super-frames into the frames that go over a wire, and finishing checksums that the kernel left to a device.
//!
//! Every piece can be made without those before it: where in a super-frame an egress has got to is one number.

use crate::checksum::{self, Sum, half, sum};
use crate::frame::Frame;
use crate::headers::Headers;
use crate::offload::Offload;

const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// A super-frame, as the pieces that it becomes.
pub struct Split<'a> {
    frame: &'a [u8],
    offload: Offload,
    headers: Headers,
}

impl<'a> Split<'a> {
    /// The pieces of a super-frame. `None`: its headers do not say what its offload says.
    pub fn new(frame: &'a Frame) -> Option<Self> {
        let (offload, bytes) = (frame.about.offload, frame.bytes());
        let headers = Headers::read(frame.about.frame_type, bytes)?;
        let whole = headers.payload(bytes)? == usize::from(offload.header) && headers.end == bytes.len();
        whole.then_some(Self { frame: bytes, offload, headers })
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> u32 {
        self.offload.segments(self.frame.len())
    }

    /// Bytes of each piece that must be written anew: its headers.
    pub fn header(&self) -> usize {
        self.offload.header.into()
    }

    /// Writes the headers of piece `at` to `to`, which has [`Split::header`] bytes. Gives where in the frame the rest of
    /// it lies.
    pub fn write(&self, at: u32, to: &mut [u8]) -> &'a [u8] {
        let (before, rest) = self.frame.split_at(self.header());
        to.copy_from_slice(before);
        let headers = &self.headers;
        let size = usize::from(self.offload.size);
        let from = at as usize * size;
        let payload = from..rest.len().min(from + size);
        let last = payload.end == rest.len();
        let payload = &rest[payload];
        let carried = to.len() - headers.transport + payload.len();
        self.write_network(headers, at as u16, carried, to);
        let pseudo = sum(headers.addresses(to)) + half(headers.protocol.into()) + half(carried as u16);
        if headers.is_tcp() {
            write_tcp(&mut to[headers.transport..], from as u32, at == 0, last);
        } else {
            to[headers.transport + 4..headers.transport + 6].copy_from_slice(&(carried as u16).to_be_bytes());
        }
        write_checksum(headers, pseudo + sum(payload), to);
        payload
    }

    /// The IP header of a piece with `carried` bytes behind its IP headers.
    fn write_network(&self, headers: &Headers, at: u16, carried: usize, to: &mut [u8]) {
        let header = &mut to[headers.network..headers.transport];
        let total = header.len() + carried;
        if headers.v6 {
            header[4..6].copy_from_slice(&((total - 40) as u16).to_be_bytes());
            return;
        }
        header[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        let id = u16::from_be_bytes([header[4], header[5]]).wrapping_add(at);
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[10..12].fill(0);
        let checksum = checksum::finish(sum(header));
        header[10..12].copy_from_slice(&checksum);
    }
}

/// The TCP header of a piece whose payload starts `from` bytes behind the first's: FIN and PSH are the last one's, CWR
/// the first one's (RFC 3168 §6.1.2).
fn write_tcp(header: &mut [u8], from: u32, first: bool, last: bool) {
    if let Some(seq) = header[4..].first_chunk_mut::<4>() {
        *seq = u32::from_be_bytes(*seq).wrapping_add(from).to_be_bytes();
    }
    let others = if last { 0 } else { FIN | PSH } | if first { 0 } else { CWR };
    header[TCP_FLAGS] &= !others;
}

/// The transport checksum: `rest` is the sum of what it covers beyond the header in `to`.
fn write_checksum(headers: &Headers, rest: Sum, to: &mut [u8]) {
    let at = headers.transport + headers.checksum();
    to[at..at + 2].fill(0);
    let total = rest + sum(&to[headers.transport..]);
    let checksum = if headers.is_tcp() { checksum::finish(total) } else { checksum::finish_udp(total) };
    to[at..at + 2].copy_from_slice(&checksum);
}

impl Frame<'_> {
    /// Finishes the checksum of a frame that is one on the wire, where it lies.
    pub fn finish_checksum(&mut self) {
        let offload = std::mem::take(&mut self.about.offload);
        let start = usize::from(offload.start);
        let at = start + usize::from(offload.offset);
        let bytes = self.bytes_mut();
        let checksum = checksum::finish_udp(sum(&bytes[start..]));
        bytes[at..at + 2].copy_from_slice(&checksum);
    }
}
