//! The switch: which ports a frame leaves by, and with which tags.
//!
//! All of it is decided at once: a list of [`Output`]s, which the frame leaves by one after the other, as far as there is
//! room (see [`crate::relink`]). A frame that leaves by a patch port is in another switch within the same decision.

mod members;

use crate::counters::{Reason, SwitchCount, SwitchCounts};
use crate::fdb::{Fdb, Heard, Station, station};
use crate::frame::Frame;
use crate::loops::{LoopRule, Loops};
use crate::policy::Bucket;
use crate::port::{Forwarder, Port};
use crate::slab::{Handle, Kind, Slab};
use crate::vlan::{MACS, PortVlans, Tags, Translation, Vlans};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

pub use members::{FORWARD_BPDU, Refused};

/// Patch ports that a frame passes one after the other, and that all its copies pass together.
const DEPTH: u32 = 8;
const CROSSINGS: u32 = 64;
/// Events that wait for TypeScript.
const EVENTS: usize = 1024;
/// Between two times that events are told of, in microseconds.
const EVENTS_PAUSE: u64 = 200_000;
/// Between two events of a full table at one port, in microseconds.
const LIMIT_PAUSE: u64 = 10_000_000;
/// What a frame counts in a bucket whose rate is in frames a second: so many octets of kilobits a second.
const FRAME: usize = 125;
/// Slots of a database that are swept at a time.
const SWEEP: usize = 4096;
/// 01:80:C2:00:00:00 to 0F (IEEE 802.1Q §8.6.3), but for the last four bits.
const RESERVED: [u8; 5] = [0x01, 0x80, 0xc2, 0, 0];
/// IEEE 802.3 Annex 31B: it says something to whoever is at the other end of this very link, and to nobody else.
pub const PAUSE: u8 = 1;
const BROADCAST: [u8; 6] = [0xff; 6];

/// How a switch is.
#[derive(Clone, Debug)]
pub struct SwitchOptions {
    /// `mac-aging-time`, in microseconds.
    pub ageing: u64,
    /// `mac-table-size`.
    pub table: usize,
    /// `flood-vlans`: nothing is learnt in them, and all is flooded.
    pub flood: Vlans,
    /// Which reserved addresses are passed on: a bit for each of the last four bits.
    pub reserved: u16,
    /// When a port is blocked.
    pub loops: LoopRule,
    /// Makes it unpredictable which addresses collide.
    pub seed: u64,
}

impl Default for SwitchOptions {
    fn default() -> Self {
        let loops = LoopRule::default();
        Self { ageing: 300_000_000, table: 8192, flood: Vlans::None, reserved: 0, loops, seed: 0 }
    }
}

/// How a port of a switch is.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// Its VLANs.
    pub vlans: PortVlans,
    /// Ports of one group send each other nothing; 0: it is in none.
    pub group: u32,
    /// Protected ports send each other nothing.
    pub protected: bool,
    /// Frames a second of broadcasts, multicasts, and to unknown stations, that may come in; 0: any number.
    pub storms: [u32; 3],
    /// Stations that may be learnt here; 0: any number.
    pub limit: u32,
    /// Octets of the largest packet that leaves whole, without Ethernet header and tags; 0: not known.
    pub mtu: u32,
    /// Nothing is behind it now: it is blocked until this is taken back, and nothing is known of its stations.
    pub down: bool,
}

impl Default for MemberOptions {
    fn default() -> Self {
        let vlans = PortVlans::trunk();
        Self { vlans, group: 0, protected: false, storms: [0; 3], limit: 0, mtu: 0, down: false }
    }
}

/// A switch.
#[derive(Default)]
pub struct Switch {
    options: SwitchOptions,
    fdb: Fdb,
    loops: Loops,
    members: Vec<u32>,
    /// The members that a VLAN is flooded to, as far as it was asked for since they changed last.
    lists: BTreeMap<u16, Rc<[u32]>>,
    /// The least of its members'; 0: not known.
    mtu: u32,
    /// When the database is swept next.
    sweep: Option<u64>,
}

