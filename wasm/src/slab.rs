//! Storage with handles that go stale: a slot's generation changes when it is freed.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

const CHUNK: usize = 256;
/// Generations are odd while a slot is in use. A slot whose generations are used up is never used again.
const LAST_GENERATION: u32 = (1 << Handle::GENERATION_BITS) - 1;

/// What a handle names; a handle of one kind is refused where another is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A socket.
    Socket,
    /// A tunnel.
    Tunnel,
    /// A session port.
    Session,
    /// A device port.
    Device,
    /// A host port.
    Host,
    /// A switch.
    Switch,
    /// One end of a patch between switches.
    Patch,
    /// A PPP termination.
    Ppp,
}

/// A reference handed to TypeScript: 24 bits of index, 3 of kind, 26 of generation, which a JS number carries exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle {
    /// What it names.
    pub kind: Kind,
    /// The slot.
    pub index: u32,
    generation: u32,
}

impl Handle {
    const INDEX_BITS: u32 = 24;
    const KIND_BITS: u32 = 3;
    const GENERATION_BITS: u32 = 26;

    /// As a JS number.
    pub fn to_number(self) -> f64 {
        let high = u64::from(self.generation) << Self::KIND_BITS | self.kind as u64;
        (high << Self::INDEX_BITS | u64::from(self.index)) as f64
    }

    /// The handle that a JS number stands for.
    pub fn from_number(number: f64) -> Option<Self> {
        let bits = number as u64; // saturates; what is no handle is caught below or by its generation
        if bits as f64 != number || bits >> (Self::INDEX_BITS + Self::KIND_BITS + Self::GENERATION_BITS) != 0
        {
            return None;
        }
        let kinds = [
            Kind::Socket,
            Kind::Tunnel,
            Kind::Session,
            Kind::Device,
            Kind::Host,
            Kind::Switch,
            Kind::Patch,
            Kind::Ppp,
        ];
        Some(Self {
            kind: *kinds.get((bits >> Self::INDEX_BITS) as usize & ((1 << Self::KIND_BITS) - 1))?,
            index: bits as u32 & ((1 << Self::INDEX_BITS) - 1),
            generation: (bits >> (Self::INDEX_BITS + Self::KIND_BITS)) as u32,
        })
    }
}

/// Items in chunks that never move: growing neither copies nor stalls, and an item's address stays valid as long as
/// it lives.
pub struct Chunks<T> {
    chunks: Vec<Box<[T; CHUNK]>>,
}

impl<T: Default> Chunks<T> {
    /// No items.
    pub fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// Makes room for an item at `index`, which is at most one chunk beyond what there is.
    pub fn make_room(&mut self, index: u32) {
        if index as usize / CHUNK == self.chunks.len() {
            let items: Vec<T> = (0..CHUNK).map(|_| T::default()).collect();
            self.chunks.extend(items.try_into().ok());
        }
    }
}

impl<T: Default> Default for Chunks<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

/// Items of which whole chunks may be missing: only those that were ever made take room.
pub struct Sparse<T> {
    chunks: Vec<Option<Box<[T; CHUNK]>>>,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: Default> Sparse<T> {
    /// The item at `index`, where its chunk was made.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        let chunk = self.chunks.get(index as usize / CHUNK)?.as_ref()?;
        Some(&chunk[index as usize % CHUNK])
    }

    /// As [`Sparse::get`], to be changed.
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(index as usize / CHUNK)?.as_mut()?;
        Some(&mut chunk[index as usize % CHUNK])
    }

    /// The item at `index`, its chunk made where there was none.
    pub fn make(&mut self, index: u32) -> &mut T {
        let at = index as usize / CHUNK;
        if self.chunks.len() <= at {
            self.chunks.resize_with(at + 1, || None);
        }
        let chunk = self.chunks[at].get_or_insert_with(|| {
            let items: Vec<T> = (0..CHUNK).map(|_| T::default()).collect();
            match items.try_into() {
                Ok(chunk) => chunk,
                Err(_) => unreachable!("it has so many"),
            }
        });
        &mut chunk[index as usize % CHUNK]
    }
}

/// Items of one kind.
pub struct Slab<T> {
    kind: Kind,
    items: Chunks<T>,
    generations: Vec<u32>,
    /// Oldest first, so that a slot rests as long as possible.
    free: VecDeque<u32>,
    limit: usize,
}

