//! PPP termination: IP packets go straight between one TUN and the PPP sessions of many subscribers.
//!
//! A session that is a member of a [`Termination`] has addresses and prefixes: they say which packets from the TUN go to
//! it, and which sources are believed of what comes from it. IPv4 and IPv6 pass here; every other protocol is handed to
//! TypeScript at the member's host port, within a budget. The kernel behind the TUN is the router: it alone counts down
//! TTL and hop limit, so that a subscriber sees one hop and not two.

mod budget;
mod counting;
mod downstream;
mod expiry;
mod fragment;
mod header;
mod icmp;
mod manage;
mod member;
mod routes;
mod too_big;
mod upstream;

pub use budget::Budget;
pub use expiry::{Expired, Expiries, Told};
pub use fragment::{Fragments, LONGEST_HEADER as FRAGMENT_HEADER};
pub use header::Link;
pub use manage::MemberRequest;
pub use member::{FAMILY_COUNTERS, Family, Member, Members};
pub use routes::{Prefix, Routes};

use crate::core::Core;
use crate::counters::Reason;
use crate::frame::Frame;
use crate::port::Port;
use crate::session::NONE;

/// A forwarder of one TUN and many PPP sessions.
pub struct Termination {
    /// The TUN, by its index among the devices; [`NONE`]: it is gone.
    pub tun: u32,
    /// Whose packets go where.
    pub routes: Routes,
    /// How many sessions are members.
    pub members: u32,
    /// How many ICMP errors may be sent, all members together.
    pub icmp: Budget,
}

impl Default for Termination {
    fn default() -> Self {
        Self { tun: NONE, routes: Routes::default(), members: 0, icmp: Budget::default() }
    }
}

impl Core {
    /// Where a frame of a termination leaves, which it is made ready for. `None`: it went to TypeScript, or was dropped and
    /// counted.
    #[inline]
    pub fn terminate(&mut self, at: u32, frame: &mut Frame) -> Option<Port> {
        match frame.about.ingress {
            Port::Session(session) => self.upstream(at, session, frame),
            Port::Device(_) => self.downstream(at, frame),
            Port::Host(_) | Port::Patch(_) => self.no_packet(Reason::NoForwarder, frame),
        }
    }

    /// A packet that goes no further.
    fn no_packet(&mut self, reason: Reason, frame: &Frame) -> Option<Port> {
        self.drop_frames(reason, frame.segments());
        None
    }
}
