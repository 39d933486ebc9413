//! The datapath: batches in, `pump`, batches out.

use crate::abi::read_control;
use crate::core::{Core, Limits};
use crate::counters::{Io, Reason};
use crate::egress::Unfinished;
use crate::frame::{About, Frame, HELD, Place};
use crate::headers::is_tag;
use crate::ingress::Origin;
use crate::manage::Refusal;
use crate::offload::{Offload, VNET_HEADER};
use crate::port::{Device, Forwarder, Port};
use crate::receive::{BATCH, HEADROOM, ROOM, Receive};
use crate::reorder::Held;
use crate::slab::Handle;
use crate::tunnel::{SocketKind, Via};
use crate::window::{Cursor, Window};

/// A batch that was handed in and is not all dealt with.
enum Pending {
    Nothing,
    Datagrams(Datagrams),
    Frames(Frames),
}

struct Datagrams {
    socket: Handle,
    kind: SocketKind,
    count: usize,
    now: u64,
    /// What of it is not in the window yet.
    cursor: Cursor,
}

struct Frames {
    port: Handle,
    next: usize,
    count: usize,
    /// They came by `recvmmsg`, which tells of each its length and the tag that was taken off.
    packets: bool,
}

/// The datapath.
pub struct Datapath {
    /// What packets are read into.
    pub receive: Box<Receive>,
    /// What they pass through.
    pub core: Core,
    pending: Pending,
    window: Window,
}

impl Datapath {
    /// A datapath without sockets, tunnels and ports.
    pub fn new(limits: Limits) -> Self {
        Self {
            receive: Receive::new(),
            core: Core::new(limits),
            pending: Pending::Nothing,
            window: Window::new(),
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
        self.core.now = now;
        self.core.io.add(Io::RxBatches, 1);
        let mut cursor = Cursor::new(at, kind, count);
        let Receive { slots, messages, .. } = &*self.receive;
        self.window.fill(&mut cursor, slots, messages, &self.core);
        self.pending = Pending::Datagrams(Datagrams { socket, kind, count, now, cursor });
        Ok(())
    }

    /// Takes in `count` frames that were read from a device into the slots.
    pub fn receive_frames(&mut self, port: Handle, count: usize, now: u64) -> Result<(), Refusal> {
        self.take_frames(port, count, now, false)
    }

    /// Takes in `count` frames that `recvmmsg` read from a packet socket into the messages of the receive array.
    pub fn receive_packets(&mut self, port: Handle, count: usize, now: u64) -> Result<(), Refusal> {
        self.take_frames(port, count, now, true)
    }

    fn take_frames(&mut self, port: Handle, count: usize, now: u64, packets: bool) -> Result<(), Refusal> {
        self.check_idle(count)?;
        match self.core.port(port) {
            Some(Port::Device(_)) => {}
            _ => return Err(Refusal::no_such_port()),
        }
        self.core.now = now;
        self.core.io.add(Io::RxBatches, 1);
        self.pending = Pending::Frames(Frames { port, next: 0, count, packets });
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
        let held = Held::copy(&[frame]);
        let cost = held.cost();
        let queued = self.core.injected.push((port, held), cost);
        if !queued {
            self.core.drop_frame(Reason::HostQueueFull);
        }
        Ok(queued)
    }

    /// Gives up waiting wherever it has lasted long enough.
    pub fn age(&mut self, now: u64) {
        self.core.now = now;
        self.core.age(now);
    }

    /// Goes on with what was handed in and lays out as much output as there is room for. Gives the number of ops,
    /// 0 when all is done. What was laid out before is forgotten.
    pub fn pump(&mut self) -> usize {
        let core = &mut self.core;
        core.transmit.clear();
        self.finish();
        self.core.go_on_with_queues();
        self.go_on();
        self.core.go_on_with_queues(); // what was taken apart, to be forwarded piece by piece
        self.core.lay_out()
    }

    /// Goes on with the frame that there was not room enough for.
    fn finish(&mut self) {
        let Self { receive, core, .. } = self;
        match core.unfinished.as_ref().map(Unfinished::slot) {
            None => {}
            Some(HELD) => core.go_on(&mut []),
            Some(slot) => core.go_on(receive.slots.slot_mut(slot as usize)),
        }
    }

    /// Goes on with the pending batch as long as there is room.
    fn go_on(&mut self) {
        let done = match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => return,
            Pending::Datagrams(mut batch) => {
                let done = self.datagrams(&mut batch);
                self.pending = Pending::Datagrams(batch);
                done
            }
            Pending::Frames(mut batch) => {
                let done = self.frames(&mut batch);
                self.pending = Pending::Frames(batch);
                done
            }
        };
        if done {
            self.pending = Pending::Nothing;
        }
    }

