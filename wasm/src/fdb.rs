//! A switch's forwarding database: which station was last heard at which port, by VLAN and MAC.
//!
//! Open addressing with linear probing, at most half full. An entry is looked for in [`PROBES`] places and no more, so
//! that addresses made to collide cost little; where none of them is free, the station is not learnt, and its frames are
//! flooded. Old entries are not used any more, and their room is taken back by a sweep of a few slots at a time.

/// Places that an entry may be in.
const PROBES: usize = 64;
const NOBODY: u64 = u64::MAX;
/// When it was heard: of an entry that an operator made.
const STATIC: u32 = u32::MAX;

/// What a station is known by: VLAN 16 bits, MAC 48.
pub type Station = u64;

/// A station.
#[inline]
pub fn station(vid: u16, mac: &[u8; 6]) -> Station {
    let [a, b, c, d, e, f] = *mac;
    let [v, w] = vid.to_be_bytes();
    u64::from_be_bytes([v, w, a, b, c, d, e, f])
}

#[derive(Clone, Copy)]
struct Entry {
    station: Station,
    member: u32,
    /// In ticks, or [`STATIC`].
    heard: u32,
}

const FREE: Entry = Entry { station: NOBODY, member: 0, heard: 0 };

/// What came of hearing a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It is where it was, or an operator said where it is.
    Known,
    /// It was not known.
    New,
    /// It was at another port, this one.
    Moved(u32),
    /// There is no room for it.
    Full,
}

/// A row for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Who.
    pub station: Station,
    /// Where.
    pub member: u32,
    /// How long ago it was heard, in microseconds; `None`: an operator said so.
    pub age: Option<u64>,
}

/// The database.
pub struct Fdb {
    entries: Box<[Entry]>,
    bits: u32,
    seed: u64,
    used: usize,
    limit: usize,
    /// Ticks after which an entry is not used any more.
    ageing: u32,
    /// Where the sweep goes on.
    sweep: usize,
}

impl Default for Fdb {
    fn default() -> Self {
        Self { entries: Box::new([FREE]), bits: 1, seed: 0, used: 0, limit: 0, ageing: 1, sweep: 0 }
    }
}

/// Instants are kept in units of about a millisecond: that lasts for 50 days, and comparisons wrap.
#[inline]
fn ticks(now: u64) -> u32 {
    let ticks = (now >> 10) as u32;
    if ticks == STATIC { 0 } else { ticks }
}

impl Fdb {
    /// Room for `limit` stations that are forgotten when they were not heard for `ageing` microseconds.
    pub fn new(limit: usize, ageing: u64, seed: u64) -> Self {
        let bits = (2 * limit.max(32)).next_power_of_two().trailing_zeros();
        Self {
            entries: vec![FREE; 1 << bits].into(),
            bits,
            seed,
            used: 0,
            limit,
            ageing: ticks(ageing.min(1 << 41)).max(1),
            sweep: 0,
        }
    }

    /// Other limits; what there is no room for any more is forgotten.
    pub fn resize(&mut self, limit: usize, ageing: u64, now: u64) {
        let mut other = Self::new(limit, ageing, self.seed);
        // An operator's first: they are not to be forgotten.
        for fixed in [true, false] {
            for entry in self.entries.iter().filter(|entry| entry.station != NOBODY) {
                if (entry.heard == STATIC) != fixed {
                    continue;
                }
                let old = !fixed && self.is_old(entry, ticks(now));
                let place = if old || other.used >= limit { None } else { other.vacancy(entry.station) };
                if let Some(at) = place {
                    other.entries[at] = *entry;
                    other.used += 1;
                }
            }
        }
        *self = other;
    }

    /// Stations in it, those included that were not heard for long and are not swept yet.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Its slots.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn home(&self, station: Station) -> usize {
        let mixed = (station ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (mixed >> (64 - self.bits)) as usize
    }

    /// Where the search for a station reads first: the port of who is there.
    #[inline]
    pub fn home_of(&self, station: Station) -> &u32 {
        &self.entries[self.home(station)].member
    }

    #[inline]
    fn find(&self, station: Station) -> Option<usize> {
        let mask = self.entries.len() - 1;
        let home = self.home(station);
        for at in home..home + PROBES {
            let found = self.entries[at & mask].station;
            if found == station {
                return Some(at & mask);
            }
            if found == NOBODY {
                return None;
            }
        }
        None
    }

    /// A free place for a station that is not there.
    fn vacancy(&self, station: Station) -> Option<usize> {
        let mask = self.entries.len() - 1;
        let home = self.home(station);
        (home..home + PROBES).map(|at| at & mask).find(|at| self.entries[*at].station == NOBODY)
    }

    #[inline]
    fn is_old(&self, entry: &Entry, now: u32) -> bool {
        // What was heard after `now` was told is heard now.
        let age = now.wrapping_sub(entry.heard) as i32;
        entry.heard != STATIC && age > self.ageing as i32
    }

