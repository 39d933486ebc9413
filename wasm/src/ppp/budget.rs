//! How often something may happen.

/// A bucket of tokens that is filled at a steady rate, kept as the time when it will be full again.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Budget {
    /// In milliseconds, which may wrap.
    full_at: u32,
}

impl Budget {
    /// Whether it may happen at `now`, in milliseconds, where it may `burst` times at once and once each `interval` milliseconds
    /// on the average; if so, it is counted.
    pub fn take(&mut self, now: u32, interval: u32, burst: u32) -> bool {
        // What lies further ahead than a bucket can be empty is long ago: the clock has wrapped since.
        let ahead = self.full_at.wrapping_sub(now);
        let ahead = if ahead > interval * burst { 0 } else { ahead };
        if ahead + interval > interval * burst {
            return false;
        }
        self.full_at = now.wrapping_add(ahead + interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        for start in [0, 5000, u32::MAX - 100] {
            let mut budget = Budget { full_at: start };
            let at = |budget: &mut Budget, ms: u32| {
                (0..100).filter(|_| budget.take(start.wrapping_add(ms), 30, 8)).count()
            };
            assert_eq!(at(&mut budget, 0), 8, "{start}");
            assert_eq!(at(&mut budget, 29), 0);
            assert_eq!(at(&mut budget, 30), 1);
            assert_eq!(at(&mut budget, 120), 3);
            assert_eq!(at(&mut budget, 100_000), 8, "it holds no more than it holds");
            assert_eq!(at(&mut budget, 0x8000_0000), 8, "after a long time too");
        }
    }
}
