//! Whose packets go where: addresses by one step of a hash table, then one step for each prefix length that is in use,
//! longest first. Adding and removing take as long, however many there are.

use crate::session::NONE;
use crate::slab::Chunks;
use crate::table::Table;

/// An address, or a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// The address; of IPv4 its upper 32 bits.
    address: u128,
    bits: u8,
    v6: bool,
}

impl Prefix {
    /// A network; what `bits` does not cover of its address counts for nothing. `None`: it has more bits than an address.
    pub fn v4(address: [u8; 4], bits: u8) -> Option<Self> {
        let address = u128::from(u32::from_be_bytes(address)) << 96;
        (bits <= 32).then(|| Self { address: address & mask(bits), bits, v6: false })
    }

    /// As [`Prefix::v4`].
    pub fn v6(address: [u8; 16], bits: u8) -> Option<Self> {
        let address = u128::from_be_bytes(address);
        (bits <= 128).then(|| Self { address: address & mask(bits), bits, v6: true })
    }

    /// Whether it is of IPv6.
    pub fn is_v6(&self) -> bool {
        self.v6
    }

    /// The IPv4 address that it is, if it is one.
    pub fn host4(&self) -> Option<u32> {
        (!self.v6 && self.bits == 32).then_some((self.address >> 96) as u32)
    }

    fn hash(self) -> u32 {
        let folded = (self.address >> 64) as u64 ^ (self.address as u64).rotate_left(29);
        let mixed =
            (folded ^ u64::from(self.bits) << 57 ^ u64::from(self.v6)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 32) as u32
    }
}

fn mask(bits: u8) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits)) }
}

/// A network that is in the table.
#[derive(Clone, Copy, Default)]
struct Route {
    /// In words, so that a route takes no more room than it needs.
    address: [u32; 4],
    /// The session.
    owner: u32,
    /// The owner's next one.
    next: u32,
    /// The next one of the same hash.
    same: u32,
    bits: u8,
    v6: bool,
}

impl Route {
    fn prefix(&self) -> Prefix {
        let [a, b, c, d] = self.address.map(u128::from);
        Prefix { address: a << 96 | b << 64 | c << 32 | d, bits: self.bits, v6: self.v6 }
    }
}

/// The lengths of one family's prefixes that are in use, longest first.
#[derive(Default)]
struct Lengths {
    used: Vec<(u8, u32)>,
}

impl Lengths {
    fn add(&mut self, bits: u8) {
        match self.used.binary_search_by(|(length, _)| bits.cmp(length)) {
            Ok(at) => self.used[at].1 += 1,
            Err(at) => self.used.insert(at, (bits, 1)),
        }
    }

    fn remove(&mut self, bits: u8) {
        if let Ok(at) = self.used.binary_search_by(|(length, _)| bits.cmp(length)) {
            self.used[at].1 -= 1;
            if self.used[at].1 == 0 {
                self.used.remove(at);
            }
        }
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            hosts: Table::new(),
            first: Table::new(),
            slots: Chunks::new(),
            count: 0,
            free: None,
            lengths: Default::default(),
        }
    }
}

/// All addresses and networks of a termination's members.
pub struct Routes {
    /// IPv4 addresses.
    hosts: Table<u32>,
    /// All else, by hash: the first of those that have it.
    first: Table<u32>,
    slots: Chunks<Route>,
    /// How many there are, in use or free.
    count: u32,
    /// The first of the slots that are free; they are chained by `next`.
    free: Option<u32>,
    lengths: [Lengths; 2],
}

impl Routes {
    /// The session that an IPv4 address belongs to, or [`NONE`].
    #[inline]
    pub fn find4(&self, address: u32) -> u32 {
        match self.hosts.get(address) {
            NONE => self.find(u128::from(address) << 96, false),
            session => session,
        }
    }

    /// The session that an IPv6 address belongs to, or [`NONE`].
    #[inline]
    pub fn find6(&self, address: u128) -> u32 {
        self.find(address, true)
    }

    fn find(&self, address: u128, v6: bool) -> u32 {
        let lengths = self.lengths[usize::from(v6)].used.iter();
        let mut found =
            lengths.map(|(bits, _)| self.exact(Prefix { address: address & mask(*bits), bits: *bits, v6 }));
        found.find(|route| *route != NONE).map_or(NONE, |route| self.slots[route].owner)
    }

    /// The route of a prefix, or [`NONE`].
    #[inline]
    fn exact(&self, prefix: Prefix) -> u32 {
        let mut at = self.first.get(prefix.hash());
        while at != NONE && self.slots[at].prefix() != prefix {
            at = self.slots[at].same;
        }
        at
    }

    /// Whose a prefix is, exactly; or [`NONE`].
    pub fn owner(&self, prefix: Prefix) -> u32 {
        match prefix.host4() {
            Some(address) => self.hosts.get(address),
            None => match self.exact(prefix) {
                NONE => NONE,
                route => self.slots[route].owner,
            },
        }
    }

    /// Adds an IPv4 address that is nobody's, which its owner keeps in mind itself.
    pub fn add_host(&mut self, address: u32, owner: u32) {
        self.hosts.set(address, owner);
    }

    /// Removes what [`Routes::add_host`] has added.
    pub fn remove_host(&mut self, address: u32) {
        self.hosts.remove(address);
    }