    /// Where a station is.
    #[inline]
    pub fn look_up(&self, station: Station, now: u64) -> Option<u32> {
        let entry = &self.entries[self.find(station)?];
        (!self.is_old(entry, ticks(now))).then_some(entry.member)
    }

    /// A station was heard at a port; `may` says whether there may be one more at it.
    #[inline]
    pub fn hear(&mut self, station: Station, member: u32, now: u64, may: bool) -> Heard {
        let now = ticks(now);
        let Some(at) = self.find(station) else {
            let place = if may && self.used < self.limit { self.vacancy(station) } else { None };
            let Some(at) = place else { return Heard::Full };
            self.entries[at] = Entry { station, member, heard: now };
            self.used += 1;
            return Heard::New;
        };
        let entry = &self.entries[at];
        if entry.heard == STATIC {
            return Heard::Known;
        }
        if entry.member == member {
            self.entries[at].heard = now;
            return Heard::Known;
        }
        if !may {
            return Heard::Full;
        }
        let before = entry.member;
        self.entries[at] = Entry { station, member, heard: now };
        Heard::Moved(before)
    }

    /// An operator says where a station is. Gives at which port it was learnt before; `Err`: there is no room.
    pub fn fix(&mut self, station: Station, member: u32) -> Result<Option<u32>, ()> {
        let before = self.find(station);
        let free = if self.used < self.limit { self.vacancy(station) } else { None };
        let at = before.or(free).ok_or(())?;
        let entry = self.entries[at];
        self.used += usize::from(before.is_none());
        self.entries[at] = Entry { station, member, heard: STATIC };
        Ok(before.and((entry.heard != STATIC).then_some(entry.member)))
    }

    /// Forgets a station, whoever said where it is. Gives its port, and whether it was learnt.
    pub fn forget(&mut self, station: Station) -> Option<(u32, bool)> {
        let at = self.find(station)?;
        let Entry { member, heard, .. } = self.entries[at];
        self.remove(at);
        Some((member, heard != STATIC))
    }

    /// Forgets what was learnt, of one port or of all; with `fixed` an operator's entries too.
    pub fn flush(&mut self, member: Option<u32>, fixed: bool) {
        // From a free slot backwards: what a removal moves comes from places that were looked at.
        let free = self.entries.iter().position(|entry| entry.station == NOBODY).unwrap_or(0);
        for before in 1..self.entries.len() {
            let at = free.wrapping_sub(before) & (self.entries.len() - 1);
            while self.goes(at, member, fixed) {
                self.remove(at);
            }
        }
    }

    fn goes(&self, at: usize, member: Option<u32>, fixed: bool) -> bool {
        let Entry { station, member: at_member, heard } = self.entries[at];
        station != NOBODY && (fixed || heard != STATIC) && member.is_none_or(|member| member == at_member)
    }

    /// Visits the port of each station that was learnt.
    pub fn learnt(&self, visit: impl FnMut(u32)) {
        let learnt = self.entries.iter().filter(|entry| entry.station != NOBODY && entry.heard != STATIC);
        learnt.map(|entry| entry.member).for_each(visit);
    }

    /// Takes back the room of old entries in the next `count` slots; `gone` is told their ports.
    pub fn sweep(&mut self, count: usize, now: u64, mut gone: impl FnMut(u32)) {
        let now = ticks(now);
        for _ in 0..count.min(self.entries.len()) {
            let at = self.sweep;
            let entry = self.entries[at];
            if entry.station != NOBODY && self.is_old(&entry, now) {
                gone(entry.member);
                self.remove(at); // and look here again: another may have moved here
            } else {
                self.sweep = (at + 1) & (self.entries.len() - 1);
            }
        }
    }

