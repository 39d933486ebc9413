//! When something of a member is over: it had no packet for long, it lasted as long as it may, it had its quota.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::core::Core;
use crate::port::Forwarder;
use crate::ppp::Member;
use crate::slab::Handle;

/// What TypeScript is told of, once each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expired {
    /// No packet passed for the idle time.
    Idle,
    /// It has been a member for as long as it may.
    Session,
    /// As many octets passed as may.
    Quota,
}

/// That something of a member is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// The termination.
    pub termination: Handle,
    /// The member.
    pub session: Handle,
    /// What is over.
    pub what: Expired,
}

/// What waits for its time, and what is to be told.
#[derive(Default)]
pub struct Expiries {
    /// When to look after which session, and the member's stamp as it was then.
    agenda: BinaryHeap<Reverse<(u64, u32, u16)>>,
    /// At most three of each session wait.
    told: Vec<Told>,
}

impl Expiries {
    /// When the first is due, in microseconds.
    pub fn due(&self) -> Option<u64> {
        self.agenda.peek().map(|Reverse((due, ..))| *due)
    }

    /// How many sessions are to be looked after, and entries that are stale.
    pub fn planned(&self) -> usize {
        self.agenda.len()
    }

    /// What is to be told, oldest first; it is forgotten.
    pub fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// Whether something is to be told.
    pub fn any(&self) -> bool {
        !self.told.is_empty()
    }
}

impl Member {
    /// Milliseconds until one of its times may be over.
    fn left(&self, now: u32) -> Option<u32> {
        let times = [(self.idle, self.active, Expired::Idle), (self.lasts, self.joined, Expired::Session)];
        let untold = times.into_iter().filter(|(time, _, what)| *time > 0 && !self.told[*what as usize]);
        untold.map(|(time, since, _)| time.saturating_sub(now.wrapping_sub(since))).min()
    }

    fn is_over(&self, now: u32, what: Expired) -> bool {
        let (time, since) = match what {
            Expired::Idle => (self.idle, self.active),
            Expired::Session => (self.lasts, self.joined),
            Expired::Quota => return self.quota > 0 && self.octets() >= self.quota,
        };
        time > 0 && now.wrapping_sub(since) >= time
    }
}

impl Core {
    /// Tells TypeScript that something of a session is over.
    #[cold]
    pub(super) fn tell(&mut self, session: u32, what: Expired) {
        if let Some(member) = self.members.get_mut(session)
            && !std::mem::replace(&mut member.told[what as usize], true)
        {
            let Forwarder::Ppp(at) = self.sessions.rx[session].forwarder else { return };
            let (termination, session) = (self.terminations.handle(at), self.sessions.handle(session));
            self.expiries.told.push(Told { termination, session, what });
        }
    }

    /// Looks after a member's times again, from now on; what was planned before is stale.
    pub(super) fn plan_expiry(&mut self, session: u32) {
        let now = self.now;
        let Some(member) = self.members.get_mut(session) else { return };
        member.stamp = member.stamp.wrapping_add(1);
        let left = member.left((now / 1000) as u32);
        let stamp = member.stamp;
        let entry = left.map(|left| Reverse((now + u64::from(left) * 1000, session, stamp)));
        self.expiries.agenda.extend(entry);
    }

    /// Tells of all whose time is over.
    pub fn expire(&mut self, now: u64) {
        while self.expiries.due().is_some_and(|due| due <= now) {
            let Some(Reverse((_, session, stamp))) = self.expiries.agenda.pop() else { return };
            let ms = (now / 1000) as u32;
            let Some(member) = self.members.get(session).filter(|member| member.stamp == stamp) else {
                continue;
            };
            let over = [Expired::Idle, Expired::Session].map(|what| (what, member.is_over(ms, what)));
            over.into_iter().filter(|(_, over)| *over).for_each(|(what, _)| self.tell(session, what));
            self.plan_expiry_after(now, session);
        }
    }

    /// As [`Core::plan_expiry`], but never for the same instant again.
    fn plan_expiry_after(&mut self, now: u64, session: u32) {
        let Some(member) = self.members.get(session) else { return };
        let left = member.left((now / 1000) as u32).map(|left| left.max(1));
        let entry = left.map(|left| Reverse((now + u64::from(left) * 1000, session, member.stamp)));
        self.expiries.agenda.extend(entry);
    }
}
