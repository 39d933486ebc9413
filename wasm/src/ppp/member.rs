//! What a termination keeps of a session: a cache line that every packet needs, and one of counters.

use crate::ppp::{Budget, Expired, Link, Routes};
use crate::session::NONE;
use crate::slab::Sparse;

/// Counters of one address family: IP packets, and octets of them from the IP header on.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Family {
    /// From the subscriber.
    pub rx_packets: u64,
    /// Octets in them.
    pub rx_bytes: u64,
    /// To the subscriber.
    pub tx_packets: u64,
    /// Octets in them.
    pub tx_bytes: u64,
}

/// How many counters both families have.
pub const FAMILY_COUNTERS: usize = 8;

/// A session in a termination. Its counters outlive its membership: they are the session's.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Member {
    /// Octets of IP packets, both ways together, that are to be told of; 0: none.
    pub quota: u64,
    /// The interface identifier of the peer's link-local address (RFC 5072 §4.1); 0: any.
    pub interface_id: u64,
    /// Its prefixes, see [`crate::ppp::Routes`].
    pub routes: u32,
    /// The first of its IPv4 addresses; 0: it has none.
    pub v4: u32,
    /// When an IP packet last passed, in milliseconds, which may wrap.
    pub active: u32,
    /// When it joined, likewise.
    pub joined: u32,
    /// Milliseconds without a packet that are to be told of; 0: none.
    pub idle: u32,
    /// Milliseconds after it joined that are to be told of; 0: none.
    pub lasts: u32,
    /// How many ICMP errors its packets may cause.
    pub icmp: Budget,
    /// The largest IP packet that it is sent.
    pub mru: u16,
    /// Counts what makes entries of the agenda stale.
    pub stamp: u16,
    /// DSCP of its packets, in the octet's upper six bits; `None`: as they come.
    pub tos: Option<u8>,
    /// What stands before packets that it is sent.
    pub link: Link,
    /// Whether it has addresses of IPv4, and of IPv6.
    pub open: [bool; 2],
    /// What was told: idle, session, quota.
    pub told: [bool; 3],
    /// Whether sources are looked at.
    pub source_check: bool,
    /// Whether TCP is told of no larger segments than the MRU takes.
    pub clamp: bool,
    /// IPv4, IPv6.
    pub families: [Family; 2],
}

impl Default for Member {
    fn default() -> Self {
        Self {
            quota: 0,
            interface_id: 0,
            routes: NONE,
            v4: 0,
            active: 0,
            joined: 0,
            idle: 0,
            lasts: 0,
            icmp: Budget::default(),
            mru: 0,
            stamp: 0,
            tos: None,
            link: Link { address_control: true, compress_protocol: false },
            open: [false; 2],
            told: [false; 3],
            source_check: true,
            clamp: false,
            families: [Family::default(); 2],
        }
    }
}

impl Member {
    /// Octets of IP packets so far, both ways and of both families.
    pub fn octets(&self) -> u64 {
        self.families.iter().map(|family| family.rx_bytes + family.tx_bytes).sum()
    }

    /// Whether its quota is used up, and nobody was told.
    #[inline]
    pub fn is_used_up(&self) -> bool {
        self.quota > 0 && !self.told[Expired::Quota as usize] && self.octets() >= self.quota
    }

    /// Gives up all of its addresses and networks.
    pub fn leave(&mut self, routes: &mut Routes) {
        if self.v4 != 0 {
            routes.remove_host(std::mem::take(&mut self.v4));
        }
        routes.remove_all(&mut self.routes);
    }

    /// All counters, of one instant, in the order of `pppCounters` in `mod.ts`.
    pub fn counters(&self) -> [u64; FAMILY_COUNTERS] {
        let [v4, v6] = self.families.map(|of| [of.rx_packets, of.rx_bytes, of.tx_packets, of.tx_bytes]);
        [v4[0], v4[1], v4[2], v4[3], v6[0], v6[1], v6[2], v6[3]]
    }
}

/// What is kept of sessions, by their indices.
pub type Members = Sparse<Member>;

impl Members {
    /// Forgets what is kept of a session that goes.
    pub fn forget(&mut self, session: u32) {
        if let Some(member) = self.get_mut(session) {
            let stamp = member.stamp.wrapping_add(1);
            *member = Member { stamp, ..Member::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_two_cache_lines() {
        assert_eq!(size_of::<Member>(), 128);
    }

    #[test]
    fn what_was_planned_for_one_that_goes_is_stale() {
        let mut members = Members::default();
        members.make(1000).mru = 7;
        let before = members.get(1000).unwrap().stamp;
        members.forget(1000);
        members.forget(5);
        let after = members.get(1000).unwrap();
        assert_eq!((after.mru, after.stamp), (0, before + 1));
    }
}
