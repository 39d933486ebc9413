//! Looking ahead: the sessions of up to 64 datagrams are found before any of them is dealt with.
//!
//! With many sessions each packet would wait for memory three times in a row: for the table's entry, the session, and
//! the session that it is forwarded to. In three passes over the window the waits of all its packets overlap.

use crate::abi::read_control;
use crate::core::Core;
use crate::counters::Reason;
use crate::frame::Place;
use crate::header::{Class, classify, head_of};
use crate::port::{Forwarder, Port};
use crate::receive::{HEADROOM, Messages, Slots};
use crate::session::NONE;
use crate::transmit::MAX_RUN;
use crate::tunnel::SocketKind;
use crate::twins::SHARED;

const WINDOW: usize = 64;

/// A datagram, and what was found out about it. Or several of one length that UDP_GRO joined and whose first bytes are
/// the same: they are of one session.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The message that it came in.
    pub message: u32,
    /// Where in the slot it lies, behind the IPv4 header that raw sockets deliver. A header may be written to the headroom
    /// before the first datagram of a message; before the others that UDP_GRO joined to it, only to the header that is
    /// stripped.
    pub place: Place,
    /// How many datagrams there are, each as long as the first.
    pub count: u32,
    /// What it is.
    pub what: Result<Class, Reason>,
    /// The session that is first under a data message's key (see [`crate::twins`]), or [`NONE`].
    pub session: u32,
}

/// A batch of datagrams, and how far it got.
#[derive(Clone, Copy)]
pub struct Cursor {
    socket: u32,
    kind: SocketKind,
    count: usize,
    message: usize,
    /// Where in the message to go on.
    offset: usize,
    /// Bytes of each datagram of the message.
    size: usize,
    /// Super-datagrams passed.
    pub joined: u64,
}

impl Entry {
    const NOTHING: Self = Self {
        message: 0,
        place: Place { floor: 0, start: 0, end: 0 },
        count: 0,
        what: Err(Reason::Truncated),
        session: NONE,
    };

    /// Goes on to the datagram that is `count` further.
    #[inline]
    fn advance(&mut self, count: u32) {
        let Place { start, end, .. } = self.place;
        let by = count as usize * (end - start);
        self.place = Place { floor: start + by, start: start + by, end: end + by };
        self.count -= count;
    }
}

impl Cursor {
    /// The start of a batch.
    pub fn new(socket: u32, kind: SocketKind, count: usize) -> Self {
        Self { socket, kind, count, message: 0, offset: 0, size: 0, joined: 0 }
    }

    /// Puts the next datagram into `entry`, its session not looked up; false when there is none.
    #[inline]
    fn next(&mut self, slots: &Slots, messages: &Messages, entry: &mut Entry) -> bool {
        let message = self.message;
        if message >= self.count {
            return false;
        }
        let total = messages.len(message);
        let cut = messages.is_cut(message);
        if self.offset == 0 {
            self.size = if cut { total } else { segment_size(messages, message, total) };
        }
        let size = self.size;
        let (from, to) = (self.offset, total.min(self.offset + size));
        entry.message = message as u32;
        let floor = if from == 0 { 0 } else { HEADROOM + from };
        entry.place = Place { floor, start: HEADROOM + from, end: HEADROOM + to };
        entry.session = NONE;
        entry.count = 1;
        entry.what = if cut { Err(Reason::Truncated) } else { self.classify(slots.slot(message), entry) };
        let mut next = to;
        if to < total {
            self.joined += u64::from(from == 0);
            if let Ok(Class::Data(_)) = entry.what {
                entry.count = same_heads(&slots.slot(message)[HEADROOM + from..HEADROOM + total], size);
                next = from + entry.count as usize * size;
            }
        }
        if next < total {
            self.offset = next;
        } else {
            self.message += 1;
            self.offset = 0;
        }
        true
    }

    /// Says what the entry's datagram is, and moves its start behind the IPv4 header if there is one.
    #[inline]
    fn classify(&self, slot: &[u8], entry: &mut Entry) -> Result<Class, Reason> {
        let datagram = &slot[entry.place.start..entry.place.end];
        let start = l2tp_start(self.kind, datagram).ok_or(Reason::ShortHeader)?;
        entry.place.start += start;
        let l2tp = &datagram[start..];
        classify(head_of(l2tp), l2tp.len(), self.kind.encap())
    }
}

/// How many whole datagrams of `size` bytes begin with the eight bytes that the first begins with.
#[inline]
fn same_heads(datagrams: &[u8], size: usize) -> u32 {
    let mut rest = datagrams.chunks_exact(size).take(MAX_RUN as usize);
    let head = rest.next().map(head_of);
    1 + rest.take_while(|datagram| Some(head_of(datagram)) == head).count() as u32
}

/// The length of the datagrams that UDP_GRO joined into a message; that of the message if it did not.
#[inline]
fn segment_size(messages: &Messages, message: usize, total: usize) -> usize {
    let control = messages.control(message);
    match if control.is_empty() { 0 } else { read_control(control).gro } {
        0 => total,
        size => size,
    }
}

