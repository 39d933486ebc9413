//! The receive side of the memory: slots that packets are read into, and the `mmsghdr`s that point to them.

use crate::abi::{IoVec, MSG_CUT, MmsgHdr, Name};

/// Messages in a batch. Larger batches make GRO sockets see fewer, not more, packets each (design.md §8).
pub const BATCH: usize = 64;
/// Room for a datagram or frame.
pub const ROOM: usize = 65_536;
/// Room before it, for longer headers than it came with.
pub const HEADROOM: usize = 256;
/// One cache line more than the room: otherwise the first lines of all slots would compete for one set of the cache.
const STRIDE: usize = HEADROOM + ROOM + 64;
/// Bytes of `msg_control`: packet information, UDP_GRO and what else a socket may be set to tell.
const CONTROL: usize = 128;
const NAME: usize = 32;

/// Offsets of what the caller may touch, in bytes from the memory's start.
pub struct Places {
    /// `mmsghdr[BATCH]`.
    pub messages: usize,
    /// The first slot's room.
    pub slots: usize,
    /// From one slot to the next.
    pub stride: usize,
    /// A slot's room.
    pub room: usize,
    /// `i32[BATCH]`: lengths of device frames.
    pub lengths: usize,
    /// Room for 256 `epoll_event`s.
    pub events: usize,
    /// 4096 bytes.
    pub scratch: usize,
}

/// Memory that starts at a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlBuffer([u8; CONTROL]);

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct NameBuffer([u8; Name::MAX], [u8; NAME - Name::MAX]);

/// A received message.
pub struct Message<'a> {
    /// The headroom, then the datagram's bytes.
    pub slot: &'a mut [u8],
    /// Whether the kernel cut it.
    pub cut: bool,
    /// Where it came from.
    pub source: Source<'a>,
    /// Its control messages.
    pub control: &'a [u8],
}

/// The address that a datagram came from, not looked at yet.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    buffer: &'a [u8; Name::MAX],
    len: usize,
}

impl Source<'_> {
    /// The address, if it is one of IPv4 or IPv6.
    pub fn read(&self) -> Option<Name> {
        Name::read(self.buffer, self.len)
    }
}

/// The receive side of the memory.
///
/// The kernel writes to it between two calls of this module, through addresses taken here; Rust holds no reference
/// to it meanwhile.
pub struct Receive {
    memory: Vec<u8>,
    first: usize,
    messages: Vec<MmsgHdr>,
    iovecs: Vec<IoVec>,
    names: Vec<NameBuffer>,
    controls: Vec<ControlBuffer>,
    lengths: Vec<i32>,
    events: Vec<Line>,
    scratch: Vec<Line>,
}

impl Receive {
    /// Slots and messages, with pointers for a base of 0.
    pub fn new() -> Self {
        let memory = vec![0; BATCH * STRIDE + 64];
        let mut receive = Self {
            first: memory.as_ptr().align_offset(64).min(64),
            memory,
            messages: vec![MmsgHdr::default(); BATCH],
            iovecs: vec![IoVec::default(); BATCH],
            names: vec![NameBuffer([0; Name::MAX], [0; NAME - Name::MAX]); BATCH],
            controls: vec![ControlBuffer([0; CONTROL]); BATCH],
            lengths: vec![0; BATCH],
            events: vec![Line([0; 64]); 256 * 16 / 64],
            scratch: vec![Line([0; 64]); 4096 / 64],
        };
        receive.set_base(0);
        receive
    }

    /// Points every message to its buffers, `base` being the address of the memory's first byte.
    pub fn set_base(&mut self, base: u64) {
        let room = self.places().slots;
        for at in 0..BATCH {
            self.iovecs[at] = IoVec { base: base + (room + at * STRIDE) as u64, len: ROOM as u64 };
            let message = &mut self.messages[at];
            message.name = base + (&raw const self.names[at]) as u64;
            message.control = base + (&raw const self.controls[at]) as u64;
            message.iov = base + (&raw const self.iovecs[at]) as u64;
            message.iov_len = 1;
            Self::restore(message);
        }
    }

    /// Gives a message its full lengths back, which `recvmmsg` had set to what it used.
    fn restore(message: &mut MmsgHdr) {
        message.name_len = NAME as u32;
        message.control_len = CONTROL as u64;
        message.flags = 0;
    }

    /// Makes a message that was dealt with ready for the next `recvmmsg`.
    pub fn recycle(&mut self, at: usize) {
        Self::restore(&mut self.messages[at]);
    }

    /// The places of everything.
    pub fn places(&self) -> Places {
        Places {
            messages: self.messages.as_ptr() as usize,
            slots: self.memory.as_ptr() as usize + self.first + HEADROOM,
            stride: STRIDE,
            room: ROOM,
            lengths: self.lengths.as_ptr() as usize,
            events: self.events.as_ptr() as usize,
            scratch: self.scratch.as_ptr() as usize,
        }
    }

    /// The bytes of message `at`. What the kernel wrote is not believed to be in bounds.
    #[inline]
    pub fn datagram(&self, at: usize) -> &[u8] {
        let len = (self.messages[at].len as usize).min(ROOM);
        &self.memory[self.first + at * STRIDE + HEADROOM..][..len]
    }

    /// Message `at` with its surroundings.
    #[inline]
    pub fn message(&mut self, at: usize) -> Message<'_> {
        let message = &self.messages[at];
        let len = (message.len as usize).min(ROOM);
        let control = (message.control_len as usize).min(CONTROL);
        Message {
            slot: &mut self.memory[self.first + at * STRIDE..][..HEADROOM + len],
            cut: message.flags & MSG_CUT != 0,
            source: Source { buffer: &self.names[at].0, len: message.name_len as usize },
            control: &self.controls[at].0[..control],
        }
    }

    /// The headroom and the bytes of device frame `at`.
    #[inline]
    pub fn frame(&mut self, at: usize) -> &mut [u8] {
        let len = usize::try_from(self.lengths[at]).unwrap_or(0).min(ROOM);
        &mut self.memory[self.first + at * STRIDE..][..HEADROOM + len]
    }
}

impl Default for Receive {
    fn default() -> Self {
        Self::new()
    }
}
