//! The transmit side of the memory: messages and writes being gathered, and the arrays that `sendmmsg` and `writev` read.
//!
//! Frames are gathered in groups: those of one tunnel and one length, of which only the last may be shorter, become one
//! message that the kernel cuts by UDP_SEGMENT (`udp(7)`). Groups leave in the order in which they were begun, and a
//! frame only joins a group that is not older than the one its session's last frame went into: frames of one session
//! never overtake each other.

mod arena;
mod coalesce;
mod layout;

use crate::abi::{Control, IoVec, MmsgHdr};
use crate::leaving::{ControlMessage, Leaving, Span, Writing};
use crate::session::{NONE, Sending};
use crate::template::Template;
use crate::tunnel::{Destination, Tunnel, Via};
use arena::Arena;
pub use arena::LONGEST as LONGEST_HEADER;
use coalesce::Flows;
use layout::{iovec, place};

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

/// Datagrams in a run.
pub const MAX_RUN: u32 = MAX_SEGMENTS;
/// A run fills up the group before it, begins one, and another if it has more than [`MAX_BYTES`].
const RUN_GROUPS: usize = 3;

/// Where the messages of a refused group's datagrams lie, behind all others; and as many controls and twice as many iovecs.
pub const SPLIT: usize = MESSAGES;
/// Datagrams that a refused group can be split into.
const SPLITS: usize = MAX_SEGMENTS as usize;
/// With those of a refused group's datagrams.
const ALL_IOVECS: usize = IOVECS + 2 * SPLITS;

/// `[kind, fd, first, count]`.
pub type Op = [i32; 4];
/// `sendmmsg(fd, &messages[first], count)`.
const OP_SEND: i32 = 0;
/// `writev(fd, &iovecs[first], count)`.
const OP_WRITE: i32 = 1;

struct Group {
    via: Via,
    /// The tunnel by its index, or [`NONE`].
    tunnel: u32,
    /// The length of all its datagrams but perhaps the last.
    size: u32,
    frames: u32,
    /// The DSCP of them all, where it is the frames' own.
    tos: u8,
    /// How many of [`Leaving`] they are.
    pieces: u32,
    open: bool,
    /// Its iovecs: the first, and the one after the last.
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
    /// The stretches of what is written to devices.
    spans: Vec<Span>,
    /// What may still grow before it is written.
    flows: Flows,
    /// Headers for which there was no room before their frames.
    headers: Arena,
    messages: Box<[MmsgHdr; MESSAGES + SPLITS]>,
    /// The control buffer of each group, and one that the datagrams of a split group share.
    controls: Box<[Control; MESSAGES + 1]>,
    iovecs: Box<[IoVec; ALL_IOVECS]>,
    /// The iovecs in use so far.
    iovecs_used: usize,
    /// A frame joined a group whose iovecs are not the last ones: all are to be placed anew.
    scattered: bool,
    /// Not all groups leave by one socket or device.
    mixed: bool,
    /// The group of each message, where that is another number.
    order: Vec<u32>,
    ops: Vec<Op>,
    /// Where the ops for devices start.
    first_write: usize,
    /// The write that each of them is, by its index; [`u32::MAX`]: it sends several.
    write_of: Vec<u32>,
    /// The write that each message behind the groups' is.
    sent_writes: Vec<u32>,
    /// Datagrams that leave, and how many of them are control messages.
    datagrams: usize,
    control_messages: usize,
    /// Datagrams so far that are longer than their path carries.
    pub oversize: u64,
    /// The datagrams of the group that was split last, and its tunnel.
    split: Vec<Leaving>,
    split_tunnel: u32,
    /// Wire frames in the writes, and super-frames that they were made part of.
    frames_written: usize,
    super_frames: usize,
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
            spans: Vec::with_capacity(IOVECS),
            flows: Flows::default(),
            headers: Arena::new(),
            messages: zeroed(),
            controls: zeroed(),
            iovecs: zeroed(),
            iovecs_used: 0,
            scattered: false,
            mixed: false,
            order: Vec::new(),
            ops: Vec::with_capacity(OPS),
            first_write: 0,
            write_of: Vec::with_capacity(FRAMES),
            sent_writes: Vec::with_capacity(MESSAGES),
            datagrams: 0,
            control_messages: 0,
            oversize: 0,
            split: Vec::with_capacity(SPLITS),
            split_tunnel: NONE,
            frames_written: 0,
            super_frames: 0,
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

