//! How a frame leaves, piece by piece.
//!
//! Room is asked for before each piece. Where there is none, what is left of the frame waits with its [`Cursor`] until
//! what was laid out has left, and goes on from there: nothing is ever laid out beyond an array's end.

use crate::core::Core;
use crate::counters::{Io, Reason};
use crate::frame::{About, Cursor, Frame, HELD, Place};
use crate::leaving::{Leaving, Span};
use crate::offload::{Segments, VNET_HEADER};
use crate::port::{Device, Forwarder, Port};
use crate::ppp::{FRAGMENT_HEADER, Fragments};
use crate::split::Split;
use crate::template::Template;
use crate::transmit::LONGEST_HEADER;

/// A frame of which not all pieces have left.
pub struct Unfinished {
    forwarder: Forwarder,
    place: Place,
    about: About,
    cursor: Cursor,
    /// Its buffer, if it lies in no receive slot.
    held: Option<Box<[u8]>>,
}

impl Unfinished {
    /// The slot that the frame lies in, or [`HELD`].
    pub fn slot(&self) -> u32 {
        self.about.slot
    }
}

impl Core {
    /// Passes a frame to where `forwarder` says. What there is no room for is left in [`Core::unfinished`].
    #[inline]
    pub fn forward(&mut self, forwarder: Forwarder, mut frame: Frame) {
        let forwarder = match forwarder {
            Forwarder::Ppp(at) => match self.terminate(at, &mut frame) {
                Some(port) => Forwarder::CrossConnect(port),
                None => return,
            },
            other => other,
        };
        let mut cursor = Cursor::default();
        if !self.emit(forwarder, &mut frame, &mut cursor) {
            let Frame { place, about, .. } = frame;
            self.unfinished = Some(Unfinished { forwarder, place, about, cursor, held: None });
        }
    }

    /// Goes on with the frame that is unfinished; `buffer` is that of its slot.
    pub fn go_on(&mut self, buffer: &mut [u8]) {
        let Some(Unfinished { forwarder, place, about, mut cursor, held }) = self.unfinished.take() else {
            return;
        };
        let mut held = held;
        let buffer = held.as_deref_mut().unwrap_or(buffer);
        let mut frame = Frame { buffer, place, about };
        let done = self.emit(forwarder, &mut frame, &mut cursor);
        let Frame { place, about, .. } = frame;
        if !done {
            self.unfinished = Some(Unfinished { forwarder, place, about, cursor, held });
        } else if let Some(buffer) = held {
            self.transmit.hold(buffer);
        }
    }

    /// Keeps the buffer of a frame that was forwarded until all of it has left.
    pub fn keep(&mut self, buffer: Box<[u8]>) {
        match &mut self.unfinished {
            Some(unfinished) if unfinished.about.slot == HELD => unfinished.held = Some(buffer),
            _ => self.transmit.hold(buffer),
        }
    }

    /// Lets a frame leave by all its ports, from the cursor on; false where room ran out.
    #[inline]
    fn emit(&mut self, forwarder: Forwarder, frame: &mut Frame, cursor: &mut Cursor) -> bool {
        match forwarder {
            Forwarder::CrossConnect(Port::Device(_)) if frame.is_pause() => {
                self.drop_frames(Reason::ReservedAddress, frame.segments());
                true
            }
            Forwarder::CrossConnect(port) => self.leave(port, frame, cursor, false),
            Forwarder::Wire(_) | Forwarder::Switch(_) => self.emit_switched(forwarder, frame, cursor),
            Forwarder::None | Forwarder::Ppp(_) => {
                self.drop_frames(Reason::NoForwarder, frame.segments());
                true
            }
            Forwarder::Hold => {
                self.hold_frame(frame);
                true
            }
        }
    }

    /// Counts what left by one of several ports, if it is not the first of the frame's.
    pub fn count_copy(&mut self, segments: u32, cursor: &mut Cursor) {
        self.io.add(Io::Copies, if cursor.copied { segments.into() } else { 0 });
        cursor.copied = true;
    }