/// A port of a switch. What every frame needs comes first, in as few cache lines as can be.
#[repr(C, align(64))]
pub struct Member {
    /// Which.
    pub port: Port,
    switch: u32,
    learnt: u32,
    blocked_until: u64,
    /// Nothing is learnt here before.
    deaf_until: u64,
    options: MemberOptions,
    translation: Translation,
    counts: SwitchCounts,
    storms: [Bucket; 3],
    limit_told: u64,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            port: Port::Host(u32::MAX),
            switch: 0,
            options: MemberOptions::default(),
            translation: Translation::None,
            storms: [Bucket::default(); 3],
            learnt: 0,
            limit_told: 0,
            blocked_until: 0,
            deaf_until: 0,
            counts: SwitchCounts::new(),
        }
    }
}

/// One end of a pair of ports that join two switches.
#[derive(Default)]
pub struct Patch {
    /// The other end.
    pub peer: Option<u32>,
    /// Where what comes from there goes.
    pub forwarder: Forwarder,
}

/// Two ports that are joined to each other and translate tags.
#[derive(Default)]
pub struct Wire(Vec<(Port, Translation)>);

/// A port that a frame leaves by.
#[derive(Clone, Copy)]
pub struct Output {
    /// Which.
    pub port: Port,
    /// With which tags.
    pub tags: Tags,
}

/// What happened in a switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A station was learnt.
    Learnt,
    /// A station came from another port.
    Moved,
    /// A table is full.
    Limit,
    /// A port was blocked.
    Loop,
    /// It is blocked no more.
    LoopOver,
}

/// What happened in a switch, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// What.
    pub what: What,
    /// In which switch.
    pub switch: Handle,
    /// At which port.
    pub port: Port,
    /// Which other port had to do with it.
    pub other: Option<Port>,
    /// Whose address it was about.
    pub station: Station,
}

/// All switches.
pub struct Switches {
    switches: Slab<Switch>,
    members: Slab<Member>,
    /// Ends of patches.
    pub patches: Slab<Patch>,
    wires: Slab<Wire>,
    translations: BTreeMap<Port, Translation>,
    /// What was decided of the frame in turn.
    pub outputs: Vec<Output>,
    crossings: u32,
    /// What happened, oldest first.
    pub events: VecDeque<Event>,
    /// Events for which there was no room.
    pub events_lost: u64,
    /// When they may be told of next.
    events_due: u64,
    /// Members that are blocked, and until when.
    blocked: Vec<(u64, u32)>,
}

/// What of a frame is the same at each port.
struct Seen {
    destination: [u8; 6],
    source: [u8; 6],
    original: Tags,
    frames: u32,
    bytes: u64,
    /// Octets of the longest of them, without Ethernet header and tags.
    packet: u32,
    now: u64,
}

impl Seen {
    fn of(frame: &Frame) -> Self {
        let bytes = frame.bytes();
        let (macs, _) = bytes.split_at(MACS);
        let mut addresses = [[0; 6]; 2];
        addresses.as_flattened_mut().copy_from_slice(macs);
        let original = Tags::of(bytes);
        let frames = frame.segments();
        let link = original.old_len() + 2;
        let longest = if frames > 1 {
            usize::from(frame.about.offload.header) + usize::from(frame.about.offload.size)
        } else {
            bytes.len()
        };
        Self {
            destination: addresses[0],
            source: addresses[1],
            original,
            frames,
            bytes: bytes.len() as u64,
            packet: longest.saturating_sub(link) as u32,
            now: frame.about.now,
        }
    }

    fn is_group(&self) -> bool {
        self.destination[0] & 1 == 1
    }

    /// The kind of storm that too many of its like are.
    fn storm(&self) -> (usize, SwitchCount) {
        match self.destination {
            BROADCAST => (0, SwitchCount::RxBroadcast),
            _ if self.is_group() => (1, SwitchCount::RxMulticast),
            _ => (2, SwitchCount::RxUnknown),
        }
    }
}

impl Switches {
    /// None, and room for so many.
    pub fn new(limit: usize, members: usize) -> Self {
        Self {
            switches: Slab::new(Kind::Switch, limit),
            members: Slab::new(Kind::Switch, members),
            patches: Slab::new(Kind::Patch, limit),
            wires: Slab::new(Kind::Switch, members),
            translations: BTreeMap::new(),
            outputs: Vec::new(),
            crossings: 0,
            events: VecDeque::new(),
            events_lost: 0,
            events_due: 0,
            blocked: Vec::new(),
        }
    }

