//! The transmit side of the memory: messages and writes being gathered, and the arrays that `sendmmsg` and `writev` read.
//!
//! Frames are gathered in groups: those of one tunnel and one length, of which only the last may be shorter, become one
//! message that the kernel cuts by UDP_SEGMENT (`udp(7)`). Groups leave in the order in which they were begun, and a
//! frame only joins a group that is not older than the one its session's last frame went into: frames of one session
//! never overtake each other.

use crate::abi::{Control, IoVec, MmsgHdr};
use crate::header::Template;
use crate::session::{NONE, Sending};
use crate::tunnel::{Destination, OPEN_GROUPS, Tunnel};

/// Messages that one `pump` can lay out; also the most that `sendmmsg` takes at once.
pub const MESSAGES: usize = 1024;
/// Frames that one `pump` can lay out.
pub const FRAMES: usize = 4096;
/// Each frame may need one for its header and one for its payload.
pub const IOVECS: usize = 2 * FRAMES;
/// A write for each frame, or runs of messages for each socket.
const OPS: usize = FRAMES + MESSAGES;
/// Datagrams in a group (UDP_MAX_SEGMENTS of all kernels).
const MAX_SEGMENTS: u32 = 64;
/// Bytes in a group: below what an IP packet carries.
const MAX_BYTES: u32 = 65_000;

/// `[kind, fd, first, count]`.
pub type Op = [i32; 4];
/// `sendmmsg(fd, &messages[first], count)`.
const OP_SEND: i32 = 0;
/// `writev(fd, &iovecs[first], count)`.
const OP_WRITE: i32 = 1;

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
}

/// A frame that is to leave.
#[derive(Clone, Copy)]
pub struct Leaving {
    /// The session that it leaves by, or [`NONE`] for a control message.
    pub session: u32,
    /// Its header.
    pub head: Span,
    /// The frame.
    pub body: Span,
    group: u32,
}

/// A frame that is to be written to a device.
#[derive(Clone, Copy)]
pub struct Writing {
    /// The device, by its index.
    pub device: u32,
    /// The frame.
    pub body: Span,
}

/// A control message that is to leave.
pub struct ControlMessage {
    /// Where to.
    pub destination: Destination,
    /// The message; over IP with the four zero bytes.
    pub data: Vec<u8>,
}

struct Group {
    socket: u32,
    /// The tunnel by its index, or [`NONE`].
    tunnel: u32,
    /// The length of all its datagrams but perhaps the last.
    size: u32,
    frames: u32,
    bytes: u32,
    open: bool,
    name: Span,
    /// Its place among the iovecs, and the end of what is filled of it.
    iovecs: (u32, u32),
}

/// The transmit side of the memory.
pub struct Transmit {
    base: u64,
    /// The serial number of the first group. Serials only grow, so sessions and tunnels can hold on to stale ones.
    first_serial: u32,
    groups: Vec<Group>,
    leaving: Vec<Leaving>,
    writing: Vec<Writing>,
    /// Headers for which there was no room before their frames.
    headers: Vec<[u8; Template::MAX]>,
    headers_used: usize,
    /// What is laid out: the group of each message.
    order: Vec<u32>,
    /// What is laid out: where the writes start among the ops.
    first_write: usize,
    messages: Vec<MmsgHdr>,
    /// The control buffer of each group.
    controls: Vec<Control>,
    iovecs: Vec<IoVec>,
    ops: Vec<Op>,
    held: Vec<Box<[u8]>>,
    #[expect(clippy::vec_box, reason = "the kernel reads the name where it lies, so it must not move")]
    held_messages: Vec<Box<ControlMessage>>,
}

impl Transmit {
    /// Empty arrays.
    pub fn new() -> Self {
        Self {
            base: 0,
            first_serial: 1,
            groups: Vec::with_capacity(MESSAGES),
            leaving: Vec::with_capacity(FRAMES),
            writing: Vec::with_capacity(FRAMES),
            headers: vec![[0; Template::MAX]; FRAMES],
            headers_used: 0,
            order: Vec::with_capacity(MESSAGES),
            first_write: 0,
            messages: vec![MmsgHdr::default(); MESSAGES],
            controls: vec![Control::default(); MESSAGES],
            iovecs: vec![IoVec::default(); IOVECS],
            ops: Vec::with_capacity(OPS),
            held: Vec::new(),
            held_messages: Vec::new(),
        }
    }

    /// Sets the address of the memory's first byte.
    pub fn set_base(&mut self, base: u64) {
        self.base = base;
    }

