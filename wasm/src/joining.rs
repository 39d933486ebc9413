//! Who has a port's frames: the forwarder that it is joined to, its receiver in TypeScript, or a queue that keeps them for
//! the next forwarder. A port goes from one to the other within one request, so that nothing is lost or overtaken.

use std::collections::{BTreeMap, VecDeque};

use crate::core::Core;
use crate::counters::Reason;
use crate::frame::Frame;
use crate::manage::Refusal;
use crate::policy::Bucket;
use crate::port::{Forwarder, Port};
use crate::reorder::Held;
use crate::slab::Handle;
use crate::split::Split;
use crate::vlan::Translation;

/// Bytes that all ports together may hold.
const MAX_HELD: usize = 4 << 20;
/// Frames that one port may hold.
const MAX_FRAMES: u32 = 1024;

/// What waits for a port's next forwarder.
struct Holding {
    frames: VecDeque<Held>,
    limit: usize,
    /// Nobody asked for it: a receiver will do as well as a forwarder.
    at_first: bool,
}

/// Receivers and held frames, by port.
#[derive(Default)]
pub struct Joining {
    receivers: BTreeMap<u64, u32>,
    holdings: BTreeMap<u64, Holding>,
    held_bytes: usize,
    /// Frames that were held and may go on, before anything else.
    released: VecDeque<(Handle, Held)>,
}

impl Joining {
    /// How many frames wait for a forwarder, or to go on.
    pub fn waiting(&self) -> usize {
        self.holdings.values().map(|holding| holding.frames.len()).sum::<usize>() + self.released.len()
    }
}

