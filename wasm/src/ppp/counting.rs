//! What passed: counters by family, the time of the last packet, and the quota.

use crate::core::Core;
use crate::frame::About;
use crate::leaving::Leaving;
use crate::ppp::Expired;
use crate::session::NONE;

impl Core {
    /// Counts an IP packet from a subscriber.
    #[inline]
    pub(super) fn count_from(&mut self, session: u32, v6: bool, octets: usize) {
        let now = self.now;
        let Some(member) = self.members.get_mut(session) else { return };
        let family = &mut member.families[usize::from(v6)];
        family.rx_packets += 1;
        family.rx_bytes += octets as u64;
        member.active = (now / 1000) as u32;
        if member.is_used_up() {
            self.tell(session, Expired::Quota);
        }
    }

    /// Counts an IP packet that leaves for a subscriber in a frame of `len` octets.
    #[inline]
    pub fn count_to(&mut self, session: u32, about: &About, len: usize) {
        let Some(member) = self.members.get_mut(session) else { return };
        let family = &mut member.families[usize::from(about.v6)];
        family.tx_packets += 1;
        family.tx_bytes += (len - usize::from(about.link)) as u64;
        member.active = (about.now / 1000) as u32;
        if member.is_used_up() {
            self.tell(session, Expired::Quota);
        }
    }

    /// A datagram that was counted did not leave.
    pub fn uncount_to(&mut self, datagram: &Leaving) {
        if datagram.link == 0 || datagram.session == NONE {
            return;
        }
        if let Some(member) = self.members.get_mut(datagram.session) {
            let family = &mut member.families[usize::from(datagram.v6)];
            // The session may be another one's by now, which never had the packet.
            family.tx_packets = family.tx_packets.saturating_sub(1);
            let octets = u64::from(datagram.frame_len()) - u64::from(datagram.link);
            family.tx_bytes = family.tx_bytes.saturating_sub(octets);
        }
    }
}