    /// Forgets what was laid out.
    pub fn clear(&mut self) {
        self.first_serial = self.first_serial.wrapping_add(self.groups.len() as u32);
        self.groups.clear();
        self.leaving.clear();
        self.writing.clear();
        self.spans.clear();
        self.ops.clear();
        self.order.clear();
        self.write_of.clear();
        self.sent_writes.clear();
        self.iovecs_used = 0;
        self.scattered = false;
        self.mixed = false;
        self.datagrams = 0;
        self.control_messages = 0;
        self.frames_written = 0;
        self.split.clear();
        self.headers.clear();
        self.flows.turn();
        self.held.clear();
        self.held_messages.clear();
        self.super_frames = 0;
    }

    /// Whether one more frame fits that asks for nothing special, or one more run, which may be spread over
    /// [`RUN_GROUPS`].
    #[inline]
    pub fn has_room(&self) -> bool {
        self.has_room_for(Template::ROOM, 2)
    }

    /// Whether one more piece fits: with `header` bytes of headers that lie elsewhere, in `spans` stretches if a device
    /// is to have it. No more than [`LONGEST_HEADER`] and [`IOVECS`] of them can be asked for.
    #[inline]
    pub fn has_room_for(&self, header: usize, spans: usize) -> bool {
        self.groups.len() + RUN_GROUPS <= MESSAGES
            && self.leaving.len() + self.writing.len() + self.flows.writes() + RUN_GROUPS <= FRAMES
            && 2 * (self.leaving.len() + RUN_GROUPS) + self.spans.len() + self.flows.spans() + spans <= IOVECS
            && self.headers.left() >= header
    }

    /// Whether one more frame fits that may be coalesced.
    #[inline]
    pub fn has_room_for_flow(&self) -> bool {
        self.has_room_for(coalesce::ROOM, 2)
    }

    /// Room for `len` bytes of headers that do not lie before their frame; there is as much as
    /// [`Transmit::has_room_for`] said.
    #[inline]
    pub fn header(&mut self, len: usize) -> &mut [u8] {
        let taken = self.headers.take(len);
        self.headers.at(taken)
    }

    /// Keeps a buffer that frames lie in until they left.
    pub fn hold(&mut self, buffer: Box<[u8]>) {
        self.held.push(buffer);
    }

    /// Lets a datagram leave by a session of `tunnel`.
    #[inline(always)] // the packet path; its only caller is hot
    pub fn send(&mut self, sending: &mut Sending, tunnel: &mut Tunnel, datagram: Leaving) {
        let groupable = datagram.len() <= u32::from(tunnel.segment_limit);
        if !groupable {
            self.oversize += u64::from(datagram.len() > u32::from(tunnel.longest));
        }
        let joined = if groupable { self.join(sending, tunnel, datagram.len(), datagram.tos) } else { None };
        let group = match joined {
            Some(group) => self.append(group, datagram),
            None if groupable => self.begin_open(sending, tunnel, datagram),
            None => self.begin(sending.tunnel, &tunnel.destination, datagram, false),
        };
        sending.last_group = self.first_serial.wrapping_add(group);
    }

    /// Lets `count` datagrams of `size` bytes leave that lie one after the other at `at`. They are no more than
    /// [`MAX_RUN`], and `size` is within the tunnel's segment limit.
    pub fn send_run(&mut self, sending: &mut Sending, tunnel: &mut Tunnel, first: Leaving, mut count: u32) {
        let size = first.body.len;
        let mut at = first.body.at;
        while count > 0 {
            let joined = self.join(sending, tunnel, size, 0);
            let fits = match joined {
                Some(group) => 1 + self.extend(group, count - 1),
                None => count.min((MAX_BYTES / size).max(1)),
            };
            let run = Leaving { body: Span { at, len: fits * size }, count: fits, ..first };
            let group = match joined {
                Some(group) => self.append(group, run),
                None => self.begin_open(sending, tunnel, run),
            };
            sending.last_group = self.first_serial.wrapping_add(group);
            at += (fits * size) as usize;
            count -= fits;
        }
    }

    /// Lets a control message leave.
    pub fn send_control(&mut self, message: Box<ControlMessage>) {
        let body = Span::of(&message.data);
        self.begin(NONE, &message.destination, Leaving::new(NONE, body.len, Span::default(), body), false);
        self.held_messages.push(message);
        self.control_messages += 1;
    }