    /// Decides which ports a frame leaves by that came in at a port of a switch; `Err`: none, and why. What was decided is
    /// in [`Switches::outputs`].
    pub fn decide(&mut self, member: u32, frame: &Frame) -> Result<(), Reason> {
        self.outputs.clear();
        self.crossings = 0;
        let seen = Seen::of(frame);
        self.enter(member, &seen, seen.original, 0).map_err(SwitchCount::reason)?;
        if self.outputs.is_empty() {
            self.members[member].counts.add(SwitchCount::RxNobody, seen.frames.into());
            return Err(Reason::NoSwitchPort);
        }
        Ok(())
    }

    /// The same for a frame that came in at one of two ports that translate tags for each other.
    pub fn decide_wire(&mut self, wire: u32, frame: &Frame) -> Result<(), Reason> {
        self.outputs.clear();
        let mut tags = Tags::of(frame.bytes());
        let original = tags;
        let ends = &self.wires[wire].0;
        let (near, far) = match ends.iter().position(|(port, _)| *port == frame.about.ingress) {
            Some(at) => (&ends[at], &ends[1 - at]),
            None => return Err(Reason::NoForwarder),
        };
        if !near.1.enter(&mut tags) || !far.1.leave(&mut tags) {
            return Err(Reason::VlanForeign);
        }
        tags.settle(&original);
        self.outputs.push(Output { port: far.0, tags });
        Ok(())
    }

    /// Where it will be looked for who sent a frame that comes in at a port, and for who is to have it: the ports of who is
    /// there. Where the port translates VLANs, it is elsewhere.
    #[inline]
    pub fn stations(&self, at: u32, frame: &[u8]) -> Option<[&u32; 2]> {
        let (destination, rest) = frame.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let member = &self.members[at];
        let vid = member.options.vlans.expected(rest.first_chunk()?);
        let fdb = &self.switches[member.switch].fdb;
        Some([source, destination].map(|mac| fdb.home_of(station(vid, mac))))
    }

    /// What is read first of a port that a frame leaves by.
    #[inline]
    pub fn port_of(&self, at: u32) -> &Port {
        &self.members[at].port
    }

    /// A frame comes in at a port of a switch.
    fn enter(&mut self, at: u32, seen: &Seen, tags: Tags, depth: u32) -> Result<(), SwitchCount> {
        let frames = u64::from(seen.frames);
        let member = &mut self.members[at];
        member.counts.add(SwitchCount::RxFrames, frames);
        member.counts.add(SwitchCount::RxBytes, seen.bytes);
        let result = self.enter_counted(at, seen, tags, depth);
        if let Err(why) = result {
            // What a port refused to send is counted there.
            if why as u32 <= SwitchCount::RxNobody as u32 {
                self.members[at].counts.add(why, frames);
            }
        }
        result
    }

    #[inline]
    fn enter_counted(&mut self, at: u32, seen: &Seen, mut tags: Tags, depth: u32) -> Result<(), SwitchCount> {
        let frames = u64::from(seen.frames);
        let member = &mut self.members[at];
        let switch = &self.switches[member.switch];
        if member.blocked_until > seen.now {
            return Err(SwitchCount::RxBlocked);
        }
        let [.., last] = seen.destination;
        if seen.destination.starts_with(&RESERVED) && last < 16 && switch.options.reserved >> last & 1 == 0 {
            return Err(SwitchCount::RxReserved);
        }
        if !member.translation.enter(&mut tags) {
            return Err(SwitchCount::RxForeign);
        }
        let priority = tags.outer().tci;
        if member.options.vlans.enter(&mut tags)? {
            member.counts.add(SwitchCount::TagsDeleted, frames);
        }
        if seen.packet > switch.mtu && switch.mtu > 0 {
            member.counts.add(SwitchCount::OverMtu, frames);
        }
        let (from, vid) = (member.switch, tags.vid());
        let (sender, destination) = (station(vid, &seen.source), station(vid, &seen.destination));
        // Both are waited for at once.
        std::hint::black_box(switch.fdb.home_of(sender) ^ switch.fdb.home_of(destination));
        let floods = switch.options.flood.has(vid);
        if !floods {
            self.learn(at, sender, seen);
            if self.members[at].blocked_until > seen.now {
                return Err(SwitchCount::RxBlocked);
            }
        }
        let known = if floods || seen.is_group() {
            None
        } else {
            self.switches[from].fdb.look_up(destination, seen.now)
        };
        match known {
            Some(to) if to == at => Err(SwitchCount::RxSamePort),
            Some(to) => self.leave_by(at, to, seen, tags, priority, depth),
            None => self.flood(at, from, seen, (tags, priority), depth),
        }
    }