    /// Adds one that is nobody's. `list`: the first of its owner's, which it is put before.
    pub fn add(&mut self, prefix: Prefix, owner: u32, list: &mut u32) {
        let route = Route {
            address: [96, 64, 32, 0].map(|shift| (prefix.address >> shift) as u32),
            owner,
            next: *list,
            same: NONE,
            bits: prefix.bits,
            v6: prefix.v6,
        };
        let at = match self.free {
            Some(at) => {
                let next = self.slots[at].next;
                self.free = (next != NONE).then_some(next);
                self.slots[at] = route;
                at
            }
            None => {
                let at = self.count;
                self.slots.make_room(at);
                self.slots[at] = route;
                self.count += 1;
                at
            }
        };
        *list = at;
        match prefix.host4() {
            Some(address) => self.hosts.set(address, owner),
            None => {
                self.slots[at].same = self.first.get(prefix.hash());
                self.first.set(prefix.hash(), at);
                self.lengths[usize::from(prefix.v6)].add(prefix.bits);
            }
        }
    }

    /// Removes all of an owner's.
    pub fn remove_all(&mut self, list: &mut u32) {
        let mut at = std::mem::replace(list, NONE);
        while at != NONE {
            let Route { next, .. } = self.slots[at];
            self.remove(at);
            self.slots[at].next = self.free.unwrap_or(NONE);
            self.free = Some(at);
            at = next;
        }
    }

    fn remove(&mut self, at: u32) {
        let prefix = self.slots[at].prefix();
        if let Some(address) = prefix.host4() {
            return self.hosts.remove(address);
        }
        self.lengths[usize::from(prefix.v6)].remove(prefix.bits);
        let (hash, same) = (prefix.hash(), self.slots[at].same);
        let mut before = self.first.get(hash);
        if before == at {
            return if same == NONE { self.first.remove(hash) } else { self.first.set(hash, same) };
        }
        while self.slots[before].same != at {
            before = self.slots[before].same;
        }
        self.slots[before].same = same;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The longest of all that cover an address, by looking at each.
    fn longest(model: &[(Prefix, u32)], address: u128, v6: bool) -> u32 {
        let covering = model
            .iter()
            .filter(|(prefix, _)| prefix.v6 == v6 && address & mask(prefix.bits) == prefix.address);
        covering.max_by_key(|(prefix, _)| prefix.bits).map_or(NONE, |(_, owner)| *owner)
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        // Few values, so that prefixes cover each other.
        (any::<bool>(), 0u8..4, 0u8..4, 0usize..6).prop_map(|(v6, high, low, bits)| {
            if v6 {
                let mut address = [0; 16];
                (address[0], address[7], address[15]) = (0x20, high, low);
                Prefix::v6(address, [0, 4, 56, 64, 127, 128][bits]).unwrap()
            } else {
                Prefix::v4([10, 0, high, low], [0, 8, 24, 31, 32, 32][bits]).unwrap()
            }
        })
    }

    proptest! {
        #[test]
        fn the_longest_match_wins(steps in prop::collection::vec((0u32..6, prop::collection::vec(prefix(), 0..4)), 1..60)) {
            let mut routes = Routes::default();
            let mut lists = [NONE; 6];
            let mut model: Vec<(Prefix, u32)> = Vec::new();
            for (owner, prefixes) in steps {
                routes.remove_all(&mut lists[owner as usize]);
                model.retain(|(_, whose)| *whose != owner);
                for prefix in prefixes {
                    let exists = model.iter().find(|(other, _)| *other == prefix).map_or(NONE, |(_, whose)| *whose);
                    prop_assert_eq!(routes.owner(prefix), exists);
                    if exists == NONE {
                        routes.add(prefix, owner, &mut lists[owner as usize]);
                        model.push((prefix, owner));
                    }
                }
                for (high, low) in (0..4).flat_map(|high| (0..4).map(move |low| (high, low))) {
                    let v4 = u32::from_be_bytes([10, 0, high, low]);
                    prop_assert_eq!(routes.find4(v4), longest(&model, u128::from(v4) << 96, false));
                    let v6 = 0x20 << 120 | u128::from(high) << 64 | u128::from(low);
                    prop_assert_eq!(routes.find6(v6), longest(&model, v6, true));
                }
            }
            prop_assert!(routes.count <= 24, "slots are used again");
            lists.iter_mut().for_each(|list| routes.remove_all(list));
            prop_assert!(routes.lengths.iter().all(|lengths| lengths.used.is_empty()), "no length is looked for in vain");
        }
    }

    #[test]
    fn prefixes_of_one_hash_are_told_apart() {
        let mut routes = Routes::default();
        let mut by_hash = std::collections::HashMap::new();
        let one =
            |number: u32| Prefix::v6((u128::from(number) << 72 | 0x20 << 120).to_be_bytes(), 64).unwrap();
        // Of so many, some have one hash of 32 bits.
        let pair = (0..400_000)
            .find_map(|number| by_hash.insert(one(number).hash(), number).map(|other| (other, number)));
        let (a, b) = pair.unwrap();
        let (mut first, mut second) = (NONE, NONE);
        routes.add(one(a), 1, &mut first);
        routes.add(one(b), 2, &mut second);
        assert_eq!((routes.owner(one(a)), routes.owner(one(b))), (1, 2));
        routes.remove_all(&mut first);
        assert_eq!((routes.owner(one(a)), routes.owner(one(b))), (NONE, 2));
        routes.add(one(a), 1, &mut first);
        routes.remove_all(&mut first);
        routes.remove_all(&mut second);
        assert_eq!((routes.owner(one(a)), routes.owner(one(b))), (NONE, NONE));
    }
}
