//! What becomes of messages and writes that the kernel refused.

use crate::abi::errno::*;
use crate::core::Core;
use crate::counters::{Io, Reason, at};
use crate::leaving::Leaving;
use crate::session::NONE;

impl Core {
    /// Message `index` of what was laid out failed. Gives whether its frames will be sent again, one by one.
    pub fn message_failed(&mut self, index: usize, errno: i32) -> bool {
        let Some((datagrams, tunnel, grouped_by)) = self.transmit.message(index) else { return false };
        self.io.take_back(Io::TxMessages, 1);
        self.io
            .take_back(if tunnel == NONE { Io::TxControl } else { Io::TxSegments }, datagrams.len() as u64);
        if let Some(size) = grouped_by
            && matches!(errno, EINVAL | EMSGSIZE | EIO | EOPNOTSUPP)
        {
            // EIO and EOPNOTSUPP: no segmentation on this path at all; else this length (and so all above) is too long.
            let longest = if matches!(errno, EIO | EOPNOTSUPP) { 0 } else { size - 1 };
            let limit = &mut self.tunnels[tunnel].segment_limit;
            *limit = longest.min(*limit);
            self.io.add(Io::TxRegrouped, 1);
            self.retries.extend(datagrams);
            return true;
        }
        let reason = match errno {
            EAGAIN | ENOBUFS | ENOMEM => Reason::SocketFull,
            ENETUNREACH | EHOSTUNREACH | EHOSTDOWN | ECONNREFUSED | ENETDOWN => Reason::PeerUnreachable,
            EMSGSIZE => Reason::TooLong,
            _ => Reason::TransmitFailed,
        };
        for datagram in datagrams {
            self.not_sent(datagram, reason);
        }
        false
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
        }
    }

    /// Sends one datagram of a refused group in a message of its own; false when there is none.
    pub fn retry(&mut self) -> bool {
        let Some(datagram) = self.retries.pop_front() else { return false };
        let sending = &self.sessions.tx[datagram.session];
        self.transmit.send_alone(sending, &self.tunnels[sending.tunnel], datagram);
        true
    }

    /// Drops what a session that is going was to send again.
    pub fn drop_retries(&mut self, session: u32) {
        let before = self.retries.len();
        self.retries.retain(|datagram| datagram.session != session);
        self.drops.add(Reason::PortRemoved, (before - self.retries.len()) as u64);
    }

    /// The write of op `index` failed.
    pub fn write_failed(&mut self, index: usize, errno: i32) {
        let Some(frames) = self.transmit.written(index) else { return };
        self.io.take_back(Io::TxFrames, frames.into());
        let reason = match errno {
            EIO | ENETDOWN => Reason::DeviceDown,
            EBADF | EBADFD | ENODEV | ENXIO => Reason::DeviceGone,
            EAGAIN | ENOBUFS | ENOMEM => Reason::DeviceFull,
            _ => Reason::DeviceRefused,
        };
        self.drop_frames(reason, frames);
    }
}