    /// A frame leaves by all ports that have its VLAN, but for the one that it came in at.
    fn flood(
        &mut self,
        at: u32,
        switch: u32,
        seen: &Seen,
        (tags, priority): (Tags, u16),
        depth: u32,
    ) -> Result<(), SwitchCount> {
        let (kind, why) = seen.storm();
        if !self.members[at].storms[kind].take(FRAME * seen.frames as usize, seen.now) {
            return Err(why);
        }
        let vid = tags.vid();
        let Self { switches, members, .. } = self;
        let Switch { lists, members: all, .. } = &mut switches[switch];
        let list = lists.entry(vid).or_insert_with(|| {
            all.iter().copied().filter(|at| members[*at].options.vlans.carries(vid)).collect()
        });
        let list = Rc::clone(list); // a frame may come back through patches
        for to in list.iter().filter(|to| **to != at) {
            let _ = self.leave_by(at, *to, seen, tags, priority, depth); // it is counted there
        }
        Ok(())
    }

    /// A frame leaves by one port of a switch, if nothing is against it.
    #[inline]
    fn leave_by(
        &mut self,
        from: u32,
        to: u32,
        seen: &Seen,
        mut tags: Tags,
        priority: u16,
        depth: u32,
    ) -> Result<(), SwitchCount> {
        let (near, far) = (&self.members[from], &self.members[to]);
        let apart = near.options.group != 0 && near.options.group == far.options.group;
        let protected = near.options.protected && far.options.protected;
        let may = if far.blocked_until > seen.now {
            Err(SwitchCount::TxBlocked)
        } else if apart {
            Err(SwitchCount::TxSplitHorizon)
        } else if protected {
            Err(SwitchCount::TxProtected)
        } else if !far.options.vlans.carries(tags.vid()) {
            Err(SwitchCount::TxVlan)
        } else {
            far.options.vlans.leave(&mut tags, priority)
        };
        let may =
            may.and_then(|()| far.translation.leave(&mut tags).then_some(()).ok_or(SwitchCount::TxForeign));
        let port = far.port;
        let counts = &mut self.members[to].counts;
        if let Err(why) = may {
            counts.add(why, seen.frames.into());
            return Err(why);
        }
        counts.add(SwitchCount::TxFrames, seen.frames.into());
        counts.add(SwitchCount::TxBytes, seen.bytes);
        match port {
            Port::Patch(end) => self.cross(end, seen, tags, depth),
            port => {
                tags.settle(&seen.original);
                self.outputs.push(Output { port, tags });
                Ok(())
            }
        }
    }

    /// A frame goes through a patch into another switch.
    fn cross(&mut self, end: u32, seen: &Seen, tags: Tags, depth: u32) -> Result<(), SwitchCount> {
        self.crossings += 1;
        if depth == DEPTH || self.crossings > CROSSINGS {
            return Err(SwitchCount::RxPatchLoop);
        }
        let peer = self.patches[end].peer.map(|peer| self.patches[peer].forwarder);
        match peer {
            Some(Forwarder::Switch(member)) => self.enter(member, seen, tags, depth + 1),
            _ => Err(SwitchCount::RxNobody),
        }
    }

    /// Learns where a frame's sender is.
    #[inline]
    fn learn(&mut self, at: u32, who: Station, seen: &Seen) {
        let source = &seen.source;
        if source[0] & 1 == 1 || *source == [0; 6] {
            return;
        }
        let member = &mut self.members[at];
        if member.deaf_until > seen.now {
            return;
        }
        let may = member.options.limit == 0 || member.learnt < member.options.limit;
        match self.switches[member.switch].fdb.hear(who, at, seen.now, may) {
            Heard::Known => {}
            Heard::New => self.learnt(at, who, seen.now),
            Heard::Moved(from) => self.moved(from, at, who, seen.now),
            Heard::Full => self.full(at, who, seen),
        }
    }