impl<T: Default> Slab<T> {
    /// An empty slab of at most `limit` items.
    pub fn new(kind: Kind, limit: usize) -> Self {
        let limit = limit.min(1 << Handle::INDEX_BITS);
        Self { kind, items: Chunks::new(), generations: Vec::new(), free: VecDeque::new(), limit }
    }

    /// Stores an item; `None` when the slab is full.
    pub fn insert(&mut self, item: T) -> Option<u32> {
        let index = match self.free.pop_front() {
            Some(index) => index,
            None if self.generations.len() < self.limit => {
                self.generations.push(0);
                self.generations.len() as u32 - 1
            }
            None => return None,
        };
        self.items.make_room(index);
        self.generations[index as usize] += 1;
        self.items[index] = item;
        Some(index)
    }

    /// Takes an item out; its handles are stale from now on.
    pub fn remove(&mut self, index: u32) -> T {
        let generation = &mut self.generations[index as usize];
        *generation += 1;
        if *generation < LAST_GENERATION {
            self.free.push_back(index);
        }
        std::mem::take(&mut self.items[index])
    }

    /// The handle of a live item.
    pub fn handle(&self, index: u32) -> Handle {
        Handle { kind: self.kind, index, generation: self.generations[index as usize] }
    }

    /// The index that a handle stands for, unless it is stale or of another kind.
    pub fn find(&self, handle: Handle) -> Option<u32> {
        let live = handle.kind == self.kind
            && handle.generation & 1 == 1
            && self.generations.get(handle.index as usize) == Some(&handle.generation);
        live.then_some(handle.index)
    }

    /// Whether the slot is in use.
    pub fn is_live(&self, index: u32) -> bool {
        self.generations.get(index as usize).is_some_and(|generation| generation & 1 == 1)
    }

    /// How many slots there are, in use or free.
    pub fn slots(&self) -> u32 {
        self.generations.len() as u32
    }

    /// The indices of all live items.
    pub fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.generations.len() as u32).filter(|index| self.is_live(*index))
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.items[index]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.items[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunks_that_were_made_take_room() {
        let mut items = Sparse::<u8>::default();
        *items.make(1000) = 7;
        assert_eq!(
            (items.get(1000), items.get(1023), items.get(1024), items.get(0)),
            (Some(&7), Some(&0), None, None)
        );
        assert!(items.get_mut(5).is_none() && items.chunks.iter().flatten().count() == 1);
    }

    #[test]
    fn a_handle_goes_stale_when_its_item_is_removed() {
        let mut slab = Slab::new(Kind::Tunnel, 10);
        let first = slab.insert(1).unwrap();
        let handle = slab.handle(first);
        assert_eq!(slab.find(handle), Some(first));
        assert_eq!(slab.remove(first), 1);
        assert_eq!(slab.find(handle), None);
        let again = slab.insert(2).unwrap();
        assert_eq!(again, first);
        assert_eq!(slab.find(handle), None);
        assert_ne!(slab.handle(again), handle);
    }

    #[test]
    fn a_handle_survives_the_way_through_a_js_number() {
        let mut slab = Slab::new(Kind::Host, 1000);
        for item in 0..700 {
            let index = slab.insert(item).unwrap();
            let handle = slab.handle(index);
            assert_eq!(Handle::from_number(handle.to_number()), Some(handle));
        }
        let largest = Handle { kind: Kind::Host, index: (1 << 24) - 1, generation: LAST_GENERATION };
        assert_eq!(Handle::from_number(largest.to_number()), Some(largest));
        for bad in [-1.0, 0.5, f64::NAN, f64::INFINITY, 9e15] {
            assert_eq!(Handle::from_number(bad).and_then(|handle| slab.find(handle)), None, "{bad}");
        }
    }

    #[test]
    fn a_slab_refuses_more_than_its_limit() {
        let mut slab = Slab::new(Kind::Session, 2);
        assert!(slab.insert(()).is_some() && slab.insert(()).is_some());
        assert_eq!(slab.insert(()), None);
        slab.remove(0);
        assert_eq!(slab.insert(()), Some(0));
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut slab = Slab::new(Kind::Session, 1);
        slab.insert(()).unwrap();
        slab.generations[0] = LAST_GENERATION;
        slab.remove(0);
        assert_eq!(slab.insert(()), None);
    }
}
