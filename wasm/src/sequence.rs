//! Sequence numbers of received frames: which are in order, early or late (RFC 2661 §5.4, RFC 3931 §4.6.1).

/// So many late frames that follow each other in order mean that the peer began anew.
const RESTART_RUN: u8 = 5;

/// What a number says of its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The one expected.
    InOrder,
    /// Others are missing before it.
    Early,
    /// From before the expected one, or half of the number space ahead.
    Late,
    /// Late, but the last of a run that shows that the peer's numbering began anew here.
    Restart,
}

/// The receiving side of one session's numbering.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sequence {
    /// The number expected next (the kernel's `nr`).
    pub expected: u32,
    late_next: u32,
    late_run: u8,
}

impl Sequence {
    /// Judges `ns`, of numbers up to `max` (a power of two less one). Does not move the expected number.
    #[inline]
    pub fn judge(&mut self, ns: u32, max: u32) -> Verdict {
        let ahead = ns.wrapping_sub(self.expected) & max;
        if ahead < max / 2 {
            self.late_run = 0;
            return if ahead == 0 { Verdict::InOrder } else { Verdict::Early };
        }
        self.late_run = if self.late_run > 0 && ns == self.late_next { self.late_run + 1 } else { 1 };
        self.late_next = (ns + 1) & max;
        if self.late_run > RESTART_RUN {
            self.late_run = 0;
            return Verdict::Restart;
        }
        Verdict::Late
    }

    /// Expects what follows `ns` from now on.
    #[inline]
    pub fn follow(&mut self, ns: u32, max: u32) {
        self.expected = (ns + 1) & max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{V2_NUMBERS, V3_NUMBERS};

    #[test]
    fn numbers_wrap() {
        for max in [V2_NUMBERS, V3_NUMBERS] {
            let mut sequence = Sequence { expected: max, ..Default::default() };
            assert_eq!(sequence.judge(max, max), Verdict::InOrder);
            sequence.follow(max, max);
            assert_eq!(sequence.expected, 0);
            assert_eq!(sequence.judge(max, max), Verdict::Late);
            assert_eq!(sequence.judge(3, max), Verdict::Early);
            assert_eq!(sequence.judge(max / 2 - 1, max), Verdict::Early);
            assert_eq!(sequence.judge(max / 2, max), Verdict::Late);
        }
    }

    #[test]
    fn a_run_of_late_frames_is_a_restart() {
        let mut sequence = Sequence { expected: 1000, ..Default::default() };
        for ns in 0..5 {
            assert_eq!(sequence.judge(ns, V2_NUMBERS), Verdict::Late, "{ns}");
        }
        assert_eq!(sequence.judge(5, V2_NUMBERS), Verdict::Restart);
    }

    #[test]
    fn late_frames_between_good_ones_are_no_restart() {
        let mut sequence = Sequence { expected: 1000, ..Default::default() };
        for ns in 0..100 {
            assert_eq!(sequence.judge(ns, V2_NUMBERS), Verdict::Late);
            assert_eq!(sequence.judge(sequence.expected, V2_NUMBERS), Verdict::InOrder);
            sequence.follow(sequence.expected, V2_NUMBERS);
        }
    }
}
