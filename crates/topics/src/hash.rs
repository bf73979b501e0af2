//! Seeded hashing, and the table of ids that everything in this crate is found through.

use core::hash::{Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use hashbrown::HashTable;

use crate::slab::Id;

/// The hash functions of one index, all of them drawn from one seed.
///
/// foldhash's `FixedState` mixes its seed with constants that everybody knows, and a peer whose input
/// cancels such a constant collides whatever the seed is. Here the constants come from the seed as well.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    constants: SharedSeed,
    start: u64,
}

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { constants: SharedSeed::from_u64(seed), start: seed.rotate_left(32) }
    }

    #[inline]
    fn hasher(&self, start: u64) -> FoldHasher<'_> {
        FoldHasher::with_seed(start, &self.constants)
    }

    #[inline]
    pub(crate) fn bytes(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher(self.start);
        hasher.write(bytes);
        hasher.finish()
    }

    /// The hash of two words; another function for each `domain`.
    #[inline]
    pub(crate) fn words(&self, domain: u32, first: u64, second: u64) -> u64 {
        let mut hasher = self.hasher(self.start.rotate_right(domain));
        hasher.write_u64(first);
        hasher.write_u64(second);
        hasher.finish()
    }

    /// Folds a number into a hash that another function of the same seed gave.
    #[inline]
    pub(crate) fn extend(&self, hash: u64, number: u32) -> u64 {
        let mut hasher = self.hasher(hash);
        hasher.write_u32(number);
        hasher.finish()
    }

    #[inline]
    pub(crate) fn key(&self, key: impl Hash) -> u64 {
        let mut hasher = self.hasher(self.start);
        key.hash(&mut hasher);
        hasher.finish()
    }
}

/// A hash table of ids. What an id stands for is looked at by the caller, in the slab it numbers.
///
/// Half of each hash is kept beside the id, so the table grows without looking at what the ids stand for.
#[derive(Clone, Debug)]
pub(crate) struct IdTable(HashTable<Slot>);

#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    id: Id,
}

impl Slot {
    /// The table takes its place from the low bits and its filter from the high ones.
    #[inline]
    fn hash(&self) -> u64 {
        u64::from(self.tag) << 32 | u64::from(self.tag)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is kept")]
fn tag(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

impl IdTable {
    pub(crate) const fn new() -> Self {
        Self(HashTable::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The id with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(Id) -> bool) -> Option<Id> {
        let tag = tag(hash);
        let wanted = u64::from(tag) << 32 | u64::from(tag);
        self.0.find(wanted, |slot| slot.tag == tag && is_it(slot.id)).map(|slot| slot.id)
    }

    /// Adds an id that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, id: Id) {
        let slot = Slot { tag: tag(hash), id };
        self.0.insert_unique(slot.hash(), slot, Slot::hash);
    }

    /// Removes an id that was inserted under this hash; an id that was not is left alone.
    pub(crate) fn remove(&mut self, hash: u64, id: Id) {
        let slot = Slot { tag: tag(hash), id };
        if let Ok(found) = self.0.find_entry(slot.hash(), |other| other.id == id) {
            found.remove();
        }
        // Table shrinks by halves and not to fit, so that sizes near a boundary do not rehash each time.
        if self.0.len() < self.0.capacity() / 8 && self.0.capacity() > 64 {
            self.0.shrink_to(self.0.len() * 2, Slot::hash);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.allocation_size()
    }
}
