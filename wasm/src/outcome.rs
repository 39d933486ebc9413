//! What becomes of messages and writes that the kernel refused.

use crate::abi::errno::*;
use crate::core::Core;
use crate::counters::{Io, Reason};
use crate::session::NONE;
use crate::transmit::Leaving;

impl Core {
    /// Message `index` of what was laid out failed. Gives whether its frames will be sent again, one by one.
    pub fn message_failed(&mut self, index: usize, errno: i32) -> bool {
        let Some((frames, tunnel, grouped_by)) = self.transmit.message(index) else { return false };
        self.io.take_back(Io::TxMessages, 1);
        if let Some(size) = grouped_by
            && matches!(errno, EINVAL | EMSGSIZE | EIO | EOPNOTSUPP)
        {
            // EIO and EOPNOTSUPP: no segmentation on this path at all; else this length (and so all above) is too long.
            let longest = if matches!(errno, EIO | EOPNOTSUPP) { 0 } else { size - 1 };
            let limit = &mut self.tunnels[tunnel].segment_limit;
            *limit = longest.min(*limit);
            self.io.one(Io::TxRegrouped);
            self.retries.extend(frames);
            return true;
        }
        let reason = match errno {
            EAGAIN | ENOBUFS | ENOMEM => Reason::SocketFull,
            ENETUNREACH | EHOSTUNREACH | EHOSTDOWN | ECONNREFUSED | ENETDOWN => Reason::PeerUnreachable,
            EMSGSIZE => Reason::TooLong,
            _ => Reason::TransmitFailed,
        };
        for frame in frames {
            self.not_sent(frame, reason);
        }
        false
    }

    /// Counts a frame that was taken for sent and was not.
    fn not_sent(&mut self, frame: Leaving, reason: Reason) {
        self.drop_frame(reason);
        if frame.session == NONE {
            return self.io.take_back(Io::TxControl, 1);
        }
        self.io.take_back(Io::TxSegments, 1);
        if self.sessions.is_live(frame.session) {
            let session = &mut self.sessions[frame.session];
            session.tx.packets -= 1;
            session.tx.bytes -= u64::from(frame.body.len);
            session.rare.tx_errors += 1;
        }
    }

    /// Sends one frame of a refused group in a message of its own; false when there is none.
    pub fn retry(&mut self) -> bool {
        let Some(frame) = self.retries.pop_front() else { return false };
        if self.sessions.is_live(frame.session) {
            let sending = &self.sessions[frame.session].tx;
            let tunnel = &self.tunnels[sending.tunnel];
            self.transmit.send_alone(frame.session, sending, tunnel, frame.head, frame.body);
        } else {
            self.not_sent(frame, Reason::PortRemoved);
        }
        true
    }

    /// The write of op `index` failed.
    pub fn write_failed(&mut self, index: usize, errno: i32) {
        if self.transmit.written(index).is_none() {
            return;
        }
        self.io.take_back(Io::TxFrames, 1);
        self.drop_frame(match errno {
            EIO | ENETDOWN => Reason::DeviceDown,
            EBADF | EBADFD | ENODEV | ENXIO => Reason::DeviceGone,
            EAGAIN | ENOBUFS | ENOMEM => Reason::DeviceFull,
            _ => Reason::DeviceRefused,
        });
    }
}
