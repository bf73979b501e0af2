//! The hash table of ids that everything in this crate is found through.
//!
//! Open addressing with linear probing: a slot is eight bytes, an id and half of its hash, and a look-up
//! starts at the slot that the hash names and reads on until it meets the id or a vacant slot. Where a table
//! of control bytes and a table of values would be two cache misses one behind the other, this is one, and
//! the walk of a trie is a chain of look-ups that each wait for the one before. Because half of the hash is
//! in the slot, a comparison that fails hardly ever looks at what an id stands for, and growing never does.
//!
//! Removal shifts back what would otherwise be cut off from its place, so there are no tombstones, and a
//! table that thousands come to and leave again is as good as new.

use crate::slab::Id;

/// The slots of the smallest table that is not empty.
const FEWEST_SLOTS: usize = 8;

/// A set of ids by hash. What an id stands for is looked at by the caller, in the slab that it numbers.
#[derive(Clone, Debug)]
pub(crate) struct IdTable {
    /// None at all, or a power of two of them of which a quarter or more is vacant.
    slots: Vec<Slot>,
    len: usize,
    /// How far a tag is shifted to the right to name a slot.
    shift: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Half of the hash; its upper bits name the slot that the id would like to have.
    tag: u32,
    id: Option<Id>,
}

impl IdTable {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0, shift: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The id with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(Id) -> bool) -> Option<Id> {
        let tag = tag(hash);
        let mut at = self.home(tag);
        loop {
            // A table without slots ends here, any other at a vacant one.
            let slot = self.slots.get(at)?;
            let id = slot.id?;
            if slot.tag == tag && is_it(id) {
                return Some(id);
            }
            at = self.next(at);
        }
    }

    /// Whether an id with this hash may be in the table. Looks at one slot, and decides nothing that the processor would
    /// have to wait for: it brings the slots of several tables into the cache at the same time.
    #[inline]
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        self.slots.get(self.home(tag(hash))).is_some_and(|slot| slot.id.is_some())
    }

    /// Adds an id that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, id: Id) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(FEWEST_SLOTS));
        }
        self.place(Slot { tag: tag(hash), id: Some(id) });
        self.len += 1;
    }

    /// Puts another id in the place of one that was inserted under the same hash.
    pub(crate) fn replace(&mut self, hash: u64, old: Id, new: Id) {
        let mut at = self.home(tag(hash));
        loop {
            match self.slots.get_mut(at) {
                Some(slot) if slot.id == Some(old) => return slot.id = Some(new),
                Some(slot) if slot.id.is_some() => at = self.next(at),
                _ => return,
            }
        }
    }

    /// Removes an id that was inserted under this hash; an id that was not is left alone.
    pub(crate) fn remove(&mut self, hash: u64, id: Id) {
        let mut hole = self.home(tag(hash));
        loop {
            match self.slots.get(hole) {
                Some(slot) if slot.id == Some(id) => break,
                Some(slot) if slot.id.is_some() => hole = self.next(hole),
                _ => return,
            }
        }
        let mut at = hole;
        loop {
            at = self.next(at);
            let Some(slot) = self.slots.get(at).copied().filter(|slot| slot.id.is_some()) else { break };
            // It may move back if its place is not behind the hole, going round.
            let mask = self.slots.len() - 1;
            if at.wrapping_sub(self.home(slot.tag)) & mask >= at.wrapping_sub(hole) & mask {
                self.set(hole, slot);
                hole = at;
            }
        }
        self.set(hole, Slot::default());
        self.len -= 1;
        // Shrinks late, so that a size that goes to and fro does not resize each time.
        if self.len * 8 < self.slots.len() && self.slots.len() > FEWEST_SLOTS {
            self.resize(self.slots.len() / 2);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag.checked_shr(self.shift).unwrap_or(0) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// Puts an id into the first vacant slot from its place on. There is one.
    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.tag);
        while self.slots.get(at).is_some_and(|other| other.id.is_some()) {
            at = self.next(at);
        }
        self.set(at, slot);
    }

    fn set(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    fn resize(&mut self, slot_count: usize) {
        let slots = core::mem::replace(&mut self.slots, vec![Slot::default(); slot_count]);
        self.shift = u32::BITS - slot_count.trailing_zeros();
        for slot in slots.into_iter().filter(|slot| slot.id.is_some()) {
            self.place(slot);
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are in the half that is kept")]
fn tag(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> Id {
        Id::new(number).unwrap()
    }

    proptest! {
        /// Hashes of few values, so that runs of slots meet, wrap around and are shifted back.
        #[test]
        fn a_table_behaves_like_a_set(
            bits in 0_u32..4,
            steps in proptest::collection::vec((any::<bool>(), 1_u32..60), 0..300),
        ) {
            let hash = |number: u32| u64::from(number << (32 - bits.max(1)) & !(u32::MAX >> bits));
            let (mut table, mut model) = (IdTable::new(), BTreeSet::new());
            for (insert, number) in steps {
                if !insert {
                    table.remove(hash(number), id(number));
                    model.remove(&number);
                } else if model.insert(number) {
                    table.insert(hash(number), id(number));
                }
                prop_assert_eq!(table.len(), model.len());
                for number in 1..60 {
                    let found = table.find(hash(number), |other| other == id(number));
                    prop_assert_eq!(found.is_some(), model.contains(&number));
                }
            }
        }
    }

    #[test]
    fn a_look_up_asks_only_about_ids_of_the_same_hash() {
        let mut table = IdTable::new();
        for number in 1..=1_000 {
            table.insert(u64::from(number) << 20, id(number));
        }
        for number in 1..=1_000 {
            let mut asked = Vec::new();
            table.find(u64::from(number) << 20, |other| {
                asked.push(other);
                false
            });
            assert_eq!(asked, [id(number)]);
        }
    }

    #[test]
    fn a_table_grows_and_shrinks_with_what_is_in_it() {
        let mut table = IdTable::new();
        assert_eq!(table.heap_bytes(), 0);
        for number in 1..=10_000_u32 {
            table.insert(u64::from(number.reverse_bits()), id(number));
        }
        let full = table.heap_bytes();
        assert!((10_000 * 8 * 4 / 3..10_000 * 8 * 4).contains(&full), "{full}");
        for number in 1..=10_000_u32 {
            table.remove(u64::from(number.reverse_bits()), id(number));
        }
        assert_eq!((table.len(), table.heap_bytes()), (0, FEWEST_SLOTS * size_of::<Slot>()));
    }
}
