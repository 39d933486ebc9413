//! How a frame leaves by the ports that a switch decided on: with its own addresses and tags, or with others.
//!
//! A frame for one port gets its new tags where it lies. Copies share all that comes behind the tags; addresses and tags
//! of each that differ from the frame's are written elsewhere.

use crate::core::Core;
use crate::counters::{Io, Reason};
use crate::frame::{Cursor, Frame};
use crate::leaving::Span;
use crate::offload::{Segments, VNET_HEADER};
use crate::port::{Device, Forwarder, Port};
use crate::split::Split;
use crate::switch::Output;
use crate::template::Template;
use crate::transmit::LONGEST_HEADER;
use crate::vlan::{MACS, MOST, TAG, Tags};

/// Bytes of addresses and tags.
const LONGEST: usize = MACS + MOST * TAG;
/// Tags that headers can be read behind.
const READABLE: usize = MACS + 2 * TAG;

/// What stands at the start of a frame instead of what it came with.
struct Link {
    bytes: [u8; LONGEST],
    len: usize,
    /// Where in the frame goes on what stays.
    from: usize,
}

impl Link {
    fn new(frame: &[u8], tags: &Tags) -> Self {
        let mut link = Self { bytes: [0; LONGEST], len: tags.new_len(), from: tags.old_len() };
        link.bytes[..MACS].copy_from_slice(&frame[..MACS]);
        tags.write(&mut link.bytes[..tags.new_len()]);
        link
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Writes `headers`, which begin with those of the frame, with this start to `to`. Gives how many they are then.
    fn write(&self, headers: &[u8], to: &mut [u8]) -> usize {
        let len = self.len + headers.len() - self.from;
        to[..self.len].copy_from_slice(self.bytes());
        to[self.len..len].copy_from_slice(&headers[self.from..]);
        len
    }

    /// So much longer does it make a frame.
    fn longer(&self) -> i16 {
        self.len as i16 - self.from as i16
    }
}

impl Core {
    /// Lets a frame of a port that is in a switch, or joined to another with other tags, leave from the cursor on; false
    /// where room ran out.
    pub fn emit_switched(&mut self, forwarder: Forwarder, frame: &mut Frame, cursor: &mut Cursor) -> bool {
        if !cursor.decided {
            cursor.decided = true;
            let decision = match forwarder {
                Forwarder::Wire(wire) => self.switches.decide_wire(wire, frame),
                Forwarder::Switch(member) => self.switches.decide(member, frame),
                _ => Err(Reason::NoForwarder),
            };
            if let Err(reason) = decision {
                self.drop_frames(reason, frame.segments());
                return true;
            }
            match &mut self.switches.outputs[..] {
                [only] => relink_in_place(&mut only.tags, frame),
                _ if frame.about.offload.segments == Segments::None && frame.about.offload.finish => {
                    frame.finish_checksum(); // before there are copies: they share what is changed here
                }
                _ => {}
            }
        }
        self.emit_outputs(frame, cursor)
    }

    #[inline]
    fn emit_outputs(&mut self, frame: &mut Frame, cursor: &mut Cursor) -> bool {
        let shared = self.switches.outputs.len() > 1;
        while let Some(Output { port, tags }) = self.switches.outputs.get(cursor.output as usize).copied() {
            let done = if tags.edited() {
                self.leave_relinked(port, frame, &tags, cursor)
            } else {
                self.leave(port, frame, cursor, shared)
            };
            if !done {
                return false;
            }
            self.count_copy(frame.segments(), cursor);
            *cursor = Cursor { output: cursor.output + 1, piece: 0, ..*cursor };
        }
        if !cursor.copied {
            self.drop_frames(Reason::PortRemoved, frame.segments());
        }
        true
    }

    /// A port is leaving its forwarder: what of a frame that was decided on was still to leave by it is dropped. `begun`:
    /// some of it has left by the port in turn.
    pub fn leave_outputs(&mut self, port: Port, at: usize, begun: bool) -> bool {
        let outputs = &mut self.switches.outputs;
        let in_turn = begun && outputs.get(at).is_some_and(|output| output.port == port);
        let mut index = 0;
        outputs.retain(|output| {
            index += 1;
            index <= at || output.port != port
        });
        in_turn
    }