    /// Goes on with datagrams; true when all are dealt with.
    fn datagrams(&mut self, batch: &mut Datagrams) -> bool {
        let Self { receive, core, window, .. } = self;
        let live = core.sockets.find(batch.socket).is_some();
        let Receive { slots, messages, .. } = &mut **receive;
        let marks = core.sockets.find(batch.socket).is_some_and(|at| core.sockets[at].marks);
        let origin = Origin { socket: batch.socket, kind: batch.kind, marks, now: batch.now, messages };
        let mut received = 0;
        let done = loop {
            // What a datagram released from its session's queue goes before the next one.
            while !core.ready.is_empty() && core.can_go_on() && core.deliver_ready() {}
            if !core.can_go_on() {
                break false;
            }
            let Some(entry) = window.next(&batch.cursor, slots, messages, core) else {
                if window.fill(&mut batch.cursor, slots, messages, core) {
                    continue;
                }
                break true;
            };
            let count = if live {
                core.datagrams(&origin, entry, slots.slot_mut(entry.message as usize))
            } else {
                core.drop_frames(Reason::PortRemoved, entry.count)
            };
            received += u64::from(count);
            window.advance(count);
        };
        core.io.add(Io::RxDatagrams, received);
        core.io.add(Io::RxGroDatagrams, std::mem::take(&mut batch.cursor.joined));
        if done {
            (0..batch.count).for_each(|at| messages.recycle(at));
        }
        done
    }

    /// Goes on with frames from a device; true when all are dealt with.
    fn frames(&mut self, batch: &mut Frames) -> bool {
        let Self { receive, core, .. } = self;
        let Receive { slots, messages, .. } = &mut **receive;
        while batch.next < batch.count && core.can_go_on() {
            let at = batch.next;
            let (len, tag) = if !batch.packets {
                (messages.frame_len(at), None)
            } else if messages.is_cut(at) {
                (ROOM, None)
            } else {
                (messages.len(at), read_control(messages.control(at)).tag)
            };
            match core.port(batch.port) {
                Some(port) => {
                    let packet = batch.packets.then_some(tag);
                    core.device_frame(port, slots.slot_mut(at), at as u32, len, packet);
                }
                None => {
                    core.io.add(Io::RxFrames, 1);
                    core.drop_frame(Reason::PortRemoved);
                }
            }
            batch.next += 1;
        }
        let done = batch.next == batch.count && core.unfinished.is_none();
        if done && batch.packets {
            (0..batch.count).for_each(|at| messages.recycle(at));
        }
        done
    }
}

impl Core {
    /// Forwards what waits for nothing but room.
    fn go_on_with_queues(&mut self) {
        while self.can_go_on()
            && (self.forward_released()
                || self.deliver_ready()
                || self.send_one_control()
                || self.forward_injected())
        {}
    }

    /// Whether another frame may begin to leave.
    #[inline]
    fn can_go_on(&self) -> bool {
        self.unfinished.is_none() && self.transmit.has_room()
    }