    /// Offsets of the arrays: messages, iovecs, ops.
    pub fn places(&self) -> [usize; 3] {
        [self.messages.as_ptr() as usize, self.iovecs.as_ptr() as usize, self.ops.as_ptr() as usize]
    }

    /// Forgets what was laid out. Headers and held buffers stay while frames that use them are to be sent again.
    pub fn clear(&mut self, keep_buffers: bool) {
        self.first_serial = self.first_serial.wrapping_add(self.groups.len() as u32);
        self.groups.clear();
        self.leaving.clear();
        self.writing.clear();
        self.ops.clear();
        self.order.clear();
        if !keep_buffers {
            self.headers_used = 0;
            self.held.clear();
            self.held_messages.clear();
        }
    }

    /// Whether one more frame fits, whatever it needs.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.groups.len() < MESSAGES
            && self.leaving.len() + self.writing.len() < FRAMES
            && self.headers_used < FRAMES
    }

    /// Room for a header of `len` bytes that does not fit before its frame; valid while [`Transmit::has_room`] was.
    #[inline]
    pub fn header(&mut self, len: usize) -> &mut [u8] {
        self.headers_used += 1;
        &mut self.headers[self.headers_used - 1][..len]
    }

    /// Keeps a buffer that frames lie in until they left.
    pub fn hold(&mut self, buffer: Box<[u8]>) {
        self.held.push(buffer);
    }

    /// Lets a frame leave by a session of `tunnel`.
    #[inline]
    pub fn send(&mut self, session: u32, sending: &mut Sending, tunnel: &mut Tunnel, head: Span, body: Span) {
        let group = self.join(sending, tunnel, head.len + body.len);
        sending.last_group = self.first_serial.wrapping_add(group);
        self.leaving.push(Leaving { session, head, body, group });
    }

    /// Lets a frame leave in a message of its own.
    pub fn send_alone(&mut self, session: u32, sending: &Sending, tunnel: &Tunnel, head: Span, body: Span) {
        let group = self.begin(sending.tunnel, &tunnel.destination, head.len + body.len, false);
        self.leaving.push(Leaving { session, head, body, group });
    }

    /// Lets a control message leave.
    pub fn send_control(&mut self, message: Box<ControlMessage>) {
        let body = Span::of(&message.data);
        let group = self.begin(NONE, &message.destination, body.len, false);
        self.leaving.push(Leaving { session: NONE, head: Span::default(), body, group });
        self.held_messages.push(message);
    }

    /// Lets a frame leave by a device.
    #[inline]
    pub fn write(&mut self, device: u32, body: Span) {
        self.writing.push(Writing { device, body });
    }

    /// Finds or begins the group of a datagram of `len` bytes.
    #[inline]
    fn join(&mut self, sending: &Sending, tunnel: &mut Tunnel, len: u32) -> u32 {
        if len > u32::from(tunnel.segment_limit) {
            return self.begin(sending.tunnel, &tunnel.destination, len, false);
        }
        let last = self.group_of(sending.last_group);
        for serial in tunnel.open {
            let Some(at) = self.group_of(serial) else { continue };
            if last.is_none_or(|last| at >= last)
                && self.groups[at].size == len
                && self.admit(at, sending.tunnel, len)
            {
                return at as u32;
            }
        }
        // A shorter frame ends the group of the frames before it.
        if let Some(at) = last
            && self.groups[at].size > len
            && self.admit(at, sending.tunnel, len)
        {
            self.groups[at].open = false;
            return at as u32;
        }
        let group = self.begin(sending.tunnel, &tunnel.destination, len, true);
        let [newer @ .., _] = tunnel.open;
        tunnel.open[0] = self.first_serial.wrapping_add(group);
        tunnel.open[1..].copy_from_slice(&newer as &[u32; OPEN_GROUPS - 1]);
        group
    }

    /// The group with a serial number, unless it has left.
    #[inline]
    fn group_of(&self, serial: u32) -> Option<usize> {
        let at = serial.wrapping_sub(self.first_serial) as usize;
        (at < self.groups.len()).then_some(at)
    }

    /// Counts a datagram into a group if it may join it.
    #[inline]
    fn admit(&mut self, at: usize, tunnel: u32, len: u32) -> bool {
        let group = &mut self.groups[at];
        if !group.open || group.tunnel != tunnel || group.bytes + len > MAX_BYTES {
            return false;
        }
        group.frames += 1;
        group.bytes += len;
        group.open = group.frames < MAX_SEGMENTS;
        true
    }

    #[inline]
    fn begin(&mut self, tunnel: u32, destination: &Destination, len: u32, open: bool) -> u32 {
        self.controls[self.groups.len()].copy_from(&destination.control);
        self.groups.push(Group {
            socket: destination.socket,
            tunnel,
            size: len,
            frames: 1,
            bytes: len,
            open,
            name: Span::of(destination.name.bytes()),
            iovecs: (0, 0),
        });
        self.groups.len() as u32 - 1
    }

    /// Fills the arrays. `socket_fd` and `device_fd` give file descriptors by index.
    pub fn lay_out(&mut self, socket_fd: impl Fn(u32) -> i32, device_fd: impl Fn(u32) -> i32) {
        self.order.extend(0..self.groups.len() as u32);
        if self.groups.windows(2).any(|pair| pair[0].socket != pair[1].socket) {
            // Order matters within a session only, which has one socket; fewer system calls for several sockets.
            self.order.sort_by_key(|group| self.groups[*group as usize].socket);
        }
        self.place_messages(socket_fd);
        let writes_at = self.place_frames();
        self.first_write = self.ops.len();
        for (at, writing) in self.writing.iter().enumerate() {
            self.iovecs[writes_at + at] = iovec(self.base, writing.body);
            self.ops.push([OP_WRITE, device_fd(writing.device), (writes_at + at) as i32, 1]);
        }
    }

    /// One message for each group, and an op for each run of one socket.
    fn place_messages(&mut self, socket_fd: impl Fn(u32) -> i32) {
        let mut next_iovec = 0;
        let mut socket = None;
        for (position, at) in self.order.iter().enumerate() {
            let group = &mut self.groups[*at as usize];
            group.iovecs = (next_iovec, next_iovec);
            next_iovec += 2 * group.frames;
            let control = &mut self.controls[*at as usize];
            if group.frames > 1 {
                control.segment(group.size as u16);
            }
            let message = &mut self.messages[position];
            message.name = self.base + group.name.at as u64;
            message.name_len = group.name.len;
            message.iov = self.base + (&raw const self.iovecs[group.iovecs.0 as usize]) as u64;
            message.control = if control.len == 0 { 0 } else { self.base + (&raw const *control) as u64 };
            message.control_len = u64::from(control.len);
            message.flags = 0;
            match self.ops.last_mut() {
                Some(op) if socket == Some(group.socket) => op[3] += 1,
                _ => {
                    socket = Some(group.socket);
                    self.ops.push([OP_SEND, socket_fd(group.socket), position as i32, 1]);
                }
            }
        }
    }

    /// Each frame's pieces into the iovecs of its group, adjoining pieces merged. Gives the first iovec not used.
    fn place_frames(&mut self) -> usize {
        for leaving in &self.leaving {
            let group = &mut self.groups[leaving.group as usize];
            for span in [leaving.head, leaving.body] {
                let piece = iovec(self.base, span);
                let end = group.iovecs.1 as usize;
                if end > group.iovecs.0 as usize {
                    let last = &mut self.iovecs[end - 1];
                    if last.base + last.len == piece.base {
                        last.len += piece.len;
                        continue;
                    }
                }
                if piece.len > 0 {
                    self.iovecs[end] = piece;
                    group.iovecs.1 += 1;
                }
            }
        }
        for (position, at) in self.order.iter().enumerate() {
            let (first, end) = self.groups[*at as usize].iovecs;
            self.messages[position].iov_len = u64::from(end - first);
        }
        2 * self.leaving.len()
    }

    /// How many ops are laid out.
    pub fn ops(&self) -> usize {
        self.ops.len()
    }

    /// How many messages are laid out.
    pub fn message_count(&self) -> usize {
        self.order.len()
    }

    /// The frames of message `index`, the tunnel they leave by or [`NONE`], and the length that they are grouped by if
    /// they are several.
    pub fn message(&self, index: usize) -> Option<(Vec<Leaving>, u32, Option<u16>)> {
        let group = *self.order.get(index)?;
        let frames = self.leaving.iter().filter(|leaving| leaving.group == group).copied().collect();
        let Group { tunnel, size, frames: count, .. } = self.groups[group as usize];
        Some((frames, tunnel, (count > 1).then_some(size as u16)))
    }

    /// The frame that op `index` writes.
    pub fn written(&self, index: usize) -> Option<Writing> {
        self.writing.get(index.checked_sub(self.first_write)?).copied()
    }

    /// Datagrams and device frames laid out.
    pub fn counts(&self) -> (usize, usize) {
        (self.leaving.len(), self.writing.len())
    }
}

impl Default for Transmit {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn iovec(base: u64, span: Span) -> IoVec {
    IoVec { base: base + span.at as u64, len: u64::from(span.len) }
}
