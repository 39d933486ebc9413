//! Sequencing of received frames, with the kernel's options: `send-seq`, `recv-seq`, `lns-mode`, `reorder-timeout`.

use std::cmp::Reverse;

use crate::core::Core;
use crate::counters::Reason;
use crate::counters::at::OOS_PACKETS;
use crate::frame::Frame;
use crate::port::Port;
use crate::reorder::{Held, Queue};
use crate::sequence::{Doubt, Sequence, Verdict};
use crate::session::Options;

impl Core {
    /// Gives a frame to its session's numbering, which delivers, queues or drops it.
    pub fn sequence(&mut self, session: u32, ns: Option<u32>, now: u64, frame: Frame) {
        match ns {
            None => self.unnumbered(session, frame),
            Some(ns) => self.numbered(session, ns, now, frame),
        }
    }

    /// A frame without a number where numbers play a part.
    fn unnumbered(&mut self, session: u32, frame: Frame) {
        let rx = &self.sessions.rx[session];
        // A LAC follows its LNS; an LNS that numbers its frames insists on numbers (RFC 2661 §5.4).
        let Options { recv_seq, lns_mode, .. } = self.sessions.rare(session).options;
        if recv_seq || (rx.send_seq && lns_mode) {
            return self.refuse(session, Reason::Unnumbered);
        }
        if rx.send_seq {
            self.set_send_seq(session, false);
        }
        self.release_all(session);
        self.deliver_behind_ready(session, frame);
    }

    #[inline]
    fn numbered(&mut self, session: u32, ns: u32, now: u64, frame: Frame) {
        if !self.sessions.rx[session].send_seq && !self.sessions.rare(session).options.lns_mode {
            self.set_send_seq(session, true);
        }
        let max = self.numbers(session);
        let waiting = self.highest(session);
        let now_ms = (now / 1000) as u32;
        let rx = &mut self.sessions.rx[session];
        if !rx.numbered {
            rx.numbered = true;
            rx.sequence.begin(ns);
            rx.sequence.heard = now_ms;
        }
        let Sequence { expected, heard, .. } = rx.sequence;
        let highest = waiting.unwrap_or(expected.wrapping_sub(1));
        let verdict = match rx.sequence.judge(ns, highest, max) {
            found @ (Verdict::InOrder | Verdict::Early) => found,
            found => {
                let silent = now_ms.wrapping_sub(heard);
                self.doubt(session, &Doubt { ns, found, expected, highest, silent, max })
            }
        };
        match verdict {
            Verdict::InOrder => {
                self.sessions.rx[session].sequence.heard = now_ms;
                self.in_order(session, ns, max, frame);
            }
            Verdict::Early => {
                self.sessions.rx[session].sequence.heard = now_ms;
                self.early(session, ns, max, now, frame);
            }
            Verdict::Restart => {
                self.release_all(session);
                let sequence = &mut self.sessions.rx[session].sequence;
                sequence.restart(ns, max);
                sequence.heard = now_ms;
                self.deliver_behind_ready(session, frame);
            }
            Verdict::Late => self.refuse(session, Reason::SequenceLate),
            Verdict::Duplicate => self.refuse(session, Reason::SequenceDuplicate),
            Verdict::Outside => self.refuse(session, Reason::SequenceOutside),
        }
    }

    #[cold]
    fn doubt(&mut self, session: u32, doubt: &Doubt) -> Verdict {
        let rare = self.sessions.rare_mut(session);
        rare.outsiders.judge(doubt, &rare.options.patience)
    }

    #[inline]
    fn in_order(&mut self, session: u32, ns: u32, max: u32, frame: Frame) {
        let rx = &mut self.sessions.rx[session];
        rx.sequence.follow(ns, max);
        let waiting = rx.waiting;
        self.deliver(session, frame);
        if waiting {
            self.count_out_of_order(session); // others came before it that belong behind it
            self.release_run(session);
        }
    }

    fn early(&mut self, session: u32, ns: u32, max: u32, now: u64, frame: Frame) {
        if self.sessions.rare(session).options.reorder_timeout > 0 {
            return self.queue(session, ns, now, frame);
        }
        self.sessions.rx[session].sequence.follow(ns, max);
        self.deliver(session, frame);
    }

    /// The highest number that waits in a session's queue.
    #[inline]
    fn highest(&self, session: u32) -> Option<u32> {
        if !self.sessions.rx[session].waiting {
            return None;
        }
        self.sessions.rare(session).queue.as_ref().and_then(|queue| queue.last())
    }

    /// The largest sequence number of a session.
    #[inline]
    fn numbers(&self, session: u32) -> u32 {
        self.tunnels[self.sessions.rx[session].tunnel].shape.numbers()
    }

    /// Follows the peer: numbers what is sent from now on, or no longer does.
    #[cold]
    fn set_send_seq(&mut self, session: u32, on: bool) {
        let options = Options { send_seq: on, ..self.sessions.rare(session).options };
        self.sessions.configure(session, options, &self.tunnels[self.sessions.rx[session].tunnel].shape);
    }

