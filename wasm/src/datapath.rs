//! The datapath: batches in, `pump`, batches out.

use crate::abi::read_control;
use crate::core::{Core, Frame, Limits};
use crate::counters::{Io, Reason};
use crate::ingress::Origin;
use crate::manage::Refusal;
use crate::port::Port;
use crate::receive::{BATCH, HEADROOM, Receive};
use crate::reorder::Held;
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
    pub receive: Receive,
    /// What they pass through.
    pub core: Core,
    pending: Pending,
}

impl Datapath {
    /// A datapath without sockets, tunnels and ports.
    pub fn new(limits: Limits) -> Self {
        Self { receive: Receive::new(), core: Core::new(limits), pending: Pending::Nothing }
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
        self.core.io.one(Io::RxBatches);
        self.warm(kind, count);
        self.pending = Pending::Datagrams(Datagrams { socket, kind, next: 0, count, offset: 0, now });
        Ok(())
    }

    /// Takes in `count` frames that were read from a device into the slots.
    pub fn receive_frames(&mut self, port: Handle, count: usize) -> Result<(), Refusal> {
        self.check_idle(count)?;
        match self.core.port(port) {
            Some(Port::Device(_)) => {}
            _ => return Err(Refusal::no_such_port()),
        }
        self.core.io.one(Io::RxBatches);
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
        self.core.io.one(Io::Injected);
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
            if !core.deliver_ready() {
                return true;
            }
        }
        false
    }

    fn datagrams(&mut self, batch: &mut Datagrams) {
        let Self { receive, core, .. } = self;
        let live = core.sockets.find(batch.socket).is_some();
        while batch.next < batch.count && Self::may_go_on(core) {
            let message = receive.message(batch.next);
            let gro = if message.control.is_empty() { 0 } else { read_control(message.control).gro };
            let total = message.slot.len() - HEADROOM;
            let size = if gro == 0 || gro >= total { total } else { gro };
            let end = total.min(batch.offset + size);
            if batch.offset == 0 && size < total {
                core.io.one(Io::RxGroDatagrams);
            }
            if message.cut || !live {
                core.io.one(Io::RxDatagrams);
                core.drop_frame(if live { Reason::Truncated } else { Reason::PortRemoved });
            } else {
                let origin = Origin {
                    socket: batch.socket,
                    kind: batch.kind,
                    source: message.source,
                    control: message.control,
                    now: batch.now,
                };
                let start = HEADROOM + batch.offset;
                // Before the first datagram there is headroom; before the others only the header that is stripped.
                let floor = if batch.offset == 0 { 0 } else { start };
                core.datagram(&origin, &mut message.slot[..HEADROOM + end], floor, start);
            }
            if end < total && !message.cut {
                batch.offset = end;
            } else {
                receive.recycle(batch.next);
                batch.next += 1;
                batch.offset = 0;
            }
        }
        // What the last one released goes out with it as far as there is room, else with the next pump.
        if batch.next == batch.count {
            Self::may_go_on(core);
        }
    }

    fn frames(&mut self, batch: &mut Frames) {
        let Self { receive, core, .. } = self;
        while batch.next < batch.count && core.transmit.has_room() {
            core.io.one(Io::RxFrames);
            let buffer = receive.frame(batch.next);
            match core.port(batch.port) {
                Some(port) => core.forward(core.forwarder(port), Frame { buffer, floor: 0, start: HEADROOM }),
                None => core.drop_frame(Reason::PortRemoved),
            }
            batch.next += 1;
        }
    }

    /// Brings what a batch will need into the cache: with many sessions each packet would else wait for memory three
    /// times in a row (table entry, session, the session it is forwarded to); like this the packets' waits overlap.
    fn warm(&mut self, kind: SocketKind, count: usize) {
        let Self { receive, core, .. } = self;
        let mut sum = 0u32;
        let mut found = [(0, None); BATCH];
        for (at, entry) in found.iter_mut().enumerate().take(count) {
            *entry = core.touch_table(kind, receive.datagram(at));
        }
        let mut sessions = [0; BATCH];
        let mut known = 0;
        for (touched, data) in &found[..count] {
            sum = sum.wrapping_add(*touched);
            if let Some(session) = data.and_then(|data| core.lookup(&data)) {
                sum = sum.wrapping_add(core.sessions[session].rx.tunnel);
                sessions[known] = session;
                known += 1;
            }
        }
        for session in &sessions[..known] {
            if let crate::port::Forwarder::CrossConnect(Port::Session(out)) =
                core.sessions[*session].rx.forwarder
            {
                sum = sum.wrapping_add(core.sessions[out].tx.tunnel);
            }
        }
        std::hint::black_box(sum);
    }
}

impl Core {
    /// Sends one control message; false when there is none.
    fn send_one_control(&mut self) -> bool {
        let Some(message) = self.controls.pop() else { return false };
        if self.sockets.is_live(message.destination.socket) {
            self.io.one(Io::TxControl);
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
        self.io.add(Io::TxMessages, self.transmit.message_count() as u64);
        self.transmit.ops()
    }
}