    /// Frees a slot, and moves those behind it that could not be found any more.
    fn remove(&mut self, mut free: usize) {
        let mask = self.entries.len() - 1;
        self.used -= 1;
        let mut at = free;
        loop {
            at = (at + 1) & mask;
            let station = self.entries[at].station;
            if station == NOBODY {
                break;
            }
            let home = self.home(station);
            // Whether the free place lies between its home and where it is.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(free) & mask {
                self.entries[free] = self.entries[at];
                free = at;
            }
        }
        self.entries[free] = FREE;
    }

    /// What is in `count` slots from `from` on and not old.
    pub fn rows(&self, from: usize, count: usize, now: u64) -> impl Iterator<Item = Row> + '_ {
        let now = ticks(now);
        let end = self.entries.len().min(from.saturating_add(count));
        let live = self.entries[from.min(end)..end]
            .iter()
            .filter(move |entry| entry.station != NOBODY && !self.is_old(entry, now));
        live.map(move |entry| Row {
            station: entry.station,
            member: entry.member,
            age: (entry.heard != STATIC)
                .then(|| u64::from((now.wrapping_sub(entry.heard) as i32).max(0) as u32) << 10),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_station_is_forgotten_when_it_was_not_heard_for_long() {
        let mut fdb = Fdb::new(10, 10 * SECOND, 1);
        assert_eq!(fdb.hear(5, 1, 0, true), Heard::New);
        assert_eq!(fdb.look_up(5, 9 * SECOND), Some(1));
        assert_eq!(fdb.look_up(5, 11 * SECOND), None);
        assert_eq!(fdb.rows(0, 1000, 11 * SECOND).count(), 0);
        let mut gone = Vec::new();
        fdb.sweep(1000, 9 * SECOND, |member| gone.push(member));
        assert_eq!((gone.len(), fdb.len()), (0, 1));
        fdb.sweep(1000, 11 * SECOND, |member| gone.push(member));
        assert_eq!((gone, fdb.len()), (vec![1], 0));
    }

    #[test]
    fn what_an_operator_says_beats_what_is_heard() {
        let mut fdb = Fdb::new(2, SECOND, 1);
        assert_eq!(fdb.hear(5, 1, 0, true), Heard::New);
        assert_eq!(fdb.fix(5, 2), Ok(Some(1)));
        assert_eq!(fdb.hear(5, 1, 0, true), Heard::Known);
        assert_eq!(fdb.look_up(5, 1 << 50), Some(2));
        assert_eq!(fdb.fix(6, 2), Ok(None));
        assert_eq!(fdb.fix(7, 2), Err(()));
        assert_eq!(fdb.hear(7, 1, 0, true), Heard::Full);
        fdb.flush(None, false);
        assert_eq!(fdb.len(), 2);
        assert_eq!(fdb.forget(5), Some((2, false)));
        assert_eq!(fdb.forget(5), None);
    }

    #[test]
    fn a_station_that_moves_is_told_from_where() {
        let mut fdb = Fdb::new(2, SECOND, 1);
        fdb.hear(5, 1, 0, true);
        assert_eq!(fdb.hear(5, 2, 0, false), Heard::Full);
        assert_eq!(fdb.look_up(5, 0), Some(1));
        assert_eq!(fdb.hear(5, 2, 0, true), Heard::Moved(1));
        assert_eq!(fdb.look_up(5, 0), Some(2));
    }

    #[test]
    fn addresses_that_collide_cost_no_more_than_their_probes() {
        let mut fdb = Fdb::new(1000, SECOND, 7);
        let home = fdb.home(0);
        let colliding: Vec<_> =
            (0..1_000_000).filter(|station| fdb.home(*station) == home).take(200).collect();
        assert_eq!(colliding.len(), 200);
        let learnt = colliding.iter().filter(|one| fdb.hear(**one, 1, 0, true) == Heard::New).count();
        assert_eq!(learnt, PROBES);
        assert!(colliding[..PROBES].iter().all(|one| fdb.look_up(*one, 0) == Some(1)));
    }

    proptest! {
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((0u64..40, 0u32..4, 0u8..8), 0..400),
            seed in any::<u64>(),
        ) {
            let mut fdb = Fdb::new(30, SECOND, seed);
            let mut model: BTreeMap<Station, (u32, Option<u64>)> = BTreeMap::new();
            let mut now = 0;
            for (station, member, what) in steps {
                now += 20_480;
                let live = |model: &BTreeMap<_, (u32, Option<u64>)>| model.get(&station).copied();
                match what {
                    0..4 => {
                        let heard = fdb.hear(station, member, now, true);
                        let expected = match live(&model) {
                            Some((_, None)) => Heard::Known,
                            Some((at, _)) if at == member => Heard::Known,
                            Some((at, _)) => Heard::Moved(at),
                            None if model.len() == 30 => Heard::Full,
                            None => Heard::New,
                        };
                        prop_assert_eq!(heard, expected);
                        if heard != Heard::Full && live(&model).is_none_or(|(_, heard)| heard.is_some()) {
                            model.insert(station, (member, Some(now)));
                        }
                    }
                    4 => if fdb.fix(station, member).is_ok() { model.insert(station, (member, None)); },
                    5 => {
                        let gone = fdb.forget(station).is_some();
                        prop_assert_eq!(gone, model.remove(&station).is_some());
                    }
                    6 => {
                        fdb.flush(Some(member), false);
                        model.retain(|_, (at, heard)| *at != member || heard.is_none());
                    }
                    _ => {
                        fdb.sweep(usize::MAX, now, |_| {});
                        // What a removal moves behind the sweep is looked at in the next.
                        fdb.sweep(usize::MAX, now, |_| {});
                        model.retain(|_, (_, heard)| heard.is_none_or(|heard| now - heard <= SECOND));
                    }
                }
                for station in 0..40 {
                    let there = model.get(&station).filter(|(_, heard)| heard.is_none_or(|heard| now - heard <= SECOND));
                    prop_assert_eq!(fdb.look_up(station, now), there.map(|(at, _)| *at));
                }
                prop_assert_eq!(fdb.len(), model.len());
            }
        }
    }
}