    /// A port is leaving its forwarder: what of an unfinished frame was still to leave by it is dropped.
    pub fn leave_unfinished(&mut self, port: Port) {
        let Some(mut unfinished) = self.unfinished.take() else { return };
        let Unfinished { forwarder, place, about, cursor, .. } = &mut unfinished;
        let segments = about.offload.segments(place.end - place.start);
        let rest = segments - cursor.piece;
        match *forwarder {
            Forwarder::CrossConnect(other) if other == port => {
                self.drop_frames(Reason::PortRemoved, rest);
                unfinished.held.into_iter().for_each(|buffer| self.transmit.hold(buffer));
                return;
            }
            Forwarder::Wire(_) | Forwarder::Switch(_) => {
                if self.leave_outputs(port, cursor.output as usize, cursor.piece > 0) {
                    self.count_copy(segments, cursor);
                    self.drop_frames(Reason::PortRemoved, rest);
                    cursor.piece = 0;
                }
            }
            _ => {}
        }
        self.unfinished = Some(unfinished);
    }

    /// Lets a frame leave by one port, from the cursor's piece on; false where room ran out.
    #[inline]
    pub fn leave(&mut self, port: Port, frame: &mut Frame, cursor: &mut Cursor, shared: bool) -> bool {
        if frame.about.offload.segments == Segments::None && frame.about.offload.finish && !shared {
            match port {
                Port::Device(at) if self.devices[at].takes_all_of(&frame.about.offload) => {}
                _ => frame.finish_checksum(),
            }
        }
        if let Port::Device(at) = port
            && self.devices[at].limits.is_some()
            && cursor.piece == 0
        {
            if !self.transmit.has_room_for_flow() {
                return false;
            }
            if !self.may_pass(at, 1, frame) {
                return true;
            }
        }
        match port {
            Port::Session(at) if frame.about.offload.is_none() => {
                if !self.transmit.has_room_for(LONGEST_HEADER, 2) {
                    return false;
                }
                self.send(at, frame, shared);
                true
            }
            Port::Session(at) => self.send_pieces(at, frame, cursor),
            Port::Device(at) if self.devices[at].takes_all_of(&frame.about.offload) => {
                self.write(at, frame, shared)
            }
            Port::Device(at) => self.write_pieces(at, frame, cursor),
            Port::Host(at) => {
                self.punt_frame(at, frame);
                true
            }
            Port::Patch(_) => {
                self.drop_frames(Reason::NoForwarder, frame.segments());
                true
            }
        }
    }

    /// Lets a frame leave by a session: with its header right before it where there is room, else elsewhere.
    #[inline]
    fn send(&mut self, session: u32, frame: &mut Frame, shared: bool) {
        if self.sessions.tx[session].guarded && !self.may_send_frame(session, frame, shared) {
            return;
        }
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[session];
        let tunnel = &mut tunnels[tx.tunnel];
        if tunnel.destination.vnet {
            return self.send_parts(session, &frame.about, &[], frame.bytes(), frame.bytes());
        }
        let Place { floor, start, end } = frame.place;
        let start = start + tx.template.skips(frame.bytes());
        let floor = if shared { start } else { floor };
        let len = end - start;
        tx.packets += 1;
        tx.bytes += len as u64;
        tunnel.sent(1, len as u64);
        let length = tx.template.len();
        let header = length as u32;
        // All the template's room before the frame (most frames), just the header's, or neither.
        let datagram = if let Some(room) = frame.buffer[floor..start].last_chunk_mut() {
            tx.template.write(room, &mut tx.ns, len);
            Leaving::new(session, header, Span::default(), Span::of(&frame.buffer[start - length..end]))
        } else if start - floor >= length {
            let mut room = [0; Template::ROOM];
            tx.template.write(&mut room, &mut tx.ns, len);
            frame.buffer[start - length..start].copy_from_slice(&room[Template::ROOM - length..]);
            Leaving::new(session, header, Span::default(), Span::of(&frame.buffer[start - length..end]))
        } else {
            let room = transmit.header(Template::ROOM);
            if let Some(room) = room.first_chunk_mut() {
                tx.template.write(room, &mut tx.ns, len);
            }
            let head = Span::from(room, Template::ROOM - length);
            Leaving::new(session, header, head, Span::of(&frame.buffer[start..end]))
        };
        let tos = tunnel.destination.tos_of(frame.about.frame_type, &frame.buffer[start..end]);
        let link = frame.about.link.saturating_sub((start - frame.place.start) as u8);
        transmit.send(tx, tunnel, Leaving { tos, link, v6: frame.about.v6, ..datagram });
    }

