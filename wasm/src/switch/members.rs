//! Switches and their ports as TypeScript makes, changes and asks for them.

use super::{Member, MemberOptions, PAUSE, Patch, Switch, SwitchOptions, Switches, Wire};
use crate::counters::SwitchCounts;
use crate::fdb::{Fdb, Row, Station};
use crate::policy::Bucket;
use crate::port::{Forwarder, Port};
use crate::slab::Handle;
use crate::vlan::Translation;

/// Why a request was refused.
pub type Refused = &'static str;

/// Frames that may come at once, where so many may come in a second: a tenth of that.
fn bucket(rate: u32) -> Bucket {
    Bucket::new(rate, (rate / 10).clamp(1, u32::MAX / 125) * 125)
}

impl Switches {
    /// Makes a switch without ports.
    pub fn add(&mut self, options: SwitchOptions) -> Option<Handle> {
        let fdb = Fdb::new(options.table, options.ageing, options.seed);
        let at = self.switches.insert(Switch { options, fdb, ..Switch::default() })?;
        Some(self.switches.handle(at))
    }

    /// The switch that a handle stands for.
    pub fn find(&self, switch: Handle) -> Option<u32> {
        self.switches.find(switch)
    }

    /// Changes a switch; what there is no room for any more is forgotten.
    pub fn change(&mut self, at: u32, options: SwitchOptions, now: u64) {
        let Self { switches, members, .. } = self;
        let switch = &mut switches[at];
        if (options.table, options.ageing) != (switch.options.table, switch.options.ageing) {
            switch.fdb.resize(options.table, options.ageing, now);
            switch.members.iter().for_each(|member| members[*member].learnt = 0);
            switch.fdb.learnt(|member| members[member].learnt += 1);
        }
        let seed = switch.options.seed;
        switch.options = SwitchOptions { seed, ..options };
        switch.sweep = (!switch.fdb.is_empty()).then_some(now);
    }