/// Where the L2TP header starts. `None`: there is no whole IPv4 header where there should be one.
#[inline]
fn l2tp_start(kind: SocketKind, datagram: &[u8]) -> Option<usize> {
    if kind != SocketKind::Ip4 {
        return Some(0);
    }
    let first = datagram.first()?;
    let length = usize::from(first & 0x0f) * 4;
    (first >> 4 == 4 && (20..=datagram.len()).contains(&length)).then_some(length)
}

/// The datagrams that are looked at together.
pub struct Window {
    entries: [Entry; WINDOW],
    len: usize,
    next: usize,
    /// The sessions were these when they were looked up.
    epoch: u64,
}

impl Window {
    /// An empty window.
    pub fn new() -> Self {
        Self { entries: [Entry::NOTHING; WINDOW], len: 0, next: 0, epoch: 0 }
    }

    /// Fills the empty window with the next datagrams of a batch; false when there are none.
    pub fn fill(&mut self, cursor: &mut Cursor, slots: &Slots, messages: &Messages, core: &Core) -> bool {
        (self.len, self.next) = (0, 0);
        for entry in &mut self.entries {
            if !cursor.next(slots, messages, entry) {
                break;
            }
            self.len += 1;
        }
        self.look_up(cursor, slots, messages, core);
        self.len > 0
    }

    /// Finds the sessions of what is left in the window. Where to look is worked out before anything is read: the shorter
    /// the loop that waits for memory, the more of its rounds the processor has under way at a time.
    fn look_up(&mut self, cursor: &Cursor, slots: &Slots, messages: &Messages, core: &Core) {
        self.epoch = core.epoch;
        let left = &mut self.entries[self.next..self.len];
        let (rx, tx) = (&core.sessions.rx, &core.sessions.tx);
        let mut homes = [0; WINDOW];
        let mut places = [&NONE; WINDOW];
        for ((entry, home), place) in left.iter().zip(&mut homes).zip(&mut places) {
            if let Ok(Class::Data(data)) = entry.what {
                let table = core.table(data.version);
                *home = table.home(data.key);
                *place = table.index_at(*home);
            }
        }
        touch(&places[..left.len()]);
        let mut sessions = [NONE; WINDOW];
        let mut known = 0;
        for (entry, home) in left.iter_mut().zip(homes) {
            if let Ok(Class::Data(data)) = entry.what {
                let mut session = core.table(data.version).get_from(home, data.key);
                if session == SHARED {
                    let Cursor { socket, kind, .. } = *cursor;
                    session = core.twins.first(data.key, socket, kind, messages, entry.message as usize);
                }
                entry.session = session;
                if session != NONE {
                    sessions[known] = session;
                    places[known] = &rx[session].tunnel;
                    known += 1;
                }
            }
        }
        touch(&places[..known]);
        let (mut joined, mut switched) = (0, false);
        for session in &sessions[..known] {
            match rx[*session].forwarder {
                Forwarder::CrossConnect(Port::Session(out)) => {
                    places[joined] = &tx[out].tunnel;
                    joined += 1;
                }
                forwarder => switched |= matches!(forwarder, Forwarder::Switch(_)),
            }
        }
        touch(&places[..joined]);
        if switched {
            self.look_up_stations(slots, core);
        }
    }

    /// Brings into the cache where a switch will look for who sent the frames that are left, and for who is to have them;
    /// then the port and the session that they leave by.
    #[inline(never)]
    fn look_up_stations(&self, slots: &Slots, core: &Core) {
        let mut stations = [[&NONE; 2]; WINDOW];
        let mut known = 0;
        for entry in &self.entries[self.next..self.len] {
            let Ok(Class::Data(data)) = entry.what else { continue };
            if entry.session == NONE {
                continue;
            }
            let rx = &core.sessions.rx[entry.session];
            if let Forwarder::Switch(member) = rx.forwarder {
                let start = entry.place.start + rx.header(&data);
                let frame = slots.slot(entry.message as usize)[..entry.place.end].get(start..);
                if let Some(found) = frame.and_then(|frame| core.switches.stations(member, frame)) {
                    stations[known] = found;
                    known += 1;
                }
            }
        }
        touch(stations[..known].as_flattened());
        let mut places = [&NONE; WINDOW];
        let ports = stations[..known].iter().map(|[_, to]| core.switches.port_of(**to));
        for (place, port) in places.iter_mut().zip(ports) {
            if let Port::Session(out) = port {
                *place = &core.sessions.tx[*out].tunnel;
            }
        }
        touch(&places[..known]);
    }

    /// The next datagram. Those that were looked up before sessions came or went are looked up again.
    #[inline]
    pub fn next(
        &mut self,
        cursor: &Cursor,
        slots: &Slots,
        messages: &Messages,
        core: &Core,
    ) -> Option<&Entry> {
        if self.epoch != core.epoch {
            self.look_up(cursor, slots, messages, core);
        }
        self.entries[..self.len].get(self.next)
    }

    /// Leaves `count` datagrams behind.
    #[inline]
    pub fn advance(&mut self, count: u32) {
        let entry = &mut self.entries[self.next];
        if count == entry.count {
            self.next += 1;
        } else {
            entry.advance(count);
        }
    }
}

/// Brings what lies at `places` into the cache.
#[inline]
fn touch(places: &[&u32]) {
    let read = places.iter().fold(0, |read, place| read ^ **place);
    std::hint::black_box(read); // what is never used is never read
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}