    /// Forwards what was read from a device into a slot: `len` bytes, a `virtio_net_hdr` included where it has one.
    /// `packet`: it is a packet socket, which tells of a tag that was taken off.
    #[inline]
    fn device_frame(
        &mut self,
        port: Port,
        buffer: &mut [u8],
        slot: u32,
        len: usize,
        packet: Option<Option<[u8; 4]>>,
    ) {
        let Port::Device(at) = port else { return };
        let Device { vnet, frame_type, tag: own, link, .. } = self.devices[at];
        let tag = packet.flatten();
        let mut start = HEADROOM + if vnet { VNET_HEADER } else { 0 };
        let end = HEADROOM + len;
        let offload = match buffer[HEADROOM..].first_chunk() {
            _ if len == ROOM || end <= start => Err(Reason::Truncated),
            _ if end - start < frame_type.shortest() => Err(Reason::Runt),
            Some(header) if vnet => Offload::read(header, frame_type, &buffer[start..end]),
            _ => Ok(Offload::NONE),
        };
        let mut offload = match offload {
            Ok(offload) => offload,
            Err(reason) => {
                self.io.add(Io::RxFrames, 1);
                return self.drop_frame(reason);
            }
        };
        if own.is_some() {
            // The filter of the socket lets in none but this VLAN's. A tag that the kernel did not take off is the outer one.
            if tag.is_none()
                && is_tag(u16::from_be_bytes([buffer[start + 12], buffer[start + 13]]))
                && end - start > 18
            {
                buffer.copy_within(start..start + 12, start + 4);
                start += 4;
                offload.moved(-4);
            }
        }
        let about = About { offload, ..About::plain(port, frame_type, self.now, slot) };
        if link.is_some() && self.take_pppoe(at, buffer, (start, end), tag.filter(|_| own.is_none()), about) {
            return;
        }
        if let (None, Some(tag)) = (own, tag) {
            buffer.copy_within(start..start + 12, start - 4);
            buffer[start + 8..start + 12].copy_from_slice(&tag);
            start -= 4;
            offload.moved(4);
        }
        let about = About { offload, ..about };
        let frame = Frame { buffer, place: Place { floor: 0, start, end }, about };
        let segments = frame.segments();
        self.io.add(Io::RxFrames, segments.into());
        self.io.add(Io::RxSuperFrames, u64::from(segments > 1));
        if self.devices[at].limits.is_some() && !self.may_pass(at, 0, &frame) {
            return;
        }
        let forwarder = self.forwarder(port);
        if matches!(forwarder, Forwarder::CrossConnect(_) | Forwarder::Wire(_)) && frame.is_pause() {
            self.drop_frame(Reason::ReservedAddress);
            return;
        }
        if let (Some(_), Forwarder::CrossConnect(Port::Host(_))) = (packet, forwarder) {
            let budget = self.devices[at].budget.get_or_insert_default();
            if !budget.take(frame.bytes(), frame.about.now) {
                self.drop_frames(Reason::PuntLimited, segments);
                return;
            }
        }
        self.forward(forwarder, frame);
    }

    /// Sends one control message; false when there is none.
    fn send_one_control(&mut self) -> bool {
        let Some(message) = self.controls.pop() else { return false };
        if message.destination.socket().is_some_and(|socket| self.sockets.is_live(socket)) {
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
            Some(port) if held.len() < self.frame_type(port).shortest() => self.drop_frame(Reason::Runt),
            Some(port) => {
                let frame = held.frame(port, self.frame_type(port), self.now);
                self.forward(self.forwarder(port), frame);
                self.keep(held.buffer);
            }
            None => self.drop_frame(Reason::PortRemoved),
        }
        true
    }

    fn lay_out(&mut self) -> usize {
        let Self { transmit, sockets, devices, .. } = self;
        let fd = |via| match via {
            Via::Socket(at) => sockets[at].fd,
            Via::Device(at) => devices[at].fd,
        };
        transmit.lay_out(fd, |device| devices[device].packets);
        let work = [Io::TxMessages, Io::TxSegments, Io::TxControl, Io::TxFrames, Io::TxSuperFrames];
        for (what, count) in work.into_iter().zip(self.transmit.counts()) {
            self.io.add(what, count as u64);
        }
        self.io.add(Io::TxOversize, std::mem::take(&mut self.transmit.oversize));
        self.transmit.ops()
    }
}
