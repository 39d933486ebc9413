//! Room for headers that do not lie before their frames, of whatever length.

use std::ops::Range;

/// Bytes of it.
pub const ARENA: usize = 512 << 10;
/// The most that is asked for at once.
pub const LONGEST: usize = 1024;

/// Memory that is given out from its start on, and given back as a whole.
pub struct Arena {
    bytes: Box<[u8]>,
    used: usize,
}

impl Arena {
    /// All of it free.
    pub fn new() -> Self {
        Self { bytes: vec![0; ARENA].into(), used: 0 }
    }

    /// Bytes that are left.
    #[inline]
    pub fn left(&self) -> usize {
        ARENA - self.used
    }

    /// Takes `len` bytes, of which there are as many left. Gives where they are.
    #[inline]
    pub fn take(&mut self, len: usize) -> Range<usize> {
        let from = self.used;
        self.used += len;
        from..self.used
    }

    /// What was taken.
    #[inline]
    pub fn at(&mut self, taken: Range<usize>) -> &mut [u8] {
        &mut self.bytes[taken]
    }

    /// All of it.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes everything back.
    #[inline]
    pub fn clear(&mut self) {
        self.used = 0;
    }
}
