//! Sequence numbers of received frames: which are in order, early, late, or far from all that is expected (RFC 2661 §5.4,
//! RFC 3931 §4.6.1).
//!
//! The window is the [`WINDOW`] numbers before the expected one and as many behind the highest that was taken. What is
//! late within it is dropped, and what was delivered is known by a bitmap, as in IPsec (RFC 4303 §3.4.3): no number in it
//! is delivered twice. What lies outside says that the peer's numbering may have begun anew, or that many frames were
//! lost, or that a frame strayed. It is believed after a silence, or when others follow it.

/// Numbers on either side that belong to the same numbering without a doubt.
pub const WINDOW: u32 = 64;
/// A leap ahead is believed when the next number follows it: one frame that strayed moves nothing.
const LEAP_RUN: u32 = 2;

/// What a number says of its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The one expected.
    InOrder,
    /// Others are missing before it.
    Early,
    /// Within the window, before the expected one, and not delivered: others were delivered in its place.
    Late,
    /// Delivered before.
    Duplicate,
    /// Outside the window.
    Outside,
    /// The peer's numbering began anew here.
    Restart,
}

/// When to believe that a peer's numbering began anew.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Milliseconds without a number in the window, after which any number will do.
    pub restart_after: u32,
    /// So many old numbers in a row.
    pub restart_run: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { restart_after: 1000, restart_run: 32 }
    }
}

/// The receiving side of one session's numbering.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sequence {
    /// The number expected next (the kernel's `nr`).
    pub expected: u32,
    /// When a number in the window last came, in milliseconds, which may wrap.
    pub heard: u32,
    /// Which of the numbers before the expected one were delivered: bit 0 stands for the last of them.
    delivered: u64,
}

/// Numbers outside the window that follow each other, without one between them that is in it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Outsiders {
    next: u32,
    run: u32,
    /// The expected number and the highest one when the last of them came: a number in the window that does not wait
    /// before others moves one of both.
    between: (u32, u32),
}

/// A number that was not what was expected.
#[derive(Clone, Copy, Debug)]
pub struct Doubt {
    /// The number.
    pub ns: u32,
    /// What [`Sequence::judge`] found.
    pub found: Verdict,
    /// The number expected.
    pub expected: u32,
    /// The highest that waits or was delivered.
    pub highest: u32,
    /// Milliseconds since the last that was in the window.
    pub silent: u32,
    /// The largest number.
    pub max: u32,
}

impl Sequence {
    /// Begins with the first number that is seen. Numbers start at 0: one a little above it came early.
    pub fn begin(&mut self, ns: u32) {
        self.expected = if ns < WINDOW { 0 } else { ns };
    }

    /// Judges `ns` within the window, of numbers up to `max` (a power of two less one), where `highest` is the last that
    /// waits or was delivered. [`Verdict::Outside`] is [`Outsiders::judge`]'s to decide on.
    #[inline]
    pub fn judge(&self, ns: u32, highest: u32, max: u32) -> Verdict {
        let ahead = ns.wrapping_sub(self.expected) & max;
        if ahead == 0 {
            return Verdict::InOrder;
        }
        if ahead <= max / 2 {
            let beyond = ns.wrapping_sub(highest) & max;
            return if beyond <= WINDOW || beyond > max / 2 { Verdict::Early } else { Verdict::Outside };
        }
        match self.expected.wrapping_sub(ns + 1) & max {
            behind @ 0..WINDOW if self.delivered >> behind & 1 == 1 => Verdict::Duplicate,
            0..WINDOW => Verdict::Late,
            _ => Verdict::Outside,
        }
    }

    /// `ns` is delivered: expects what follows it from now on.
    #[inline]
    pub fn follow(&mut self, ns: u32, max: u32) {
        self.skip_to(ns, max);
        self.delivered = self.delivered << 1 | 1;
        self.expected = (ns + 1) & max;
    }

    /// Expects `ns`, giving up what is missing before it.
    #[inline]
    pub fn skip_to(&mut self, ns: u32, max: u32) {
        let missing = ns.wrapping_sub(self.expected) & max;
        self.delivered = self.delivered.checked_shl(missing).unwrap_or(0);
        self.expected = ns;
    }

