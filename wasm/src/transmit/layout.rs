//! Finishing the arrays that the kernel reads.

use super::{ALL_IOVECS, MESSAGES, OP_SEND, OP_WRITE, Transmit};
use crate::abi::{IoVec, MmsgHdr};
use crate::leaving::{Span, Writing};
use crate::tunnel::Via;

impl Transmit {
    /// Finishes the arrays. `fd` gives the descriptors of sockets and devices, `is_packet` says whether a device is a packet
    /// socket.
    pub fn lay_out(&mut self, fd: impl Fn(Via) -> i32, is_packet: impl Fn(u32) -> bool) {
        self.flush();
        if self.scattered {
            self.place_anew();
        }
        for (at, group) in self.groups.iter().enumerate() {
            if group.frames > 1 {
                self.controls[at].segment(group.size as u16);
            }
            if group.frames > 1 || self.scattered {
                let (first, end) = group.iovecs;
                let message = &mut self.messages[at];
                message.control_len = u64::from(self.controls[at].len);
                message.iov = self.base + (&raw const self.iovecs[first as usize]) as u64;
                message.iov_len = u64::from(end - first);
            }
        }
        if self.mixed {
            self.sort_by_via();
        }
        let mut first = 0;
        while let Some(via) = self.via_of(first) {
            let end = match self.mixed {
                true => (first..self.groups.len()).find(|at| self.via_of(*at) != Some(via)),
                false => None,
            };
            let end = end.unwrap_or(self.groups.len());
            self.ops.push([OP_SEND, fd(via), first as i32, (end - first) as i32]);
            first = end;
        }
        self.lay_out_writes(|device| (fd(Via::Device(device)), is_packet(device)));
    }

    /// What devices get: one write each; but of packet sockets, which take many at once, as messages while there are some.
    fn lay_out_writes(&mut self, fd: impl Fn(u32) -> (i32, bool)) {
        self.first_write = self.ops.len();
        let mut spans = self.spans.iter();
        for (index, Writing { device, spans: count, .. }) in self.writing.iter().enumerate() {
            let at = self.iovecs_used;
            for span in spans.by_ref().take(*count as usize) {
                self.iovecs[self.iovecs_used] = iovec(self.base, *span);
                self.iovecs_used += 1;
            }
            let (fd, is_packet) = fd(*device);
            let message = self.groups.len() + self.sent_writes.len();
            if !is_packet || message >= MESSAGES {
                self.write_of.push(index as u32);
                self.ops.push([OP_WRITE, fd, at as i32, *count as i32]);
                continue;
            }
            let iov = self.base + (&raw const self.iovecs[at]) as u64;
            self.messages[message] = MmsgHdr::unnamed(iov, u64::from(*count));
            self.sent_writes.push(index as u32);
            match self.ops[self.first_write..].last_mut() {
                Some([OP_SEND, of, _, messages]) if *of == fd => *messages += 1,
                _ => {
                    self.write_of.push(u32::MAX);
                    self.ops.push([OP_SEND, fd, message as i32, 1]);
                }
            }
        }
    }

    /// Brings the messages of each socket or device together, for fewer system calls. Order matters within a session only.
    fn sort_by_via(&mut self) {
        self.order.extend(0..self.groups.len() as u32);
        self.order.sort_by_key(|group| self.groups[*group as usize].via);
        let unsorted = self.messages[..self.groups.len()].to_vec();
        for (message, group) in self.messages.iter_mut().zip(&self.order) {
            *message = unsorted[*group as usize];
        }
    }

    /// Places all iovecs again, those of a group together.
    fn place_anew(&mut self) {
        let mut next = 0;
        for group in &mut self.groups {
            group.iovecs = (next, next);
            next += 2 * group.pieces;
        }
        for leaving in &self.leaving {
            let iovecs = &mut self.groups[leaving.group as usize].iovecs;
            for span in [leaving.head, leaving.body] {
                place(&mut self.iovecs, self.base, iovecs, span);
            }
        }
        self.iovecs_used = next as usize;
    }

    /// The group of message `index`.
    pub(super) fn group_at(&self, index: usize) -> usize {
        self.order.get(index).map_or(index, |group| *group as usize)
    }

    /// What message `index` leaves by.
    fn via_of(&self, index: usize) -> Option<Via> {
        self.groups.get(self.group_at(index)).map(|group| group.via)
    }
}

#[inline]
pub(super) fn iovec(base: u64, span: Span) -> IoVec {
    IoVec { base: base + span.at as u64, len: u64::from(span.len) }
}

/// Adds a stretch to the iovecs of a group (the first, and the one after the last), or to the last if it adjoins.
#[inline]
pub(super) fn place(iovecs: &mut [IoVec; ALL_IOVECS], base: u64, of: &mut (u32, u32), span: Span) {
    if span.len == 0 {
        return;
    }
    let piece = iovec(base, span);
    let end = of.1 as usize;
    if of.1 > of.0 {
        let last = &mut iovecs[end - 1];
        if last.base + last.len == piece.base {
            last.len += piece.len;
            return;
        }
    }
    iovecs[end] = piece;
    of.1 += 1;
}
