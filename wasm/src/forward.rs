//! A frame's way from the port it came in at to the one it leaves by.

use crate::core::{Core, Frame};
use crate::counters::{Io, Reason};
use crate::leaving::{Leaving, Span};
use crate::port::{Forwarder, Port};
use crate::receive::STRIDE;
use crate::template::Template;
use crate::window::Entry;

/// Datagrams of one session and one length that lie one after the other in a slot.
pub struct Run<'a> {
    /// Where.
    pub entry: &'a Entry,
    /// Bytes of the first one's header.
    pub header: usize,
}

impl Core {
    /// Lets the datagrams of a run that have the first one's header leave by a session whose header is as long: each
    /// header is overwritten, and all of it leaves as one piece. Gives how many, unless it cannot be done like that.
    pub fn forward_run(&mut self, out: u32, run: Run, slot: &mut [u8; STRIDE]) -> Option<u32> {
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[out];
        let tunnel = &mut tunnels[tx.tunnel];
        let Run { entry: Entry { start, end, count, .. }, header } = run;
        let (start, size) = (*start as usize, (end - start) as usize);
        let template = tx.template;
        let new = template.constant(header).filter(|_| size <= usize::from(tunnel.segment_limit))?;
        let mut room = [0; Template::MAX];
        let old = &mut room[..header];
        old.copy_from_slice(&slot[start..start + header]);
        let mut datagrams = slot[start..].chunks_exact_mut(size).take(*count as usize);
        let other = datagrams.position(|datagram| !exchange(&mut datagram[..header], old, new));
        let count = other.map_or(*count, |other| other as u32);
        tx.packets += u64::from(count);
        let bytes = u64::from(count) * (size - header) as u64;
        tx.bytes += bytes;
        tunnel.sent(count, bytes);
        let first = Leaving::new(out, header as u32, Span::default(), Span::of(&slot[start..start + size]));
        transmit.send_run(tx, tunnel, first, count);
        Some(count)
    }

    /// A frame of a session is in order: counts it and passes it on.
    #[inline]
    pub fn deliver(&mut self, session: u32, frame: Frame) {
        self.count_delivered(session, 1, frame.len());
        let forwarder = self.sessions.rx[session].forwarder;
        self.forward(forwarder, frame);
    }

    /// Counts frames of `len` bytes of a session that are in order.
    #[inline]
    pub fn count_delivered(&mut self, session: u32, count: u32, len: usize) {
        let rx = &mut self.sessions.rx[session];
        rx.deliver(count, len);
        self.tunnels[rx.tunnel].received(count, u64::from(count) * len as u64);
    }

    /// Passes a frame to where `forwarder` says.
    #[inline]
    pub fn forward(&mut self, forwarder: Forwarder, frame: Frame) {
        match forwarder {
            Forwarder::CrossConnect(Port::Session(at)) => self.send(at, frame),
            Forwarder::CrossConnect(Port::Device(at)) => self.transmit.write(at, frame.bytes()),
            Forwarder::CrossConnect(Port::Host(at)) => self.punt_frame(at, frame),
            Forwarder::None => self.drop_frame(Reason::NoForwarder),
        }
    }

    fn punt_frame(&mut self, host: u32, frame: Frame) {
        if self.punts.frame(self.hosts.handle(host), frame.bytes()) {
            self.io.add(Io::PuntedFrames, 1);
        } else {
            self.drop_frame(Reason::HostQueueFull);
        }
    }

    /// Lets a frame leave by a session: with its header right before it where there is room, else elsewhere.
    #[inline]
    fn send(&mut self, session: u32, frame: Frame) {
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[session];
        let tunnel = &mut tunnels[tx.tunnel];
        tx.packets += 1;
        tx.bytes += frame.len() as u64;
        tunnel.sent(1, frame.len() as u64);
        let length = tx.template.len();
        let header = length as u32;
        let Frame { buffer, floor, start } = frame;
        // All the template's room before the frame (most frames), just the header's, or neither.
        let datagram = if let Some(room) = buffer[floor..start].last_chunk_mut() {
            tx.template.write(room, &mut tx.ns);
            Leaving::new(session, header, Span::default(), Span::from(buffer, start - length))
        } else if start - floor >= length {
            let mut room = [0; Template::ROOM];
            tx.template.write(&mut room, &mut tx.ns);
            buffer[start - length..start].copy_from_slice(&room[Template::ROOM - length..]);
            Leaving::new(session, header, Span::default(), Span::from(buffer, start - length))
        } else {
            let room = transmit.header();
            tx.template.write(room, &mut tx.ns);
            let head = Span::from(room, Template::ROOM - length);
            Leaving::new(session, header, head, Span::from(buffer, start))
        };
        transmit.send(tx, tunnel, datagram);
    }
}

/// Overwrites a header with `new` if it is `old`; all are of one even length. Word by word: a call of `memcmp` would cost
/// more than all of it.
#[inline]
fn exchange(header: &mut [u8], old: &[u8], new: &[u8]) -> bool {
    let (words, tail) = header.as_chunks_mut::<4>();
    let (old_words, old_tail) = old.as_chunks::<4>();
    let (new_words, new_tail) = new.as_chunks::<4>();
    let mut same = tail.first_chunk::<2>() == old_tail.first_chunk();
    for (word, old) in words.iter().zip(old_words) {
        same &= word == old;
    }
    if same {
        for (word, new) in words.iter_mut().zip(new_words) {
            *word = *new;
        }
        if let (Some(tail), Some(new)) = (tail.first_chunk_mut::<2>(), new_tail.first_chunk()) {
            *tail = *new;
        }
    }
    same
}
