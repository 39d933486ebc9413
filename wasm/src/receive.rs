//! The receive side of the memory: slots that packets are read into, and the `mmsghdr`s that point to them.

use crate::abi::{IoVec, MSG_CUT, MmsgHdr, Name};

/// Messages in a batch. Larger batches make GRO sockets see fewer, not more, packets each.
pub const BATCH: usize = 64;
/// Room for a datagram, or for a device's longest super-frame (64 KiB behind an Ethernet header, two VLAN tags and a
/// `virtio_net_hdr`) and more: what fills it all was cut.
pub const ROOM: usize = 65_536 + 128;
/// Room before it, for longer headers than it came with.
pub const HEADROOM: usize = 256;
/// One cache line more than the room: otherwise the first lines of all slots would compete for one set of the cache.
pub const STRIDE: usize = HEADROOM + ROOM + 64;
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

/// The receive side of the memory.
///
/// The kernel writes to it between two calls of this module, through addresses taken here; Rust holds no reference
/// to it meanwhile.
pub struct Receive {
    /// What packets are read into.
    pub slots: Slots,
    /// What is told of them.
    pub messages: Messages,
    events: Vec<Line>,
    scratch: Vec<Line>,
}

/// The slots, each at the start of a cache line.
pub struct Slots(Vec<Slot>);

#[repr(C, align(64))]
struct Slot([u8; STRIDE]);

/// The `mmsghdr`s and all that they point to but the slots, and the lengths of device frames.
pub struct Messages {
    headers: [MmsgHdr; BATCH],
    iovecs: [IoVec; BATCH],
    names: [NameBuffer; BATCH],
    controls: [ControlBuffer; BATCH],
    lengths: [i32; BATCH],
}

impl Receive {
    /// Slots and messages, with pointers for a base of 0.
    pub fn new() -> Box<Self> {
        let mut receive = Box::new(Self {
            slots: Slots((0..BATCH).map(|_| Slot([0; STRIDE])).collect()),
            messages: Messages {
                headers: [MmsgHdr::default(); BATCH],
                iovecs: [IoVec::default(); BATCH],
                names: [NameBuffer([0; Name::MAX], [0; NAME - Name::MAX]); BATCH],
                controls: [ControlBuffer([0; CONTROL]); BATCH],
                lengths: [0; BATCH],
            },
            events: vec![Line([0; 64]); 256 * 16 / 64],
            scratch: vec![Line([0; 64]); 4096 / 64],
        });
        receive.set_base(0);
        receive
    }

    /// Points every message to its buffers, `base` being the address of the memory's first byte.
    pub fn set_base(&mut self, base: u64) {
        let room = self.places().slots;
        let messages = &mut self.messages;
        for at in 0..BATCH {
            messages.iovecs[at] = IoVec { base: base + (room + at * STRIDE) as u64, len: ROOM as u64 };
            let header = &mut messages.headers[at];
            header.name = base + (&raw const messages.names[at]) as u64;
            header.control = base + (&raw const messages.controls[at]) as u64;
            header.iov = base + (&raw const messages.iovecs[at]) as u64;
            header.iov_len = 1;
            messages.recycle(at);
        }
    }

    /// The places of everything.
    pub fn places(&self) -> Places {
        Places {
            messages: self.messages.headers.as_ptr() as usize,
            slots: self.slots.0.as_ptr() as usize + HEADROOM,
            stride: STRIDE,
            room: ROOM,
            lengths: self.messages.lengths.as_ptr() as usize,
            events: self.events.as_ptr() as usize,
            scratch: self.scratch.as_ptr() as usize,
        }
    }
}

impl Slots {
    /// Slot `at`: headroom, then room.
    #[inline]
    pub fn slot(&self, at: usize) -> &[u8] {
        &self.0[at].0
    }

    /// Slot `at`, to be written to.
    #[inline]
    pub fn slot_mut(&mut self, at: usize) -> &mut [u8] {
        &mut self.0[at].0
    }
}

impl Messages {
    /// Bytes of datagram `at`. What the kernel wrote is not believed to be in bounds.
    #[inline]
    pub fn len(&self, at: usize) -> usize {
        (self.headers[at].len as usize).min(ROOM)
    }

    /// Whether the kernel had to cut message `at`.
    #[inline]
    pub fn is_cut(&self, at: usize) -> bool {
        self.headers[at].flags & MSG_CUT != 0
    }

    /// Where message `at` came from, if that is an address of IPv4 or IPv6.
    pub fn source(&self, at: usize) -> Option<Name> {
        Name::read(&self.names[at].0, self.headers[at].name_len as usize)
    }

    /// The name that message `at` came from, as the kernel wrote it.
    #[inline]
    pub fn name(&self, at: usize) -> &[u8; Name::MAX] {
        &self.names[at].0
    }

    /// Whether message `at` came from `peer`'s address, and from its port if that matters.
    #[inline]
    pub fn is_from(&self, at: usize, peer: &Name, with_port: bool) -> bool {
        peer.matches(&self.names[at].0, self.headers[at].name_len as usize, with_port)
    }

    /// The control messages of message `at`.
    #[inline]
    pub fn control(&self, at: usize) -> &[u8] {
        let len = (self.headers[at].control_len as usize).min(CONTROL);
        &self.controls[at].0[..len]
    }

    /// Bytes of device frame `at`.
    #[inline]
    pub fn frame_len(&self, at: usize) -> usize {
        usize::try_from(self.lengths[at]).unwrap_or(0).min(ROOM)
    }

    /// Gives message `at` its full lengths back, which `recvmmsg` had set to what it used.
    #[inline]
    pub fn recycle(&mut self, at: usize) {
        let header = &mut self.headers[at];
        header.name_len = NAME as u32;
        header.control_len = CONTROL as u64;
        header.flags = 0;
    }
}
