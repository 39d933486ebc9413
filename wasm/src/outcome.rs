//! What becomes of messages and writes that the kernel refused. What its errors mean is the caller's to know.

use crate::core::Core;
use crate::counters::{Io, Reason, at};
use crate::leaving::Leaving;
use crate::session::NONE;
use crate::slab::Handle;

impl Core {
    /// The tunnel that message `index` leaves by; `None`: it is a control message, or there is none.
    pub fn tunnel_of_message(&self, index: usize) -> Option<Handle> {
        let (_, tunnel) = self.transmit.message(index)?;
        (tunnel != NONE).then(|| self.tunnels.handle(tunnel))
    }

    /// Lays out the datagrams of a group that the kernel refused in messages of their own, to be sent before anything else
    /// is, so that nothing overtakes them. Gives how many there are, 0 where message `index` is no group.
    pub fn split_message(&mut self, index: usize) -> usize {
        let Some(tunnel) = self.tunnel_of_message(index) else { return 0 };
        let Some(at) = self.tunnels.find(tunnel) else { return 0 };
        let count = self.transmit.split(index, &self.tunnels[at].destination);
        if count > 0 {
            self.io.take_back(Io::TxMessages, 1);
            self.io.add(Io::TxMessages, count as u64);
            self.io.add(Io::TxSplit, 1);
        }
        count
    }

    /// Message `index` of what was laid out was not sent: its frames are dropped.
    pub fn message_dropped(&mut self, index: usize, reason: Reason) {
        if let Some(frames) = self.transmit.sent_to_device(index) {
            self.io.take_back(Io::TxFrames, frames.into());
            self.drop_frames(reason, frames);
            return;
        }
        let Some((datagrams, tunnel)) = self.transmit.message(index) else { return };
        self.io.take_back(Io::TxMessages, 1);
        let counted = match tunnel {
            NONE => Io::TxControl,
            _ if self.transmit.is_on_link(index) => Io::TxFrames,
            _ => Io::TxSegments,
        };
        self.io.take_back(counted, datagrams.len() as u64);
        for datagram in datagrams {
            self.not_sent(datagram, reason);
        }
    }

    /// Counts a datagram that was not sent, against the session that it was counted for before.
    fn not_sent(&mut self, datagram: Leaving, reason: Reason) {
        self.drop_frame(reason);
        if datagram.session != NONE && self.sessions.is_live(datagram.session) {
            let bytes = u64::from(datagram.frame_len());
            let tx = &mut self.sessions.tx[datagram.session];
            tx.packets -= 1;
            tx.bytes -= bytes;
            let counters = &mut self.tunnels[tx.tunnel].counters;
            counters[at::TX_PACKETS] -= 1;
            counters[at::TX_BYTES] -= bytes;
            counters[at::TX_ERRORS] += 1;
            self.sessions.rare_mut(datagram.session).tx_errors += 1;
            self.uncount_to(&datagram);
        }
    }

    /// The write of op `index` failed: its frames are dropped.
    pub fn write_dropped(&mut self, index: usize, reason: Reason) {
        let Some(frames) = self.transmit.written(index) else { return };
        self.io.take_back(Io::TxFrames, frames.into());
        self.drop_frames(reason, frames);
    }
}
