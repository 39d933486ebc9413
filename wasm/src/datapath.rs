//! The datapath: batches in, `pump`, batches out.

use crate::abi::read_control;
use crate::core::{Core, Frame, Limits};
use crate::counters::{Io, Reason};
use crate::header::{Class, classify};
use crate::ingress::{Found, Origin, l2tp_start};
use crate::manage::Refusal;
use crate::port::{Forwarder, Port};
use crate::receive::{BATCH, HEADROOM, Messages, Receive};
use crate::reorder::Held;
use crate::session::NONE;
use crate::slab::Handle;
use crate::tunnel::SocketKind;

/// A batch that was handed in and is not all dealt with.
enum Pending {
    Nothing,
    Datagrams(Datagrams),
    Frames(Frames),
}

#[derive(Clone, Copy)]
struct Datagrams {
    socket: Handle,
    kind: SocketKind,
    next: usize,
    count: usize,
    /// Where in the next message to go on: the datagrams that GRO joined are dealt with one by one.
    offset: usize,
    now: u64,
    /// The sessions were these when the batch was handed in.
    epoch: u64,
}

#[derive(Clone, Copy)]
struct Frames {
    port: Handle,
    next: usize,
    count: usize,
}

/// The datapath.
pub struct Datapath {
    /// What packets are read into.
    pub receive: Box<Receive>,
    /// What they pass through.
    pub core: Core,
    pending: Pending,
    /// What was found out about the pending datagrams.
    found: [Found; BATCH],
}

impl Datapath {
    /// A datapath without sockets, tunnels and ports.
    pub fn new(limits: Limits) -> Self {
        Self {
            receive: Receive::new(),
            core: Core::new(limits),
            pending: Pending::Nothing,
            found: [Found::NOTHING; BATCH],
        }
    }

    /// Sets the address of the memory's first byte.
    pub fn set_base(&mut self, base: u64) {
        self.receive.set_base(base);
        self.core.transmit.set_base(base);
    }

    /// Takes in the first `count` messages of the receive array, which `recvmmsg` filled from `socket`.
    pub fn receive_datagrams(&mut self, socket: Handle, count: usize, now: u64) -> Result<(), Refusal> {
        self.check_idle(count)?;
        let at = self.core.sockets.find(socket).ok_or(Refusal::no_such_socket())?;
        let kind = self.core.sockets[at].kind;
        self.core.io.add(Io::RxBatches, 1);
        self.look_ahead(kind, count);
        let epoch = self.core.epoch;
        self.pending = Pending::Datagrams(Datagrams { socket, kind, next: 0, count, offset: 0, now, epoch });
        Ok(())
    }

    /// Takes in `count` frames that were read from a device into the slots.
    pub fn receive_frames(&mut self, port: Handle, count: usize) -> Result<(), Refusal> {
        self.check_idle(count)?;
        match self.core.port(port) {
            Some(Port::Device(_)) => {}
            _ => return Err(Refusal::no_such_port()),
        }
        self.core.io.add(Io::RxBatches, 1);
        self.pending = Pending::Frames(Frames { port, next: 0, count });
        Ok(())
    }

    fn check_idle(&self, count: usize) -> Result<(), Refusal> {
        if count > BATCH {
            return Err(Refusal::invalid("more messages than a batch has"));
        }
        match self.pending {
            Pending::Nothing => Ok(()),
            _ => Err(Refusal::invalid("the batch before is not done with: call pump() until it returns 0")),
        }
    }

    /// Queues a frame from TypeScript at a host port; false when the queue is full.
    pub fn inject(&mut self, port: Handle, frame: &[u8]) -> Result<bool, Refusal> {
        match self.core.port(port) {
            Some(Port::Host(_)) => {}
            _ => return Err(Refusal::no_such_port()),
        }
        self.core.io.add(Io::Injected, 1);
        let held = Held::copy(frame);
        let cost = held.cost();
        let queued = self.core.injected.push((port, held), cost);
        if !queued {
            self.core.drop_frame(Reason::HostQueueFull);
        }
        Ok(queued)
    }

    /// Gives up waiting wherever it has lasted long enough.
    pub fn age(&mut self, now: u64) {
        self.core.age(now);
    }

    /// Goes on with what was handed in and lays out as much output as there is room for. Gives the number of ops,
    /// 0 when all is done. What was laid out before is forgotten.
    pub fn pump(&mut self) -> usize {
        let core = &mut self.core;
        core.transmit.clear(!core.retries.is_empty());
        while core.transmit.has_room() && core.retry() {}
        if core.retries.is_empty() {
            while core.transmit.has_room()
                && (core.deliver_ready() || core.send_one_control() || core.forward_injected())
            {}
            self.go_on();
        }
        self.core.lay_out()
    }

