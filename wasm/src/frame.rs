//! A frame on its way through the datapath: where it lies, and what is known of it.

use crate::offload::Offload;
use crate::port::{FrameType, Port};

/// A stretch of a buffer, and how far before it a header may be written. Nothing is assumed of the buffer but that
/// these are places in it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Place {
    /// The first byte that a header may overwrite.
    pub floor: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// What is known of a frame besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The port that it came in at.
    pub ingress: Port,
    /// What its bytes are.
    pub frame_type: FrameType,
    /// When it came, in microseconds.
    pub now: u64,
    /// What a device left to be done: a checksum, or to be cut into segments.
    pub offload: Offload,
    /// The receive slot that it lies in, or [`HELD`].
    pub slot: u32,
    /// Bytes of the PPP header that a termination put before an IP packet; 0: none did.
    pub link: u8,
    /// Whether that packet is IPv6.
    pub v6: bool,
}

/// A frame in a buffer of its own instead of a receive slot.
pub const HELD: u32 = u32::MAX;

impl About {
    /// A frame as it goes over a wire.
    #[inline]
    pub fn plain(ingress: Port, frame_type: FrameType, now: u64, slot: u32) -> Self {
        Self { ingress, frame_type, now, offload: Offload::NONE, slot, link: 0, v6: false }
    }
}

/// A frame in a buffer that headers can be written into.
pub struct Frame<'a> {
    /// All that may be touched of the buffer.
    pub buffer: &'a mut [u8],
    /// Where it lies.
    pub place: Place,
    /// What is known of it.
    pub about: About,
}

impl Frame<'_> {
    /// The frame's bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.place.start..self.place.end]
    }

    /// The frame's bytes, to be changed.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.place.start..self.place.end]
    }

    /// Their number.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no frame is")]
    pub fn len(&self) -> usize {
        self.place.end - self.place.start
    }

    /// Whether it is to 01:80:C2:00:00:01: PAUSE (IEEE 802.3 Annex 31B) says something to whoever is at the other end of a
    /// link, and to nobody behind it.
    #[inline]
    pub fn is_pause(&self) -> bool {
        self.about.frame_type == FrameType::Ethernet && self.bytes().starts_with(&[1, 0x80, 0xc2, 0, 0, 1])
    }

    /// How many frames it is on the wire.
    #[inline]
    pub fn segments(&self) -> u32 {
        self.about.offload.segments(self.len())
    }
}

/// How much of a frame has left: what comes next is this piece for this one of its ports.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cursor {
    /// Ports that are done with.
    pub output: u32,
    /// Wire frames that left by the port in turn.
    pub piece: u32,
    /// Whether it left by another port before.
    pub copied: bool,
    /// Whether it was decided which its ports are.
    pub decided: bool,
}