    /// Whether a frame may leave by a guarded session as it is now; what TCP is told of segments is lowered before. One
    /// that others share leaves from here, with headers of its own.
    #[cold]
    fn may_send_frame(&mut self, session: u32, frame: &mut Frame, shared: bool) -> bool {
        let frame_type = frame.about.frame_type;
        if !self.may_send(session, &frame.about, frame.len()) {
            return false;
        }
        let Some(lower) = self.sessions.policy(session).clamp.find(frame_type, frame.bytes()) else {
            return true;
        };
        if !shared {
            lower.apply(frame.bytes_mut());
            return true;
        }
        // Others see the same bytes. A SYN is short.
        let mut copy = [0; LONGEST_HEADER - Template::ROOM - VNET_HEADER];
        let Some(copy) = copy.get_mut(..lower.header) else { return true };
        let (headers, rest) = frame.bytes().split_at(lower.header);
        copy.copy_from_slice(headers);
        lower.apply(copy);
        self.send_parts(session, &frame.about, copy, rest, copy);
        false
    }

    /// Lets a frame leave by a session that lies in two parts, of which the first is copied; it may be empty. `like` begins
    /// as a frame with the same packet in it does.
    pub fn send_parts(&mut self, session: u32, about: &About, headers: &[u8], rest: &[u8], like: &[u8]) {
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[session];
        let tunnel = &mut tunnels[tx.tunnel];
        let skipped = tx.template.skips(if headers.is_empty() { rest } else { headers });
        let (headers, rest) =
            if headers.is_empty() { (headers, &rest[skipped..]) } else { (&headers[skipped..], rest) };
        let vnet = if tunnel.destination.vnet { VNET_HEADER } else { 0 };
        let length = tx.template.len();
        let room = transmit.header(vnet + Template::ROOM + headers.len());
        let Some((before, inner)) = room[vnet..].split_first_chunk_mut() else { return };
        let len = headers.len() + rest.len();
        tx.template.write(before, &mut tx.ns, len);
        inner.copy_from_slice(headers);
        let head = Template::ROOM - length;
        room[head..head + vnet].fill(0);
        tx.packets += 1;
        tx.bytes += len as u64;
        tunnel.sent(1, len as u64);
        let tos = tunnel.destination.tos_of(sessions.rx[session].frame_type, like);
        let header = (vnet + length) as u32;
        let datagram = Leaving::new(session, header, Span::from(room, head), Span::of(rest));
        let link = about.link.saturating_sub(skipped as u8);
        transmit.send(tx, tunnel, Leaving { tos, link, v6: about.v6, ..datagram });
    }

    /// Lets a frame with something to be done leave by a session: each piece has its headers elsewhere.
    fn send_pieces(&mut self, session: u32, frame: &Frame, cursor: &mut Cursor) -> bool {
        if frame.about.offload.segments == Segments::Fragments {
            return self.send_fragments(session, frame, cursor);
        }
        let Some(split) = Split::new(frame) else { return self.cannot_split(frame) };
        let mut headers = [0; LONGEST_HEADER - Template::ROOM - VNET_HEADER];
        let headers = &mut headers[..split.header()];
        while cursor.piece < split.pieces() {
            if !self.transmit.has_room_for(LONGEST_HEADER, 2) {
                return false;
            }
            let payload = split.write(cursor.piece, headers);
            cursor.piece += 1;
            let len = headers.len() + payload.len();
            if !self.sessions.tx[session].guarded || self.may_send(session, &frame.about, len) {
                self.send_parts(session, &frame.about, headers, payload, headers);
            }
        }
        true
    }

    /// Lets the fragments of an IP packet leave by a session.
    #[cold]
    fn send_fragments(&mut self, session: u32, frame: &Frame, cursor: &mut Cursor) -> bool {
        let fragments = Fragments::new(frame);
        let mut room = [0; FRAGMENT_HEADER];
        while cursor.piece < fragments.pieces() {
            if !self.transmit.has_room_for(LONGEST_HEADER, 2) {
                return false;
            }
            let (length, payload) = fragments.write(cursor.piece, &mut room);
            cursor.piece += 1;
            if self.may_send(session, &frame.about, length + payload.len()) {
                self.send_parts(session, &frame.about, &room[..length], payload, &room[..length]);
            }
        }
        true
    }