    /// Lets a frame leave by one port with other tags, from the cursor's piece on; false where room ran out.
    fn leave_relinked(&mut self, port: Port, frame: &mut Frame, tags: &Tags, cursor: &mut Cursor) -> bool {
        let link = Link::new(frame.bytes(), tags);
        let super_frame = frame.about.offload.segments != Segments::None;
        if frame.about.offload.finish && !super_frame && !self.takes_whole(port, frame) {
            frame.finish_checksum();
        }
        if let Port::Device(at) = port
            && self.devices[at].limits.is_some()
            && cursor.piece == 0
        {
            if !self.transmit.has_room_for(LONGEST_HEADER, 2) {
                return false;
            }
            if !self.may_pass(at, 1, frame) {
                return true;
            }
        }
        match port {
            Port::Device(at) if self.devices[at].takes_all_of(&frame.about.offload) => {
                self.write_relinked(at, frame, &link)
            }
            Port::Device(at) => self.write_relinked_pieces(at, frame, &link, cursor),
            Port::Session(at) if !super_frame => self.send_relinked(at, frame, &link),
            Port::Session(at) => self.send_relinked_pieces(at, frame, &link, cursor),
            Port::Host(at) => {
                self.punt_relinked(at, frame, &link);
                true
            }
            Port::Patch(_) => {
                self.drop_frames(Reason::NoForwarder, frame.segments());
                true
            }
        }
    }

    fn takes_whole(&self, port: Port, frame: &Frame) -> bool {
        matches!(port, Port::Device(at) if self.devices[at].takes_all_of(&frame.about.offload))
    }

    fn send_relinked(&mut self, session: u32, frame: &mut Frame, link: &Link) -> bool {
        if !self.transmit.has_room_for(LONGEST_HEADER, 2) {
            return false;
        }
        let frame_type = frame.about.frame_type;
        let len = frame.len() + link.len - link.from;
        let mut lower = None;
        if self.sessions.tx[session].guarded {
            if !self.may_send(session, &frame.about, len) {
                return true;
            }
            lower = self.sessions.policy(session).clamp.find(frame_type, frame.bytes());
        }
        let mut headers = [0; LONGEST_HEADER - Template::ROOM - LONGEST];
        let lowered = lower.filter(|lower| lower.header <= headers.len());
        let Some(lower) = lowered else {
            let rest = &frame.bytes()[link.from..];
            self.send_parts(session, &frame.about, link.bytes(), rest, frame.bytes());
            return true;
        };
        let (before, rest) = frame.bytes().split_at(lower.header);
        let headers = &mut headers[..lower.header];
        headers.copy_from_slice(before);
        lower.apply(headers);
        let mut relinked = [0; LONGEST_HEADER - Template::ROOM];
        let len = link.write(headers, &mut relinked);
        self.send_parts(session, &frame.about, &relinked[..len], rest, before);
        true
    }

    fn send_relinked_pieces(
        &mut self,
        session: u32,
        frame: &Frame,
        link: &Link,
        cursor: &mut Cursor,
    ) -> bool {
        let Some(split) = Split::new(frame) else { return self.cannot_split(frame) };
        let mut headers = [0; LONGEST_HEADER - Template::ROOM - LONGEST];
        let headers = &mut headers[..split.header()];
        let mut relinked = [0; LONGEST_HEADER - Template::ROOM];
        while cursor.piece < split.pieces() {
            if !self.transmit.has_room_for(LONGEST_HEADER, 2) {
                return false;
            }
            let payload = split.write(cursor.piece, headers);
            cursor.piece += 1;
            let len = link.write(headers, &mut relinked);
            let whole = len + payload.len();
            if !self.sessions.tx[session].guarded || self.may_send(session, &frame.about, whole) {
                self.send_parts(session, &frame.about, &relinked[..len], payload, headers);
            }
        }
        true
    }

