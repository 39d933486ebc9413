//! What is to leave, and where it lies.

use crate::tunnel::Destination;

/// A stretch of this memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct Span {
    /// Its offset in bytes.
    pub at: usize,
    /// Its bytes.
    pub len: u32,
}

impl Span {
    /// Where `bytes` lie.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr() as usize, len: bytes.len() as u32 }
    }

    /// The end of a stretch from byte `from` on.
    #[inline]
    pub fn from(bytes: &[u8], from: usize) -> Self {
        Self { at: bytes.as_ptr() as usize + from, len: (bytes.len() - from) as u32 }
    }
}

/// A datagram that is to leave: what lies in `head`, then what lies in `body`. Or a run of several of one length that lie
/// in `body` one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Leaving {
    /// The session that it leaves by, or [`NONE`] for a control message.
    pub session: u32,
    /// Bytes of each datagram that are no part of the frame.
    pub header: u32,
    /// The header, where it does not lie right before the frame.
    pub head: Span,
    /// The frame, or header and frame.
    pub body: Span,
    /// Datagrams in the run; 1: no run.
    pub count: u32,
    /// The group that it leaves with.
    pub group: u32,
    /// DSCP of the outer header, where it is the frame's own.
    pub tos: u8,
    /// As in [`crate::frame::About`].
    pub link: u8,
    /// As in [`crate::frame::About`].
    pub v6: bool,
}

impl Leaving {
    /// A datagram of a session.
    #[inline]
    pub fn new(session: u32, header: u32, head: Span, body: Span) -> Self {
        Self { session, header, head, body, count: 1, group: 0, tos: 0, link: 0, v6: false }
    }

    /// Bytes of each datagram.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no datagram is empty")]
    pub fn len(&self) -> u32 {
        if self.count == 1 { self.head.len + self.body.len } else { self.body.len / self.count }
    }

    /// Bytes of each frame.
    pub fn frame_len(&self) -> u32 {
        self.len() - self.header
    }

    /// Each datagram for itself.
    pub fn singly(self) -> impl Iterator<Item = Self> {
        let len = self.body.len / self.count;
        (0..self.count).map(move |at| {
            let body = Span { at: self.body.at + (at * len) as usize, len };
            Self { body, count: 1, ..self }
        })
    }
}

/// What is to be written to a device at once.
#[derive(Clone, Copy)]
pub struct Writing {
    /// The device, by its index.
    pub device: u32,
    /// How many stretches it lies in.
    pub spans: u32,
    /// How many frames it is on a wire.
    pub frames: u32,
}

/// A control message that is to leave.
pub struct ControlMessage {
    /// Where to.
    pub destination: Destination,
    /// The message; over IP with the four zero bytes.
    pub data: Vec<u8>,
}
