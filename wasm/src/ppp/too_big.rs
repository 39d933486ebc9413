//! Packets larger than a subscriber's MRU: those that may be are fragmented, of others their sender is told.

use crate::core::Core;
use crate::counters::{Io, Reason};
use crate::frame::Frame;
use crate::leaving::Span;
use crate::offload::{Offload, Segments, VNET_HEADER};
use crate::ppp::{Fragments, icmp};
use crate::reorder::Held;
use crate::session::NONE;
use crate::split::Split;

/// Errors about one member's packets: so many at once, and one each so many milliseconds (RFC 1812 §4.3.2.8).
const ERRORS: u32 = 10;
const ERROR_INTERVAL: u32 = 100;
/// Errors of all members together.
const ALL_ERRORS: u32 = 200;
const ALL_ERROR_INTERVAL: u32 = 1;

impl Core {
    /// Makes a packet fit into `mru` octets: it is to leave in fragments, or in smaller segments. False: it goes no further
    /// as it is, and its sender was told where that is to be.
    #[cold]
    pub(super) fn make_fit(&mut self, at: u32, session: u32, v6: bool, mru: u16, frame: &mut Frame) -> bool {
        let segments = frame.segments();
        let may_fragment = !v6 && frame.bytes()[6] & 0x40 == 0;
        if !may_fragment {
            self.tell_sender(at, session, v6, mru, frame);
            self.drop_frames(Reason::PacketTooBig, segments);
            return false;
        }
        match frame.about.offload.segments {
            Segments::Udp => return self.take_apart(frame),
            // A router could cut each segment; that there are more of them instead makes no difference to TCP.
            Segments::Tcp4 if mru > frame.about.offload.header => {
                frame.about.offload.size = mru - frame.about.offload.header;
            }
            Segments::None if Fragments::fit(frame.bytes()) => {
                let header = u16::from(frame.bytes()[0] & 0x0f) * 4;
                let size = (mru.saturating_sub(header)) & !7;
                if size > 0 {
                    let offload = Offload {
                        segments: Segments::Fragments,
                        finish: true,
                        header,
                        size,
                        ..Offload::NONE
                    };
                    frame.about.offload = offload;
                }
            }
            _ => {}
        }
        if frame.about.offload.longest(frame.len()) > mru.into() {
            self.drop_frames(Reason::PacketTooBig, segments);
            return false;
        }
        self.io.add(Io::Fragments, u64::from(frame.segments() - segments));
        true
    }

    /// Lets the datagrams of a super-frame come again one by one; those that there is no room for are dropped.
    fn take_apart(&mut self, frame: &Frame) -> bool {
        let handle = match frame.about.ingress {
            crate::port::Port::Device(at) => self.devices.handle(at),
            _ => return false,
        };
        let Some(split) = Split::new(frame) else {
            self.drop_frames(Reason::BadOffload, frame.segments());
            return false;
        };
        let mut head = vec![0; split.header()];
        for piece in 0..split.pieces() {
            let payload = split.write(piece, &mut head);
            let held = Held::copy(&[&head, payload]);
            let cost = held.cost();
            if !self.injected.push((handle, held), cost) {
                self.drop_frame(Reason::PacketTooBig);
            }
        }
        false
    }

    /// Tells a packet's sender how large it may be. The error is from the address that the packet is for: the kernel takes no
    /// packet from a TUN that says to be from an address of its own.
    fn tell_sender(&mut self, at: u32, session: u32, v6: bool, mru: u16, frame: &Frame) {
        let Some(split) = quoted(frame) else { return };
        let Some(error) = (if v6 { icmp::too_big6(&split, mru) } else { icmp::too_big4(&split, mru) }) else {
            return;
        };
        let tun = self.terminations[at].tun;
        if tun == NONE || !self.transmit.has_room_for(0, 2) || !self.may_tell(at, session, frame.about.now) {
            return;
        }
        let before = if self.devices[tun].vnet { VNET_HEADER } else { 0 };
        let buffer = [vec![0; before], error].concat().into_boxed_slice();
        self.transmit.write(tun, &[Span::of(&buffer)], 1);
        self.transmit.hold(buffer);
        self.io.add(Io::IcmpErrors, 1);
    }
}

impl Core {
    /// Whether an error about a member's packet may be sent; if so, it is counted. Who is refused loses nothing of its own.
    fn may_tell(&mut self, at: u32, session: u32, now: u64) -> bool {
        let now = (now / 1000) as u32;
        let Some(member) = self.members.get_mut(session) else { return false };
        let mut own = member.icmp;
        let may = own.take(now, ERROR_INTERVAL, ERRORS)
            && self.terminations[at].icmp.take(now, ALL_ERROR_INTERVAL, ALL_ERRORS);
        if may {
            member.icmp = own;
        }
        may
    }
}

/// The packet as its sender would know it: of a super-frame the first segment.
fn quoted(frame: &Frame) -> Option<Vec<u8>> {
    if frame.about.offload.segments == Segments::None {
        return Some(frame.bytes().to_vec());
    }
    let split = Split::new(frame)?;
    let mut head = vec![0; split.header()];
    let payload = split.write(0, &mut head);
    Some([&head, payload].concat())
}