    /// For a device that takes the frame as it is, but for its tags.
    fn write_relinked(&mut self, device: u32, frame: &Frame, link: &Link) -> bool {
        let Device { vnet, tag, takes, .. } = self.devices[device];
        if !self.transmit.has_room_for(VNET_HEADER + LONGEST + TAG, 2) {
            return false;
        }
        if takes.tcp {
            self.transmit.flush(); // of the same flow there may be segments
        }
        let mut offload = frame.about.offload;
        offload.moved(link.longer());
        let segments = frame.segments();
        self.io.add(Io::TxSuperFrames, u64::from(segments > 1));
        let head = self.device_head(vnet, tag, &offload.write(), link.bytes());
        let spans = [head, Span::of(&frame.bytes()[link.from..])];
        self.transmit.write(device, &spans, segments);
        true
    }

    fn write_relinked_pieces(
        &mut self,
        device: u32,
        frame: &Frame,
        link: &Link,
        cursor: &mut Cursor,
    ) -> bool {
        let Some(split) = Split::new(frame) else { return self.cannot_split(frame) };
        let Device { vnet, tag, .. } = self.devices[device];
        let mut headers = vec![0; split.header()];
        let mut relinked = vec![0; split.header() + LONGEST];
        while cursor.piece < split.pieces() {
            if !self.transmit.has_room_for(VNET_HEADER + relinked.len() + TAG, 2) {
                return false;
            }
            let payload = split.write(cursor.piece, &mut headers);
            let len = link.write(&headers, &mut relinked);
            let head = self.device_head(vnet, tag, &[0; VNET_HEADER], &relinked[..len]);
            self.transmit.write(device, &[head, Span::of(payload)], 1);
            cursor.piece += 1;
        }
        true
    }

    /// Writes what stands first in a write to a device; `headers` begin with addresses.
    fn device_head(
        &mut self,
        vnet: bool,
        tag: Option<[u8; 4]>,
        offload: &[u8; VNET_HEADER],
        headers: &[u8],
    ) -> Span {
        let before = if vnet { VNET_HEADER } else { 0 };
        let own = tag.map_or(0, |tag| tag.len());
        let head = self.transmit.header(before + own + headers.len());
        head[..before].copy_from_slice(&offload[..before]);
        let (macs, rest) = headers.split_at(MACS);
        head[before..before + MACS].copy_from_slice(macs);
        if let Some(tag) = tag {
            head[before + MACS..before + MACS + own].copy_from_slice(&tag);
        }
        head[before + MACS + own..].copy_from_slice(rest);
        Span::of(head)
    }

    fn punt_relinked(&mut self, host: u32, frame: &Frame, link: &Link) {
        let port = self.hosts.handle(host);
        let source = self.source_of(frame);
        if frame.about.offload.is_none() {
            let queued = self.punts.frame(port, source, &[link.bytes(), &frame.bytes()[link.from..]]);
            return self.count_punt(queued);
        }
        let Some(split) = Split::new(frame) else {
            self.cannot_split(frame);
            return;
        };
        let mut headers = vec![0; split.header()];
        for piece in 0..split.pieces() {
            let payload = split.write(piece, &mut headers);
            let queued = self.punts.frame(port, source, &[link.bytes(), &headers[link.from..], payload]);
            self.count_punt(queued);
        }
    }
}

/// Gives a frame that leaves by one port only its tags where it lies, if there is room for that.
#[inline]
fn relink_in_place(tags: &mut Tags, frame: &mut Frame) {
    if !tags.edited() {
        return;
    }
    let (old, new) = (tags.old_len(), tags.new_len());
    let readable = frame.about.offload.is_none() || new <= READABLE;
    let start = frame.place.start + old;
    if !readable || start - frame.place.floor < new {
        return;
    }
    let from = frame.place.start;
    frame.buffer.copy_within(from..from + MACS, start - new);
    tags.write(&mut frame.buffer[start - new..start]);
    frame.place.start = start - new;
    frame.about.offload.moved(new as i16 - old as i16);
    tags.done();
}
