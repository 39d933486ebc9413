//! What is done with frames that are in order: one by one, or a run of datagrams at once.

use crate::core::Core;
use crate::frame::{Frame, Place};
use crate::leaving::{Leaving, Span};
use crate::port::Forwarder;
use crate::session::Receiving;
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
    pub fn forward_run(&mut self, out: u32, run: Run, slot: &mut [u8]) -> Option<u32> {
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[out];
        let tunnel = &mut tunnels[tx.tunnel];
        let Run { entry: Entry { place, count, .. }, header } = run;
        let (start, size) = (place.start, place.end - place.start);
        let template = tx.template;
        let new = template.constant(header).filter(|_| {
            !tx.guarded && tunnel.destination.is_plain() && size <= usize::from(tunnel.segment_limit)
        })?;
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

    /// Lets a frame leave by a session that asks for no more than its header, which is put right before it. False: that
    /// cannot be done, and nothing was. Most frames take this way.
    #[inline]
    pub fn forward_one(&mut self, out: u32, place: &Place, slot: &mut [u8]) -> bool {
        let Core { sessions, tunnels, transmit, .. } = self;
        let tx = &mut sessions.tx[out];
        let tunnel = &mut tunnels[tx.tunnel];
        let Place { floor, start, end } = *place;
        let plain = !tx.guarded && tunnel.destination.is_plain();
        let start = start + tx.template.skips(&slot[start..end]);
        if !plain || !tx.template.write_before(&mut slot[floor..start], &mut tx.ns, end - start) {
            return false;
        }
        let bytes = (end - start) as u64;
        tx.packets += 1;
        tx.bytes += bytes;
        tunnel.sent(1, bytes);
        let header = tx.template.len();
        let body = Span::of(&slot[start - header..end]);
        transmit.send(tx, tunnel, Leaving::new(out, header as u32, Span::default(), body));
        true
    }

    /// A frame of a session is in order: counts it and passes it on.
    #[inline]
    pub fn deliver(&mut self, session: u32, mut frame: Frame) {
        let Receiving { guard, forwarder, .. } = self.sessions.rx[session];
        // Of a member, only its packets are held to the policy: it asks for itself.
        if guard.any() && !matches!(forwarder, Forwarder::Ppp(_)) {
            // What is for a host inside is held to nothing: it has a budget of its own.
            if guard.may_be_inside(frame.bytes()) && self.take_inside(session, &frame) {
                return;
            }
            if guard.policed() && !self.admit(session, &mut frame) {
                return;
            }
        }
        self.count_delivered(session, 1, frame.len());
        self.forward(forwarder, frame);
    }

    /// Counts frames of `len` bytes of a session that are in order.
    #[inline]
    pub fn count_delivered(&mut self, session: u32, count: u32, len: usize) {
        let rx = &mut self.sessions.rx[session];
        rx.deliver(count, len);
        self.tunnels[rx.tunnel].received(count, u64::from(count) * len as u64);
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