    /// Lets a frame leave by a device that takes it as it is.
    #[inline]
    fn write(&mut self, device: u32, frame: &mut Frame, shared: bool) -> bool {
        if !self.transmit.has_room_for_flow() {
            return false;
        }
        let Device { vnet, takes, tag, .. } = self.devices[device];
        if let Some(tag) = tag {
            self.write_tagged(device, frame.bytes(), tag, vnet);
            return true;
        }
        if takes.tcp && frame.about.offload.is_none() {
            self.transmit.coalesce(device, takes.udp, frame, shared);
            return true;
        }
        let segments = frame.segments();
        if frame.about.offload.segments != Segments::None {
            self.transmit.flush(); // of the same flow there may be segments
            self.io.add(Io::TxSuperFrames, 1);
        }
        let Place { floor, start, end } = frame.place;
        if !vnet {
            self.transmit.write(device, &[Span::of(&frame.buffer[start..end])], segments);
        } else if start - floor >= VNET_HEADER && !shared {
            frame.buffer[start - VNET_HEADER..start].copy_from_slice(&frame.about.offload.write());
            self.transmit.write(device, &[Span::of(&frame.buffer[start - VNET_HEADER..end])], segments);
        } else {
            let vnet = self.transmit.header(VNET_HEADER);
            vnet.copy_from_slice(&frame.about.offload.write());
            let spans = [Span::of(vnet), Span::of(&frame.buffer[start..end])];
            self.transmit.write(device, &spans, segments);
        }
        true
    }

    /// Lets a frame leave by a device that takes plain frames only.
    fn write_pieces(&mut self, device: u32, frame: &Frame, cursor: &mut Cursor) -> bool {
        let Some(split) = Split::new(frame) else { return self.cannot_split(frame) };
        let vnet = if self.devices[device].vnet { VNET_HEADER } else { 0 };
        let tag = self.devices[device].tag;
        let before = vnet + tag.map_or(0, |tag| tag.len());
        while cursor.piece < split.pieces() {
            if !self.transmit.has_room_for(before + split.header(), 2) {
                return false;
            }
            let head = self.transmit.header(before + split.header());
            head[..vnet].fill(0);
            let payload = split.write(cursor.piece, &mut head[before..]);
            if let Some(tag) = tag {
                head.copy_within(before..before + 12, vnet);
                head[vnet + 12..vnet + 16].copy_from_slice(&tag);
            }
            let spans = [Span::of(head), Span::of(payload)];
            self.transmit.write(device, &spans, 1);
            cursor.piece += 1;
        }
        true
    }

    /// Lets a frame leave by a device whose frames have a tag on the wire.
    fn write_tagged(&mut self, device: u32, frame: &[u8], tag: [u8; 4], vnet: bool) {
        let vnet = if vnet { VNET_HEADER } else { 0 };
        let head = self.transmit.header(vnet + 16);
        head[..vnet].fill(0);
        let (macs, rest) = frame.split_at(frame.len().min(12));
        head[vnet..vnet + macs.len()].copy_from_slice(macs);
        head[vnet + 12..].copy_from_slice(&tag);
        let spans = [Span::of(head), Span::of(rest)];
        self.transmit.write(device, &spans, 1);
    }

    /// Hands a frame to TypeScript, as frames go over a wire.
    pub fn punt_frame(&mut self, host: u32, frame: &Frame) {
        let port = self.hosts.handle(host);
        let source = self.source_of(frame);
        if frame.about.offload.is_none() {
            let queued = self.punts.frame(port, source, &[frame.bytes()]);
            return self.count_punt(queued);
        }
        let Some(split) = Split::new(frame) else {
            self.cannot_split(frame);
            return;
        };
        let mut head = vec![0; split.header()];
        for piece in 0..split.pieces() {
            let payload = split.write(piece, &mut head);
            let queued = self.punts.frame(port, source, &[&head, payload]);
            self.count_punt(queued);
        }
    }

    /// The session that a frame came by, and its tunnel.
    pub fn source_of(&self, frame: &Frame) -> Option<(u32, u32)> {
        match frame.about.ingress {
            Port::Session(session) => Some((session, self.sessions.rx[session].tunnel)),
            _ => None,
        }
    }

    /// Counts a frame that was handed to TypeScript, or for which there was no room.
    pub fn count_punt(&mut self, queued: bool) {
        if queued {
            self.io.add(Io::PuntedFrames, 1);
        } else {
            self.drop_frame(Reason::HostQueueFull);
        }
    }

    /// What was checked when a frame came no longer holds: a forwarder changed its headers.
    #[cold]
    pub fn cannot_split(&mut self, frame: &Frame) -> bool {
        self.drop_frames(Reason::BadOffload, frame.segments());
        true
    }
}