    /// Queues an early frame. A session whose queue is full gives up waiting for what is missing before it, and so does
    /// the session that a frame comes for when all queues together hold all the bytes that they may.
    fn queue(&mut self, session: u32, ns: u32, now: u64, frame: Frame) {
        let max = self.numbers(session);
        let expected = self.sessions.rx[session].sequence.expected;
        let Core { sessions, tunnels, limits, reorder_bytes, agenda, .. } = self;
        let rare = sessions.rare_mut(session);
        let queue = rare.queue.get_or_insert_default();
        let at = match queue.place(ns, expected, max) {
            Ok(at) => at,
            Err(_) => return self.refuse(session, Reason::SequenceDuplicate),
        };
        let held = Held::copy(&[frame.bytes()]);
        *reorder_bytes += held.cost();
        let early = u64::from(at < queue.len());
        rare.oos_packets += early;
        tunnels[rare.identity.tunnel].counters[OOS_PACKETS] += early;
        rare.outsiders.interrupt();
        queue.insert(at, ns, now, held);
        if queue.due.is_none() {
            let due = now + rare.options.reorder_timeout;
            queue.due = Some(due);
            agenda.push(Reverse((due, session)));
        }
        let full = queue.len() > limits.reorder_frames;
        self.sessions.set_waiting(session, true);
        if full {
            self.skip_gap(session);
        }
        while self.reorder_bytes > self.limits.reorder_bytes && self.sessions.rx[session].waiting {
            self.skip_gap(session);
        }
    }

    fn count_out_of_order(&mut self, session: u32) {
        let rare = self.sessions.rare_mut(session);
        rare.oos_packets += 1;
        self.tunnels[rare.identity.tunnel].counters[OOS_PACKETS] += 1;
    }

    /// Gives up what is missing before the first queued frame, and releases that one and those in order behind it.
    fn skip_gap(&mut self, session: u32) {
        if let Some(first) = self.sessions.rare(session).queue.as_ref().and_then(|queue| queue.first()) {
            let max = self.numbers(session);
            self.sessions.rx[session].sequence.skip_to(first, max);
            self.release_run(session);
        }
    }

    /// Releases the frames that are in order now.
    fn release_run(&mut self, session: u32) {
        let max = self.numbers(session);
        let handle = self.sessions.handle(session);
        let mut sequence = self.sessions.rx[session].sequence;
        let Core { sessions, ready, reorder_bytes, .. } = self;
        let Some(queue) = &mut sessions.rare_mut(session).queue else { return };
        while let Some(held) = queue.take(sequence.expected) {
            sequence.follow(sequence.expected, max);
            *reorder_bytes -= held.cost();
            ready.push_back((handle, held));
        }
        let waiting = !queue.is_empty();
        sessions.rx[session].sequence = sequence;
        sessions.set_waiting(session, waiting);
    }

    /// Releases all that waits, in order, whatever is missing.
    pub fn release_all(&mut self, session: u32) {
        while self.sessions.rx[session].waiting {
            self.skip_gap(session);
        }
    }

    /// Delivers a frame behind those of its session that were released just now.
    fn deliver_behind_ready(&mut self, session: u32, frame: Frame) {
        if self.ready.is_empty() {
            return self.deliver(session, frame);
        }
        let held = Held::copy(&[frame.bytes()]);
        self.ready.push_back((self.sessions.handle(session), held));
    }

    /// Delivers one released frame; false when there is none.
    pub fn deliver_ready(&mut self) -> bool {
        let Some((handle, mut held)) = self.ready.pop_front() else { return false };
        match self.sessions.find(handle) {
            Some(session) => {
                let frame_type = self.sessions.rx[session].frame_type;
                let frame = held.frame(Port::Session(session), frame_type, self.now);
                self.deliver(session, frame);
                self.keep(held.buffer);
            }
            None => self.drop_frame(Reason::PortRemoved),
        }
        true
    }

    /// Gives up waiting wherever it has lasted for the session's reorder timeout, and tells of what is over.
    pub fn age(&mut self, now: u64) {
        self.switches.age(now);
        self.expire(now);
        while let Some(Reverse((due, session))) = self.agenda.peek().copied()
            && due <= now
        {
            self.agenda.pop();
            if self.sessions.rare(session).queue.as_ref().is_none_or(|queue| queue.due != Some(due)) {
                continue; // another entry has taken its place, or its session has gone
            }
            while let Some(since) = self.oldest_waiting(session)
                && since + self.sessions.rare(session).options.reorder_timeout <= now
            {
                self.skip_gap(session);
            }
            self.plan(session);
        }
    }

    /// Enters in the agenda when the frame that waits longest has waited enough, in the place of what stood there.
    pub fn plan(&mut self, session: u32) {
        let oldest = self.oldest_waiting(session);
        let rare = self.sessions.rare_mut(session);
        let due = oldest.map(|since| since + rare.options.reorder_timeout);
        if let Some(queue) = &mut rare.queue
            && queue.due != due
        {
            queue.due = due;
            self.agenda.extend(due.map(|due| Reverse((due, session))));
        }
    }

    fn oldest_waiting(&self, session: u32) -> Option<u64> {
        self.sessions.rare(session).queue.as_ref().and_then(|queue| queue.oldest())
    }

    /// When [`Core::age`] is wanted next.
    pub fn deadline(&self) -> Option<u64> {
        let frames = self.agenda.peek().map(|Reverse((due, _))| *due);
        [frames, self.expiries.due(), self.switches.deadline(self.now)].into_iter().flatten().min()
    }

    /// Drops what waits in the queue of a session that is going.
    pub fn drop_queue(&mut self, queue: Option<Box<Queue>>) {
        for held in queue.into_iter().flat_map(|queue| queue.into_frames()) {
            self.reorder_bytes -= held.cost();
            self.drop_frame(Reason::PortRemoved);
        }
    }
}