    #[cold]
    fn learnt(&mut self, at: u32, who: Station, now: u64) {
        let member = &mut self.members[at];
        member.learnt += 1;
        member.counts.add(SwitchCount::Learnt, 1);
        let switch = &mut self.switches[member.switch];
        switch.sweep = switch.sweep.or(Some(now + switch.pause()));
        self.happened(What::Learnt, at, None, who);
    }

    #[cold]
    fn moved(&mut self, from: u32, to: u32, who: Station, now: u64) {
        self.members[from].learnt -= 1;
        let member = &mut self.members[to];
        member.learnt += 1;
        member.counts.add(SwitchCount::Moved, 1);
        let switch = member.switch;
        self.happened(What::Moved, to, Some(from), who);
        let Switch { loops, options, .. } = &mut self.switches[switch];
        let Some(blocked) = loops.moved(&options.loops, who, from, to, now) else { return };
        let other = if blocked == to { from } else { to };
        let until = now + self.switches[switch].options.loops.block;
        self.members[blocked].blocked_until = until; // it is not down, for it has stations
        self.blocked.push((until, blocked));
        self.members[blocked].counts.add(SwitchCount::Blocked, 1);
        self.happened(What::Loop, blocked, Some(other), who);
        // Whoever's frames went round may seem to be at either, and some are still on their way.
        for port in [blocked, other] {
            self.flush_member(port, false);
            self.members[port].deaf_until = now + self.switches[switch].options.loops.within;
        }
    }

    #[cold]
    fn full(&mut self, at: u32, who: Station, seen: &Seen) {
        let member = &mut self.members[at];
        member.counts.add(SwitchCount::NotLearnt, seen.frames.into());
        if member.limit_told <= seen.now {
            member.limit_told = seen.now + LIMIT_PAUSE;
            self.happened(What::Limit, at, None, who);
        }
    }

    fn happened(&mut self, what: What, at: u32, other: Option<u32>, station: Station) {
        // What was learnt is told of last: it is the most, and matters least.
        let room = if what == What::Learnt { EVENTS / 2 } else { EVENTS };
        if self.events.len() >= room {
            self.events_lost += 1;
            return;
        }
        let Member { port, switch, .. } = self.members[at];
        let other = other.map(|other| self.members[other].port);
        self.events.push_back(Event { what, switch: self.switches.handle(switch), port, other, station });
    }

    /// When there is something to be swept, to be unblocked, or to be told.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        let sweeps = self.switches.indices().filter_map(|at| self.switches[at].sweep);
        let blocks = self.blocked.iter().map(|(until, _)| *until);
        let told = (!self.events.is_empty()).then_some(self.events_due.max(now + 1000));
        sweeps.chain(blocks).chain(told).min()
    }

    /// Whether there are events that may be told of now.
    #[inline]
    pub fn may_tell(&self, now: u64) -> bool {
        !self.events.is_empty() && self.events_due <= now
    }

    /// What happened, and how much more there was than room for; nothing more is to be told for a while.
    pub fn take_events(&mut self, now: u64) -> (VecDeque<Event>, u64) {
        self.events_due = now + EVENTS_PAUSE;
        (std::mem::take(&mut self.events), std::mem::take(&mut self.events_lost))
    }

    /// Takes back the room of stations that were not heard for long: a few slots of each switch that is due; and says which
    /// ports are blocked no more.
    pub fn age(&mut self, now: u64) {
        while let Some(at) = self.blocked.iter().position(|(until, _)| *until <= now) {
            let (until, member) = self.blocked.swap_remove(at);
            if self.members[member].blocked_until == until {
                self.happened(What::LoopOver, member, None, 0);
            }
        }
        let Self { switches, members, .. } = self;
        for at in 0..switches.slots() {
            let switch = &mut switches[at];
            if switch.sweep.is_some_and(|due| due <= now) {
                switch.fdb.sweep(SWEEP, now, |member| members[member].learnt -= 1);
                switch.sweep = (!switch.fdb.is_empty()).then(|| now + switch.pause());
            }
        }
    }
}

impl Switch {
    /// Between two sweeps: so that all of the database is seen twice in the time after which stations are forgotten.
    fn pause(&self) -> u64 {
        let rounds = self.fdb.slots().div_ceil(SWEEP) as u64;
        (self.options.ageing / 2 / rounds).clamp(10_000, 60_000_000)
    }
}
