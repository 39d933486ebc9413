//! The state that frames pass through: everything but the receive slots, which they lie in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::counters::{Drops, Reason, Work};
use crate::early::Early;
use crate::egress::Unfinished;
use crate::joining::Joining;
use crate::leaving::ControlMessage;
use crate::port::{Device, Forwarder, HostPort, Port};
use crate::ppp::{Expiries, Members, Termination};
use crate::pppoe::Pppoe;
use crate::punt::Punts;
use crate::reorder::Held;
use crate::session::Sessions;
use crate::slab::{Handle, Kind, Slab};
use crate::switch::Switches;
use crate::table::Table;
use crate::transmit::Transmit;
use crate::tunnel::{Socket, Tunnel};
use crate::twins::Twins;

/// Sockets and devices; tunnels may be as many as sessions, and each session may have a receiver.
const MAX_OTHERS: usize = 65_536;
/// Bytes of injected frames, and of control messages to send, that may wait.
const MAX_WAITING: usize = 1 << 20;

/// What bounds the datapath's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions.
    pub sessions: usize,
    /// Frames in one session's reorder queue.
    pub reorder_frames: usize,
    /// Bytes in all reorder queues.
    pub reorder_bytes: usize,
    /// Bytes handed to TypeScript and not drained.
    pub punt_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 1 << 18, reorder_frames: 256, reorder_bytes: 32 << 20, punt_bytes: 1 << 20 }
    }
}

/// A queue with a bound on its bytes.
pub struct Bounded<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Bounded<T> {
    fn new() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }

    /// Queues an item of `cost` bytes; false when there is no room.
    pub fn push(&mut self, item: T, cost: usize) -> bool {
        let cost = cost + 64; // its bookkeeping, so that empty items are bounded too
        if self.bytes + cost > MAX_WAITING {
            return false;
        }
        self.bytes += cost;
        self.items.push_back((item, cost));
        true
    }

    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        let (item, cost) = self.items.pop_front()?;
        self.bytes -= cost;
        Some(item)
    }
}

/// The state that frames pass through.
pub struct Core {
    /// Bounds.
    pub limits: Limits,
    /// Sockets.
    pub sockets: Slab<Socket>,
    /// Tunnels.
    pub tunnels: Slab<Tunnel>,
    /// Sessions.
    pub sessions: Sessions,
    /// Devices.
    pub devices: Slab<Device>,
    /// Host ports.
    pub hosts: Slab<HostPort>,
    /// Switches.
    pub switches: Switches,
    /// PPP terminations.
    pub terminations: Slab<Termination>,
    /// What they keep of sessions.
    pub members: Members,
    /// What is over of members.
    pub expiries: Expiries,
    /// The last instant that the caller told, in microseconds.
    pub now: u64,
    /// Counts whatever changes which session a datagram belongs to.
    pub epoch: u64,
    /// v2 sessions by tunnel and session id.
    pub v2: Table,
    /// v3 sessions by session id.
    pub v3: Table,
    /// v3 sessions whose id does not suffice.
    pub twins: Twins,
    /// PPPoE sessions.
    pub pppoe: Pppoe,
    /// Tunnels by version and id.
    pub tunnel_ids: BTreeMap<(bool, u32), u32>,
    /// What leaves.
    pub transmit: Transmit,
    /// What goes to TypeScript.
    pub punts: Punts,
    /// Frames dropped.
    pub drops: Drops,
    /// Work done.
    pub io: Work,
    /// Bytes of frames that wait for others before them.
    pub reorder_bytes: usize,
    /// Frames of sessions that are in order now, to be delivered before anything else of their session.
    pub ready: VecDeque<(Handle, Held)>,
    /// When to look after which session's reorder queue.
    pub agenda: BinaryHeap<Reverse<(u64, u32)>>,
    /// Frames that came before their sessions.
    pub early: Early,
    /// Receivers, and frames that wait for a forwarder.
    pub joining: Joining,
    /// Frames from TypeScript.
    pub injected: Bounded<(Handle, Held)>,
    /// Control messages from TypeScript.
    pub controls: Bounded<Box<ControlMessage>>,
    /// The frame that there was not room enough for; nothing else is forwarded before it.
    pub unfinished: Option<Unfinished>,
}

impl Core {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            sockets: Slab::new(Kind::Socket, MAX_OTHERS),
            tunnels: Slab::new(Kind::Tunnel, limits.sessions),
            sessions: Sessions::new(limits.sessions),
            devices: Slab::new(Kind::Device, MAX_OTHERS),
            hosts: Slab::new(Kind::Host, limits.sessions + MAX_OTHERS),
            switches: Switches::new(MAX_OTHERS, limits.sessions + MAX_OTHERS),
            terminations: Slab::new(Kind::Ppp, MAX_OTHERS),
            members: Members::default(),
            expiries: Expiries::default(),
            now: 0,
            epoch: 0,
            v2: Table::new(),
            v3: Table::new(),
            twins: Twins::default(),
            pppoe: Pppoe::default(),
            tunnel_ids: BTreeMap::new(),
            transmit: Transmit::new(),
            punts: Punts::new(limits.punt_bytes),
            drops: Drops::new(),
            io: Work::new(),
            reorder_bytes: 0,
            ready: VecDeque::new(),
            agenda: BinaryHeap::new(),
            early: Early::default(),
            joining: Joining::default(),
            injected: Bounded::new(),
            controls: Bounded::new(),
            unfinished: None,
        }
    }

    /// Counts a frame that goes no further.
    #[inline]
    pub fn drop_frame(&mut self, reason: Reason) {
        self.drops.add(reason, 1);
    }

    /// Counts all `count` frames that go no further. Gives their number.
    pub fn drop_frames(&mut self, reason: Reason, count: u32) -> u32 {
        self.drops.add(reason, u64::from(count));
        count
    }

    /// The index of the live item that `handle` stands for, as a port.
    pub fn port(&self, handle: Handle) -> Option<Port> {
        let live = match handle.kind {
            Kind::Session => self.sessions.find(handle),
            Kind::Device => self.devices.find(handle),
            Kind::Host => self.hosts.find(handle),
            Kind::Patch => self.switches.patches.find(handle),
            Kind::Socket | Kind::Tunnel | Kind::Switch | Kind::Ppp => None,
        };
        live.and_then(|_| Port::of(handle))
    }

    /// The handle of a live port.
    pub fn handle_of(&self, port: Port) -> Handle {
        match port {
            Port::Session(at) => self.sessions.handle(at),
            Port::Device(at) => self.devices.handle(at),
            Port::Host(at) => self.hosts.handle(at),
            Port::Patch(at) => self.switches.patches.handle(at),
        }
    }

    /// A port's forwarder.
    pub fn forwarder(&self, port: Port) -> Forwarder {
        match port {
            Port::Session(at) => self.sessions.rx[at].forwarder,
            Port::Device(at) => self.devices[at].forwarder,
            Port::Host(at) => self.hosts[at].forwarder,
            Port::Patch(at) => self.switches.patches[at].forwarder,
        }
    }
}