    /// Lets what lies in `spans` leave by a device, in one write that is `frames` on a wire. Empty ones are left out.
    #[inline]
    pub fn write(&mut self, device: u32, spans: &[Span], frames: u32) {
        let before = self.spans.len();
        self.spans.extend(spans.iter().filter(|span| span.len > 0));
        self.writing.push(Writing { device, spans: (self.spans.len() - before) as u32, frames });
        self.frames_written += frames as usize;
    }

    /// Lets a super-frame leave by a device.
    fn write_super(&mut self, device: u32, head: Span, payloads: &[Span], frames: u32) {
        self.spans.push(head);
        self.spans.extend_from_slice(payloads);
        self.writing.push(Writing { device, spans: 1 + payloads.len() as u32, frames });
        self.frames_written += frames as usize;
        self.super_frames += 1;
    }

    /// Counts a datagram of `len` bytes into a group that it may join, if there is one.
    #[inline]
    fn join(&mut self, sending: &Sending, tunnel: &Tunnel, len: u32, tos: u8) -> Option<u32> {
        let last = self.group_of(sending.last_group);
        for serial in tunnel.open {
            let Some(at) = self.group_of(serial) else { break }; // those behind it are older still
            if last.is_none_or(|last| at >= last)
                && self.groups[at].size == len
                && self.groups[at].tos == tos
                && self.admit(at, sending.tunnel, len)
            {
                return Some(at as u32);
            }
        }
        // A shorter frame ends the group of the frames before it.
        let at = last.filter(|last| self.groups[*last].size > len && self.groups[*last].tos == tos)?;
        if !self.admit(at, sending.tunnel, len) {
            return None;
        }
        self.groups[at].open = false;
        Some(at as u32)
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
        // All datagrams of an open group have its size.
        if !group.open || group.tunnel != tunnel || group.size * group.frames + len > MAX_BYTES {
            return false;
        }
        group.frames += 1;
        group.open = group.frames < MAX_SEGMENTS;
        true
    }

    /// Counts as many of `count` more datagrams of its size into an open group as it takes.
    fn extend(&mut self, group: u32, count: u32) -> u32 {
        let group = &mut self.groups[group as usize];
        if !group.open {
            return 0;
        }
        let fit = MAX_SEGMENTS.min(MAX_BYTES / group.size) - group.frames;
        let taken = count.min(fit);
        group.frames += taken;
        group.open = group.frames < MAX_SEGMENTS;
        taken
    }

    /// Begins a group that others of the tunnel may join.
    #[inline]
    fn begin_open(&mut self, sending: &Sending, tunnel: &mut Tunnel, datagram: Leaving) -> u32 {
        let group = self.begin(sending.tunnel, &tunnel.destination, datagram, datagram.count < MAX_SEGMENTS);
        tunnel.open.rotate_right(1);
        tunnel.open[0] = self.first_serial.wrapping_add(group);
        group
    }

    /// Begins a group, and its message, with a datagram.
    #[inline(always)] // mostly called by the packet path
    fn begin(&mut self, tunnel: u32, destination: &Destination, datagram: Leaving, open: bool) -> u32 {
        let at = self.groups.len();
        let first = self.iovecs_used;
        if datagram.head.len > 0 {
            self.iovecs[self.iovecs_used] = iovec(self.base, datagram.head);
            self.iovecs_used += 1;
        }
        self.iovecs[self.iovecs_used] = iovec(self.base, datagram.body);
        self.iovecs_used += 1;
        let Destination { via, name, .. } = destination;
        let held = &mut self.controls[at];
        destination.control_into(held, datagram.tos);
        let message = &mut self.messages[at];
        message.name = self.base + name.address() as u64;
        message.name_len = name.len();
        message.control = self.base + (&raw const *held) as u64;
        message.control_len = u64::from(held.len);
        message.iov = self.base + (&raw const self.iovecs[first]) as u64;
        message.iov_len = (self.iovecs_used - first) as u64;
        self.mixed |= self.groups.first().is_some_and(|group| group.via != *via);
        let iovecs = (first as u32, self.iovecs_used as u32);
        self.groups.push(Group {
            via: *via,
            tunnel,
            size: datagram.len(),
            frames: datagram.count,
            tos: datagram.tos,
            pieces: 1,
            open,
            iovecs,
        });
        match via {
            Via::Socket(_) => self.datagrams += datagram.count as usize,
            Via::Device(_) => self.frames_written += 1,
        }
        self.leaving.push(Leaving { group: at as u32, ..datagram });
        at as u32
    }