    /// The ports of a switch.
    pub fn ports(&self, at: u32) -> impl Iterator<Item = Port> + '_ {
        self.switches[at].members.iter().map(|member| self.members[*member].port)
    }

    /// Removes a switch that has no ports.
    pub fn remove(&mut self, at: u32) {
        self.switches.remove(at);
    }

    /// Makes a port a member of a switch. Gives its number as such.
    pub fn join(&mut self, switch: u32, port: Port, options: MemberOptions) -> Option<u32> {
        let storms = options.storms.map(bucket);
        let translation = self.translation(port);
        let blocked_until = if options.down { u64::MAX } else { 0 };
        let member =
            Member { port, switch, options, storms, translation, blocked_until, ..Member::default() };
        let at = self.members.insert(member)?;
        let Self { switches, members, .. } = self;
        switches[switch].members.push(at);
        switches[switch].recount(members);
        Some(at)
    }

    /// Changes a member. What it learnt is forgotten where its VLANs changed, or it is down.
    pub fn change_member(&mut self, at: u32, options: MemberOptions) {
        let member = &mut self.members[at];
        let before = std::mem::replace(&mut member.options, options);
        if before.storms != member.options.storms {
            member.storms = member.options.storms.map(bucket);
        }
        if before.down != member.options.down {
            member.blocked_until = if member.options.down { u64::MAX } else { 0 };
        }
        let same = before.vlans == member.options.vlans && !member.options.down;
        let switch = member.switch;
        self.switches[switch].recount(&self.members);
        if !same {
            self.flush_member(at, false);
        }
    }

    /// Takes a member out of its switch; what is known of its stations is forgotten.
    pub fn leave(&mut self, at: u32) {
        self.flush_member(at, true);
        let Member { switch, .. } = self.members.remove(at);
        let switch = &mut self.switches[switch];
        switch.members.retain(|member| *member != at);
        switch.loops.forget(at);
        self.blocked.retain(|(_, member)| *member != at);
        switch.recount(&self.members);
    }

    /// Forgets what was learnt at a port, with `fixed` what an operator said too.
    pub fn flush_member(&mut self, at: u32, fixed: bool) {
        let Self { switches, members, .. } = self;
        let switch = members[at].switch;
        if fixed || members[at].learnt > 0 {
            switches[switch].fdb.flush(Some(at), fixed);
        }
        members[at].learnt = 0;
    }

    /// Forgets what a switch has learnt.
    pub fn flush(&mut self, at: u32) {
        let Self { switches, members, .. } = self;
        switches[at].fdb.flush(None, false);
        switches[at].members.iter().for_each(|member| members[*member].learnt = 0);
    }

    /// An operator says at which port a station is.
    pub fn fix(&mut self, member: u32, station: Station) -> Result<(), Refused> {
        let Self { switches, members, .. } = self;
        let before = switches[members[member].switch].fdb.fix(station, member);
        match before.map_err(|()| "the switch's table is full")? {
            Some(before) => members[before].learnt -= 1,
            None => {}
        }
        Ok(())
    }

    /// Forgets a station; false: it was not known.
    pub fn forget(&mut self, switch: u32, station: Station) -> bool {
        let gone = self.switches[switch].fdb.forget(station);
        if let Some((member, true)) = gone {
            self.members[member].learnt -= 1;
        }
        gone.is_some()
    }

    /// Part of a switch's database: what is in `count` slots from `from` on, and whether there are more.
    pub fn rows(&self, at: u32, from: usize, count: usize, now: u64) -> (Vec<(Port, Row)>, bool) {
        let fdb = &self.switches[at].fdb;
        let rows = fdb.rows(from, count, now).map(|row| (self.members[row.member].port, row));
        (rows.collect(), from.saturating_add(count) < fdb.slots())
    }

    /// A switch's figures: stations that are known, and its MTU, 0 where that is not known.
    pub fn figures(&self, at: u32) -> (usize, u32) {
        (self.switches[at].fdb.len(), self.switches[at].mtu)
    }

    /// A member's counters, how many stations it has learnt, and for how many microseconds more it is blocked.
    pub fn member(&self, at: u32, now: u64) -> (&SwitchCounts, u32, u64) {
        let member = &self.members[at];
        let blocked = if member.options.down { 0 } else { member.blocked_until.saturating_sub(now) };
        (&member.counts, member.learnt, blocked)
    }

    /// Makes a pair of ports: what leaves by one comes in at the other.
    pub fn add_patch(&mut self) -> Option<[u32; 2]> {
        let a = self.patches.insert(Patch::default())?;
        let Some(b) = self.patches.insert(Patch { peer: Some(a), ..Patch::default() }) else {
            self.patches.remove(a);
            return None;
        };
        self.patches[a].peer = Some(b);
        Some([a, b])
    }

    /// Removes one end of a patch.
    pub fn remove_patch(&mut self, at: u32) {
        if let Some(peer) = self.patches.remove(at).peer {
            self.patches[peer].peer = None;
        }
    }

    /// What a port does with tags.
    pub fn translation(&self, port: Port) -> Translation {
        self.translations.get(&port).cloned().unwrap_or_default()
    }

    /// Whether a port does anything with tags.
    pub fn translates(&self, port: Port) -> bool {
        self.translations.contains_key(&port)
    }

    /// Says what a port does with tags, whatever it is joined to.
    pub fn set_translation(&mut self, port: Port, forwarder: Forwarder, translation: Translation) {
        if let Forwarder::Switch(member) = forwarder {
            self.members[member].translation = translation.clone();
            self.flush_member(member, false);
        }
        match translation {
            Translation::None => self.translations.remove(&port),
            other => self.translations.insert(port, other),
        };
    }

    /// Joins two ports of which one translates tags.
    pub fn add_wire(&mut self, a: Port, b: Port) -> Option<u32> {
        let end = |port| (port, self.translation(port));
        self.wires.insert(Wire(vec![end(a), end(b)]))
    }

    /// What a port of a wire is joined to.
    pub fn far_end(&self, at: u32, port: Port) -> Option<Port> {
        self.wires[at].0.iter().map(|(end, _)| *end).find(|end| *end != port)
    }

    /// Parts two ports that were joined like this.
    pub fn remove_wire(&mut self, at: u32) -> [Port; 2] {
        let ends = self.wires.remove(at).0;
        [ends[0].0, ends[1].0]
    }
}

impl Switch {
    /// Finds out anew what depends on all members.
    fn recount(&mut self, members: &crate::slab::Slab<Member>) {
        self.lists.clear();
        let mtus = self.members.iter().map(|at| members[*at].options.mtu).filter(|mtu| *mtu > 0);
        self.mtu = mtus.min().unwrap_or(0);
    }
}

/// All reserved addresses, as `forward-bpdu` has it: but for PAUSE, which is never for anybody behind a switch.
pub const FORWARD_BPDU: u16 = !(1 << PAUSE);