    /// Goes on with the pending batch as long as there is room.
    fn go_on(&mut self) {
        self.pending = match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Datagrams(mut batch) => {
                self.datagrams(&mut batch);
                if batch.next < batch.count { Pending::Datagrams(batch) } else { Pending::Nothing }
            }
            Pending::Frames(mut batch) => {
                self.frames(&mut batch);
                if batch.next < batch.count { Pending::Frames(batch) } else { Pending::Nothing }
            }
            Pending::Nothing => Pending::Nothing,
        };
    }

    /// Delivers what the frame before released; false when there is no room for more.
    #[inline]
    fn may_go_on(core: &mut Core) -> bool {
        while core.transmit.has_room() {
            if core.ready.is_empty() {
                return true;
            }
            core.deliver_ready();
        }
        false
    }

    fn datagrams(&mut self, batch: &mut Datagrams) {
        let Self { receive, core, found, .. } = self;
        let Receive { slots, messages, .. } = &mut **receive;
        let Datagrams { socket, kind, now, .. } = *batch;
        let live = core.sockets.find(socket).is_some();
        let mut received = 0;
        while batch.next < batch.count && Self::may_go_on(core) {
            let at = batch.next;
            received += 1;
            let total = messages.len(at);
            let mut end = total;
            let origin = Origin { socket, kind, now, messages, at };
            if found[at].session != NONE && batch.epoch == core.epoch {
                core.data(&origin, found[at], slots.slot(at, total), 0);
            } else if !live || messages.is_cut(at) {
                core.drop_frame(if live { Reason::Truncated } else { Reason::PortRemoved });
            } else {
                let size = joined(messages, at).unwrap_or(total);
                end = total.min(batch.offset + size);
                core.io.add(Io::RxGroDatagrams, u64::from(batch.offset == 0 && size < total));
                let start = HEADROOM + batch.offset;
                // Before the first datagram there is headroom; before the others only the header that is stripped.
                let floor = if batch.offset == 0 { 0 } else { start };
                core.datagram(&origin, slots.slot(at, end), floor, start);
            }
            if end < total {
                batch.offset = end;
            } else {
                messages.recycle(at);
                batch.next += 1;
                batch.offset = 0;
            }
        }
        core.io.add(Io::RxDatagrams, received);
        // What the last one released goes out with it as far as there is room, else with the next pump.
        Self::may_go_on(core);
    }

    fn frames(&mut self, batch: &mut Frames) {
        let Self { receive, core, .. } = self;
        let Receive { slots, messages, .. } = &mut **receive;
        while batch.next < batch.count && core.transmit.has_room() {
            core.io.add(Io::RxFrames, 1);
            let buffer = slots.slot(batch.next, messages.frame_len(batch.next));
            match core.port(batch.port) {
                Some(port) => core.forward(core.forwarder(port), Frame { buffer, floor: 0, start: HEADROOM }),
                None => core.drop_frame(Reason::PortRemoved),
            }
            batch.next += 1;
        }
    }

    /// Finds the sessions of a whole batch before any of its datagrams is dealt with. With many sessions each packet would
    /// wait for memory three times in a row: for the table's entry, the session, and the session that it is forwarded to.
    /// In three passes over the batch the waits of all its packets overlap.
    fn look_ahead(&mut self, kind: SocketKind, count: usize) {
        let Self { receive, core, found, .. } = self;
        let Receive { slots, messages, .. } = &**receive;
        let mut touched = 0;
        for (at, found) in found[..count].iter_mut().enumerate() {
            *found = Found::NOTHING;
            let bytes = slots.bytes(at, messages.len(at));
            let Some(start) = l2tp_start(kind, bytes, 0) else { continue };
            if let Ok(Class::Data(data)) = classify(bytes, start, kind.encap()) {
                let table = core.table(data.version);
                touched ^= table.touch(table.home(data.key));
                found.data = data.moved(HEADROOM);
            }
        }
        for (at, found) in found[..count].iter_mut().enumerate() {
            let Some(session) = core.lookup(&found.data) else { continue };
            touched ^= core.sessions[session].rx.tunnel;
            if !messages.is_cut(at) && joined(messages, at).is_none() {
                found.session = session;
            }
        }
        for found in &found[..count] {
            if found.session != NONE
                && let Forwarder::CrossConnect(Port::Session(out)) = core.sessions[found.session].rx.forwarder
            {
                touched ^= core.sessions[out].tx.tunnel;
            }
        }
        std::hint::black_box(touched); // what is never used is never read
    }
}

/// The length of the datagrams that UDP_GRO joined into message `at`, if it did.
#[inline]
fn joined(messages: &Messages, at: usize) -> Option<usize> {
    let control = messages.control(at);
    let size = if control.is_empty() { 0 } else { read_control(control).gro };
    (size > 0 && size < messages.len(at)).then_some(size)
}

impl Core {
    /// Sends one control message; false when there is none.
    fn send_one_control(&mut self) -> bool {
        let Some(message) = self.controls.pop() else { return false };
        if self.sockets.is_live(message.destination.socket) {
            self.transmit.send_control(message);
        } else {
            self.drop_frame(Reason::PortRemoved);
        }
        true
    }

    /// Forwards one injected frame; false when there is none.
    fn forward_injected(&mut self) -> bool {
        let Some((handle, mut held)) = self.injected.pop() else { return false };
        match self.port(handle) {
            Some(port) => {
                let forwarder = self.forwarder(port);
                self.forward(forwarder, Frame { buffer: &mut held.buffer, floor: 0, start: held.start });
                self.transmit.hold(held.buffer);
            }
            None => self.drop_frame(Reason::PortRemoved),
        }
        true
    }

    fn lay_out(&mut self) -> usize {
        let Self { transmit, sockets, devices, .. } = self;
        transmit.lay_out(|socket| sockets[socket].fd, |device| devices[device].fd);
        let work = [Io::TxMessages, Io::TxSegments, Io::TxControl, Io::TxFrames];
        for (what, count) in work.into_iter().zip(self.transmit.counts()) {
            self.io.add(what, count as u64);
        }
        self.transmit.ops()
    }
}
