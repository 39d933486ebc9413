//! The session table: open addressing with linear probing over 8-byte entries, at most half full.
//!
//! Keys begin with ids exactly as they stand in the packet (four bytes read as a little-endian word), so that looking
//! one up swaps no bytes.

/// No index.
pub const EMPTY: u32 = u32::MAX;
const FIRST_BITS: u32 = 6;

/// What a table can be searched by.
pub trait Key: Copy + Default + PartialEq {
    /// The key in 32 bits, of which any may differ between keys.
    fn fold(self) -> u32;
}

impl Key for u32 {
    #[inline]
    fn fold(self) -> u32 {
        self
    }
}

impl Key for u64 {
    #[inline]
    fn fold(self) -> u32 {
        (self ^ self >> 32) as u32
    }
}

#[derive(Clone, Copy)]
struct Entry<K> {
    key: K,
    index: u32,
}

impl<K: Key> Entry<K> {
    fn empty() -> Self {
        Self { key: K::default(), index: EMPTY }
    }
}

/// A map from keys to slab indices.
pub struct Table<K = u32> {
    entries: Vec<Entry<K>>,
    bits: u32,
    used: usize,
}

impl<K: Key> Table<K> {
    /// An empty table.
    pub fn new() -> Self {
        Self { entries: vec![Entry::empty(); 1 << FIRST_BITS], bits: FIRST_BITS, used: 0 }
    }

    /// Where the search for `key` starts. The multiplier is odd and near 2³²/φ; the high half of the key is folded
    /// in first because ids that are dense differ only there.
    #[inline]
    pub fn home(&self, key: K) -> usize {
        let key = key.fold();
        ((key ^ key >> 15).wrapping_mul(0x9E37_79B1) >> (32 - self.bits)) as usize
    }

    /// Where the search from [`Table::home`] on reads first.
    #[inline]
    pub fn index_at(&self, home: usize) -> &u32 {
        &self.entries[home].index
    }

    /// The index stored under `key`, or [`EMPTY`].
    pub fn get(&self, key: K) -> u32 {
        self.get_from(self.home(key), key)
    }

    /// [`Table::get`] where the home of `key` is known.
    #[inline]
    pub fn get_from(&self, home: usize, key: K) -> u32 {
        let mask = self.entries.len() - 1;
        let mut at = home;
        loop {
            let entry = self.entries[at & mask];
            if entry.key == key || entry.index == EMPTY {
                return entry.index;
            }
            at += 1;
        }
    }

    /// Stores `index` under `key`, in the place of what was there.
    pub fn set(&mut self, key: K, index: u32) {
        if (self.used + 1) * 2 > self.entries.len() {
            self.grow();
        }
        let at = self.place_of(key);
        if self.entries[at].index == EMPTY {
            self.used += 1;
        }
        self.entries[at] = Entry { key, index };
    }

    /// Removes `key`, moving back what was pushed on by it, so that no tombstones are needed.
    pub fn remove(&mut self, key: K) {
        let mask = self.entries.len() - 1;
        let mut hole = self.place_of(key);
        if self.entries[hole].index == EMPTY {
            return;
        }
        self.used -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at];
            if entry.index == EMPTY {
                break;
            }
            // It may move into the hole unless its home lies after the hole (cyclically).
            if (at.wrapping_sub(self.home(entry.key)) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole].index = EMPTY;
    }

    /// The place of `key`, or the empty one where it would go.
    fn place_of(&self, key: K) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = self.home(key);
        while self.entries[at].index != EMPTY && self.entries[at].key != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        self.bits += 1;
        let larger = vec![Entry::empty(); 1 << self.bits];
        for entry in std::mem::replace(&mut self.entries, larger) {
            if entry.index != EMPTY {
                let at = self.place_of(entry.key);
                self.entries[at] = entry;
            }
        }
    }
}

impl<K: Key> Default for Table<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in prop::collection::vec((any::<bool>(), 0u32..200, 0u32..1000), 0..600)) {
            let (mut table, mut model) = (Table::new(), HashMap::new());
            for (add, key, index) in steps {
                let key = key.swap_bytes();
                if add {
                    table.set(key, index);
                    model.insert(key, index);
                } else {
                    table.remove(key);
                    model.remove(&key);
                }
                prop_assert_eq!(table.used, model.len());
            }
            for key in 0..200u32 {
                let expected = model.get(&key.swap_bytes()).copied().unwrap_or(EMPTY);
                prop_assert_eq!(table.get(key.swap_bytes()), expected);
            }
        }
    }

    /// The mean distance from home of `keys`.
    fn mean_distance(keys: impl Iterator<Item = u32>) -> f64 {
        let mut table = Table::new();
        for key in keys {
            table.set(key, 1);
        }
        let mask = table.entries.len() - 1;
        let full = table.entries.iter().enumerate().filter(|(_, entry)| entry.index != EMPTY);
        let sum: usize = full.map(|(at, entry)| at.wrapping_sub(table.home(entry.key)) & mask).sum();
        sum as f64 / table.used as f64
    }

    #[test]
    fn dense_ids_spread_as_well_as_random_ones() {
        assert!(mean_distance((1..=100_000u32).map(u32::swap_bytes)) < 1.5);
        assert!(
            mean_distance(
                (0..100_000u32).map(|id| (0x0001_0001 + ((id / 1000) << 16) + id % 1000).swap_bytes())
            ) < 1.5
        );
        assert!(mean_distance((0..100_000u32).map(|id| (0xdead_0000 + id).swap_bytes())) < 1.5);
    }
}
