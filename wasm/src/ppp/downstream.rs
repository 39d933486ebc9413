//! To a subscriber: whose a packet from the TUN is, whether it fits, and PPP's header before it.

use crate::core::Core;
use crate::counters::Reason;
use crate::frame::Frame;
use crate::offload::Segments;
use crate::policy::Clamp;
use crate::port::{FrameType, Port};
use crate::ppp::Link;
use crate::ppp::upstream::{address6, is_link_scope, length, lower_mss, may_be_syn, word};
use crate::session::NONE;

impl Core {
    /// Makes a packet from the TUN ready for its subscriber's session.
    #[inline]
    pub(super) fn downstream(&mut self, at: u32, frame: &mut Frame) -> Option<Port> {
        let packet = frame.bytes();
        let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
        let Some(len) = length(packet, v6) else { return self.no_packet(Reason::PppMalformed, frame) };
        let routes = &self.terminations[at].routes;
        let session = if v6 {
            match address6(packet, 24) {
                to if is_link_scope(to) => return self.no_packet(Reason::LinkScope, frame),
                to => routes.find6(to),
            }
        } else {
            routes.find4(word(packet, 16))
        };
        let Some(member) = self.members.get(session).filter(|_| session != NONE) else {
            return self.no_packet(Reason::PppNoRoute, frame);
        };
        let (mru, clamp, link) = (member.mru, member.clamp, member.link);
        if frame.about.offload.finish && frame.about.offload.segments == Segments::None {
            frame.finish_checksum();
        }
        if frame.about.offload.is_none() {
            frame.place.end = frame.place.start + len;
        }
        if frame.about.offload.longest(frame.len()) > mru.into()
            && !self.make_fit(at, session, v6, mru, frame)
        {
            return None;
        }
        if clamp && may_be_syn(frame.bytes(), v6) && frame.about.offload.is_none() {
            lower_mss(Clamp::Packet(mru), frame);
        }
        put_link(frame, link, v6);
        Some(Port::Session(session))
    }
}

/// Puts PPP's header before a packet; there is always room in a slot.
#[inline]
fn put_link(frame: &mut Frame, link: Link, v6: bool) {
    let start = frame.place.start;
    let mut room = [0; Link::MAX];
    let length = link.write(v6, &mut room);
    frame.buffer[start - length..start].copy_from_slice(&room[Link::MAX - length..]);
    frame.place.start = start - length;
    frame.about.offload.moved(length as i16);
    frame.about.frame_type = FrameType::Ppp;
    frame.about.link = length as u8;
    frame.about.v6 = v6;
}