    /// Begins anew at `ns`, which is delivered.
    pub fn restart(&mut self, ns: u32, max: u32) {
        self.delivered = 1;
        self.expected = (ns + 1) & max;
    }
}

impl Outsiders {
    /// A number in the window came: what comes from outside next begins a run.
    pub fn interrupt(&mut self) {
        self.run = 0;
    }

    /// Decides whether the peer's numbering went on or began anew at a number that says no such thing by itself.
    pub fn judge(&mut self, doubt: &Doubt, patience: &Patience) -> Verdict {
        let Doubt { ns, found, expected, highest, silent, max } = *doubt;
        let ahead = (ns.wrapping_sub(expected) & max) <= max / 2;
        let moved = if ahead { Verdict::Early } else { Verdict::Restart };
        if silent >= patience.restart_after {
            self.run = 0;
            return moved;
        }
        if found != Verdict::Outside {
            return found;
        }
        // Some of a run may be lost on their way.
        let follows = self.run > 0
            && self.between == (expected, highest)
            && (ns.wrapping_sub(self.next) & max) < WINDOW;
        self.run = if follows { self.run + 1 } else { 1 };
        self.next = (ns + 1) & max;
        self.between = (expected, highest);
        if self.run < if ahead { LEAP_RUN } else { patience.restart_run } {
            return Verdict::Outside;
        }
        self.run = 0;
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{V2_NUMBERS, V3_NUMBERS};

    /// Judges by the window alone, with nothing in a queue.
    fn judge(sequence: &Sequence, ns: u32, max: u32) -> Verdict {
        sequence.judge(ns, sequence.expected.wrapping_sub(1), max)
    }

    #[test]
    fn the_window_wraps_with_the_numbers() {
        for max in [V2_NUMBERS, V3_NUMBERS] {
            let mut sequence = Sequence { expected: max - 1, ..Default::default() };
            sequence.follow(max - 1, max);
            assert_eq!(judge(&sequence, max, max), Verdict::InOrder);
            sequence.follow(max, max);
            assert_eq!(sequence.expected, 0);
            sequence.follow(1, max); // 0 is missing
            for (ns, verdict) in [
                (max, Verdict::Duplicate),
                (0, Verdict::Late),
                (1, Verdict::Duplicate),
                (2, Verdict::InOrder),
                (WINDOW + 1, Verdict::Early),
                (WINDOW + 2, Verdict::Outside),
                (max - 61, Verdict::Late),
                (max - 62, Verdict::Outside),
            ] {
                assert_eq!(judge(&sequence, ns, max), verdict, "{ns} of {max}");
            }
        }
    }

    #[test]
    fn the_window_reaches_beyond_what_waits() {
        let sequence = Sequence { expected: 100, ..Default::default() };
        assert_eq!(sequence.judge(300, 250, V2_NUMBERS), Verdict::Early);
        assert_eq!(sequence.judge(200, 250, V2_NUMBERS), Verdict::Early);
        assert_eq!(sequence.judge(250 + WINDOW, 250, V2_NUMBERS), Verdict::Early);
        assert_eq!(sequence.judge(251 + WINDOW, 250, V2_NUMBERS), Verdict::Outside);
    }

    #[test]
    fn a_gap_pushes_what_was_delivered_out_of_the_window() {
        let mut sequence = Sequence::default();
        sequence.follow(0, V2_NUMBERS);
        sequence.follow(63, V2_NUMBERS);
        assert_eq!(judge(&sequence, 0, V2_NUMBERS), Verdict::Duplicate);
        sequence.follow(64 + 64, V2_NUMBERS);
        for ns in 65..128 {
            assert_eq!(judge(&sequence, ns, V2_NUMBERS), Verdict::Late);
        }
        assert_eq!(judge(&sequence, 64, V2_NUMBERS), Verdict::Outside);
    }

    #[test]
    fn the_first_number_may_be_any() {
        for (first, expected) in [(0, 0), (3, 0), (WINDOW - 1, 0), (WINDOW, WINDOW), (40_000, 40_000)] {
            let mut sequence = Sequence::default();
            sequence.begin(first);
            assert_eq!(sequence.expected, expected);
        }
    }
}