    /// Adds a datagram to a group that it was counted into.
    #[inline]
    fn append(&mut self, group: u32, datagram: Leaving) -> u32 {
        self.datagrams += datagram.count as usize;
        self.leaving.push(Leaving { group, ..datagram });
        let Group { iovecs, pieces, .. } = &mut self.groups[group as usize];
        *pieces += 1;
        if iovecs.1 as usize == self.iovecs_used {
            place(&mut self.iovecs, self.base, iovecs, datagram.head);
            place(&mut self.iovecs, self.base, iovecs, datagram.body);
            self.iovecs_used = iovecs.1 as usize;
        } else {
            self.scattered = true;
        }
        group
    }

    /// How many ops are laid out.
    pub fn ops(&self) -> usize {
        self.ops.len()
    }

    /// How many messages, data and control messages in them, wire frames for devices and super-frames
    /// that were made for them are laid out.
    pub fn counts(&self) -> [usize; 5] {
        let data = self.datagrams - self.control_messages;
        [self.groups.len(), data, self.control_messages, self.frames_written, self.super_frames]
    }

    /// Whether message `index` is a frame for a device's link.
    pub fn is_on_link(&self, index: usize) -> bool {
        self.groups.get(self.group_at(index)).is_some_and(|group| matches!(group.via, Via::Device(_)))
    }

    /// The datagrams of message `index`, and the tunnel they leave by or [`NONE`].
    pub fn message(&self, index: usize) -> Option<(Vec<Leaving>, u32)> {
        if let Some(at) = index.checked_sub(SPLIT) {
            return self.split.get(at).map(|datagram| (vec![*datagram], self.split_tunnel));
        }
        let at = self.group_at(index);
        let group = self.groups.get(at)?;
        let leaving = self.leaving.iter().filter(|leaving| leaving.group as usize == at);
        Some((leaving.flat_map(|leaving| leaving.singly()).collect(), group.tunnel))
    }

    /// The length that the datagrams of message `index` are grouped by; `None`: it is no group.
    pub fn grouped_by(&self, index: usize) -> Option<u16> {
        let group = self.groups.get(self.group_at(index))?;
        (group.frames > 1).then_some(group.size as u16)
    }

    /// Lays out the datagrams of group `index` in messages of their own, from [`SPLIT`] on. Gives how many; what was split
    /// before is forgotten.
    pub fn split(&mut self, index: usize, destination: &Destination) -> usize {
        self.split.clear();
        if self.grouped_by(index).is_none() {
            return 0;
        }
        let Some((datagrams, tunnel)) = self.message(index) else { return 0 };
        self.split = datagrams;
        self.split_tunnel = tunnel;
        let control = &mut self.controls[MESSAGES];
        destination.control_into(control, self.split.first().map_or(0, |first| first.tos));
        for (at, datagram) in self.split.iter().enumerate() {
            let first = (IOVECS + 2 * at) as u32;
            let mut of = (first, first);
            place(&mut self.iovecs, self.base, &mut of, datagram.head);
            place(&mut self.iovecs, self.base, &mut of, datagram.body);
            let message = &mut self.messages[SPLIT + at];
            message.name = self.base + destination.name.address() as u64;
            message.name_len = destination.name.len();
            message.control = self.base + (&raw const *control) as u64;
            message.control_len = u64::from(control.len);
            message.iov = self.base + (&raw const self.iovecs[first as usize]) as u64;
            message.iov_len = u64::from(of.1 - of.0);
        }
        self.split.len()
    }

    /// How many wire frames op `index` writes to a device; `None`: it is no write.
    pub fn written(&self, index: usize) -> Option<u32> {
        let write = self.write_of.get(index.checked_sub(self.first_write)?)?;
        self.writing.get(*write as usize).map(|writing| writing.frames)
    }

    /// How many wire frames message `index` brings to a device; `None`: it is a datagram's, or a session's frame.
    pub fn sent_to_device(&self, index: usize) -> Option<u32> {
        let write = self.sent_writes.get(index.checked_sub(self.groups.len())?)?;
        self.writing.get(*write as usize).map(|writing| writing.frames)
    }
}

impl Default for Transmit {
    fn default() -> Self {
        Self::new()
    }
}

fn zeroed<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
    match vec![T::default(); N].try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("it has N items"),
    }
}
