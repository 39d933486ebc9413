//! Finding loops: a station that is heard at two ports in turn, again and again, is not two stations.
//!
//! Only moves are looked at, and those are rare; what is kept of them has a fixed size.

use crate::fdb::Station;

/// Stations whose moves are kept: so many sets of so many.
const SETS: usize = 64;
const WAYS: usize = 4;
/// Pairs of ports of one station.
const PAIRS: usize = 4;

/// When a port is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopRule {
    /// Moves between two ports; 0: none is ever blocked.
    pub moves: u32,
    /// Within so many microseconds.
    pub within: u64,
    /// For so many microseconds.
    pub block: u64,
}

impl Default for LoopRule {
    fn default() -> Self {
        Self { moves: 5, within: 1_000_000, block: 10_000_000 }
    }
}

#[derive(Clone, Copy, Default)]
struct Pair {
    /// The port of the two that it was heard at first.
    first: u32,
    other: u32,
    count: u32,
    since: u64,
}

#[derive(Clone, Copy, Default)]
struct Mover {
    station: Station,
    /// Where it was before it began to move.
    origin: u32,
    last: u64,
    pairs: [Pair; PAIRS],
}

/// The stations that moved lately.
#[derive(Default)]
pub struct Loops(Vec<[Mover; WAYS]>);

impl Loops {
    /// A station moved from one port to another. Gives the port to be blocked: of the two, the one where the station was
    /// not heard first.
    pub fn moved(&mut self, rule: &LoopRule, station: Station, from: u32, to: u32, now: u64) -> Option<u32> {
        if rule.moves == 0 {
            return None;
        }
        let mover = self.mover(station, from, now, rule.within);
        mover.last = now;
        let origin = mover.origin;
        let known = mover.pairs.iter().position(|pair| {
            pair.count > 0
                && ((pair.first, pair.other) == (from, to) || (pair.first, pair.other) == (to, from))
        });
        let at = known.unwrap_or_else(|| {
            let oldest = mover.pairs.iter().enumerate().min_by_key(|(_, pair)| (pair.count > 0, pair.since));
            oldest.map_or(0, |(at, _)| at)
        });
        let pair = &mut mover.pairs[at];
        if known.is_none() || now.saturating_sub(pair.since) > rule.within {
            let (first, other) = if known.is_some() { (pair.first, pair.other) } else { (from, to) };
            *pair = Pair { first, other, count: 0, since: now };
        }
        // Where it was before all of it is where it belongs.
        if pair.other == origin {
            (pair.first, pair.other) = (pair.other, pair.first);
        }
        pair.count += 1;
        if pair.count < rule.moves {
            return None;
        }
        let blocked = pair.other;
        *pair = Pair::default();
        Some(blocked)
    }

    /// What is kept of a station, which was at `from` until now.
    fn mover(&mut self, station: Station, from: u32, now: u64, within: u64) -> &mut Mover {
        if self.0.is_empty() {
            self.0 = vec![[Mover::default(); WAYS]; SETS];
        }
        let set = &mut self.0[(station.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize % SETS];
        let known = set.iter().position(|mover| mover.station == station && mover.last > 0);
        let at = known.unwrap_or_else(|| {
            set.iter().enumerate().min_by_key(|(_, mover)| mover.last).map_or(0, |(at, _)| at)
        });
        let mover = &mut set[at];
        // One that stayed for long enough has moved for good.
        if known.is_none() || now.saturating_sub(mover.last) > within {
            *mover = Mover { station, origin: from, ..Mover::default() };
        }
        mover
    }

    /// Forgets a port: its number may be another's soon.
    pub fn forget(&mut self, member: u32) {
        for mover in self.0.iter_mut().flatten() {
            let touches = |pair: &Pair| pair.count > 0 && (pair.first == member || pair.other == member);
            if mover.origin == member || mover.pairs.iter().any(touches) {
                *mover = Mover::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    /// The port that is blocked when a station is heard at these ports, so many milliseconds from each other.
    fn heard_at(ports: &[u32], apart: u64) -> Option<(usize, u32)> {
        let mut loops = Loops::default();
        ports.windows(2).enumerate().find_map(|(at, pair)| {
            let now = 5_000_000 + at as u64 * apart * MS;
            let blocked = loops.moved(&LoopRule::default(), 9, pair[0], pair[1], now)?;
            Some((at + 1, blocked))
        })
    }

    #[test]
    fn the_fifth_move_within_a_second_blocks_where_it_was_not_first() {
        assert_eq!(heard_at(&[1, 2, 1, 2, 1, 2], 100), Some((5, 2)));
        assert_eq!(heard_at(&[2, 1, 2, 1, 2, 1], 100), Some((5, 1)));
        assert_eq!(heard_at(&[1, 2, 1, 2, 1], 100), None);
        assert_eq!(heard_at(&[1, 2, 1, 2, 1, 2, 1, 2], 300), None);
    }

    #[test]
    fn a_station_whose_frames_go_round_between_two_others_keeps_its_port() {
        assert_eq!(heard_at(&[1, 2, 3, 2, 3, 2, 3], 10), Some((6, 3)));
        // Heard at its own port in between, again and again.
        let ports: Vec<u32> = (0..40).map(|at| [1, 2, 3][at % 3]).collect();
        let (_, blocked) = heard_at(&ports, 10).unwrap();
        assert!(blocked != 1);
        let ports: Vec<u32> = (0..40).map(|at| [3, 1, 3, 2][at % 4]).collect();
        assert!(heard_at(&ports, 10).unwrap().1 != 3);
    }

    #[test]
    fn whoever_moved_for_good_belongs_there() {
        let mut loops = Loops::default();
        let rule = LoopRule::default();
        assert_eq!(loops.moved(&rule, 9, 1, 2, 1000 * MS), None);
        let mut blocked = None;
        for at in 0..5 {
            let (from, to) = if at % 2 == 0 { (2, 3) } else { (3, 2) };
            blocked = loops.moved(&rule, 9, from, to, 9000 * MS + at);
        }
        assert_eq!(blocked, Some(3));
        for at in 0..4 {
            let (from, to) = if at % 2 == 0 { (2, 1) } else { (1, 2) };
            assert_eq!(loops.moved(&rule, 8, from, to, 9000 * MS + at), None);
        }
        loops.forget(1);
        assert_eq!(loops.moved(&rule, 8, 2, 1, 9001 * MS), None);
    }
}