impl Core {
    /// Gives a port a receiver: a host port that gets what the port's forwarder punts, and all frames while there is no
    /// forwarder; and what is injected there leaves by the port, whatever that is joined to.
    pub fn set_receiver(&mut self, port: Handle, host: Handle) -> Result<(), Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        let Some(Port::Host(at)) = self.port(host) else { return Err(Refusal::no_such_port()) };
        if self.frame_type(port) != self.frame_type(Port::Host(at)) {
            return Err(Refusal::new("frame-type-mismatch", "the ports carry frames of different types"));
        }
        if self.hosts[at].forwarder != Forwarder::None || self.joining.receivers.contains_key(&port.key()) {
            return Err(Refusal::new("port-joined", "the port has a receiver already"));
        }
        self.joining.receivers.insert(port.key(), at);
        self.hosts[at].of = Some(port);
        self.hosts[at].forwarder = Forwarder::CrossConnect(port);
        let at_first = self.joining.holdings.get(&port.key()).is_some_and(|holding| holding.at_first);
        if self.forwarder(port) == Forwarder::None || at_first {
            self.give(port, self.rest(port));
        }
        Ok(())
    }

    /// Where the frames of a port go that is joined to nothing.
    pub fn rest(&self, port: Port) -> Forwarder {
        match self.joining.receivers.get(&port.key()) {
            Some(host) => Forwarder::CrossConnect(Port::Host(*host)),
            None => Forwarder::None,
        }
    }

    /// Refuses to join a port that is in a forwarder, or is somebody's receiver.
    pub fn check_free(&self, port: Port) -> Result<(), Refusal> {
        let forwarder = self.forwarder(port);
        let is_receiver = matches!(port, Port::Host(at) if self.hosts[at].of.is_some());
        if is_receiver
            || !matches!(forwarder, Forwarder::None | Forwarder::Hold) && forwarder != self.rest(port)
        {
            return Err(Refusal::joined());
        }
        Ok(())
    }

    /// Gives a free port to a forwarder; what was held for it goes on first.
    pub fn give(&mut self, port: Port, forwarder: Forwarder) {
        *self.forwarder_mut(port) = forwarder;
        self.let_go(port);
    }

    /// Joins two free ports: what comes in at one leaves by the other.
    pub fn cross_connect(&mut self, a: Handle, b: Handle) -> Result<(), Refusal> {
        let a = self.port(a).ok_or(Refusal::no_such_port())?;
        let b = self.port(b).ok_or(Refusal::no_such_port())?;
        if a == b {
            return Err(Refusal::invalid("a port cannot be joined to itself"));
        }
        self.check_free(a)?;
        self.check_free(b)?;
        if self.frame_type(a) != self.frame_type(b) {
            return Err(Refusal::new("frame-type-mismatch", "the ports carry frames of different types"));
        }
        self.connect(a, b)
    }

    /// Takes a port out of its forwarder, and what it is cross-connected to as well: their frames go to their receivers
    /// again. Nothing happens to a free port.
    pub fn disconnect(&mut self, a: Handle) -> Result<(), Refusal> {
        let port = self.port(a).ok_or(Refusal::no_such_port())?;
        self.part(port);
        Ok(())
    }

    /// As [`Core::disconnect`].
    pub fn part(&mut self, port: Port) {
        if self.check_free(port).is_ok() || matches!(port, Port::Host(at) if self.hosts[at].of.is_some()) {
            return;
        }
        self.leave_unfinished(port);
        let rest = self.rest(port);
        match std::mem::replace(self.forwarder_mut(port), rest) {
            Forwarder::None | Forwarder::Hold => {}
            Forwarder::CrossConnect(other) => *self.forwarder_mut(other) = self.rest(other),
            Forwarder::Wire(at) => {
                for end in self.switches.remove_wire(at) {
                    *self.forwarder_mut(end) = self.rest(end);
                }
            }
            Forwarder::Switch(member) => self.switches.leave(member),
            Forwarder::Ppp(at) => self.part_from_termination(at, port),
        }
    }

    /// A port goes, parted already: so do its receiver's part in it, and what is held for it.
    pub fn forget_port(&mut self, port: Port) {
        self.leave_unfinished(port);
        self.switches.set_translation(port, Forwarder::None, Translation::None);
        self.take_out(port);
        if let Some(host) = self.joining.receivers.remove(&port.key()) {
            self.hosts[host].of = None;
            self.hosts[host].forwarder = Forwarder::None;
        }
        if let Some(holding) = self.joining.holdings.remove(&port.key()) {
            let frames = holding.frames;
            self.joining.held_bytes -= frames.iter().map(Held::cost).sum::<usize>();
            self.drop_frames(Reason::PortRemoved, frames.len() as u32);
        }
        let Port::Host(at) = port else { return };
        let Some(of) = self.hosts[at].of else { return };
        if self.joining.receivers.get(&of.key()) != Some(&at) {
            return;
        }
        self.joining.receivers.remove(&of.key());
        if self.forwarder(of) == Forwarder::CrossConnect(port) {
            *self.forwarder_mut(of) = Forwarder::None;
        }
    }

    /// Keeps up to so many frames of a free port for its next forwarder.
    pub fn hold(&mut self, port: Handle, frames: u32) -> Result<(), Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        if frames == 0 || frames > MAX_FRAMES {
            return Err(Refusal::invalid("a port may hold 1 to 1024 frames"));
        }
        self.check_free(port)?;
        let holding = Holding { frames: VecDeque::new(), limit: 0, at_first: false };
        let holding = self.joining.holdings.entry(port.key()).or_insert(holding);
        (holding.limit, holding.at_first) = (frames as usize, false);
        *self.forwarder_mut(port) = Forwarder::Hold;
        Ok(())
    }

    /// Keeps frames of a port that is new for its first forwarder or receiver.
    pub fn hold_at_first(&mut self, port: Port, frames: u32) {
        let holding = Holding { frames: VecDeque::new(), limit: frames as usize, at_first: true };
        self.joining.holdings.insert(port.key(), holding);
        *self.forwarder_mut(port) = Forwarder::Hold;
    }

    /// Puts a frame that came in at a port before those that it holds. Where it holds none now, the frame goes on at once.
    pub fn hold_first(&mut self, port: Handle, frame: &[u8]) -> Result<(), Refusal> {
        let at = self.port(port).ok_or(Refusal::no_such_port())?;
        if frame.len() < self.frame_type(at).shortest() {
            self.drop_frame(Reason::Runt);
            return Ok(());
        }
        let held = Held::copy(&[frame]);
        match self.joining.holdings.get_mut(&at.key()) {
            Some(_) if self.joining.held_bytes + held.cost() > MAX_HELD => self.drop_frame(Reason::HoldFull),
            Some(holding) => {
                self.joining.held_bytes += held.cost();
                holding.frames.push_front(held);
            }
            None => self.joining.released.push_back((port, held)),
        }
        Ok(())
    }

    /// Holds no more frames of a port: those that are held go to its receiver.
    pub fn release(&mut self, port: Handle) -> Result<(), Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        if self.forwarder(port) == Forwarder::Hold {
            let rest = self.rest(port);
            self.give(port, rest);
        }
        Ok(())
    }

    fn let_go(&mut self, port: Port) {
        let Some(holding) = self.joining.holdings.remove(&port.key()) else { return };
        let handle = self.handle_of(port);
        for held in holding.frames {
            self.joining.held_bytes -= held.cost();
            self.joining.released.push_back((handle, held));
        }
    }

    /// Keeps a frame for the next forwarder of the port that it came in at.
    #[cold]
    pub fn hold_frame(&mut self, frame: &Frame) {
        if frame.about.offload.is_none() {
            return self.hold_parts(frame.about.ingress, &[frame.bytes()]);
        }
        let Some(split) = Split::new(frame) else {
            return self.drop_frame(Reason::BadOffload);
        };
        let mut head = vec![0; split.header()];
        for piece in 0..split.pieces() {
            let payload = split.write(piece, &mut head);
            self.hold_parts(frame.about.ingress, &[&head, payload]);
        }
    }

    fn hold_parts(&mut self, port: Port, parts: &[&[u8]]) {
        let held = Held::copy(parts);
        let room = self.joining.held_bytes + held.cost() <= MAX_HELD;
        match self.joining.holdings.get_mut(&port.key()) {
            Some(holding) if room && holding.frames.len() < holding.limit => {
                self.joining.held_bytes += held.cost();
                holding.frames.push_back(held);
            }
            _ => self.drop_frame(Reason::HoldFull),
        }
    }

    /// Forwards one frame that was held; false when there is none.
    pub fn forward_released(&mut self) -> bool {
        let Some((handle, mut held)) = self.joining.released.pop_front() else { return false };
        match self.port(handle) {
            Some(port) => {
                let frame = held.frame(port, self.frame_type(port), self.now);
                self.forward(self.forwarder(port), frame);
                self.keep(held.buffer);
            }
            None => self.drop_frame(Reason::PortRemoved),
        }
        true
    }

    /// Hands a frame that a forwarder will not have to the receiver of the port that it came in at.
    #[cold]
    pub fn punt_to_receiver(&mut self, frame: &Frame) {
        match self.joining.receivers.get(&frame.about.ingress.key()) {
            Some(host) => self.punt_frame(*host, frame),
            None => {
                self.drop_frames(Reason::NoReceiver, frame.segments());
            }
        }
    }

    /// Limits a port, in kilobits a second and bytes at once; a rate of 0: no limit. What a session's own policy says of
    /// rates counts no more from then on.
    pub fn limit(&mut self, port: Handle, rx: u32, tx: u32, burst: u32) -> Result<(), Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        let (rx, tx) = (Bucket::new(rx, burst), Bucket::new(tx, burst));
        match port {
            Port::Session(at) => self.sessions.limit(at, rx, tx),
            Port::Device(at) => {
                let limits = (rx.rate > 0 || tx.rate > 0).then(|| Box::new([rx, tx]));
                self.devices[at].limits = limits;
            }
            Port::Host(_) | Port::Patch(_) => {
                return Err(Refusal::invalid("a host or patch port has no rate"));
            }
        }
        Ok(())
    }

    /// Whether so many bytes may pass a device's bucket (0: in, 1: out) now; if not, they are counted.
    #[cold]
    pub fn may_pass(&mut self, device: u32, way: usize, frame: &Frame) -> bool {
        let may = match &mut self.devices[device].limits {
            Some(limits) => limits[way].take(frame.len(), frame.about.now),
            None => true,
        };
        if !may {
            self.drop_frames(Reason::RateLimited, frame.segments());
        }
        may
    }
}
