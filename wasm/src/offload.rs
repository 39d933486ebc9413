//! What the kernel leaves undone in a frame of a TAP or TUN with IFF_VNET_HDR, and what may be left to it.
//!
//! ```text
//! struct virtio_net_hdr (Virtual I/O Device 1.2 §5.1.6), little-endian, before each frame:
//!   flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2
//! ```

use crate::counters::Reason;
use crate::headers::{Headers, link_of};
use crate::port::FrameType;

/// Bytes of a `virtio_net_hdr`.
pub const VNET_HEADER: usize = 10;

/// Bytes of the longest headers of a super-frame that are taken.
const LONGEST_HEADERS: usize = 512;
/// VIRTIO_NET_HDR_F_NEEDS_CSUM.
const NEEDS_CSUM: u8 = 1;
/// VIRTIO_NET_HDR_GSO_ECN: the first segment's CWR is not to be repeated. It never is.
const GSO_ECN: u8 = 0x80;

/// So many datagrams are in a super-frame at most, of those that the kernel gives and of those that it takes.
const UDP_MAX_SEGMENTS: usize = 128;

/// What a super-frame is cut into.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Segments {
    /// It is one frame.
    #[default]
    None = 0,
    /// TCP segments over IPv4.
    Tcp4 = 1,
    /// Fragments of an IPv4 packet: what a PPP termination makes of it, no device knows of.
    Fragments = 2,
    /// TCP segments over IPv6.
    Tcp6 = 4,
    /// UDP datagrams over IPv4 or IPv6.
    Udp = 5,
}

/// What is to be done with a frame before it can go over a wire.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Offload {
    /// What it is to be cut into.
    pub segments: Segments,
    /// Whether its transport checksum is that of the pseudo header only.
    pub finish: bool,
    /// Bytes of the headers that every segment has.
    pub header: u16,
    /// Bytes of payload in each segment but the last.
    pub size: u16,
    /// Where the checksum's sum starts: the transport header.
    pub start: u16,
    /// Where the checksum stands, counted from there.
    pub offset: u16,
}

impl Offload {
    /// Nothing is to be done.
    pub const NONE: Self =
        Self { segments: Segments::None, finish: false, header: 0, size: 0, start: 0, offset: 0 };

    /// Whether nothing is to be done.
    #[inline]
    pub fn is_none(&self) -> bool {
        !self.finish
    }

    /// How many wire frames `len` bytes are.
    #[inline]
    pub fn segments(&self, len: usize) -> u32 {
        if self.segments == Segments::None {
            return 1;
        }
        (len - usize::from(self.header)).div_ceil(usize::from(self.size)).max(1) as u32
    }

    /// How long the longest of the wire frames is that `len` bytes are.
    #[inline]
    pub fn longest(&self, len: usize) -> usize {
        if self.segments == Segments::None { len } else { len.min((self.header + self.size).into()) }
    }

    /// Reads what stands before `frame`. Its fields are not believed: what is taken from here on lies in the frame and
    /// says of it what its own headers say.
    pub fn read(vnet: &[u8; VNET_HEADER], frame_type: FrameType, frame: &[u8]) -> Result<Self, Reason> {
        let [flags, kind, _, _, size @ .., _, _, _, _] = *vnet;
        let half = |at: usize| u16::from_le_bytes([vnet[at], vnet[at + 1]]);
        let finish = flags & NEEDS_CSUM != 0;
        let (start, offset) = (half(6), half(8));
        // The sum starts behind the link's header, which may get shorter on the way.
        let link = if frame_type == FrameType::Ethernet {
            link_of(frame).map_or(usize::MAX, |(at, _)| at)
        } else {
            0
        };
        let start_at = usize::from(start);
        if finish && (start_at < link || start_at + usize::from(offset) + 2 > frame.len()) {
            return Err(Reason::BadOffload);
        }
        let segments = match kind & !GSO_ECN {
            0 if finish => return Ok(Self { finish, start, offset, ..Self::NONE }),
            0 => return Ok(Self::NONE),
            1 => Segments::Tcp4,
            4 => Segments::Tcp6,
            5 => Segments::Udp,
            _ => return Err(Reason::BadOffload),
        };
        let headers = Headers::read(frame_type, frame).ok_or(Reason::BadOffload)?;
        let header = headers.payload(frame).ok_or(Reason::BadOffload)?;
        let size = u16::from_le_bytes(size);
        let fits = match segments {
            Segments::Tcp4 => headers.is_tcp() && !headers.v6,
            Segments::Tcp6 => headers.is_tcp() && headers.v6,
            _ => headers.is_udp(),
        };
        let same = headers.transport == usize::from(start) && headers.checksum() == usize::from(offset);
        let whole = headers.end == frame.len() && header <= LONGEST_HEADERS;
        if !(finish && fits && same && whole) || size == 0 || headers.fragment {
            return Err(Reason::BadOffload);
        }
        if segments == Segments::Udp && (frame.len() - header).div_ceil(size.into()) > UDP_MAX_SEGMENTS {
            return Err(Reason::BadOffload);
        }
        if header + usize::from(size) >= frame.len() {
            // One segment: a frame whose checksum is unfinished, and for the kernel no super-frame at all.
            return Ok(Self { finish, start, offset, ..Self::NONE });
        }
        Ok(Self { segments, finish, header: header as u16, size, start, offset })
    }

    /// The frame got `by` bytes more of headers before its network header, or less.
    pub fn moved(&mut self, by: i16) {
        if self.finish {
            self.start = self.start.wrapping_add_signed(by);
        }
        if self.segments != Segments::None {
            self.header = self.header.wrapping_add_signed(by);
        }
    }

    /// What is to stand before a frame for a device that does the rest.
    pub fn write(&self) -> [u8; VNET_HEADER] {
        let mut vnet = [0; VNET_HEADER];
        if self.finish {
            vnet[0] = NEEDS_CSUM;
            vnet[1] = self.segments as u8;
            let halves = [self.header, self.size, self.start, self.offset].map(u16::to_le_bytes);
            vnet[2..].copy_from_slice(halves.as_flattened());
        }
        vnet
    }
}

/// What a device takes beyond plain frames: the TUNSETOFFLOAD that succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Takes {
    /// Frames with unfinished checksums.
    pub checksum: bool,
    /// TCP super-frames of both families.
    pub tcp: bool,
    /// UDP super-frames.
    pub udp: bool,
}

impl Takes {
    /// Whether a frame can be left to the device as it is.
    #[inline]
    pub fn all_of(self, offload: &Offload) -> bool {
        match offload.segments {
            _ if !offload.finish => true,
            Segments::None => self.checksum,
            Segments::Tcp4 | Segments::Tcp6 => self.tcp,
            Segments::Udp => self.udp,
            Segments::Fragments => false,
        }
    }
}
